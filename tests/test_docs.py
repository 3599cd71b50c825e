"""What the documents say can be followed: links lead somewhere, commands and code are those of this version."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer

from sgz_bench.__main__ import app

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMAND: Any = typer.main.get_command(app)  # of click, or of the copy of it that newer typers bring


def blocks(document: Path) -> list[str]:
    """The code blocks: lines indented by four in paragraphs of their own, without the indent."""
    text = document.read_text(encoding="utf-8")
    found = re.findall(r"(?:^ {4}.*\n|^\n(?=\n* {4}))+", text, re.MULTILINE)
    return [re.sub(r"^ {4}", "", block, flags=re.MULTILINE) for block in found]


def prose(document: Path) -> str:
    return re.sub(r"^ {4}.*$", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE)


def anchors(document: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", prose(document), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links() -> Iterator[tuple[Path, str]]:
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)\s]+)\)", prose(document)):
            if "://" not in target:
                yield document, target


def commands() -> Iterator[tuple[Path, list[str]]]:
    """The arguments of every sgz-bench line, without its comment and without the dots that stand for more."""
    for document in DOCUMENTS:
        for block in blocks(document):
            for line in block.replace("\\\n", " ").splitlines():
                if line.lstrip().startswith("sgz-bench "):
                    yield document, [word for word in shlex.split(line, comments=True)[1:] if word != "…"]


def name(value: object) -> str:
    if isinstance(value, Path):
        return value.name
    return " ".join(value)[:60] if isinstance(value, list) else str(value)


@pytest.mark.parametrize(("document", "target"), list(links()), ids=name)
def test_a_link_leads_to_a_file_and_to_a_heading_in_it(document: Path, target: str) -> None:
    path, _, anchor = target.partition("#")
    found = (document.parent / path) if path else document
    assert found.exists()
    assert not anchor or anchor in anchors(found)


def test_the_readme_links_every_document() -> None:
    linked = {(document.parent / target).resolve() for document, target in links() if document.name == "README.md"}
    assert set((ROOT / "docs").glob("*.md")) <= linked


@pytest.mark.parametrize(("document", "arguments"), list(commands()), ids=name)
def test_a_command_line_is_one_that_the_command_takes(document: Path, arguments: list[str]) -> None:
    """Parsed and converted as it would be when run, options that must be there included; nothing is run."""
    command = COMMAND
    while arguments and hasattr(command, "commands"):
        assert arguments[0] in command.commands, f"{document.name}: no subcommand {arguments[0]}"
        command, arguments = command.commands[arguments[0]], arguments[1:]
    command.make_context("sgz-bench", list(arguments))


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("detekt", "AssertionError"),
        ("data chek", "AssertionError"),
        ("detect --enhancer raw", "NoSuchOption"),
        ("detect --limit few", "BadParameter"),
        ("report", "MissingParameter"),
    ],
)
def test_a_command_line_that_is_wrong_would_be_seen(line: str, fault: str) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011 -- click's own, of which typer may have a copy
        test_a_command_line_is_one_that_the_command_takes(Path("x.md"), line.split())
    assert type(caught.value).__name__ == fault


def test_the_models_of_adding_md_work(tmp_path: Path) -> None:
    from safetensors.torch import save_file
    from torch import nn

    (code,) = (block for block in blocks(ROOT / "docs" / "adding.md") if "class MyDetector" in block)
    written: dict[str, type] = {}
    exec(compile(code, "adding.md", "exec"), written)
    image = np.full((40, 60, 3), 200, np.uint8)
    image[10:30, 5:15] = 20
    (found,) = written["MyDetector"]("blobs").predict([image])
    assert found.boxes.tolist() == [[5, 10, 15, 30]]
    save_file(nn.Conv2d(3, 19, 3, stride=4, padding=1).state_dict(), tmp_path / "weights.safetensors")
    (labels,) = written["MySegmenter"](str(tmp_path / "weights.safetensors")).predict([image])
    assert labels.labels.shape == (40, 60)
    assert labels.labels.max() < 19
