"""COCO layout: one JSON of images, annotations and categories, and a folder of images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath

from sgz_bench.core.errors import UserError
from sgz_bench.core.images import exif_orientation
from sgz_bench.core.text import pluralize

from ...types import Problem
from ..coco import CocoLabels, ListedImage, read_labels
from ..types import DetectionDataset, SourceIds
from .base import Box, Entry, Report, box_at, build
from .coco_files import ImageFinder, annotation_file, climbs, plain_name

_BAKE = "`exiftran -ai FILES` (lossless) or `mogrify -auto-orient FILES`"


def load_coco(root: Path, split: str | None, limit: int | None = None) -> DetectionDataset:
    r"""COCO: annotations/instances_SPLIT.json, SPLIT.json or SPLIT/_annotations.coco.json, and the images.

    Images lie in SPLIT/, images/SPLIT/, images/, data/ or beside the JSON. A split may also be the path of a .json.
    Classes are ordered by category id. ``iscrowd``, ``area`` and string values of an image's ``attributes`` are kept.
    Ids are compared by value (3, 3.0 and "3" are one id), null is absent, and a backslash separates folders.

    Raises:
        UserError: no such annotation file, or it is not COCO JSON.
    """
    path, name = annotation_file(root, split)
    labels = read_labels(path, files=True)
    finder = ImageFinder(root, path, name)
    located, problems, notes = _locate(labels, finder)
    entries, ids = [], {}
    for image, file_name, file_path in located:
        key = PurePosixPath(file_name).with_suffix("").as_posix()
        ids[key] = image.id
        entries.append(Entry(key, file_path, _reader(labels, image, file_path), image.attributes))
    unlisted = finder.unlisted([file_path for _, _, file_path in located])
    if unlisted:
        count, first = pluralize(len(unlisted), "image"), finder.shown(unlisted[0])
        notes.append(f"{count} not listed in {path.name}, {first} first; not used")
    notes = [*labels.notes, *notes]
    dataset = build("coco", name, labels.class_names, entries, [*problems, *labels.problems], limit, notes)
    kept = {sample.key: ids[sample.key] for sample in dataset.samples}
    return replace(dataset, source=SourceIds(kept, tuple(labels.category_ids), tuple(labels.left_out)))


def _locate(
    labels: CocoLabels, finder: ImageFinder
) -> tuple[list[tuple[ListedImage, str, Path]], list[Problem], list[str]]:
    """Find the image files.

    A relative name is looked up by its end only if no name is found as written: otherwise a missing image of one folder
    could be mistaken for its namesake in another.

    Returns:
        Images with their names below the folder and files; problems; notes.
    """
    notes = []
    located, rest = _as_written(labels, finder)
    if not located and rest and (folder := finder.widen(name for _, name in rest[:20])) is not None:
        notes.append(f"images found in {finder.shown(folder)}/")
        located, rest = _as_written(labels, finder)
    by_end: dict[Path, list[tuple[ListedImage, str]]] = defaultdict(list)
    taken = {path for _, _, path in located}
    missing = []
    for image, name in rest:
        end = finder.find_end(name) if climbs(name) or not located else None
        if end is None or end[1] in taken:
            missing.append((image, name))
        else:
            by_end[end[1]].append((image, end[0]))
    problems = [_missing(image, name, labels, finder) for image, name in missing]
    moved = []
    for path, claims in by_end.items():
        if len(claims) == 1:
            moved.append((claims[0][0], claims[0][1], path))
            continue
        for image, name in claims:
            what = f"in {labels.file} could mean {name}, as {len(claims) - 1} other names could; use relative names"
            problems.append(Problem(image.file_name, what, lost=True))
    if moved:
        image, _, path = moved[0]
        count = pluralize(len(moved), "image")
        notes.append(f"{count} found by the end of the name, {image.file_name} first, as {finder.shown(path)}")
    return [*located, *moved], problems, notes


def _as_written(
    labels: CocoLabels, finder: ImageFinder
) -> tuple[list[tuple[ListedImage, str, Path]], list[tuple[ListedImage, str]]]:
    """Return the images whose relative names are files, and the others with their names."""
    located: list[tuple[ListedImage, str, Path]] = []
    rest: list[tuple[ListedImage, str]] = []
    for image in labels.images:
        name = plain_name(image.file_name)
        hit = None if climbs(name) else finder.find(name)
        if hit is None:
            rest.append((image, name))
        else:
            located.append((image, *hit))
    return located, rest


def _missing(image: ListedImage, name: str, labels: CocoLabels, finder: ImageFinder) -> Problem:
    if climbs(name):
        what = f"in {labels.file} points outside the image folder; use relative names"
    else:
        what = f"is listed in {labels.file} but is in none of {finder.searched()}"
    return Problem(image.file_name, what, lost=True)


def _reader(labels: CocoLabels, image: ListedImage, path: Path) -> Callable[[int, int, Report], list[Box]]:
    def read(width: int, height: int, report: Report) -> list[Box]:
        stated = (image.width or width, image.height or height)
        if stated != (width, height):
            fault = f"is {width}×{height} but {labels.file} says {stated[0]}×{stated[1]}; its boxes do not fit"
            raise UserError(fault + _why(path, (width, height), stated))
        boxes = []
        for number, annotation in enumerate(image.annotations, start=1):
            try:
                class_id, bbox, area, crowd = labels.parse(annotation)
                boxes.append(box_at(class_id, *bbox, area)._replace(crowd=crowd))
            except ValueError as error:
                where = annotation.get("id", f"{number} of {image.file_name}")
                report(f"{labels.file}, annotation {where}", f"{error}; the box is skipped")
        return boxes

    return read


def _why(path: Path, size: tuple[int, int], stated: tuple[int, int]) -> str:
    """Explain a size that differs from the stated one: rotation by EXIF, exchanged sides, or a scaled image."""
    if stated == size[::-1]:
        orientation = exif_orientation(path)
        if orientation > 4:
            return (
                f", as they were drawn on the image as EXIF orientation {orientation} shows it;"
                f" write the rotation into the pixels of all images: {_BAKE}"
            )
        return ": width and height are exchanged; correct them, or rotate the image as it was when it was labelled"
    if abs(stated[0] * size[1] - stated[1] * size[0]) <= max(*stated, *size):  # to a pixel
        return ": the image was scaled after it was labelled, or before; use the images that were labelled"
    return ""
