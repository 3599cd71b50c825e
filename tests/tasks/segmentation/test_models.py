"""Segmenters against direct passes through their networks, and the way back to an image's own pixels."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from sgz_bench.core.errors import UserError
from sgz_bench.tasks.classes import CAMVID_CLASSES, CITYSCAPES_CLASSES, segmentation_class_map
from sgz_bench.tasks.segmentation.models import create_segmenter
from sgz_bench.tasks.segmentation.models.base import InferenceConfig, Segmenter

Image = NDArray[np.uint8]


def picture(height: int, width: int, seed: int = 0) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


class Local(Segmenter):
    """A network that looks at one pixel at a time: the class is the strongest channel."""

    family = "local"

    def __init__(self, *, half: bool = False, stride: int = 32, **settings: Any) -> None:
        zeros, ones = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
        config = InferenceConfig(**settings)
        super().__init__("x", "RGB", "0", view=config, mean=zeros, std=ones, stride=stride, device="cpu")
        self.half, self.seen = half, []

    def logits(self, batch: Tensor) -> Tensor:
        self.seen.append(tuple(batch.shape[2:]))
        return F.avg_pool2d(batch, 2) if self.half else 5 * batch


@pytest.mark.parametrize("size", [(64, 96), (50, 70), (7, 5)])
def test_padding_is_taken_off_again(size: tuple[int, int]) -> None:
    image, model = picture(*size), Local()
    (answer,) = model.predict([image])
    assert np.array_equal(answer.labels, image.argmax(axis=2))
    assert all(side % 32 == 0 for side in model.seen[0])
    assert answer.confidence is None


def test_windows_and_mirrors_say_the_same_of_a_network_that_looks_at_single_pixels() -> None:
    image = picture(70, 131)
    whole = Local().predict([image], confidence=True)[0]
    assert whole.confidence is not None
    odds = np.exp(5 * (image / 255))
    expected = odds.max(axis=2) / odds.sum(axis=2)
    assert np.abs(whole.confidence - expected).max() < 1e-6
    for view in ({"window": 64, "overlap": 0.5}, {"flip": True}, {"window": 32, "overlap": 0.0, "flip": True}):
        model = Local(**view)
        answer = model.predict([image], confidence=True)[0]
        assert np.array_equal(answer.labels, whole.labels)
        assert answer.confidence is not None
        assert np.abs(answer.confidence - whole.confidence).max() < 1e-5
    # 131 pixels need five windows of 32 without overlap, 70 need three, each seen twice
    assert len(model.seen) == 30


def test_low_resolution_logits_are_resized_before_the_best_class_is_taken() -> None:
    image = picture(64, 96)
    tensor = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
    expected = F.interpolate(F.avg_pool2d(tensor, 2), (64, 96), mode="bilinear", align_corners=False).argmax(dim=1)[0]
    assert np.array_equal(Local(half=True).predict([image])[0].labels, expected.numpy())


def test_size_is_the_shorter_side_that_the_network_sees() -> None:
    model = Local(size=64, stride=1)
    (answer,) = model.predict([picture(96, 150)])
    assert model.seen == [(64, 100)]
    assert answer.labels.shape == (96, 150)


def test_a_mirrored_answer_is_averaged_in() -> None:
    class Sided(Local):
        """Sees class 1 in the left half whatever is there."""

        def logits(self, batch: Tensor) -> Tensor:
            scores = torch.zeros(1, 3, *batch.shape[2:])
            scores[:, 1, :, : batch.shape[3] // 2] = 2
            return scores

    plain, both = (Sided(flip=flip).predict([picture(32, 64)], confidence=True)[0] for flip in (False, True))
    assert (plain.labels[:, :32] == 1).all()
    assert (plain.labels[:, 32:] != 1).all()
    assert (both.labels == 1).all()
    assert both.confidence == pytest.approx((np.exp(2) / (np.exp(2) + 2) + 1 / 3) / 2, abs=1e-6)


def smp_file(path: Path, **changes: Any) -> Path:
    import segmentation_models_pytorch as smp

    torch.manual_seed(3)
    network = smp.create_model("unet", "resnet18", encoder_weights=None, classes=4, decoder_channels=[16] * 5)
    save_file({key: value.contiguous() for key, value in network.state_dict().items()}, path)
    plan = {"arch": "unet", "encoder": "resnet18", "options": {"decoder_channels": [16] * 5}, "classes": list("abcd")}
    plan |= {"mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.4], "provenance": {"seed": 3}} | changes
    path.with_suffix(".yaml").write_text(yaml.safe_dump(plan))
    return path


def test_an_smp_file_answers_as_its_network_does(tmp_path: Path) -> None:
    import segmentation_models_pytorch as smp
    from safetensors.torch import load_file

    path, image = smp_file(tmp_path / "model.safetensors"), picture(64, 96)
    model = create_segmenter(f"smp:{path}")
    assert model.class_names == ("a", "b", "c", "d")
    network = smp.create_model("unet", "resnet18", encoder_weights=None, classes=4, decoder_channels=[16] * 5)
    network.load_state_dict(load_file(path))
    shown = (image / 255 - [0.4, 0.5, 0.6]) / [0.2, 0.3, 0.4]
    with torch.inference_mode():
        logits = network.eval()(torch.from_numpy(shown).permute(2, 0, 1)[None].float())
    assert np.array_equal(model.predict([image])[0].labels, logits[0].argmax(dim=0).numpy())
    assert create_segmenter(str(path)).fingerprint == model.fingerprint
    assert model.spec == "smp:model.safetensors(flip=false)"


def test_architectures_with_own_weights(tmp_path: Path) -> None:
    random = create_segmenter("smp:fpn(encoder=resnet18,weights=random,classes=camvid,seed=5)")
    assert random.class_names == CAMVID_CLASSES
    torch.save({"state_dict": random.network.state_dict()}, tmp_path / "own.pth")  # type: ignore[attr-defined]
    own = create_segmenter(f"smp:fpn(encoder=resnet18,weights={tmp_path / 'own.pth'},classes=camvid)")
    assert own.fingerprint == random.fingerprint
    assert own.spec == "smp:fpn(classes=camvid,encoder=resnet18,flip=false,weights=own.pth)"
    other = create_segmenter("smp:fpn(encoder=resnet18,weights=random,classes=camvid,seed=6)")
    assert other.fingerprint != random.fingerprint


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty Hugging Face cache."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def cached_model(hub: Path, name: str, classes: int = 19) -> Path:
    """What a download of a small SMP model leaves in the cache; its snapshot."""
    import segmentation_models_pytorch as smp

    repository = hub / f"models--{name.replace('/', '--')}"
    snapshot = repository / "snapshots" / "0123abc"
    torch.manual_seed(4)
    smp.create_model("fpn", "resnet18", encoder_weights=None, classes=classes).save_pretrained(snapshot)
    config = json.loads((snapshot / "config.json").read_text())
    (snapshot / "config.json").write_text(json.dumps(config | {"encoder_weights": "imagenet"}))
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0123abc")
    return snapshot


def test_a_cached_hub_model_answers_as_its_network_does(hub: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import segmentation_models_pytorch as smp
    from huggingface_hub import constants
    from safetensors.torch import load_file

    snapshot, image = cached_model(hub, "someone/fpn-city"), picture(64, 96)
    plain = create_segmenter("smp:someone/fpn-city")
    normalize = {"__class_fullname__": "Normalize", "mean": [100, 110, 120], "std": [50.0, 60.0, 70.0]}
    steps = [{"__class_fullname__": "Resize", "height": 8, "width": 8}, normalize | {"max_pixel_value": 1.0}]
    (snapshot / "albumentations_config_eval.json").write_text(json.dumps({"transform": {"transforms": steps}}))
    model = create_segmenter("smp:someone/fpn-city")
    assert model.class_names == CITYSCAPES_CLASSES
    network = smp.create_model("fpn", "resnet18", encoder_weights=None, classes=19)
    network.load_state_dict(load_file(snapshot / "model.safetensors"))
    own = (image - np.array([100, 110, 120])) / [50, 60, 70]
    usual = (image / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    for segmenter, shown in ((model, own), (plain, usual)):
        with torch.inference_mode():
            logits = network.eval()(torch.from_numpy(shown).permute(2, 0, 1)[None].float())[0]
        ours = torch.from_numpy(segmenter.predict([image])[0].labels.astype(np.int64))
        assert (logits.max(dim=0).values - logits.gather(0, ours[None])[0]).max() < 1e-4
    assert model.fingerprint != plain.fingerprint
    assert capsys.readouterr().out == ""
    assert not constants.HF_HUB_OFFLINE


def test_a_hub_model_that_is_not_there_or_not_whole_says_so(hub: Path) -> None:
    with pytest.raises(UserError) as caught:
        create_segmenter("smp:smp-hub/segformer-b0-1024x1024-city-160k")
    assert str(hub) in str(caught.value)
    assert "`hf download smp-hub/segformer-b0-1024x1024-city-160k`" in str(caught.value)
    cached_model(hub, "someone/ade", classes=5)
    with pytest.raises(UserError, match="has 5 classes, but 19 names; give the right classes="):
        create_segmenter("smp:someone/ade")
    (cached_model(hub, "someone/broken") / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(UserError, match=r"someone/broken in .* is not a readable SMP model"):
        create_segmenter("smp:someone/broken")


def test_torchvision_answers_as_its_network_does() -> None:
    model = create_segmenter("lraspp_mobilenet_v3_large(weights=random,seed=1)")
    assert len(model.class_names) == 21
    image = picture(64, 80)
    shown = (image / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    with torch.inference_mode():
        batch = torch.from_numpy(shown).permute(2, 0, 1)[None].float()
        logits = model.network(batch)["out"]  # type: ignore[attr-defined]
    assert np.array_equal(model.predict([image])[0].labels, logits[0].argmax(dim=0).numpy())


def test_a_torchvision_file_may_have_the_auxiliary_head_of_official_ones(tmp_path: Path) -> None:
    from torchvision.models.segmentation import deeplabv3_mobilenet_v3_large

    torch.manual_seed(2)
    network = deeplabv3_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=11, aux_loss=True).eval()
    torch.save(network.state_dict(), tmp_path / "own.pth")
    model = create_segmenter(f"deeplabv3_mobilenet_v3_large(weights={tmp_path / 'own.pth'},classes=camvid)")
    batch = torch.rand(1, 3, 48, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(model.logits(batch), network(batch)["out"])
    assert model.settings["weights"] == "own.pth"
    with pytest.raises(UserError, match=r"own\.pth does not fit this network"):
        create_segmenter(f"deeplabv3_mobilenet_v3_large(weights={tmp_path / 'own.pth'})")


def test_an_untrained_ultralytics_model_is_that_of_its_seed() -> None:
    one, same, other = (
        create_segmenter(f"ultralytics:yolo26n-sem(weights=random,classes=camvid,seed={seed})") for seed in (1, 1, 2)
    )
    assert one.class_names == CAMVID_CLASSES
    assert one.fingerprint == same.fingerprint != other.fingerprint
    assert one.predict([picture(40, 50)])[0].labels.shape == (40, 50)


def test_more_classes_than_eight_bits_hold_are_refused(tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    for count in (255, 256):
        names.write_text("".join(f"class {index}\n" for index in range(count)))
        spec = f"lraspp_mobilenet_v3_large(weights=random,classes={names})"
        if count == 255:
            assert len(create_segmenter(spec).class_names) == 255
        else:
            with pytest.raises(UserError, match="256 classes; a label map of 8 bits holds 255 at most"):
                create_segmenter(spec)


def test_an_ultralytics_semantic_checkpoint_answers_as_its_network_does(tmp_path: Path) -> None:
    from sgz_bench.tasks.ultralytics import import_ultralytics

    torch.manual_seed(0)
    network = import_ultralytics().SemanticSegmentationModel("yolo26n-sem.yaml", ch=3, verbose=False)
    for module in network.modules():  # random running statistics, or all logits of an untrained network are alike
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.1, 0.1)
    network.names = dict(enumerate(CITYSCAPES_CLASSES))
    network.task, network.args = "semantic", {}
    torch.save({"model": network, "train_args": {}}, tmp_path / "yolo26n-sem.pt")
    model = create_segmenter(str(tmp_path / "yolo26n-sem.pt"))
    assert model.class_names == CITYSCAPES_CLASSES
    image = picture(64, 96)
    with torch.inference_mode():
        batch = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
        logits = F.interpolate(network.eval()(batch), (64, 96), mode="bilinear", align_corners=False)[0]
    best = logits.max(dim=0).values
    ours = torch.from_numpy(model.predict([image])[0].labels.astype(np.int64))
    assert (best - logits.gather(0, ours[None])[0]).max() < 1e-4  # fused layers round differently


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("evil-was-here"),))


@pytest.mark.parametrize("name", ["evil.pt", "evil.pth"])
def test_a_malicious_pickle_is_refused_and_does_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(pickle.dumps({"model": Evil()}))
    spec = name if name.endswith(".pt") else f"smp:fpn(encoder=resnet18,weights={name},classes=camvid)"
    with pytest.raises(UserError, match=name):
        create_segmenter(spec)
    assert not Path("evil-was-here").exists()


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("smp:fpn(encoder=resnet19,weights=random,classes=camvid)", "encoder 'resnet19'; did you mean 'resnet18'"),
        ("smp:fqn(encoder=resnet18,weights=random,classes=camvid)", "architecture 'fqn'; did you mean 'fpn'"),
        ("smp:fpn(encoder=tu-none,weights=random,classes=camvid)", "smp:fpn(encoder=tu-none) cannot be built"),
        ("smp:fpn(encoder=resnet18)", "needs encoder=NAME, weights=FILE or random, and classes"),
        ("smp:fpn(encoder=resnet18,weights=random,classes=camvit)", "did you mean 'camvid'"),
        ("smp:fpn(encoder=resnet18,weights=none.pth,classes=camvid)", "no weights at none.pth"),
        ("smp:none.safetensors", "no model file at none.safetensors"),
        ("deeplabv4_resnet50", "did you mean"),
        ("deeplabv3_resnet50", "not in its cache; download"),
        ("lraspp_mobilenet_v3_large(weights=random,size=20)", "size must be a whole number from 32"),
        ("lraspp_mobilenet_v3_large(weights=random,flip=2)", "flip must be a whole number from 0 to 1"),
        ("lraspp_mobilenet_v3_large(weights=random,imgsz=20)", "has no parameter 'imgsz'"),
        ("yolo26n-sem.onnx", "no model file at yolo26n-sem.onnx"),
        ("yolo26n-sem.zzz", "cannot tell the family"),
        ("ultralytics:yolo27n-sem(weights=random)", "did you mean 'yolo26n-sem'"),
        ("yolo26n-sem.pt(classes=camvid)", "give weights=random or neither"),
    ],
)
def test_what_is_not_there_is_said_in_one_line(
    spec: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(UserError) as caught:
        create_segmenter(spec)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_plan_that_does_not_fit_its_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not fit this network"):
        create_segmenter(f"smp:{smp_file(tmp_path / 'a.safetensors', classes=['x', 'y'])}")
    with pytest.raises(UserError, match="does not describe a model"):
        create_segmenter(f"smp:{smp_file(tmp_path / 'b.safetensors', mean=[1.0])}")
    path = smp_file(tmp_path / "c.safetensors")
    path.with_suffix(".yaml").unlink()
    with pytest.raises(UserError, match=r"c\.yaml is missing"):
        create_segmenter(f"smp:{path}")


def test_a_file_of_another_kind_is_not_looked_for_on_the_hub(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"weights")
    with pytest.raises(UserError, match=r"model\.bin is not a \.safetensors file"):
        create_segmenter(f"smp:{tmp_path / 'model.bin'}")


def test_a_detector_is_no_segmenter(assets: Path) -> None:
    with pytest.raises(UserError, match="is a detect model"):
        create_segmenter(str(assets / "weights" / "yolov8n-coco-int8deq.pt"))


def test_cityscapes_and_camvid_stand_for_each_other() -> None:
    to_camvid = segmentation_class_map(CITYSCAPES_CLASSES, CAMVID_CLASSES)
    pairs = {"wall": "Building", "sidewalk": "Pavement", "terrain": "Tree", "bus": "Car", "rider": "Bicyclist"}
    for city, cam in (pairs | {"traffic light": "SignSymbol", "person": "Pedestrian"}).items():
        assert CAMVID_CLASSES[to_camvid[CITYSCAPES_CLASSES.index(city)]] == cam
    assert (to_camvid >= 0).all()
    back = segmentation_class_map(CAMVID_CLASSES, CITYSCAPES_CLASSES)
    assert [CITYSCAPES_CLASSES[index] for index in back] == [
        "sky", "building", "pole", "road", "sidewalk", "vegetation", "traffic sign", "fence", "car", "person",
        "bicycle",
    ]  # fmt: skip
    assert segmentation_class_map(["Car", "dog"], ["car"]).tolist() == [0, -1]
