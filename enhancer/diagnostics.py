"""Diagnostics of an enhancer and its weights, measured without labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from sgz_bench.core.files import file_sha256
from sgz_bench.core.images import Image, to_tensor, to_uint8

from .base import Enhancer
from .checkpoint import SUFFIXES, read_tensors
from .darken import Darken
from .weights import licence_of, weight_files, weights_in

DEAD = 1e-30  # a weight below this changes no 8-bit output
BRIGHT = 0.45  # smallest mean level of a well-lit picture, in [0, 1]
FLAT = 0.10  # level of the flat grey picture, in [0, 1]
_TELLTALE = {  # tensor names that only one method's files have
    "e_conv1.weight": "zero-dce",
    "enhance.in_conv.0.weight": "sci",
    "local_net.conv1.weight": "iat",
    "L_net.L_net.1.weight": "pairlie",
    "enhance_net.iems.0.cell.c5.weight": "ruas",
    "deconv5.weight": "enlightengan",
    "body.0.estimator.conv1.weight": "retinexformer",
    "decomposition.g_conv1_1.weight": "kind",
    "trans.density_k": "cidnet",
}
_NOISE = 0.01  # standard deviation, for values in [0, 1]


@dataclass(frozen=True)
class WeightFile:
    """A checkpoint as stored on disk: loading flushes subnormal numbers to 0.

    Attributes:
        path, sha256: of the file.
        licence: terms in the file, or upstream's for its known checkpoints; empty if unknown.
        dead: number of parameters with |w| < 1e-30.
        subnormal: number of these that are not 0; all lie below float32's smallest normal number.
    """

    path: Path
    sha256: str
    licence: str
    dead: int
    subnormal: int


@dataclass(frozen=True)
class Diagnostics:
    """Measurements of one enhancer. Levels are in [0, 1].

    Attributes:
        spec, fingerprint: of the enhancer.
        file: its weight file; None for a method without weights.
        parameters: number of parameters of its network.
        idle: number of parameters whose gradient is 0 on every picture.
        size: (width, height) of the image that ``macs`` is counted for.
        macs: multiply-accumulates of convolutions and matrix products.
        spread: standard deviation of the factor map over pixels, mean over channels and pictures; None if the method
            has no factor map.
        locality: root mean square of the output minus its mean over the pixels of the same channel and input level,
            which is what no global tone curve explains.
        curve: output of each level of a grey ramp, ``(256, 3)``.
        cast: largest |R − G| or |B − G| on the ramp.
        fall: largest decrease of the output from one level of the ramp to any later one; 0 if monotonic.
        flat: mean RGB output of a flat grey picture of 0.10.
        bright: number of pictures with a mean of at least 0.45.
        change: mean absolute change of these pictures; None if there are none.
        noise_gain: standard deviation of the output's noise divided by the input's, on grey 0.10.
        before, after: the first picture and its enhanced version.
        factor: factor map of the first picture, mean over channels, ``(H, W)``; None if the method has none.
    """

    spec: str
    fingerprint: str
    file: WeightFile | None
    parameters: int
    idle: int
    size: tuple[int, int]
    macs: int
    spread: float | None
    locality: float
    curve: NDArray[np.float32]
    cast: float
    fall: float
    flat: tuple[float, float, float]
    bright: int
    change: float | None
    noise_gain: float
    before: Image
    after: Image
    factor: NDArray[np.float32] | None


def enhancer_spec(target: str) -> str:
    """Return the spec of the enhancer that a weight file belongs to, by its content; any other text is returned as is.

    SGZ and Zero-DCE++ have the same tensors; an unknown file of either counts as SGZ's.

    Raises:
        UserError: the file does not exist, or does not hold plain weights.
    """
    path = Path(target).expanduser()
    if path.suffix not in SUFFIXES:
        return target
    names = {name.removeprefix("module.") for name in read_tensors(path)}
    known = weights_in(path)
    if known is not None:
        return f"{known.enhancer}({'relight' if known.tag == 'relight' else 'weights'}={path})"
    return f"{next((enhancer for tensor, enhancer in _TELLTALE.items() if tensor in names), 'sgz')}(weights={path})"


def diagnose(enhancer: Enhancer, pictures: Sequence[Image] = (), size: tuple[int, int] = (512, 512)) -> Diagnostics:
    """Measure an enhancer.

    Args:
        enhancer: any enhancer, on the CPU.
        pictures: RGB uint8 ``(H, W, 3)``; if empty, a drawn scene at night and by day.
        size: (width, height) of the image to count multiply-accumulates for.

    Raises:
        UserError: its weight file cannot be read.
    """
    pictures = list(pictures) or list(scene())
    outputs = [to_uint8(enhancer(to_tensor(picture))) for picture in pictures]
    maps = [_factors(enhancer, picture) for picture in pictures]
    spreads = [float(each.std(dim=(-2, -1), correction=0).mean()) for each in maps if each is not None]
    changes = [
        float(np.abs(after / 255 - before / 255).mean())
        for before, after in zip(pictures, outputs, strict=True)
        if before.mean() / 255 >= BRIGHT
    ]
    curve = ramp_curve(enhancer)
    files = weight_files(enhancer)
    return Diagnostics(
        spec=enhancer.spec,
        fingerprint=enhancer.fingerprint,
        file=weight_file(files[0]) if files else None,
        parameters=sum(tensor.numel() for tensor in enhancer.parameters()),
        idle=idle_parameters(enhancer, pictures),
        size=size,
        macs=count_macs(enhancer, size),
        spread=float(np.mean(spreads)) if spreads else None,
        locality=float(np.mean([locality(*pair) for pair in zip(pictures, outputs, strict=True)])),
        curve=curve,
        cast=float(np.abs(curve[:, (0, 2)] - curve[:, 1:2]).max()),
        fall=float((np.maximum.accumulate(curve, axis=0) - curve).max()),
        flat=_mean_rgb(enhancer(torch.full((1, 3, 64, 64), FLAT))),
        bright=len(changes),
        change=float(np.mean(changes)) if changes else None,
        noise_gain=noise_gain(enhancer),
        before=pictures[0],
        after=outputs[0],
        factor=None if maps[0] is None else maps[0][0].mean(dim=0).numpy(),
    )


def weight_file(path: Path) -> WeightFile:
    """Return hash, licence, and numbers of dead and subnormal parameters of a checkpoint.

    Raises:
        UserError: the file cannot be read.
    """
    tensors = read_tensors(path)
    magnitudes = torch.cat([tensor.detach().abs().flatten().double() for tensor in tensors.values()])
    dead = int((magnitudes < DEAD).sum())
    subnormal = int(((magnitudes > 0) & (magnitudes < torch.finfo(torch.float32).tiny)).sum())
    return WeightFile(path, file_sha256(path), licence_of(path), dead, subnormal)


def idle_parameters(enhancer: Enhancer, pictures: Sequence[Image]) -> int:
    """Count parameters whose gradient is exactly 0 on every picture, such as those behind a ReLU that never fires."""
    requires_grad = [parameter.requires_grad for parameter in enhancer.parameters()]
    parameters = list(enhancer.parameters())
    if not parameters:
        return 0
    active = [torch.zeros_like(parameter, dtype=torch.bool) for parameter in parameters]
    enhancer.requires_grad_(True)
    try:
        for picture in pictures:
            total = enhancer.enhance(to_tensor(picture)).sum()
            for mark, gradient in zip(active, torch.autograd.grad(total, parameters, allow_unused=True), strict=True):
                if gradient is not None:
                    mark |= gradient != 0
    finally:
        for parameter, needed in zip(parameters, requires_grad, strict=True):
            parameter.requires_grad_(needed)
    return sum(int((~mark).sum()) for mark in active)


def count_macs(enhancer: Enhancer, size: tuple[int, int]) -> int:
    """Count multiply-accumulates of convolutions and matrix products for one picture of (width, height)."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        enhancer.enhance(torch.full((1, 3, size[1], size[0]), 0.2))
    return int(counter.get_total_flops()) // 2


def ramp_curve(enhancer: Enhancer, height: int = 64, device: str = "cpu") -> NDArray[np.float32]:
    """Return the output of each 8-bit level of a horizontal grey ramp, four pixels per level: ``(256, 3)`` in [0, 1].

    Args:
        enhancer: on ``device``.
        height: of the ramp, in pixels.
        device: ``cpu`` or ``cuda:N``.
    """
    levels = torch.arange(256, device=device).div(255).repeat_interleave(4).expand(1, 3, height, 1024)
    output = enhancer(levels.contiguous())[0].reshape(3, height, 256, 4)
    return np.asarray(output.mean(dim=(1, 3)).T.cpu().numpy(), dtype=np.float32)


def locality(before: Image, after: Image) -> float:
    """Return the root mean square of ``after`` minus its mean over pixels of one channel and input level, in [0, 1]."""
    unexplained = 0.0
    for channel in range(3):
        level, value = before[..., channel].ravel(), after[..., channel].ravel() / 255
        counts = np.bincount(level, minlength=256)
        means = np.bincount(level, weights=value, minlength=256) / np.maximum(counts, 1)
        unexplained += float(np.square(value - means[level]).mean())
    return float(np.sqrt(unexplained / 3))


def noise_gain(enhancer: Enhancer) -> float:
    """Return the factor by which noise on grey 0.10 grows, as a ratio of standard deviations averaged over channels."""
    noise = torch.randn((1, 3, 128, 128), generator=torch.Generator().manual_seed(0)) * _NOISE
    output = enhancer(FLAT + noise) - enhancer(torch.full_like(noise, FLAT))
    return float(output.std(dim=(-2, -1)).mean() / noise.std(dim=(-2, -1)).mean())


def scene() -> tuple[Image, Image]:
    """Draw a picture with light, shade and texture, 384 × 256 pixels: darkened by 4 stops, and by day."""
    y, x = np.mgrid[0:256, 0:384].astype(np.float32)
    sky = np.stack([0.55 + 0.2 * y / 256, 0.7 + 0.1 * y / 256, 0.9 - 0.1 * y / 256], axis=-1)
    ground = np.stack([0.52 + 0.06 * np.sin(x / 3) * np.sin(y / 5), 0.48 + 0 * x, 0.4 + 0 * x], axis=-1)
    picture = np.where((y > 150)[..., None], ground, sky)
    rng = np.random.default_rng(0)
    for _ in range(24):
        left, top = int(rng.integers(0, 340)), int(rng.integers(60, 220))
        colour, width, height = rng.uniform(0.05, 0.95, 3), int(rng.integers(8, 44)), int(rng.integers(8, 60))
        picture[top : top + height, left : left + width] = colour
    day = np.round(picture.clip(0, 1) * 255).astype(np.uint8)
    return Darken(ev=4)(day, "scene"), day


def _factors(enhancer: Enhancer, picture: Image) -> Tensor | None:
    """Return an enhancer's factor map of a picture; None if the method has none."""
    factors = getattr(enhancer, "factors", None)
    if not callable(factors):
        return None
    with torch.no_grad():
        factor_map: Tensor = factors(to_tensor(picture))
    return factor_map


def _mean_rgb(image: Tensor) -> tuple[float, float, float]:
    red, green, blue = image.mean(dim=(0, 2, 3)).tolist()
    return red, green, blue
