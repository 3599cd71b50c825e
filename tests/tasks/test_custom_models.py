"""Detectors and segmenters that are classes in a file: built, keyed by their code, refused in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sgz_bench.core.errors import UserError
from sgz_bench.enhancer import create_enhancer
from sgz_bench.tasks.catalog import create_task
from sgz_bench.tasks.classes import COCO_CLASSES
from sgz_bench.tasks.detection.models import create_detector
from sgz_bench.tasks.detection.types import DetectionDataset, Sample, Truth
from sgz_bench.tasks.label_space import LabelSpace
from sgz_bench.tasks.metric import create_metric
from sgz_bench.tasks.segmentation.models import create_segmenter
from sgz_bench.tasks.segmentation.types import LabelledImage, SegmentationDataset
from sgz_bench.tasks.task import ModelInput, Prediction

DETECTORS = """
import numpy as np
from sgz_bench.tasks.detection.models.base import Detector
from sgz_bench.tasks.detection.models.yolox import YoloxDetector
from sgz_bench.tasks.detection.types import Detections

class Whole(Detector):
    def __init__(self, score=0.5, weights="", device="cpu"):
        super().__init__("", ["person", "car"], "", {})
        self.score = score

    def predict(self, images):
        one = [self.answer(*image.shape[:2]) for image in images]
        return one

    def answer(self, height, width):
        return Detections(np.array([[0, 0, width, height]], float), np.array([self.score]), np.array([1]))

class Other(Whole):
    pass

class Flat(Whole):
    def answer(self, height, width):
        return Detections(np.zeros(4), np.array([0.5]), np.array([1]))

class Third(Whole):
    def answer(self, height, width):
        return Detections(np.array([[0, 0, 9, 9.0]]), np.array([0.5]), np.array([2]))

class Floating(Whole):
    def answer(self, height, width):
        return Detections(np.array([[0, 0, 9, 9.0]]), np.array([0.5]), np.array([1.0]))

class Tuples(Whole):
    def answer(self, height, width):
        return np.zeros((1, 4)), np.ones(1), np.ones(1, int)

class Short(Whole):
    def predict(self, images):
        return []

class Nothing(Whole):
    def predict(self, images):
        pass

class Broken(Whole):
    def predict(self, images):
        raise RuntimeError("no memory")

class Plain:
    pass

class NoPredict(Detector):
    pass

class NoSuper(Whole):
    def __init__(self):
        pass

class NoNames(Whole):
    def __init__(self):
        Detector.__init__(self, "", [], "", {})

class Sourced(Whole):
    def __init__(self, source, device="cpu"):
        super().__init__()
        self.source = source
"""

SEGMENTERS = """
import numpy as np
from sgz_bench.tasks.segmentation.models.base import Segmenter
from sgz_bench.tasks.segmentation.types import Segmentation

class Top(Segmenter):
    def __init__(self, label=1):
        super(Segmenter, self).__init__("", ["road", "sky"], "", {})
        self.label_id = label

    def logits(self, batch):
        pass

    def predict(self, images, *, confidence=False):
        return [Segmentation(np.full(self.size(image), self.label_id, np.uint8)) for image in images]

    def size(self, image):
        return image.shape[:2]

class Small(Top):
    def size(self, image):
        return image.shape[0] // 2, image.shape[1]
"""

IMAGE = np.zeros((6, 8, 3), dtype=np.uint8)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(DETECTORS, encoding="utf-8")
    return path


@pytest.fixture
def detect(file: Path) -> Callable[[str], list[dict[str, Any]]]:
    """``detect("Class")`` returns the boxes that a run would log for one image."""
    truth = Truth(np.zeros((0, 4)), np.zeros(0, np.int64), np.zeros(0), np.zeros(0, bool))
    sample = Sample(1, "a", file, 8, 6, truth)
    space = LabelSpace(DetectionDataset("d", "s", ("person", "car"), (sample,)), np.array([0, 1]), (0, 1))

    def run(name: str) -> list[dict[str, Any]]:
        task = create_task("detection")
        inputs = [ModelInput(sample, IMAGE, None)]
        predictions = task.predict(space, task.create_model(f"{file}:{name}", "cpu"), inputs)
        boxes: list[dict[str, Any]] = predictions[0].record["detections"]
        return boxes

    return run


def test_a_class_detects(detect: Callable[[str], list[dict[str, Any]]]) -> None:
    assert detect("Whole(score=0.25)") == [{"category_id": 2, "bbox": [0.0, 0.0, 8.0, 6.0], "score": 0.25}]


def test_settings_and_code_are_part_of_the_identity(file: Path) -> None:
    model = create_detector(f"{file}:Whole(score=0.25)")
    assert model.spec == "mine.py:Whole(score=0.25,weights=)"
    assert (model.settings["score"], model.family, model.source) == (0.25, "whole", f"{file}:Whole")
    assert create_detector(f"{file}:Whole").settings["score"] == 0.5
    assert create_detector(f"{file}:Other").fingerprint != model.fingerprint
    file.write_text(DETECTORS + "\n# changed\n", encoding="utf-8")
    assert create_detector(f"{file}:Whole(score=0.25)").fingerprint != model.fingerprint


def test_a_file_of_weights_is_part_of_the_identity_by_its_content(file: Path, tmp_path: Path) -> None:
    weights = tmp_path / "w.bin"
    weights.write_bytes(b"1")
    first = create_detector(f"{file}:Whole(weights={weights})")
    assert first.settings["weights"] == "w.bin"
    weights.write_bytes(b"2")
    assert create_detector(f"{file}:Whole(weights={weights})").fingerprint != first.fingerprint


def test_a_source_is_a_setting(file: Path) -> None:
    assert create_detector(f"{file}:Sourced(source=blobs)").source == "blobs"
    with pytest.raises(UserError, match=r"Sourced needs source; write '.*mine\.py:Sourced\(source=…\)'"):
        create_detector(f"{file}:Sourced")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", r"mine\.py is a file; name a class in it: \S+mine\.py:Whole or \S+mine\.py:Other"),
        (":Whol", r"has no 'Whol'; did you mean 'Whole'\?"),
        (":Detector2", r"has no 'Detector2'; known: Whole, Other"),
        (":Plain", "is not a subclass of Detector"),
        (":NoPredict", r"mine\.py:NoPredict has no method predict; add one"),
        (":NoSuper", r"does not call super\(\).__init__\(source, class_names, fingerprint, settings\)"),
        (":NoNames", r"has the class names \[\]; pass at least one"),
        (":Whole(scor=1)", "has no parameter 'scor'; did you mean 'score'"),
    ],
)
def test_a_class_that_does_not_fit_is_refused(file: Path, name: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        create_detector(f"{file}{name}")
    assert "YoloxDetector" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Flat", r"mine\.py:Flat returned boxes, scores .* \(4,\), \(1,\), \(1,\); return \(N, 4\), \(N,\) and \(N,\)"),
        ("Third", r"mine\.py:Third returned the class id 2 .*integers from 0 to 1"),
        ("Floating", r"mine\.py:Floating returned the class id 1\.0 \(float64\)"),
        ("Tuples", r"returned a list of tuple; predict returns a list with one Detections per image"),
        ("Short", r"returned 0 answers for 1 images"),
        ("Nothing", r"returned NoneType"),
        ("Broken", r"mine\.py:Broken fails \(RuntimeError: no memory\)"),
    ],
)
def test_a_wrong_answer_names_the_class_and_the_rule(
    detect: Callable[[str], list[dict[str, Any]]], name: str, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        detect(name)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("import nothing_of_this_name", r"cannot be imported \(ModuleNotFoundError: .*; check the file"),
        ("def f(:", r"cannot be imported \(SyntaxError: .*; check the file"),
        ("x = 1", r"name a class in it: it has no subclass of sgz_bench.tasks.detection.models.base:Detector"),
    ],
)
def test_a_file_without_a_usable_class_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "bad.py").write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        create_detector(str(tmp_path / "bad.py"))


def test_a_missing_file_is_named() -> None:
    for create in (create_detector, create_segmenter, create_enhancer):
        with pytest.raises(UserError, match=r"there is no file nowhere/mine\.py; check the path"):
            create("nowhere/mine.py:Mine")


def test_a_module_that_does_not_exist_is_a_family() -> None:
    with pytest.raises(UserError, match=r"unknown detector family 'torchvison'; did you mean 'torchvision'"):
        create_detector("torchvison:fasterrcnn_resnet50_fpn")
    with pytest.raises(UserError, match="cannot be imported"):
        create_detector("no_such_package.models:Mine")


def test_suggestions_for_enhancers_and_metrics_leave_imported_classes_out(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "from sgz_bench.enhancer import Enhancer\nfrom sgz_bench.tasks.metric import Metric\n"
        "class Lift(Enhancer):\n    name = 'lift'\n    def enhance(self, image):\n        return image\n"
        "class Hits(Metric):\n    name, task = 'hits', 'detection'\n    def measure(self, p, t):\n        return 1.0\n",
        encoding="utf-8",
    )
    with pytest.raises(UserError, match=r"has no 'Enhance'; known: Lift$"):
        create_enhancer(f"{path}:Enhance")
    with pytest.raises(UserError, match=r"name a class in it: \S+mine.py:Lift$"):
        create_enhancer(str(path))
    with pytest.raises(UserError, match=r"has no 'Metrics'; known: Hits$"):
        create_metric(f"{path}:Metrics", "detection")


def test_a_class_segments_and_its_maps_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "seg.py"
    path.write_text(SEGMENTERS, encoding="utf-8")
    sample = LabelledImage(1, "a", path, 8, 6, None)
    dataset = SegmentationDataset("d", "s", ("road", "sky"), (sample,), {0: 0, 1: 1})
    space = LabelSpace(dataset, np.array([0, 1]), (0, 1))
    task = create_task("segmentation")

    def segment(name: str) -> list[Prediction]:
        inputs = [ModelInput(sample, IMAGE, task.open(space, sample))]
        return task.predict(space, task.create_model(f"{path}:{name}", "cpu"), inputs)

    (top,) = segment("Top")
    assert list(top.files) == ["labels/a.png"]
    with pytest.raises(UserError, match=r"seg\.py:Small returned labels \(3, 8\) uint8; return \(6, 8\) uint8"):
        segment("Small")
    with pytest.raises(UserError, match=r"seg\.py:Top returned the label 2; it has 2 class names"):
        segment("Top(label=2)")


def test_finetuning_refuses_classes_and_exports(file: Path) -> None:
    dataset = DetectionDataset("d", "s", COCO_CLASSES, ())
    masks = SegmentationDataset("d", "s", ("road",), (), {})
    with pytest.raises(UserError, match=r"cannot train .*mine\.py:Whole: finetune trains Ultralytics \.pt files only"):
        create_task("detection").training(dataset, f"{file}:Whole(score=1)", {})
    with pytest.raises(UserError, match=r"cannot train x\.onnx: \.onnx files are exports"):
        create_task("detection").training(dataset, "x.onnx", {})
    with pytest.raises(UserError, match=r"finetune trains SMP networks"):
        create_task("segmentation").training(masks, f"{file}:Top", {})
