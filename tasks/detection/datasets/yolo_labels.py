"""YOLO label files: finding them, reading their rows, and doubts about the rows as a whole."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from sgz_bench.core.text import composed, pluralize

from ...image_files import is_hidden
from ...types import Problem
from .base import Box, box_at

_SLACK = 0.01  # as in Ultralytics: fractions may exceed [0, 1] by this much
_PREFIX = re.compile(r"[0-9a-f]{8}-")  # before every name in an export of Label Studio
_ENOUGH = 3  # rows that make a pattern
_OUTSIDE = 0.1  # of the boxes: labels of centre and size hardly ever leave the image
_NO_LABELS = frozenset({"classes", "_classes", "predefined_classes", "obj_names", "notes", "train", "val", "test"})


def label_file(image: Path) -> Path:
    """Return the label file: the last folder ``images`` becomes ``labels``, the suffix .txt; else beside the image."""
    parts = list(image.parts)
    for index in range(len(parts) - 2, -1, -1):
        if parts[index] == "images":
            parts[index] = "labels"
            break
    return Path(*parts).with_suffix(".txt")


def _label_folder(images: Path) -> Path:
    """Return the folder of the labels of a folder's images: as :func:`label_file`, or ``Labels`` beside ``Images``.

    Without such a folder the labels are beside the images.
    """
    usual = label_file(images / "image").parent
    if usual != images and usual.is_dir():
        return usual
    for index in range(len(images.parts) - 1, 0, -1):
        if images.parts[index].casefold() == "images":
            base, rest = Path(*images.parts[:index]), images.parts[index + 1 :]
            fitting = (path for path in sorted(base.iterdir()) if path.name.casefold() == "labels")
            labels = next((path.joinpath(*rest) for path in fitting if path.joinpath(*rest).is_dir()), None)
            return labels or images
    return images


class LabelFiles:
    """Look-up of label files; a folder is listed once, for names that differ in letter case or Unicode form."""

    def __init__(self) -> None:
        self._label_folders: dict[Path, Path] = {}
        self._folders: dict[Path, dict[str, Path]] = {}
        self._prefixed: list[str] = []  # names that were found behind Label Studio's prefix

    def find(self, image: Path) -> Path | None:
        """Return the label file of an image; None if there is none.

        The suffix may be .TXT, the name in another Unicode form, or behind a prefix of Label Studio, as in
        ``1a2b3c4d-NAME.txt``. Where the folder ``labels`` does not exist, the file beside the image is taken.
        """
        folder = self._label_folders.get(image.parent)
        if folder is None:
            folder = self._label_folders[image.parent] = _label_folder(image.parent)
        files = self.below(folder)
        stem = composed(image.stem)
        behind = files.get(f"*-{stem}")
        if stem not in files and behind and not image.with_name(behind.stem + image.suffix).exists():
            self._prefixed.append(behind.name)
            return behind
        return files.get(stem)

    def notes(self) -> list[str]:
        """Return a note on label files that were found behind a prefix."""
        if not self._prefixed:
            return []
        count = pluralize(len(set(self._prefixed)), "label file")
        return [f"Label Studio's prefix of {count} is passed over to find their images, {self._prefixed[0]} first"]

    def below(self, folder: Path) -> dict[str, Path]:
        """Return the .txt files of a folder by composed stem, and by ``*-STEM`` those with a prefix, if unique."""
        known = self._folders.get(folder)
        if known is None:
            try:
                paths = [path for path in folder.iterdir() if path.suffix.lower() == ".txt"]
            except OSError:
                paths = []
            paths.sort(key=lambda path: (path.suffix != ".txt", path), reverse=True)  # a.txt goes before a.TXT
            known = {composed(path.stem): path for path in paths if not is_hidden(path.name)}
            short = Counter(_PREFIX.sub("*-", stem, count=1) for stem in known if _PREFIX.match(stem))
            known |= {_PREFIX.sub("*-", stem, count=1): path for stem, path in known.items() if _PREFIX.match(stem)}
            known = {stem: path for stem, path in known.items() if short.get(stem, 1) == 1}
            self._folders[folder] = known
        return known

    def orphans(self, images: Iterable[Path], folder: Path) -> list[Path]:
        """Return the label files below the label folder of ``folder`` that belong to none of the images."""
        used = {path for image in images if (path := self.find(image))}
        top = _label_folder(folder)
        below = [path for path in sorted(top.rglob("*")) if path.is_dir()]
        shown = [path for path in below if not any(map(is_hidden, path.relative_to(top).parts))]
        files = {path for each in (top, *shown) for path in self.below(each).values()}
        return [path for path in sorted(files - used) if _is_label(path)]


def _is_label(path: Path) -> bool:
    """Return True for a file with a row of numbers, or an empty one, and False for lists, class names and READMEs."""
    if path.stem.casefold() in _NO_LABELS or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            words = file.read(200).split(b"\n", 1)[0].split()
    except OSError:
        return False
    return not words or (len(words) >= 5 and all(re.fullmatch(rb"[-+.\deE]+", word) for word in words[:4]))


class LabelRows:
    """Parser of label rows that counts their forms.

    Args:
        class_names: by class id.
        points: ``kpt_shape``, number of points and of values per point, whose rows have 5 + K·D fields; None for
            rows of boxes and polygons.
    """

    def __init__(self, class_names: Sequence[str], points: tuple[int, int] | None = None) -> None:
        self.class_names = class_names
        self._points = points
        self._forms: Counter[str] = Counter()
        self._class_ids: Counter[float] = Counter()

    def parse(self, words: Sequence[str], width: int, height: int) -> Box:
        """Return the box of a row ``class x y w h``, of a pose row, or around a polygon ``class x1 y1 x2 y2 x3 y3 …``.

        Raises:
            ValueError: the row is none of these; says why.
        """
        form = self._form(words)
        class_id = self._class_id(words[0])
        values = [_number(word) for word in words[1 : 5 if form == "pose" else None]]
        if not all(map(math.isfinite, values)):
            raise ValueError(f"{' '.join(words[1:5])} is not finite")
        self._class_ids[class_id] += 1
        if class_id not in range(len(self.class_names)):
            hint = ", which count from 0" if class_id == len(self.class_names) else ""
            raise ValueError(f"class {words[0]} is not one of 0…{len(self.class_names) - 1}{hint}")
        if min(values if form == "polygon" else values[:2]) < -_SLACK or max(values) > 1 + _SLACK:
            pixels = ", not pixels" if max(values) > 2 else ""
            raise ValueError(
                f"{' '.join(words[1:5])} is outside [0, 1]; coordinates are fractions of the image{pixels}"
            )
        self._forms[form] += 1
        self._forms["like a pose"] += form == "polygon" and _is_like_pose(values)
        if form != "polygon":
            x, y, w, h = values[:4]
            self._forms["corners"] += w > x and h > y
            self._forms["outside"] += any(
                not -_SLACK <= c + r / 2 <= 1 + _SLACK for c, s in ((x, w), (y, h)) for r in (s, -s)
            )
            return box_at(int(class_id), (x - w / 2) * width, (y - h / 2) * height, w * width, h * height)
        left, right, top, bottom = min(values[::2]), max(values[::2]), min(values[1::2]), max(values[1::2])
        return box_at(int(class_id), left * width, top * height, (right - left) * width, (bottom - top) * height)

    def _form(self, words: Sequence[str]) -> str:
        count = len(words)
        if count == 5:
            return "box"
        if self._points is not None:
            pose = 5 + self._points[0] * self._points[1]
            if count == pose:
                return "pose"
            raise ValueError(f"has {count} fields, but with kpt_shape {list(self._points)} a row has 5 or {pose}")
        if count == 1 and re.search("[,;]", words[0]):
            raise ValueError("has commas or semicolons between its fields; separate them with blanks")
        if count == 6:
            raise ValueError(
                "has 6 fields, as predictions with a score or boxes with an angle have; a label has 5 (class x y w h)"
            )
        if count < 7 or count % 2 == 0:
            hint = "; pose rows need kpt_shape in the data.yaml" if count > 6 else ""
            fields = pluralize(count, "field")
            raise ValueError(f"has {fields}, a box has 5 (class x y w h), a polygon 7 or more{hint}")
        return "polygon"

    def _class_id(self, word: str) -> float:
        if word in self.class_names and not re.fullmatch(r"[-+.\d]+", word):
            raise ValueError(f"class {word!r} is a name; write its number, {self.class_names.index(word)}")
        return _number(word, "class ")

    def notes(self) -> list[str]:
        """Return notes on polygons and pose rows, which stand for their boxes."""
        notes = []
        if self._forms["polygon"]:
            rows = pluralize(self._forms["polygon"], "row")
            notes.append(f"polygons and oriented boxes: {rows}, read as their bounding boxes")
        if self._forms["pose"]:
            notes.append(f"rows with keypoints: {self._forms['pose']}, of which the boxes are read")
        return notes

    def doubts(self, split: str) -> list[Problem]:
        """Return doubts: class ids that count from 1, corners for centre and size, pose rows read as polygons."""
        doubts = []
        last = len(self.class_names)
        if last in self._class_ids and 0 not in self._class_ids and self._class_ids.total() > _ENOUGH:
            doubts.append(f"class ids run from 1 to {last}, but YOLO counts from 0; subtract 1")
        boxes, outside = self._forms["box"] + self._forms["pose"], self._forms["outside"]
        if boxes > _ENOUGH and self._forms["corners"] == boxes and outside > _OUTSIDE * boxes:
            doubts.append(f"all {boxes} boxes look like corners, x1 y1 x2 y2; YOLO writes centre and size, x y w h")
        alike, polygons = self._forms["like a pose"], self._forms["polygon"]
        if polygons >= _ENOUGH and alike == polygons:
            doubts.append(
                f"all {polygons} polygons look like a box and points inside it; if they are pose labels, write "
                "kpt_shape: [K, 2] into the data.yaml"
            )
        return [Problem(split, doubt, doubt=True) for doubt in doubts]


def _number(word: str, what: str = "") -> float:
    try:
        return float(word)
    except ValueError:
        comma = "; write a decimal point, and blanks between fields" if "," in word else ""
        raise ValueError(f"{what}{word!r} is not a number{comma}") from None


def _is_like_pose(values: Sequence[float]) -> bool:
    """Return True if all points behind the first four values lie in the box that these would be, or are 0 0."""
    x, y, w, h = values[:4]
    points = list(zip(values[4::2], values[5::2], strict=True))
    inside = (abs(a - x) <= w / 2 + _SLACK and abs(b - y) <= h / 2 + _SLACK for a, b in points)
    return len(points) > 1 and all(hit or point == (0, 0) for hit, point in zip(inside, points, strict=True))
