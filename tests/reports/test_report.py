"""What a report leaves on disk, and what the two commands say."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import pytest
import typer
from typer.testing import CliRunner

from sgz_bench.benchmarks.results import Member, ResultRow
from sgz_bench.cli.commands.compare import compare
from sgz_bench.cli.commands.report import report
from sgz_bench.core.errors import UserError
from sgz_bench.reports.box_verdicts import match_boxes
from sgz_bench.reports.figures.box_sheets import box_sheet
from sgz_bench.reports.figures.style import looks
from sgz_bench.reports.report import write_report
from sgz_bench.reports.run import FinishedRun
from sgz_bench.reports.tables.combine import combine
from sgz_bench.reports.tables.comparison import comparison_table

MakeRun = Callable[..., Path]
TWO = ("gamma", "sgz(scale=12,weights=w.pth)")


def names(files: list[Path]) -> list[str]:
    return [path.name for path in files]


def test_a_run_gets_every_table_and_figure(make_run: MakeRun) -> None:
    run, said, settings = make_run(enhancers=TWO, costs=True), list[str](), dict(mpl.rcParams)
    written = write_report(run, ("png",), said.append)
    forms = ("md", "tex", "csv", "json")
    stems = ("comparison", "per_class", "by_lighting", "errors", "error_counts", "objects")
    tables = [f"{stem}.{form}" for stem in stems for form in forms]
    sheets = [f"gallery_{name}_{word}.png" for name in ("gamma", "sgz") for word in ("gained", "lost")]
    figures = ["forest", "pareto", "tone_curves", "factor_maps", "per_class", "by_lighting", "precision_recall"]
    figures += ["errors", "objects"]
    assert names(written) == [*tables, *(f"{name}.png" for name in figures), *sheets, "report.html"]
    assert all(path.stat().st_size > 0 for path in written)
    assert said == []
    assert dict(mpl.rcParams) == settings  # drawing leaves matplotlib as it was


def test_writing_twice_gives_the_same_bytes(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(enhancers=TWO[:1], classes=("Car", "People"))
    first = {path: path.read_bytes() for path in write_report(run)}
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")  # a date in a PDF would follow it
    with mpl.rc_context({"font.size": 20, "savefig.dpi": 50, "axes.facecolor": "red"}):  # a user's own matplotlibrc
        second = {path: path.read_bytes() for path in write_report(run)}
    assert {path.suffix for path in first} == {".md", ".tex", ".csv", ".json", ".png", ".pdf", ".html"}
    assert first == second


def test_a_run_with_only_raw_has_a_table_and_curves(make_run: MakeRun) -> None:
    said: list[str] = []
    written = write_report(make_run(enhancers=(), bright=False, gallery=False, lighting=False), ("png",), said.append)
    assert [name for name in names(written) if name.endswith("png")] == ["precision_recall.png"]
    assert "forest: not drawn, no enhancer was compared with raw" in said


def test_a_run_without_attributes_and_gallery_says_what_is_not_drawn(make_run: MakeRun) -> None:
    said: list[str] = []
    written = write_report(make_run(enhancers=TWO[:1], gallery=False, lighting=False), ("png",), said.append)
    assert not [name for name in names(written) if "lighting" in name or "gallery" in name]
    assert said == [
        "factor_maps: not drawn, the run kept no image of all enhancers; repeat the run's command, which keeps one",
        *(f"gallery_gamma_{word}: not drawn, no image {word}" for word in ("gained", "lost")),
    ]


def test_a_damaged_file_costs_one_figure_only(make_run: MakeRun) -> None:
    run, said = make_run(enhancers=TWO[:1], gallery=False), list[str]()
    raw = FinishedRun.open(run).study.find("raw")
    assert raw is not None
    (run / "cells" / raw.key / "curves.json").write_text("{")
    assert "forest.png" in names(write_report(run, ("png",), said.append))
    assert [line for line in said if line.startswith("precision_recall: not drawn") and "curves.json" in line]


def test_several_trainings_are_one_mean_curve_and_the_gallery_of_the_first(make_run: MakeRun) -> None:
    def trained(row: ResultRow) -> ResultRow:
        members = [Member(seed=seed, key=f"{row.key}-{seed}", metrics=row.metrics) for seed in (4, 7)]
        return replace(row, protocol="finetune", members=members, spread={"AP50": 0.012})

    run = make_run(enhancers=("gamma",), errors=False, change=trained)
    opened = FinishedRun.open(run)
    for row in opened.study.rows:
        for level, member in zip((0.2, 0.6), row.members, strict=True):
            cell = run / "cells" / member["key"]
            cell.mkdir()
            curve = {"recall": [0, 0.5, 1], "precision": {"all": [level] * 3, "Car": [None] * 3}}
            (cell / "curves.json").write_text(json.dumps(curve))
        predictions = run / "cells" / row.key / "predictions.json"
        predictions.rename(run / "cells" / row.members[0]["key"] / "predictions.json")
    row = opened.study.rows[-1]
    assert opened.curves(row)["precision"] == {"all": pytest.approx([0.4] * 3), "Car": [None] * 3}
    table = comparison_table([opened.study], [1000])
    assert table.blocks[0][-1][2].text == f"{100 * (row.metrics['AP50'] or 0):.1f} ± 1.2"
    ap, *_ = (cell.text for cell in table.blocks[0][-1][1:])
    assert "±" not in ap  # its spread is not known
    sheet = box_sheet(opened, "gamma", "gamma, seed 4", gained=True)
    assert sheet.axes[0].patches  # boxes of the first training


def test_failed_rows_are_in_tables_and_not_in_figures(make_run: MakeRun) -> None:
    written = write_report(make_run(broken="gamma", enhancers=TWO), ("png",))
    assert "forest.png" in names(written)
    assert "gallery_gamma_gained.png" not in names(written)
    assert "| gamma | error |" in written[0].read_text(encoding="utf-8")


def test_a_run_in_which_every_cell_failed_is_still_told(make_run: MakeRun) -> None:
    blank = {"metrics": {}, "per_class": {}, "by_attribute": {}, "delta": {}}
    run = make_run(
        enhancers=TWO[:1],
        gallery=False,
        change=lambda row: replace(row, status="error", error="no memory", **blank),
    )
    tables = [f"comparison.{form}" for form in ("md", "tex", "csv", "json")]
    written = write_report(run, ("png",))
    assert names(written) == [*tables, "report.html"]
    assert "3 of 3 rows failed." in written[-1].read_text(encoding="utf-8")


def test_an_unknown_format_is_refused_before_anything_is_written(make_run: MakeRun) -> None:
    run = make_run(enhancers=())
    with pytest.raises(UserError, match="'gif'; use one or more of png, pdf, svg"):
        write_report(run, ("png", "gif"))
    assert not (run / "report").exists()


def test_enhancers_keep_distinct_looks() -> None:
    run = [f"gamma(gamma=0.{k})" for k in range(1, 20)]
    table = looks(["bright", "raw", *run])
    assert len({(look.colour, look.marker, str(look.line)) for look in table.values()}) == 21
    assert table[run[0]] == looks(["raw", run[0]])[run[0]]  # whether or not there is a bright row


def box(x: float, category: int = 1, **more: float) -> dict[str, object]:
    return {"bbox": [x, 0.0, 10.0, 10.0], "category_id": category} | more


def test_boxes_are_judged_as_scoring_does() -> None:
    truth = [box(0), box(100), box(200, iscrowd=1), box(300, category=2)]
    predictions = [
        box(1, score=0.5),  # a second one on the first box
        box(0, score=0.9),
        box(106, score=0.8),  # IoU 4/16
        box(202, score=0.7),  # on a crowd
        box(300, score=0.6),  # of another class
    ]
    verdicts = [(each.verdict, each.xywh[0]) for each in match_boxes(truth, predictions)]
    assert verdicts == [
        ("truth", 0.0),
        ("missed", 100.0),
        ("missed", 300.0),
        ("false", 106.0),
        ("false", 300.0),
        ("false", 1.0),
        ("correct", 0.0),
    ]


def other(**fields: object) -> Callable[[ResultRow], ResultRow]:
    return lambda row: replace(row, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"split": "val"}, "split differs, 'test' against 'val'"),
        ({"metric_version": 2}, "metric_version differs, 1 against 2"),
        ({"protocol": "finetune"}, "protocol differs, 'frozen' against 'finetune'"),
        ({"task": "segmentation"}, "task differs, 'detection' against 'segmentation'"),
        ({"dataset_fingerprint": "e" * 64}, f"dataset_fingerprint differs, '{'d' * 16}…' against '{'e' * 16}…'"),
        ({"classes": ["Car"]}, "classes differs, 12 classes with Bicycle, Boat, Bottle, Bus, Cat, … against 1 class"),
    ],
)
def test_rows_that_must_not_share_a_table_are_refused(make_run: MakeRun, fields: dict[str, object], told: str) -> None:
    runs = [make_run("a", enhancers=()), make_run("b", enhancers=(), change=other(**fields))]
    with pytest.raises(UserError) as refusal:
        combine([FinishedRun.open(run) for run in runs])
    assert told in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_models_and_darkenings_get_a_column(make_run: MakeRun) -> None:
    def darker(row: ResultRow) -> ResultRow:
        return row if row.enhancer == "bright" else replace(row, key=f"x{row.key}", darken="darken(ev=5)")

    def yolox(row: ResultRow) -> ResultRow:
        return replace(row, key=f"y{row.key}", model="yolox:yolox_nano.onnx(imgsz=416)")

    runs = [make_run("a", enhancers=TWO), make_run("b", enhancers=TWO, change=darker)]
    runs.append(make_run("c", enhancers=TWO, change=yolox))
    table = comparison_table(combine([FinishedRun.open(run) for run in runs]), [1000])
    assert [column.heading[0] for column in table.columns[:3]] == ["Enhancer", "Model", "Darkening"]
    firsts = [[cell.text for cell in block[1][:3]] for block in table.blocks]
    assert firsts == [
        ["raw", "yolov8n-coco-int8deq", "ev=3,full_well=4000,read_noise=3,seed=0"],
        ["raw", "yolov8n-coco-int8deq", "ev=5"],
        ["raw", "yolox_nano", "ev=3,full_well=4000,read_noise=3,seed=0"],
    ]
    assert table.blocks[0][0][2].text == "none"  # bright


def test_rows_that_two_runs_share_are_shown_once(make_run: MakeRun) -> None:
    def renamed(row: ResultRow) -> ResultRow:
        return replace(row, key=f"z{row.key}") if row.enhancer == "he" else row

    runs = [make_run("a", enhancers=("gamma",)), make_run("b", enhancers=("he",), change=renamed)]
    (study,) = combine([FinishedRun.open(run) for run in runs])
    assert [row.enhancer for row in study.rows] == ["bright", "raw", "gamma", "he"]


def app() -> typer.Typer:
    made = typer.Typer()
    made.command("report")(report)
    made.command("compare")(compare)
    return made


def test_the_report_command_prints_the_table_and_where_the_files_are(make_run: MakeRun) -> None:
    run = make_run(enhancers=TWO[:1], gallery=False)
    result = CliRunner().invoke(app(), ["report", str(run), "--format", "pdf"])
    assert result.exit_code == 0
    assert "Detection on exdark (test)" in result.output
    assert f"7 files in {run / 'report' / 'figures'}" in result.output
    assert not list(run.rglob("*.png"))


def test_the_compare_command_writes_nothing(make_run: MakeRun) -> None:
    run = make_run(enhancers=TWO)
    before = sorted(run.rglob("*"))
    result = CliRunner().invoke(app(), ["compare", str(run), str(run)])
    assert result.exit_code == 0
    assert result.output.count("gamma") == 1
    assert sorted(run.rglob("*")) == before


def test_an_unfinished_run_is_a_users_mistake(tmp_path: Path) -> None:
    result = CliRunner().invoke(app(), ["compare", str(tmp_path)])
    assert isinstance(result.exception, UserError)
    assert "not a finished run" in str(result.exception)


def test_tables_are_as_wide_as_columns_says(make_run: MakeRun) -> None:
    run = make_run(enhancers=TWO[:1])
    for columns in (100, 130):
        lines = CliRunner().invoke(app(), ["compare", str(run)], env={"COLUMNS": str(columns)}).output.splitlines()
        assert columns - 12 < max(map(len, lines)) <= columns


def test_what_is_no_run_is_told_from_what_is_not_there_and_not_finished(tmp_path: Path) -> None:
    (tmp_path / "begun" / "cells").mkdir(parents=True)
    (tmp_path / "file").touch()
    (tmp_path / "suite").mkdir()
    (tmp_path / "suite" / "suite.json").touch()
    for name, words in (
        ("suite", "it is the folder of a suite without a finished study; repeat its command"),
        ("nowhere", "there is no such folder; check the path"),
        ("file", "it is a file; give the folder that --out named"),
        (".", "it holds no file of a run; give the folder that --out named"),
        ("begun", "it has no results.jsonl; repeat its command to finish it"),
    ):
        with pytest.raises(UserError, match=f"is not a finished run: {words}"):
            FinishedRun.open(tmp_path / name)


def test_damaged_files_of_analyses_cost_their_own_tables_and_are_named(make_run: MakeRun) -> None:
    run = make_run(enhancers=TWO[:1], costs=True)
    for name in ("errors.json", "costs.json"):
        (run / name).write_text((run / name).read_text()[:30])
    result = CliRunner().invoke(app(), ["report", str(run), "--format", "png"])
    assert result.exit_code == 1
    left_out = [line for line in result.output.splitlines() if line.startswith("left out: ")]
    assert ["costs.json" in left_out[0], "errors.json" in left_out[1]] == [True, True]
    written = {path.name for path in (run / "report").rglob("*.*")}
    assert {"comparison.md", "per_class.md", "forest.png", "report.html"} <= written
    assert not {"errors.md", "objects.md", "errors.png"} & written
    with pytest.raises(UserError, match=r"has no table by 'errors': .*errors\.json is missing or damaged"):
        report(run, by="errors")


def test_a_figure_that_cannot_be_drawn_is_named_with_exit_code_1(make_run: MakeRun) -> None:
    run = make_run(enhancers=TWO[:1])
    (run / "errors.json").write_text("{")
    result = CliRunner().invoke(app(), ["report", str(run), "--figures", "errors,forest", "--format", "png"])
    assert result.exit_code == 1
    assert result.output.splitlines()[-1] == "not drawn: errors"
    assert [path.name for path in (run / "report").rglob("*.*")] == ["forest.png"]


@pytest.mark.parametrize(("option", "words"), [("--format", "cannot be saved as 'gif'"), ("--style", "is not a style")])
def test_format_and_style_are_checked_before_anything_is_printed(make_run: MakeRun, option: str, words: str) -> None:
    result = CliRunner().invoke(app(), ["report", str(make_run(enhancers=TWO[:1])), option, "gif"])
    assert words in str(result.exception)
    assert result.output == ""


def test_a_manifest_that_is_damaged_is_named(make_run: MakeRun) -> None:
    run = make_run(enhancers=())
    (run / "manifest.json").write_text(json.dumps({})[:1])
    with pytest.raises(UserError, match=r"manifest\.json"):
        write_report(run, ("png",))
