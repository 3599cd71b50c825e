"""An ONNX detector says the same whichever engine runs it, and its settings tell which one did."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sgz_bench.core.errors import UserError
from sgz_bench.tasks.detection.models import create_detector

onnx = pytest.importorskip("onnx")
pytest.importorskip("openvino")

IMAGES = [
    np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8).repeat(24, 0).repeat(26, 1)
    for seed in range(3)
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A network of one layer that looks like an Ultralytics export: a box with two scores for every 32×32 pixels."""
    weights = np.random.default_rng(0).normal(0, 0.5, (6, 3, 1, 1)).astype(np.float32)
    weights[:4] *= 60
    weights[4:] *= 0.3
    bias = np.array([60, 60, 40, 40, 0.3, 0.3], dtype=np.float32)
    nodes = [
        onnx.helper.make_node("AveragePool", ["images"], ["cells"], kernel_shape=[32, 32], strides=[32, 32]),
        onnx.helper.make_node("Conv", ["cells", "weights", "bias"], ["maps"]),
        onnx.helper.make_node("Reshape", ["maps", "shape"], ["output0"]),
    ]
    float32 = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        nodes,
        "tiny",
        [onnx.helper.make_tensor_value_info("images", float32, [1, 3, "height", "width"])],
        [onnx.helper.make_tensor_value_info("output0", float32, [1, 6, "anchors"])],
        [
            onnx.numpy_helper.from_array(weights, "weights"),
            onnx.numpy_helper.from_array(bias, "bias"),
            onnx.numpy_helper.from_array(np.array([1, 6, -1], dtype=np.int64), "shape"),
        ],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    onnx.helper.set_model_props(model, {"names": "{0: 'cat', 1: 'dog'}", "stride": "32", "task": "detect"})
    path = tmp_path / "tiny.onnx"
    onnx.save(model, str(path))
    return path


def test_openvino_finds_what_onnxruntime_finds(file: Path) -> None:
    one = create_detector(f"ultralytics:{file}(imgsz=128)", "cpu")
    other = create_detector(f"ultralytics:{file}(imgsz=128,engine=openvino)", "cpu")
    assert one.class_names == other.class_names == ("cat", "dog")
    answers = zip(one.predict(IMAGES), other.predict(IMAGES), strict=True)
    for wanted, found in answers:
        assert len(wanted.scores) > 3
        np.testing.assert_allclose(found.boxes, wanted.boxes, atol=1e-3)
        np.testing.assert_allclose(found.scores, wanted.scores, atol=1e-5)
        assert found.class_ids.tolist() == wanted.class_ids.tolist()


def test_the_settings_name_an_engine_that_is_not_the_usual_one(file: Path) -> None:
    usual = create_detector(f"ultralytics:{file}(engine=onnxruntime)", "cpu").settings
    assert not {"engine", "precision"} & set(usual)  # rows of earlier versions stay valid
    other = create_detector(f"ultralytics:{file}(engine=openvino,precision=bf16)", "cpu")
    assert other.settings == usual | {"engine": "openvino", "precision": "bf16"}
    assert "engine=openvino" in other.spec


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("engine=openvin", "engine=openvin is not one of onnxruntime, openvino; did you mean 'openvino'"),
        ("engine=openvino,precision=int8", "precision=int8 is not one of fp32, bf16"),
        ("precision=bf16", "precision=bf16 needs engine=openvino"),
    ],
)
def test_a_wrong_engine_says_what_to_write(file: Path, settings: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        create_detector(f"ultralytics:{file}({settings})", "cpu")


def test_a_file_for_one_image_at_a_time_takes_no_batch(file: Path) -> None:
    with pytest.raises(UserError, match=r"tiny\.onnx takes one image at a time; leave batch out, or export it with"):
        create_detector(f"ultralytics:{file}(batch=2)", "cpu")


def test_an_engine_is_for_onnx_files_only() -> None:
    with pytest.raises(UserError, match=r"nightscene-yolo.*engine and precision are for \.onnx files"):
        create_detector("nightscene-yolo(engine=openvino)", "cpu")


def test_a_file_that_is_no_onnx_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"\0" * 100)
    with pytest.raises(UserError, match=r"bad\.onnx is not an ONNX model that OpenVINO can read"):
        create_detector(f"ultralytics:{tmp_path}/bad.onnx(engine=openvino)", "cpu")
