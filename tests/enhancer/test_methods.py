"""Each method against arithmetic by hand, OpenCV, or what upstream's code returned."""

from __future__ import annotations

import math
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
import safetensors.torch
import torch

from sgz_bench.core.errors import UserError
from sgz_bench.core.images import to_tensor, to_uint8
from sgz_bench.enhancer import create_enhancer
from sgz_bench.enhancer.sgz.enhancer import Sgz
from sgz_bench.enhancer.sgz.network import FactorNetwork


def pixels(height: int = 64, width: int = 96) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 200, (height, width, 3), dtype=np.uint8)


def enhanced(spec: str, image: np.ndarray) -> np.ndarray:
    return to_uint8(create_enhancer(spec)(to_tensor(image)))


def test_every_level_survives_the_8_bit_boundary() -> None:
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    np.testing.assert_array_equal(to_uint8(to_tensor(ramp)), ramp)


def test_raw_changes_nothing() -> None:
    np.testing.assert_array_equal(enhanced("raw", pixels()), pixels())


def test_gamma_is_a_power_of_the_encoded_values() -> None:
    image = torch.full((1, 3, 2, 2), 0.25)
    assert create_enhancer("gamma(gamma=0.5)")(image).flatten()[0].item() == pytest.approx(0.5)


def test_autogamma_sends_a_flat_image_to_its_target() -> None:
    image = torch.full((1, 3, 4, 4), 0.1)
    assert create_enhancer("autogamma(target=0.4)")(image).mean().item() == pytest.approx(0.4, abs=1e-5)


def test_autogamma_takes_its_exponent_from_the_mean_luma() -> None:
    image = torch.tensor([0.2, 0.1, 0.3]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    luma = 0.299 * 0.2 + 0.587 * 0.1 + 0.114 * 0.3
    exponent = math.log(0.5) / math.log(luma)
    expected = torch.tensor([0.2**exponent, 0.1**exponent, 0.3**exponent])
    assert torch.allclose(create_enhancer("autogamma")(image)[0, :, 0, 0], expected, atol=1e-6)


def test_clahe_is_opencvs_on_the_lightness() -> None:
    lab = cv2.cvtColor(pixels(), cv2.COLOR_RGB2LAB)
    lab[..., 0] = cv2.createCLAHE(clipLimit=3.0, tileGridSize=(4, 4)).apply(lab[..., 0].copy())
    np.testing.assert_array_equal(enhanced("clahe(clip=3,tiles=4)", pixels()), cv2.cvtColor(lab, cv2.COLOR_LAB2RGB))


def test_histogram_equalisation_is_opencvs_on_the_luma() -> None:
    luma = cv2.cvtColor(pixels(), cv2.COLOR_RGB2YCrCb)
    luma[..., 0] = cv2.equalizeHist(luma[..., 0].copy())
    np.testing.assert_array_equal(enhanced("he", pixels()), cv2.cvtColor(luma, cv2.COLOR_YCrCb2RGB))


def test_the_constant_curve_is_eight_steps_by_hand() -> None:
    x = 0.1
    for _ in range(8):
        x = x - 0.3 * (x * x - x)
    output = create_enhancer("constant-curve(r=-0.3,g=0,b=-0.3)")(torch.full((1, 3, 1, 1), 0.1)).flatten()
    assert output.tolist() == pytest.approx([x, 0.1, x], abs=1e-6)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("gamma(gamma=0)", "gamma must be a number from 0.01 to 10"),
        ("clahe(tiles=1.5)", "tiles must be a whole number"),
        ("clahe(clip=high)", "clip must be a number"),
        ("clahe(clp=2)", "did you mean 'clip'"),
        ("raw(x=1)", "takes none"),
        ("clahee", "did you mean 'clahe'"),
        ("sgz(weights=v2)", "sgz: unknown weights .v2.*sgz-v1"),
        ("gamma(gamma=0.5", "parentheses|is not a spec"),
    ],
)
def test_a_wrong_spec_says_what_to_write(spec: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        create_enhancer(spec)


def test_sgz_has_as_many_parameters_as_upstream() -> None:
    assert sum(parameter.numel() for parameter in FactorNetwork().parameters()) == 10_561


@pytest.mark.assets
@pytest.mark.parametrize("scale", [1, 12])
def test_sgz_returns_what_upstream_returns(assets: Path, scale: int) -> None:
    reference = np.load(assets / "reference" / "enhancer_outputs.npz")
    image = to_tensor(reference["input_uint8"])
    enhancer = create_enhancer(f"sgz(weights={assets}/weights/sgz_official.pth,scale={scale})")
    assert isinstance(enhancer, Sgz)
    with torch.inference_mode():
        factors, output = enhancer.factors(image)[0], enhancer.enhance(image)[0]
    np.testing.assert_allclose(factors.numpy(), reference[f"sgz_scale{scale}_factor"], atol=1e-5)
    np.testing.assert_allclose(output.numpy(), reference[f"sgz_scale{scale}"], atol=1e-5)


def checkpoint(folder: Path, **changes: torch.Tensor) -> Path:
    torch.manual_seed(0)
    path = folder / "weights.pth"
    torch.save(FactorNetwork().state_dict() | changes, path)
    return path


def test_formats_and_prefixes_of_weights_make_no_difference(tmp_path: Path) -> None:
    path = checkpoint(tmp_path)
    state = torch.load(path, weights_only=True)
    safetensors.torch.save_file(state, tmp_path / "weights.safetensors")
    torch.save({f"module.{name}": tensor for name, tensor in state.items()}, tmp_path / "parallel.pt")
    prints = {
        create_enhancer(f"sgz(weights={tmp_path / name})").fingerprint
        for name in ("weights.pth", "weights.safetensors", "parallel.pt")
    }
    assert len(prints) == 1


def test_the_fingerprint_follows_the_weights(tmp_path: Path) -> None:
    one = create_enhancer(f"sgz(weights={checkpoint(tmp_path)})").fingerprint
    bias = torch.full((3,), 0.5)
    other = create_enhancer(f"sgz(weights={checkpoint(tmp_path, **{'e_conv7.point_conv.bias': bias})})").fingerprint
    assert one != other


def test_subnormal_weights_count_as_zero_and_change_no_pixel(tmp_path: Path) -> None:
    tiny, zero = torch.full((32,), 1e-40), torch.zeros(32)
    outputs = [
        create_enhancer(f"sgz(weights={checkpoint(tmp_path, **{'e_conv3.point_conv.bias': bias})})")(
            torch.full((1, 3, 9, 9), 0.2)
        )
        for bias in (tiny, zero)
    ]
    assert torch.equal(*outputs)


class _Payload:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (Path.touch, (self.mark,))


def test_a_malicious_checkpoint_is_refused_and_does_not_run(tmp_path: Path) -> None:
    torch.save({"e_conv1": _Payload(tmp_path / "ran")}, tmp_path / "zip.pth")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps({"e_conv1": _Payload(tmp_path / "ran")}))
    for name in ("zip.pth", "plain.pth"):
        with pytest.raises(UserError, match=name):
            create_enhancer(f"sgz(weights={tmp_path / name})")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"e_conv7.point_conv.bias": torch.zeros(4)}, "has shape"),
        ({"e_conv8.bias": torch.zeros(1)}, "not expected"),
        ({"e_conv7.point_conv.bias": torch.full((3,), math.nan)}, "not finite"),
    ],
)
def test_weights_that_do_not_fit_are_named(tmp_path: Path, change: dict[str, torch.Tensor], message: str) -> None:
    with pytest.raises(UserError, match=rf"weights\.pth.*{message}"):
        create_enhancer(f"sgz(weights={checkpoint(tmp_path, **change)})")


@pytest.mark.parametrize("name", ["none.pth", "empty.pth", "text.safetensors", "weights.bin"])
def test_files_that_are_no_weights_are_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty.pth").touch()
    (tmp_path / "text.safetensors").write_text("hello")
    (tmp_path / "weights.bin").write_text("hello")
    with pytest.raises(UserError, match=name):
        create_enhancer(f"sgz(weights={tmp_path / name})")
