"""The speed scripts run, compare answers, and say when a goal is missed."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from itertools import groupby
from pathlib import Path
from types import ModuleType

import pytest

SCRIPTS = Path(__file__).parents[2] / "benchmarks" / "speed"


@pytest.fixture
def bench() -> ModuleType:
    spec = spec_from_file_location("bench", SCRIPTS / "bench.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules["bench"] = module  # dataclasses look it up
    spec.loader.exec_module(module)
    return module


def test_every_script_that_make_bench_runs_is_there(bench: ModuleType) -> None:
    assert all((SCRIPTS / f"{name}.py").is_file() for name in bench.SCRIPTS)


def test_a_line_says_whether_its_goal_was_met(bench: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    page = bench.Page("Sums")
    page.add(bench.Line("a sum", "a slow sum", theirs=0.9, ours=0.1, same="yes", goal=8))
    page.add(bench.Line("a product", "a slow product", theirs=0.9, ours=0.3, same="yes", goal=8))
    table = page.markdown().splitlines()
    assert table[4] == "| a sum | a slow sum | 900 ms | 100 ms | **9.0×** | 8× | yes |"
    assert table[5] == "| a product | a slow product | 900 ms | 300 ms | **3.0×** | 8× ✗ | yes |"
    assert "9.0×  (goal 8)" in capsys.readouterr().out


def test_ways_take_turns(bench: ModuleType) -> None:
    calls: list[str] = []
    bench.in_turn(lambda: calls.append("a"), lambda: calls.append("b"), seconds=0, least=3)
    turns = [(way, len(list(run))) for way, run in groupby(calls)]
    assert "".join(way for way, _ in turns) == "abababab"  # once to see how long it takes, then three times
    assert all(times > 1 for _, times in turns)  # the last one is measured, those before warm up


def speed(bench: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *words: str, of: str = "here") -> str:
    """Run ``bench.py`` with scripts that measure nothing; the page afterwards."""
    for name in ("one", "two"):
        content = {
            "title": f"Part {name}",
            "lines": [],
            "notes": ["quick" if "--quick" in words else "long"],
            "machine": of,
        }
        code = "import pathlib, sys\nfile = sys.argv[sys.argv.index('--json') + 1]\n"
        code += f"pathlib.Path(file).write_text({json.dumps(content)!r})"
        (tmp_path / f"{name}.py").write_text(code)
    for name, value in {"HERE": tmp_path, "SCRIPTS": ("one", "two"), "PAGE": tmp_path / "speed.md"}.items():
        monkeypatch.setattr(bench, name, value)
    if not bench.PAGE.exists():
        bench.PAGE.write_text("as it was")
    monkeypatch.setattr(sys, "argv", ["bench.py", *words])
    bench.main()
    return str(bench.PAGE.read_text())


def test_the_page_is_written_of_all_scripts_or_not_at_all(
    bench: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert speed(bench, tmp_path, monkeypatch, "--only", "one") == "as it was"
    assert speed(bench, tmp_path, monkeypatch, "--quick") == "as it was"
    page = speed(bench, tmp_path, monkeypatch)
    assert "## Part one\n\nlong\n" in page
    assert "## Part two\n\nlong\n" in page
    assert page.count("Machine: here.") == 1
    page = speed(bench, tmp_path, monkeypatch, "--only", "two", of="another")
    assert page.index("Machine: here.") < page.index("Part one") < page.index("Machine: another.")


def test_a_script_that_fails_leaves_the_page_as_it_was(
    bench: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = speed(bench, tmp_path, monkeypatch)
    (tmp_path / "one.py").write_text("raise SystemExit(3)")
    with pytest.raises(SystemExit, match="failed: one"):
        bench.main()
    assert bench.PAGE.read_text() == before


def test_a_script_compares_the_answers(tmp_path: Path) -> None:
    pytest.importorskip("torchmetrics")
    command = [sys.executable, "confusion.py", "--quick", "--threads", "1", "--json", str(tmp_path / "page.json")]
    subprocess.run(command, check=True, cwd=SCRIPTS, capture_output=True)
    lines = json.loads((tmp_path / "page.json").read_text(encoding="utf-8"))["lines"]
    assert [line["rival"] for line in lines] == ["torch.bincount", "torchmetrics", "OpenCV calcHist"]
    assert {line["same"] for line in lines} == {"yes"}
