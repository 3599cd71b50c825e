"""Bars in a terminal: one per study, one line per worker below, and events above."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import TYPE_CHECKING

from sgz_bench.core.errors import printable

from .pace import duration_text, rate_text
from .views import Snapshot, View

if TYPE_CHECKING:
    from rich.console import Group
    from rich.text import Text

State = Callable[[], tuple[Sequence[Snapshot], Mapping[str, str]]]  # all bars; name of each worker → current work


def draws_bars() -> bool:
    """Return True if stderr is a terminal that can move its cursor."""
    from rich.console import Console

    console = Console(stderr=True)
    return console.is_terminal and not console.is_dumb_terminal


class Bars(View):
    """Bars on stderr, redrawn four times a second; they vanish in the end.

    Args:
        state: returns what to draw. It is called while rich holds a lock, so no caller of rich may hold one that
            ``state`` takes.
    """

    def __init__(self, state: State) -> None:
        from rich.console import Console
        from rich.live import Live

        self._console = Console(stderr=True, highlight=False)
        self._state = state
        self._saying = Lock()
        self._closed = False
        # Lines for a file or a pipe stay on stdout; others are printed above the bars.
        self._live = Live(
            console=self._console,
            transient=True,
            redirect_stdout=sys.stdout.isatty(),
            get_renderable=self._draw,
        )
        self._live.start()

    def say(self, line: str) -> None:
        with self._saying:
            if not self._closed:
                self._console.print(printable(line), markup=False, soft_wrap=True)

    def close(self) -> None:
        with self._saying:
            self._closed = True
            self._live.stop()

    def _draw(self) -> Group:
        """Draw all that fits into the terminal: unfinished bars first, then finished ones, then workers."""
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        bars, workers = self._state()
        room = max(self._console.height - 2, 3)
        shown = sorted(bars, key=lambda bar: bar.finished)[: room - 1 if workers else room]
        names = list(workers)[: room - len(shown)]
        table = Table.grid(padding=(0, 1))
        for _ in range(4):
            table.add_column(no_wrap=True)
        for bar in (bar for bar in bars if bar in shown):
            table.add_row(
                Text(printable(bar.study), overflow="ellipsis"),
                ProgressBar(bar.total, bar.done, width=max(10, min(40, self._console.width // 4)), pulse=not bar.total),
                Text(f"{bar.done}/{'?' if bar.total is None else bar.total}", "progress.download", justify="right"),
                _facts(bar),
            )
        lines = [Text(printable(f"  {name}: {workers[name]}"), "dim", no_wrap=True) for name in names]
        left = {"bars": len(bars) - len(shown), "workers": len(workers) - len(names)}
        hidden = " and ".join(f"{number} more {kind}" for kind, number in left.items() if number)
        return Group(table, *lines, *([Text(f"  … {hidden}", "dim")] if hidden else []))


def _facts(bar: Snapshot) -> Text:
    from rich.text import Text

    left = bar.seconds_left
    rate = bar.label or rate_text(bar.mean if bar.finished else bar.rate, bar.unit)
    parts = [rate, f"{duration_text(left)} left" if left else ""]
    facts = Text("  ".join(part for part in parts if part), overflow="ellipsis")
    if bar.failed:
        facts.append(f"  {bar.failed} failed", "red")
    return facts
