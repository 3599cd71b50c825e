"""Pascal VOC's layout: one XML of boxes per image, and lists of images for the splits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import visible_files
from sgz_bench.core.images import exif_orientation
from sgz_bench.core.registry import suggest
from sgz_bench.core.text import composed, pluralize

from ...classes import VOC_CLASSES, read_class_list
from ...image_files import image_stem, scan_images
from ...types import Problem
from ..doubts import rotation_doubt
from ..types import DetectionDataset
from .base import Box, Entry, Report, box_at, build
from .voc_layout import MODALITIES, Layout, find_layout
from .voc_xml import Annotation, read_annotation

# Folder → split → images: VOC2007's and VOC2012's development kit documentation, table of the main task; RTTS: Li et
# al. 2019 (RESIDE), table 1; LLVIP: Jia et al. 2021, section 3.
OFFICIAL_IMAGES: dict[str, dict[str, int]] = {
    "VOC2007": {"train": 2501, "val": 2510, "trainval": 5011, "test": 4952},
    "VOC2012": {"train": 5717, "val": 5823, "trainval": 11540},
    "RTTS": {"test": 4322},
    "LLVIP": {"train": 12025, "test": 3463},
}

Parsed = Mapping[Path, Annotation | UserError]


def load_voc(
    root: Path, split: str | None, limit: int | None = None, *, classes: str | None = None, modality: str | None = None
) -> DetectionDataset:
    """VOC: JPEGImages/, Annotations/*.xml and ImageSets/Main/SPLIT.txt; also LLVIP, or XML beside the images.

    Root may be the folder itself or one or two levels above (VOCdevkit). Without ImageSets the splits are subfolders
    (``images/train``, LLVIP's ``visible/test``, Roboflow's ``test`` with XML beside the images), else all images are
    the split ``all``. A split may also be the path of a .txt of image names.

    Boxes: VOC counts pixels from 1 and includes the last one, so 1 is subtracted from xmin and ymin, as Detectron2
    does (``pascal_voc.py``), if all coordinates of the data set are whole numbers from 1. A 0 or a fraction shows that
    they were written by another tool as plain coordinates; they are then kept. ``difficult`` objects are regions in
    which detections are neither right nor wrong, as in VOC's ``VOCevaldet``.

    Args:
        root: folder of the data set.
        split: None takes the first of ``val``, ``valid`` and ``test``, or the only one.
        limit: number of images.
        classes: file of class names, or the name of a class list. By default VOC's 20, or all names in the XML files,
            sorted, if one is not among these.
        modality: ``visible`` (the default) or ``infrared`` images of LLVIP.

    Raises:
        UserError: no such layout or split.
    """
    if modality is not None and modality not in MODALITIES:
        raise UserError(f"voc has no modality {modality!r}{suggest(modality, list(MODALITIES))}")
    layout = find_layout(root, split, modality)
    parsed = {path: _attempt(path) for path in visible_files(layout.labels, ".xml")}
    annotations = [each for each in parsed.values() if isinstance(each, Annotation)]
    faults = [each for each in parsed.values() if isinstance(each, UserError)]
    if faults and not annotations:
        raise faults[0]
    names, notes = _class_names(annotations, classes)
    from_one = _counts_from_one(annotations)
    if from_one:
        notes.append("coordinates are pixels counted from 1, as in VOC; 1 is subtracted from xmin and ymin")
    files = scan_images(layout.images)
    entries, problems = _entries(layout, files.images, parsed, names, from_one)
    rotated = sum(each.rotated for annotation in annotations for each in annotation.objects)
    if rotated:
        problems.append(rotation_doubt(layout.labels.name, rotated))
    name = "voc" if modality is None else f"voc(modality={modality})"
    dataset = build(name, layout.split, names, entries, [*files.problems, *problems], limit, files.notes)
    difficult = sum(int(sample.truth.crowd.sum()) for sample in dataset.samples)
    if difficult:
        notes.append(f"{pluralize(difficult, 'difficult object')}: detections on them are neither right nor wrong")
    official = OFFICIAL_IMAGES.get(layout.known, {}).get(layout.split)
    return replace(dataset, notes=(*dataset.notes, *notes), official=official)


def _attempt(path: Path) -> Annotation | UserError:
    try:
        return read_annotation(path)
    except UserError as error:
        return error


def _class_names(annotations: Sequence[Annotation], classes: str | None) -> tuple[list[str], list[str]]:
    """Return the class names and a note on their origin."""
    if classes is not None:
        return [composed(name) for name in read_class_list(str(classes))], []
    names = sorted({each.name for annotation in annotations for each in annotation.objects})
    if set(names) <= set(VOC_CLASSES):
        return list(VOC_CLASSES), []
    listed = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
    return names, [
        f"classes are the {len(names)} names in the XML files, sorted: {listed}; classes=FILE sets another list"
    ]


def _counts_from_one(annotations: Sequence[Annotation]) -> bool:
    sides = [side for annotation in annotations for each in annotation.objects for side in each.sides]
    return bool(sides) and all(side >= 1 and side.is_integer() for side in sides)


def _entries(
    layout: Layout, files: Sequence[tuple[str, Path]], parsed: Parsed, names: Sequence[str], from_one: bool
) -> tuple[list[Entry], list[Problem]]:
    """Pair images with XML files: by relative path, else by file name where it is unique among images and XML files."""
    ids = {name: index for index, name in enumerate(names)}
    images = _Index(files)
    labels = _Index((_key(path, layout.labels), path) for path in parsed)
    entries, problems, used = [], [], set()
    if layout.listed is None:
        wanted = [key for key, path in files if path.is_relative_to(layout.below)]
    else:
        wanted = [image_stem_of(name) for name in layout.listed]
    for name in wanted:
        if PurePath(name).is_absolute() or ".." in PurePath(name).parts:
            problems.append(Problem(name, "is listed outside the image folder; use relative names", lost=True))
            continue
        label = labels.find(name, exact=images.several(name))
        annotation = parsed.get(label) if label else None
        image = images.find(name)
        if image is None and isinstance(annotation, Annotation) and annotation.file_name:
            image = images.find(image_stem_of(PurePath(annotation.file_name.replace("\\", "/")).name))
        if image is None:
            problems.append(
                Problem(name, f"is in split {layout.split}, but {layout.images} has no such image", lost=True)
            )
        elif annotation is None:
            problems.append(Problem(name, f"has no XML file in {layout.labels}; left out", lost=True))
        else:
            key = image.relative_to(layout.below).with_suffix("").as_posix()
            entries.append(Entry(key, image, _reader(label, annotation, image, ids, from_one)))
        used.add(label)
    if layout.listed is None:
        for path in parsed:
            if path not in used and images.find(_key(path, layout.labels)) is None:
                what = f"has no image of its name in {layout.images}; its boxes are not used"
                problems.append(Problem(str(path), what))
    return entries, problems


class _Index:
    """Files by relative path without suffix, and by name where it is unique; names are compared as NFC."""

    def __init__(self, files: Iterable[tuple[str, Path]]) -> None:
        self._by_key: dict[str, Path] = {}
        self._by_name: dict[str, Path | None] = {}
        for key, path in files:
            key = composed(key)
            self._by_key.setdefault(key, path)
            name = PurePath(key).name
            self._by_name[name] = None if name in self._by_name else path

    def find(self, name: str, *, exact: bool = False) -> Path | None:
        """Return the file of a relative path without suffix; unless ``exact``, or of its last part."""
        name = composed(name)
        return self._by_key.get(name) or (None if exact else self._by_name.get(PurePath(name).name))

    def several(self, name: str) -> bool:
        """Return True if files in several folders have the name's last part."""
        last = PurePath(composed(name)).name
        return last in self._by_name and self._by_name[last] is None


def image_stem_of(name: str) -> str:
    """Return a relative name without its image suffix; folders stay."""
    return (PurePath(name).parent / image_stem(PurePath(name).name)).as_posix()


def _key(path: Path, folder: Path) -> str:
    """Return the relative path of an XML file without .xml; ``a.jpg.xml`` belongs to ``a.jpg``."""
    return image_stem_of(path.relative_to(folder).as_posix()[: -len(".xml")])


def _reader(
    path: Path | None, annotation: Annotation | UserError, image: Path, ids: Mapping[str, int], from_one: bool
) -> Callable[[int, int, Report], list[Box]]:
    def read(width: int, height: int, report: Report) -> list[Box]:
        if isinstance(annotation, UserError):
            raise annotation
        _check_size(str(path), annotation, image, (width, height), report)
        for fault in annotation.faults:
            report(str(path), fault)
        boxes = []
        for number, each in enumerate(annotation.objects, start=1):
            try:
                if each.name not in ids:
                    raise ValueError(f"class {each.name!r} is not in the class list{suggest(each.name, list(ids))}")
                xmin, ymin, xmax, ymax = each.sides
                xmin, ymin = xmin - from_one, ymin - from_one
                box = box_at(ids[each.name], xmin, ymin, xmax - xmin, ymax - ymin)
                boxes.append(box._replace(crowd=each.difficult))
            except ValueError as error:
                report(f"{path}, object {number}", f"{error}; the box is skipped")
        return boxes

    return read


def _check_size(where: str, annotation: Annotation, image: Path, size: tuple[int, int], report: Report) -> None:
    """Compare the stated size with the image's.

    Raises:
        UserError: the boxes were drawn on an image of another size.
    """
    width, height = size
    if annotation.size is None or annotation.size == size:
        return
    stated = f"{image.name} is {width}×{height} but {where} says {annotation.size[0]}×{annotation.size[1]}"
    if annotation.size == (height, width):
        if exif_orientation(image) >= 5:
            raise UserError(
                f"{stated}: its boxes were drawn on the image as its EXIF rotation shows it; rotate the pixels"
            )
        if all(each.sides[2] <= width + 1 and each.sides[3] <= height + 1 for each in annotation.objects):
            report(
                where, f"states the size {height}×{width}, the image is {width}×{height}; the boxes fit and are used"
            )
            return
    raise UserError(f"{stated}; its boxes do not fit")
