"""The command line as a whole: Ctrl-C at any time, and help that fits into any terminal."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from sgz_bench.__main__ import app

INTERRUPTED = """
import sys
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupting())
sys.argv = ["sgz-bench", "list", "enhancers"]
from sgz_bench.__main__ import main
main()
"""


@pytest.mark.parametrize("name", ["typer", "sgz_bench.tasks.catalog"])
def test_ctrl_c_during_an_import_is_one_line(name: str) -> None:
    command = [sys.executable, "-c", INTERRUPTED.format(name=name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr, done.stdout) == (130, "interrupted\n", "")


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the words of every command and group."""
    yield path
    for name, each in getattr(command, "commands", {}).items():
        yield from commands(each, (*path, name))


@pytest.mark.parametrize("columns", ["60", "80"])
def test_help_is_cut_in_no_terminal(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from typer import rich_utils

    monkeypatch.setattr(rich_utils, "MAX_WIDTH", int(columns))
    monkeypatch.setenv("COLUMNS", columns)
    for words in commands(typer.main.get_command(app)):
        result = CliRunner().invoke(app, [*words, "--help"])
        assert result.exit_code == 0
        assert "…" not in result.output, words


def test_report_by_names_every_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    said = " ".join(CliRunner().invoke(app, ["report", "--help"]).output.split())
    assert "class, an attribute of the images such as lighting, or of detection operating_point, thresholds" in said
    assert "thresholds, errors, error_counts or objects" in said
