"""Band-wise evaluation of a network: images of any size in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

PIXELS = 1 << 20  # per band: 64 channels of float32 are then 256 MiB


def in_bands(
    network: Callable[..., Tensor],
    image: Tensor,
    margin: int,
    step: int = 1,
    pixels: int = PIXELS,
    extra: tuple[Tensor, ...] = (),
) -> Tensor:
    """Return ``network(image)``, computed for one image and one band of rows at a time.

    Each band includes the rows around it that its output depends on, so bands leave no seams. Beyond the picture's own
    border the network pads as usual.

    Args:
        network: maps ``(1, C, h, W)`` to ``(1, K, h, W)`` for any h; a row of the output depends on rows at most
            ``margin`` away.
        image: ``(B, C, H, W)``.
        margin: number of rows.
        step: the network's coarsest stride; bands begin at its multiples.
        pixels: approximate number of pixels per band.
        extra: further inputs of ``network``, of the image's size, cut into the same bands.

    Returns:
        ``(B, K, H, W)``.
    """
    if torch.onnx.is_in_onnx_export():  # an exported graph has no bands
        return network(image, *extra)
    height, width = image.shape[-2:]
    rows = max(pixels // width, step) // step * step
    margin = -(-margin // step) * step

    def band(maps: Sequence[Tensor], top: int) -> Tensor:
        first = max(top - margin, 0)
        inputs = [each[..., first : top + rows + margin, :] for each in maps]
        return network(*inputs)[..., top - first : top - first + rows, :]

    output = image.new_empty(0)
    for index, maps in enumerate(zip(*(torch.split(each, 1) for each in (image, *extra)), strict=True)):
        for top in range(0, height, rows):
            part = band(maps, top)
            if not output.numel():  # allocated once: concatenating bands would need the memory twice
                output = part.new_empty(len(image), part.shape[1], height, width)
            output[index, :, top : top + rows] = part[0]
    return output
