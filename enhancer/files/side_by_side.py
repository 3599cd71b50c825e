"""Side-by-side sheets of captioned images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

LONG_SIDE = 1280  # of a panel, in pixels
_TEXT, _LINE, _GAP = 18, 28, 6


def side_by_side(panels: Sequence[tuple[str, NDArray[np.uint8]]]) -> NDArray[np.uint8]:
    """Draw one row of captioned images on white.

    Args:
        panels: caption and RGB ``(H, W, 3)`` uint8; a long side above 1280 pixels is scaled down.

    Returns:
        RGB ``(H', W', 3)`` uint8.
    """
    font = ImageFont.load_default(_TEXT)
    pictures = []
    for _, pixels in panels:
        picture = Image.fromarray(pixels)
        picture.thumbnail((LONG_SIDE, LONG_SIDE), Image.Resampling.BOX)
        pictures.append(picture)
    # At least 240 pixels, so that the caption of a narrow picture fits a few words.
    columns = [max(picture.width, 240) for picture in pictures]
    size = (sum(columns) + _GAP * (len(panels) - 1), _LINE + max(picture.height for picture in pictures))
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    left = 0
    for (caption, _), picture, column in zip(panels, pictures, columns, strict=True):
        draw.text((left + 4, _LINE // 2), _fitted(caption, font, column - 8), fill="black", font=font, anchor="lm")
        sheet.paste(picture, (left, _LINE))
        left += column + _GAP
    return np.array(sheet)


def _fitted(text: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, width: int) -> str:
    """Return ``text``, cut with an ellipsis if it is wider than ``width`` pixels."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"
