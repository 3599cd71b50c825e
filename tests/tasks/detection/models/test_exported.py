"""Exported detectors of other families: each layout is recognised, said and decoded to the boxes it means."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sgz_bench.core.errors import UserError
from sgz_bench.tasks.detection.models import create_detector
from sgz_bench.tasks.detection.types import Detections
from sgz_bench.tasks.normalisation import triple

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

SIDE = 64
CELLS = (64, 16, 4)  # of strides 8, 16, 32
BOX = np.array([10, 20, 50, 60.0])
CENTRE = np.array([30, 40, 40, 40.0])
IMAGE = np.zeros((SIDE, SIDE, 3), dtype=np.uint8)
F32, I64 = np.float32, np.int64

Graph = Callable[..., Path]


def dense(count: int, columns: int, row: int, box: np.ndarray[Any, Any], values: Mapping[int, float]) -> Any:
    """Return ``(1, count, columns)`` zeros with small boxes everywhere and one detection."""
    array = np.zeros((1, count, columns), F32)
    array[..., :4] = [40, 32, 4, 4]
    array[0, row, :4] = box
    for column, value in values.items():
        array[0, row, column] = value
    return array


def one(detections: Detections, score: float = 0.9, class_id: int = 1, box: Any = BOX) -> None:
    """Assert that the best detection is the expected one."""
    assert len(detections) >= 1
    assert detections.boxes[0] == pytest.approx(box, abs=1e-3)
    assert detections.scores[0] == pytest.approx(score, abs=1e-4)
    assert detections.class_ids[0] == class_id


def detect(path: Path, settings: str = "", layout: str = "", image: Any = IMAGE) -> Detections:
    model = create_detector(f"onnx:{path}({settings})")
    assert model.settings["layout"] == layout or not layout
    assert f"layout={model.settings['layout']} (" in model.notes[0]
    return model.predict([image])[0]


def test_yolov5(graph: Graph, names: Path) -> None:
    rows = dense(3 * sum(CELLS), 8, 5, CENTRE, {4: 0.9, 6: 1.0})
    one(detect(graph(output=rows), f"names={names}", "yolov5"))


def test_yolov6_has_objectness_one(graph: Graph, names: Path) -> None:
    rows = dense(sum(CELLS), 8, 5, CENTRE, {6: 0.9})
    rows[..., 4] = 1
    one(detect(graph(output=rows), f"names={names}", "yolov5"))


def test_yolov8_without_metadata(graph: Graph, names: Path) -> None:
    columns = dense(sum(CELLS), 7, 5, CENTRE, {5: 0.9}).transpose(0, 2, 1)
    one(detect(graph(output=np.ascontiguousarray(columns)), f"names={names}", "yolov8"))


def test_yolox_is_decoded(graph: Graph, names: Path) -> None:
    rows = np.zeros((1, sum(CELLS), 8), F32)
    rows[0, 64 + 5, :4] = [(30 - 16) / 16, (40 - 16) / 16, np.log(40 / 16), np.log(40 / 16)]  # cell (1, 1) of stride 16
    rows[0, 64 + 5, [4, 6]] = [0.9, 1]
    model = create_detector(f"onnx:{graph(output=rows)}(names={names})")
    assert {key: model.settings[key] for key in ("layout", "resize", "scale", "bgr")} == {
        "layout": "yolox",
        "resize": "corner",
        "scale": 1,
        "bgr": True,
    }
    one(model.predict([IMAGE])[0])


@pytest.mark.parametrize("form", ["xyxy", "cxcywh", "fractions", "columns", "objectness", "background", "squeezed"])
def test_boxes_and_scores(graph: Graph, names: Path, form: str) -> None:
    boxes = dense(50, 4, 7, BOX, {})
    boxes[0, :, 2:] = np.maximum(boxes[0, :, 2:], boxes[0, :, :2] + 2)
    scores = np.zeros((1, 50, 3), F32)
    scores[0, 7, 1] = 0.9
    outputs = {"boxes": boxes, "scores": scores}
    if form == "cxcywh":
        outputs["boxes"] = dense(50, 4, 7, CENTRE, {})
    elif form == "fractions":
        outputs["boxes"] = boxes / SIDE
    elif form == "columns":
        outputs["scores"] = np.ascontiguousarray(scores.transpose(0, 2, 1))
    elif form == "objectness":
        outputs |= {"scores": np.minimum(scores * 2, 1), "objectness": np.full((1, 50, 1), 0.9, F32)}
    elif form == "background":
        outputs["scores"] = np.concatenate([np.full((1, 50, 1), 0.99, F32), scores], axis=2)
    elif form == "squeezed":  # YOLOv4
        outputs = {"boxes": boxes[:, :, None] / SIDE, "confs": scores}
    one(detect(graph(**outputs), f"names={names}", "boxes-scores"))


def test_a_query_with_a_sigmoid_per_class(graph: Graph, names: Path) -> None:
    logits = np.full((1, 20, 3), -9, F32)
    logits[0, 4, 1] = np.log(9)
    boxes = np.full((1, 20, 4), 0.5, F32)
    boxes[0, 4] = CENTRE / SIDE
    model = create_detector(f"onnx:{graph(logits=logits, pred_boxes=boxes)}(names={names})")
    assert (model.settings["layout"], model.settings["activation"]) == ("detr", "sigmoid")
    assert "mean" not in model.settings
    one(model.predict([IMAGE])[0])


def test_a_query_with_a_column_for_no_object(graph: Graph, names: Path) -> None:
    logits = np.zeros((1, 20, 4), F32)
    logits[..., 3] = 9
    logits[0, 4] = [0, np.log(27), 0, 0]
    boxes = np.full((1, 20, 4), 0.5, F32)
    boxes[0, 4] = CENTRE / SIDE
    hidden = np.zeros((1, 20, 8), F32)
    path = graph(logits=logits, pred_boxes=boxes, last_hidden_state=hidden)
    model = create_detector(f"onnx:{path}(names={names})")
    assert (model.settings["activation"], model.settings["background"]) == ("softmax", "last")
    one(model.predict([IMAGE])[0])


def test_rf_detr_counts_by_category_id(graph: Graph) -> None:
    labels = np.full((1, 20, 91), -9, F32)
    labels[0, 4, 44] = np.log(9)  # bottle
    boxes = np.full((1, 20, 4), 0.5, F32)
    boxes[0, 4] = CENTRE / SIDE
    model = create_detector(f"onnx:{graph(dets=boxes, labels=labels)}")
    assert model.settings["mean"] == "0.485/0.456/0.406"
    assert model.class_names[44] == "bottle"
    one(model.predict([IMAGE])[0], class_id=44)


def test_rt_detr_is_told_the_size_of_its_input(graph: Graph) -> None:
    boxes = np.zeros((1, 30, 4), F32)
    boxes[0, 0] = BOX
    scores, labels = np.zeros((1, 30), F32), np.zeros((1, 30), I64)
    scores[0, 0], labels[0, 0] = 0.9, 1
    others = {"orig_target_sizes": ([1, 2], onnx.TensorProto.INT64)}
    path = graph(labels=labels, boxes=boxes, scores=scores, others=others)
    one(detect(path, "names=coco", "detections"))
    wide = detect(path, "names=coco", image=np.zeros((SIDE, 2 * SIDE, 3), np.uint8))  # stretched
    one(wide, box=BOX * [2, 1, 2, 1])


def test_tensorflows_detection_api(graph: Graph) -> None:
    boxes = np.zeros((1, 10, 4), F32)
    boxes[0, 0] = BOX[[1, 0, 3, 2]] / SIDE
    scores, classes = np.zeros((1, 10), F32), np.ones((1, 10), F32)
    scores[0, :2], classes[0, 0] = [0.9, 0.8], 44
    path = graph(
        detection_boxes=boxes, detection_classes=classes, detection_scores=scores, num_detections=np.ones(1, F32)
    )
    detections = detect(path, "names=coco91", "detections")
    assert len(detections) == 1
    one(detections, class_id=44)


def test_torchvisions_ids_start_at_one_without_a_background(graph: Graph, names: Path) -> None:
    path = graph(None, boxes=BOX[None].astype(F32), labels=np.array([2]), scores=np.array([0.9], F32))
    one(detect(path, f"names={names}", "detections"))
    one(detect(path, "names=coco91"), class_id=2)


def test_an_input_without_a_batch_takes_one_image(graph: Graph) -> None:
    path = graph(None, single=True, boxes=BOX[None].astype(F32), labels=np.array([2]), scores=np.array([0.9], F32))
    one(detect(path, "names=coco91", image=np.zeros((50, 80, 3), np.uint8)), class_id=2, box=[10, 20, 50, 50])


def test_a_folder_of_openvino_is_an_ultralytics_export(tmp_path: Path) -> None:
    (tmp_path / "yolo_openvino_model").mkdir()
    with pytest.raises(UserError, match="is a folder without an OpenVINO"):
        create_detector(str(tmp_path / "yolo_openvino_model"))


def test_mmdetections_boxes_hold_their_score(graph: Graph, names: Path) -> None:
    dets = np.zeros((1, 5, 5), F32)
    dets[0, 0] = [*BOX, 0.9]
    one(detect(graph(dets=dets, labels=np.array([[1, 0, 0, 0, 0]])), f"names={names}", "detections"))


def test_yolo_with_an_nms_node(graph: Graph, names: Path) -> None:
    boxes, scores, classes = np.zeros((1, 9, 4), F32), np.zeros((1, 9), F32), np.zeros((1, 9), np.int32)
    boxes[0, :2], scores[0, :2], classes[0, :2] = BOX, [0.9, 0.8], 1
    count = np.array([[1]], np.int32)
    path = graph(num_dets=count, det_boxes=boxes, det_scores=scores, det_classes=classes)
    detections = detect(path, f"names={names}", "detections")
    assert len(detections) == 1
    one(detections)


def test_rows(graph: Graph, names: Path) -> None:
    rows = np.zeros((1, 30, 6), F32)
    rows[0, 0] = [*BOX, 0.9, 1]
    one(detect(graph(output=rows), f"names={names}", "rows"))


def test_rows_of_yolov7(graph: Graph, names: Path) -> None:
    rows = np.array([[0, *BOX, 1, 0.9], [1, *BOX, 0, 0.95]], F32)  # the second is of another image
    one(detect(graph(output=rows), f"names={names}", "yolov7-rows"))


def test_rows_of_paddle(graph: Graph, names: Path) -> None:
    rows = np.array([[1, 0.9, *BOX + 0.25], [-1, 0, 0, 0, 0, 0]], F32)
    path = graph(multiclass_nms3_0=rows, bbox_num=np.array([1], np.int32))
    one(detect(path, f"names={names}", "paddle-rows"), box=BOX + 0.25)


def test_detection_output_of_openvino(graph: Graph, names: Path) -> None:
    rows = np.array([[[[0, 1, 0.9, *BOX / SIDE], [-1, 0, 0, 0, 0, 0, 0]]]], F32)
    one(detect(graph(output=rows), f"names={names}", "detection-output"))


@pytest.mark.parametrize(("layout", "strides"), [("nanodet", (8, 16, 32)), ("picodet", (8, 16, 32, 64))])
def test_distributions_over_distances(graph: Graph, names: Path, layout: str, strides: tuple[int, ...]) -> None:
    outputs: dict[str, Any] = {}
    for level, stride in enumerate(strides):
        cells = (SIDE // stride) ** 2
        outputs[f"cls{level}"] = np.zeros((1, cells, 3), F32)
        outputs[f"reg{level}"] = np.zeros((1, cells, 32), F32)
    outputs["cls1"][0, 5, 1] = 0.9  # cell (1, 1) of stride 16: its centre is 24, 24
    sides = outputs["reg1"].reshape(1, -1, 4, 8)
    sides[0, 5, [0, 1, 2, 3], [0, 1, 1, 2]] = 50
    one(detect(graph(**outputs), f"names={names}", layout), box=[24, 8, 40, 56])


def test_nanodet_plus_starts_at_the_corner_of_a_cell(graph: Graph, names: Path) -> None:
    heads = np.zeros((1, 85, 35), F32)
    heads[0, 64 + 5, 1] = 0.9
    heads[0, 64 + 5, 3:].reshape(4, 8)[[0, 1, 2, 3], [0, 1, 1, 2]] = 50
    one(detect(graph(output=heads), f"names={names}", "nanodet-plus"), box=[16, 0, 32, 48])


@pytest.mark.parametrize(
    ("outputs", "settings", "message"),
    [
        (
            {"a": np.zeros((1, 5), F32)},
            "",
            r"has the outputs a \(1, 5\), which fit no known layout \(detection-output:",
        ),
        ({"a": np.zeros((1, 3, 8, 8, 85), F32)}, "", "which fit no known layout"),
        ({"a": np.zeros((1, 5), F32)}, "layout=yolov5", r"outputs a \(1, 5\); layout=yolov5 is \(1, N, 5 \+ classes\)"),
        ({"a": np.zeros((1, 5), F32)}, "layout=yolov55", "unknown layout 'yolov55'; did you mean 'yolov5'"),
        ({"a": np.zeros((1, 252, 8), F32)}, "", "has 3 class columns and no names; give names=coco, coco91"),
        ({"a": np.zeros((1, 252, 8), F32)}, "names=coco", "has 3 class columns, names=coco lists 80"),
        ({"a": np.zeros((1, 30, 6), F32)}, "", "returns class ids and no names"),
        ({"a": np.zeros((1, 252, 85), F32)}, "size=65", "takes images of 64×64 only"),
        ({"a": np.zeros((1, 252, 85), F32)}, "mean=red", "mean must be one number, three such as"),
        ({"a": np.zeros((1, 252, 85), F32)}, "resize=strech", "did you mean 'stretch'"),
        ({"a": np.zeros((1, 252, 85), F32)}, "unit=percent", "unit=percent is not one of pixels, fractions"),
        ({"a": np.zeros((1, 252, 85), F32)}, "resize=none", "takes images of 64×64 only"),
    ],
)
def test_what_cannot_be_interpreted_is_refused_when_it_is_opened(
    graph: Graph, outputs: Any, settings: str, message: str
) -> None:
    with pytest.raises(UserError, match=message) as caught:
        create_detector(f"onnx:{graph(**outputs)}({settings})")
    assert "\n" not in str(caught.value)


def test_contradictions_are_refused_when_they_show(graph: Graph, names: Path) -> None:
    rows = np.zeros((1, 30, 6), F32)
    rows[0, 0] = [*BOX, 0.9, 7]
    path = graph(output=rows)
    with pytest.raises(UserError, match=r"returns the class id 7; names=names\.txt has 3, from id 0"):
        create_detector(f"onnx:{path}(names={names})").predict([IMAGE])
    with pytest.raises(UserError, match="coordinates up to 60, no fractions; give unit=pixels"):
        create_detector(f"onnx:{path}(names={names},unit=fractions)").predict([IMAGE])
    rows[0, 0, :4] /= SIDE
    with pytest.raises(UserError, match=r"boxes below 0\.94, no pixels; give unit=fractions"):
        create_detector(f"onnx:{graph(output=rows)}(names={names},unit=pixels)").predict([IMAGE])


def test_an_input_of_unknown_meaning_is_refused(graph: Graph) -> None:
    path = graph(others={"prompt": ([1, 4], onnx.TensorProto.FLOAT)}, a=np.zeros((1, 252, 85), F32))
    with pytest.raises(UserError, match=r"takes more than an image \(prompt\)"):
        create_detector(f"onnx:{path}")


def test_a_file_without_family_says_how_it_is_read(graph: Graph) -> None:
    rows = dense(3 * sum(CELLS), 85, 5, CENTRE, {4: 0.9, 6: 1.0})
    model = create_detector(str(graph(output=rows)))
    assert (model.family, model.notes[0]) == ("onnx", "read as onnx:made.onnx")
    offsets = np.zeros((1, sum(CELLS), 85), F32)
    assert create_detector(str(graph(output=offsets))).family == "yolox"
    columns = np.zeros((1, 6, sum(CELLS)), F32)
    metadata = {"names": "{0: 'cat', 1: 'dog'}", "stride": "32", "task": "detect"}
    assert create_detector(str(graph(output=columns, metadata=metadata))).family == "ultralytics"


def test_settings_hold_all_that_decides_a_box(graph: Graph, names: Path) -> None:
    rows = dense(3 * sum(CELLS), 8, 5, CENTRE, {4: 0.9, 6: 1.0})
    path = graph(output=rows)
    model = create_detector(f"onnx:{path}(names={names},mean=123.7/116.3/103.5,std=(58.4,57.1,57.4),pad=0)")
    assert model.settings["scale"] == 1
    assert model.settings["mean"] == "123.7/116.3/103.5"
    assert model.settings["std"] == "58.4/57.1/57.4"
    assert model.settings["size"] == "64x64"
    assert create_detector(f"onnx:{path}(names={names},mean=imagenet,std=imagenet)").settings["scale"] == 255
    assert triple("onnx", "mean", 0.5) == (0.5, 0.5, 0.5)


def test_openvino_reads_the_same_layouts(graph: Graph, names: Path, tmp_path: Path) -> None:
    openvino = pytest.importorskip("openvino")
    rows = dense(3 * sum(CELLS), 8, 5, CENTRE, {4: 0.9, 6: 1.0})
    openvino.save_model(openvino.convert_model(graph(output=rows)), tmp_path / "made.xml", compress_to_fp16=False)
    model = create_detector(f"{tmp_path / 'made.xml'}(names={names})")
    assert (model.family, model.settings["layout"], model.settings["engine"]) == ("openvino", "yolov5", "openvino")
    one(model.predict([IMAGE])[0])
