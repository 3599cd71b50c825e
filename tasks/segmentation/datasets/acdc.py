"""ACDC (Sakaridis et al. 2021): 1920×1080 driving frames in fog, night, rain and snow, with Cityscapes trainIds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sgz_bench.enhancer.errors import UserError
from sgz_bench.enhancer.registry import suggest

from ...nightscene.names import CITYSCAPES, VOID
from ...types import Problem
from ..types import LabelledImage, SegmentationDataset

CONDITIONS = ("fog", "night", "rain", "snow")
SPLITS = ("train", "val", "test")
_IMAGE, _REFERENCE, _LABELS = "_rgb_anon.png", "_rgb_ref_anon.png", "_gt_labelTrainIds.png"


def load_acdc(root: Path, split: str = "val", condition: str | None = None) -> SegmentationDataset:
    """ACDC: rgb_anon/CONDITION/SPLIT/SEQUENCE/STEM_rgb_anon.png and maps of trainIds under gt/ in the same folders.

    The zips' top folders may or may not be there. A frame's reference in ``SPLIT_ref`` is its ``bright`` image. Labels
    of ``test`` are withheld, so its maps are None; elsewhere an image without a map is left out and named.

    Args:
        root: folder that holds both, or the zips' folders.
        split: ``train``, ``val`` or ``test``.
        condition: one of four; None takes all that are there.

    Raises:
        UserError: folders are not there, or no such split or condition.
    """
    if split not in SPLITS:
        raise UserError(f"acdc has no split {split!r}{suggest(split, list(SPLITS))}")
    if condition is not None and condition not in CONDITIONS:
        raise UserError(f"acdc has no condition {condition!r}{suggest(condition, list(CONDITIONS))}")
    images = _folder(root, "rgb_anon")
    chosen = [name for name in CONDITIONS if condition in {None, name} and (images / name / split).is_dir()]
    if not chosen:
        there = ", ".join(sorted(path.parent.name for path in images.glob(f"*/{split}"))) or "none"
        raise UserError(f"{images} has no {condition or 'condition'} in split {split} (found: {there})")
    labels = None if split == "test" else _folder(root, "gt")
    samples: list[LabelledImage] = []
    problems: list[Problem] = []
    for name in chosen:
        for path in sorted((images / name / split).glob(f"*/*{_IMAGE}")):
            sequence, stem = path.parent.name, path.name.removesuffix(_IMAGE)
            key = f"{name}/{split}/{sequence}/{stem}"
            map_file = labels / name / split / sequence / f"{stem}{_LABELS}" if labels else None
            if map_file is not None and not map_file.is_file():
                problems.append(Problem(key, f"has no label map; looked for {map_file}", lost=True))
                continue
            reference = images / name / f"{split}_ref" / sequence / f"{stem}{_REFERENCE}"
            bright = reference if reference.is_file() else None
            attributes = {"condition": name, "sequence": sequence}
            samples.append(LabelledImage(len(samples) + 1, key, path, map_file, bright, attributes))
    if not samples:
        raise UserError(f"{images} has no labelled image in split {split}" + (f": {problems[0]}" if problems else ""))
    return SegmentationDataset("acdc", split, CITYSCAPES, tuple(samples), tuple(problems))


def read_labels(path: Path) -> NDArray[np.uint8]:
    """A map of trainIds: ``(H, W)`` uint8, 0–18 and 255.

    Raises:
        UserError: not an 8-bit grey PNG, or an id that is no trainId.
    """
    try:
        with Image.open(path) as image:
            mode, labels = image.mode, np.array(image)
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f"{path} is no label map that can be read ({' '.join(str(error).split())})") from error
    if mode != "L":
        raise UserError(f"{path} is not an 8-bit grey PNG (mode {mode}); give the labelTrainIds maps")
    strange = np.setdiff1d(labels, [*range(len(CITYSCAPES)), VOID])
    if strange.size:
        raise UserError(f"{path} holds id {strange[0]}, which is no trainId (0–18, 255); give the labelTrainIds maps")
    return labels


def _folder(root: Path, name: str) -> Path:
    """``root/name``, or one level below, where the zip's own folder is kept."""
    for path in (root / name, *sorted(root.glob(f"*/{name}"))):
        if path.is_dir():
            return path
    raise UserError(f"{root} holds no folder {name}/; give the folder that holds ACDC's rgb_anon/ and gt/")
