"""Code shared by the loaders: folders, labelled images, fingerprints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import file_sha256
from sgz_bench.core.images import read_header
from sgz_bench.core.registry import suggest
from sgz_bench.core.text import pluralize

from ...classes import CITYSCAPES_CLASSES
from ...datasets import choose, fingerprint_of, nothing_to_read, refuse_twins
from ...image_files import is_hidden, scan_images
from ...types import Problem
from ..types import VOID, LabelledImage, SegmentationDataset
from .labels import Colors, read_palette, refuse_other_size

_PALETTES = 100  # palettes that are compared
TRAIN_IDS = {index: index for index in range(len(CITYSCAPES_CLASSES))} | {VOID: VOID}


class Entry(NamedTuple):
    """An image whose files have not been read yet.

    Attributes:
        labels: path of the label map, which may be missing; None if labels are withheld.
        invalid, bright: candidate paths; the first existing one is taken.
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
    *,
    colors: Colors | None = None,
    notes: Iterable[str] = (),
) -> SegmentationDataset:
    """Build a data set from its entries: sorted by key, ids from 1; images without a usable map are left out.

    Images that are left out are reported. Only headers are read, to compare sizes.

    Args:
        name, split: as the user names them.
        class_names: by class id.
        ids: value in a label file → class id or VOID.
        entries: in any order; of two with the same key the first by path is taken.
        problems: faults that the loader met.
        limit: number of entries, evenly spaced over the sorted keys.
        colors: RGB in a label file → class id or VOID, for maps of colours.
        notes: remarks of the loader that are no faults.

    Raises:
        UserError: no image is usable, or palette maps have differing palettes.
    """
    refuse_twins(name, class_names)
    picked, twins, partial = choose(entries, limit)
    reported = [*problems, *twins]
    samples: list[LabelledImage] = []
    palettes: dict[bytes, Path] = {}  # each with its first map
    with_alpha: list[str] = []
    for entry in picked:
        try:
            (width, height), alpha = read_header(entry.path)
            if entry.labels is not None:
                if not entry.labels.is_file():
                    raise UserError(f"has no label map; expected {entry.labels}")
                palette = refuse_other_size(entry.labels, width, height, colors=bool(colors))
                palettes.setdefault(palette, entry.labels)
            with_alpha += [entry.key] if alpha else []
        except UserError as error:
            reported.append(Problem(entry.key, str(error), lost=True))
            continue
        invalid, bright = _first_file(entry.invalid), _first_file(entry.bright)
        if invalid is not None:
            try:
                refuse_other_size(invalid, width, height)
            except UserError as error:
                reported.append(Problem(entry.key, f"{error}; the mask is skipped"))
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
        raise nothing_to_read(name, split, reported)
    if not colors:
        _refuse_palettes([path for palette, path in palettes.items() if palette])
    return SegmentationDataset(
        name,
        split,
        tuple(class_names),
        tuple(samples),
        dict(ids),
        tuple(reported),
        (*notes, *_alpha_notes(with_alpha)),
        partial=partial,
        colors=dict(colors or {}),
    )


def _refuse_palettes(paths: Sequence[Path]) -> None:
    """Refuse palette maps in which one value has several colours: their values are no ids.

    Args:
        paths: one map per palette.

    Raises:
        UserError: names two maps.
    """
    if len(paths) < 2:
        return
    seen: dict[int, tuple[tuple[int, int, int], Path]] = {}
    for path in paths[:_PALETTES]:
        try:
            colors = read_palette(path)
        except UserError:  # reported where the map is read
            continue
        for value, color in colors.items():
            other, first = seen.setdefault(value, (color, path))
            if other != color:
                raise UserError(
                    f"{path} shows value {value} as {color}, but {first} as {other}: each file has its own palette, so "
                    "its values are no ids; save maps of ids, or name the colours under `colors` of a YAML"
                )


def _alpha_notes(keys: Sequence[str]) -> list[str]:
    """Return a note on images with a fourth channel, which is not used; empty if there are none."""
    if not keys:
        return []
    count = pluralize(len(keys), "image")
    return [f"fourth channel (alpha, or thermal in MFNet) not used: {count}, {keys[0]} first"]


def _first_file(paths: Sequence[Path]) -> Path | None:
    return next((path for path in paths if path.is_file()), None)


def below(root: Path, name: str) -> Path | None:
    """Return the folder ``root/name``, or the same one level down, inside the folder of a zip."""
    return next((path for path in (root / name, *sorted(root.glob(f"*/{name}"))) if path.is_dir()), None)


def folder_below(root: Path, name: str, dataset: str) -> Path:
    """Return the folder as :func:`below` does.

    Raises:
        UserError: no such folder.
    """
    folder = below(root, name)
    if folder is None:
        names = ", ".join(sorted(path.name for path in root.iterdir())[:8]) or "nothing"
        raise UserError(f"{root} has no folder {name}/ (found: {names}); give the folder that contains {dataset}")
    return folder


def official(name: str, split: str | None, splits: Sequence[str], default: str) -> str:
    """Return the requested split, or the default.

    Raises:
        UserError: the data set has no such split.
    """
    split = split or default
    if split not in splits:
        raise UserError(f"{name} has no split {split!r}{suggest(split, list(splits))}")
    return split


class Named(NamedTuple):
    """Files FOLDER/SEQUENCE/STEM+suffix, and what else lies there.

    Attributes:
        files: (sequence, stem, path), sorted.
        problems: images that are named otherwise, or lie at another depth.
        notes: hidden and system files that were passed over.
    """

    files: list[tuple[str, str, Path]]
    problems: list[Problem]
    notes: list[str]


def named_files(folder: Path, suffix: str) -> Named:
    """Return the images FOLDER/SEQUENCE/STEM+suffix, the suffix in any letter case."""
    scanned = scan_images(folder)
    files, problems = [], list(scanned.problems)
    for _, path in scanned.images:
        if path.parent.parent == folder and path.name.lower().endswith(suffix.lower()):
            files.append((path.parent.name, path.name[: -len(suffix)], path))
        else:
            problems.append(Problem(str(path), f"is not named SEQUENCE/STEM{suffix}; left out", lost=True))
    return Named(files, problems, scanned.notes)


def orphan_maps(folder: Path | None, suffix: str, entries: Iterable[Entry]) -> list[Problem]:
    """Return a problem per label map below a folder that belongs to no entry; for the maps with one suffix."""
    if folder is None or not folder.is_dir():
        return []
    used = {entry.labels for entry in entries}
    maps = [path for path in sorted(folder.glob(f"*/*{suffix}")) if not is_hidden(path.name) and path not in used]
    maps = [path for path in maps if not is_hidden(path.parent.name)]
    return [Problem(str(path), "has no image of its name; not used") for path in maps]


def fingerprint(dataset: SegmentationDataset) -> str:
    """Return the sha256 (hex) over class names, ids and every sample's key, size, attributes and files.

    Raises:
        UserError: a file can no longer be read.
    """

    def facts(sample: LabelledImage) -> list[Any]:
        bright = sample.bright if dataset.aligned else None  # otherwise models never see it
        paths = (sample.path, sample.labels, sample.invalid, bright)
        files = [None if path is None else file_sha256(path) for path in paths]
        return [sample.key, *files, sample.width, sample.height, sorted(sample.attributes.items())]

    head: list[Any] = [dataset.class_names, sorted(dataset.ids.items()), dataset.aligned]
    if dataset.colors:
        head.append(sorted(dataset.colors.items()))
    return fingerprint_of(head, dataset.samples, facts)
