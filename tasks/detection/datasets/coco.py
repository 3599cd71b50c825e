"""COCO layout: one JSON of images, annotations and categories, and a folder of images."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sgz_bench.enhancer.errors import UserError
from sgz_bench.enhancer.registry import suggest

from ...types import DetectionDataset, Problem
from .base import Box, Entry, build, with_any_suffix


def load_coco(root: Path, split: str | None, limit: int | None = None) -> DetectionDataset:
    """COCO: annotations/instances_SPLIT.json (or SPLIT.json) and the images in SPLIT/, images/SPLIT/ or images/.

    Classes are ordered by category id; ``iscrowd`` and ``area`` are kept; an image's ``attributes`` of strings are
    kept as attributes.

    Raises:
        UserError: no such annotation file, or not COCO JSON.
    """
    path = _annotation_file(root, split)
    content = _read(path)
    name = split or path.stem.removeprefix("instances_")
    try:
        categories = sorted(content["categories"], key=lambda category: int(category["id"]))
        place = {int(category["id"]): index for index, category in enumerate(categories)}
        classes = [str(category["name"]) for category in categories]
        by_image: dict[int, list[Any]] = defaultdict(list)
        for annotation in content["annotations"]:
            by_image[annotation["image_id"]].append(annotation)
        images = [(image["id"], str(image["file_name"]), image.get("attributes") or {}) for image in content["images"]]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"{path} is not COCO detection JSON ({error!r}); it needs images, annotations, categories"
        ) from error
    folders = [root / name, root / "images" / name, root / "images", root]
    entries, problems = [], []
    for image_id, file_name, attributes in images:
        found = next((hit for folder in folders if (hit := with_any_suffix(folder / file_name))), None)
        if found is None:
            problems.append(Problem(file_name, f"is named in {path.name} but is in none of {_names(folders, root)}"))
            continue
        reader = _reader(by_image.pop(image_id, []), place, path.name)
        words = {str(key): value for key, value in dict(attributes).items() if isinstance(value, str)}
        entries.append(Entry(Path(file_name).with_suffix("").as_posix(), found, reader, words))
    known = {image_id for image_id, _, _ in images}
    strangers = sum(len(each) for image_id, each in by_image.items() if image_id not in known)
    if strangers:
        problems.append(Problem(path.name, f"{strangers} annotations name images that it does not list; passed over"))
    return build("coco", name, classes, entries, problems, limit)


def _annotation_file(root: Path, split: str | None) -> Path:
    folders = [root / "annotations", root]
    known = sorted({path for folder in folders if folder.is_dir() for path in folder.glob("*.json")})
    if split is None:
        instances = [path for path in known if path.stem.startswith("instances_")] or known
        if len(instances) == 1:
            return instances[0]
        names = ", ".join(path.stem.removeprefix("instances_") for path in instances) or "no .json at all"
        raise UserError(f"{root}: say which --split ({names} found in annotations/)")
    for folder in folders:
        for name in (f"instances_{split}.json", f"{split}.json"):
            if (folder / name).is_file():
                return folder / name
    raise UserError(
        f"{root} has no annotations/instances_{split}.json"
        f"{suggest(split, [path.stem.removeprefix('instances_') for path in known])}"
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is not JSON that can be read ({error})") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} is not COCO detection JSON; it needs images, annotations, categories")
    return content


def _reader(
    annotations: list[Mapping[str, Any]], place: Mapping[int, int], file: str
) -> Callable[[int, int, Callable[[str, str], None]], list[Box]]:
    def read(_width: int, _height: int, report: Callable[[str, str], None]) -> list[Box]:
        boxes = []
        for annotation in annotations:
            try:
                boxes.append(_parse(annotation, place))
            except (KeyError, TypeError, ValueError) as error:
                report(f"{file}, annotation {annotation.get('id')}", f"{error}; the box is passed over")
        return boxes

    return read


def _parse(annotation: Mapping[str, Any], place: Mapping[int, int]) -> Box:
    left, top, width, height = (float(value) for value in annotation["bbox"])
    if not all(math.isfinite(value) for value in (left, top, width, height)):
        raise ValueError(f"box {annotation['bbox']} is not finite")
    if width <= 0 or height <= 0:
        raise ValueError(f"box {annotation['bbox']} has no positive size")
    if annotation["category_id"] not in place:
        raise ValueError(f"category {annotation['category_id']} is not listed")
    area = float(annotation.get("area", width * height))
    sides = (left, top, left + width, top + height)
    return Box(place[annotation["category_id"]], sides, area, bool(annotation.get("iscrowd", 0)))


def _names(folders: list[Path], root: Path) -> str:
    return ", ".join(folder.relative_to(root).as_posix() for folder in folders)
