"""Detector adapters: real checkpoints where there are any, and every way in which a file can be wrong."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from sgz_bench.core.device import cpu_threads
from sgz_bench.core.errors import UserError
from sgz_bench.core.images import read_image
from sgz_bench.tasks.detection.models import create_detector
from sgz_bench.tasks.detection.models.base import class_aware_nms
from sgz_bench.tasks.types import Image

SSD = "ssdlite320_mobilenet_v3_large(weights=random,conf=0)"


def noise(height: int = 60, width: int = 80) -> Image:
    return np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_a_torchvision_detector_from_random_weights_gives_ordered_boxes_inside_the_image() -> None:
    detector = create_detector(SSD)
    found = detector.predict([noise()])[0]
    assert len(found) > 0
    assert (np.diff(found.scores) <= 0).all()
    assert found.boxes.min() >= 0
    assert found.boxes[:, [0, 2]].max() <= 80
    assert found.boxes[:, [1, 3]].max() <= 60
    assert detector.class_names[1] == "person"


def test_random_weights_are_those_of_their_seed() -> None:
    one, same, other = (create_detector(f"{SSD[:-1]},seed={seed})") for seed in (1, 1, 2))
    assert one.fingerprint == same.fingerprint
    assert one.fingerprint != other.fingerprint


def test_two_stage_and_one_stage_builders_take_the_same_three_settings() -> None:
    for name in ("fasterrcnn_mobilenet_v3_large_320_fpn", "retinanet_resnet50_fpn", "fcos_resnet50_fpn"):
        detector = create_detector(f"torchvision:{name}(weights=random,conf=0.2,nms_iou=0.4,max_det=7)")
        detector._model.transform.min_size = (160,)  # type: ignore[attr-defined]  # 800 would take seconds
        assert len(detector.predict([noise()])[0]) <= 7
        assert detector.settings["conf"] == 0.2


def test_nms_is_greedy_within_a_class_and_blind_across_classes() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [1, 0, 11, 10]], dtype=np.float32)  # IoU of 1 and 2: 90/110
    scores = np.array([[0.9, 0.0], [0.8, 0.0], [0.0, 0.7]], dtype=np.float32)
    kept, kept_scores, classes = class_aware_nms(boxes, scores, 0.1, 0.7, multi_label=False)
    assert kept_scores == pytest.approx([0.9, 0.7])
    assert classes.tolist() == [0, 1]
    assert kept[1].tolist() == [1, 0, 11, 10]


def test_multi_label_lets_one_box_stand_for_two_classes() -> None:
    boxes = np.array([[0, 0, 10, 10]], dtype=np.float32)
    scores = np.array([[0.9, 0.5]], dtype=np.float32)
    assert len(class_aware_nms(boxes, scores, 0.1, 0.7, multi_label=False)[1]) == 1
    assert len(class_aware_nms(boxes, scores, 0.1, 0.7, multi_label=True)[1]) == 2


class _Payload:
    """Unpickled, it would leave a mark."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (Path.touch, (self.mark,))


@pytest.mark.parametrize("zipped", [True, False])
def test_a_malicious_pickle_is_refused_and_does_not_run(tmp_path: Path, zipped: bool) -> None:
    mark, file = tmp_path / "ran", tmp_path / "evil.pt"
    if zipped:
        torch.save({"model": _Payload(mark)}, file)
    else:
        file.write_bytes(pickle.dumps({"model": _Payload(mark)}))
    with pytest.raises(UserError, match=r"evil\.pt"):
        create_detector(str(file))
    with pytest.raises(UserError, match=r"evil\.pt"):
        create_detector(f"ssdlite320_mobilenet_v3_large(weights={file})")
    assert not mark.exists()


@pytest.mark.parametrize("content", [b"", b"not weights", b"PK\x03\x04broken zip"])
@pytest.mark.parametrize(
    "spec",
    ["ultralytics:{}.pt", "ultralytics:{}.onnx", "yolox:{}.onnx", "ssdlite320_mobilenet_v3_large(weights={}.pth)"],
)
def test_weights_that_are_not_weights_are_one_clear_error(tmp_path: Path, content: bytes, spec: str) -> None:
    text = spec.format(tmp_path / "junk")
    (tmp_path / f"junk{Path(spec.rstrip(')')).suffix}").write_bytes(content)
    with pytest.raises(UserError, match="junk"):
        create_detector(text)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("nowhere.pt", "no model file at nowhere.pt"),
        ("model.onnx", "no model file at model.onnx"),
        ("ultralitics:model.pt", "did you mean 'ultralytics'"),
        ("fasterrcnn_resnet50_fpn_v3", "did you mean 'fasterrcnn_resnet50_fpn_v2'"),
        ("ssdlite320_mobilenet_v3_large(weight=random)", "did you mean 'weights'"),
        ("ssdlite320_mobilenet_v3_large(weights=missing.pth)", "no weights at missing.pth"),
        ("model.mlmodel", "cannot tell the family"),
        ("nowhere/yolov8n_openvino_model", "there is no nowhere/yolov8n_openvino_model; check the path"),
        ("https://example.org/yolov8n.pt", "is an address; download the file and give its path"),
        ("model.engine", "no model at model.engine"),
    ],
)
def test_a_wrong_model_spec_says_what_to_write(spec: str, message: str) -> None:
    with pytest.raises(UserError, match=message.replace("(", r"\(")):
        create_detector(spec)


@pytest.mark.parametrize("settings", ["conf=high", "conf=5", "max_det=2.5", "max_det=-3", "nms_iou=0"])
@pytest.mark.parametrize("model", ["ssdlite320_mobilenet_v3_large(weights=random,{})", "nightscene-yolo({})"])
def test_settings_that_no_detector_can_mean_are_refused(model: str, settings: str) -> None:
    with pytest.raises(UserError, match=settings.partition("=")[0]):
        create_detector(model.format(settings))


def test_builders_of_one_shape_are_two_models() -> None:
    names = ("fasterrcnn_mobilenet_v3_large_fpn", "fasterrcnn_mobilenet_v3_large_320_fpn")
    one, other = (create_detector(f"{name}(weights=random)") for name in names)
    assert one.fingerprint != other.fingerprint


def test_the_settings_of_a_row_are_the_ones_in_force() -> None:
    assert create_detector("ssdlite320_mobilenet_v3_large(weights=random)").settings == {
        "conf": 0.001, "nms_iou": 0.55, "max_det": 300, "weights": "random", "seed": 0,
    }  # fmt: skip


def test_importing_ultralytics_leaves_threads_and_environment_as_they_were() -> None:
    import os

    from PIL import Image as Pillow

    from sgz_bench.tasks.ultralytics import import_ultralytics

    threads, omp = torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS")
    import_ultralytics()
    assert torch.get_num_threads() == threads
    assert os.environ.get("OMP_NUM_THREADS") == omp

    assert Pillow.open.__module__ == "PIL.Image"
    assert torch.save.__module__ == "torch.serialization"

    from ultralytics import settings
    from ultralytics.utils import AUTOINSTALL, ONLINE

    assert not settings["sync"]
    assert not AUTOINSTALL
    assert not ONLINE


def test_ultralytics_leaves_the_threads_of_opencv_as_they_were_in_a_fresh_process() -> None:
    code = """
import cv2
cv2.setNumThreads(3)
from sgz_bench.tasks.ultralytics import import_ultralytics
import_ultralytics()
print(cv2.getNumThreads())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "3\n"


def test_corners_in_float32_are_the_float64_ones_rounded() -> None:
    from sgz_bench.tasks.detection.models.heads import xyxy

    rng = np.random.default_rng(0)
    xywh = (rng.uniform(-1, 1, (200_000, 4)) * 2.0 ** rng.integers(-60, 60, (200_000, 4))).astype(np.float32)
    rounded = xyxy(xywh.astype(np.float64)).astype(np.float32)
    assert xyxy(xywh).tobytes() == rounded.tobytes()
    assert len(np.unique(rounded)) > 100_000


@pytest.mark.assets
@pytest.mark.parametrize("spec", ["ultralytics:{}/weights/yolov8n-coco-int8deq.pt", "yolox:{}/weights/yolox_nano.onnx"])
@pytest.mark.parametrize("shape", [(1, 1), (10, 20000), (480, 640)])
def test_real_detectors_take_images_of_any_size(assets: Path, spec: str, shape: tuple[int, int]) -> None:
    found = create_detector(spec.format(assets)).predict([noise(*shape)])[0]
    assert np.isfinite(found.boxes).all()


@pytest.mark.assets
def test_ultralytics_detections_agree_with_its_own_predictor(assets: Path) -> None:
    path = assets / "weights" / "yolov8n-coco-int8deq.pt"
    image = read_image(next(iter(sorted((assets / "data/coco128/images/val2017").glob("*.jpg")))))
    ours = create_detector(f"{path}(conf=0.25)").predict([image])[0]
    from ultralytics import YOLO

    settings = {"conf": 0.25, "iou": 0.7, "imgsz": 640, "device": "cpu", "verbose": False, "save": False}
    with cpu_threads(torch.get_num_threads()):  # its predictor sets a number of its own
        theirs = YOLO(path).predict(image[..., ::-1].copy(), **settings)[0].boxes
    np.testing.assert_allclose(ours.boxes, theirs.xyxy.numpy(), atol=0.01)
    np.testing.assert_allclose(ours.scores, theirs.conf.numpy(), atol=1e-4)
    assert ours.class_ids.tolist() == theirs.cls.int().tolist()


def test_a_batch_finds_in_each_image_what_is_found_in_it_alone() -> None:
    images = [noise(90, 120), noise(120, 90), noise(45, 60), noise(90, 120)[::-1].copy()]  # 1, 3 and 4: one input size
    alone, together = (create_detector(f"nightscene-yolo(conf=0.01{more})") for more in ("", ",batch=3"))
    assert "batch" not in alone.settings  # rows of earlier versions stay valid
    assert together.settings == alone.settings | {"batch": 3}
    answers = zip(alone.predict(images), together.predict(images), strict=True)
    for place, (one, other) in enumerate(answers):
        assert len(one.scores) > 0, place
        np.testing.assert_allclose(other.boxes, one.boxes, atol=1e-2)
        np.testing.assert_allclose(other.scores, one.scores, atol=1e-4)
        assert other.class_ids.tolist() == one.class_ids.tolist()
