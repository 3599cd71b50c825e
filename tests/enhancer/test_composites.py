"""Specs around another enhancer: text, identity, pictures, exports, bad input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sgz_bench.core.errors import UserError
from sgz_bench.core.images import Image, read_image, to_tensor, to_uint8, write_image
from sgz_bench.core.specs import canonical, parse_spec
from sgz_bench.enhancer import create_enhancer
from sgz_bench.enhancer.composites import Gate, innermost
from sgz_bench.enhancer.files.inputs import plan_files
from sgz_bench.enhancer.files.pipeline import enhance_files
from sgz_bench.enhancer.image_statistics import STATISTICS
from sgz_bench.enhancer.runtime.choice import engine_of, use_engine


def picture(level: int) -> Image:
    rng = np.random.default_rng(level)
    return np.asarray(rng.integers(0, 2 * level + 1, (24, 30, 3)), dtype=np.uint8)


def test_the_text_is_canonical_and_reads_back() -> None:
    assert (
        str(parse_spec("gate( clahe(tiles=8, clip=2.0) , luma < 40.0 )")) == "gate(clahe(clip=2,tiles=8),luma < 40.0)"
    )
    spec = create_enhancer("gate( clahe(tiles=8, clip=2.0) , luma < 40.0 )").spec
    assert spec == "gate(clahe(clip=2,tiles=8),luma<40)"
    assert create_enhancer(spec).spec == str(parse_spec(spec)) == spec
    assert canonical(["both(gamma)", "both( gamma )", "oracle", "oracle()"]) == ["both(gamma)", "oracle"]
    assert create_enhancer("gate(gate(gamma,luma<40),noise>2)").spec == "gate(gate(gamma(gamma=0.45),luma<40),noise>2)"


def test_identity_depends_on_the_condition_and_on_what_is_inside() -> None:
    specs = ["gate(gamma,luma<40)", "gate(gamma,luma>40)", "gate(gamma,luma<41)", "gate(gamma(gamma=0.5),luma<40)"]
    specs += ["both(gamma)", "oracle(gamma)", "gamma"]
    assert len({create_enhancer(spec).fingerprint for spec in specs}) == len(specs)
    assert create_enhancer("gate(gamma,luma<40.0)").fingerprint == create_enhancer(specs[0]).fingerprint


@pytest.mark.parametrize("name", list(STATISTICS))
@pytest.mark.parametrize("side", ["<", ">"])
def test_a_gate_enhances_what_its_condition_holds_for_and_nothing_else(name: str, side: str) -> None:
    pictures = [picture(level) for level in (3, 20, 60, 120)]
    values = [STATISTICS[name].of(each) for each in pictures]
    threshold = (sorted(values)[1] + sorted(values)[2]) / 2
    gate, inner = create_enhancer(f"gate(gamma,{name}{side}{threshold})"), create_enhancer("gamma")
    opened = []
    for image, value in zip(pictures, values, strict=True):
        enhanced = gate.enhance_image(image, "", "cpu")
        opened.append(value < threshold if side == "<" else value > threshold)
        np.testing.assert_array_equal(enhanced, inner.enhance_image(image, "", "cpu") if opened[-1] else image)
        np.testing.assert_array_equal(enhanced, to_uint8(gate(to_tensor(image))))
    assert sorted(opened) == [False, False, True, True]


def test_a_value_on_the_threshold_is_left_as_it_is() -> None:
    flat = np.full((8, 8, 3), 40, dtype=np.uint8)
    for side in "<>":
        np.testing.assert_array_equal(create_enhancer(f"gate(gamma,luma{side}40)").enhance_image(flat, "", "cpu"), flat)


def test_a_batch_is_gated_image_by_image() -> None:
    gate = create_enhancer("gate(gamma,luma<40)")
    dark, light = picture(10), picture(100)
    both = gate(torch.cat([to_tensor(dark), to_tensor(light)]))
    np.testing.assert_array_equal(to_uint8(both[:1]), create_enhancer("gamma").enhance_image(dark, "", "cpu"))
    np.testing.assert_array_equal(to_uint8(both[1:]), light)


def test_the_engine_is_that_of_the_inner_enhancer(tmp_path: Path) -> None:
    gate = use_engine(create_enhancer("gate(sgz,luma<40)"), "cpu")
    assert isinstance(gate, Gate)
    assert engine_of(gate) == engine_of(gate.inner) == "fused fp32"
    assert innermost(create_enhancer("gate(gate(sgz,luma<40),noise>1)")).name == "sgz"
    for name, level in (("dark", 10), ("light", 100)):
        write_image(tmp_path / "in" / f"{name}.png", picture(level))
    outcomes = list(enhance_files(plan_files([tmp_path / "in"], tmp_path / "out"), gate))
    assert [outcome.status for outcome in outcomes] == ["done", "done"]
    alone = use_engine(create_enhancer("sgz"), "cpu")
    np.testing.assert_array_equal(
        read_image(tmp_path / "out" / "dark.png"), alone.enhance_image(picture(10), "", "cpu")
    )
    np.testing.assert_array_equal(read_image(tmp_path / "out" / "light.png"), picture(100))


@pytest.mark.parametrize("name", list(STATISTICS))
def test_an_exported_gate_opens_as_the_gate_does(name: str) -> None:
    pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    from sgz_bench.enhancer.runtime.export import to_onnx

    pictures = [picture(level) for level in (3, 20, 60, 120)]
    threshold = float(np.median([STATISTICS[name].of(each) for each in pictures]))
    gate = create_enhancer(f"gate(gamma,{name}<{threshold})")
    session = onnxruntime.InferenceSession(to_onnx(gate), providers=["CPUExecutionProvider"])
    for image in pictures:
        enhanced = session.run(None, {"image": to_tensor(image).numpy()})[0]
        np.testing.assert_array_equal(to_uint8(torch.from_numpy(enhanced)), gate.enhance_image(image, "", "cpu"))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("gate(sgz)", "a gate needs an enhancer and a condition; write, for example, gate"),
        ("gate(luma<40)", "a gate needs an enhancer and a condition"),
        ("gate", "a gate needs an enhancer and a condition"),
        ("gate(gamma,luma=40)", "gate has no parameter 'luma'"),
        ("gate(gamma,luma<=40)", "the gate's condition 'luma<=40' is not STATISTIC<NUMBER"),
        ("gate(gamma,lum<40)", "does not know the statistic 'lum'; did you mean 'luma'"),
        ("gate(gamma,luma<dark)", "threshold 'dark' is not a number"),
        ("gate(gamma,luma<nan)", "threshold 'nan' is not a number"),
        ("gate(raw,luma<40)", "gate cannot go around raw"),
        ("gate(both(gamma),luma<40)", "gate cannot go around both"),
        ("gate(gama,luma<40)", "unknown enhancer 'gama'; did you mean"),
        ("gate(gamma,luma<40,dark>0.5)", "'dark>0.5' in .* is not a parameter"),
        ("both", "both goes around an enhancer and names none; write, for example, both"),
        ("both(oracle)", "both cannot go around oracle"),
        ("oracle(oracle)", "oracle cannot go around oracle"),
    ],
)
def test_what_is_no_composite_is_refused(spec: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        create_enhancer(spec)


@pytest.mark.parametrize("spec", ["both(gamma)", "oracle(gamma)", "oracle", "gate(folder:DIR,luma<40)"])
def test_what_makes_no_picture_is_refused_where_one_is_wanted(spec: str, tmp_path: Path) -> None:
    for name in ("in", "out"):
        write_image(tmp_path / name / "a.png", picture(10))
    enhancer = create_enhancer(spec.replace("DIR", str(tmp_path / "out")))
    with pytest.raises(UserError, match=r"use it in detect, segment and run"):
        list(enhance_files(plan_files([tmp_path / "in"], tmp_path / "new"), enhancer))
