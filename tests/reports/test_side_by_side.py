"""What must not be compared shares a table only by force, and then says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sgz_bench.__main__ import app
from sgz_bench.benchmarks.results import Measure, ResultRow
from sgz_bench.core.errors import UserError
from sgz_bench.reports.run import FinishedRun
from sgz_bench.reports.tables.combine import combine
from sgz_bench.reports.tables.comparison import comparison_table
from sgz_bench.reports.tables.table import Table

MakeRun = Callable[..., Path]
Change = Callable[[ResultRow], ResultRow]


def other(**fields: object) -> Change:
    return lambda row: replace(row, **fields)  # type: ignore[arg-type]


def forced(*runs: Path) -> Table:
    return comparison_table(combine([FinishedRun.open(run) for run in runs], side_by_side=True), [1000])


def labels(table: Table) -> list[str]:
    """What the blocks say that they differ in."""
    place = [column.heading for column in table.columns].index(("Differs in",))
    return [text for block in table.blocks for text in {row[place].text for row in block}]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"split": "val"}, ["split=test", "split=val"]),
        ({"metric_version": 2, "protocol": "joint"}, ["metrics=1,protocol=frozen", "metrics=2,protocol=joint"]),
        ({"dataset_fingerprint": "e" * 64}, ["data=dddddddd", "data=eeeeeeee"]),
        ({"classes": ["Car"]}, ["classes=12", "classes=1"]),
        ({"classes": ["Car"] * 11 + ["Cow"]}, ["classes=12 with Bicycle", "classes=12 with Cow"]),
    ],
)
def test_blocks_say_what_they_differ_in_and_nothing_else(
    make_run: MakeRun, fields: dict[str, object], told: list[str]
) -> None:
    table = forced(make_run("a", enhancers=("he",)), make_run("b", enhancers=("he",), change=other(**fields)))
    assert labels(table) == told
    assert table.notes[0] == (
        f"Not comparable: the blocks differ in {', '.join(sorted(fields))}; read each one against its own raw row only."
    )


def test_rows_of_one_enhancer_by_two_engines_share_a_table_only_by_force(make_run: MakeRun) -> None:
    def by(engine: str) -> Change:
        return lambda row: replace(row, engine=engine if row.enhancer == "he" else "", key=f"{row.key}-{engine}")

    runs = [make_run(name, enhancers=("he",), change=by(name)) for name in ("fused fp32", "torch bf16")]
    said = "engine of he differs, 'fused fp32' against 'torch bf16'"
    with pytest.raises(UserError, match=said):
        combine([FinishedRun.open(run) for run in runs])
    assert labels(forced(*runs)) == ["engine of he=fused fp32", "engine of he=torch bf16"]


def test_nothing_is_best_across_blocks_while_intervals_stay_each_blocks_own(make_run: MakeRun) -> None:
    alone = comparison_table([FinishedRun.open(make_run("a")).study], [1000])
    table = forced(make_run("c"), make_run("b", change=other(split="val")))
    cells = [cell for block in table.blocks for row in block for cell in row]
    assert any(cell.bold for row in alone.blocks[0] for cell in row)
    assert not any(cell.bold for cell in cells)
    assert "Bold" not in " ".join(table.notes)
    marks = [[cell.mark for cell in row[1:]] for row in alone.blocks[0]]
    assert [[cell.mark for cell in row[2:]] for row in table.blocks[1]] == marks
    assert "exdark (test), exdark (val)" in table.caption


def test_rows_of_one_key_stay_apart(make_run: MakeRun) -> None:
    table = forced(make_run("a", enhancers=("he",)), make_run("b", enhancers=("he",), change=other(split="val")))
    assert [[row[0].text for row in block] for block in table.blocks] == [["bright", "raw", "he"]] * 2


def test_comparable_runs_are_not_marked_by_force(make_run: MakeRun) -> None:
    runs = make_run("a", enhancers=("he",)), make_run("b", enhancers=("gamma",))
    opened = [FinishedRun.open(run) for run in runs]
    assert forced(*runs) == comparison_table(combine(opened), [1000])


def measured(fingerprint: str, unit: str) -> Change:
    measure = Measure(unit=unit, better="higher", summary="", version=1, fingerprint=fingerprint)
    return lambda row: replace(row, metrics=row.metrics | {"found": 0.5}, measures={"found": measure})


def test_metrics_of_ones_own_that_share_a_name_alone_are_told_apart(make_run: MakeRun) -> None:
    runs = [
        make_run("a", enhancers=(), change=measured("a" * 64, "%")),
        make_run("b", enhancers=(), change=measured("b" * 64, "boxes")),
        make_run("c", enhancers=()),
    ]
    with pytest.raises(
        UserError, match=r"a and .*b cannot share a table: metric found differs, 'a{16}…' against 'b{16}…'"
    ):
        combine([FinishedRun.open(run) for run in runs])
    table = forced(*runs)
    assert labels(table) == ["metric found=aaaaaaaa", "metric found=bbbbbbbb", "metric found=–"]
    place = [column.heading for column in table.columns].index(("found",))
    assert [block[0][place].text for block in table.blocks] == ["50.0", "0.5", "–"]  # each in its own unit
    assert sum(note.startswith("found: ") for note in table.notes) == 2


def test_detection_and_segmentation_share_no_table_even_by_force(make_run: MakeRun, make_segmentation: MakeRun) -> None:
    runs = [FinishedRun.open(make_run("a", enhancers=())), FinishedRun.open(make_segmentation("b", enhancers=()))]
    for side_by_side in (False, True):
        with pytest.raises(UserError, match=r"task differs, 'detection' against 'segmentation'; .*no metric in common"):
            combine(runs, side_by_side=side_by_side)


def test_the_command_refuses_names_the_way_out_and_marks_records_too(make_run: MakeRun) -> None:
    runs = [str(make_run("a", enhancers=())), str(make_run("b", enhancers=(), change=other(split="val")))]
    refused = CliRunner().invoke(app, ["compare", *runs])
    assert str(refused.exception).endswith("compare them in two tables, or in one with --force-side-by-side")
    shown = CliRunner().invoke(app, ["compare", *runs, "--force-side-by-side"], catch_exceptions=False)
    assert "Not comparable: the blocks differ in split" in shown.output
    asked = ["compare", *runs, "--force-side-by-side", "--table", "json"]
    records = json.loads(CliRunner().invoke(app, asked, catch_exceptions=False).stdout)
    assert [record["differs_in"] for record in records] == ["split=test"] * 2 + ["split=val"] * 2
