"""SGZ in eager PyTorch, step by step as in upstream's test: the baseline of the scripts in this folder.

Facts from ShenZheng2000/Semantic-Guided-Low-Light-Image-Enhancement (MIT), ``modeling/model.py`` and
``lowlight_test.py``; ``--upstream DIR`` runs that code itself.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from sgz_bench.enhancer import create_enhancer
from sgz_bench.enhancer.sgz.enhancer import Sgz

Image = NDArray[np.uint8]


def network(weights: str, scale: int, upstream: Path | None = None) -> Callable[[Tensor], Tensor]:
    """Return a function of RGB ``(1, 3, H, W)`` in [0, 1] to the enhanced image; H and W are multiples of the scale."""
    sgz = create_enhancer(f"sgz(weights={weights},scale={scale})")
    assert isinstance(sgz, Sgz)
    state = sgz.network.state_dict()
    return _theirs(upstream, state, scale) if upstream else _plain(state, scale)


def _plain(state: dict[str, Tensor], scale: int) -> Callable[[Tensor], Tensor]:
    def layer(index: int, features: Tensor) -> Tensor:
        weights = {part: state[f"e_conv{index}.{part}"] for part in
                   ("depth_conv.weight", "depth_conv.bias", "point_conv.weight", "point_conv.bias")}  # fmt: skip
        deep = functional.conv2d(
            features, weights["depth_conv.weight"], weights["depth_conv.bias"], padding=1, groups=features.shape[1]
        )
        return functional.conv2d(deep, weights["point_conv.weight"], weights["point_conv.bias"])

    def enhance(x: Tensor) -> Tensor:
        small = x if scale == 1 else functional.interpolate(x, scale_factor=1 / scale, mode="bilinear")
        x1 = torch.relu(layer(1, small))
        x2 = torch.relu(layer(2, x1))
        x3 = torch.relu(layer(3, x2))
        x4 = torch.relu(layer(4, x3))
        x5 = torch.relu(layer(5, torch.cat([x3, x4], 1)))
        x6 = torch.relu(layer(6, torch.cat([x2, x5], 1)))
        r = torch.tanh(layer(7, torch.cat([x1, x6], 1)))
        if scale != 1:
            r = functional.interpolate(r, scale_factor=scale, mode="bilinear", align_corners=True)
        for _ in range(8):
            x = x + r * (torch.pow(x, 2) - x)
        return x

    return enhance


def _theirs(folder: Path, state: dict[str, Tensor], scale: int) -> Callable[[Tensor], Tensor]:
    file = next(iter(sorted(folder.rglob("model.py"))), None)
    if file is None:
        sys.exit(f"{folder} has no model.py; give the folder of upstream's repository")
    sys.path.insert(0, str(file.parent.parent))
    spec = importlib.util.spec_from_file_location("upstream_model", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    net = module.enhance_net_nopool(scale).eval()
    net.load_state_dict(state)
    return lambda image: net(image)[0]


def on_images(enhance: Callable[[Tensor], Tensor]) -> Callable[[Image], Image]:
    """Wrap a function for RGB ``(H, W, 3)`` uint8 in and out, rounded as by torchvision's ``save_image``."""

    @torch.inference_mode()
    def run(image: Image) -> Image:
        x = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
        levels = enhance(x)[0].mul(255).add(0.5).clamp(0, 255)
        return np.asarray(levels.permute(1, 2, 0).to("cpu", torch.uint8).numpy())

    return run
