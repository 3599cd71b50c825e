"""Guidance: frozen, blind to its own training, and 0 where the enhanced view is the better-lit one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sgz_bench.core.errors import UserError
from sgz_bench.enhancer.training.guidance import (
    FeatureGuidance,
    Guidance,
    SegmentationGuidance,
    UpstreamGuidance,
    yolo_backbone,
)


def small_network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 5, 1))


def feature_guidance() -> Guidance:
    return FeatureGuidance(small_network(), lambda net, x: [net[:3](x), net(x)], (0.4,) * 3, (0.3,) * 3, stride=8)  # type: ignore[index]


def segmentation_guidance(objective: str) -> Guidance:
    return SegmentationGuidance(small_network(), objective, confidence=0.0, stride=8)  # type: ignore[arg-type]


KINDS = {
    "features": feature_guidance,
    "focal": lambda: segmentation_guidance("focal"),
    "entropy": lambda: segmentation_guidance("entropy"),
    "prototypes": lambda: segmentation_guidance("prototypes"),
    "upstream": UpstreamGuidance,
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_network_is_frozen_and_only_the_image_learns(kind: str) -> None:
    guidance = KINDS[kind]()
    before = {name: value.clone() for name, value in guidance.state_dict().items()}
    guidance.train()
    assert not any(module.training for module in guidance.modules())
    image = torch.rand(2, 3, 33, 40, requires_grad=True)
    guidance(image, torch.rand(2, 3, 33, 40)).backward()
    assert image.grad is not None
    assert float(image.grad.abs().sum()) > 0
    assert all(parameter.grad is None for parameter in guidance.parameters())
    assert all(torch.equal(value, before[name]) for name, value in guidance.state_dict().items())


@pytest.mark.parametrize("kind", ["features", "prototypes"])
def test_the_same_view_is_no_loss(kind: str) -> None:
    image = torch.rand(1, 3, 32, 32)
    assert float(KINDS[kind]()(image, image)) == pytest.approx(0, abs=1e-6)


def test_features_are_compared_relative_to_their_own_size() -> None:
    guidance = feature_guidance()
    enhanced, better = torch.rand(1, 3, 16, 24), torch.rand(1, 3, 16, 24)

    def maps(x: Tensor) -> list[Tensor]:
        shown = (x - 0.4) / 0.3
        return [guidance.network[:3](shown), guidance.network(shown)]  # type: ignore[index]

    expected = [float(((a - b) ** 2).mean() / (b**2).mean()) for a, b in zip(maps(enhanced), maps(better), strict=True)]
    assert float(guidance(enhanced, better)) == pytest.approx(np.mean(expected), rel=1e-5)


def test_pseudo_labels_come_from_the_better_lit_view_where_it_is_sure() -> None:
    guidance = SegmentationGuidance(small_network(), "focal", confidence=0.3, stride=8)
    enhanced, better = torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16)
    mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    p, q = (guidance.network((x - mean) / std).softmax(dim=1).detach() for x in (enhanced, better))
    sure, labels = q.max(dim=1)
    chosen = p.gather(1, labels[:, None])[:, 0]
    each = (-((1 - chosen) ** 2) * chosen.log())[sure >= 0.3]
    assert 0 < len(each) < 256
    assert float(guidance(enhanced, better)) == pytest.approx(float(each.mean()), rel=1e-5)


def test_entropy_is_one_where_nothing_is_known() -> None:
    class Flat(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.zeros(len(x), 5, *x.shape[2:]) + 0 * x[:, :1]

    image = torch.rand(1, 3, 32, 32)
    assert float(SegmentationGuidance(Flat(), "entropy")(image, image)) == pytest.approx(1, abs=1e-6)


def test_upstreams_guidance_is_the_same_for_the_same_seed_and_scores_itself() -> None:
    image = torch.rand(1, 3, 64, 64)
    one, two, other = (float(UpstreamGuidance(seed)(image, image)) for seed in (0, 0, 1))
    assert one == two != other
    logits = UpstreamGuidance(0).network(image)
    assert logits.shape == (1, 21, 16, 16)
    best = logits.softmax(dim=1).max(dim=1).values
    assert one == pytest.approx(float((-((1 - best) ** 2) * best.log()).mean()), rel=1e-5)


def test_a_yolo_backbone_gives_maps_at_strides_4_to_32(assets: Path) -> None:
    from sgz_bench.tasks.ultralytics import load_checkpoint

    network = load_checkpoint(assets / "weights" / "yolov8n-coco-int8deq.pt")
    maps = yolo_backbone(network, torch.rand(1, 3, 64, 96))
    assert [tuple(each.shape) for each in maps] == [(1, 32, 16, 24), (1, 64, 8, 12), (1, 128, 4, 6), (1, 256, 2, 3)]


def test_a_state_dict_of_another_network_is_refused() -> None:
    state = UpstreamGuidance(3).network.resnet.state_dict()
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert float(UpstreamGuidance(0, state)(image, image)) != float(UpstreamGuidance(0)(image, image))
    without = {name: value for name, value in state.items() if "layer4" not in name}
    for wrong in ({"conv1.weight": torch.zeros(3)}, without):
        with pytest.raises(UserError, match="not a state dict of torchvision's resnet50"):
            UpstreamGuidance(0, wrong)
