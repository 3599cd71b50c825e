"""The check-up against enhancers whose properties are known beforehand."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from typer.testing import CliRunner

from sgz_bench.__main__ import app
from sgz_bench.core.errors import UserError
from sgz_bench.enhancer import create_enhancer
from sgz_bench.enhancer.base import Enhancer
from sgz_bench.enhancer.diagnostics import diagnose, enhancer_spec, scene, weight_file
from sgz_bench.enhancer.learned.zero_dce import ZeroDceNetwork
from sgz_bench.enhancer.sgz.network import FactorNetwork


def picture(seed: int = 0, low: int = 0, high: int = 256) -> np.ndarray:
    return np.random.default_rng(seed).integers(low, high, (24, 32, 3), dtype=np.uint8)


class Known(Enhancer):
    """A dip in red, blue brightened by a tenth, and a factor map that is a slope from left to right."""

    name = "known"

    def factors(self, image: Tensor) -> Tensor:
        return torch.linspace(0, 1, image.shape[-1]).expand_as(image)

    def enhance(self, image: Tensor) -> Tensor:
        red, green, blue = image.unbind(dim=1)
        dipped = torch.where((red > 0.5) & (red < 0.6), red - 0.25, red)
        return torch.stack([dipped, green, blue * 1.1], dim=1)


class Half(Enhancer):
    """One weight that counts, one behind a unit that never fires, one that nothing asks for."""

    name = "half"

    def __init__(self) -> None:
        super().__init__()
        self.gain = torch.nn.Parameter(torch.tensor(0.5))
        self.hidden = torch.nn.Parameter(torch.tensor(3.0))
        self.spare = torch.nn.Parameter(torch.tensor(1.0))

    def enhance(self, image: Tensor) -> Tensor:
        return image * self.gain + (self.hidden * (image - 2)).relu()


def test_raw_changes_nothing_whatever_is_measured() -> None:
    found = diagnose(create_enhancer("raw"), [picture(low=120)])
    assert (found.parameters, found.macs, found.file, found.spread) == (0, 0, None, None)
    assert found.cast == found.fall == found.change == 0
    assert found.locality == pytest.approx(0, abs=1e-12)
    assert found.noise_gain == pytest.approx(1)
    np.testing.assert_allclose(found.curve, np.repeat(np.arange(256)[:, None] / 255, 3, axis=1), atol=1e-6)


def test_a_dip_a_cast_and_a_slope_are_found() -> None:
    found = diagnose(Known(), [picture()])
    # The dip takes the first level above 0.5, 128, down by a quarter; just before it stands 127.
    assert found.fall == pytest.approx(127 / 255 - (128 / 255 - 0.25), abs=1e-6)
    assert found.cast == pytest.approx(0.25, abs=1e-6)
    assert found.flat == pytest.approx((0.1, 0.1, 0.11), abs=1e-6)
    assert found.spread == pytest.approx(np.linspace(0, 1, 32).std(), abs=1e-6)
    assert found.noise_gain == pytest.approx((1 + 1 + 1.1) / 3, rel=1e-3)


def test_gamma_is_wholly_a_tone_curve_and_clahe_is_not() -> None:
    dark, _ = scene()
    assert diagnose(create_enhancer("gamma"), [dark]).locality == pytest.approx(0, abs=1e-9)
    assert diagnose(create_enhancer("clahe"), [dark]).locality > 0.005


def test_locality_is_the_spread_within_a_level() -> None:
    class Lit(Enhancer):
        name = "lit"

        def enhance(self, image: Tensor) -> Tensor:
            return image + torch.cat([torch.zeros(image.shape[-1] // 2), torch.full((image.shape[-1] // 2,), 0.2)])

    flat = np.full((8, 16, 3), 51, dtype=np.uint8)  # 0.2, so one half becomes 0.4 exactly: ± 0.1 about the mean
    assert diagnose(Lit(), [flat]).locality == pytest.approx(0.1)


def test_only_bright_pictures_count_as_bright() -> None:
    bright = np.full((16, 16, 3), 128, dtype=np.uint8)
    found = diagnose(create_enhancer("gamma(gamma=0.5)"), [picture(high=60), bright])
    assert found.bright == 1
    assert found.change == pytest.approx((round(255 * (128 / 255) ** 0.5) - 128) / 255)
    assert diagnose(create_enhancer("gamma"), [picture(high=60)]).change is None


def test_a_weight_behind_a_unit_that_never_fires_is_idle() -> None:
    enhancer = Half().requires_grad_(False)
    assert diagnose(enhancer, [picture()]).idle == 2
    assert not any(parameter.requires_grad for parameter in enhancer.parameters())


def test_dead_and_subnormal_weights_are_counted_in_the_file(tmp_path: Path) -> None:
    state = FactorNetwork().state_dict()
    state["e_conv1.depth_conv.bias"] = torch.tensor([0.0, 1e-40, 1e-31])
    state["e_conv2.depth_conv.bias"] += 1  # none of these is small by chance
    torch.save(state, tmp_path / "some.pth")
    found = weight_file(tmp_path / "some.pth")
    assert (found.dead, found.subnormal, found.licence) == (3, 1, "")
    assert found.sha256 == hashlib.sha256((tmp_path / "some.pth").read_bytes()).hexdigest()


def test_a_file_is_known_by_its_tensors(tmp_path: Path) -> None:
    for name, network in (("sgz", FactorNetwork()), ("zero-dce", ZeroDceNetwork())):
        path = tmp_path / f"{name}.pth"
        torch.save({f"module.{key}": value for key, value in network.state_dict().items()}, path)
        assert enhancer_spec(str(path)) == f"{name}(weights={path})"
    assert enhancer_spec("clahe(clip=3)") == "clahe(clip=3)"


@pytest.mark.assets
@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("zero_dce_pp_official.pth", "zero-dce-pp"),
        ("sgz_official.pth", "sgz"),
        ("zero_dce_official.pth", "zero-dce"),
        ("sci_easy.pt", "sci"),
        ("iat_exposure.pth", "iat"),
        ("pairlie.pth", "pairlie"),
        ("ruas_lol.pt", "ruas"),
    ],
)
def test_a_file_of_any_method_is_known_by_its_bytes_or_else_by_a_tensor(
    assets: Path, tmp_path: Path, file: str, name: str
) -> None:
    path = assets / "weights" / file
    spec = enhancer_spec(str(path))
    assert spec == f"{name}(weights={path})"
    assert create_enhancer(spec).name == name
    other = tmp_path / "retrained.pth"
    torch.save({key: tensor + 0 for key, tensor in torch.load(path, "cpu", weights_only=True).items()}, other)
    retrained = "sgz" if name == "zero-dce-pp" else name  # whose tensors have the same names
    assert enhancer_spec(str(other)) == f"{retrained}(weights={other})"


@pytest.mark.assets
def test_retinexnets_two_files_are_told_apart(assets: Path) -> None:
    folder = assets / "weights"
    assert enhancer_spec(str(folder / "retinexnet_decom.tar")).startswith("retinexnet(weights=")
    assert enhancer_spec(str(folder / "retinexnet_relight.tar")).startswith("retinexnet(relight=")


def test_multiply_accumulates_are_those_of_the_layers(tmp_path: Path) -> None:
    torch.save(FactorNetwork().state_dict(), tmp_path / "random.pth")
    channels = ((3, 32), (32, 32), (32, 32), (32, 32), (64, 32), (64, 32), (64, 3))
    each = sum(9 * inputs + inputs * outputs for inputs, outputs in channels)
    assert each == 10_075
    for scale in (1, 4):
        enhancer = create_enhancer(f"sgz(weights={tmp_path / 'random.pth'},scale={scale})")
        assert diagnose(enhancer, [picture()], size=(64, 32)).macs == each * 64 * 32 // scale**2


@pytest.mark.assets
def test_upstreams_checkpoint_is_mostly_dead_and_casts_blue(assets: Path) -> None:
    found = diagnose(create_enhancer(f"sgz(weights={assets / 'weights' / 'sgz_official.pth'},scale=12)"))
    assert found.file is not None
    assert (found.parameters, found.file.dead, found.file.licence) == (10_561, 6_308, "MIT")
    assert found.idle >= 6_308
    assert found.flat == pytest.approx((0.465, 0.476, 0.534), abs=0.003)


@pytest.mark.parametrize("spec", ["raw", "gamma", "autogamma", "he", "clahe", "constant-curve"])
def test_the_command_examines_what_needs_no_file(spec: str) -> None:
    result = CliRunner().invoke(app, ["doctor", "weights", spec], catch_exceptions=False)
    assert result.exit_code == 0
    assert "cast on a grey ramp" in result.output


def test_the_command_names_a_broken_picture_and_draws_the_same_figure_twice(tmp_path: Path) -> None:
    torch.save(FactorNetwork().state_dict(), tmp_path / "random.pth")
    data = tmp_path / "data"
    data.mkdir()
    Image.fromarray(picture()).save(data / "whole.png")
    (data / "broken.png").write_bytes(b"no picture")
    command = ["doctor", "weights", str(tmp_path / "random.pth"), "--data", str(data), "--figure"]
    drawn = []
    for name in ("one.png", "two.png"):
        result = CliRunner().invoke(app, [*command, str(tmp_path / name)], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        assert "broken.png" in result.output
        drawn.append((tmp_path / name).read_bytes())
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["raw", "--size", "512"], "is not a size; write WIDTHxHEIGHT"),
        (["raw", "--figure", "curve.bmp"], "cannot be saved as 'bmp'"),
        (["nowhere.pth"], "no such file"),
        (["raw", "--data", "nowhere"], "no images in nowhere"),
    ],
)
def test_what_cannot_be_examined_is_said_in_one_line(arguments: list[str], reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        CliRunner().invoke(app, ["doctor", "weights", *arguments], catch_exceptions=False)
