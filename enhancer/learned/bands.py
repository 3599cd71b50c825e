"""A network over a picture of any size in bounded memory."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

PIXELS = 1 << 20  # of a band: a map of 64 channels is then 256 MiB


def in_bands(
    network: Callable[[Tensor], Tensor], image: Tensor, margin: int, step: int = 1, pixels: int = PIXELS
) -> Tensor:
    """What ``network(image)`` is, computed for one image and one band of rows after the other.

    Each band is seen with the rows around it that its output depends on, so that bands leave no trace; what lies
    beyond the picture's own border is the network's padding, as ever.

    Args:
        network: ``(1, C, h, W)`` to ``(1, K, h, W)`` for any h, where a row of the output depends on no row that is
            further away than ``margin``.
        image: ``(B, C, H, W)``.
        margin: rows.
        step: the network's coarsest stride; bands begin at its multiples.
        pixels: of a band, about.

    Returns:
        ``(B, K, H, W)``.
    """
    height, width = image.shape[-2:]
    rows = max(pixels // width, step) // step * step
    margin = -(-margin // step) * step

    def band(one: Tensor, top: int) -> Tensor:
        first = max(top - margin, 0)
        return network(one[..., first : top + rows + margin, :])[..., top - first : top - first + rows, :]

    return torch.cat(
        [torch.cat([band(one, top) for top in range(0, height, rows)], dim=-2) for one in torch.split(image, 1)]
    )
