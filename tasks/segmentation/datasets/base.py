"""What the loaders share: finding folders, building labelled images, fingerprints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import file_sha256
from sgz_bench.core.images import image_size
from sgz_bench.core.registry import suggest

from ...classes import CITYSCAPES_CLASSES
from ...datasets import choose, fingerprint_of, nothing_to_read, refuse_twins
from ...types import Problem
from ..types import VOID, LabelledImage, SegmentationDataset
from .labels import refuse_other_size

TRAIN_IDS = {index: index for index in range(len(CITYSCAPES_CLASSES))} | {VOID: VOID}


class Entry(NamedTuple):
    """An image before its files were looked at.

    Attributes:
        labels: its label map, which need not be there; None where labels are withheld.
        invalid, bright: where these would lie; the first that is there is taken.
    """

    key: str
    path: Path
    labels: Path | None
    invalid: Sequence[Path] = ()
    bright: Sequence[Path] = ()
    attributes: Mapping[str, str] = {}


def build(
    name: str,
    split: str,
    class_names: Sequence[str],
    ids: Mapping[int, int],
    entries: Iterable[Entry],
    problems: Iterable[Problem] = (),
    limit: int | None = None,
) -> SegmentationDataset:
    """A data set from its entries: sorted by key, ids from 1; images without a usable map are reported and left out.

    Only headers are read: sizes are compared, pixels are not.

    Args:
        name, split: as the user names them.
        class_names: by class id.
        ids: value in a label file → class id or VOID.
        entries: in any order; of two with one key the first by path is taken.
        problems: what the loader met on its way.
        limit: take so many entries, evenly spaced over the sorted keys.

    Raises:
        UserError: there is no usable image at all.
    """
    refuse_twins(name, class_names)
    picked, twins, partial = choose(entries, limit)
    found = [*problems, *twins]
    samples: list[LabelledImage] = []
    for entry in picked:
        try:
            width, height = image_size(entry.path)
            if entry.labels is not None:
                if not entry.labels.is_file():
                    raise UserError(f"has no label map; looked for {entry.labels}")
                refuse_other_size(entry.labels, width, height)
        except UserError as error:
            found.append(Problem(entry.key, str(error), lost=True))
            continue
        invalid, bright = _there(entry.invalid), _there(entry.bright)
        if invalid is not None:
            try:
                refuse_other_size(invalid, width, height)
            except UserError as error:
                found.append(Problem(entry.key, f"{error}; the mask is passed over"))
                invalid = None
        samples.append(
            LabelledImage(
                id=len(samples) + 1,
                key=entry.key,
                path=entry.path,
                width=width,
                height=height,
                labels=entry.labels,
                invalid=invalid,
                bright=bright,
                attributes=entry.attributes,
            )
        )
    if not samples:
        raise nothing_to_read(name, split, found)
    return SegmentationDataset(
        name, split, tuple(class_names), tuple(samples), dict(ids), tuple(found), (), partial=partial
    )


def _there(paths: Sequence[Path]) -> Path | None:
    return next((path for path in paths if path.is_file()), None)


def below(root: Path, place: str) -> Path | None:
    """The folder ``root/place``, or the same one level down, where the folder of a zip was kept."""
    return next((path for path in (root / place, *sorted(root.glob(f"*/{place}"))) if path.is_dir()), None)


def folder_below(root: Path, place: str, name: str) -> Path:
    """As :func:`below`, of a folder that must be there.

    Raises:
        UserError: it is not.
    """
    folder = below(root, place)
    if folder is None:
        found = ", ".join(sorted(path.name for path in root.iterdir())[:8]) or "nothing"
        raise UserError(f"{root} holds no folder {place}/ (found: {found}); give the folder that holds {name}'s")
    return folder


def official(name: str, split: str | None, splits: Sequence[str], usual: str) -> str:
    """The split asked for, or the usual one.

    Raises:
        UserError: the data set has no such split.
    """
    split = split or usual
    if split not in splits:
        raise UserError(f"{name} has no split {split!r}{suggest(split, list(splits))}")
    return split


def named_files(folder: Path, suffix: str) -> list[tuple[str, str, Path]]:
    """(sequence, stem, path) of FOLDER/SEQUENCE/STEM+suffix, sorted."""
    return [(path.parent.name, path.name.removesuffix(suffix), path) for path in sorted(folder.glob(f"*/*{suffix}"))]


def fingerprint(dataset: SegmentationDataset) -> str:
    """sha256 (hex) over class names, ids and, for every sample, key, size, attributes and the bytes of its files.

    Raises:
        UserError: a file cannot be read any more.
    """

    def facts(sample: LabelledImage) -> list[Any]:
        bright = sample.bright if dataset.aligned else None  # else it is only the same place, and never shown
        paths = (sample.path, sample.labels, sample.invalid, bright)
        files = [None if path is None else file_sha256(path) for path in paths]
        return [sample.key, *files, sample.width, sample.height, sorted(sample.attributes.items())]

    head = [dataset.class_names, sorted(dataset.ids.items()), dataset.aligned]
    return fingerprint_of(head, dataset.samples, facts)
