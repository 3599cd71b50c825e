"""The template in ``docs``: installed as its user would, it is listed, enhances, loads and measures."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sgz_bench.core.images import read_image, write_image

TEMPLATE = Path(__file__).parents[2] / "docs" / "plugin-template"
SMALL = ("--replicates", "100", "--permutations", "100", "--device", "cpu")

Command = Callable[..., str]


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """``command("list", "enhancers")`` runs sgz-bench where the plugin is installed and returns what it prints."""
    folder = tmp_path_factory.mktemp("plugin")
    source, target = folder / "source", folder / "installed"
    shutil.copytree(TEMPLATE, source, ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
    offline = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    subprocess.run([sys.executable, "-m", "pip", "install", *offline, "--target", target, source], check=True)
    path = os.pathsep.join([str(target), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"PYTHONPATH": path, "SGZ_BENCH_CACHE": str(folder / "cache"), "COLUMNS": "200"}

    def run(*arguments: object) -> str:
        line = [sys.executable, "-m", "sgz_bench", *map(str, arguments)]
        done = subprocess.run(line, capture_output=True, text=True, check=False, env=environment, cwd=folder)
        assert done.returncode == 0, done.stderr
        assert "warning" not in done.stderr
        return done.stdout

    return run


@pytest.mark.parametrize(
    ("kind", "name"),
    [("enhancers", "my-lift(mean=0.4)"), ("metrics", "my-found(conf=0.25,iou=0.5)"), ("datasets", "my-csv")],
)
def test_a_list_shows_it(command: Command, kind: str, name: str) -> None:
    assert name in command("list", kind)


def test_it_enhances(command: Command, tmp_path: Path) -> None:
    write_image(tmp_path / "dark.png", np.full((4, 6, 3), 51, np.uint8))
    command("enhance", tmp_path / "dark.png", "--enhancer", "my-lift(mean=0.5)", "--out", tmp_path / "out")
    assert read_image(tmp_path / "out" / "dark.png").tolist() == np.full((4, 6, 3), 128).tolist()


@pytest.mark.slow
def test_its_metric_is_a_column_of_a_run_on_nightscene(command: Command, tmp_path: Path) -> None:
    choice = ("--enhancers", "raw,my-lift", "--metric", "my-found(iou=0.3)", "--out", tmp_path / "run")
    shown = command("detect", "--dataset", "nightscene(frames=3)", *choice, *SMALL)
    assert "share of labelled boxes that any detection" in shown
    rows = [json.loads(line) for line in (tmp_path / "run" / "results.jsonl").read_text().splitlines()]
    assert [row["enhancer"] for row in rows] == ["bright", "raw", "my-lift(mean=0.4)"]
    bright, raw, _ = (row["metrics"]["my-found(conf=0.25,iou=0.3)"] for row in rows)
    assert 0 <= raw < bright <= 1
    delta = rows[0]["delta"]["my-found(conf=0.25,iou=0.3)"]
    assert delta["value"] == pytest.approx(bright - raw)
    assert delta["low"] <= delta["value"] <= delta["high"]


def test_its_data_set_is_read_with_its_boxes(command: Command, tmp_path: Path) -> None:
    for place in range(3):
        write_image(tmp_path / f"{place}.png", np.full((40, 60, 3), 90, np.uint8))
    lines = [
        "file,class,left,top,right,bottom",
        *(f"{place}.png,Car,5,5,30,20" for place in range(3)),
        "2.png,Dog,1,1,9,9",
    ]
    (tmp_path / "test.csv").write_text("\n".join(lines))
    assert "my-csv, split test: 3 images, 4 boxes" in command(
        "data", "check", "--dataset", "my-csv", "--root", tmp_path
    )
