"""What the project promises about itself: packages, imports, start-up, quiet."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("enhancer", "tasks", "benchmarks", "reports", "sgz_bench", "configs")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


SCRIPTS = {ROOT / "benchmarks" / name for name in ("speed", "shipped_weights")}  # run as files, not packaged


def modules(room: str) -> list[Path]:
    return sorted(path for path in (ROOT / room).rglob("*.py") if path.parent not in SCRIPTS)


def test_pyproject_lists_every_package_of_the_tree() -> None:
    found = set()
    for room in ROOMS:
        for init in (ROOT / room).rglob("__init__.py"):
            dotted = ".".join(init.parent.relative_to(ROOT).parts)
            found.add(dotted if room == "sgz_bench" else f"sgz_bench.{dotted}")
    assert set(PYPROJECT["tool"]["setuptools"]["packages"]) == found


def test_every_folder_with_modules_is_a_package() -> None:
    for room in ROOMS:
        for module in modules(room):
            assert (module.parent / "__init__.py").exists(), module


def test_nothing_imports_a_folder_by_its_name_on_disk() -> None:
    names = "|".join(("core", "cli", *(room for room in ROOMS if room != "sgz_bench")))
    for path in (*(m for room in ROOMS for m in modules(room)), *(ROOT / "tests").rglob("*.py")):
        for line in path.read_text(encoding="utf-8").splitlines():
            assert not re.match(rf"\s*(from|import) ({names})\b", line), f"{path}: {line}"


def test_ultralytics_is_imported_in_one_module_only() -> None:
    users = {
        path.name
        for room in ROOMS
        for path in modules(room)
        if re.search(r"^\s*(from|import) ultralytics\b", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert users == {"ultralytics.py"}


@pytest.mark.parametrize("statement", ["import sgz_bench", "import sgz_bench.__main__"])
def test_start_up_loads_nothing_heavy(statement: str) -> None:
    heavy = "torch numpy pandas matplotlib cv2 ultralytics pycocotools onnxruntime PIL pydantic yaml"
    code = f"{statement}\nimport sys\nprint([name for name in '{heavy}'.split() if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_subcommand_explains_itself_with_its_defaults() -> None:
    from typer.testing import CliRunner

    from sgz_bench.__main__ import app

    alone = ("enhance", "detect", "segment", "score", "submission", "compare", "report", "list", "doctor")
    for command in (*alone, "data check", "data convert"):
        result = CliRunner().invoke(app, [*command.split(), "--help"], env={"COLUMNS": "160"})
        assert result.exit_code == 0, command
        assert "Usage" in result.output
    detect = CliRunner().invoke(app, ["detect", "--help"], env={"COLUMNS": "160", "NO_COLOR": "1"}).output
    assert "default: auto" in detect
    assert "default: nightscene" in detect
    assert "raw,gamma,clahe" in detect
