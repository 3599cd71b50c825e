"""Segmenters from ONNX, OpenVINO and label maps: the labels of the PyTorch model that was exported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sgz_bench.core.errors import UserError
from sgz_bench.tasks.segmentation.models import create_segmenter
from sgz_bench.tasks.segmentation.models.base import IMAGENET, InferenceConfig, Segmenter

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

NAMES = ("road", "sky", "tree")
IMAGES = [
    np.random.default_rng(seed).integers(0, 255, (*size, 3), np.uint8)
    for seed, size in enumerate([(64, 96), (64, 64), (50, 70)])
]


class Network(nn.Module):
    """Logits of three classes at a quarter of the input's size, in one of several forms."""

    def __init__(self, form: str = "logits") -> None:
        super().__init__()
        torch.manual_seed(0)
        self.convolution = nn.Conv2d(3, 3, 5, stride=4, padding=2)
        self.form = form

    def forward(self, image: Tensor) -> Tensor:
        if self.form == "nhwc input":
            image = image.permute(0, 3, 1, 2)
        logits = self.convolution(image)
        if self.form == "probabilities":
            return logits.softmax(dim=1)
        if self.form == "nhwc":
            return logits.permute(0, 2, 3, 1)
        if self.form == "one":
            return logits[:, 1:2] - logits[:, :1]
        full = F.interpolate(logits, image.shape[2:], mode="bilinear", align_corners=False)
        if self.form == "map":
            return full.argmax(dim=1)
        if self.form == "float map":
            return full.argmax(dim=1, keepdim=True).float()
        return logits


class InPyTorch(Segmenter):
    """The same network in the base class of all segmenters."""

    family = "in-pytorch"

    def __init__(self, **inference: Any) -> None:
        self.network = Network().eval()
        view = InferenceConfig.checked(self.family, **inference)
        mean, std = IMAGENET
        super().__init__("network", NAMES, "", view=view, mean=mean, std=std, stride=32, device="cpu")

    def logits(self, batch: Tensor) -> Tensor:
        return self.network(batch).clone()


def export(folder: Path, form: str = "logits", size: tuple[int, int] | None = None) -> Path:
    """Export a network; of one size, or dynamic."""
    (folder / "names.txt").write_text("\n".join(NAMES), encoding="utf-8")
    path = folder / f"{form.replace(' ', '-')}.onnx"
    sides = size or (64, 96)
    shape = (1, *sides, 3) if form == "nhwc input" else (1, 3, *sides)
    axes = {"pixel_values": {2: "h", 3: "w"}} if size is None else None
    network = Network(form).eval()
    torch.onnx.export(  # the older exporter needs no further package
        network, (torch.rand(shape),), str(path), input_names=["pixel_values"], dynamic_axes=axes, dynamo=False
    )
    return path


@pytest.mark.parametrize("settings", ["", "flip=true", "size=96", "window=64"])
def test_logits_of_any_size_give_the_labels_of_pytorch(tmp_path: Path, settings: str) -> None:
    model = create_segmenter(f"{export(tmp_path)}(names={tmp_path / 'names.txt'}{',' * bool(settings)}{settings})")
    given = dict(each.split("=") for each in settings.split(",") if each)
    own = InPyTorch(**{key: True if value == "true" else int(value) for key, value in given.items()})
    for answer, wanted in zip(
        model.predict(IMAGES, confidence=True), own.predict(IMAGES, confidence=True), strict=True
    ):
        assert (answer.labels == wanted.labels).mean() > 0.999  # two engines may break a tie differently
        assert answer.confidence is not None
        assert wanted.confidence is not None
        assert np.abs(answer.confidence - wanted.confidence).max() < 1e-4
    assert model.family == "onnx"
    assert "logits of output" in model.notes[-1]
    assert "with mean 0.485/0.456/0.406" in model.notes[-1]


@pytest.mark.parametrize("form", ["nhwc", "probabilities", "nhwc input"])
def test_other_forms_give_the_same_labels_and_confidence(tmp_path: Path, form: str) -> None:
    size = (64, 96)
    model = create_segmenter(f"onnx:{export(tmp_path, form, size)}(names={tmp_path / 'names.txt'})")
    answer, wanted = (each.predict(IMAGES[:1], confidence=True)[0] for each in (model, InPyTorch()))
    assert (answer.labels == wanted.labels).mean() > 0.999
    assert answer.confidence is not None
    assert wanted.confidence is not None
    assert np.abs(answer.confidence - wanted.confidence).max() < 1e-3


@pytest.mark.parametrize("form", ["map", "float map"])
def test_a_label_map_has_no_confidence(tmp_path: Path, form: str) -> None:
    model = create_segmenter(f"onnx:{export(tmp_path, form, (64, 96))}(names={tmp_path / 'names.txt'})")
    answer, wanted = model.predict(IMAGES[:1], confidence=True)[0], InPyTorch().predict(IMAGES[:1])[0]
    assert (answer.labels == wanted.labels).mean() > 0.999
    assert answer.confidence is None
    assert "AUIoU is left out" in model.notes[-1]
    assert model.predict(IMAGES[2:])[0].labels.shape == (50, 70)


def test_one_channel_is_the_second_of_two_classes(tmp_path: Path) -> None:
    path = export(tmp_path, "one")
    (tmp_path / "two.txt").write_text("road\nsky\n", encoding="utf-8")
    answer = create_segmenter(f"{path}(names={tmp_path / 'two.txt'})").predict(IMAGES[:1], confidence=True)[0]
    assert set(np.unique(answer.labels)) <= {0, 1}
    assert answer.confidence is not None
    assert answer.confidence.min() >= 0.5


def test_a_fixed_size_is_stretched_to_or_slid_over(tmp_path: Path) -> None:
    path, names = export(tmp_path, size=(64, 64)), tmp_path / "names.txt"
    stretched = create_segmenter(f"{path}(names={names})")
    assert stretched.settings["resize"] == "stretch"
    assert "stretch to 64×64" in stretched.notes[-1]
    slid = create_segmenter(f"{path}(names={names},resize=window)")
    same = [each.predict(IMAGES[1:2])[0].labels for each in (stretched, slid, InPyTorch())]
    assert (same[0] == same[2]).mean() > 0.999
    assert (same[1] == same[2]).mean() > 0.999
    wide = [each.predict(IMAGES[:1])[0].labels for each in (slid, InPyTorch(window=64))]
    assert (wide[0] == wide[1]).mean() > 0.999
    assert stretched.predict(IMAGES[:1])[0].labels.shape == (64, 96)


def test_normalisation_is_a_setting(tmp_path: Path) -> None:
    path, names = export(tmp_path), tmp_path / "names.txt"
    usual = create_segmenter(f"{path}(names={names})").predict(IMAGES[:1])[0].labels
    levels = "mean=123.675/116.28/103.53,std=58.395/57.12/57.375"
    same = create_segmenter(f"{path}(names={names},{levels})")
    assert same.settings["scale"] == 1
    assert (same.predict(IMAGES[:1])[0].labels == usual).mean() > 0.999
    assert (create_segmenter(f"{path}(names={names},mean=0,std=1)").predict(IMAGES[:1])[0].labels != usual).any()
    assert (create_segmenter(f"{path}(names={names},bgr=true)").predict(IMAGES[:1])[0].labels != usual).any()


@pytest.mark.parametrize(
    ("form", "size", "settings", "message"),
    [
        ("logits", None, "", "has 3 channels and no names; give names=cityscapes, camvid, voc"),
        ("map", (64, 64), "", "returns a label map and no names"),
        ("logits", None, "names=cityscapes", "has 3 classes, names=cityscapes lists 19"),
        ("logits", None, "names={names},output=aux", "has no output 'aux'"),
        ("logits", (64, 96), "names={names},size=64", "takes images of 96×64 only; leave size out"),
        ("logits", (64, 96), "names={names},resize=window", "leave window out and use resize=stretch"),
        ("map", (64, 64), "names={names},flip=true", "returns a label map, which cannot be averaged"),
        ("logits", None, "names={names},std=0", "std must be above 0"),
    ],
)
def test_what_does_not_fit_is_refused_when_it_is_opened(
    tmp_path: Path, form: str, size: tuple[int, int] | None, settings: str, message: str
) -> None:
    path = export(tmp_path, form, size)
    with pytest.raises(UserError, match=message) as caught:
        create_segmenter(f"onnx:{path}({settings.format(names=tmp_path / 'names.txt')})")
    assert "\n" not in str(caught.value)


def test_a_detector_is_no_segmenter(tmp_path: Path) -> None:
    class Boxes(nn.Module):
        def forward(self, image: Tensor) -> Tensor:
            return image.flatten(2)[:, :1, :600].reshape(1, 100, 6)

    torch.onnx.export(Boxes(), (torch.rand(1, 3, 64, 64),), str(tmp_path / "boxes.onnx"), dynamo=False)
    with pytest.raises(UserError, match=r"\(1, 100, 6\) for an image of 64×64; a segmenter returns logits"):
        create_segmenter(str(tmp_path / "boxes.onnx"))


def test_openvino_reads_the_same_forms(tmp_path: Path) -> None:
    openvino = pytest.importorskip("openvino")
    path = export(tmp_path)
    openvino.save_model(openvino.convert_model(path), tmp_path / "made.xml", compress_to_fp16=False)
    model = create_segmenter(f"{tmp_path / 'made.xml'}(names={tmp_path / 'names.txt'})")
    assert (model.family, model.settings["engine"]) == ("openvino", "openvino")
    assert (model.predict(IMAGES[:1])[0].labels == InPyTorch().predict(IMAGES[:1])[0].labels).mean() > 0.999


@pytest.mark.assets
def test_an_8_bit_network_labels_camvid_plausibly(assets: Path) -> None:
    from sgz_bench.core.images import read_image

    pytest.importorskip("ai_edge_litert")
    path = assets / "weights" / "deeplab_mobilenet_edgetpu_slim_cityscapes_quant.tflite"
    model = create_segmenter(f"tflite:{path}(names=cityscapes)")
    labels = model.predict([read_image(sorted((assets / "data" / "camvid" / "test").glob("*.png"))[0])])[0].labels
    assert (labels == 0).mean() > 0.1  # road
