"""Which figures are drawn, in which style, and what the figures of light show."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from typer.testing import CliRunner

from sgz_bench.__main__ import app
from sgz_bench.core.errors import UserError
from sgz_bench.reports.figures.study import precision_recall
from sgz_bench.reports.figures.style import canvas, looks, save, sized, style, styled
from sgz_bench.reports.figures.tone_curves import factor_maps, gain_map, tone_curves
from sgz_bench.reports.report import write_report
from sgz_bench.reports.run import FinishedRun

MakeRun = Callable[..., Path]
TWO = ("gamma", "sgz(scale=12,weights=w.pth)")


def test_figures_are_picked_by_name_and_pattern_and_come_without_tables(make_run: MakeRun) -> None:
    written = write_report(make_run(enhancers=TWO), ("png",), figures=("forest", "gallery_sgz_*"))
    assert [path.name for path in written] == ["forest.png", "gallery_sgz_gained.png", "gallery_sgz_lost.png"]


def test_a_figure_that_the_run_does_not_have_is_refused_with_those_that_it_has(make_run: MakeRun) -> None:
    run = make_run(enhancers=TWO)
    result = CliRunner().invoke(app, ["report", str(run), "--figures", "forest,confusion"])
    assert isinstance(result.exception, UserError)
    assert str(result.exception) == (
        "there is no figure 'confusion' here; use one or more of forest, tone_curves, factor_maps, per_class, "
        "by_lighting, precision_recall, errors, objects, gallery_*"
    )
    assert not (run / "report").exists()


def test_the_command_takes_figures_format_and_style(make_run: MakeRun) -> None:
    run = make_run(enhancers=TWO)
    options = ["--figures", "forest", "--format", "pdf,svg", "--style", "slides"]
    result = CliRunner().invoke(app, ["report", str(run), *options], catch_exceptions=False)
    assert result.output == f"2 files in {run / 'report' / 'figures'}\n"
    assert sorted(path.name for path in (run / "report").rglob("*.*")) == ["forest.pdf", "forest.svg"]


def test_every_format_has_the_same_bytes_for_the_same_figure(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, each = make_run(enhancers=TWO), []
    for epoch in ("1", "1000000000"):  # a date in a file would follow it
        monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
        files = write_report(run, ("png", "pdf", "svg"), figures=("forest", "tone_curves", "factor_maps"))
        each.append({path.name: path.read_bytes() for path in files})
    assert len(each[0]) == 9
    assert each[0] == each[1]


def test_fonts_are_in_the_pdf_as_outlines_that_publishers_take(make_run: MakeRun) -> None:
    (file,) = write_report(make_run(enhancers=TWO), ("pdf",), figures=("forest",))
    assert b"/FontFile2" in file.read_bytes()
    assert b"/Type3" not in file.read_bytes()


def test_slides_have_larger_text_beside_the_figure() -> None:
    sizes = {}
    for name in ("paper", "slides"):
        with style(name):
            figure = canvas(3.45, 2)
            sizes[name] = figure.get_figwidth(), sized(7), mpl.rcParams["font.size"], mpl.rcParams["lines.linewidth"]
    assert sizes["paper"] == (3.45, 7, 7, 1.2)
    wider, *others = (after / before for before, after in zip(sizes["paper"], sizes["slides"], strict=True))
    assert all(other > wider > 1 for other in others)


def test_a_style_of_ones_own_goes_on_top_and_is_gone_afterwards(tmp_path: Path) -> None:
    @styled
    def draw() -> Figure:
        figure = canvas(3.45, 2)
        figure.subplots().plot([0, 1])
        return figure

    file, before = tmp_path / "mine.mplstyle", dict(mpl.rcParams)
    file.write_text("lines.linewidth: 5  # thick\n\nfont.family: serif\nfigure.figsize: 6.9, 5\n")
    with style(str(file)):
        figure = draw()
        save(figure, tmp_path / "drawn", ("png",))
        assert mpl.rcParams["font.size"] == 7  # the paper's
        assert mpl.rcParams["font.family"] == ["serif"]
    assert figure.axes[0].lines[0].get_linewidth() == 5
    assert figure.get_figwidth() == pytest.approx(6.9)  # a column is twice as wide as the paper's
    assert Image.open(tmp_path / "drawn.png").width == 1380
    assert dict(mpl.rcParams) == before
    assert draw().axes[0].lines[0].get_linewidth() == 1.2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "mine.mplstyle is not a style; use paper, slides or the path of an .mplstyle file"),
        ("lines.linewith: 3", "'lines.linewith: 3', which is not a matplotlib setting"),
        ("lines.linewidth: thick", "is not a style (ValueError: "),
        ("lines.linewidth 3", "'lines.linewidth 3', which is not a matplotlib setting"),
    ],
)
def test_a_style_that_is_none_is_refused_in_one_line(tmp_path: Path, text: str | None, told: str) -> None:
    file = tmp_path / "mine.mplstyle"
    if text is not None:
        file.write_text(text)
    with pytest.raises(UserError) as refusal, style(str(file)):
        pass
    assert told in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_each_panel_of_the_tone_curves_has_one_enhancers_curve_in_its_look(make_run: MakeRun) -> None:
    run = FinishedRun.open(make_run(enhancers=("gamma", "he")))
    look = looks(["gamma", "he"])
    figure = tone_curves(run.study, run.tones(), look)
    for axes, name, exponent in zip(figure.axes, ("gamma", "he"), (1, 1 / 2), strict=True):
        own = next(line for line in axes.lines if line.get_color() == look[name].colour)
        assert axes.get_title() == name
        assert own.get_marker() == look[name].marker
        assert np.allclose(own.get_ydata(), 255 * (np.arange(256) / 255) ** exponent)


@pytest.mark.parametrize(("enhancers", "panels"), [(8, 1), (9, 9)])
def test_many_precision_recall_curves_get_a_panel_each_with_raw_in_it(
    make_run: MakeRun, enhancers: int, panels: int
) -> None:
    names = [f"gamma(gamma=0.{k})" for k in range(1, enhancers + 1)]
    run = FinishedRun.open(make_run(enhancers=tuple(names)))
    look = looks(names)
    figure = precision_recall(run.study, {row.key: run.curves(row) for row in run.study.rows}, look)
    assert len(figure.axes) == panels
    raw = run.curves(run.study.rows[1])["precision"]["all"]
    for axes in figure.axes:
        assert len(axes.lines) >= enhancers + 2
        assert any(np.array_equal(line.get_ydata(), raw) for line in axes.lines)
    if panels > 1:
        assert [axes.get_title().partition("\n")[0] for axes in figure.axes] == names


def test_a_run_from_before_the_curves_says_how_to_get_them(make_run: MakeRun) -> None:
    run, said = make_run(enhancers=TWO), list[str]()
    (run / "tones.json").unlink()
    index = json.loads((run / "gallery" / "index.json").read_text())
    (run / "gallery" / "index.json").write_text(json.dumps({"images": index["images"]}))
    assert write_report(run, ("png",), said.append, ("tone_curves", "factor_maps")) == []
    assert [line.partition(";")[2] for line in said] == [
        " repeat the run's command, which measures them",
        " repeat the run's command, which keeps one",
    ]


def ramp(width: int = 256, height: int = 64) -> NDArray[np.uint8]:
    return np.broadcast_to(np.arange(width, dtype=np.uint8)[None, :, None], (height, width, 3)).copy()


@pytest.mark.parametrize("gain", [0.5, 1, 2, 4])
def test_the_factor_map_of_a_constant_gain_is_that_constant(gain: float) -> None:
    raw = np.full((90, 120, 3), 40, dtype=np.uint8)
    raw[:45] = (20, 60, 32)
    found = gain_map(raw, (raw * gain).astype(np.uint8))
    assert found.shape == (90, 120)
    assert np.allclose(found, np.log2(gain), atol=1e-5)


def test_the_factor_map_weights_channels_as_luma_does_and_leaves_out_what_is_too_dark() -> None:
    raw = np.full((64, 64, 3), 100, dtype=np.uint8)
    greener = raw.copy()
    greener[..., 1] = 200
    assert np.allclose(gain_map(raw, greener), np.log2(1 + 0.587), atol=1e-5)
    raw[:, :32] = 0
    found = gain_map(raw, greener)
    assert np.isnan(found[:, :32]).all()
    assert np.isfinite(found[:, 32:]).all()


def test_factor_maps_share_one_scale_and_stand_beside_the_pictures(make_run: MakeRun) -> None:
    run = make_run(enhancers=("gamma", "he"))
    index = json.loads((run / "gallery" / "index.json").read_text())
    first, second = index["common"]
    for name, factor in ((first["raw"], 1), (first["enhanced"], 2), (second["enhanced"], 0.5)):
        picture = np.clip(ramp() * factor, 0, 255).astype(np.uint8)
        Image.fromarray(picture).save(run / "gallery" / name, quality=100)
    figure = factor_maps(FinishedRun.open(run))
    shown = [axes.images[0] for axes in figure.axes if axes.images and axes.images[0].get_array().ndim == 2]
    assert len({image.get_clim() for image in shown}) == 1
    middle = [float(image.get_array()[20, 60]) for image in shown]
    assert middle == pytest.approx([1, -1], abs=0.05)
