"""The page as a file: what it holds, that it is whole in itself, and how large it may get."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sgz_bench.reports.figures.catalog import run_figures, sweep_figures
from sgz_bench.reports.figures.style import looks
from sgz_bench.reports.page.html import section_titles
from sgz_bench.reports.page.verdict import verdict
from sgz_bench.reports.report import run_section, write_page
from sgz_bench.reports.run import FinishedRun

MakeRun = Callable[..., Path]
VOID = {"meta", "link", "img", "input", "br", "wbr", "rect"}


class Page(HTMLParser):
    """Tags with their attributes, the text outside style and script, and whether all that is opened is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text, self._open = "", list[str]()
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] not in {"style", "script"}:
            self.text += data


def page(run: Path, sections: int = 1) -> tuple[Page, str]:
    opened = FinishedRun.open(run)
    drawn = run_figures(opened, looks([row.enhancer for row in opened.study.rows]))
    text = write_page(run, [run_section(opened, drawn, sections)] * sections).read_text(encoding="utf-8")
    return Page(text), text


@pytest.fixture(scope="module")
def pages(made_up_pages: dict[str, Path]) -> dict[str, tuple[Page, str]]:
    """The page of a made-up run of each task."""
    texts = {task: path.read_text(encoding="utf-8") for task, path in made_up_pages.items()}
    return {task: (Page(text), text) for task, text in texts.items()}


def test_the_page_says_the_verdict_the_protocol_and_how_to_do_it_again(
    made_up: dict[str, Path], tmp_path: Path
) -> None:
    run = Path(shutil.copytree(made_up["detection"], tmp_path / "run"))
    config = {"replicates": 1000, "task": "detection", "dataset": "exdark", "enhancers": ["raw", "clahe(clip=2)"]}
    config |= {"class_map": "my map.yaml", "metrics": ["a.py:A", "b"], "darken": None}
    (run / "manifest.json").write_text(json.dumps({"config": config, "study": {"torch": "2.9"}}))
    found, _ = page(run)
    for line in verdict(FinishedRun.open(run).study):
        assert line in found.text
    row = FinishedRun.open(run).study.rows[0]
    for said in (
        row.dataset_fingerprint,
        row.model_fingerprint,
        "95 %, paired, over images, 1000 resamples",
        "torch",
    ):
        assert said in found.text
    again = (
        "sgz-bench detect --dataset exdark --enhancers 'raw,clahe(clip=2)' --class-map 'my map.yaml' --metric a.py:A "
        "--metric b --replicates 1000"
    )
    assert again in found.text
    assert "None: every row was scored on every image of the run." in found.text


def test_tables_are_named_groups_and_leave_the_list_of_landmarks_to_the_sections(
    pages: dict[str, tuple[Page, str]],
) -> None:
    found, _ = pages["detection"]
    scrolled = [attrs for _, attrs in found.tags if attrs.get("class") == "scroll"]
    assert scrolled
    assert all(each["role"] == "group" and each["aria-label"] for each in scrolled)
    assert not [attrs for _, attrs in found.tags if attrs.get("role") == "region"]


def test_every_table_with_a_star_says_below_what_it_means(pages: dict[str, tuple[Page, str]]) -> None:
    for _, text in pages.values():
        starred = [each for each in text.split("</figure>") if 'class="star"' in each]
        assert starred
        for each in starred:
            notes = unescape(each.partition('class="notes"')[2].replace("<wbr/>", ""))
            corrected = "; *: p < .05, corrected for the enhancers (Holm); the interval is not." in notes
            assert corrected != ("; *: this interval excludes 0." in notes)


@pytest.mark.parametrize("task", ["detection", "segmentation"])
def test_nothing_is_asked_for_elsewhere(pages: dict[str, tuple[Page, str]], task: str) -> None:
    found, text = pages[task]
    for tag, attributes in found.tags:
        for name in ("src", "href", "data", "action"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:", "#")), (tag, name, value)
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest", text)
    assert any(attributes.get("http-equiv") == "Content-Security-Policy" for _, attributes in found.tags)


def test_names_are_text_and_never_markup(make_run: MakeRun) -> None:
    run = make_run(
        enhancers=("odd(a=<img src=x onerror=alert(1)>)",),
        classes=('"><script>alert(2)</script>', "Car"),
        change=lambda row: replace(row, dataset="<b>set</b>", terms="</style><script>alert(3)</script>"),
    )
    truth = json.loads((run / "truth.json").read_text())
    truth["images"][0]["file_name"] = "'\"><svg onload=alert(4)>.jpg"
    (run / "truth.json").write_text(json.dumps(truth))
    found, _ = page(run)
    assert sum(tag == "script" for tag, _ in found.tags) == 1
    assert not any(name.startswith("on") for _, attributes in found.tags for name in attributes)
    assert "<b>set</b>" in found.text


def test_ids_are_unique_and_every_link_has_its_target(made_up: dict[str, Path], tmp_path: Path) -> None:
    found, _ = page(Path(shutil.copytree(made_up["detection"], tmp_path / "run")), sections=2)
    ids = [attributes["id"] for _, attributes in found.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = {str(attributes["href"])[1:] for tag, attributes in found.tags if tag == "a"}
    assert {"run-1", "run-2", "run-1-images"} <= links <= set(ids)


def test_thirty_pairs_of_large_noisy_pictures_stay_under_8_mb(make_run: MakeRun) -> None:
    run = make_run(enhancers=("gamma(gamma=0.1)", "gamma(gamma=0.2)"))
    rng = np.random.default_rng(0)
    for path in sorted((run / "gallery").rglob("*.jpg")):
        Image.fromarray(rng.integers(0, 256, (900, 1200, 3), dtype=np.uint8)).save(path, quality=95)
    index = json.loads((run / "gallery" / "index.json").read_text())
    index["images"] = (index["images"] * 30)[:70]
    (run / "gallery" / "index.json").write_text(json.dumps(index))
    found, text = page(run)
    assert sum(attributes.get("class") == "pair" for _, attributes in found.tags) == 30
    assert len(text.encode()) < 8e6
    assert "40 further images are in the folder of figures" in found.text


def test_a_picture_that_is_gone_costs_the_gallery_and_is_said(make_run: MakeRun) -> None:
    run = make_run(enhancers=("he",))
    next((run / "gallery" / "raw").glob("*.jpg")).unlink()
    found, _ = page(run)
    assert not any(attributes.get("class") == "pair" for _, attributes in found.tags)
    assert re.search(r"gallery/raw/\d+\.jpg is missing or damaged", found.text)


def test_a_damaged_gallery_costs_the_gallery_and_is_said(make_run: MakeRun) -> None:
    run = make_run(enhancers=("he",))
    (run / "gallery" / "index.json").write_text("{")
    found, _ = page(run)
    assert not any(attributes.get("class") == "pair" for _, attributes in found.tags)
    assert "gallery/index.json" in found.text


def test_without_a_raw_row_there_is_a_page_without_pairs(make_run: MakeRun) -> None:
    found, _ = page(make_run(enhancers=("he",), broken="raw", errors=False))
    assert not any(attributes.get("class") == "pair" for _, attributes in found.tags)
    assert "rows failed" in found.text


def test_weight_files_of_one_name_in_two_folders_have_two_names_on_the_page(make_run: MakeRun) -> None:
    specs = ("sgz(scale=12,weights=/a/sgz.pth)", "sgz(scale=12,weights=/b/sgz.pth)")
    for folder, enhancers, labels in (("two", specs, specs), ("one", specs[:1], ("sgz(scale=12,weights=sgz)",))):
        run = FinishedRun.open(make_run(folder, enhancers=enhancers, gallery=False))
        assert [label for label, _, _ in run_section(run, {}).rows] == ["bright", "raw", *labels]


def test_sections_of_one_page_have_headings_of_their_own(make_run: MakeRun) -> None:
    changes = {
        "a": {"model": "yolo:/a/best.pt(imgsz=640)"},
        "b": {"model": "yolo:/b/best.pt(imgsz=640)"},
        "c": {"model": "yolo:/b/best.pt(imgsz=640)", "seed": 1},
    }
    runs = [
        FinishedRun.open(make_run(name, enhancers=(), gallery=False, change=lambda row, to=to: replace(row, **to)))
        for name, to in changes.items()
    ]
    titles = section_titles(runs)
    assert len(set(titles)) == 3
    assert titles[0].startswith("best (yolo:/a/best.pt) on exdark (test), darkened (ev=3")
    assert titles[2].endswith(", c")


@pytest.mark.parametrize("task", ["detection", "segmentation"])
def test_every_figure_has_a_title_and_an_alternative_text(
    made_up: dict[str, Path], pages: dict[str, tuple[Page, str]], task: str
) -> None:
    run = FinishedRun.open(made_up[task])
    drawn = run_figures(run, looks([row.enhancer for row in run.study.rows]))
    exposures = [(float(stops), run.study) for stops in (1, 2)]
    for name, figure in [*drawn.items(), *sweep_figures({"x": exposures}, {}).items()]:
        assert figure.title, name
        assert len(figure.alt) > len(figure.title), name
    found, _ = pages[task]
    pictures = [attrs for tag, attrs in found.tags if tag == "img" and "width" in attrs]
    expected = [figure.alt for figure in drawn.values() if figure.on_page and figure.before_gallery]
    expected += [figure.alt for figure in drawn.values() if figure.on_page and not figure.before_gallery]
    assert [attrs["alt"] for attrs in pictures] == expected
