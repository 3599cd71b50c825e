"""Grids of studies: what they expand to, what a dry run says, and that one failure stops nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from sgz_bench.__main__ import app
from sgz_bench.benchmarks.suite import load_suite, note_studies, shipped_suites
from sgz_bench.core.errors import UserError
from sgz_bench.core.specs import parse_spec
from sgz_bench.enhancer import list_enhancers
from sgz_bench.reports.suite import unfinished

MODEL = "ssdlite320_mobilenet_v3_large(weights=random,conf=0.01,max_det=20)"
SUITE = {
    "about": "a test",
    "variables": {"pictures": None},
    "settings": {
        "dataset": "yolo",
        "root": "{pictures}",
        "split": "val",
        "limit": 2,
        "model": MODEL,
        "enhancers": ["raw", "gamma"],
        "replicates": 100,
        "permutations": 100,
    },
    "matrix": {"darken": [None, "ev={ev}"], "ev": [2]},
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return written(tmp_path / "suite.yaml", SUITE)


def written(path: Path, content: object) -> Path:
    path.write_text(yaml.safe_dump(content))
    return path


def run(suite: Path, out: Path, *more: str) -> Result:
    arguments = ["run", str(suite), "--out", str(out), "--device", "cpu", *more]
    return CliRunner().invoke(app, arguments, catch_exceptions=False)


def test_every_combination_is_a_study_with_its_variables_put_in(file: Path) -> None:
    suite = load_suite(str(file), ["pictures=/data", "settings.limit=3"])
    studies = list(suite.studies().values())
    assert [study.darken for study in studies] == [None, "ev=2"]
    assert {(str(study.root), study.limit, study.enhancers) for study in studies} == {("/data", 3, ("raw", "gamma"))}


def test_a_dry_run_says_what_is_done_and_runs_nothing(file: Path, small_set: Path, tmp_path: Path) -> None:
    more = ("--set", f"pictures={small_set}")
    states = re.findall(r"(done|to do|missing) +(\S+)", run(file, tmp_path / "out", *more, "--dry-run").stdout)
    assert states == [("to do", "raw"), ("to do", "gamma")] * 2
    assert not (tmp_path / "out").exists()
    assert run(file, tmp_path / "out", *more).exit_code == 0
    content = SUITE | {"settings": SUITE["settings"] | {"enhancers": ["raw", "gamma", "clahe", "enlightengan"]}}  # type: ignore[operator]
    other = written(tmp_path / "more.yaml", content)
    states = re.findall(r"(done|to do|missing) +(\S+)", run(other, tmp_path / "out", *more, "--dry-run").stdout)
    assert states == [("done", "raw"), ("done", "gamma"), ("to do", "clahe"), ("missing", "enlightengan")] * 2


def test_a_dry_run_says_which_folders_hold_another_study(file: Path, small_set: Path, tmp_path: Path) -> None:
    more = ("--set", f"pictures={small_set}")
    assert run(file, tmp_path / "out", *more).exit_code == 0
    more += ("--set", "settings.engine=torch")
    said = run(file, tmp_path / "out", *more, "--dry-run").stdout
    assert (
        said.count("its folder holds another study (engine was auto fp32, now torch fp32); choose another --out") == 2
    )
    assert "done" not in said
    result = run(file, tmp_path / "out", *more)
    assert result.exit_code == 1
    assert result.stderr.strip().splitlines()[-1].startswith("failed: detection-yolo-val-ssdlite320")


def test_a_dry_run_says_which_studies_lack_their_model(small_set: Path, tmp_path: Path) -> None:
    matrix = {"model": [MODEL, "nowhere/yolov8n.pt"]}
    file = written(tmp_path / "suite.yaml", SUITE | {"matrix": matrix})
    lines = run(file, tmp_path / "out", "--set", f"pictures={small_set}", "--dry-run").stdout.splitlines()
    place = lines.index("detection-yolo-val-yolov8n")
    missing = [line.strip() for line in lines[place:] if "missing" in line]
    assert [line.partition(";")[0] for line in missing] == ["missing model: no model file at nowhere/yolov8n.pt"]
    assert not any("missing" in line for line in lines[:place])


def test_a_dry_run_says_where_model_and_data_do_not_fit(small_set: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "yolox.onnx"
    damaged.write_bytes(b"no model")
    (tmp_path / "map.yaml").write_text("nothing: person\n")
    matrix = {"case": [{"seed": 1}, {"seed": 2, "class_map": str(tmp_path / "map.yaml")}, {"seed": 3, "split": "tset"}]}
    file = written(tmp_path / "suite.yaml", SUITE | {"matrix": matrix})
    result = run(file, tmp_path / "out", "--set", f"pictures={small_set}", "--dry-run")
    assert result.exit_code == 1
    first, second, third = (part.splitlines() for part in result.stdout.split("detection-")[1:])
    assert [line.split()[:2] for line in first[1:]] == [["to", "do"]] * 2
    assert "classes or models do not fit: " in second[-1]
    assert "'nothing'" in second[-1]
    assert "missing data set: " in third[-1]
    assert "tset" in third[-1]
    matrix = {"model": [f"yolox:{damaged}"]}
    result = run(
        written(file, SUITE | {"matrix": matrix}), tmp_path / "out", "--set", f"pictures={small_set}", "--dry-run"
    )
    assert "missing model: " in result.stdout
    assert not (tmp_path / "out").exists()


def test_what_fails_is_named_and_stops_nothing_else(small_set: Path, tmp_path: Path) -> None:
    settings = SUITE["settings"] | {"enhancers": ["raw", "enlightengan", "clahe"]}  # type: ignore[operator]
    matrix = {"data": [{"root": "nowhere", "seed": 1}, {"seed": 2}]}
    file = written(tmp_path / "suite.yaml", SUITE | {"settings": settings, "matrix": matrix})
    result = run(file, tmp_path / "out", "--set", f"pictures={small_set}")
    assert result.exit_code == 1
    assert "nowhere" in result.stderr
    assert result.stderr.count("left out: enlightengan:") == 1
    done = sorted((tmp_path / "out").glob("*/results.jsonl"))
    assert [path.parent.name.endswith("seed=2") for path in done] == [True]
    rows = [json.loads(line) for line in done[0].read_text().splitlines()]
    assert [row["enhancer"] for row in rows] == ["raw", "clahe(clip=2,tiles=8)"]
    before = done[0].read_bytes()
    run(file, tmp_path / "out", "--set", f"pictures={small_set}")
    assert done[0].read_bytes() == before


def test_studies_of_earlier_calls_stay_known_in_the_order_in_which_they_were_first_asked_for(tmp_path: Path) -> None:
    for names in (["night", "dusk"], ["dawn", "dusk"]):
        note_studies(tmp_path, names)
    assert unfinished(tmp_path) == ["night", "dusk", "dawn"]
    (tmp_path / "dusk").mkdir()
    (tmp_path / "dusk" / "results.jsonl").touch()
    assert unfinished(tmp_path) == ["night", "dawn"]


def test_a_call_with_another_setting_adds_its_studies(file: Path, tmp_path: Path) -> None:
    for seed in (1, 3):
        run(file, tmp_path / "out", "--set", "pictures=nowhere", "--set", f"settings.seed={seed}")
    assert [name.rpartition("-")[2] for name in unfinished(tmp_path / "out")] == [
        "seed=1",
        "seed=1",
        "seed=3",
        "seed=3",
    ]


@pytest.mark.parametrize(
    ("change", "settings", "words"),
    [
        ({}, [], "needs --set pictures=…"),
        ({}, ["picures=x"], "no 'picures'; did you mean 'pictures'"),
        ({}, ["settings.limits=3"], "did you mean 'settings.limit'"),
        ({"matrics": {}}, ["pictures=x"], "matrics: there is no such setting"),
        ({"matrix": {}}, ["pictures=x"], "matrix"),
        ({"matrix": {"data": [{"spilt": "val"}]}}, ["pictures=x"], "spilt: there is no such setting"),
        ({"matrix": {"darken": ["ev={eve}"]}}, ["pictures=x"], "no variable 'eve'"),
        ({"matrix": {"ev": [1, 2]}}, ["pictures=x"], "two studies of the suite are called"),
    ],
)
def test_a_wrong_suite_says_what_is_wrong(
    tmp_path: Path, change: dict[str, object], settings: list[str], words: str
) -> None:
    file = written(tmp_path / "suite.yaml", SUITE | change)
    with pytest.raises(UserError, match=re.escape(words)):
        load_suite(str(file), settings).studies()


def test_what_is_no_suite_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"unknown suite 'papr'; did you mean 'paper'"):
        load_suite("papr")
    with pytest.raises(UserError, match="cannot be read"):
        load_suite(str(tmp_path / "none.yaml"))
    for text, words in (("a: [", "is not YAML"), ("- 3", "content")):
        (tmp_path / "bad.yaml").write_text(text)
        with pytest.raises(UserError, match=words):
            load_suite(str(tmp_path / "bad.yaml"))


@pytest.mark.parametrize("name", shipped_suites())
def test_every_shipped_suite_expands_and_names_enhancers_that_exist(name: str) -> None:
    variables = [f"{key}=somewhere" for key, value in load_suite(name).variables.items() if value is None]
    for study in load_suite(name, variables).studies().values():
        for spec in study.enhancers:
            assert parse_spec(spec).name in list_enhancers()
