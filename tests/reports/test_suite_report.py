"""What is said over all studies of a suite."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from typer.testing import CliRunner

from sgz_bench.__main__ import app
from sgz_bench.benchmarks.results import ResultRow
from sgz_bench.core.errors import UserError
from sgz_bench.reports.figures.style import Look
from sgz_bench.reports.run import FinishedRun, Study
from sgz_bench.reports.suite import open_suite, summary_tables, sweeps, write_suite_report
from sgz_bench.reports.tables.latex import latex
from sgz_bench.reports.tables.markup import markdown

MakeRun = Callable[..., Path]
TWO = ("gamma", "sgz(scale=12,weights=w.pth)")


def darkened(stops: int) -> Callable[[ResultRow], ResultRow]:
    return lambda row: replace(row, darken=None if row.enhancer == "bright" else f"darken(ev={stops},seed=0)")


@pytest.fixture
def suite(make_run: MakeRun, tmp_path: Path) -> Path:
    for stops in (10, 2, 5):
        make_run(
            f"suite/ev={stops}",
            enhancers=TWO,
            classes=("Car", "People"),
            gallery=False,
            change=darkened(stops),
            costs=True,
        )
    return tmp_path / "suite"


def test_the_summary_has_a_column_a_study_and_says_once_what_they_share(suite: Path) -> None:
    (table,) = summary_tables(open_suite(suite))
    assert table.caption.startswith("Raw against enhanced images: ΔAP50, exdark test, frozen, yolov8n-coco-int8deq, ")
    headings = [" ".join(column.heading) for column in table.columns]
    assert headings == ["Enhancer", "EV 10", "EV 2", "EV 5", "Params", "GMACs", "Peak MB", "Enhancer ms"]
    assert [row[0].text for row in table.blocks[0]] == ["bright", "raw", "gamma", "sgz(scale=12,weights=w)"]
    row = next(row for row in FinishedRun.open(suite / "ev=2").study.rows if row.enhancer == "gamma")
    value = row.delta["AP50"]["value"]
    assert value is not None
    assert table.blocks[0][2][2].text.startswith(f"{100 * value:+.1f}".replace("-", "−"))
    raw = FinishedRun.open(suite / "ev=5").study.find("raw")
    assert raw is not None
    assert table.blocks[0][1][3].text == f"{100 * (raw.metrics['AP50'] or 0):.1f}"
    assert markdown(table).count("\n| ") == 6
    assert r"\begin{table*}" in latex(table)


def test_an_enhancer_that_failed_or_was_left_out_has_no_number(make_run: MakeRun, tmp_path: Path) -> None:
    make_run("suite/a", enhancers=TWO, broken="gamma")
    make_run("suite/b", enhancers=TWO[1:], change=lambda row: replace(row, split="other"))
    (table,) = summary_tables(open_suite(tmp_path / "suite"))
    assert [cell.text for cell in table.blocks[0][2]] == ["gamma", "error", "–"]
    assert "Params" not in [" ".join(column.heading) for column in table.columns]


def test_many_studies_get_a_table_for_each_data_set_and_model(make_run: MakeRun, tmp_path: Path) -> None:
    for split in ("day", "night"):
        for stops in (1, 3, 2, 4):
            change = darkened(stops)
            make_run(
                f"suite/{split}{stops}",
                enhancers=TWO[:1],
                change=lambda row, split=split, change=change: replace(change(row), split=split),
            )
    tables = summary_tables(open_suite(tmp_path / "suite"))
    assert [table.name for table in tables] == [
        f"summary_detection-exdark-{split}-yolov8n-coco-int8deq" for split in ("day", "night")
    ]
    assert [" ".join(column.heading) for column in tables[0].columns[1:]] == ["EV 1", "EV 2", "EV 3", "EV 4"]


def test_runs_that_differ_in_darkness_alone_are_a_sweep(suite: Path, make_run: MakeRun) -> None:
    make_run("suite/undarkened", enhancers=TWO, change=lambda row: replace(row, darken=None), bright=False)
    make_run("suite/other", enhancers=TWO, change=lambda row: replace(darkened(7)(row), split="other"))
    ((name, exposures),) = sweeps(open_suite(suite)).items()
    assert name == "detection-exdark-test-yolov8n-coco-int8deq"
    assert [stops for stops, _ in exposures] == [2, 5, 10]


@pytest.mark.parametrize(
    ("change", "heading"),
    [
        ({"darken": "darken(ev=2,full_well=500,seed=0)"}, "exdark darken(full_well=500,seed=0) test"),
        ({"seed": 1}, "seed 1"),
        ({"images": 3, "partial": True}, "3 images (partial)"),
    ],
)
def test_studies_that_differ_otherwise_are_told_apart_and_are_no_sweep(
    make_run: MakeRun, tmp_path: Path, change: dict[str, object], heading: str
) -> None:
    make_run("suite/a", enhancers=TWO, change=darkened(2))
    make_run("suite/b", enhancers=TWO, change=lambda row: replace(darkened(2)(row), **change))  # type: ignore[arg-type]
    (table,) = summary_tables(open_suite(tmp_path / "suite"))
    assert " ".join(table.columns[2].heading) == heading
    assert sweeps(open_suite(tmp_path / "suite")) == {}


def test_costs_in_the_summary_are_those_of_one_run(make_run: MakeRun, tmp_path: Path) -> None:
    make_run("suite/a", enhancers=TWO[:1], change=darkened(1), costs=True)
    make_run("suite/b", enhancers=TWO, change=darkened(2), costs=True)
    (table,) = summary_tables(open_suite(tmp_path / "suite"))
    assert table.columns[-1].heading == ("Enhancer", "ms")
    assert [cell.text for cell in table.blocks[0][-1][-4:]] == ["–"] * 4  # sgz, which only the second run has
    assert table.blocks[0][2][-1].text != "–"


def test_a_rendered_data_sets_exposure_is_in_its_spec(make_run: MakeRun) -> None:
    run = make_run(enhancers=(), bright=False, change=lambda row: replace(row, darken=None))
    assert FinishedRun.open(run).exposure is None
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["config"]["dataset"] = "nightscene(ev=3.5)"
    (run / "manifest.json").write_text(json.dumps(manifest))
    assert FinishedRun.open(run).exposure == 3.5
    manifest["config"]["dataset"] = "data (1)/night.yaml"
    (run / "manifest.json").write_text(json.dumps(manifest))
    assert FinishedRun.open(run).exposure is None


def test_the_report_command_takes_a_suites_folder(suite: Path) -> None:
    result = CliRunner().invoke(app, ["report", str(suite), "--format", "png"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "ΔAP50, exdark test" in result.output
    assert (suite / "ev=2" / "report" / "tables" / "comparison.md").is_file()
    files = sorted(path.name for path in (suite / "report").rglob("*.*"))
    tables = [f"summary.{form}" for form in ("csv", "json", "md", "tex")]
    assert files == ["report.html", *tables, "sweep_detection-exdark-test-yolov8n-coco-int8deq.png"]
    before = {path: path.read_bytes() for path in write_suite_report(suite, ("png",), figures=("sweep_*", "forest"))}
    assert {path.relative_to(suite).parts[0] for path in before} == {"ev=2", "ev=5", "ev=10", "report"}
    assert before == {
        path: path.read_bytes() for path in write_suite_report(suite, ("png",), figures=("sweep_*", "forest"))
    }


def test_an_enhancer_looks_the_same_in_all_runs_of_a_suite(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run("suite/a", enhancers=("he", *TWO), change=darkened(1))
    make_run("suite/b", enhancers=TWO[::-1], change=darkened(2))
    seen: list[dict[str, Look]] = []

    def forest(study: Study, look: dict[str, Look]) -> Figure:
        seen.append({row.enhancer: look[row.enhancer] for row in study.enhanced})
        return Figure()

    def drawn_sweep(exposures: list[tuple[float, Study]], look: dict[str, Look]) -> Figure:
        seen.append({row.enhancer: look[row.enhancer] for row in exposures[0][1].enhanced})
        return Figure()

    monkeypatch.setattr("sgz_bench.reports.figures.catalog.forest", forest)
    monkeypatch.setattr("sgz_bench.reports.figures.catalog.sweep", drawn_sweep)
    write_suite_report(tmp_path / "suite", ("png",), figures=("forest", "sweep*"))
    first, second, together = seen
    assert first == together
    assert second == {name: first[name] for name in second}
    assert len(set(together.values())) == 3


def test_a_figure_is_known_to_a_suite_if_one_of_its_runs_has_it(suite: Path) -> None:
    with pytest.raises(UserError, match=r"no figure 'forrest' here; use one or more of forest, pareto, .*, sweep_det"):
        write_suite_report(suite, ("png",), figures=("forrest",))
    assert not list(suite.rglob("report"))


def test_a_folder_without_runs_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is neither a finished run nor the folder of a suite"):
        open_suite(tmp_path)
    result = CliRunner().invoke(app, ["report", str(tmp_path)])
    assert isinstance(result.exception, UserError)
