"""What every enhancer owes its user, whatever its method."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from sgz_bench.core.errors import UserError
from sgz_bench.enhancer import create_enhancer, list_enhancers
from sgz_bench.enhancer.base import Enhancer
from sgz_bench.enhancer.learned.cidnet import CidNetwork
from sgz_bench.enhancer.learned.enlightengan import EnlightenGanNetwork
from sgz_bench.enhancer.learned.iat import IatNetwork
from sgz_bench.enhancer.learned.kind import KindNetwork
from sgz_bench.enhancer.learned.pairlie import PairLieNetwork
from sgz_bench.enhancer.learned.retinexformer import RetinexformerNetwork
from sgz_bench.enhancer.learned.retinexnet import DecomNet, RelightNet
from sgz_bench.enhancer.learned.ruas import RuasNetwork
from sgz_bench.enhancer.learned.sci import SciNetwork
from sgz_bench.enhancer.learned.zero_dce import ZeroDceNetwork
from sgz_bench.enhancer.sgz.network import FactorNetwork

SIZES = [(1, 1), (7, 13), (1, 40), (40, 1), (10, 2000), (48, 64)]


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "sgz": FactorNetwork,
    "zero-dce": ZeroDceNetwork,
    "zero-dce-pp": FactorNetwork,
    "sci": SciNetwork,
    "iat": IatNetwork,
    "pairlie": PairLieNetwork,
    "ruas": RuasNetwork,
    "enlightengan": EnlightenGanNetwork,
    "retinexformer": RetinexformerNetwork,
    "kind": KindNetwork,
    "cidnet": CidNetwork,
    "decom": DecomNet,
    "relight": RelightNet,
}
PARAMETERS = {
    "sgz": "weights={folder}/sgz.pth,scale=1",
    "sgz at scale 12": "weights={folder}/sgz.pth,scale=12",
    "zero-dce-pp": "weights={folder}/zero-dce-pp.pth,scale=1",
    "retinexnet": "weights={folder}/decom.pth,relight={folder}/relight.pth",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoints with random weights of the networks that enhancers need."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("weights")
    for name, network in NETWORKS.items():
        torch.save(network().state_dict(), folder / f"{name}.pth")
    return folder


@pytest.fixture(scope="module", params=[name for name in [*list_enhancers(), "sgz at scale 12"] if name != "folder"])
def enhancer(request: pytest.FixtureRequest, folder: Path) -> Enhancer:
    name = str(request.param).partition(" at ")[0]
    parameters = PARAMETERS.get(str(request.param), "weights={folder}/{name}.pth" if name in NETWORKS else "")
    return create_enhancer(f"{name}({parameters.format(folder=folder, name=name)})")


def picture(height: int, width: int, batch: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(height * 1000 + width)
    levels = torch.randint(0, 256, (batch, 3, height, width), generator=generator)
    return levels.float().div(255).pow(2)


@pytest.mark.parametrize("size", SIZES)
def test_shape_type_and_range_are_those_of_the_input(enhancer: Enhancer, size: tuple[int, int]) -> None:
    image = picture(*size)
    before = image.clone()
    output = enhancer(image)
    assert output.shape == image.shape
    assert output.dtype == torch.float32
    assert 0 <= output.min() <= output.max() <= 1
    assert not output.requires_grad
    assert torch.equal(image, before)


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_black_and_white_images_are_no_exception(enhancer: Enhancer, level: float) -> None:
    assert torch.isfinite(enhancer(torch.full((1, 3, 30, 30), level))).all()


def test_the_same_image_gives_the_same_bytes(enhancer: Enhancer) -> None:
    first = enhancer(picture(33, 47))
    assert all(torch.equal(enhancer(picture(33, 47)), first) for _ in range(5))


def test_a_batch_gives_what_its_images_give_alone(enhancer: Enhancer) -> None:
    batch = picture(24, 36, batch=3) * torch.tensor([0.2, 0.6, 1.0]).view(3, 1, 1, 1)
    alone = torch.cat([enhancer(image[None]) for image in batch])
    assert torch.allclose(enhancer(batch), alone, atol=1e-6)


@pytest.mark.parametrize(
    "wrong", [torch.zeros(3, 8, 8), torch.zeros(1, 1, 8, 8), torch.zeros(1, 3, 8, 8).double(), torch.zeros(1, 3, 0, 8)]
)
def test_what_is_no_rgb_batch_is_refused(enhancer: Enhancer, wrong: torch.Tensor) -> None:
    with pytest.raises(UserError, match=r"takes RGB \(B, 3, H, W\) float32"):
        enhancer(wrong)


def test_its_spec_builds_the_same_enhancer(enhancer: Enhancer) -> None:
    again = create_enhancer(enhancer.spec)
    assert again.spec == enhancer.spec
    assert again.fingerprint == enhancer.fingerprint


def test_fingerprints_differ_between_enhancers_and_parameters() -> None:
    specs = ["raw", "he", "gamma", "gamma(gamma=0.5)", "clahe", "clahe(clip=3)", "clahe(tiles=4)", "autogamma"]
    assert len({create_enhancer(spec).fingerprint for spec in specs}) == len(specs)


def test_an_enhancer_that_changes_the_size_or_returns_nan_is_named() -> None:
    class Cropping(Enhancer):
        name = "cropping"

        def enhance(self, image: torch.Tensor) -> torch.Tensor:
            return image[..., 1:]

    class Broken(Enhancer):
        name = "broken"

        def enhance(self, image: torch.Tensor) -> torch.Tensor:
            return image / 0 * 0

    with pytest.raises(UserError, match=r"cropping returned .* sizes must not change"):
        Cropping()(picture(8, 8))
    with pytest.raises(UserError, match="broken returned values that are not finite"):
        Broken()(picture(8, 8))


class Scaled(Enhancer):
    """Multiplies by k, and tells its base nothing of it."""

    name = "scaled"

    def __init__(self, k: float = 0.5) -> None:
        super().__init__()
        self.k = k

    def enhance(self, image: torch.Tensor) -> torch.Tensor:
        return image * self.k


class Nameless(Enhancer):
    def enhance(self, image: torch.Tensor) -> torch.Tensor:
        return image


class Forward(torch.nn.Module):
    name = "forward"


def test_parameters_that_a_plugin_keeps_to_itself_are_part_of_its_spec(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sgz_bench.core.registry._resolve", lambda _target: Scaled)
    one, other, default = (create_enhancer(spec) for spec in ("gamma(k=0.1)", "gamma(k=0.9)", "gamma"))
    assert (one.spec, other.spec, default.spec) == ("scaled(k=0.1)", "scaled(k=0.9)", "scaled(k=0.5)")
    assert len({one.fingerprint, other.fingerprint, default.fingerprint}) == 3


class Unable(Enhancer):
    name = "unable"


@pytest.mark.parametrize(
    ("cls", "message"),
    [(Nameless, "sets no name"), (Forward, "not a subclass of Enhancer"), (Unable, r"has no method enhance\(image\)")],
)
def test_a_class_that_is_no_whole_enhancer_is_refused(monkeypatch: pytest.MonkeyPatch, cls: type, message: str) -> None:
    point = EntryPoint("mine", "my_package:Mine", "sgz_bench.enhancers")
    monkeypatch.setitem(sys.modules, "my_package", SimpleNamespace(Mine=cls))
    monkeypatch.setattr("sgz_bench.core.registry.entry_points", lambda **_: [point])
    with pytest.raises(UserError, match=message):
        create_enhancer("mine")
