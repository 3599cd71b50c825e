"""Exported graphs: open sizes, PyTorch's numbers, and the names of what they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from sgz_bench.__main__ import app
from sgz_bench.core.errors import UserError
from sgz_bench.enhancer import create_enhancer
from sgz_bench.enhancer.base import Enhancer
from sgz_bench.enhancer.runtime.export import check_graph, to_onnx

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


def test_a_graph_takes_any_batch_and_size(tmp_path: Path) -> None:
    path = tmp_path / "sgz.onnx"
    result = CliRunner().invoke(app, ["export", "sgz", "--out", str(path)])
    assert result.exit_code == 0, result.output
    session = onnxruntime.InferenceSession(str(path))
    enhancer = create_enhancer("sgz")
    for shape in ((1, 3, 9, 7), (4, 3, 40, 24), (1, 3, 200, 333)):
        image = torch.rand(shape, generator=torch.Generator().manual_seed(1)) * 0.5
        found = session.run(["enhanced"], {"image": image.numpy()})[0]
        assert np.abs(found - enhancer(image).numpy()).max() < 1e-6


def test_a_file_says_what_it_was_made_of_and_is_the_same_each_time(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.onnx", "b.onnx")]
    for path in paths:
        assert CliRunner().invoke(app, ["export", "sgz(scale=4)", "--out", str(path)]).exit_code == 0
    assert paths[0].read_bytes() == paths[1].read_bytes()
    about = {each.key: each.value for each in onnx.load(paths[0]).metadata_props}
    enhancer = create_enhancer("sgz(scale=4)")
    assert (about["spec"], about["fingerprint"]) == (enhancer.spec, enhancer.fingerprint)


@pytest.mark.parametrize("spec", ["sgz(scale=1)", "zero-dce(scale=3,weights=ours)", "sci(weights=ours)", "gamma"])
def test_networks_and_curves_can_be_exported(spec: str) -> None:
    enhancer = create_enhancer(spec)
    assert max(check_graph(to_onnx(enhancer), enhancer).values()) < 1e-5


def test_a_graph_that_is_wrong_is_refused() -> None:
    with pytest.raises(UserError, match="off by"):
        check_graph(to_onnx(create_enhancer("gamma(gamma=0.5)")), create_enhancer("gamma(gamma=0.7)"))


class NoNumber(Enhancer):
    """Nothing but NaN."""

    name = "no-number"

    def enhance(self, image: torch.Tensor) -> torch.Tensor:
        return image / 0 - image / 0


def test_a_graph_that_gives_no_numbers_is_refused() -> None:
    with pytest.raises(UserError, match="not finite"):
        check_graph(to_onnx(NoNumber()), create_enhancer("gamma"))


@pytest.mark.parametrize(
    ("spec", "file", "said"),
    [
        ("clahe", "a.onnx", "computed outside PyTorch"),
        ("gamma", "a.pt", "does not end in .onnx"),
        ("gamma", "there.onnx", "exists"),
        ("gamma", "there.onnx/a.onnx", "cannot be written"),
    ],
)
def test_what_cannot_be_exported_is_one_line(tmp_path: Path, spec: str, file: str, said: str) -> None:
    (tmp_path / "there.onnx").write_bytes(b"mine")
    result = CliRunner().invoke(app, ["export", spec, "--out", str(tmp_path / file)])
    assert isinstance(result.exception, UserError)
    assert said in str(result.exception)
    assert (tmp_path / "there.onnx").read_bytes() == b"mine"
    assert [path.name for path in tmp_path.iterdir()] == ["there.onnx"]


def test_pairlie_takes_sides_of_one_pixel(tmp_path: Path) -> None:
    from sgz_bench.enhancer.learned.pairlie import PairLieNetwork

    torch.manual_seed(0)
    torch.save(PairLieNetwork().state_dict(), tmp_path / "pairlie.pth")
    enhancer = create_enhancer(f"pairlie(weights={tmp_path / 'pairlie.pth'})")
    session = onnxruntime.InferenceSession(to_onnx(enhancer))
    for height, width in ((1, 1), (1, 7), (9, 1), (6, 5)):
        image = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(1))
        answer = session.run(None, {"image": image.numpy()})[0]
        assert answer.shape == (1, 3, height, width)
        assert np.abs(answer - enhancer(image).numpy()).max() < 1e-5
