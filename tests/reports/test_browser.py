"""The report in headless Chromium: what a reader does with it. Needs the packages playwright (PyPI) and chromium."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
SCREENS = [(1280, 900), (390, 844)]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(browser: Any) -> Iterator[Callable[..., Any]]:
    """``opened(path, …)`` loads a page; in the end nothing may have been asked for elsewhere or gone wrong."""
    pages = []
    wrong: list[str] = []

    def load(path: Path, size: tuple[int, int] = SCREENS[0], scheme: str = "light") -> Any:
        page = browser.new_page(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
        page.on("console", lambda message: wrong.append(message.text) if message.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: wrong.append(request.url) if not _inside(request.url, path) else None)
        page.goto(path.as_uri())
        pages.append(page)
        return page

    yield load
    for page in pages:
        page.close()
    assert wrong == []


def _inside(url: str, path: Path) -> bool:
    return url.startswith("data:") or url == path.as_uri()


@pytest.fixture
def detection(made_up_pages: dict[str, Path]) -> Path:
    return made_up_pages["detection"]


@pytest.fixture
def segmentation(made_up_pages: dict[str, Path]) -> Path:
    return made_up_pages["segmentation"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SCREENS)
def test_the_page_fits_its_screen_and_its_figures_are_there(
    detection: Path, opened: Callable[..., Any], size: tuple[int, int], scheme: str
) -> None:
    page = opened(detection, size, scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, ground[4:-1].split(","))) < 200) == (scheme == "dark")


def test_the_slider_follows_the_mouse(detection: Path, opened: Callable[..., Any]) -> None:
    page = opened(detection)
    frame = page.locator(".frame").first
    frame.scroll_into_view_if_needed()
    place = frame.bounding_box()
    middle = place["y"] + place["height"] / 2
    page.mouse.move(place["x"] + place["width"] / 2, middle)
    page.mouse.down()
    page.mouse.move(place["x"] + place["width"] / 4, middle, steps=5)
    page.mouse.up()
    at = frame.evaluate("each => parseFloat(each.style.getPropertyValue('--at'))")
    assert at == pytest.approx(25, abs=1)
    clip = frame.locator(".after").evaluate("each => getComputedStyle(each).clipPath")
    assert f"{at:g}%" in clip


def test_the_slider_follows_the_arrow_keys(detection: Path, opened: Callable[..., Any]) -> None:
    page = opened(detection)
    slider = page.locator(".frame input").first
    slider.focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    assert page.locator(".frame").first.evaluate("each => each.style.getPropertyValue('--at')") == "55%"


def numbers(page: Any, column: int) -> list[float | None]:
    texts = page.locator(f"table >> nth=0 >> tbody tr > :nth-child({column + 1})").all_inner_texts()
    return [None if text.startswith("–") else float(text.split()[0].replace("−", "-").rstrip("*")) for text in texts]


def test_a_heading_sorts_its_table_and_sorts_it_back(detection: Path, opened: Callable[..., Any]) -> None:
    page = opened(detection)
    headings = page.locator("table >> nth=0 >> thead th")
    column = next(i for i, text in enumerate(headings.all_inner_texts()) if text.startswith("ΔAP50"))
    before = numbers(page, column)
    known = sorted(each for each in before if each is not None)
    assert None in before, "the raw row has no difference"
    assert [each for each in before if each is not None] != known

    headings.nth(column).locator("button").click()
    assert headings.nth(column).get_attribute("aria-sort") == "descending"
    assert numbers(page, column) == [*reversed(known), None]

    headings.nth(column).locator("button").press("Enter")
    assert headings.nth(column).get_attribute("aria-sort") == "ascending"
    assert numbers(page, column) == [*known, None]

    headings.nth(0).locator("button").click()
    names = page.locator("table >> nth=0 >> tbody tr > :first-child").all_inner_texts()
    assert names == sorted(names, key=str.casefold)
    assert headings.nth(column).get_attribute("aria-sort") is None


def test_boxes_can_be_switched_off_by_kind(detection: Path, opened: Callable[..., Any]) -> None:
    page = opened(detection)
    for kind, shown in (("correct", True), ("false", True), ("missed", True), ("truth", False)):
        boxes, switch = page.locator(f".boxes .{kind}"), page.locator(f"[data-toggle={kind}]")
        assert boxes.count() > 0
        assert boxes.first.is_visible() is shown
        switch.click()
        assert boxes.first.is_visible() is not shown


def test_label_maps_can_be_switched_on_and_off(segmentation: Path, opened: Callable[..., Any]) -> None:
    page = opened(segmentation, SCREENS[1], "dark")
    for kind, shown in (("labels", True), ("true-labels", False)):
        maps = page.locator(f".pairs .{kind}")
        assert maps.count() > 0
        assert maps.first.is_visible() is shown
        page.locator(f"[data-toggle={kind}]").click()
        assert maps.first.is_visible() is not shown


def test_the_gallery_shows_one_enhancer_or_one_kind(detection: Path, opened: Callable[..., Any]) -> None:
    page = opened(detection)
    pairs = page.locator(".pair")
    everything = pairs.count()
    page.locator("[data-filter=enhancer]").select_option("he")
    page.locator("[data-filter=kind]").select_option("lost")
    shown = page.locator(".pair:visible")
    assert 0 < shown.count() < everything
    assert set(shown.evaluate_all("all => all.map(each => each.dataset.enhancer + each.dataset.kind)")) == {"helost"}


def test_paper_shows_what_is_folded_on_a_screen(detection: Path, opened: Callable[..., Any], tmp_path: Path) -> None:
    page = opened(detection)
    assert not page.locator("details").first.evaluate("each => each.open")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details").first.evaluate("each => each.open")
    page.pdf(path=tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")


def test_everything_that_can_be_used_has_a_name(detection: Path, opened: Callable[..., Any]) -> None:
    page = opened(detection)
    unnamed = page.evaluate(
        """[...document.querySelectorAll("img:not(.labels):not(.true-labels), input[type=range], .scroll")]
           .filter(each => !(each.alt || each.ariaLabel)).length"""
    )
    assert unnamed == 0
    assert page.locator("html").get_attribute("lang") == "en"
