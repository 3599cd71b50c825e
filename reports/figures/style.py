"""Style of figures, looks of enhancers, and reproducible figure files."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter

from sgz_bench.core.errors import UserError, in_one_line
from sgz_bench.core.files import write_atomic

P = ParamSpec("P")
R = TypeVar("R")
Drawn = Figure | list[Figure]  # figure, or its pages
FORMATS = ("png", "pdf")  # default file formats
STYLES = ("paper", "slides")
COLUMN = 3.45  # inches: one column of a two-column paper
PAGE = 6.9  # both columns
_POINTS = 7.0  # font size in style.mplstyle
# No dates, so that equal figures are equal files.
_METADATA = {"png": {"Software": None}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}
# Three times as fast as zlib's default, with a tenth more bytes.
_OPTIONS: dict[str, Any] = {"png": {"pil_kwargs": {"compress_level": 3}}}
_STYLED: ContextVar[bool] = ContextVar("styled", default=False)

# Okabe and Ito's colours (https://jfly.uni-koeln.de/color/) that contrast with white; their black is for raw.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h")
_LINES: tuple[str | tuple[int, tuple[int, ...]], ...] = ("-", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))


class NothingToShow(Exception):  # noqa: N818 - not an error
    """The run lacks the data of a figure; the message names what is missing."""


@dataclass(frozen=True)
class Look:
    """Colour, marker and line of an enhancer in all figures; distinct within a run."""

    colour: str
    marker: str
    line: str | tuple[int, tuple[int, ...]]


def looks(enhancers: list[str]) -> dict[str, Look]:
    """Return one look per enhancer: ``raw`` black, ``bright`` grey, the others by their order in the run."""
    fixed = {"raw": Look("#000000", "o", "-"), "bright": Look("#888888", "s", (0, (4, 2)))}
    others = [name for name in dict.fromkeys(enhancers) if name not in fixed]
    return fixed | {
        name: Look(
            _COLOURS[index % len(_COLOURS)],
            _MARKERS[index % len(_MARKERS)],
            _LINES[index // len(_COLOURS) % len(_LINES)],
        )
        for index, name in enumerate(others)
    }


@contextmanager
def style(name: str | None = None) -> Iterator[None]:
    """Set matplotlib's defaults and our style, independent of the user's matplotlibrc; restore the settings afterwards.

    Args:
        name: ``paper``; ``slides``, with larger text and lines; or the path of an ``.mplstyle`` on top of ``paper``.
            Sizes of text and marks scale with its ``font.size``; widths and heights scale with the first number of its
            ``figure.figsize``, the width of one column. None: keep the enclosing style, or ``paper``.

    Raises:
        UserError: an unknown name, or a file that is not a style.
    """
    if name is None and _STYLED.get():
        yield
        return
    with as_file(files(__package__) / "style.mplstyle") as path:
        settings = dict(mpl.rc_params_from_file(path, use_default_template=True))
    if name == "slides":
        with as_file(files(__package__) / "slides.mplstyle") as path:
            settings |= mpl.rc_params_from_file(path, use_default_template=False)
    elif name not in {None, "paper"}:
        settings |= _custom_style(Path(str(name)))
    del settings["backend"]  # figures are built without pyplot, so its backend stays unchanged
    with mpl.rc_context(settings):
        token = _STYLED.set(True)
        try:
            yield
        finally:
            _STYLED.reset(token)


def _custom_style(path: Path) -> dict[str, Any]:
    """Read the settings of a custom style; matplotlib alone would skip faulty lines with a warning in its log."""
    if not path.is_file():
        raise UserError(f"--style {path} is not a style; use {', '.join(STYLES)} or the path of an .mplstyle file")
    try:
        lines = [line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines()]
        for line in filter(None, lines):
            if line.partition(":")[0].strip() not in mpl.rcParams:
                raise UserError(f"{path} has {line!r}, which is not a matplotlib setting; correct or remove the line")
        return dict(mpl.rc_params_from_file(path, fail_on_error=True, use_default_template=False))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is not a style ({in_one_line(error)}); correct the file") from error


def canvas(width: float, height: float, layout: Literal["constrained"] | None = None) -> Figure:
    """Return an empty figure; sizes are in inches of the style ``paper`` and scale with other styles."""
    return Figure(figsize=(inches(width), inches(height)), layout=layout)


def inches(length: float) -> float:
    """Scale a length in inches of the style ``paper`` to the current style."""
    return float(length * mpl.rcParams["figure.figsize"][0] / COLUMN)


def sized(points: float) -> float:
    """Scale a size in points of the style ``paper`` to the current style, for text, lines and marks."""
    return float(points * mpl.rcParams["font.size"] / _POINTS)


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function that draws a figure or its pages to run in our style."""

    @wraps(draw)
    def inside(*args: P.args, **kwargs: P.kwargs) -> R:
        with style():
            return draw(*args, **kwargs)

    return inside


def points(value: float, _position: int | None = None) -> str:
    """Format an axis label of a difference in points."""
    return "0" if abs(value) < 1e-9 else f"{value:+g}".replace("-", "−")


def difference_bar(bar: Any, label: str, limit: float) -> None:
    """Set the label and three ticks of a colour bar from −limit to +limit points."""
    bar.set_label(label)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=2)
    step = float(f"{limit * 0.9:.1g}") if limit >= 1 else limit * 0.9
    while step > limit:
        step /= 2
    bar.locator = FixedLocator([-step, 0, step])
    bar.formatter = FuncFormatter(points)
    bar.update_ticks()


def check_formats(formats: tuple[str, ...]) -> None:
    """Refuse unknown file formats.

    Raises:
        UserError: an unknown format.
    """
    for name in formats:
        if name not in _METADATA:
            raise UserError(f"figures cannot be saved as {name!r}; use one or more of {', '.join(_METADATA)}")


def save_figures(
    figures: Mapping[str, Callable[[], Drawn]], folder: Path, formats: tuple[str, ...], say: Callable[[str], None]
) -> list[Path]:
    """Draw and save figures by name, the second page of ``NAME`` as ``NAME-2``; return the paths.

    ``say`` receives a line for each figure that cannot be drawn, with the reason.
    """
    written = []
    for name, draw in figures.items():
        try:
            drawn = paged(draw())
        except (NothingToShow, UserError) as reason:  # one missing figure must not prevent the others
            say(f"{name}: not drawn, {reason}")
            continue
        for number, figure in enumerate(drawn, start=1):
            written += save(figure, folder / (name if number == 1 else f"{name}-{number}"), formats)
    return written


def paged(drawn: Drawn) -> list[Figure]:
    """Return the pages of a figure."""
    return drawn if isinstance(drawn, list) else [drawn]


def save(figure: Figure, stem: Path, formats: tuple[str, ...] = FORMATS) -> list[Path]:
    """Write ``stem.png`` (200 dpi), ``stem.pdf``, ``stem.svg``; equal figures give equal bytes.

    Raises:
        UserError: an unknown format, or a path that cannot be written.
    """
    check_formats(formats)
    written = []
    for name in formats:
        written.append(stem.with_name(f"{stem.name}.{name}"))
        write_atomic(written[-1], content(figure, name))
    return written


def content(figure: Figure, kind: str) -> bytes:
    """Return the bytes of a figure's file; equal figures give equal bytes."""
    buffer = io.BytesIO()
    with style():
        figure.savefig(buffer, format=kind, metadata=_METADATA[kind], **_OPTIONS.get(kind, {}))
    return buffer.getvalue()
