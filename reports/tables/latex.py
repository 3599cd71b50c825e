r"""Tables as LaTeX that compiles as it is, at the size that a page has room for.

A page is that of the two-column styles of conferences and journals, across both columns.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..labels import broken
from .table import Column, Table, TableCell

_WIDTH = 495.0  # points of a page across both columns
_HEIGHT = 590.0  # points of a page, less a caption
_NOTES = (120, 9.5)  # characters in a line of \footnotesize, points from line to line

_ESCAPED = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "−": "$-$",
    "–": "--",
    "<": "$<$",
    ">": "$>$",
    "|": "$|$",
    "Δ": r"$\Delta$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
} | {char: f"\\{char}" for char in "&%$#_"}
_ESCAPED |= {char: f"$^{digit}$" for digit, char in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")}


@dataclass(frozen=True)
class _Look:
    """Lengths in points: width of a digit, from line to line, half the space between columns."""

    size: str
    digit: float
    line: float
    gap: float
    name: int  # characters of a name in one line
    heading: int
    star: float = 0  # more space after a column with stars, which hang over


_LOOKS = (
    _Look(r"\small", 4.6, 11.0, 5, name=30, heading=18),
    _Look(r"\footnotesize", 4.25, 9.5, 3, name=24, heading=12),
    _Look(r"\scriptsize", 4.0, 8.0, 2, name=18, heading=12, star=2),
)


def latex(table: Table) -> str:
    r"""A ``table*`` that needs ``\usepackage{booktabs}`` and nothing else.

    What is too wide or too long for a page in the smallest size is several of them, and the notes are under the last.
    """
    names = sum(column.kind == "label" for column in table.columns)
    layouts = [(look, *_parts(table, look, names)) for look in _LOOKS]
    # In parts there is no need for the smallest size.
    fitting = (each for each in layouts if len(each[1]) * len(each[2]) == 1)
    look, rows, columns = next(fitting, layouts[1])
    parts = [(places, numbers) for places in rows for numbers in columns]
    texts = [_part(table, look, places, [*range(names), *numbers]) for places, numbers in parts]
    return "\n".join(
        [
            r"% needs \usepackage{booktabs}",
            *(
                line
                for number, text in enumerate(texts, start=1)
                for line in _float(table, look, text, number, len(texts))
            ),
            "",
        ]
    )


def _float(table: Table, look: _Look, text: list[str], number: int, parts: int) -> list[str]:
    caption = table.caption + (f" Part {number} of {parts}." if parts > 1 else "")
    label = re.sub(r"[^A-Za-z0-9]+", "-", table.name) + (f"-{number}" if number > 1 else "")
    notes = [
        r"  \par\smallskip\begin{minipage}{\textwidth}\footnotesize\raggedright",
        "    " + "\n    ".join(_escape(note) for note in table.notes),
        r"  \end{minipage}",
    ]
    return [
        r"\begin{table*}",
        rf"  \centering{look.size}\setlength{{\tabcolsep}}{{{look.gap:g}pt}}",
        rf"  \caption{{{_escape(caption)}}}\smallskip",
        rf"  \label{{tab:{label}}}",
        *text,
        *(notes if number == parts else []),
        r"\end{table*}",
    ]


def _part(table: Table, look: _Look, rows: Sequence[int], columns: Sequence[int]) -> list[str]:
    """The ``tabular`` of some rows and columns, with a rule where one block ends and another begins."""
    shown = [table.columns[place] for place in columns]
    starred = [_starred(table, place) for place in columns]
    lines: list[str] = []
    place = 0
    for block in table.blocks:
        mine = [row for at, row in enumerate(block, start=place) if at in rows]
        place += len(block)
        if mine:
            lines += [r"    \midrule"]
            lines += [_line([_cell(row[at], table.columns[at], look) for at in columns]) for row in mine]
    return [
        rf"  \begin{{tabular}}{{{''.join(_side(*pair, look) for pair in zip(shown, starred, strict=True))}}}",
        r"    \toprule",
        _line([_stack(_heading(column, look), "l" if column.kind == "label" else "r", "b") for column in shown]),
        *lines,
        r"    \bottomrule",
        r"  \end{tabular}",
    ]


def _side(column: Column, starred: bool, look: _Look) -> str:
    """How a column is set, with room for its stars to hang over where columns are close."""
    room = rf"@{{\hspace{{{2 * look.gap + look.star:g}pt}}}}" if starred and look.star else ""
    return ("l" if column.kind == "label" else "r") + room


def _starred(table: Table, place: int) -> bool:
    return any(row[place].mark for block in table.blocks for row in block)


def _line(cells: Sequence[str]) -> str:
    return "    " + " & ".join(cells) + r" \\"


def _cell(cell: TableCell, column: Column, look: _Look) -> str:
    if column.kind == "label":
        return _stack(broken(cell.text, look.name), "l", "t")
    text = rf"\textbf{{{_escape(cell.text)}}}" if cell.bold else _escape(cell.text)
    # The star hangs over, so that numbers stay aligned with and without it.
    return text + (r"\rlap{$^{*}$}" if cell.mark else "")


def _heading(column: Column, look: _Look) -> list[str]:
    width = 18 if column.kind == "difference" else look.heading
    return [part for line in column.heading for part in broken(line, width)]


def _stack(lines: Sequence[str], side: str, place: str) -> str:
    escaped = [_escape(line) for line in lines]
    if len(escaped) == 1:
        return escaped[0]
    return rf"\begin{{tabular}}[{place}]{{@{{}}{side}@{{}}}}" + r" \\ ".join(escaped) + r"\end{tabular}"


def _parts(table: Table, look: _Look, names: int) -> tuple[list[list[int]], list[list[int]]]:
    """Rows, and columns of numbers, in as many parts as pages are needed for them."""
    rows = [row for block in table.blocks for row in block]

    def width(place: int) -> float:
        column = table.columns[place]
        texts = [
            part
            for row in rows
            for part in (broken(row[place].text, look.name) if place < names else [row[place].text])
        ]
        star = look.star if _starred(table, place) else 0
        return star + 2 * look.gap + look.digit * max(map(_digits, [*texts, *_heading(column, look)]))

    notes = sum(math.ceil(len(note) / _NOTES[0]) for note in table.notes) * _NOTES[1]
    heights = [look.line * max(len(broken(cell.text, look.name)) for cell in row[:names]) for row in rows]
    heading = look.line * max(len(_heading(column, look)) for column in table.columns)
    widths = [width(place) for place in range(len(table.columns))]
    return (
        _shared_out(list(range(len(rows))), heights, max(_HEIGHT - notes - heading, _HEIGHT / 3)),
        _shared_out(list(range(names, len(widths))), widths[names:], max(_WIDTH - sum(widths[:names]), _WIDTH / 3)),
    )


def _shared_out(places: Sequence[int], sizes: Sequence[float], room: float) -> list[list[int]]:
    """Places in order, in as few parts as have room for them, none much larger than the others."""

    def parts(room: float) -> list[list[int]]:
        found: list[list[int]] = [[]]
        used = 0.0
        for place, size in zip(places, sizes, strict=True):
            if found[-1] and used + size > room:
                found.append([])
                used = 0.0
            found[-1].append(place)
            used += size
        return found

    fewest = len(parts(room))
    even = sum(sizes) / fewest
    while even < room and len(parts(even)) > fewest:
        even *= 1.02
    return parts(min(even, room))


def _digits(text: str, bold: bool = False) -> float:
    """Width of a text in digits of its font: Computer Modern's, in classes of about the same width."""
    return sum(next((width for chars, width in _WIDTHS if char in chars), 1.0) for char in text) * (1.15 if bold else 1)


_WIDTHS = (
    ("MW%Δm", 1.7),
    ("+−=<>±×ABCDEFGHKLNOPQRTUVXYZw", 1.5),
    (" ()tfrsc", 0.8),
    (".,:;[]ijl", 0.57),
)


def _escape(text: str) -> str:
    escaped = "".join(_ESCAPED.get(char, char) for char in text)
    # After the line break of the row before, a leading bracket or star would be read as its argument.
    return f"{{{escaped[0]}}}{escaped[1:]}" if escaped[:1] in {"[", "*"} else escaped
