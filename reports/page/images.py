"""Images as data URIs that are part of the page."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..figures.sheets import read_image

_LONGEST = 720  # pixels of an image's longer side
_BYTES = 80_000  # of one image: 60 of them as text stay under 8 MB with room for the rest
_QUALITIES = (84, 76, 68, 60, 50, 40, 30, 20)


def photo_uri(path: Path) -> str:
    """Return an image as the largest and best JPEG that fits its share of the page.

    Raises:
        UserError: the file is missing or damaged.
    """
    image = Image.fromarray(read_image(path))
    image.thumbnail((_LONGEST, _LONGEST), Image.Resampling.LANCZOS)
    for quality in _QUALITIES:
        uri = _encoded(image, "jpeg", quality=quality, optimize=True)
        if len(uri) * 3 / 4 <= _BYTES:
            break
    return uri


def label_map_uri(labels: NDArray[np.uint8], colours: NDArray[np.uint8]) -> str:
    """Return a label map ``(H, W)`` in the colours ``(256, 3)`` of its classes as PNG."""
    image = Image.fromarray(labels, "L")
    image.thumbnail((_LONGEST, _LONGEST), Image.Resampling.NEAREST)
    coloured = Image.fromarray(np.asarray(image), "P")
    coloured.putpalette(colours.tobytes())
    return _encoded(coloured, "png", optimize=True)


def data_uri(kind: str, content: bytes) -> str:
    """Return the data URI of an image's bytes; ``kind`` is ``png``, ``jpeg`` or ``svg+xml``."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _encoded(image: Image.Image, kind: str, **options: Any) -> str:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return data_uri(kind, buffer.getvalue())
