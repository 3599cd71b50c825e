"""What a run keeps for the figures of light: curves, and one picture of every enhancer."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sgz_bench.benchmarks.analyses import tone_curves as tones
from sgz_bench.benchmarks.analyses.gallery import write_gallery
from sgz_bench.benchmarks.analyses.tone_curves import read_tone_curves
from sgz_bench.benchmarks.config import StudyConfig
from sgz_bench.benchmarks.plan import Plan, make_plan
from sgz_bench.benchmarks.results import ResultRow
from sgz_bench.benchmarks.run import run_plan
from sgz_bench.core.errors import UserError

FAULTY = '''
from sgz_bench.enhancer import Enhancer

class Faulty(Enhancer):
    """Takes pictures of the data set and no other."""
    name = "faulty"

    def enhance(self, image):
        if image.shape[-1] != 640:
            raise ValueError("another size")
        return image
'''


def plan(*enhancers: str) -> Plan:
    config = StudyConfig(
        dataset="nightscene(frames=2)",
        model="nightscene-yolo",
        enhancers=("raw", *enhancers),
        darken="ev=2",
        replicates=100,
        permutations=100,
    )
    return make_plan(config, "cpu")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[ResultRow], Plan]:
    folder = tmp_path_factory.mktemp("tones")
    (folder / "faulty.py").write_text(FAULTY)
    made = plan("gamma(gamma=0.5)", "he", f"{folder / 'faulty.py'}:Faulty")
    return folder / "run", run_plan(made, folder / "run", device="cpu"), made


def test_the_curve_of_a_gamma_is_its_power_law(run: tuple[Path, list[ResultRow], Plan]) -> None:
    folder, rows, _ = run
    key = next(row.key for row in rows if row.enhancer == "gamma(gamma=0.5)")
    assert read_tone_curves(folder)[key] == pytest.approx(np.sqrt(np.arange(256) / 255), abs=1e-5)


def test_what_enhances_nothing_has_no_curve_and_what_fails_on_a_ramp_costs_its_own_only(
    run: tuple[Path, list[ResultRow], Plan],
) -> None:
    folder, rows, _ = run
    assert [row.status for row in rows] == ["ok"] * 5
    named = {row.key: row.enhancer for row in rows}
    assert [named[key] for key in read_tone_curves(folder)] == ["gamma(gamma=0.5)", "he"]


def test_the_common_picture_is_the_one_that_changed_most_and_all_have_it(
    run: tuple[Path, list[ResultRow], Plan],
) -> None:
    folder, rows, _ = run
    index: dict[str, Any] = json.loads((folder / "gallery" / "index.json").read_text())
    common = index["common"]
    assert [entry["enhancer"] for entry in common] == [row.enhancer for row in rows[2:]]
    (image_id,) = {entry["image_id"] for entry in common}
    assert all((folder / "gallery" / entry[name]).is_file() for entry in common for name in ("raw", "enhanced"))
    changes: dict[int, float] = {1: 0, 2: 0}
    for entry in index["images"]:  # of two images all that gained or lost are there
        changes[entry["image_id"]] += abs(entry["gain"])
    assert image_id == min(changes, key=lambda each: (-changes[each], each))


@pytest.mark.parametrize("error", [SystemExit("needs a licence"), ValueError("out of memory")])
def test_an_enhancer_that_cannot_show_an_image_again_costs_the_gallery_its_own_entries_only(
    run: tuple[Path, list[ResultRow], Plan], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    folder, rows, made = run

    def fail(*_: object) -> None:
        raise error

    shutil.copytree(folder, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "gallery")
    gamma = next(cell for cell in made.cells if cell.label == "gamma(gamma=0.5)")
    monkeypatch.setattr(gamma.view.enhancer, "enhance_image", fail)
    write_gallery(made, tmp_path / "run", rows, "cpu")
    whole, left = (json.loads((each / "gallery" / "index.json").read_text()) for each in (folder, tmp_path / "run"))
    for name in ("images", "common"):
        assert any(entry["enhancer"] == gamma.label for entry in whole[name])
        assert left[name] == [entry for entry in whole[name] if entry["enhancer"] != gamma.label]


def test_a_repeated_run_measures_nothing_anew_and_leaves_the_same_bytes(
    run: tuple[Path, list[ResultRow], Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _, made = run
    kept = [folder / "tones.json", *sorted((folder / "gallery").rglob("*.*"))]
    before = [path.read_bytes() for path in kept]
    shown: list[str] = []
    monkeypatch.setattr(tones, "ramp_curve", lambda enhancer, *_: shown.append(enhancer.name) or 1 / 0)
    run_plan(made, folder, device="cpu")
    assert shown == ["faulty"]
    assert [path.read_bytes() for path in kept] == before
    monkeypatch.undo()
    (folder / "tones.json").write_text("[")  # damage is measured anew
    run_plan(made, folder, device="cpu")
    assert [path.read_bytes() for path in kept] == before


@pytest.mark.parametrize("content", ['{"key": [0.5]}', "[1]", '{"key": "dark"}'])
def test_a_damaged_file_is_named_with_the_place_and_the_fix(tmp_path: Path, content: str) -> None:
    (tmp_path / "tones.json").write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=r"tones\.json is damaged \(.*\); repeat the run's command"):
        read_tone_curves(tmp_path)
    assert read_tone_curves(tmp_path / "elsewhere") == {}
