"""Machine code for SGZ: PyTorch's results to an 8-bit level, and the same bits whatever the tiles and threads."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from sgz_bench.core.images import Image, to_tensor, to_uint8
from sgz_bench.enhancer import create_enhancer
from sgz_bench.enhancer.runtime import fused
from sgz_bench.enhancer.runtime.choice import sample_image, use_engine
from sgz_bench.enhancer.runtime.fused import Fused, can_be_fused
from sgz_bench.enhancer.sgz.curve import apply_curve
from sgz_bench.enhancer.sgz.enhancer import Sgz

SIZES = [(1, 1), (1, 90), (90, 1), (3, 5), (61, 83), (97, 450), (300, 40)]


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def lively(scale: int) -> Sgz:
    """SGZ with random weights, so that its factors fill (−1, 1) and no channel is dead, as in the shipped ones."""
    enhancer = create_enhancer(f"sgz(scale={scale})")
    assert isinstance(enhancer, Sgz)
    generator = torch.Generator().manual_seed(scale)
    for tensor in enhancer.network.state_dict().values():
        fan = tensor[0].numel() if tensor.ndim > 1 else 100
        tensor.copy_(torch.randn(tensor.shape, generator=generator) * (1.6 / fan) ** 0.5)
    return enhancer


@pytest.mark.parametrize("scale", [1, 2, 7, 12])
@pytest.mark.parametrize("size", SIZES)
def test_results_are_pytorchs_to_a_level_and_nearly_all_to_the_bit(size: tuple[int, int], scale: int) -> None:
    enhancer, image = lively(scale), sample_image(*size)
    off = np.abs(Fused(enhancer)(image).astype(int) - to_uint8(enhancer(to_tensor(image))))
    assert off.max() <= 1
    assert np.count_nonzero(off) <= 1e-4 * off.size + 1


@pytest.mark.parametrize("spec", ["sgz", "sgz(scale=1)", "zero-dce-pp(weights=ours)"])
def test_shipped_weights_differ_in_fewer_than_five_of_100_000_bytes(spec: str) -> None:
    enhancer, image = create_enhancer(spec), sample_image(240, 320)
    off = np.abs(Fused(enhancer)(image).astype(int) - to_uint8(enhancer(to_tensor(image))))
    assert off.max() <= 1
    assert np.count_nonzero(off) <= 5e-5 * off.size


def test_the_factors_are_those_of_the_network() -> None:
    enhancer, image = lively(1), sample_image(70, 500)
    found = np.zeros((70, 500, 3), dtype=np.float32)

    def keep(rows: slice, columns: slice, factors: NDArray[np.float32]) -> None:
        found[rows, columns] = factors.reshape(factors.shape[0], -1, 3)

    Fused(enhancer)._factors(image, 255, 2, keep)
    with torch.inference_mode():
        wanted = enhancer.network(to_tensor(image))[0].permute(1, 2, 0).numpy()
    assert np.ptp(wanted) > 1  # tanh is tried where it bends
    assert np.abs(found - wanted).max() < 2e-6


def test_tiles_of_any_size_give_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    enhancer, image = lively(1), sample_image(130, 170)
    whole = Fused(enhancer)(image)

    def small_tiles(height: int, width: int, threads: int) -> Iterator[tuple[slice, slice]]:
        del threads
        for top in range(0, height, 37):
            for left in range(0, width, 41):
                yield slice(top, min(top + 37, height)), slice(left, min(left + 41, width))

    monkeypatch.setattr(fused, "_tiles", small_tiles)
    assert np.array_equal(Fused(enhancer)(image), whole)


@pytest.mark.parametrize("scale", [1, 12])
@pytest.mark.usefixtures("threads")
def test_the_number_of_threads_changes_no_bit(scale: int) -> None:
    engine, image = Fused(lively(scale)), sample_image(150, 190)
    found = []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        found.append(engine(image))
    assert all(np.array_equal(each, found[0]) for each in [*found, engine.in_one_thread()(image)])


def test_tiles_cover_a_picture_once_whatever_its_size() -> None:
    for height, width, threads in ((1, 1, 4), (5, 3000, 2), (3000, 5, 3), (720, 1280, 2), (97, 449, 8)):
        seen = np.zeros((height, width), dtype=int)
        for rows, columns in fused._tiles(height, width, threads):
            assert columns.stop - columns.start <= 434
            seen[rows, columns] += 1
        assert (seen == 1).all()


def test_the_curve_is_the_exact_one_as_often_as_pytorchs() -> None:
    from sgz_bench.enhancer.runtime.kernels import bend

    image = np.random.default_rng(1).integers(0, 256, (200, 301, 3), dtype=np.uint8)  # no whole number of vectors
    factor, out = np.random.default_rng(0).uniform(-1, 1, image.shape).astype(np.float32), np.empty_like(image)
    flat, all_of_one = factor.reshape(-1), np.array([1, 0], dtype=np.float32)
    bend(image.reshape(-1), flat, flat, all_of_one, out.reshape(-1))
    planes = torch.from_numpy(factor).permute(2, 0, 1)[None]
    eager, exact = (to_uint8(apply_curve(to_tensor(image).to(kind), planes.to(kind))).astype(int)
                    for kind in (torch.float32, torch.float64))  # fmt: skip
    assert np.abs(out - exact).max() <= 1
    assert np.count_nonzero(out - exact) <= np.count_nonzero(eager - exact) + 2


@pytest.mark.parametrize("size", [(61, 83), (480, 640), (720, 1280)])
@pytest.mark.parametrize("scale", [2, 5, 8, 12])
def test_the_small_image_is_pytorchs_to_the_last_two_bits(scale: int, size: tuple[int, int]) -> None:
    image = sample_image(*size)
    seen: list[torch.Tensor] = []

    def network(small: torch.Tensor) -> torch.Tensor:
        seen.append(small)
        return small

    from sgz_bench.enhancer.sgz.network import factor_map

    factor_map(network, to_tensor(image), scale)
    np.testing.assert_array_max_ulp(fused._reduced(image, scale), seen[0][0].permute(1, 2, 0).numpy(), 2)


def test_one_pass_over_the_rows_is_enlarging_then_bending() -> None:
    from sgz_bench.enhancer.runtime.kernels import enhance_rows, widen

    image, scale = sample_image(26, 41), 4
    rng = np.random.default_rng(1)
    small = rng.uniform(-1, 1, (7, 11, 3)).astype(np.float32)
    ys, y_shares = fused._positions(26, 7, scale)
    xs, x_shares = fused._positions(41, 11, scale)
    ys, xs = ys.astype(int), xs.astype(int)
    first = (3 * xs[:, None] + np.arange(3)).astype(np.uint64).reshape(-1)
    second = (3 * np.minimum(xs + 1, 10)[:, None] + np.arange(3)).astype(np.uint64).reshape(-1)
    out, rows = np.empty((26, 123), dtype=np.uint8), np.empty((7, 123), dtype=np.float32)
    widen(small.reshape(7, -1), first, second, np.repeat(x_shares, 3), rows)
    enhance_rows(image.reshape(26, -1), rows, ys.astype(np.uint64), y_shares, out)
    one = np.float32(1)
    wide, high = x_shares[:, None], y_shares[:, None, None]
    lines = (one - wide) * small[:, xs] + wide * small[:, np.minimum(xs + 1, 10)]
    factors = (one - high) * lines[ys] + high * lines[np.minimum(ys + 1, 6)]
    wanted = to_uint8(apply_curve(to_tensor(image), torch.from_numpy(factors).permute(2, 0, 1)[None]))
    assert np.array_equal(out.reshape(26, 41, 3), wanted)
    whole = torch.nn.functional.interpolate(
        torch.from_numpy(small).permute(2, 0, 1)[None], size=(28, 44), mode="bilinear", align_corners=True
    )
    assert np.abs(whole[0, :, :26, :41].permute(1, 2, 0).numpy() - factors).max() < 1e-6


def test_an_image_that_is_not_contiguous_is_taken_as_it_looks() -> None:
    engine, image = Fused(lively(1)), sample_image(40, 60)
    assert np.array_equal(engine(image[:, ::-1]), engine(np.ascontiguousarray(image[:, ::-1])))


class Inverted(Sgz):
    """Somebody's own, which must not be mistaken for SGZ."""

    def enhance(self, image: torch.Tensor) -> torch.Tensor:
        return 1 - super().enhance(image)


def test_what_somebody_made_of_sgz_is_not_fused() -> None:
    own = use_engine(Inverted(), "cpu")
    assert not can_be_fused(own)
    assert own.engine is None
    image: Image = sample_image(20, 30)
    assert np.array_equal(own.enhance_image(image, "", "cpu"), to_uint8(own(to_tensor(image))))
