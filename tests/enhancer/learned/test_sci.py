"""SCI against what upstream's code returned, and against arithmetic by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sgz_bench.core.errors import UserError
from sgz_bench.core.images import to_tensor
from sgz_bench.enhancer import create_enhancer
from sgz_bench.enhancer.learned.sci import SciNetwork


def checkpoint(folder: Path, **changes: torch.Tensor) -> Path:
    """Weights of 0, so that the last sigmoid is one half everywhere."""
    state = {name: torch.zeros_like(tensor) for name, tensor in SciNetwork().state_dict().items()}
    torch.save(state | changes, folder / "sci.pt")
    return folder / "sci.pt"


@pytest.mark.assets
@pytest.mark.parametrize("level", ["easy", "medium", "difficult"])
def test_upstreams_checkpoints_give_upstreams_output(assets: Path, level: str) -> None:
    reference = np.load(assets / "reference" / "enhancer_outputs.npz")
    enhancer = create_enhancer(f"sci(weights={assets / 'weights' / f'sci_{level}.pt'})")
    with torch.inference_mode():
        found = enhancer.enhance(to_tensor(reference["input_uint8"]))[0].numpy()
    np.testing.assert_allclose(found, reference[f"sci_{level}"], rtol=0, atol=1e-6)


def test_a_test_time_network_has_the_papers_258_parameters() -> None:
    assert sum(tensor.numel() for tensor in SciNetwork().parameters()) == 258


def test_an_image_is_divided_by_itself_and_what_the_network_adds(tmp_path: Path) -> None:
    enhancer = create_enhancer(f"sci(weights={checkpoint(tmp_path)})")
    levels = torch.tensor([0.0, 0.1, 0.3, 0.5, 0.8, 1.0])
    expected = [0.0, 0.1 / 0.6, 0.3 / 0.8, 0.5, 0.8, 1.0]  # an illumination ends at 1
    image = levels.view(1, 1, 1, 6).expand(1, 3, 1, 6)
    assert enhancer(image)[0, 0, 0].tolist() == pytest.approx(expected, abs=1e-6)


def test_a_dark_illumination_divides_by_no_less_than_a_ten_thousandth(tmp_path: Path) -> None:
    path = checkpoint(tmp_path, **{"enhance.out_conv.0.bias": torch.full((3,), -100.0)})
    image = torch.full((1, 3, 2, 2), 5e-5)
    assert create_enhancer(f"sci(weights={path})")(image).flatten().tolist() == pytest.approx([0.5] * 12, abs=1e-6)


def test_tensors_of_the_calibration_are_no_fault_and_others_are(tmp_path: Path) -> None:
    plain = create_enhancer(f"sci(weights={checkpoint(tmp_path)})").fingerprint
    path = checkpoint(tmp_path, **{"calibrate.in_conv.0.bias": torch.ones(16)})
    assert create_enhancer(f"sci(weights={path})").fingerprint == plain
    path = checkpoint(tmp_path, **{"denoise.bias": torch.ones(16)})
    with pytest.raises(UserError, match=r"sci\.pt has a tensor 'denoise.bias' that is not expected"):
        create_enhancer(f"sci(weights={path})")
