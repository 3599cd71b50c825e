"""COCO labels read from JSON: images, categories and annotations by their ids' values."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from sgz_bench.core.errors import UserError
from sgz_bench.core.text import composed, pluralize

from ...types import Problem
from ..doubts import rotation_doubt
from .formats import read_content, what_labels_are
from .segments import box_of
from .values import Id, as_flag, as_id, as_number, as_side, in_order, is_rotated, printable, shown, texts

_READ = {"id", "image_id", "category_id", "bbox", "area", "iscrowd"}  # of an annotation


@dataclass(frozen=True)
class ListedImage:
    """One image of the file.

    Attributes:
        id: by value.
        file_name: as written.
        width, height: stated pixels; None if absent.
        attributes: values that are text.
        annotations: as written, of all ids under which the image is listed.
    """

    id: Id
    file_name: str
    width: int | None
    height: int | None
    attributes: dict[str, str]
    annotations: list[Mapping[str, Any]]


class LabelledBox(NamedTuple):
    """One annotation: class id, xywh in pixels, area (None: that of the box), crowd flag."""

    class_id: int
    bbox: tuple[float, float, float, float]
    area: float | None
    crowd: bool


@dataclass
class CocoLabels:
    """Labels of one file.

    Attributes:
        file: name of the file.
        images: ordered by id, one per image file.
        image_of: id → index of its image; several ids may share an image.
        category_ids, class_names: by class id; ordered by category id.
        left_out: fields of annotations that are not read, such as ``segmentation``.
        notes, problems: as of a data set.
    """

    file: str
    images: list[ListedImage]
    image_of: dict[Id, int]
    category_ids: list[Id]
    class_names: list[str]
    left_out: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._class_of: dict[Id, int] = {each: index for index, each in enumerate(self.category_ids)}
        self._class_named = {name: index for index, name in enumerate(self.class_names)}

    def class_of(self, value: object) -> int | None:
        """Return the class id of a category id, or of a class name in its place; None if it is not listed."""
        key = as_id(value)
        if key is None:
            return None
        return self._class_of.get(key, self._class_named.get(key) if isinstance(key, str) else None)

    def parse(self, annotation: Mapping[str, Any]) -> LabelledBox:
        """Read one annotation; its box is that of the segmentation if it has no ``bbox``.

        Raises:
            ValueError: a field is malformed, or the category is not listed.
        """
        bbox, segmentation = annotation.get("bbox"), annotation.get("segmentation")
        if not bbox and segmentation:
            bbox = box_of(segmentation)
        if not isinstance(bbox, list) or len(bbox) != 4:
            raise ValueError(f"bbox {shown(bbox)} is not [x, y, width, height]")
        class_id = self.class_of(annotation.get("category_id"))
        if class_id is None:
            raise ValueError(f"category_id {shown(annotation.get('category_id'))} is not listed under categories")
        left, top, width, height = (as_number(side) for side in bbox)
        area = annotation.get("area")
        number = None if area is None or area == "" else as_number(area)
        return LabelledBox(class_id, (left, top, width, height), number, as_flag(annotation.get("iscrowd")))


def read_labels(path: Path, *, files: bool) -> CocoLabels:
    """Read COCO labels.

    Args:
        path: JSON file.
        files: True if images are to be opened: each needs a file name, and one that is listed under two ids is one.

    Raises:
        UserError: the file is missing or damaged, or holds something else, which the message names.
    """
    content = read_content(path, "check the path, or restore the file")
    wrong = what_labels_are(content)
    if wrong:
        raise UserError(f"{path} is not COCO detection JSON but {wrong}")
    counts: Counter[Id | None] = Counter(
        as_id(each.get("category_id")) for each in content["annotations"] if isinstance(each, Mapping)
    )
    notes: list[str] = []
    ids, names = _categories(path, content["categories"], counts, notes)
    images, image_of, problems = _images(path, content["images"], files, notes)
    problems += _shifted(path, set(counts), set(ids))
    labels = CocoLabels(path.name, images, image_of, ids, names, notes=notes, problems=problems)
    _attach(labels, content["annotations"])
    return labels


def _categories(
    path: Path, categories: list[Any], counts: Mapping[Id | None, int], notes: list[str]
) -> tuple[list[Id], list[str]]:
    """Return ids and names of the categories, ordered by id.

    Raises:
        UserError: a category has no id or name, or two names share an id.
    """
    names: dict[Id, str] = {}
    placeholders = set()
    for number, each in enumerate(categories, start=1):
        key = as_id(each.get("id")) if isinstance(each, Mapping) else None
        name = each.get("name") if isinstance(each, Mapping) else None
        if key is None or name is None or isinstance(name, (dict, list)):
            raise UserError(
                f"{path} is not COCO detection JSON: category {number} is {shown(each)}; it needs an id and a name"
            )
        if names.setdefault(key, printable(str(name))) != printable(str(name)):
            raise UserError(
                f"{path} has two categories with the id {key!r}, {names[key]!r} and {str(name)!r}; number them apart"
            )
        if each.get("supercategory") == "none" and key == 0 and not counts[key]:
            placeholders.add(key)
    for key in in_order(names):
        if not counts[key] and list(names.values()).count(names[key]) > 1:
            notes.append(f"category {key!r} in {path.name} repeats the name {names[key]!r} without a box; left out")
            del names[key]
        elif key in placeholders:
            notes.append(f"category {key!r}, {names[key]!r}, in {path.name} has no box (Roboflow's name of the group)")
    order = in_order(names)
    return order, [names[key] for key in order]


def _shifted(path: Path, used: set[Id | None], listed: set[Id]) -> list[Problem]:
    """Return a doubt if annotations seem to number the categories from one less or one more than the list."""
    numbers = sorted(each for each in listed if isinstance(each, int))
    unlisted = used - listed
    if len(numbers) < 2 or len(unlisted) != 1:
        return []
    for extra, unused in ((numbers[0] - 1, numbers[-1]), (numbers[-1] + 1, numbers[0])):
        if unlisted == {extra} and unused not in used:
            what = (
                f"annotations have category_id {extra} but never {unused}, while categories go from {numbers[0]} to"
                f" {numbers[-1]}; are all of them off by one?"
            )
            return [Problem(path.name, what, doubt=True)]
    return []


def _images(
    path: Path, images: list[Any], files: bool, notes: list[str]
) -> tuple[list[ListedImage], dict[Id, int], list[Problem]]:
    """Return images ordered by id, the index of each id, and problems.

    Raises:
        UserError: an image has no id, or no file name where ``files`` are needed.
    """
    listed: list[ListedImage] = []
    image_of: dict[Id, int] = {}
    by_name: dict[str, int] = {}
    contested: dict[Id, str] = {}
    problems, repeats, doubled = [], [], []
    for number, each in enumerate(images, start=1):
        key = as_id(each.get("id")) if isinstance(each, Mapping) else None
        name = _file_name(each) if isinstance(each, Mapping) else ""
        if key is None or (files and not name):
            needs = "an id and a file_name" if files else "an id"
            raise UserError(f"{path} is not COCO detection JSON: image {number} is {shown(each)}; it needs {needs}")
        if key in image_of:
            if listed[image_of[key]].file_name == name:
                repeats.append(name or str(key))
            else:
                contested[key] = name
            continue
        if files and name in by_name:
            image_of[key] = by_name[name]
            doubled.append(name)
            continue
        image_of[key] = by_name[name] = len(listed)
        sides = as_side(each.get("width")), as_side(each.get("height"))
        listed.append(ListedImage(key, name, *sides, texts(each.get("attributes")), []))
    if repeats:
        notes.append(
            f"{path.name} lists {pluralize(len(repeats), 'image')} again, {repeats[0]} first; each counts once"
        )
    if doubled:
        count = pluralize(len(doubled), "image")
        notes.append(f"{path.name} lists {count} under two ids, {doubled[0]} first; the labels of both are joined")
    for key, name in contested.items():
        index = image_of.pop(key)
        first = listed[index].file_name or str(key)
        what = (
            f"{path.name} gives {name or 'another'} the same id {key!r}, so its labels are not known;"
            " number the images apart"
        )
        problems += [Problem(first, what, lost=True)]
    positions = {listed[index].id: index for index in set(image_of.values())}
    order = [positions[key] for key in in_order(positions)]
    moved = {index: position for position, index in enumerate(order)}
    return [listed[index] for index in order], {key: moved[index] for key, index in image_of.items()}, problems


def _file_name(image: Mapping[str, Any]) -> str:
    """Return the file name of an image, the end of its URL if it has no name (LVIS), or an empty text."""
    for field_name in ("file_name", "filename", "path", "coco_url", "flickr_url"):
        value = image.get(field_name)
        if isinstance(value, (str, int)) and not isinstance(value, bool) and str(value).strip():
            return printable(str(value).strip())
    return ""


def _attach(labels: CocoLabels, annotations: list[Any]) -> None:
    """Give annotations to their images; count those without one."""
    by_stem = _unique_stems(labels.images)
    fields: set[str] = set()
    orphans = boxless = crowds = rotated = 0
    numbered = True
    for number, annotation in enumerate(annotations, start=1):
        if not isinstance(annotation, Mapping):
            labels.problems.append(Problem(labels.file, f"annotation {number} is {shown(annotation)}; skipped"))
            continue
        fields |= annotation.keys()
        crowds += as_flag(annotation.get("iscrowd"))
        rotated += is_rotated(annotation)
        numbered &= annotation.get("id", number) == number
        key = as_id(annotation.get("image_id"))
        index = None if key is None else labels.image_of.get(key)
        if index is None and isinstance(key, str):
            index = by_stem.get(stem_of(key))
        if index is None:
            orphans += 1
            continue
        boxless += not annotation.get("bbox") and bool(annotation.get("segmentation"))
        labels.images[index].annotations.append(annotation)
    labels.left_out = sorted(str(name) for name in fields - _READ)
    if not numbered:
        labels.left_out.insert(0, "id")
    if boxless:
        labels.notes.append(f"{pluralize(boxless, 'annotation')} without a bbox: box of the segmentation used")
    if crowds and crowds == len(annotations):
        what = f"iscrowd is 1 in all annotations ({crowds}), for regions that are not scored; write 0 for an object"
        labels.problems.append(Problem(labels.file, what, doubt=True))
    if rotated:
        labels.problems.append(rotation_doubt(labels.file, rotated))
    if orphans:
        verb = "names" if orphans == 1 else "name"
        what = f"{pluralize(orphans, 'annotation')} {verb} no listed image; skipped"
        labels.problems.append(Problem(labels.file, what))


def _unique_stems(images: list[ListedImage]) -> dict[str, int]:
    stems: dict[str, list[int]] = defaultdict(list)
    for index, image in enumerate(images):
        if not image.file_name:
            continue
        stems[stem_of(image.file_name)].append(index)
    return {stem: indices[0] for stem, indices in stems.items() if len(indices) == 1}


def plain_name(name: str) -> str:
    """Return a file name with forward separators, in NFC."""
    return composed(name.replace("\\", "/"))


def stem_of(name: str) -> str:
    """Return the stem of the last part of a file name, in NFC, after either separator."""
    last = PurePosixPath(plain_name(name)).name
    return PurePosixPath(last).stem if "." in last else last
