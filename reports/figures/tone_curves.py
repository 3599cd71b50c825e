"""Tone curves of enhancers on a grey ramp, and factor maps: the local gain in one image."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray
from PIL import Image

from ..labels import broken
from ..run import FinishedRun, Study
from .multiples import multiples
from .sheets import read_image
from .style import PAGE, Look, NothingToShow, canvas, points, sized, styled

_PAIRS = 3  # pairs of images in a line
_SIDE = 160  # pixels to which images are averaged, which removes most of the noise from their ratio
_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601, of encoded values
_LEAST = 1 / 255  # luma below which 8 bits do not resolve a gain


@styled
def tone_curves(study: Study, tones: Mapping[str, Sequence[float]], look: Mapping[str, Look]) -> Figure:
    """Draw each enhancer's output for a grey ramp (mean of channels) in a panel; at most two columns wide.

    Args:
        study: the rows.
        tones: row key → output in [0, 1] for the levels 0 to 255.
        look: look of each enhancer.

    Raises:
        NothingToShow: no curve was measured.
    """
    rows = [row for row in study.enhanced if row.key in tones]
    if not rows:
        raise NothingToShow("the run has no tone curves; repeat the run's command, which measures them")
    labels = study.labels
    levels = range(256)
    figure = multiples(
        [labels[row.enhancer] for row in rows],
        [(levels, [255 * level for level in tones[row.key]]) for row in rows],
        [look[row.enhancer] for row in rows],
        (0, 128, 255),
    )
    for axes in figure.axes:
        axes.plot(levels, levels, color="k", linewidth=sized(0.6), linestyle=(0, (1, 2)), zorder=1.5)
    figure.supxlabel("grey in, 0 to 255, on a ramp from black to white; dotted: unchanged; grey: the other enhancers")
    figure.supylabel("out, mean of channels")
    return figure


@styled
def factor_maps(run: FinishedRun) -> Figure:
    """Draw one image from every enhancer beside its factor map, on a common scale; two columns wide.

    Raises:
        NothingToShow: the run did not keep one image of every enhancer.
        UserError: an image is missing or damaged.
    """
    entries = {entry["enhancer"]: entry for entry in run.gallery("common")}
    kept = [entries[row.enhancer] for row in run.study.enhanced if row.enhancer in entries]
    if not kept:
        raise NothingToShow("the run kept no image of all enhancers; repeat the run's command, which keeps one")
    folder = run.folder / "gallery"
    raw = read_image(folder / kept[0]["raw"])
    images = [read_image(folder / entry["enhanced"]) for entry in kept]
    maps = [gain_map(raw, image) for image in images]
    known = np.concatenate([each[np.isfinite(each)] for each in maps])
    low, high = np.percentile(known, (1, 99)) if known.size else (0, 1)
    low, high = min(math.floor(2 * low) / 2, 0.0), max(math.ceil(2 * high) / 2, 0.5)
    labels = run.study.labels
    titles = ["raw", *(labels[entry["enhancer"]] for entry in kept)]
    across = min(_PAIRS, len(titles))
    lines = math.ceil(len(titles) / across)
    gap, space = 0.03, 0.12
    wide = (PAGE - space * (_PAIRS - 1)) / _PAIRS
    half = (wide - gap) / 2
    tall = half * raw.shape[0] / raw.shape[1]
    heads = [broken(title, 36) for title in titles]
    head = [0.1 + 0.1 * max(map(len, heads[k * across : (k + 1) * across])) for k in range(lines)]
    width, height = across * wide + space * (across - 1), sum(head) + lines * tall
    figure = canvas(width, height)
    top = height
    for index, title in enumerate(heads):
        column = index % across
        if column == 0:
            top -= head[index // across] + (tall if index else 0)
        left = column * (wide + space)
        figure.text(left / width, (top + 0.03) / height, "\n".join(title), va="bottom", size=sized(6.5))
        shown = figure.add_axes((left / width, (top - tall) / height, half / width, tall / height))
        shown.imshow(raw if index == 0 else images[index - 1], aspect="auto")
        shown.set_axis_off()
        if index == 0:
            bar_left = left + half + gap + 0.1 * half
            bar_axes = figure.add_axes((bar_left / width, (top - 0.13) / height, 0.8 * half / width, 0.08 / height))
            continue
        axes = figure.add_axes(((left + half + gap) / width, (top - tall) / height, half / width, tall / height))
        axes.set_facecolor("0.8")
        mesh = axes.imshow(maps[index - 1], vmin=low, vmax=high, aspect="auto")
        axes.set(xticks=(), yticks=())
        axes.spines[:].set_visible(False)
    bar = figure.colorbar(mesh, cax=bar_axes, orientation="horizontal")
    bar.outline.set_visible(False)
    bar.locator = MaxNLocator(nbins=5, steps=[1, 2, 5, 10])
    bar.formatter = FuncFormatter(points)
    bar.update_ticks()
    bar.set_label(
        "factor in stops,\n+1: twice the luma;\ngrey: too dark",
        fontsize=sized(6),
        labelpad=sized(2),
    )
    return figure


def gain_map(raw: NDArray[np.uint8], enhanced: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return ``(h, w)``: log2 of enhanced over raw luma (of encoded values), NaN where raw is darker than one level.

    Args:
        raw, enhanced: ``(H, W, 3)`` of one size; averaged down to 160 pixels on the longer side.
    """
    before, after = (_small_luma(image) for image in (raw, enhanced))
    resolved = before >= _LEAST
    ratio = np.maximum(after, _LEAST / 4)[resolved] / before[resolved]
    gains = np.full(before.shape, np.nan)
    gains[resolved] = np.log2(ratio)
    return gains


def _small_luma(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    luma = Image.fromarray((image / 255 @ _LUMA).astype(np.float32))
    luma.thumbnail((_SIDE, _SIDE), Image.Resampling.BOX, reducing_gap=None)
    return np.asarray(luma, dtype=np.float64)
