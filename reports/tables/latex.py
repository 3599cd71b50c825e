r"""Tables as LaTeX that compiles unchanged, in a font size that fits the page.

The page is that of two-column conference and journal styles; a table spans both columns.
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
    """Font size with its lengths in points: width of a digit, line height, half the space between columns."""

    size: str
    digit: float
    line: float
    gap: float
    name: int  # characters of a name in one line
    heading: int
    star: float = 0  # extra space after a column with stars, which overhang


_LOOKS = (
    _Look(r"\small", 4.6, 11.0, 5, name=30, heading=18),
    _Look(r"\footnotesize", 4.25, 9.5, 3, name=24, heading=12),
    _Look(r"\scriptsize", 4.0, 8.0, 2, name=18, heading=12, star=2),
)


def latex(table: Table) -> str:
    r"""Return a ``table*`` that needs ``\usepackage{booktabs}`` only.

    A table that is too wide or too long for a page in the smallest size becomes several, with the notes under the last.
    """
    names = sum(column.kind == "label" for column in table.columns)
    layouts = [(look, *_parts(table, look, names)) for look in _LOOKS]
    # A table in parts does not need the smallest size.
    fitting = (each for each in layouts if len(each[1]) * len(each[2]) == 1)
    look, rows, columns = next(fitting, layouts[1])
    parts = [(part, numbers) for part in rows for numbers in columns]
    texts = [_part(table, look, part, [*range(names), *numbers]) for part, numbers in parts]
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
    """Return the ``tabular`` of some rows and columns, with a rule between blocks."""
    shown = [table.columns[index] for index in columns]
    starred = [_starred(table, index) for index in columns]
    lines: list[str] = []
    start = 0
    for block in table.blocks:
        chosen = [row for index, row in enumerate(block, start=start) if index in rows]
        start += len(block)
        if chosen:
            lines += [r"    \midrule"]
            lines += [_line([_cell(row[index], table.columns[index], look) for index in columns]) for row in chosen]
    return [
        rf"  \begin{{tabular}}{{{''.join(_side(*pair, look) for pair in zip(shown, starred, strict=True))}}}",
        r"    \toprule",
        _line([_stack(_heading(column, look), "l" if column.kind == "label" else "r", "b") for column in shown]),
        *lines,
        r"    \bottomrule",
        r"  \end{tabular}",
    ]


def _side(column: Column, starred: bool, look: _Look) -> str:
    """Return the alignment of a column, with room for overhanging stars where columns are close."""
    room = rf"@{{\hspace{{{2 * look.gap + look.star:g}pt}}}}" if starred and look.star else ""
    return ("l" if column.kind == "label" else "r") + room


def _starred(table: Table, column: int) -> bool:
    return any(row[column].mark for block in table.blocks for row in block)


def _line(cells: Sequence[str]) -> str:
    return "    " + " & ".join(cells) + r" \\"


def _cell(cell: TableCell, column: Column, look: _Look) -> str:
    if column.kind == "label":
        return _stack(broken(cell.text, look.name), "l", "t")
    text = rf"\textbf{{{_escape(cell.text)}}}" if cell.bold else _escape(cell.text)
    # The star overhangs, so that numbers with and without it stay aligned.
    return text + (r"\rlap{$^{*}$}" if cell.mark else "")


def _heading(column: Column, look: _Look) -> list[str]:
    width = 18 if column.kind == "difference" else look.heading
    return [part for line in column.heading for part in broken(line, width)]


def _stack(lines: Sequence[str], side: str, position: str) -> str:
    escaped = [_escape(line) for line in lines]
    if len(escaped) == 1:
        return escaped[0]
    return rf"\begin{{tabular}}[{position}]{{@{{}}{side}@{{}}}}" + r" \\ ".join(escaped) + r"\end{tabular}"


def _parts(table: Table, look: _Look, names: int) -> tuple[list[list[int]], list[list[int]]]:
    """Split rows, and columns of numbers, into as many parts as pages are needed."""
    rows = [row for block in table.blocks for row in block]

    def width(index: int) -> float:
        column = table.columns[index]
        texts = [
            part
            for row in rows
            for part in (broken(row[index].text, look.name) if index < names else [row[index].text])
        ]
        star = look.star if _starred(table, index) else 0
        return star + 2 * look.gap + look.digit * max(map(_digits, [*texts, *_heading(column, look)]))

    notes = sum(math.ceil(len(note) / _NOTES[0]) for note in table.notes) * _NOTES[1]
    heights = [look.line * max(len(broken(cell.text, look.name)) for cell in row[:names]) for row in rows]
    heading = look.line * max(len(_heading(column, look)) for column in table.columns)
    widths = [width(index) for index in range(len(table.columns))]
    return (
        _split(list(range(len(rows))), heights, max(_HEIGHT - notes - heading, _HEIGHT / 3)),
        _split(list(range(names, len(widths))), widths[names:], max(_WIDTH - sum(widths[:names]), _WIDTH / 3)),
    )


def _split(items: Sequence[int], sizes: Sequence[float], room: float) -> list[list[int]]:
    """Split items in order into as few parts as fit ``room``, all of about the same size."""

    def parts(room: float) -> list[list[int]]:
        result: list[list[int]] = [[]]
        used = 0.0
        for item, size in zip(items, sizes, strict=True):
            if result[-1] and used + size > room:
                result.append([])
                used = 0.0
            result[-1].append(item)
            used += size
        return result

    fewest = len(parts(room))
    even = sum(sizes) / fewest
    while even < room and len(parts(even)) > fewest:
        even *= 1.02
    return parts(min(even, room))


def _digits(text: str, bold: bool = False) -> float:
    """Return the width of a text in digits of Computer Modern, with characters in classes of similar width."""
    return sum(next((width for chars, width in _WIDTHS if char in chars), 1.0) for char in text) * (1.15 if bold else 1)


_WIDTHS = (
    ("MW%Δm", 1.7),
    ("+−=<>±×ABCDEFGHKLNOPQRTUVXYZw", 1.5),
    (" ()tfrsc", 0.8),
    (".,:;[]ijl", 0.57),
)


def _escape(text: str) -> str:
    escaped = "".join(_ESCAPED.get(char, char) for char in text)
    # LaTeX would read a leading bracket or star as an argument of the preceding row's line break.
    return f"{{{escaped[0]}}}{escaped[1:]}" if escaped[:1] in {"[", "*"} else escaped
