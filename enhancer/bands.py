"""A network over a picture of any size in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

PIXELS = 1 << 20  # of a band: a map of 64 channels is then 256 MiB


def in_bands(
    network: Callable[..., Tensor],
    image: Tensor,
    margin: int,
    step: int = 1,
    pixels: int = PIXELS,
    beside: tuple[Tensor, ...] = (),
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
        beside: maps of the image's size that ``network`` takes too, in the same bands.

    Returns:
        ``(B, K, H, W)``.
    """
    if torch.onnx.is_in_onnx_export():  # a graph has no bands
        return network(image, *beside)
    height, width = image.shape[-2:]
    rows = max(pixels // width, step) // step * step
    margin = -(-margin // step) * step

    def band(maps: Sequence[Tensor], top: int) -> Tensor:
        first = max(top - margin, 0)
        seen = [each[..., first : top + rows + margin, :] for each in maps]
        return network(*seen)[..., top - first : top - first + rows, :]

    found = image.new_empty(0)
    for place, maps in enumerate(zip(*(torch.split(each, 1) for each in (image, *beside)), strict=True)):
        for top in range(0, height, rows):
            part = band(maps, top)
            if not found.numel():  # made once, as bands to be joined later would be there twice
                found = part.new_empty(len(image), part.shape[1], height, width)
            found[place, :, top : top + rows] = part[0]
    return found
