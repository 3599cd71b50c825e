"""Tables as Markdown, LaTeX and terminal text."""

from __future__ import annotations

import re

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from .labels import broken
from .tables import Cell, Column, Table

_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "−": "$-$",
    "–": "--",
    "<": "$<$",
    ">": "$>$",
    "Δ": r"$\Delta$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
} | {char: f"\\{char}" for char in "&%$#_"}


def markdown(table: Table) -> str:
    """GitHub-flavoured Markdown: caption, table, notes."""

    def line(cells: list[str]) -> str:
        return "| " + " | ".join(cells) + " |"

    def text(cell: Cell) -> str:
        escaped = _escape_markdown(cell.text)
        return (f"**{escaped}**" if cell.bold else escaped) + (r"\*" if cell.mark else "")

    lines = [_escape_markdown(table.caption), ""]
    lines.append(line([_escape_markdown(" ".join(column.heading)) for column in table.columns]))
    lines.append(line([":--" if column.kind == "label" else "--:" for column in table.columns]))
    lines += [line([text(cell) for cell in row]) for block in table.blocks for row in block]
    lines += ["", "  \n".join(_escape_markdown(note) for note in table.notes)]
    return "\n".join(lines) + "\n"


def latex(table: Table) -> str:
    r"""A ``table*`` that needs ``\usepackage{booktabs}`` and nothing else."""

    def text(cell: Cell, column: Column) -> str:
        escaped = _escape_latex(cell.text)
        bold = rf"\textbf{{{escaped}}}" if cell.bold else escaped
        # The star hangs over, so that numbers stay aligned with and without it.
        return bold + (r"\rlap{$^{*}$}" if cell.mark and column.kind != "label" else "")

    def heading(column: Column) -> str:
        lines = [_escape_latex(part) for line in column.heading for part in broken(line, 18)]
        side = "l" if column.kind == "label" else "r"
        return lines[0] if len(lines) == 1 else rf"\shortstack[{side}]{{" + r"\\".join(lines) + "}"

    sides = "".join("l" if column.kind == "label" else "r" for column in table.columns)
    size = r"\scriptsize" if sum(map(len, table.blocks)) > 40 else r"\small"
    blocks = [
        "\n".join(
            "    " + " & ".join(text(*pair) for pair in zip(row, table.columns, strict=True)) + r" \\" for row in block
        )
        for block in table.blocks
    ]
    return "\n".join(
        [
            r"% needs \usepackage{booktabs}",
            r"\begin{table*}",
            rf"  \centering{size}\setlength{{\tabcolsep}}{{4pt}}",
            rf"  \caption{{{_escape_latex(table.caption)}}}",
            rf"  \label{{tab:{table.name.replace('_', '-')}}}",
            rf"  \begin{{tabular}}{{{sides}}}",
            r"    \toprule",
            "    " + " & ".join(heading(column) for column in table.columns) + r" \\",
            r"    \midrule",
            "\n    \\midrule\n".join(blocks),
            r"    \bottomrule",
            r"  \end{tabular}",
            r"  \par\smallskip\begin{minipage}{\textwidth}\footnotesize",
            "    " + "\n    ".join(_escape_latex(note) for note in table.notes),
            r"  \end{minipage}",
            r"\end{table*}",
            "",
        ]
    )


def print_table(table: Table, console: Console) -> None:
    """Print a table; where it is too wide, names break after commas, then intervals go under their value."""
    views = [_view(table, label_width=width, stacked=stacked) for width, stacked in _VIEWS]
    unbounded = console.options.update(max_width=10_000)
    fitting = [view for view in views if console.measure(view, options=unbounded).maximum <= console.width]
    console.print((fitting or views[-1:])[0])
    for note in table.notes:
        console.print(Text(note, style="dim"), soft_wrap=False)


_VIEWS = ((1000, False), (28, False), (22, False), (28, True), (20, True), (14, True))


def _view(table: Table, *, label_width: int, stacked: bool) -> RichTable:
    view = RichTable(box=box.SIMPLE_HEAD, padding=(0, 0, 0, 1), pad_edge=False, show_edge=False, title_justify="left")
    view.title = Text(table.caption, style="bold")

    def text(cell: Cell, column: Column) -> Text:
        if column.kind == "label":
            first, *rest = broken(cell.text, label_width)
            return Text("\n".join([first, *(f" {line}" for line in rest)]))
        # The blank in the star's place keeps numbers of a column aligned.
        content = cell.text.replace(" [", "\n[") if stacked else cell.text
        return Text(content, style="bold" if cell.bold else "").append("*" if cell.mark else " ")

    for column in table.columns:
        words = [word for line in column.heading for word in (line.split(" ", 1) if stacked else [line])]
        lines = words if column.kind == "difference" else [p for line in column.heading for p in broken(line, 14)]
        view.add_column(
            Text("\n".join(lines)), justify="left" if column.kind == "label" else "right", no_wrap=True, overflow="fold"
        )
    for block in table.blocks:
        for place, row in enumerate(block, start=1):
            cells = [text(*pair) for pair in zip(row, table.columns, strict=True)]
            view.add_row(*cells, end_section=place == len(block))
    return view


def _escape_markdown(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>|#~])", r"\\\1", text)


def _escape_latex(text: str) -> str:
    escaped = "".join(_LATEX.get(char, char) for char in text)
    # After the line break of the row before, a leading bracket or star would be read as its argument.
    return f"{{{escaped[0]}}}{escaped[1:]}" if escaped[:1] in {"[", "*"} else escaped
