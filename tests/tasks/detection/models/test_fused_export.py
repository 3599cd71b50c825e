"""Enhancer and detector as one graph: the same input, boxes and mapping as the two steps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from sgz_bench.__main__ import app
from sgz_bench.core.errors import UserError
from sgz_bench.core.images import to_tensor
from sgz_bench.enhancer import create_enhancer
from sgz_bench.tasks.detection.fused_export import Comparison, compare, detector_input, refuse_difference
from sgz_bench.tasks.detection.fused_graph import fuse
from sgz_bench.tasks.detection.models import create_detector

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

Graph = Callable[..., Path]
ANCHORS = 3 * (64 + 16 + 4)


@pytest.fixture
def detector(graph: Graph, names: Path) -> Path:
    """A YOLOv5 for 64 × 64 pixels with one box, whose score depends on the input."""
    rows = np.zeros((1, ANCHORS, 8), np.float32)
    rows[..., :4] = [40, 32, 4, 4]
    rows[0, 5] = [30, 40, 40, 40, 0.8, 0, 0.9, 0]
    return graph(output=rows, gain=0.01, metadata={"names": names.read_text().split().__repr__()})


@pytest.fixture
def photographs() -> list[Any]:
    generator = np.random.default_rng(1)
    return [
        generator.integers(20, 90, (height, width, 3), np.uint8) for height, width in ((50, 70), (100, 40), (64, 64))
    ]


@pytest.mark.parametrize(
    "settings",
    ["", "resize=corner,pad=0", "resize=stretch,bgr=true", "bgr=true,mean=123.7/116.3/103.5,std=58.4/57.1/57.4"],
)
def test_the_graph_computes_the_two_steps(detector: Path, photographs: list[Any], settings: str) -> None:
    enhancer, model = create_enhancer("gamma(gamma=0.5)"), create_detector(f"onnx:{detector}({settings})")
    comparison = compare(fuse(enhancer, detector_input(model)), enhancer, model, photographs)
    assert comparison.levels <= 1
    assert comparison.differing < 0.2
    assert (comparison.images, comparison.boxes, comparison.matched) == (3, 3, 3)
    assert comparison.pixels < 1
    assert comparison.score < 0.01
    refuse_difference(comparison, "it")


def test_an_image_of_the_detectors_size_is_not_resampled(detector: Path, photographs: list[Any]) -> None:
    enhancer, model = create_enhancer("sgz"), create_detector(f"onnx:{detector}")
    comparison = compare(fuse(enhancer, detector_input(model)), enhancer, model, photographs[2:])
    assert comparison.differing == 0


def test_the_mapping_leads_back_to_the_image(detector: Path, photographs: list[Any]) -> None:
    model = create_detector(f"onnx:{detector}")
    graph = fuse(create_enhancer("raw"), detector_input(model))
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    assert [each.name for each in session.get_outputs()] == ["output", "letterbox"]
    output, mapping = session.run(None, {"image": to_tensor(photographs[0]).numpy()})
    centre = (output[0, 5, :2] - mapping[2:]) / mapping[:2]
    box = model.predict(photographs[:1])[0].boxes[0]
    assert (box[0] + box[2]) / 2 == pytest.approx(centre[0], abs=0.1)


def test_a_difference_is_refused() -> None:
    with pytest.raises(UserError, match="it cannot be exported as one graph: it differs from the two steps"):
        refuse_difference(Comparison(3, 9, 0.5, 10, 10, 0, 0), "it")
    with pytest.raises(UserError, match="6 of 10 boxes"):
        refuse_difference(Comparison(3, 1, 0.01, 10, 6, 0, 0), "it")


def test_the_command_writes_one_file_that_says_what_it_is(detector: Path, tmp_path: Path) -> None:
    out = tmp_path / "both.onnx"
    result = CliRunner().invoke(app, ["export", "gamma", "--model", f"onnx:{detector}", "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert "3 images: 3 of 3 boxes" in result.output
    assert "letterbox to 64×64 inside" in result.output
    about = {each.key: each.value for each in onnx.load(out).metadata_props}
    assert about["sgz_bench_enhancer"] == "gamma(gamma=0.45)"
    with pytest.raises(UserError, match="is an export of enhancer and detector, which resizes by itself"):
        create_detector(str(out))


@pytest.mark.parametrize(
    ("enhancer", "model", "message"),
    [
        ("clahe", "onnx:{detector}", "is computed outside PyTorch"),
        ("gamma", "nightscene-yolo", "cannot be exported with an enhancer; give an .onnx file"),
    ],
)
def test_what_is_no_graph_is_refused(detector: Path, tmp_path: Path, enhancer: str, model: str, message: str) -> None:
    out = tmp_path / "both.onnx"
    spec = model.format(detector=detector)
    with pytest.raises(UserError, match=message):
        CliRunner().invoke(app, ["export", enhancer, "--model", spec, "--out", str(out)], catch_exceptions=False)
    assert not out.exists()


def test_a_place_that_takes_no_file_is_refused_first(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for out, message in (
        (tmp_path / "file" / "x.onnx", "is a file; choose another folder"),
        (tmp_path, "end in .onnx"),
    ):
        with pytest.raises(UserError, match=message):
            CliRunner().invoke(app, ["export", "nothing-known", "--out", str(out)], catch_exceptions=False)
