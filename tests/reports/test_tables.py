"""The same numbers in every form of a table, and the rules of bold and star."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from sgz_bench.benchmarks.results import Delta, Measure, ResultRow
from sgz_bench.reports.catalog import TASK_REPORTS
from sgz_bench.reports.labels import broken, darken_labels, enhancer_labels, file_names, model_labels, short_labels
from sgz_bench.reports.numbers import difference, excludes_zero, in_unit, p_value, percent, signed, significant
from sgz_bench.reports.run import FinishedRun, Study
from sgz_bench.reports.tables.comparison import comparison_table
from sgz_bench.reports.tables.latex import latex
from sgz_bench.reports.tables.markup import html, markdown, print_table
from sgz_bench.reports.tables.spreadsheets import comparison_records, csv_text
from sgz_bench.reports.tables.table import Table, TableCell, attribute_table, best, class_table, cost_tables
from sgz_bench.reports.task_report import TaskReport
from sgz_bench.tasks.catalog import TASKS

MakeRun = Callable[..., Path]


def delta(value: float | None, low: float | None = None, high: float | None = None) -> Delta:
    return {"value": value, "low": low, "high": high, "p": None, "p_holm": None}


def table_of(run: Path) -> Table:
    opened = FinishedRun.open(run)
    return comparison_table([opened.study], [opened.replicates])


def lines_of(table: Table) -> list[list[str]]:
    """Markdown body cells as a reader of the page sees them."""
    body = [line for line in markdown(table).splitlines() if line.startswith("| ")][2:]
    return [[re.sub(r"\\(.)", r"\1", cell.strip()) for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in body]


def terminal(table: Table, width: int) -> str:
    console = Console(width=width, file=io.StringIO(), highlight=False)
    print_table(table, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("value", "shown"), [(0.4163, "41.6"), (0.0, "0.0"), (1.0, "100.0"), (None, "–"), (-0.25, "−25.0")]
)
def test_metrics_are_percent_with_one_decimal(value: float | None, shown: str) -> None:
    assert percent(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.02, "+2.0"), (-0.0427, "−4.3"), (0.0, "0.0"), (0.0001, "+0.0"), (-0.0001, "−0.0"), (None, "–")],
)
def test_differences_carry_a_true_sign(value: float | None, shown: str) -> None:
    assert signed(value) == shown


def test_a_difference_shows_its_interval_where_there_is_one() -> None:
    assert difference(delta(0.02, 0.004, 0.036)) == "+2.0 [+0.4, +3.6]"
    assert difference(delta(0.02)) == "+2.0"
    assert difference(delta(None)) == difference(None) == "–"


@pytest.mark.parametrize(
    ("low", "high", "excluded"),
    [(0.001, 0.03, True), (-0.03, -0.001, True), (-0.01, 0.01, False), (0.0, 0.01, False), (None, None, False)],
)
def test_an_interval_that_ends_at_zero_does_not_exclude_it(
    low: float | None, high: float | None, excluded: bool
) -> None:
    assert excludes_zero(delta(0.0, low, high)) is excluded


@pytest.mark.parametrize(
    ("p", "shown"), [(0.0123, ".012"), (0.000999, "<.001"), (0.001, ".001"), (1.0, "1.000"), (None, "–")]
)
def test_p_values(p: float | None, shown: str) -> None:
    assert p_value(p) == shown


def test_what_is_shown_as_equal_is_equally_good() -> None:
    assert best(["41.6", "43.0", "43.0", "–"]) == {1, 2}
    assert best(["−", "–"][1:]) == set()
    assert best(["9.9", "10.0"]) == {1}  # as numbers, not as text


def test_weights_are_shortened_unless_two_would_look_alike() -> None:
    one, other = "sgz(scale=12,weights=/a/sgz.pth)", "sgz(scale=12,weights=/b/sgz.pth)"
    assert enhancer_labels([one, "raw"]) == {one: "sgz(scale=12,weights=sgz)", "raw": "raw"}
    assert enhancer_labels([one, other]) == {one: one, other: other}
    assert short_labels([one, "gamma(gamma=0.5)", "gamma(gamma=0.7)"]) == {
        one: "sgz",
        "gamma(gamma=0.5)": "gamma(gamma=0.5)",
        "gamma(gamma=0.7)": "gamma(gamma=0.7)",
    }


def test_file_names_of_different_enhancers_differ() -> None:
    specs = ["gamma(gamma=0.5)", "gamma(gamma=0-5)", "gamma(gamma=0+5)"]
    assert list(file_names(specs).values()) == ["gamma-gamma-0-5", "gamma-gamma-0-5--2", "gamma-gamma-0-5--3"]


def test_models_are_told_apart_by_what_differs() -> None:
    small, large = ("yolo:n.pt(conf=0.001,imgsz=320)", "a" * 64), ("yolo:n.pt(conf=0.001,imgsz=640)", "a" * 64)
    assert model_labels([small]) == {small: "n"}
    assert model_labels([small, large]) == {small: "n (imgsz=320)", large: "n (imgsz=640)"}
    retrained = (small[0], "b" * 64)
    batched = ("yolo:n.pt(batch=4,conf=0.001,imgsz=640)", "b" * 64)
    assert model_labels([large, batched]) == {large: "n (batch=1)", batched: "n (batch=4)"}
    assert model_labels([small, retrained]) == {small: "n (aaaaaaaa)", retrained: "n (bbbbbbbb)"}


def test_darkenings_are_told_apart_by_exposure_and_what_differs() -> None:
    a, b = "darken(ev=3,read_noise=3,seed=0)", "darken(ev=3,read_noise=5,seed=0)"
    assert darken_labels([None, a, b]) == {None: "none", a: "ev=3,read_noise=3", b: "ev=3,read_noise=5"}


def test_long_names_break_after_commas() -> None:
    assert broken("sgz(scale=12,weights=sgz_official)", 24) == ["sgz(scale=12,", "weights=sgz_official)"]
    assert broken("raw", 2) == ["raw"]


def test_bright_is_first_and_never_best(make_run: MakeRun) -> None:
    bright, *others = lines_of(table_of(make_run()))
    assert bright[:2] == ["bright", "37.8"]
    assert others[0][0] == "raw"
    best_of_the_others = max(float(line[2].strip("*")) for line in others)
    bold = [line[2] for line in [bright, *others] if line[2].startswith("**")]
    assert bold == [f"**{best_of_the_others:.1f}**"]


def test_the_star_stands_where_the_corrected_p_is_below_5_percent(make_run: MakeRun) -> None:
    deltas = {
        "bright": (0.004, 0.036, 0.02, None),
        "gamma": (0.004, 0.036, 0.0001, 0.0002),
        "he": (0.004, 0.036, 0.02, 0.06),
        "clahe": (-0.01, 0.05, 0.2, 0.2),
    }

    def change(row: ResultRow) -> ResultRow:
        if row.enhancer not in deltas:
            return row
        low, high, p, holm = deltas[row.enhancer]
        return replace(row, delta={"AP50": {"value": 0.02, "low": low, "high": high, "p": p, "p_holm": holm}})

    table = table_of(make_run(enhancers=("gamma", "he", "clahe"), change=change))
    lines = {line[0]: line for line in lines_of(table)}
    assert lines["gamma"][5:] == ["–", "+2.0 [+0.4, +3.6]*", "<.001"]
    assert lines["he"][6:] == ["+2.0 [+0.4, +3.6]", ".060"]
    assert lines["clahe"][6:] == ["+2.0 [−1.0, +5.0]", ".200"]
    assert lines["bright"][6] == "+2.0 [+0.4, +3.6]*"  # the only reference: a family of its own
    assert any(note.endswith("*: p < .05, corrected for the enhancers (Holm); the interval is not.")
               for note in table.notes)  # fmt: skip


def test_without_p_the_star_stands_where_the_interval_excludes_zero() -> None:
    for low, high in ((0.001, 0.03), (-0.03, -0.001), (-0.01, 0.01), (0.0, 0.01), (None, None)):
        assert significant(delta(0.01, low, high)) is excludes_zero(delta(0.01, low, high))
    assert not significant(delta(None))
    assert not significant(None)


def test_notes_say_where_too_few_images_make_intervals_doubtful(make_run: MakeRun) -> None:
    def notes(**fields: int) -> str:
        return " ".join(table_of(make_run(change=lambda row: replace(row, **fields))).notes)

    classes = len(FinishedRun.open(make_run()).study.rows[0].per_class)
    few = "with labels have them on fewer than 5 images"
    assert f"2 of {classes} classes {few}" in notes(sparse_classes=2)
    assert few not in notes()
    assert "4 images: too few for any interval" in notes(images=4, sparse_classes=2)
    assert "too few" not in notes(images=5)


def test_all_forms_of_the_table_agree(make_run: MakeRun) -> None:
    run = make_run()
    table = table_of(run)
    in_markdown = lines_of(table)
    records = list(csv.DictReader(io.StringIO(csv_text(comparison_records([FinishedRun.open(run).study])))))
    body = latex(table).split(r"\midrule")[1].split(r"\bottomrule")[0]
    in_latex = [line.strip().removesuffix(r" \\").split(" & ") for line in body.strip().splitlines()]
    wide = terminal(table, 300).splitlines()
    assert len(in_markdown) == len(records) == len(in_latex) == 8
    for cells, record, tex in zip(in_markdown, records, in_latex, strict=True):
        plain = [cell.strip("*") for cell in cells]
        assert plain[1:5] == [f"{100 * float(record[name]):.1f}" for name in ("AP", "AP50", "AP75", "VOC_AP50")]
        unmarked = [re.sub(r"\\textbf\{(.*)\}|\\rlap\{.*\}", r"\1", cell) for cell in tex]
        assert [cell.replace("$-$", "−").replace("--", "–") for cell in unmarked[1:]] == plain[1:]
        if record["delta_AP50"]:
            numbers = [100 * float(record[f"delta_AP50{part}"]) for part in ("", "_low", "_high")]
            assert plain[6] == "{:+.1f} [{:+.1f}, {:+.1f}]".format(*numbers).replace("-", "−")
        line = next(line for line in wide if line.split(" ")[0] == plain[0])
        assert line.replace("*", "").split() == " ".join(plain).split()


def test_csv_keeps_every_bit(make_run: MakeRun) -> None:
    run = make_run(change=lambda row: replace(row, metrics={"AP": 0.1 + 0.2, "AP50": None}))
    record = next(csv.DictReader(io.StringIO(csv_text(comparison_records([FinishedRun.open(run).study])))))
    assert record["AP"] == "0.30000000000000004"
    assert record["AP50"] == ""


def test_special_characters_are_escaped(make_run: MakeRun) -> None:
    run = make_run(enhancers=("odd(a_b=50%,c=x&y,d=p|q*)",), classes=("traffic_light", "R&D #1 {50%}", "[x]"))
    opened = FinishedRun.open(run)
    tables = [table_of(run), class_table(opened.study, 1000), attribute_table(opened.study, 1000, "lighting")]
    for text in map(latex, tables):
        body = "\n".join(text.splitlines()[1:])  # the first line is a comment
        assert not re.search(r"(?<!\\)[%#_]", body)
        assert not re.search(r"(?<![ \\])&|(?<!\\)&(?! )", body)  # separators stand between blanks
    assert r"odd(a\_b=50\%,c=x\&y,d=p$|$q*)" in latex(tables[0])
    assert r"traffic\_light &" in latex(tables[1])
    assert r"R\&D \#1 \{50\%\} &" in latex(tables[1])
    assert "{[}x] &" in latex(tables[1])  # not an argument of the line break before it
    assert r"odd(a\_b=50%,c=x&y,d=p\|q\*)" in markdown(tables[0])
    assert lines_of(tables[0])[2][0] == "odd(a_b=50%,c=x&y,d=p|q*)"


def test_html_escapes_names_and_tells_headings_from_numbers(make_run: MakeRun) -> None:
    run = make_run(enhancers=("odd(a=<b>&'c\")",), change=lambda row: replace(row, terms="<script>"))
    page = ElementTree.fromstring(html(table_of(run)))
    assert page.find(".//script") is None
    assert ["".join(each.itertext()) for each in page.findall(".//tbody/tr/th[@scope='row']")] == [
        "bright",
        "raw",
        "odd(a=<b>&'c\")",
    ]
    headings = [each.text for each in page.findall(".//thead/tr/th[@scope='col']")]
    assert headings == [" ".join(column.heading) for column in table_of(run).columns]
    assert page.findtext(".//caption") == "Detection on exdark (test): raw against enhanced images."
    assert ["".join(note.itertext()) for note in page.findall("div[@class='notes']/p")] == list(table_of(run).notes)


def test_html_is_sorted_by_all_digits(make_run: MakeRun) -> None:
    def change(row: ResultRow) -> ResultRow:
        return replace(row, metrics=row.metrics | {"AP": 0.1 + 0.2, "AP75": None})

    page = ElementTree.fromstring(html(table_of(make_run(enhancers=("he",), change=change))))
    ap, _, ap75, *_ = page.findall(".//tbody/tr[2]/td")
    assert ("".join(ap.itertext()), ap.get("data-sort"), ap.get("class")) == (
        "30.0",
        "0.30000000000000004",
        "number best",
    )
    assert ("".join(ap75.itertext()), ap75.get("data-sort")) == ("–", None)


@pytest.mark.parametrize("width", [100, 80])
def test_the_terminal_table_fits_and_keeps_every_number(make_run: MakeRun, width: int) -> None:
    table = table_of(make_run())
    text = terminal(table, width)
    assert max(map(len, text.splitlines())) <= width
    for row in table.blocks[0]:
        for cell in row[1:]:
            for part in cell.text.split(" ", 1):  # an interval may stand under its value
                assert part in text


def test_a_table_that_cannot_fit_loses_no_digit(make_run: MakeRun) -> None:
    assert ["+13.3", "[+11.7, +14.9]"][1] in terminal(table_of(make_run()), 40)


def test_rows_that_failed_say_why(make_run: MakeRun) -> None:
    table = table_of(make_run(broken="he"))
    failed = next(line for line in lines_of(table) if line[0] == "he")
    assert failed[1:] == ["error", *["–"] * 6]
    assert "error in he: image_7: RuntimeError: out of memory at 50%_done" in table.notes
    assert r"out of memory at 50\%\_done" in latex(table)


def test_partial_rows_are_marked(make_run: MakeRun) -> None:
    table = table_of(make_run(change=lambda row: replace(row, partial=True)))
    assert all(line[0].endswith(" (partial)") for line in lines_of(table))
    assert any(note.startswith("partial:") for note in table.notes)


def test_terms_that_leave_out_commercial_use_stand_under_the_table(make_run: MakeRun) -> None:
    def change(row: ResultRow) -> ResultRow:
        return replace(row, terms="CC BY-NC 4.0" if row.enhancer == "he" else "")

    assert "Terms of weights: he: CC BY-NC 4.0." in table_of(make_run(change=change)).notes
    assert not any("Terms" in note for note in table_of(make_run()).notes)


def test_mixed_hardware_stands_under_the_table(make_run: MakeRun) -> None:
    notes = table_of(make_run(change=lambda row: replace(row, processors=["A100", "H100"]))).notes
    assert "Predicted on different processors (A100, H100): the last digits may differ." in notes
    assert not any("processors" in note for note in table_of(make_run()).notes)


def test_the_notes_name_what_the_numbers_depend_on(make_run: MakeRun) -> None:
    notes = " ".join(table_of(make_run()).notes)
    for fact in ("exdark", "split test", "2563 images", "yolov8n-coco-int8deq.pt", "darken(ev=3", "1000 resamples"):
        assert fact in notes


def test_slices_show_counts_bold_and_star(make_run: MakeRun) -> None:
    opened = FinishedRun.open(make_run(enhancers=("gamma", "he")))
    table = attribute_table(opened.study, 1000, "lighting")
    assert [column.heading[0] for column in table.columns] == ["Lighting", "Images", "bright", "raw", "gamma", "he"]
    for line in table.blocks[0]:
        _, _, bright, *others = line
        assert not bright.bold
        values = [float(cell.text) for cell in others]
        assert [cell.bold for cell in others] == [value == max(values) for value in values]
    gamma = opened.study.find("gamma")
    assert gamma is not None
    low = gamma.delta_by_attribute["lighting"]["Low"]["AP50"]
    assert table.blocks[0][0][4].mark is excludes_zero(low)
    assert table.blocks[0][0][1].text == "134"


@pytest.mark.parametrize(
    ("value", "unit", "plain", "sign"),
    [
        (0.4163, "%", "41.6", "+41.6"),
        (1234.56, "boxes", "1235", "+1.23e+03"),
        (-0.25, "", "−0.25", "−0.25"),
        (0.0, "boxes", "0", "0"),
        (None, "boxes", "–", "–"),
    ],
)
def test_numbers_of_another_unit_are_shown_as_they_are(value: float | None, unit: str, plain: str, sign: str) -> None:
    assert in_unit(value, unit) == plain
    assert signed(value, unit) == sign


def test_the_best_of_a_metric_is_its_lowest_where_lower_is_better() -> None:
    assert best(["3", "−1", "2.5", "–", "−1"], lowest=True) == {1, 4}
    assert best(["3", "−1", "2.5", "–", "−1"]) == {0}
    assert best(["–"]) == set()


def test_a_metric_that_was_added_has_a_column_a_difference_and_a_note(make_run: MakeRun) -> None:
    opened = FinishedRun.open(make_run(enhancers=("he",)))
    said = Measure(unit="boxes", better="lower", summary="boxes that are missed", version=1, fingerprint="f")
    rows = [
        replace(
            row,
            metrics=row.metrics | {"missed": 7.5 - place},
            measures={"missed": said},
            delta=row.delta | {"missed": delta(-1.0, -2.0, -0.25)} if row.enhancer == "he" else row.delta,
        )
        for place, row in enumerate(opened.study.rows)
    ]
    table = comparison_table([Study.of(rows, {})], [100])
    headings = [" ".join(column.heading) for column in table.columns]
    assert headings[5:6] + headings[-2:-1] == ["missed", "Δmissed [95 % CI]"]
    last = table.blocks[0][-1]
    assert last[5] == TableCell(f"{7.5 - (len(rows) - 1):.4g}", bold=True, value=7.5 - (len(rows) - 1))
    assert last[-2] == TableCell("−1 [−2, −0.25]", mark=True, value=-1.0)
    assert "missed: boxes that are missed; mean over images, unit boxes, lower is better." in table.notes
    failed = comparison_table([Study.of([*rows[:-1], replace(rows[-1], status="error")], {})], [100])
    assert {len(line) for line in failed.blocks[0]} == {len(failed.columns)}


def test_tables_of_costs_tell_models_of_one_file_name_apart(make_run: MakeRun) -> None:
    studies = [
        FinishedRun.open(
            make_run(folder, enhancers=(), costs=True, change=lambda row, to=model: replace(row, model=to))
        ).study
        for folder, model in (("a", "yolo:/a/best.pt"), ("b", "yolo:/b/best.pt"))
    ]
    captions = [table.caption for table in cost_tables(studies)]
    assert captions == [f"Costs in front of best (yolo:/{folder}/best.pt)." for folder in "ab"]
    assert [table.caption for table in cost_tables(studies[:1])] == ["Costs in front of best."]


def test_every_task_has_a_report() -> None:
    assert set(TASK_REPORTS) == set(TASKS)
    assert all(isinstance(TASK_REPORTS.load(name), TaskReport) for name in TASK_REPORTS)
