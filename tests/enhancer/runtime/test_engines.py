"""Every engine gives what the method's own steps give, to an 8-bit level, and says who it is."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from sgz_bench.core.errors import UserError
from sgz_bench.core.images import Image, to_tensor, to_uint8
from sgz_bench.enhancer import create_enhancer
from sgz_bench.enhancer.base import Enhancer
from sgz_bench.enhancer.runtime import choice as engines
from sgz_bench.enhancer.runtime.choice import engine_of, sample_image, use_engine
from sgz_bench.enhancer.sgz.enhancer import Sgz

WAYS = [("torch", "fp32"), ("torch", "bf16"), ("onnxruntime", "fp32"), ("openvino", "fp32"), ("openvino", "bf16")]
SPECS = ["sgz(scale=1)", "sgz", "zero-dce(weights=ours)", "sci(weights=ours)"]


@pytest.mark.parametrize(("engine", "precision"), WAYS)
@pytest.mark.parametrize("spec", SPECS)
def test_results_lie_within_one_level_of_the_methods_own_steps(spec: str, engine: str, precision: str) -> None:
    if engine in {"onnxruntime", "openvino"}:
        pytest.importorskip(engine)
    image = sample_image(290, 310)  # larger than a tile
    if (spec, precision) == ("sci(weights=ours)", "bf16"):  # divides by what it estimates
        with pytest.raises(UserError, match=r"off by [2-9] levels"):
            use_engine(create_enhancer(spec), "cpu", engine, precision)
        return
    enhancer = use_engine(create_enhancer(spec), "cpu", engine, precision)
    off = np.abs(enhancer.enhance_image(image, "", "cpu").astype(int) - to_uint8(enhancer(to_tensor(image))))
    assert off.max() <= 1
    assert precision != "fp32" or np.count_nonzero(off) <= 1e-4 * off.size
    assert engine_of(enhancer) == f"{engine} {precision}"


def test_tiles_of_a_graph_leave_no_trace() -> None:
    pytest.importorskip("onnxruntime")
    from sgz_bench.enhancer.runtime.graph import OnnxRuntime

    enhancer = create_enhancer("sgz(scale=1)")
    tiled, whole = OnnxRuntime(enhancer), OnnxRuntime(enhancer)
    whole._reach = None
    image = sample_image(300, 555)
    assert np.array_equal(tiled(image), whole(image))


def test_auto_fuses_sgz_and_leaves_the_others_as_they_are() -> None:
    assert engine_of(use_engine(create_enhancer("sgz"), "cpu")) == "fused fp32"
    assert engine_of(use_engine(create_enhancer("zero-dce-pp(weights=ours)"), "cpu")) == "fused fp32"
    assert engine_of(use_engine(create_enhancer("zero-dce(weights=ours)"), "cpu")) == "eager fp32"
    assert engine_of(use_engine(create_enhancer("sgz"), "cpu", "eager")) == "eager fp32"


@pytest.mark.parametrize("engine", engines.ENGINES)
def test_a_method_without_a_network_is_computed_as_it_is_under_every_engine(engine: str) -> None:
    enhancer = use_engine(create_enhancer("clahe"), "cpu", engine)
    assert engine_of(enhancer) == ""
    assert enhancer.engine is None


def test_the_engine_is_no_part_of_what_an_enhancer_is() -> None:
    plain, fused = create_enhancer("sgz"), use_engine(create_enhancer("sgz"), "cpu")
    assert (plain.fingerprint, plain.spec) == (fused.fingerprint, fused.spec)


@pytest.mark.parametrize(
    ("engine", "precision", "said"),
    [
        ("fuse", "fp32", "unknown engine 'fuse'; did you mean 'fused'"),
        ("torch", "int8", r"unknown precision 'int8'; .*fp32"),
        ("fused", "bf16", "--engine fused computes in fp32, not bf16; bf16 needs --engine torch, compile or openvino"),
        ("openvino", "fp16", "openvino computes in fp32 or bf16, not fp16; fp16 needs --engine torch or compile"),
        ("auto", "bf16", "--engine auto computes in fp32, not bf16"),
    ],
)
def test_an_engine_or_precision_that_there_is_not_is_one_line(engine: str, precision: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        use_engine(create_enhancer("sgz"), "cpu", engine, precision)


def test_fused_says_what_it_runs() -> None:
    with pytest.raises(UserError, match="the engine fused runs sgz and zero-dce-pp, not sci"):
        use_engine(create_enhancer("sci(weights=ours)"), "cpu", "fused")


class Off(engines.Engine):
    """An engine that is wrong by two levels in one pixel."""

    name = "off"

    def __init__(self, enhancer: Enhancer) -> None:
        self._enhancer = enhancer

    def __call__(self, image: Image) -> Image:
        found = to_uint8(self._enhancer(to_tensor(image)))
        found[3, 5, 1] = found[3, 5, 1] - 2 if found[3, 5, 1] > 1 else found[3, 5, 1] + 2
        return found


def test_an_engine_that_is_off_by_more_than_a_level_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_create", lambda enhancer, *_: Off(enhancer))
    with pytest.raises(UserError, match=r"off fp32 gives sgz.* off by 2 levels; use --engine eager for it"):
        use_engine(create_enhancer("sgz"), "cpu", "torch")


class Cropped(Sgz):
    """Somebody's own network, whose sizes must divide by 8."""

    def enhance(self, image: torch.Tensor) -> torch.Tensor:
        return super().enhance(image)[..., : image.shape[2] // 8 * 8, : image.shape[3] // 8 * 8]


class Rooted(Sgz):
    """Takes a root, so that black is not a number."""

    def enhance(self, image: torch.Tensor) -> torch.Tensor:
        return (image - 0.001).sqrt()


class Turned(Sgz):
    """Makes its pictures in a way of its own, not by its network alone."""

    def enhance_image(self, image: Image, key: str, device: str) -> Image:
        return super().enhance_image(image, key, device)[::-1].copy()


class Wide(Sgz):
    """Another network under the same curve."""

    def __init__(self) -> None:
        super().__init__(scale=1)
        self.network = torch.nn.Conv2d(3, 3, 3, padding=1)  # type: ignore[assignment]


class Failing(Sgz):
    """Cannot be computed at all."""

    def enhance(self, image: torch.Tensor) -> torch.Tensor:
        del image
        raise RuntimeError("no such operator")


@pytest.mark.parametrize("engine", ["torch", "onnxruntime", "openvino"])
def test_a_result_of_another_size_is_refused_by_every_engine(engine: str) -> None:
    if engine != "torch":
        pytest.importorskip(engine)
    with pytest.raises(UserError, match=r"returned .* for .*; sizes must not change"):
        use_engine(Cropped(scale=1), "cpu", engine)


@pytest.mark.parametrize("engine", ["torch", "onnxruntime", "openvino"])
def test_a_result_that_is_not_a_number_is_refused_by_every_engine(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if engine != "torch":
        pytest.importorskip(engine)
    bright = np.maximum(sample_image(283, 331), 1)
    monkeypatch.setattr(engines, "sample_image", lambda *_: bright)
    enhancer = use_engine(Rooted(scale=1), "cpu", engine)
    with pytest.raises(UserError, match="not finite"):
        enhancer.enhance_image(np.zeros((20, 30, 3), dtype=np.uint8), "", "cpu")


def test_only_the_network_and_the_curve_themselves_are_fused() -> None:
    for changed in (Cropped(scale=1), Turned(scale=1), Wide()):
        assert engine_of(use_engine(changed, "cpu")) == "eager fp32"


def test_what_makes_its_pictures_in_a_way_of_its_own_takes_no_engine() -> None:
    with pytest.raises(UserError, match="overrides enhance_image or forward; use --engine eager"):
        use_engine(Turned(), "cpu", "torch")


def test_a_graph_that_fails_at_a_size_says_so_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    from sgz_bench.enhancer.runtime.graph import OnnxRuntime

    found = OnnxRuntime(create_enhancer("gamma"))
    monkeypatch.setattr(found, "_session", None)
    with pytest.raises(UserError, match=r"^onnxruntime cannot run gamma.* at 1 × 300; use --engine eager$"):
        found(np.zeros((1, 300, 3), dtype=np.uint8))


def test_a_bright_picture_is_tried_too(monkeypatch: pytest.MonkeyPatch) -> None:
    class OffWhereItIsBright(Off):
        def __call__(self, image: Image) -> Image:
            return super().__call__(image) if image.max() > 240 else to_uint8(self._enhancer(to_tensor(image)))

    monkeypatch.setattr(engines, "_create", lambda enhancer, *_: OffWhereItIsBright(enhancer))
    with pytest.raises(UserError, match="off by 2 levels"):
        use_engine(create_enhancer("sgz"), "cpu", "torch")


def test_an_engine_that_fails_is_one_line() -> None:
    with pytest.raises(UserError, match=r"^the engine torch cannot run sgz.*no such operator.*use --engine eager$"):
        use_engine(Failing(), "cpu", "torch")


def test_a_fused_enhancer_can_be_copied() -> None:
    enhancer, image = use_engine(create_enhancer("sgz"), "cpu"), sample_image(30, 40)
    twin = copy.deepcopy(enhancer)
    assert np.array_equal(twin.enhance_image(image, "", "cpu"), enhancer.enhance_image(image, "", "cpu"))


def test_a_package_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    with monkeypatch.context() as without:
        without.setitem(sys.modules, "openvino", None)
        with pytest.raises(UserError, match=r"pip install 'sgz-bench\[openvino\]'"):
            use_engine(create_enhancer("sgz"), "cpu", "openvino")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(UserError, match=r"pip install 'sgz-bench\[onnx\]'"):
        use_engine(create_enhancer("sgz"), "cpu", "openvino")


def test_the_network_of_the_torch_engine_is_a_copy() -> None:
    enhancer = create_enhancer("sgz(scale=1)")
    before = {name: tensor.stride() for name, tensor in enhancer.state_dict().items()}
    use_engine(enhancer, "cpu", "torch")
    assert {name: tensor.stride() for name, tensor in enhancer.state_dict().items()} == before
    assert torch.equal(
        enhancer(to_tensor(sample_image(20, 20))), create_enhancer("sgz(scale=1)")(to_tensor(sample_image(20, 20)))
    )


def test_planes_and_levels_have_the_bits_of_tensors() -> None:
    from sgz_bench.enhancer.runtime.kernels import to_levels, to_planes

    image = np.random.default_rng(0).integers(0, 256, (37, 53, 3), dtype=np.uint8)[:, 3:50]  # a part of a larger one
    planes = np.empty((3, 37, 47), dtype=np.float32)
    to_planes(image, planes)
    assert np.array_equal(planes, to_tensor(image)[0].numpy())
    values = np.random.default_rng(1).uniform(-0.1, 1.1, planes.shape).astype(np.float32)
    values[0, 0, :5] = [0.5 / 255, 1.5 / 255, 2.5 / 255, 0, 1]
    levels = np.empty(image.shape, dtype=np.uint8)
    to_levels(values, levels)
    assert np.array_equal(levels, to_uint8(torch.from_numpy(values)[None]))
