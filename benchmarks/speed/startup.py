"""Start-up time of the command, in a new process each time."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from bench import Line, Page, finish, in_turn, options

from sgz_bench.core.images import write_image
from sgz_bench.enhancer.runtime.choice import sample_image


def main() -> None:
    """Time several commands."""
    chosen = options(__doc__).parse_args()
    page = Page("Start-up")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_image(folder / "a.jpg", sample_image(240, 320))
        enhance = ["enhance", str(folder / "a.jpg"), "--out", str(folder / "out"), "--force", "--enhancer"]
        commands = {
            "--help": ["--help"],
            "--version": ["--version"],
            "detect --help": ["detect", "--help"],
            "list enhancers": ["list", "enhancers"],
            "enhance one image by gamma": [*enhance, "gamma"],
            "enhance one image by sgz": [*enhance, "sgz"],
        }
        ways = [partial(_run, ["-m", "sgz_bench", *words]) for words in commands.values()]
        times = in_turn(*ways, partial(_run, ["-c", "import torch"]), seconds=1, least=3 if chosen.quick else 7)
        torch = times.pop()
        for name, seconds in zip(commands, times, strict=True):
            page.add(Line(f"sgz-bench {name}", "`import torch` alone", torch, seconds))
    verdict = "met" if times[0] < 0.3 else "MISSED"
    page.note(f"`--help` takes {1000 * times[0]:.0f} ms (goal: below 300, {verdict}).")
    finish(page, chosen)


def _run(words: list[str]) -> None:
    subprocess.run([sys.executable, *words], check=True, capture_output=True)


if __name__ == "__main__":
    main()
