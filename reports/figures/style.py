"""The look of every figure, and files with the same bytes for the same figure."""

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
Drawn = Figure | list[Figure]  # one figure, or its pages
FORMATS = ("png", "pdf")  # what figures are saved as unless asked otherwise
STYLES = ("paper", "slides")
COLUMN = 3.45  # inches: one column of a two-column paper
PAGE = 6.9  # both columns
_POINTS = 7.0  # of the text of style.mplstyle
# None holds a date, so that equal figures are equal files.
_METADATA = {"png": {"Software": None}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}
# Three times as fast as zlib's own choice, for a tenth more of bytes.
_OPTIONS: dict[str, Any] = {"png": {"pil_kwargs": {"compress_level": 3}}}
_STYLED: ContextVar[bool] = ContextVar("styled", default=False)

# Okabe and Ito's colours (https://jfly.uni-koeln.de/color/) that stand out on white; theirs for raw is black.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h")
_LINES: tuple[str | tuple[int, tuple[int, ...]], ...] = ("-", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))


class NothingToShow(Exception):  # noqa: N818 - no mistake of anybody's
    """The run lacks what a figure draws; says what."""


@dataclass(frozen=True)
class Look:
    """How an enhancer is drawn, wherever it is drawn; no two of one run share all three."""

    colour: str
    marker: str
    line: str | tuple[int, tuple[int, ...]]


def looks(enhancers: list[str]) -> dict[str, Look]:
    """One look per enhancer of a run: ``raw`` black, ``bright`` grey, the others by their place in the run."""
    fixed = {"raw": Look("#000000", "o", "-"), "bright": Look("#888888", "s", (0, (4, 2)))}
    others = [name for name in dict.fromkeys(enhancers) if name not in fixed]
    return fixed | {
        name: Look(
            _COLOURS[place % len(_COLOURS)],
            _MARKERS[place % len(_MARKERS)],
            _LINES[place // len(_COLOURS) % len(_LINES)],
        )
        for place, name in enumerate(others)
    }


@contextmanager
def style(name: str | None = None) -> Iterator[None]:
    """Matplotlib's own defaults and ours on top, whatever the user's matplotlibrc says; restored afterwards.

    Args:
        name: ``paper``; ``slides``, with larger text and lines; or the path of an ``.mplstyle`` to go on top of
            ``paper``. Its ``font.size`` takes the sizes of text and marks along, its ``figure.figsize`` begins with
            the width of one column, which takes all widths and heights along. None: the style around, if any.

    Raises:
        UserError: another name, or a file that is no style.
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
        settings |= _own_style(Path(str(name)))
    del settings["backend"]  # figures are built without pyplot; its backend is the user's business
    with mpl.rc_context(settings):
        token = _STYLED.set(True)
        try:
            yield
        finally:
            _STYLED.reset(token)


def _own_style(path: Path) -> dict[str, Any]:
    """The settings of a user's file, which matplotlib by itself would take in part, with warnings in its log."""
    if not path.is_file():
        raise UserError(f"--style {path} is no style; use {', '.join(STYLES)} or the path of an .mplstyle file")
    try:
        lines = [line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines()]
        for line in filter(None, lines):
            if line.partition(":")[0].strip() not in mpl.rcParams:
                raise UserError(f"{path} has {line!r}, which is no setting of matplotlib; correct or remove the line")
        return dict(mpl.rc_params_from_file(path, fail_on_error=True, use_default_template=False))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is no style ({in_one_line(error)}); correct the file") from error


def canvas(width: float, height: float, layout: Literal["constrained"] | None = None) -> Figure:
    """An empty figure of so many inches in the paper's style, and in proportion in any other."""
    return Figure(figsize=(inches(width), inches(height)), layout=layout)


def inches(length: float) -> float:
    """A length of so many inches in the paper's style, in proportion in any other."""
    return float(length * mpl.rcParams["figure.figsize"][0] / COLUMN)


def sized(points: float) -> float:
    """Text, a line or a mark of so many points in the paper's style, and in proportion in any other."""
    return float(points * mpl.rcParams["font.size"] / _POINTS)


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Run a function that draws a figure, or the pages of one, in our style."""

    @wraps(draw)
    def inside(*args: P.args, **kwargs: P.kwargs) -> R:
        with style():
            return draw(*args, **kwargs)

    return inside


def points(value: float, _position: int | None = None) -> str:
    """Axis labels of a difference in points."""
    return "0" if abs(value) < 1e-9 else f"{value:+g}".replace("-", "−")


def difference_bar(bar: Any, label: str, limit: float) -> None:
    """Give a colour bar from −limit to +limit points its label and three ticks."""
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
    """Refuse formats that figures are not saved in.

    Raises:
        UserError: an unknown format.
    """
    for name in formats:
        if name not in _METADATA:
            raise UserError(f"figures cannot be saved as {name!r}; use one or more of {', '.join(_METADATA)}")


def save_figures(
    figures: Mapping[str, Callable[[], Drawn]], folder: Path, formats: tuple[str, ...], say: Callable[[str], None]
) -> list[Path]:
    """Draw and save figures by name, the second page of ``NAME`` as ``NAME-2``.

    ``say`` is told of those that cannot be drawn, and why.
    """
    written = []
    for name, draw in figures.items():
        try:
            drawn = paged(draw())
        except (NothingToShow, UserError) as reason:  # one figure's lack must not cost the others
            say(f"{name}: not drawn, {reason}")
            continue
        for number, figure in enumerate(drawn, start=1):
            written += save(figure, folder / (name if number == 1 else f"{name}-{number}"), formats)
    return written


def paged(drawn: Drawn) -> list[Figure]:
    """The pages of a figure."""
    return drawn if isinstance(drawn, list) else [drawn]


def save(figure: Figure, stem: Path, formats: tuple[str, ...] = FORMATS) -> list[Path]:
    """Write ``stem.png`` (200 dpi), ``stem.pdf``, ``stem.svg``; the same figure gives the same bytes.

    Raises:
        UserError: an unknown format, or a place that cannot be written.
    """
    check_formats(formats)
    written = []
    for name in formats:
        written.append(stem.with_name(f"{stem.name}.{name}"))
        write_atomic(written[-1], content(figure, name))
    return written


def content(figure: Figure, kind: str) -> bytes:
    """The bytes of a figure's file; the same figure gives the same ones."""
    buffer = io.BytesIO()
    with style():
        figure.savefig(buffer, format=kind, metadata=_METADATA[kind], **_OPTIONS.get(kind, {}))
    return buffer.getvalue()
