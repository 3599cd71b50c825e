"""One run in Markdown, LaTeX, CSV, JSON and HTML: every number is the same, and is the run's."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

import sgz_bench
from sgz_bench.__main__ import app
from sgz_bench.benchmarks.results import ResultRow
from sgz_bench.core.errors import UserError
from sgz_bench.reports.report import write_report
from sgz_bench.reports.run import FinishedRun
from sgz_bench.reports.tables.combine import combine
from sgz_bench.reports.tables.comparison import comparison_table
from sgz_bench.reports.tables.forms import slices
from sgz_bench.reports.tables.latex import latex
from sgz_bench.reports.tables.markup import html
from sgz_bench.reports.tables.table import Column, Table, TableCell

MakeRun = Callable[..., Path]
TWO = ("gamma", "sgz(scale=12,weights=w.pth)")
ODD = ("odd_%(a_b=50%,c=x&y,d=p|q~^*)", "#1_{x}\\y(k=<2>)")
TASKS = {"detection": "make_run", "segmentation": "make_segmentation"}


@pytest.fixture(autouse=True)
def _no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw none, which takes most of a report's time: these tests read tables."""
    for module in ("report", "suite"):
        monkeypatch.setattr(f"sgz_bench.reports.{module}.run_figures", lambda *_: {})


@pytest.fixture(params=TASKS)
def make(request: pytest.FixtureRequest) -> MakeRun:
    """Makes runs of each task."""
    made: MakeRun = request.getfixturevalue(TASKS[request.param])
    return made


def in_markdown(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    del lines[1]  # how columns are aligned
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return [[re.sub(r"\\(.)", r"\1", cell.replace("**", "").removesuffix(r"\*")) for cell in row] for row in cells]


def in_latex(text: str) -> list[list[str]]:
    assert text.count(r"\begin{table*}") == 1
    body = text.split(r"\toprule")[1].split(r"\bottomrule")[0].replace(r"\midrule", "").replace("\n", " ")
    stack = r"\\begin\{tabular\}\[.\]\{@\{\}.@\{\}\}(.*?)\\end\{tabular\}"  # of lines: a specification, or words
    body = re.sub(stack, lambda m: re.sub(r" \\\\ (\w+=)?", lambda n: n[1] or " ", m[1]), body)
    body = re.sub(r"\\textbf\{(.*?)\}|\\rlap\{\$\^\{\*\}\$\}", r"\1", body)
    plain = {"$-$": "−", "--": "–", r"$\Delta$": "Δ", r"$\pm$": "±", "$<$": "<", "{[}": "[", r"\_": "_", r"\%": "%"}
    for written, char in plain.items():
        body = body.replace(written, char)
    rows = [row for row in body.split(r"\\") if row.strip()]
    return [[cell.strip() for cell in row.split(" & ")] for row in rows]


def in_html(text: str) -> tuple[list[list[str]], list[list[float | None]]]:
    """Texts, and of the body the numbers behind them."""
    rows = ElementTree.fromstring(text).findall(".//tr")
    for star in ElementTree.fromstring(text).findall(".//span[@class='star']"):
        assert star.text == "*"
    texts = [["".join(cell.itertext()).removesuffix("*") for cell in row] for row in rows]
    numbers = [[float(sort) if (sort := cell.get("data-sort")) else None for cell in row] for row in rows[1:]]
    return texts, numbers


def in_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def shown(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}".replace("-", "−")


def difference(record: dict[str, Any], metric: str) -> str:
    each = [record[f"delta_{metric}{part}"] for part in ("", "_low", "_high")]
    signs = [f"{100 * value:+.1f}".replace("-", "−") for value in each if value is not None]
    return "–" if not signs else f"{signs[0]} [{signs[1]}, {signs[2]}]"


def spelt(heading: str) -> str:
    return {"VOC AP50": "VOC_AP50"}.get(heading, heading.replace(" ", "_"))


def test_all_five_forms_of_the_comparison_have_the_runs_numbers(make: MakeRun) -> None:
    run = make(enhancers=TWO, costs=True)
    write_report(run, ())
    read = {form: (run / f"report/tables/comparison.{form}").read_text() for form in ("md", "tex", "csv", "json")}
    opened = FinishedRun.open(run)
    page, sorts = in_html(html(comparison_table([opened.study], [1000])))
    heading, *rows = in_markdown(read["md"])
    assert [heading, *rows] == in_latex(read["tex"]) == page
    records, lines = json.loads(read["json"]), in_csv(read["csv"])
    assert len(rows) == len(records) == len(lines) == len(opened.study.rows)
    checked = 0
    for row, sort, record, line in zip(rows, sorts, records, lines, strict=True):
        assert line == {name: "" if value is None else str(value) for name, value in record.items()}
        for name, text, number in zip(heading, row, sort, strict=True):
            if name.startswith("Δ"):
                metric = spelt(name.removeprefix("Δ").removesuffix(" [95 % CI]"))
                assert (text, number) == (difference(record, metric), record[f"delta_{metric}"])
            elif spelt(name) in record:
                assert (text, number) == (shown(record[spelt(name)]), record[spelt(name)])
            elif name == "Enhancer ms":
                assert number == record["cost_enhancer_ms"]
                assert number is None or float(text) == pytest.approx(number, rel=0.005)
            else:
                continue
            checked += 1
    assert checked == 7 * len(rows)


def test_all_five_forms_of_slices_have_the_runs_numbers(make: MakeRun) -> None:
    run = make(enhancers=TWO)
    write_report(run, ())
    found_slices = slices(FinishedRun.open(run))
    for by in found_slices.keys() & {"class", "lighting", "condition"}:
        table, _ = found_slices[by]
        stem = "per_class" if by == "class" else f"by_{by}"
        read = {form: (run / f"report/tables/{stem}.{form}").read_text() for form in ("md", "tex", "csv", "json")}
        page, sorts = in_html(html(table))
        heading, *rows = in_markdown(read["md"])
        assert [heading, *rows] == in_latex(read["tex"]) == page
        records = json.loads(read["json"])
        metric = ("IoU" if by == "class" else "mIoU") if "IoU" in table.caption else "AP50"
        found = {(record["enhancer"].partition("(")[0], record[by]): record[metric] for record in records}
        for row, sort in zip(rows, sorts, strict=True):
            for name, text, number in list(zip(heading, row, sort, strict=True))[2:]:
                assert (text, number) == (shown(found[name, row[0]]), found[name, row[0]])
        lines = in_csv(read["csv"])
        assert [[line[k] for k in line] for line in lines] == [
            ["" if value is None else str(value) for value in record.values()] for record in records
        ]


def test_json_keeps_every_bit_and_its_types(make_run: MakeRun) -> None:
    def change(row: ResultRow) -> ResultRow:
        return replace(row, metrics={"AP": 0.1 + 0.2, "AP50": None} | ({} if row.enhancer == "raw" else {"extra": 1.0}))

    run = make_run(enhancers=("he",), bright=False, change=change)
    write_report(run, ())
    raw, he = json.loads((run / "report/tables/comparison.json").read_text())
    assert (raw["AP"], raw["AP50"], raw["extra"], raw["partial"]) == (0.1 + 0.2, None, None, False)
    assert list(raw) == list(he)  # what one has the other has, if only as null
    assert type(raw["images"]) is int


def invoke(*args: object) -> str:
    result = CliRunner().invoke(app, [str(each) for each in args], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_columns_are_chosen_by_name_and_in_that_order(make_run: MakeRun) -> None:
    run = make_run(enhancers=("he",), costs=True)
    out = invoke("compare", run, "--columns", "ms,AP50,dAP50,p", "--table", "md")
    heading, *rows = in_markdown(out)
    assert heading == ["Enhancer", "Enhancer ms", "AP50", "ΔAP50 [95 % CI]", "p (Holm, AP50)"]
    assert "±" not in out
    assert "Costs at" in out
    assert "Costs at" not in invoke("compare", run, "--columns", "AP50", "--table", "md")
    (record,) = [each for each in json.loads(invoke("compare", run, "--table", "json")) if each["enhancer"] == "he"]
    assert rows[-1][2:4] == [shown(record["AP50"]), difference(record, "AP50")]


def test_a_report_writes_the_columns_that_were_chosen(make_run: MakeRun) -> None:
    run = make_run(enhancers=("he",))
    invoke("report", run, "--columns", "AP75", "--format", "png")
    assert in_markdown((run / "report/tables/comparison.md").read_text())[0] == ["Enhancer", "AP75"]
    assert {"AP", "AP50", "AP75"} <= set(in_csv((run / "report/tables/comparison.csv").read_text())[0])


def test_metrics_that_are_not_usual_can_be_shown(make_segmentation: MakeRun) -> None:
    run = make_segmentation(enhancers=("he",), change=lambda row: replace(row, metrics=row.metrics | {"kappa": 0.5}))
    assert in_markdown(invoke("compare", run, "--columns", "kappa,dmIoU", "--table", "md"))[1] == ["raw", "50.0", "–"]


@pytest.mark.parametrize("command", ["report", "compare"])
def test_an_unknown_column_is_told_all_that_there_are(make_run: MakeRun, command: str) -> None:
    run = make_run(enhancers=("he",))
    with pytest.raises(UserError) as refusal:
        CliRunner().invoke(app, [command, str(run), "--columns", "AP,mAP"], catch_exceptions=False)
    assert str(refusal.value) == (
        "there is no column 'mAP' here; use one or more of AP, AP50, AP75, VOC_AP50, dAP, dAP50, p"
    )
    assert not (run / "report").exists()  # refused before anything is written


def test_a_failed_row_is_as_long_as_the_others_whatever_is_shown(make_run: MakeRun) -> None:
    opened = FinishedRun.open(make_run(enhancers=TWO, broken="gamma", costs=True))
    for columns in ((), ("AP",), ("p", "ms", "dAP")):
        table = comparison_table([opened.study], [1000], columns=columns)
        assert {len(row) for row in table.blocks[0]} == {len(table.columns)}
        assert table.blocks[0][2][1].text == "error"


@pytest.mark.parametrize(
    ("by", "form", "stem"),
    [("class", "md", "per_class"), ("lighting", "csv", "by_lighting"), ("class", "json", "per_class")],
)
def test_the_table_by_class_or_by_attribute_is_printed(make_run: MakeRun, by: str, form: str, stem: str) -> None:
    run = make_run(enhancers=("he",), gallery=False)
    out = invoke("report", run, "--by", by, "--table", form, "--format", "png")
    assert out == (run / f"report/tables/{stem}.{form}").read_text()  # and nothing else
    assert f"AP50 by {by} on exdark" in invoke("report", run, "--by", by, "--format", "png")


def test_an_unknown_slice_is_told_those_that_there_are(make_run: MakeRun) -> None:
    run = make_run(enhancers=("he",))
    with pytest.raises(
        UserError, match=r"has no table by 'weather'; --by takes class, lighting, errors, error_counts, objects$"
    ):
        CliRunner().invoke(app, ["report", str(run), "--by", "weather"], catch_exceptions=False)
    assert not (run / "report").exists()


def test_a_suite_is_printed_in_a_form_too_and_says_where_columns_belong(make_run: MakeRun, tmp_path: Path) -> None:
    for name in ("a", "b"):
        change = partial(replace, split=name)
        make_run(f"suite/{name}", enhancers=("he",), gallery=False, change=change)
    out = invoke("report", tmp_path / "suite", "--table", "json", "--format", "png")
    assert out == (tmp_path / "suite/report/tables/summary.json").read_text()
    assert [record["split"] for record in json.loads(out)] == ["a"] * 3 + ["b"] * 3
    with pytest.raises(UserError, match="is a suite, but --columns and --by apply to a single run"):
        CliRunner().invoke(app, ["report", str(tmp_path / "suite"), "--by", "class"], catch_exceptions=False)


def test_a_notebook_shows_the_comparison_and_computes_on_a_frame(make_run: MakeRun) -> None:
    run = make_run(enhancers=("he",), costs=True)
    texts, numbers = in_html(f"<div>{sgz_bench.open_run(run)._repr_html_()}</div>")
    frame = sgz_bench.load_run(run)
    assert list(frame["enhancer"]) == [row[0] for row in texts[1:]] == ["bright", "raw", "he"]
    assert list(frame["AP50"]) == [row[texts[0].index("AP50")] for row in numbers]


def test_a_suite_is_one_frame_with_the_name_of_each_run(make_run: MakeRun, tmp_path: Path) -> None:
    for name in ("b", "a"):
        make_run(f"suite/{name}", enhancers=("he",))
    (tmp_path / "suite/report").mkdir()
    frame = sgz_bench.load_run(tmp_path / "suite")
    assert list(zip(frame["run"], frame["enhancer"], strict=True)) == [
        (run, enhancer) for run in "ab" for enhancer in ("bright", "raw", "he")
    ]
    assert frame.columns[0] == "run"
    assert "run" not in sgz_bench.load_run(tmp_path / "suite/a")
    with pytest.raises(UserError, match="not a finished run"):
        sgz_bench.load_run(tmp_path)


def wide(rows: int, columns: int) -> Table:
    """A table whose cells tell where they stand."""
    heading = (Column(("Class",), "label"), *(Column((f"method-{place}",)) for place in range(columns)))
    body = tuple((TableCell(f"row {r}"), *(TableCell(f"{r}.{c}") for c in range(columns))) for r in range(rows))
    return Table("wide", "Wide.", heading, (body[: rows // 3], body[rows // 3 :]), ("A note.",))


@pytest.mark.parametrize(("rows", "columns"), [(5, 4), (5, 60), (150, 4), (130, 50)])
def test_what_no_page_has_room_for_is_in_parts_that_lose_nothing(rows: int, columns: int) -> None:
    text = latex(wide(rows, columns))
    floats = text.split(r"\begin{table*}")[1:]
    assert (len(floats) > 1) is (rows > 100 or columns > 50 or rows * columns > 1000)
    cells = [cell.strip() for cell in re.split(r" & |\\\\", text)]
    assert all(cells.count(f"{r}.{c}") == 1 for r in range(rows) for c in range(columns))
    assert text.count("A note.") == 1
    assert "A note." in floats[-1]
    assert len(set(re.findall(r"\\label\{.*\}", text))) == len(floats)


def compiled(tables: list[Table], folder: Path) -> str:
    """What pdflatex says of a document of two columns that holds the tables and loads booktabs alone."""
    (folder / "all.tex").write_text(
        "\\documentclass[twocolumn]{article}\\usepackage{booktabs}\n"
        "\\textwidth=497pt \\textheight=640pt \\oddsidemargin=-14pt \\topmargin=-40pt\n\\begin{document}\n"
        + "\\clearpage\n".join(map(latex, tables))
        + "\\end{document}\n",
        encoding="utf-8",
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    said = done.stdout.decode(errors="replace")
    assert done.returncode == 0, said[-2000:]
    return said


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex")
def test_every_latex_table_compiles_and_fits_its_page(
    make_run: MakeRun, make_segmentation: MakeRun, tmp_path: Path
) -> None:
    odd = ("100%_sure", "R&D #1 {a}", "[x]~y^z", "back\\slash $5", *(f"class {place}" for place in range(70)))
    many = tuple(f"gamma(gamma=0.{place},weights=some_%_long_name)" for place in range(1, 26))
    runs = [
        make_run("a", enhancers=ODD + many, classes=odd, costs=True, broken=many[0]),
        make_run("b", enhancers=ODD, change=lambda row: replace(row, split="50%_val", terms="a & b_c")),
        make_segmentation("c", enhancers=TWO, costs=True, seeds=3),
        make_segmentation("d", enhancers=many, uiou=True),
    ]
    opened = [FinishedRun.open(run) for run in runs]
    tables = [comparison_table([run.study], [1000]) for run in opened]
    tables += [table for run in opened for table, _ in slices(run).values()]
    tables.append(comparison_table(combine(opened[:2], side_by_side=True), [1000]))
    said = compiled(tables, tmp_path)
    assert "Float too large" not in said
    assert not re.search(r"Overfull \\hbox", said)


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import sgz_bench, sys; sys.exit(bool({'pandas', 'numpy', 'torch', 'matplotlib'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
