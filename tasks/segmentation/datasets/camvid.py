"""CamVid (Brostow et al. 2008) in SegNet's layout: 480×360 driving frames, 11 classes."""

from __future__ import annotations

from pathlib import Path

from sgz_bench.core.errors import UserError
from sgz_bench.core.registry import suggest

from ...classes import CAMVID_CLASSES
from ..types import VOID, SegmentationDataset
from .base import below, build
from .pairing import Pattern, pair

IDS = {index: index for index in range(len(CAMVID_CLASSES))} | {len(CAMVID_CLASSES): VOID}


def load_camvid(root: Path, split: str | None, limit: int | None = None) -> SegmentationDataset:
    """CamVid: SPLIT/STEM.png and SPLITannot/STEM.png of the ids 0–10 and 11, void.

    Any folder with ``…annot`` beside it is a split. SegNet's are ``train``, ``val`` and ``test``, the default.
    The sequence (``0001TP`` is dusk) is an attribute.

    Raises:
        UserError: no such split.
    """
    split = split or "test"
    if Path(split).name != split or "*" in split:
        raise UserError(f"camvid: --split {split!r} is not a folder name; write it without slashes, such as test")
    images = below(root, split)
    if images is None or not images.with_name(f"{split}annot").is_dir():
        folders = [path for pattern in ("*annot", "*/*annot") for path in root.glob(pattern) if path.is_dir()]
        known = sorted(path.name.removesuffix("annot") for path in folders)
        if not known:
            raise UserError(f"{root} has no folders {split}/ and {split}annot/; give the folder of CamVid as --root")
        raise UserError(f"{root} has no split {split!r} with its {split}annot/{suggest(split, known)}")
    maps = images.with_name(f"{split}annot")
    pairs = pair(Pattern(images, "", "", ""), Pattern(maps, "", "", ""))
    entries = [each._replace(attributes={"sequence": each.path.stem.partition("_")[0]}) for each in pairs.entries]
    return build("camvid", split, CAMVID_CLASSES, IDS, entries, pairs.problems, limit, notes=pairs.notes)
