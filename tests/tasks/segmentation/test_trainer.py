"""Training an SMP network: what it learns, what it leaves out, and that it does so the same way twice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from sgz_bench.core.errors import UserError
from sgz_bench.tasks.segmentation.models import create_segmenter
from sgz_bench.tasks.segmentation.start import network_plan
from sgz_bench.tasks.segmentation.trainer import SegmentationRecipe, train_segmenter

MODEL = (
    "smp:fpn(encoder=tu-tf_mobilenetv3_small_minimal_100,decoder_pyramid_channels=32,decoder_segmentation_channels=32)"
)
SMALL = {"height": 32, "width": 64, "batch": 2, "scale": (1, 1), "epochs": 2}
Pairs = list[tuple[np.ndarray, np.ndarray]]


def _train(
    pairs: Sequence[Any], stem: Path, seed: int = 0, classes: tuple[str, ...] = ("left", "right"), **settings: Any
) -> tuple[Path, list[float]]:
    plan, _ = network_plan(MODEL, classes)
    losses: list[float] = []
    recipe = SegmentationRecipe(**(SMALL | settings))
    done = train_segmenter(
        pairs, plan, recipe, seed, stem, provenance={"by": "test"}, progress=lambda *told: losses.append(told[2])
    )
    return done.path, losses


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(tmp_path: Path, halves: Pairs) -> None:
    before = torch.get_rng_state()
    one, _ = _train(halves, tmp_path / "one")
    torch.rand(5)
    two, _ = _train(halves, tmp_path / "two")
    other, _ = _train(halves, tmp_path / "other", seed=1)
    assert one.read_bytes() == two.read_bytes() != other.read_bytes()
    assert one.with_suffix(".yaml").read_bytes() == two.with_suffix(".yaml").read_bytes()
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    three, _ = _train(halves, tmp_path / "three")
    assert torch.get_num_threads() == threads + 1
    torch.set_num_threads(threads)
    assert three.read_bytes() == one.read_bytes()  # the process's number of threads does not matter
    torch.set_rng_state(before)
    expected = torch.rand(5)
    torch.set_rng_state(before)
    _train(halves, tmp_path / "one")
    assert torch.equal(torch.rand(5), expected)  # the process's own randomness is left alone


def test_it_learns_and_the_adapter_reads_what_it_wrote(tmp_path: Path, halves: Pairs) -> None:
    path, losses = _train(halves, tmp_path / "model", epochs=40, lr=0.003, ema=0.9)
    assert np.mean(losses[-5:]) < 0.3 * np.mean(losses[:5])
    segmenter = create_segmenter(f"smp:{path}")
    assert segmenter.class_names == ("left", "right")
    image, labels = halves[2]
    found = segmenter.predict([image])[0].labels
    scored = labels != 255
    assert (found == labels)[scored].mean() > 0.9


def test_void_pixels_teach_nothing(tmp_path: Path, halves: Pairs) -> None:
    void = [(image, np.full_like(labels, 255)) for image, labels in halves]
    path, losses = _train(void, tmp_path / "void", weight_decay=0.0, lr=0.1)
    fresh, _ = _train(void, tmp_path / "fresh", weight_decay=0.0, lr=1e-9)
    assert losses == [0.0] * len(losses)
    head = "segmentation_head.0.weight"
    assert torch.equal(load_file(path)[head], load_file(fresh)[head])


def test_the_loss_is_the_cross_entropy_of_labelled_pixels(halves: Pairs) -> None:
    from sgz_bench.tasks.segmentation.trainer import _Loss

    logits = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    labels = torch.randint(0, 3, (2, 4, 5), generator=torch.Generator().manual_seed(1))
    labels[0, :2] = 255
    found = float(_Loss(3, halves, SegmentationRecipe())(logits, labels))
    logs = logits.double().numpy() - np.log(np.exp(logits.double().numpy()).sum(1, keepdims=True))
    by_hand = [
        -logs[b, labels[b, y, x], y, x] for b in range(2) for y in range(4) for x in range(5) if labels[b, y, x] != 255
    ]
    assert found == pytest.approx(np.mean(by_hand), abs=1e-6)


def test_rare_classes_weigh_more_when_asked() -> None:
    from sgz_bench.tasks.segmentation.trainer import _class_weights

    labels = np.repeat(np.array([0, 1, 1, 1, 2, 2, 2, 2, 2, 255], np.uint8), 10).reshape(10, 10)
    weights = _class_weights(4, [(np.zeros((10, 10, 3), np.uint8), labels)], 1.0)
    assert weights.tolist() == pytest.approx([3.0, 1.0, 0.6, 1.0])  # median 30 pixels of 10, 30, 50; the fourth never


def test_an_encoder_alone_gives_its_tensors(tmp_path: Path, halves: Pairs) -> None:
    first, _ = _train(halves, tmp_path / "first")
    encoder = {key: value for key, value in load_file(first).items() if key.startswith("encoder.")}
    save_file(encoder, tmp_path / "encoder.safetensors")
    plan, _ = network_plan(MODEL, ("a", "b", "c"))
    recipe = SegmentationRecipe(**SMALL, init=tmp_path / "encoder.safetensors", lr=1e-9, weight_decay=0)
    done = train_segmenter(halves, plan, recipe, 5, tmp_path / "second")
    assert done.taken[0] == len(encoder) < done.taken[1]
    assert torch.allclose(
        load_file(done.path)["encoder.model.conv_stem.weight"], encoder["encoder.model.conv_stem.weight"]
    )


def test_a_network_of_other_classes_gives_all_but_its_head(tmp_path: Path, halves: Pairs) -> None:
    first, _ = _train(halves, tmp_path / "first")
    plan, weights = network_plan(f"smp:{first}", ("a", "b", "c"))
    assert weights == first
    assert plan["encoder"] == "tu-tf_mobilenetv3_small_minimal_100"
    done = train_segmenter(halves, plan, SegmentationRecipe(**SMALL, init=weights), 0, tmp_path / "second")
    assert done.taken[1] - done.taken[0] == 2  # weight and bias of the last layer
    assert yaml.safe_load((tmp_path / "second.yaml").read_text())["classes"] == ["a", "b", "c"]


def test_half_precision_halves_the_file(tmp_path: Path, halves: Pairs) -> None:
    full, _ = _train(halves, tmp_path / "full", epochs=1)
    half, _ = _train(halves, tmp_path / "half", epochs=1, float16=True)
    assert half.stat().st_size < 0.6 * full.stat().st_size


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda _: [], "no images"),
        (lambda pairs: [(image, labels[:5]) for image, labels in pairs], "must be equal"),
        (lambda pairs: [(image, np.full_like(labels, 7)) for image, labels in pairs], "label 7"),
    ],
)
def test_images_that_cannot_be_learnt_from_are_named(tmp_path: Path, halves: Pairs, spoil: Any, words: str) -> None:
    with pytest.raises(UserError, match=words):
        _train(spoil(halves), tmp_path / "model")
    assert not (tmp_path / "model.safetensors").exists()


def test_weights_that_fit_nowhere_are_refused(tmp_path: Path, halves: Pairs) -> None:
    save_file({"elsewhere": torch.zeros(3)}, tmp_path / "strange.safetensors")
    with pytest.raises(UserError, match="has no fitting tensor"):
        _train(halves, tmp_path / "model", init=tmp_path / "strange.safetensors")
    (tmp_path / "text.safetensors").write_text("no weights")
    with pytest.raises(UserError, match="is not a safetensors file"):
        _train(halves, tmp_path / "model", init=tmp_path / "text.safetensors")


def test_a_model_that_cannot_be_trained_is_refused() -> None:
    for model in ("smp:fpn", "fpn(encoder=resnet18)", "model.pt"):
        with pytest.raises(UserError, match="cannot train"):
            network_plan(model, ["a"])
    with pytest.raises(UserError, match="mean must be a number"):
        network_plan("smp:fpn(encoder=resnet18,mean=3)", ["a"])
