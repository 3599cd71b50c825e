"""Every term against its formula written out pixel by pixel, and its gradient against finite differences."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from sgz_bench.enhancer.training import losses


def batch(seed: int, channels: int = 3, height: int = 16, width: int = 24) -> Tensor:
    return torch.rand(2, channels, height, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_total_variation_is_upstreams_sum() -> None:
    r = batch(0, height=5, width=7)
    b, c, h, w = r.shape
    down = sum(
        float((r[i, k, y + 1, x] - r[i, k, y, x]) ** 2)
        for i in range(b)
        for k in range(c)
        for y in range(h - 1)
        for x in range(w)
    )
    across = sum(
        float((r[i, k, y, x + 1] - r[i, k, y, x]) ** 2)
        for i in range(b)
        for k in range(c)
        for y in range(h)
        for x in range(w - 1)
    )
    expected = 2 * (down / ((h - 1) * w) + across / (h * (w - 1))) / b
    assert float(losses.total_variation(r)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("diagonal", [0.5, 0.0])
def test_spatial_consistency_compares_each_patch_with_its_neighbours(diagonal: float) -> None:
    before, after = batch(1), batch(2)
    pools = [
        image.numpy().mean(axis=1).reshape(2, 4, 4, 6, 4).mean(axis=(2, 4))  # (B, 4, 6) patches of 4×4 pixels
        for image in (before, after)
    ]
    total = []
    for i in range(2):
        org, enh = (np.pad(pool[i], 1) for pool in pools)  # zeros beyond the border, as upstream's padding
        for y in range(1, 5):
            for x in range(1, 7):
                each = 0.0
                for dy in (-1, 0, 1):
                    for dx in (-1, 0, 1):
                        if dy == dx == 0:
                            continue
                        weight = 1.0 if 0 in (dy, dx) else diagonal
                        d_org = org[y, x] - org[y + dy, x + dx]
                        d_enh = enh[y, x] - enh[y + dy, x + dx]
                        each += weight * (d_org - d_enh) ** 2
                total.append(each)
    found = losses.spatial_consistency(after, before, patch=4, diagonal=diagonal)
    assert float(found) == pytest.approx(np.mean(total), rel=1e-12)


def test_color_constancy_is_upstreams_root_of_fourth_powers() -> None:
    image = batch(3)
    expected = []
    for each in image.numpy():
        r, g, b = each.mean(axis=(1, 2))
        expected.append(math.sqrt((r - g) ** 4 + (r - b) ** 4 + (g - b) ** 4))
    assert float(losses.color_constancy(image)) == pytest.approx(np.mean(expected), abs=2e-6)


def test_color_constancy_of_grey_is_zero_with_a_finite_gradient() -> None:
    grey = torch.full((1, 3, 8, 8), 0.3, requires_grad=True)
    loss = losses.color_constancy(grey)
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss.detach()) == 0
    assert grey.grad is not None
    assert torch.equal(grey.grad, torch.zeros_like(grey))


def test_exposure_is_the_squared_distance_of_patches_from_the_level() -> None:
    image = batch(4, height=32, width=48)
    pools = image.numpy().mean(axis=1).reshape(2, 2, 16, 3, 16).mean(axis=(2, 4))
    assert float(losses.exposure(image, level=0.6)) == pytest.approx(((pools - 0.6) ** 2).mean(), rel=1e-12)


def test_focal_is_its_formula_and_passes_over_what_weighs_nothing() -> None:
    logits = 3 * batch(5, channels=4, height=3, width=5)
    target = torch.randint(4, (2, 3, 5), generator=torch.Generator().manual_seed(0))
    p = np.exp(logits.numpy()) / np.exp(logits.numpy()).sum(axis=1, keepdims=True)
    chosen = np.take_along_axis(p, target.numpy()[:, None], axis=1)[:, 0]
    each = -((1 - chosen) ** 2) * np.log(chosen)
    assert float(losses.focal(logits, target)) == pytest.approx(each.mean(), rel=1e-10)
    weight = (torch.arange(30).reshape(2, 3, 5) % 2).double()
    expected = (each * weight.numpy()).sum() / 15
    assert float(losses.focal(logits, target, weight=weight)) == pytest.approx(expected, rel=1e-10)


def test_identity_and_neutrality_by_hand() -> None:
    image = torch.tensor([0.2, 0.5, 0.8]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    assert float(losses.neutrality(image)) == pytest.approx(0.2)
    assert float(losses.identity(image, image + 0.25)) == pytest.approx(0.25)
    assert float(losses.neutrality(image.mean(dim=1, keepdim=True).expand_as(image))) == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize(
    "loss",
    [
        losses.total_variation,
        lambda x: losses.spatial_consistency(x, batch(7, height=8, width=8)),
        losses.color_constancy,
        lambda x: losses.exposure(x, patch=4),
        lambda x: losses.focal(4 * x, torch.ones(2, 8, 8, dtype=torch.int64)),
        lambda x: losses.identity(x, batch(8, height=8, width=8)),
        losses.neutrality,
    ],
)
def test_gradients_are_those_of_finite_differences(loss: Callable[[Tensor], Tensor]) -> None:
    image = batch(6, height=8, width=8).requires_grad_()
    assert torch.autograd.gradcheck(loss, (image,), eps=1e-6, atol=1e-5)


def test_smoothness_weighs_each_of_the_24_neighbours_by_its_colour() -> None:
    illumination, image = batch(3, height=4, width=5), batch(4, height=4, width=5)
    matrix = np.array([[0.257, 0.564, 0.098], [-0.148, -0.291, 0.439], [0.439, -0.368, -0.071]])
    colours = np.einsum("kc,bchw->bkhw", matrix, image.numpy())
    total = 0.0
    for dy in range(-2, 3):
        for dx in range(-2, 3):
            terms = [
                math.exp(-((colours[i, :, y + dy, x + dx] - colours[i, :, y, x]) ** 2).sum() / (2 * 0.5**2))
                * float((illumination[i, :, y + dy, x + dx] - illumination[i, :, y, x]).abs().sum())
                for i in range(2)
                for y in range(4)
                for x in range(5)
                if 0 <= y + dy < 4 and 0 <= x + dx < 5
            ]
            total += 0.0 if dy == dx == 0 else sum(terms) / len(terms)
    assert float(losses.smoothness(illumination, image, sigma=0.5)) == pytest.approx(total, rel=1e-12)
