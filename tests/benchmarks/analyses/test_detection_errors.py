"""``errors.json`` of a run: kinds of errors, and objects by size and brightness."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sgz_bench.benchmarks.analyses.detection_errors import LUMINANCES, RowErrors, read_errors, write_errors
from sgz_bench.benchmarks.config import StudyConfig
from sgz_bench.benchmarks.plan import Plan, make_plan
from sgz_bench.benchmarks.results import ResultRow, read_rows
from sgz_bench.benchmarks.run import run_plan
from sgz_bench.core.errors import UserError
from sgz_bench.tasks.detection.metrics.tide import find_errors


def plan() -> Plan:
    config = StudyConfig(
        dataset="nightscene(frames=6,ev=1)",
        model="nightscene-yolo",
        enhancers=("raw", "gamma"),
        replicates=200,
        permutations=100,
    )
    return make_plan(config, "cpu")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[ResultRow], dict[str, RowErrors]]:
    folder = tmp_path_factory.mktemp("errors") / "run"
    run_plan(plan(), folder, device="cpu")
    rows, errors = read_rows(folder), read_errors(folder)
    return folder, rows, {row.enhancer.partition("(")[0]: errors[row.key] for row in rows}


def test_counts_and_costs_are_those_of_the_predictions(
    run: tuple[Path, list[ResultRow], dict[str, RowErrors]],
) -> None:
    folder, rows, errors = run
    truth = json.loads((folder / "truth.json").read_text())
    for row in rows:
        predictions = json.loads((folder / "cells" / row.key / "predictions.json").read_text())
        everything = find_errors(truth, predictions)
        shown = find_errors(truth, [each for each in predictions if each["score"] >= 0.25])
        own = errors[row.enhancer.partition("(")[0]]
        assert everything.ap50() == pytest.approx(row.metrics["AP50"])
        assert {name: kind.cost for name, kind in own.kinds.items()} == everything.costs()
        assert [kind.count for kind in own.kinds.values()] == shown.counts().sum(axis=0).tolist()


def test_changes_are_differences_from_raw_inside_their_intervals(
    run: tuple[Path, list[ResultRow], dict[str, RowErrors]],
) -> None:
    _, _, errors = run
    for name, kind in errors["gamma"].kinds.items():
        raw = errors["raw"].kinds[name]
        assert raw.count_change is raw.cost_change is None
        assert kind.count_change is not None
        assert kind.count_change["value"] == kind.count - raw.count
        assert kind.count_change["low"] <= kind.count_change["value"] <= kind.count_change["high"]  # type: ignore[operator]
        assert kind.cost_change == pytest.approx(kind.cost - raw.cost)  # type: ignore[operator]


def test_every_object_is_in_one_group_of_each_kind(run: tuple[Path, list[ResultRow], dict[str, RowErrors]]) -> None:
    folder, _, errors = run
    objects = [each for each in json.loads((folder / "truth.json").read_text())["annotations"] if not each["iscrowd"]]
    for own in errors.values():
        assert list(own.objects) == ["size", "luminance"]
        for groups in own.objects.values():
            assert sum(group.objects for group in groups.values()) == len(objects)
            for group in groups.values():
                assert group.found == group.raw + group.recovered - group.lost
    small = errors["gamma"].objects["size"]["small"]
    assert small.objects == sum(each["area"] < 32**2 for each in objects) > 0


def test_brightness_is_that_of_the_darkened_image_inside_the_box(
    run: tuple[Path, list[ResultRow], dict[str, RowErrors]],
) -> None:
    folder, _, errors = run
    made = plan()
    raw = next(cell for cell in made.cells if cell.label == "raw")
    truth = json.loads((folder / "truth.json").read_text())
    samples = {sample.id: sample for sample in made.dataset.samples}
    counts = dict.fromkeys(LUMINANCES, 0)
    for each in truth["annotations"]:
        sample = samples[each["image_id"]]
        seen = raw.view.read(sample, "cpu").astype(float)
        x, y, w, h = each["bbox"]
        pixels = seen[int(y) : int(np.ceil(y + h)), int(x) : int(np.ceil(x + w))].reshape(-1, 3)
        luma = float((0.299 * pixels[:, 0] + 0.587 * pixels[:, 1] + 0.114 * pixels[:, 2]).mean())
        counts[next(name for name, bound in LUMINANCES.items() if luma < bound)] += 1
    assert {name: group.objects for name, group in errors["raw"].objects["luminance"].items()} == counts
    assert sum(count > 0 for count in counts.values()) > 1


def test_a_repeat_leaves_the_same_bytes(run: tuple[Path, list[ResultRow], dict[str, RowErrors]]) -> None:
    folder, _, _ = run
    before = (folder / "errors.json").read_bytes()
    run_plan(plan(), folder, device="cpu")
    assert (folder / "errors.json").read_bytes() == before


def test_a_run_of_before_has_no_brightness_and_is_not_guessed_at(
    run: tuple[Path, list[ResultRow], dict[str, RowErrors]], tmp_path: Path
) -> None:
    folder, rows, errors = run
    raw = next(row for row in rows if row.enhancer == "raw")
    for name in ("truth.json", *(f"cells/{row.key}/predictions.json" for row in rows)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    lines = [json.loads(line) for line in (folder / "cells" / raw.key / "images.jsonl").read_text().splitlines()]
    log = "".join(
        json.dumps({key: value for key, value in line.items() if key != "luminance"}) + "\n" for line in lines
    )
    (tmp_path / "cells" / raw.key / "images.jsonl").write_text(log)
    write_errors(tmp_path, rows, seed=0, replicates=200)
    found = read_errors(tmp_path)[raw.key]
    assert list(found.objects) == ["size"]
    assert found.kinds == errors["raw"].kinds


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "errors.json").write_text('{"a": {"kinds": 1}}')
    with pytest.raises(UserError, match=r"errors\.json is damaged \(.*; repeat the run's command"):
        read_errors(tmp_path)
    assert read_errors(tmp_path / "nowhere") == {}
