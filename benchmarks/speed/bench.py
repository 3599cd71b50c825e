"""Harness of the speed scripts: alternate timing of two implementations, their ratio, and the table.

``python benchmarks/speed/bench.py`` (``make bench``) runs every script in its own process and writes their tables to
``docs/speed.md``. Each script also runs alone and prints its results.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "speed.md"
SCRIPTS = ("enhancer", "pipeline", "grid", "evaluation", "bootstrap", "confusion", "startup", "memory", "cluster",
           "study")  # fmt: skip
FURTHER = {"memory": ["--figure", str(PAGE.parent / "images" / "memory.svg")]}
_WARM = 0.05  # seconds
PACKAGES = ("torch", "onnxruntime", "openvino", "numba", "numpy", "opencv-python", "pillow", "pycocotools",
            "faster-coco-eval", "torchmetrics", "ultralytics", "ray")  # fmt: skip


@dataclass
class Line:
    """One comparison: times of ours and of the baseline, and the difference of their outputs."""

    what: str
    rival: str
    theirs: float  # seconds, median
    ours: float
    same: str = ""  # agreement of the two outputs
    goal: float | None = None  # wanted ratio

    @property
    def ratio(self) -> float:
        """Speed-up of ours over the baseline."""
        return self.theirs / self.ours


@dataclass
class Page:
    """Results of one script."""

    title: str
    lines: list[Line] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # paragraphs or Markdown tables below the lines
    machine: str = ""  # description of the machine it was measured on

    def add(self, line: Line) -> None:
        """Add a line and print it at once, because the next may take minutes."""
        self.lines.append(line)
        goal = f"  (goal {line.goal:g})" if line.goal else ""
        print(f"{line.what}: {_time(line.ours)} against {_time(line.theirs)} of {line.rival}: "
              f"{line.ratio:.1f}×{goal}  {line.same}", flush=True)  # fmt: skip

    def note(self, text: str) -> None:
        """Add a paragraph and print it."""
        self.notes.append(text)
        print(text, flush=True)

    def markdown(self) -> str:
        """Return the section of ``docs/speed.md``."""
        head = (
            "| what | baseline | baseline time | our time | speed-up | goal | same output? |\n"
            "|---|---|--:|--:|--:|--:|---|"
        )
        rows = [
            f"| {line.what} | {line.rival} | {_time(line.theirs)} | {_time(line.ours)} | **{line.ratio:.1f}×** | "
            f"{f'{line.goal:g}×' + ('' if line.ratio >= line.goal else ' ✗') if line.goal else ''} | {line.same} |"
            for line in self.lines
        ]
        parts = [f"## {self.title}", *(["\n".join([head, *rows])] if rows else []), *self.notes]
        return "\n\n".join(parts) + "\n"


def options(doc: str | None) -> argparse.ArgumentParser:
    """Create a parser with the options of all scripts."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="threads of both implementations")
    parser.add_argument("--quick", action="store_true", help="use small sizes, to check that the script works")
    parser.add_argument("--json", type=Path, help="also write the page to this file")
    return parser


def finish(page: Page, chosen: argparse.Namespace) -> None:
    """Write the page to the file of ``--json``, if given."""
    if chosen.json:
        page.machine = machine()
        chosen.json.write_text(json.dumps(asdict(page)), encoding="utf-8")


def in_turn(*ways: Callable[[], Any], seconds: float = 3.0, least: int = 3) -> list[float]:
    """Return the median seconds of each call; calls alternate, so that other load on the machine affects all of them.

    Before each timed call is a pause, in which the threads of the previous call stop spinning, and then 50 ms of
    untimed calls (none for calls of more than 300 ms): cores are slow to wake, and caches hold the other call's data.

    Args:
        ways: callables; each runs once or twice to warm up, then as often as ``seconds`` allows.
        seconds: approximate time per callable.
        least: minimum number of timed calls per callable.
    """
    taken: list[list[float]] = [[] for _ in ways]
    warm = []
    for way in ways:
        for _ in range(2):
            start = time.perf_counter()
            way()
            once = time.perf_counter() - start
            if once > 1:  # set-up time is negligible here
                break
        warm.append(once)
    rounds = max(least, min(50, int(seconds * len(ways) / sum(warm))))
    for _ in range(rounds):
        for way, times, once in zip(ways, taken, warm, strict=True):
            time.sleep(0.03)
            warmed = time.perf_counter() + _WARM
            while once < 0.3 and time.perf_counter() < warmed:
                way()
            start = time.perf_counter()
            way()
            times.append(time.perf_counter() - start)
    return [statistics.median(times) for times in taken]


def machine() -> str:
    """Return the processor, its cores, and the versions of the measured packages."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line]
        flags = next((line for line in info.read_text().splitlines() if line.startswith("flags")), "")
        kinds = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if f" {name}" in flags]
        model = f"{names[0] if names else model} ({', '.join(kinds)})"
    versions = []
    for name in PACKAGES:
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}, {', '.join(versions)}"


def _time(seconds: float) -> str:
    for unit, factor in (("s", 1.0), ("ms", 1e3)):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}" if seconds * factor < 1000 else f"{seconds * factor:.0f} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def main() -> None:
    """Run every script and write the page."""
    parser = options(__doc__)
    parser.add_argument(
        "--only",
        nargs="*",
        choices=SCRIPTS,
        help="run only these scripts; the page keeps earlier results of the others",
    )
    parser.add_argument(
        "--upstream", type=Path, help="folder with upstream's code, for the scripts that compare with it"
    )
    parser.add_argument(
        "--grid", default="", help="further options of the grid script, such as '--root DIR --weights FILE.pt'"
    )
    chosen = parser.parse_args()
    if chosen.quick:
        with tempfile.TemporaryDirectory() as scratch:
            _run(chosen, Path(scratch))
        return
    pages = HERE / "pages"
    pages.mkdir(exist_ok=True)
    _run(chosen, pages)
    missing = [name for name in SCRIPTS if not (pages / f"{name}.json").is_file()]
    if missing:
        print(f"{PAGE} is unchanged: not measured yet: {', '.join(missing)}")
        return
    PAGE.write_text(_page([_read(pages / f"{name}.json") for name in SCRIPTS]), encoding="utf-8")
    print(f"written: {PAGE}")


def _run(chosen: argparse.Namespace, pages: Path) -> None:
    """Run the scripts; each writes its page into a folder."""
    failed = []
    for name in chosen.only or SCRIPTS:
        command = [sys.executable, str(HERE / f"{name}.py"), "--json", str(pages / f"{name}.json")]
        command += ["--threads", str(chosen.threads), *(["--quick"] if chosen.quick else [])]
        command += FURTHER.get(name, []) if not chosen.quick else []
        command += shlex.split(chosen.grid) if name == "grid" else []
        if chosen.upstream and name in {"enhancer", "pipeline"}:
            command += ["--upstream", str(chosen.upstream)]
        print(f"== {name}", flush=True)
        if subprocess.run(command, check=False).returncode:
            failed.append(name)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}; {PAGE} is unchanged")


def _read(path: Path) -> Page:
    content = json.loads(path.read_text(encoding="utf-8"))
    return Page(**content | {"lines": [Line(**line) for line in content["lines"]]})


def _page(pages: list[Page]) -> str:
    head = (
        "# Speed\n\nSpeed and memory of sgz-bench against named baselines, written by `make bench`. Each ratio compares"
        " the medians of two implementations, timed alternately in one process; ✗ marks a missed goal.\n"
    )
    parts, before = [head], ""
    for page in pages:
        if page.machine != before:
            parts.append(f"Machine: {page.machine}.\n")
        parts.append(page.markdown())
        before = page.machine
    return "\n".join(parts)


if __name__ == "__main__":
    main()
