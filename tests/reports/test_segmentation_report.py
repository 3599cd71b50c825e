"""Reports of segmentation runs: their tables, the change of the confusion matrix, and the colours of their sheets."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from sgz_bench.core.errors import UserError
from sgz_bench.reports.figures.confusion import confusion_change, normalised
from sgz_bench.reports.figures.label_sheets import change, label_sheet
from sgz_bench.reports.figures.palette import palette
from sgz_bench.reports.figures.sheets import Block, lay_out
from sgz_bench.reports.figures.style import NothingToShow, save
from sgz_bench.reports.numbers import amounts
from sgz_bench.reports.report import write_report
from sgz_bench.reports.run import FinishedRun
from sgz_bench.reports.tables.combine import combine
from sgz_bench.reports.tables.comparison import comparison_table
from sgz_bench.reports.tables.markup import markdown
from sgz_bench.reports.tables.spreadsheets import comparison_records, csv_text
from sgz_bench.reports.tables.table import attribute_table, class_table

MakeRun = Callable[..., Path]
Pixels = NDArray[np.uint8]
TWO = ("gamma", "sgz(scale=12,weights=w.pth)")
CAMVID = (
    "Sky", "Building", "Pole", "Road", "Pavement", "Tree", "SignSymbol", "Fence", "Car", "Pedestrian", "Bicyclist",
)  # fmt: skip


def test_a_run_gets_every_table_and_figure(make_segmentation: MakeRun) -> None:
    said: list[str] = []
    written = write_report(
        make_segmentation(enhancers=TWO, classes=("road", "car", "sky", "person"), costs=True), ("png",), said.append
    )
    stems, forms = ("comparison", "per_class", "by_condition"), ("md", "tex", "csv", "json")
    tables = [f"{stem}.{form}" for stem in stems for form in forms]
    sheets = [f"gallery_{name}_{word}.png" for name in ("gamma", "sgz") for word in ("gained", "lost")]
    figures = ["forest", "pareto", "tone_curves", "factor_maps", "per_class", "by_condition", "confusion"]
    assert [path.name for path in written] == [*tables, *(f"{name}.png" for name in figures), *sheets, "report.html"]
    assert said == []


def test_writing_twice_gives_the_same_bytes(make_segmentation: MakeRun) -> None:
    run = make_segmentation(enhancers=TWO[:1], classes=("road", "car", "sky"))
    first, second = ({path: path.read_bytes() for path in write_report(run)} for _ in range(2))
    assert first == second


def test_the_comparison_shows_four_metrics_two_differences_and_the_p_of_miou(make_segmentation: MakeRun) -> None:
    study = FinishedRun.open(make_segmentation(enhancers=("gamma",))).study
    table = comparison_table([study], [1000])
    headings = [" ".join(column.heading) for column in table.columns]
    assert headings == [
        "Enhancer", "mIoU", "pixel accuracy", "mean accuracy", "fwIoU",
        "ΔmIoU [95 % CI]", "Δpixel accuracy [95 % CI]", "p (Holm, mIoU)",
    ]  # fmt: skip
    assert table.caption == "Segmentation on acdc (val): raw against enhanced images."
    row = study.find("gamma")
    assert row is not None
    shown = [cell.text for cell in table.blocks[0][1]]
    names = ("mIoU", "pixel_accuracy", "mean_accuracy", "fwIoU")
    assert shown[1:5] == [f"{100 * (row.metrics[name] or 0):.1f}" for name in names]
    for cell, name in zip(shown[5:7], ("mIoU", "pixel_accuracy"), strict=True):
        numbers = [100 * (row.delta[name][part] or 0) for part in ("value", "low", "high")]  # type: ignore[literal-required]
        assert cell == "{:+.1f} [{:+.1f}, {:+.1f}]".format(*numbers).replace("-", "−")
    assert shown[7] == ".040"


def test_uiou_has_a_column_only_where_rows_have_it(make_segmentation: MakeRun) -> None:
    def headings(run: Path) -> list[str]:
        table = comparison_table([FinishedRun.open(run).study], [1000])
        return [column.heading[0] for column in table.columns]

    assert "AUIoU" not in headings(make_segmentation("a", enhancers=TWO))
    assert headings(make_segmentation("b", enhancers=TWO, uiou=True))[5] == "AUIoU"


def test_classes_are_counted_in_percent_of_pixels() -> None:
    assert amounts({"road": 62_500, "car": 37_480, "train": 20, "bus": 0, "pole": None}, shares=True) == {
        "road": "62.5",
        "car": "37.5",
        "train": "<0.1",
        "bus": "0.0",
        "pole": "–",
    }


def test_slices_show_iou_by_class_and_miou_by_condition(make_segmentation: MakeRun) -> None:
    study = FinishedRun.open(make_segmentation(enhancers=("gamma",))).study
    classes, conditions = class_table(study, 1000), attribute_table(study, 1000, "condition")
    raw = study.find("raw")
    assert raw is not None
    pixels = {name: values["pixels"] or 0 for name, values in raw.per_class.items()}
    assert classes.caption == "IoU by class on acdc (val)."
    road = [cell.text for cell in classes.blocks[0][0]]
    iou = 100 * (raw.per_class["road"]["IoU"] or 0)
    assert road[:3] == ["road", f"{100 * pixels['road'] / sum(pixels.values()):.1f}", f"{iou:.1f}"]
    assert classes.columns[1].heading == ("Pixels (%)",)
    assert conditions.caption == "mIoU by condition on acdc (val)."
    assert [cell.text for cell in conditions.blocks[0][1][:3]] == ["night", "106", "50.0"]
    assert "AP" not in markdown(classes) + markdown(conditions)


def test_rows_of_several_seeds_show_mean_and_standard_deviation(make_segmentation: MakeRun) -> None:
    study = FinishedRun.open(make_segmentation(enhancers=("gamma",), seeds=3)).study
    table = comparison_table([study], [1000])
    row = study.find("gamma")
    assert row is not None
    a, b, c = (float(member["metrics"]["mIoU"] or 0) for member in row.members)
    mean = (a + b + c) / 3
    deviation = (((a - mean) ** 2 + (b - mean) ** 2 + (c - mean) ** 2) / 2) ** 0.5
    assert table.blocks[0][1][1].text == f"{100 * mean:.1f} ± {100 * deviation:.1f}"
    notes = " ".join(table.notes)
    assert "mean over 3 training seeds; ±: standard deviation (n − 1)" in notes
    assert "±" not in " ".join(class_table(study, 1000).notes)  # where no cell has one
    record = list(csv.DictReader(io.StringIO(csv_text(comparison_records([study])))))[1]
    assert record["seeds"] == "3"
    assert float(record["mIoU_std"]) == pytest.approx(deviation)


def test_one_seed_has_no_standard_deviation_and_says_so(make_segmentation: MakeRun) -> None:
    table = comparison_table([FinishedRun.open(make_segmentation(enhancers=("gamma",), seeds=1)).study], [1000])
    assert "±" not in markdown(table)
    assert any(note.startswith("One training seed") for note in table.notes)


def test_frozen_rows_know_no_seeds(make_segmentation: MakeRun) -> None:
    study = FinishedRun.open(make_segmentation(enhancers=("gamma",))).study
    assert "seed" not in " ".join(comparison_table([study], [1000]).notes)
    assert "seeds" not in csv_text(comparison_records([study])).splitlines()[0].split(",")


def test_detection_and_segmentation_cannot_share_a_table(make_run: MakeRun, make_segmentation: MakeRun) -> None:
    runs = [FinishedRun.open(make_run("a", enhancers=())), FinishedRun.open(make_segmentation("b", enhancers=()))]
    with pytest.raises(UserError, match="task differs, 'detection' against 'segmentation'"):
        combine(runs)


def test_confusion_is_a_share_of_each_class_and_leaves_out_what_does_not_occur() -> None:
    counts = np.array(
        [
            [6, 2, 0, 0, 2],  # of 10 pixels of a road 6 are called road, 2 car, 2 nothing
            [1, 3, 0, 0, 0],
            [0, 0, 0, 0, 0],  # no train, and nothing is called so
            [0, 0, 0, 5, 0],
        ]
    )
    found = normalised(["road", "car", "train", "sky"], {"raw": counts})
    assert found.rows == ["road", "car", "sky"]
    assert found.columns == ["road", "car", "sky", "no class"]
    np.testing.assert_allclose(found.shares["raw"], [[0.6, 0.2, 0, 0.2], [0.25, 0.75, 0, 0], [0, 0, 1, 0]])


def test_what_is_predicted_but_never_true_has_a_column_and_no_row() -> None:
    found = normalised(
        ["road", "train"], {"raw": np.array([[4, 0, 0], [0, 0, 0]]), "he": np.array([[3, 1, 0], [0, 0, 0]])}
    )
    assert (found.rows, found.columns) == (["road"], ["road", "train"])
    np.testing.assert_allclose(found.shares["he"] - found.shares["raw"], [[-0.25, 0.25]])


def test_of_many_classes_the_largest_are_shown_and_the_rest_is_one_column() -> None:
    counts = np.diag(np.arange(1, 31))  # class 29 has most pixels
    counts[29, 0] = 30
    found = normalised([str(k) for k in range(30)], {"raw": np.pad(counts, ((0, 0), (0, 1)))})
    assert found.rows == [str(k) for k in range(10, 30)]
    assert found.columns == [*found.rows, "other classes"]
    assert found.shares["raw"][-1, -2:].tolist() == [0.5, 0.5]
    np.testing.assert_allclose(found.shares["raw"].sum(axis=1), 1)


def test_the_confusion_figure_prints_the_change_in_points(make_segmentation: MakeRun) -> None:
    study = FinishedRun.open(make_segmentation(enhancers=("gamma",), classes=("sky", "road"))).study
    raw, gamma = study.rows
    counts = {raw.key: np.array([[50, 50, 0], [0, 80, 20]]), gamma.key: np.array([[75, 25, 0], [0, 80, 20]])}
    (figure,) = confusion_change(study, counts)
    (axes, _bar) = figure.axes
    assert {(text.get_position(), text.get_text()) for text in axes.texts} == {((0.5, 0.5), "+25"), ((1.5, 0.5), "−25")}
    assert [label.get_text() for label in axes.get_xticklabels()] == ["sky", "road", "no class"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["sky", "road"]


def test_seeds_count_together_in_the_confusion(make_segmentation: MakeRun) -> None:
    run = make_segmentation(enhancers=("gamma",), seeds=2)
    opened = FinishedRun.open(run)
    row = opened.study.rows[1]
    expected = sum(np.load(run / "cells" / each["key"] / "confusion.npz")["counts"].sum(axis=0) for each in row.members)
    np.testing.assert_array_equal(opened.confusion(row), expected)


def test_a_damaged_confusion_costs_one_figure_only(make_segmentation: MakeRun) -> None:
    run, said = make_segmentation(enhancers=("gamma",)), list[str]()
    row = FinishedRun.open(run).study.rows[0]
    (run / "cells" / row.key / "confusion.npz").write_bytes(b"PK")
    assert "forest.png" in [path.name for path in write_report(run, ("png",), said.append)]
    assert len(said) == 1
    assert said[0].startswith("confusion: not drawn")
    assert "confusion.npz" in said[0]


def test_colours_are_those_of_cityscapes_for_camvid_too() -> None:
    cityscapes = palette({"road": 0, "car": 13, "person": 11})
    assert cityscapes[[0, 13, 11, 255]].tolist() == [[128, 64, 128], [0, 0, 142], [220, 20, 60], [0, 0, 0]]
    camvid = palette({name: k for k, name in enumerate(CAMVID)})
    assert camvid[[3, 4, 5, 8, 10]].tolist() == [
        [128, 64, 128], [244, 35, 232], [107, 142, 35], [0, 0, 142], [119, 11, 32],
    ]  # fmt: skip
    assert len(np.unique(camvid[:11], axis=0)) == 11


def test_other_classes_get_fixed_distinct_colours() -> None:
    few, many = palette({"road": 0, "lamp": 1, "sofa": 2}), palette({f"thing {k}": k for k in range(60)})
    assert few[0].tolist() == [128, 64, 128]
    assert few[1:3].tolist() == many[:2].tolist()
    apart = np.linalg.norm(many[:60, None].astype(float) - many[None, :60], axis=2) + 1000 * np.eye(60)
    assert apart.min() > 40
    assert np.linalg.norm(many[:60].astype(float), axis=1).min() > 40  # from void's black


def test_a_change_is_told_by_who_is_right() -> None:
    truth = np.array([[0, 0, 0, 0, 255]], dtype=np.uint8)
    before, after = np.array([[[0, 0, 1, 1, 0]], [[0, 1, 0, 2, 0]]], dtype=np.uint8)
    assert change(truth, before, after).tolist() == [[3, 2, 1, 0, 255]]


def sheet_pixels(run: Path, tmp_path: Path) -> tuple[list[list[Pixels]], list[str]]:
    """The panels of a one-image sheet as drawn, line by line, and the words of its legends."""
    figure = label_sheet(FinishedRun.open(run), "gamma", "gamma", gained=True)
    (path,) = save(figure, tmp_path / "sheet", ("png",))
    pixels = np.asarray(Image.open(path).convert("RGB"))
    tall, wide = pixels.shape[:2]
    boxes = [axes.get_position() for axes in figure.axes]
    panels = [
        pixels[round((1 - b.y1) * tall) : round((1 - b.y0) * tall), round(b.x0 * wide) : round(b.x1 * wide)]
        for b in boxes
    ]
    return [panels[:3], panels[3:]], [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def at(panel: Pixels, x: float, y: float) -> list[int]:
    values: list[int] = panel[int(y * len(panel)), int(x * panel.shape[1])].tolist()
    return values


def small_gallery(run: Path, **maps: list[list[int]]) -> None:
    """Replace the label maps of the first image by maps of 2 × 2 fields."""
    entry = json.loads((run / "gallery" / "index.json").read_text())["images"][0]
    for name, fields in maps.items():
        wide = np.kron(np.array(fields, dtype=np.uint8), np.ones((100, 160), dtype=np.uint8))
        Image.fromarray(wide).save(run / "gallery" / entry[name])
    truth = json.loads((run / "truth.json").read_text())
    truth["images"][0] |= {"width": 320, "height": 200}
    (run / "truth.json").write_text(json.dumps(truth))


def test_a_sheet_shows_maps_in_cityscapes_colours_and_what_changed(make_segmentation: MakeRun, tmp_path: Path) -> None:
    run = make_segmentation(enhancers=("gamma",))
    small_gallery(run, truth=[[10, 10], [0, 255]], raw_labels=[[10, 2], [13, 0]], enhanced_labels=[[2, 10], [2, 255]])
    ((_, _, truth), (raw, enhanced, changed)), words = sheet_pixels(run, tmp_path)
    corners = ((0.25, 0.4), (0.75, 0.4), (0.25, 0.75), (0.75, 0.75))
    sky, road, building, car, void = [70, 130, 180], [128, 64, 128], [70, 70, 70], [0, 0, 142], [0, 0, 0]
    assert [at(truth, *corner) for corner in corners] == [sky, sky, road, void]
    assert [at(raw, *corner) for corner in corners] == [sky, building, car, road]
    assert [at(enhanced, *corner) for corner in corners] == [building, sky, building, void]
    lost, gained, wrong = [0xE6, 0x9F, 0x00], [0x56, 0xB4, 0xE9], [0x80, 0x80, 0x80]
    assert [at(changed, *corner) for corner in corners] == [lost, gained, wrong, void]
    assert words[:5] == ["road", "building", "sky", "car", "void or no class"]


def test_ids_of_a_part_of_the_classes_keep_their_colours(make_segmentation: MakeRun, tmp_path: Path) -> None:
    run = make_segmentation(enhancers=("gamma",), classes=("road", "car"), class_ids=(0, 13))
    small_gallery(run, truth=[[0, 13], [0, 13]], raw_labels=[[14, 13], [0, 13]], enhanced_labels=[[0, 13], [0, 13]])
    ((_, _, truth), (raw, _, _)), words = sheet_pixels(run, tmp_path)
    assert at(truth, 0.75, 0.5) == [0, 0, 142]
    assert at(raw, 0.25, 0.4) == [0, 0, 0]  # a truck is none of the classes
    assert words[:3] == ["road", "car", "void or no class"]


def test_a_truth_without_class_ids_costs_the_sheets_only(make_segmentation: MakeRun) -> None:
    run, said = make_segmentation(enhancers=("gamma",)), list[str]()
    truth = json.loads((run / "truth.json").read_text())
    del truth["class_ids"]
    (run / "truth.json").write_text(json.dumps(truth))
    assert "confusion.png" in [path.name for path in write_report(run, ("png",), said.append)]
    assert len(said) == 2
    assert all("does not have the ids of the classes" in line for line in said)


def test_a_sheet_of_nothing_is_not_drawn(make_segmentation: MakeRun) -> None:
    with pytest.raises(NothingToShow, match="no image gained"):
        label_sheet(FinishedRun.open(make_segmentation(enhancers=("gamma",))), "raw", "raw", gained=True)


def test_panels_stand_where_the_page_has_room_for_them() -> None:
    nothing = [lambda _axes: None] * 3
    figure = lay_out(
        ("a", "b", "c"), [Block("one", (300, 200), (nothing, nothing)), Block("two", (300, 200), (nothing,))], 0.5
    )
    boxes = [axes.get_position() for axes in figure.axes]
    assert len(boxes) == 9
    assert all(0 <= box.x0 < box.x1 <= 1 + 1e-9 and 0 < box.y0 < box.y1 <= 1 for box in boxes)
    for upper, lower in zip(boxes, boxes[3:], strict=False):
        assert upper.y0 > lower.y1
