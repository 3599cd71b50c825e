"""Figures on the page, each as a data URI with its caption and alternative text."""

from __future__ import annotations

import io
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from matplotlib.figure import Figure
from PIL import Image

from sgz_bench.core.errors import UserError

from ..figures.catalog import ReportFigure
from ..figures.style import NothingToShow, content, paged
from .images import data_uri

_MOST_LINES = 200_000  # bytes
_ZOOM = 1.45  # print sizes are small on a screen


@dataclass(frozen=True)
class Picture:
    """Figure, or one of its pages: caption, alternative text, image, and width in CSS pixels."""

    title: str
    alt: str
    uri: str
    width: int


def pictures(figures: Iterable[ReportFigure]) -> list[Picture]:
    """Draw figures for the page; leave out those that the run lacks data for."""
    result = []
    for figure in figures:
        with suppress(NothingToShow, UserError):  # reported when the figure's file is written
            result += _pages(figure)
    return result


def _pages(figure: ReportFigure) -> list[Picture]:
    pages = paged(figure.draw())
    return [
        Picture(
            f"{figure.title}, {number} of {len(pages)}" if len(pages) > 1 else figure.title,
            figure.alt,
            _uri(drawn),
            round(drawn.get_figwidth() * 96 * _ZOOM),
        )
        for number, drawn in enumerate(pages, start=1)
    ]


def _uri(figure: Figure) -> str:
    """Encode lines as SVG, very many lines as PNG (which is smaller), photographs as JPEG."""
    photographs = any(axes.images for axes in figure.axes)
    if not photographs and len(lines := content(figure, "svg")) <= _MOST_LINES:
        return data_uri("svg+xml", lines)
    image, kind = Image.open(io.BytesIO(content(figure, "png"))).convert("RGB"), "jpeg" if photographs else "png"
    buffer = io.BytesIO()
    (image if photographs else image.quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)).save(
        buffer, kind, quality=72, optimize=True
    )
    return data_uri(kind, buffer.getvalue())
