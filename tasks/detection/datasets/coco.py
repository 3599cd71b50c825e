"""COCO layout: one JSON of images, annotations and categories, and a folder of images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path, PurePath
from typing import Any

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import read_json
from sgz_bench.core.registry import suggest
from sgz_bench.core.text import pluralize

from ...datasets import with_any_suffix
from ...types import Problem
from ..types import DetectionDataset
from .base import Box, Entry, Report, box_at, build


def load_coco(root: Path, split: str | None, limit: int | None = None) -> DetectionDataset:
    """COCO: annotations/instances_SPLIT.json (or SPLIT.json) and the images in SPLIT/, images/SPLIT/ or images/.

    A split may also be the path of a .json. Classes are ordered by category id. ``iscrowd``, ``area`` and string values
    of an image's ``attributes`` are kept.

    Raises:
        UserError: no such annotation file, or it is not COCO JSON.
    """
    path = _annotation_file(root, split)
    content = _read(path)
    name = path.stem.removeprefix("instances_")
    try:
        categories = sorted(content["categories"], key=lambda category: int(category["id"]))
        class_ids = {int(category["id"]): index for index, category in enumerate(categories)}
        classes = [str(category["name"]) for category in categories]
        by_image: dict[int, list[Any]] = defaultdict(list)
        for annotation in content["annotations"]:
            by_image[annotation["image_id"]].append(annotation)
        images = {image["id"]: (str(image["file_name"]), image) for image in content["images"]}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"{path} is not COCO detection JSON ({error!r}); it needs images, annotations, categories"
        ) from error
    folders = [root / name, root / "images" / name, root / "images", root]
    entries, problems = [], []
    for image_id, (file_name, image) in images.items():
        if PurePath(file_name).is_absolute() or ".." in PurePath(file_name).parts:
            problems.append(
                Problem(file_name, f"in {path.name} points outside the image folder; use relative names", lost=True)
            )
            continue
        file_path = next((hit for folder in folders if (hit := with_any_suffix(folder / file_name))), None)
        if file_path is None:
            problems.append(
                Problem(file_name, f"is listed in {path.name} but is in none of {_names(folders, root)}", lost=True)
            )
            continue
        given = image.get("attributes")
        words = given.items() if isinstance(given, dict) else ()
        attributes = {key: value for key, value in words if isinstance(value, str)}
        reader = _reader(by_image.get(image_id, []), class_ids, path.name, image)
        entries.append(Entry(Path(file_name).with_suffix("").as_posix(), file_path, reader, attributes))
    if len(images) < len(content["images"]):
        problems.append(Problem(path.name, "lists several images with the same id; the last of them is used"))
    orphans = sum(len(each) for image_id, each in by_image.items() if image_id not in images)
    if orphans:
        verb = "names" if orphans == 1 else "name"
        problems.append(Problem(path.name, f"{pluralize(orphans, 'annotation')} {verb} no listed image; skipped"))
    return build("coco", name, classes, entries, problems, limit)


def _annotation_file(root: Path, split: str | None) -> Path:
    if split and split.endswith(".json"):
        return Path(split)
    folders = [root / "annotations", root]
    known = sorted({path for folder in folders if folder.is_dir() for path in folder.glob("*.json")})
    if split is None:
        instances = [path for path in known if path.stem.startswith("instances_")] or known
        if len(instances) == 1:
            return instances[0]
        names = ", ".join(path.stem.removeprefix("instances_") for path in instances) or "no .json"
        raise UserError(f"{root}: --split is required; found in annotations/: {names}")
    for folder in folders:
        for name in (f"instances_{split}.json", f"{split}.json"):
            if (folder / name).is_file():
                return folder / name
    stems = [path.stem.removeprefix("instances_") for path in known]
    fix = suggest(split, stems) if stems else "; it has no .json, check --root"
    raise UserError(f"{root} has no annotations/instances_{split}.json{fix}")


def _read(path: Path) -> dict[str, Any]:
    content = read_json(path, "check the path, or restore the file")
    if not isinstance(content, dict):
        raise UserError(f"{path} is not COCO detection JSON; it needs images, annotations, categories")
    return content


def _reader(
    annotations: list[Mapping[str, Any]], class_ids: Mapping[int, int], file: str, image: Mapping[str, Any]
) -> Callable[[int, int, Report], list[Box]]:
    def read(width: int, height: int, report: Report) -> list[Box]:
        stated = (image.get("width", width), image.get("height", height))
        if stated != (width, height):
            raise UserError(f"is {width}×{height} but {file} says {stated[0]}×{stated[1]}; its boxes do not fit")
        boxes = []
        for annotation in annotations:
            try:
                boxes.append(_parse(annotation, class_ids))
            except (TypeError, ValueError) as error:
                report(f"{file}, annotation {annotation.get('id')}", f"{error}; the box is skipped")
        return boxes

    return read


def _parse(annotation: Mapping[str, Any], class_ids: Mapping[int, int]) -> Box:
    bbox, category = annotation.get("bbox"), annotation.get("category_id")
    if not isinstance(bbox, list) or len(bbox) != 4:
        raise ValueError(f"bbox {bbox!r} is not [x, y, width, height]")
    if not isinstance(category, int) or category not in class_ids:
        raise ValueError(f"category_id {category!r} is not listed under categories")
    left, top, width, height = (float(value) for value in bbox)
    area = annotation.get("area")
    box = box_at(class_ids[category], left, top, width, height, None if area is None else float(area))
    return box._replace(crowd=bool(annotation.get("iscrowd", 0)))


def _names(folders: list[Path], root: Path) -> str:
    return ", ".join(folder.relative_to(root).as_posix() for folder in folders)
