"""BDD100K (Yu et al. 2020): 100,000 driving frames by day and night, boxes of ten classes in Scalabel JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import read_json
from sgz_bench.core.registry import suggest
from sgz_bench.core.text import pluralize

from ...classes import BDD100K_CLASSES
from ...datasets import read_list
from ...image_files import image_stem, is_hidden, scan_images
from ...types import Problem
from ..types import DetectionDataset
from .base import Box, Entry, Report, box_at, build

SPLITS = ("train", "val", "test")
ATTRIBUTES = ("timeofday", "weather", "scene")
OFFICIAL_IMAGES = {"train": 70000, "val": 10000}  # Yu et al. 2020, section 3.1 (70K / 10K / 20K)
# Former names and, in the second table, labels that the official evaluation ignores: bdd100k/configs/det.toml.
_NAMES = {"bike": "bicycle", "motor": "motorcycle", "person": "pedestrian", "caravan": "car", "van": "car"}
_IGNORED = {"other person": "pedestrian", "other vehicle": "car", "trailer": "truck"}
_IDS = {name: index for index, name in enumerate(BDD100K_CLASSES)}
_FILES = ("labels/det_20/det_{}.json", "labels/bdd100k_labels_images_{}.json", "bdd100k_labels_images_{}.json")
_FOLDERS = ("labels/100k/{}", "labels/{}")
_IMAGES = ("images/100k/{}", "images/{}")

Frame = Mapping[str, Any]


def load_bdd100k(
    root: Path,
    split: str | None,
    limit: int | None = None,
    *,
    timeofday: str | None = None,
    weather: str | None = None,
    scene: str | None = None,
) -> DetectionDataset:
    """BDD100K: images/100k/SPLIT/*.jpg and labels/det_20/det_SPLIT.json, or an older file of labels.

    Older are ``labels/bdd100k_labels_images_SPLIT.json`` and one JSON per image in ``labels/100k/SPLIT/``. The folders
    may lie one level down. A frame with ``labels: null`` is background. Images without a frame are left out and
    counted. Lanes, drivable areas and other labels without ``box2d`` are passed over and counted. ``crowd`` labels,
    ``other person``, ``other vehicle`` and ``trailer`` are regions in which detections are neither right nor wrong, as
    in ``bdd100k/label/to_coco.py``; a width is x2 − x1, one pixel less than there, because coordinates are fractions.

    Args:
        root: folder that contains images/ and labels/.
        split: ``train``, ``val`` (the default), or the path of a .txt of image names, in which the split is an
            attribute. Labels of ``test`` are withheld.
        limit: number of images.
        timeofday, weather, scene: keep images with this attribute, such as ``timeofday=night``.

    Raises:
        UserError: folders are missing, no such split, or no image with the attributes.
    """
    listed: list[str] | None = None
    if split is not None and split.endswith(".txt"):
        listed, name = read_list(Path(split))
        splits: Sequence[str] = SPLITS[:2]
    else:
        name = split or "val"
        if name not in SPLITS:
            raise UserError(
                f"bdd100k has no split {name!r}{suggest(name, list(SPLITS))}; or give a .txt of image names"
            )
        if name == "test" and _labels(root, name) is None:
            raise UserError("bdd100k: the labels of test are withheld; use val")
        splits = [name]
    settings = {"timeofday": timeofday, "weather": weather, "scene": scene}
    chosen = {key: str(value) for key, value in settings.items() if value is not None}
    reader = _Reader(chosen)
    for each in splits:
        if listed is None or _labels(root, each) is not None:
            reader.read(root, each, None if listed is None else set(listed))
    problems = [*reader.problems, *_not_listed(listed, reader)]
    if chosen and not reader.entries:
        reader.refuse_nothing()
    text = ",".join(f"{key}={value}" for key, value in sorted(chosen.items()))
    title = f"bdd100k({text})" if text else "bdd100k"
    dataset = build(title, name, BDD100K_CLASSES, reader.entries, problems, limit)
    official = None if chosen else OFFICIAL_IMAGES.get(name)
    return replace(dataset, notes=(*dataset.notes, *reader.notes()), official=official)


class _Reader:
    """Entries of some splits, and counts of what is passed over."""

    def __init__(self, chosen: Mapping[str, str]) -> None:
        self.entries: list[Entry] = []
        self.problems: list[Problem] = []
        self.stems: set[str] = set()
        self._chosen = chosen
        self._values: dict[str, Counter[str]] = {name: Counter() for name in ATTRIBUTES}
        self._without_box: Counter[str] = Counter()
        self._without_frame: list[str] = []
        self._passed_over: list[str] = []

    def read(self, root: Path, split: str, wanted: set[str] | None) -> None:
        """Add the entries of a split, of ``wanted`` stems only if given."""
        labels = _labels(root, split)
        if labels is None:
            expected = _FILES[0].format(split)
            raise UserError(f"{root} has no {expected}, nor an older file of labels; give the folder of BDD100K")
        folder = next((hit for name in _IMAGES if (hit := _at(root, name.format(split))) and hit.is_dir()), None)
        if folder is None:
            raise UserError(f"{root} has no folder images/100k/{split}/; give the folder that contains BDD100K")
        files = scan_images(folder)
        self.problems += files.problems
        self._passed_over += files.notes
        paths = {PurePath(key).name: path for key, path in files.images}
        framed = set()
        for frame in _frames(labels):
            file_name = str(frame["name"]).replace("\\", "/")
            stem = image_stem(PurePath(file_name).name)
            framed.add(stem)
            if wanted is not None and stem not in wanted:
                continue
            self.stems.add(stem)
            given = frame.get("attributes")
            attributes = given if isinstance(given, dict) else {}
            kept = {key: attributes[key] for key in ATTRIBUTES if isinstance(attributes.get(key), str)}
            for key, value in kept.items():
                self._values[key][value] += 1
            if any(kept.get(key) != value for key, value in self._chosen.items()):
                continue
            if stem not in paths:
                what = f"is listed in {labels.name}, but {folder} has no such image"
                self.problems.append(Problem(file_name, what, lost=True))
                continue
            if wanted is not None:
                kept["split"] = split
            self.entries.append(Entry(stem, paths[stem], self._boxes(frame, labels.name), kept))
        if wanted is None:
            self._without_frame += sorted(set(paths) - framed)

    def _boxes(self, frame: Frame, source: str) -> Callable[[int, int, Report], list[Box]]:
        def read(_width: int, _height: int, report: Report) -> list[Box]:
            boxes = []
            labels = frame.get("labels") or []
            if not isinstance(labels, list):
                raise UserError(f"has labels in {source} that are no list; restore the file")
            for number, label in enumerate(labels, start=1):
                where = f"{source}, {frame['name']}, label {number}"
                if not isinstance(label, dict):
                    report(where, f"{label!r:.40} is no label; skipped")
                elif label.get("box2d") is None:
                    self._without_box[str(label.get("category"))] += 1
                else:
                    try:
                        boxes.append(_box(label))
                    except (TypeError, ValueError) as error:
                        report(where, f"{error}; the box is skipped")
            return boxes

        return read

    def notes(self) -> list[str]:
        """Return lines on what was passed over."""
        notes = self._passed_over
        if self._without_box:
            kinds = ", ".join(f"{name} {count}" for name, count in sorted(self._without_box.items())[:6])
            notes.append(f"{pluralize(self._without_box.total(), 'label')} without box2d passed over: {kinds}")
        if self._without_frame:
            count = pluralize(len(self._without_frame), "image")
            notes.append(f"{count} without a frame in the labels left out, {self._without_frame[0]} first")
        return notes

    def refuse_nothing(self) -> None:
        """Refuse attributes that no frame has, with the known values.

        Raises:
            UserError: always, unless images are missing.
        """
        for key, value in self._chosen.items():
            if not self._values[key][value]:
                known = sorted(self._values[key])
                raise UserError(f"bdd100k has no image with {key}={value}{suggest(value, known)}")


def _not_listed(listed: Sequence[str] | None, reader: _Reader) -> list[Problem]:
    missing = sorted(set(listed or ()) - reader.stems)
    return [Problem(stem, "is in the list, but not in the labels of train or val", lost=True) for stem in missing]


def _at(root: Path, name: str) -> Path | None:
    """Return ``root/name``, or the same one level down."""
    return next((path for path in (root / name, *sorted(root.glob(f"*/{name}"))) if path.exists()), None)


def _labels(root: Path, split: str) -> Path | None:
    """Return the file, or the folder of files, with the labels of a split."""
    for name in (*_FILES, *_FOLDERS):
        path = _at(root, name.format(split))
        if path is not None and (path.is_file() or any(path.glob("*.json"))):
            return path
    return None


def _frames(path: Path) -> list[Frame]:
    """Return the frames of a file, or of a folder with a file per image.

    Raises:
        UserError: a file is not in BDD100K's format.
    """
    if path.is_file():
        content = read_json(path)
        frames = content.get("frames") if isinstance(content, dict) else content
        if not isinstance(frames, list) or not all(isinstance(each, dict) and each.get("name") for each in frames):
            raise UserError(f"{path} is not a list of named frames in BDD100K's format; restore it")
        return frames
    files = sorted(each for each in path.glob("*.json") if not is_hidden(each.name))
    return [_single(each) for each in files]


def _single(path: Path) -> Frame:
    """Return the frame of a file of one image: ``{name, attributes, frames: [{objects}]}``, or Scalabel's own form."""
    content = read_json(path, kind=dict)
    frames = content.get("frames")
    first = frames[0] if isinstance(frames, list) and frames else {}
    if not isinstance(first, dict):
        raise UserError(f"{path} is not a frame in BDD100K's format; restore it")
    labels = content.get("labels", first.get("objects", first.get("labels")))
    attributes = content.get("attributes") or first.get("attributes")
    return {"name": content.get("name") or first.get("name") or path.stem, "attributes": attributes, "labels": labels}


def _box(label: Mapping[str, Any]) -> Box:
    """Return the box of a label.

    Raises:
        ValueError: the class is unknown or the box is none.
        TypeError: a coordinate is no number.
    """
    category = str(label.get("category")).strip()
    name = _NAMES.get(category, _IGNORED.get(category, category))
    if name not in _IDS:
        raise ValueError(f"category {category!r:.60} is not one of the 10{suggest(name, list(_IDS))}")
    box = label["box2d"]
    if not isinstance(box, dict) or not {"x1", "y1", "x2", "y2"} <= set(box):
        raise ValueError(f"box2d {box!r:.60} is not x1, y1, x2, y2")
    x1, y1, x2, y2 = (float(box[side]) for side in ("x1", "y1", "x2", "y2"))
    attributes = label.get("attributes")
    flags = attributes if isinstance(attributes, dict) else {}
    crowd = category in _IGNORED or any(flags.get(flag) in (True, "true", 1) for flag in ("crowd", "ignored"))
    return box_at(_IDS[name], x1, y1, x2 - x1, y2 - y1)._replace(crowd=crowd)
