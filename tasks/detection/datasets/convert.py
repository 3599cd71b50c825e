"""Writing a data set in another layout."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import yaml

from sgz_bench.enhancer.errors import UserError

from ...types import DetectionDataset, Sample
from ..classes import EXDARK_CLASSES
from ..metrics import coco_truth
from .exdark import LIGHTING, PLACES, SPLITS


def convert(dataset: DetectionDataset, layout: str, out: Path, *, link: bool = False) -> str:
    """Write images and labels of a split as ``yolo``, ``coco`` or ``exdark``; returns a note on what was lost.

    Args:
        dataset: what to write.
        layout: YOLO and COCO keep boxes to 1e-6 pixel or better; ExDark's format has whole pixels.
        out: folder that does not exist yet or is empty.
        link: hard links in place of copies of images.

    Raises:
        UserError: unknown layout, a folder in use or that cannot be written, or classes that the layout lacks.
    """
    if layout not in _WRITERS:
        raise UserError(f"cannot convert to {layout!r}; choose one of {', '.join(_WRITERS)}")
    try:
        if out.is_dir() and any(out.iterdir()):
            raise UserError(f"{out} is not empty; choose a new folder")
        return _WRITERS[layout](dataset, out, os.link if link else shutil.copyfile)
    except OSError as error:
        raise UserError(f"{out} cannot be written: {error.strerror or error}") from error


Copy = Callable[[Path, Path], object]


def _write_yolo(dataset: DetectionDataset, out: Path, copy: Copy) -> str:
    crowds = 0
    for sample in dataset.samples:
        _put(sample, out / "images" / dataset.split / (sample.key + sample.path.suffix), copy)
        label = out / "labels" / dataset.split / f"{sample.key}.txt"
        label.parent.mkdir(parents=True, exist_ok=True)
        lines = []
        for (x1, y1, x2, y2), class_id, crowd in zip(
            sample.truth.boxes, sample.truth.class_ids, sample.truth.crowd, strict=True
        ):
            if crowd:
                crowds += 1
                continue
            w, h = sample.width, sample.height
            fractions = ((x1 + x2) / 2 / w, (y1 + y2) / 2 / h, (x2 - x1) / w, (y2 - y1) / h)
            lines.append(f"{class_id} " + " ".join(f"{value:.12g}" for value in fractions))
        label.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    config = {"path": ".", dataset.split: f"images/{dataset.split}", "names": dict(enumerate(dataset.class_names))}
    if dataset.split not in {"train", "val", "test"}:
        config["val"] = config.pop(dataset.split)
    (out / "data.yaml").write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True), encoding="utf-8")
    lost = "attributes are not part of this layout" if any(sample.attributes for sample in dataset.samples) else ""
    return "; ".join(filter(None, [f"{crowds} crowd regions left out" if crowds else "", lost]))


def _write_coco(dataset: DetectionDataset, out: Path, copy: Copy) -> str:
    for sample in dataset.samples:
        _put(sample, out / dataset.split / (sample.key + sample.path.suffix), copy)
    (out / "annotations").mkdir(parents=True, exist_ok=True)
    text = json.dumps(coco_truth(dataset), ensure_ascii=False)
    (out / "annotations" / f"instances_{dataset.split}.json").write_text(text + "\n", encoding="utf-8")
    return ""


def _write_exdark(dataset: DetectionDataset, out: Path, copy: Copy) -> str:
    strangers = [name for name in dataset.class_names if name not in EXDARK_CLASSES]
    if strangers:
        raise UserError(f"ExDark's layout has no class {strangers[0]!r}, only {', '.join(EXDARK_CLASSES)}")
    if dataset.split not in SPLITS:
        raise UserError(f"ExDark's layout has no split {dataset.split!r}, only {', '.join(SPLITS)}")
    rows = []
    for sample in dataset.samples:
        names = [dataset.class_names[class_id] for class_id in sample.truth.class_ids]
        folder = names[0] if names else EXDARK_CLASSES[0]
        file = sample.key.replace("/", "_") + sample.path.suffix
        _put(sample, out / "ExDark" / folder / file, copy)
        label = out / "ExDark_Annno" / folder / f"{file}.txt"
        label.parent.mkdir(parents=True, exist_ok=True)
        lines = ["% bbGt version=3"]
        for name, (x1, y1, x2, y2) in zip(names, sample.truth.boxes, strict=True):
            left, top = round(x1), round(y1)
            lines.append(f"{name} {left} {top} {max(round(x2) - left, 1)} {max(round(y2) - top, 1)} 0 0 0 0 0 0 0")
        label.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
        light = LIGHTING.index(sample.attributes.get("lighting", LIGHTING[0])) + 1
        place = PLACES.index(sample.attributes.get("place", PLACES[1])) + 1
        rows.append(f"{file} {EXDARK_CLASSES.index(folder) + 1} {light} {place} {SPLITS.index(dataset.split) + 1}")
    text = "\r\n".join(["Name | Class | Light | In/Out | Train/Val/Test", *rows, ""])
    (out / "imageclasslist.txt").write_bytes(text.encode())
    return "boxes rounded to whole pixels; light and place are Low and outdoor where the source does not say"


_WRITERS = {"yolo": _write_yolo, "coco": _write_coco, "exdark": _write_exdark}


def _put(sample: Sample, target: Path, copy: Copy) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    copy(sample.path, target)
