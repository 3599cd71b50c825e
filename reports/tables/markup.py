"""Tables as Markdown, HTML and terminal text."""

from __future__ import annotations

import re
from html import escape
from typing import Literal

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from ..labels import broken
from ..numbers import exact
from .table import Column, Table, TableCell


def markdown(table: Table) -> str:
    """Return caption, table and notes as GitHub-flavoured Markdown."""

    def line(cells: list[str]) -> str:
        return "| " + " | ".join(cells) + " |"

    def text(cell: TableCell) -> str:
        escaped = _escape_markdown(cell.text)
        return (f"**{escaped}**" if cell.bold else escaped) + (r"\*" if cell.mark else "")

    lines = [_escape_markdown(table.caption), ""]
    lines.append(line([_escape_markdown(" ".join(column.heading)) for column in table.columns]))
    lines.append(line([":--" if column.kind == "label" else "--:" for column in table.columns]))
    lines += [line([text(cell) for cell in row]) for block in table.blocks for row in block]
    lines += ["", "  \n".join(_escape_markdown(note) for note in table.notes)]
    return "\n".join(lines) + "\n"


def html(table: Table) -> str:
    """Return a ``<figure class="table" data-table="comparison">``, well-formed as XML too.

    The table is in a ``<div class="scroll">``, its notes are in a ``<div class="notes">``. Cells have the class of
    their column's kind (``label``, ``number``, ``difference``), the best ones also ``best``. Numbers are in
    ``data-sort`` with all digits. Labels are row headings.
    """

    def body(row: tuple[TableCell, ...]) -> str:
        return f"<tr>{''.join(one(*pair) for pair in zip(row, table.columns, strict=True))}</tr>"

    def one(cell: TableCell, column: Column) -> str:
        if column.kind == "label":
            return f'<th scope="row" class="label">{_breakable(cell.text)}</th>'
        text = f"<strong>{escape(cell.text)}</strong>" if cell.bold else escape(cell.text)
        text += '<span class="star" title="significant; see the notes">*</span>' if cell.mark else ""
        sort = "" if cell.value is None else f' data-sort="{exact(cell.value)}"'
        return f'<td class="{column.kind}{" best" if cell.bold else ""}"{sort}>{text}</td>'

    headings = "".join(
        f'<th scope="col" class="{column.kind}">{escape(" ".join(column.heading))}</th>' for column in table.columns
    )
    return "\n".join(
        [
            f'<figure class="table" data-table="{escape(table.name)}">',
            f'<div class="scroll" tabindex="0" role="group" aria-label="{escape(table.caption)}">',
            "<table>",
            f"<caption>{escape(table.caption)}</caption>",
            f"<thead><tr>{headings}</tr></thead>",
            *("\n".join(["<tbody>", *map(body, block), "</tbody>"]) for block in table.blocks),
            "</table>",
            "</div>",
            '<div class="notes">',
            *(f"<p>{_breakable(note)}</p>" for note in table.notes),
            "</div>",
            "</figure>",
            "",
        ]
    )


def _breakable(text: str) -> str:
    """Escape text; allow line breaks where :func:`..labels.broken` breaks first."""
    return re.sub(r"([,(])(?! )", r"\1<wbr/>", escape(text))


def print_table(table: Table, console: Console) -> None:
    """Print a table; if it is too wide, break labels after commas, then put ± and intervals under their values.

    Lines overflow a console that is still too narrow; no digit is cut off.
    """
    unbounded = console.options.update(max_width=10_000)
    for label_width, stacked, gap in _VIEWS:
        view = _view(table, label_width, stacked, gap)
        natural = console.measure(view, options=unbounded).maximum
        if natural <= console.width:
            break
    view.width = natural
    console.print(Text(table.caption, style="bold"))
    console.print(view, crop=False)
    for note in table.notes:
        console.print(Text(note, style="dim"))


# (characters of a label in one line, ± and intervals under their value, blanks between columns), widest first
_VIEWS = ((1000, False, 2), (28, False, 2), (22, False, 2), (28, True, 2), (22, True, 2), (22, True, 1), (14, True, 1))


def _view(table: Table, label_width: int, stacked: bool, gap: int) -> RichTable:
    view = RichTable(box=SIMPLE_HEAD, padding=(0, 0, 0, gap - 1), pad_edge=False, show_edge=False)

    def text(cell: TableCell, column: Column, starred: bool) -> Text:
        if column.kind == "label":
            first, *rest = broken(cell.text, label_width)
            return Text("\n".join([first, *(f" {line}" for line in rest)]))
        # A blank instead of the star keeps the numbers of a column aligned.
        star = ("*" if cell.mark else " ") if starred else ""
        content = cell.text.replace(" [", f"{star}\n[").replace(" ±", "\n±") if stacked else cell.text
        if stacked and "\n" in content:
            content, star = content + " " * starred, ""
        return Text(content, style="bold" if cell.bold else "").append(star)

    rows = [row for block in table.blocks for row in block]
    starred = [any(row[column].mark for row in rows) for column in range(len(table.columns))]
    for column, star in zip(table.columns, starred, strict=True):
        whole = column.kind == "label" or (column.kind == "difference" and not stacked)
        lines = [part for line in column.heading for part in ([line] if whole else _words(line))]
        blank = " " if star and column.kind != "label" else ""
        side: Literal["left", "right"] = "left" if column.kind == "label" else "right"
        view.add_column(Text("\n".join(line + blank for line in lines)), justify=side, vertical="top", no_wrap=True)
    for block in table.blocks:
        for number, row in enumerate(block, start=1):
            view.add_row(*map(text, row, table.columns, starred), end_section=number == len(block))
    return view


def _words(heading: str) -> list[str]:
    """Break a heading at its blanks outside brackets, and a long name after its commas."""
    first, bracket, rest = heading.partition(" [")
    words = [part for word in first.split() for part in broken(word, 14)]
    return [*words, f"[{rest}"] if bracket else words


def _escape_markdown(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>|#~])", r"\\\1", text)
