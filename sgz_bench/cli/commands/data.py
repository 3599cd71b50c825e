"""``sgz-bench data``: what a data set holds, and moving it between layouts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from sgz_bench.core.text import pluralize

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.table import Table

    from sgz_bench.tasks.types import Problem

app = typer.Typer(help="Check, convert and make data sets.", no_args_is_help=True)

Dataset = Annotated[
    str,
    typer.Option(
        help="exdark, coco, yolo, nightscene, acdc, dark-zurich, nighttime-driving, bdd100k-night, cityscapes, camvid, "
        "folder, a plugin, or the path of a data.yaml; settings in parentheses, as in 'acdc(condition=night)'."
    ),
]
Boxes = Annotated[str, typer.Option(help="exdark, coco, yolo, nightscene, a plugin, or the path of a data.yaml.")]
Root = Annotated[Path | None, typer.Option(help="Folder of the data set.")]
Split = Annotated[
    str | None,
    typer.Option(help="As the data set names it (exdark: also all, or a .txt of image names); default: test or val."),
]


@app.command("check")
def check(
    dataset: Dataset,
    root: Root = None,
    split: Split = None,
    task: Annotated[
        str | None,
        typer.Option(help="detection or segmentation; default: the one that knows the data set, detection if both do."),
    ] = None,
    decode: Annotated[
        bool, typer.Option("--decode", help="Decode every image, to find those that are cut short.")
    ] = False,
) -> None:
    """Say what is present, missing and broken, and fingerprint it; exit code 1 if anything is broken."""
    import sys

    from rich.console import Console

    report = _segmentation if _task_of(dataset, task) == "segmentation" else _detection
    headline, tables, fingerprint, notes, problems = report(dataset, root, split, decode)
    console = Console(width=None if sys.stdout.isatty() else 100, highlight=False)
    typer.echo(headline)
    for table in tables:
        console.print(table)
    typer.echo(f"fingerprint {fingerprint}")
    for note in notes:
        typer.echo(f"note: {note}", err=True)
    for problem in problems:
        typer.echo(f"broken: {problem}", err=True)
    if problems:
        typer.echo(
            f"{pluralize(len(problems), 'problem')}; the images and labels named above are passed over", err=True
        )
        raise typer.Exit(1)


@app.command("convert")
def convert(
    dataset: Boxes,
    to: Annotated[str, typer.Option(help="coco, yolo or exdark.")],
    out: Annotated[Path, typer.Option(help="New folder.")],
    root: Root = None,
    split: Split = None,
    link: Annotated[bool, typer.Option("--link", help="Hard links in place of copies of the images.")] = False,
) -> None:
    """Write a detection split in another layout; what cannot be read is left out and named, with exit code 1."""
    from sgz_bench.tasks.detection.datasets import load_dataset
    from sgz_bench.tasks.detection.datasets.convert import convert as write

    loaded = load_dataset(dataset, root, split)
    notes = write(loaded, to, out.expanduser(), link=link)
    typer.echo(f"{pluralize(len(loaded.samples), 'image')} of {loaded.name} {loaded.split} as {to} → {out}")
    for note in notes:
        typer.echo(f"note: {note}")
    for problem in loaded.problems:
        typer.echo(f"left out: {problem}", err=True)
    if loaded.problems:
        raise typer.Exit(1)


class _Report(NamedTuple):
    headline: str
    tables: list[Table]
    fingerprint: str
    notes: Sequence[str]
    problems: Sequence[Problem]


def _task_of(dataset: str, task: str | None) -> str:
    """The task that a data set is for: the one asked for, or the one that knows it, detection first."""
    from itertools import chain

    from sgz_bench.core.errors import UserError
    from sgz_bench.core.files import read_yaml
    from sgz_bench.core.registry import suggest
    from sgz_bench.core.specs import parse_spec
    from sgz_bench.tasks.datasets import YAML_SUFFIXES
    from sgz_bench.tasks.detection.datasets import DATASETS as DETECTION
    from sgz_bench.tasks.segmentation.datasets import DATASETS as SEGMENTATION

    registries = {"detection": list(DETECTION), "segmentation": list(SEGMENTATION)}
    if task is not None and task not in registries:
        raise UserError(f"unknown --task {task!r}{suggest(task, list(registries))}")
    if task is not None:
        return task
    if Path(dataset).suffix.lower() in YAML_SUFFIXES:
        content = read_yaml(Path(dataset))
        return "segmentation" if isinstance(content, dict) and "masks" in content else "detection"
    name = parse_spec(dataset).name
    known = [each for each, names in registries.items() if name in names]
    if not known:
        names = dict.fromkeys(chain.from_iterable(registries.values()))
        raise UserError(f"unknown data set {name!r}{suggest(name, list(names))}")
    return known[0]


def _detection(dataset: str, root: Path | None, split: str | None, decode: bool) -> _Report:
    from sgz_bench.tasks.datasets import orientation_notes, undecodable
    from sgz_bench.tasks.detection.datasets import fingerprint, load_dataset
    from sgz_bench.tasks.detection.datasets.check import count

    loaded = load_dataset(dataset, root, split)
    counts = count(loaded)
    headline = (
        f"{_images(loaded.name, loaded.split, len(loaded.samples), counts.official)}, "
        f"{pluralize(sum(counts.boxes.values()), 'box', 'boxes')}, "
        f"{pluralize(counts.background, 'image')} without a box"
    )
    rows = {name: (str(boxes), str(counts.images[name])) for name, boxes in counts.boxes.items()}
    tables = [_class_table("boxes", rows), *_value_tables(counts.attributes, counts.official_attributes)]
    problems = [*loaded.problems, *(undecodable(loaded.samples) if decode else [])]
    labelled = [sample for sample in loaded.samples if len(sample.truth)]
    notes = [*loaded.notes, *orientation_notes(labelled)]
    return _Report(headline, tables, fingerprint(loaded), notes, problems)


def _segmentation(dataset: str, root: Path | None, split: str | None, decode: bool) -> _Report:
    from sgz_bench.tasks.datasets import orientation_notes, undecodable
    from sgz_bench.tasks.segmentation.datasets import fingerprint, load_dataset
    from sgz_bench.tasks.segmentation.datasets.check import count

    loaded = load_dataset(dataset, root, split)
    counts = count(loaded)
    sizes = [f"{width}×{height} ({number})" for (width, height), number in counts.sizes.items()]
    size = sizes[0].partition(" ")[0] if len(sizes) == 1 else ", ".join([*sizes[:4], *(["…"] if sizes[4:] else [])])
    headline = f"{_images(loaded.name, loaded.split, len(loaded.samples), counts.official)}, {size}"
    scored = sum(counts.pixels.values())
    if counts.withheld:
        headline += f", labels of {counts.withheld} withheld"
    if scored + counts.void:
        headline += f", {100 * counts.void / (scored + counts.void):.2f} % of the pixels void"
    rows = {
        name: (f"{100 * pixels / max(scored, 1):.2f}" if pixels else "0", str(counts.images[name]))
        for name, pixels in counts.pixels.items()
    }
    tables = [_class_table("% of pixels", rows), *_value_tables(counts.attributes, counts.official_attributes)]
    problems = [*loaded.problems, *counts.problems, *(undecodable(loaded.samples) if decode else [])]
    labelled = [sample for sample in loaded.samples if sample.labels is not None]
    notes = [*loaded.notes, *orientation_notes(labelled)]
    return _Report(headline, tables, fingerprint(loaded), notes, problems)


def _images(name: str, split: str, images: int, official: int | None) -> str:
    return f"{name}, split {split}: {pluralize(images, 'image')}" + (
        f" (official: {official})" if official is not None else ""
    )


def _class_table(title: str, rows: Mapping[str, tuple[str, str]]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table("class", box=box.SIMPLE_HEAD)
    for each in (title, "images"):
        table.add_column(each, justify="right")
    for name, (amount, images) in rows.items():
        if images != "0" or len(rows) <= 20:
            table.add_row(name, amount, images)
    absent = len(rows) - table.row_count
    if absent:
        table.add_row(pluralize(absent, "more class", "more classes"), "0", "0")
    return table


def _value_tables(
    attributes: Mapping[str, Mapping[str, int]], official: Mapping[str, Mapping[str, int]]
) -> list[Table]:
    return [_value_table(name, values, official.get(name)) for name, values in attributes.items()]


def _value_table(attribute: str, values: Mapping[str, int], official: Mapping[str, int] | None) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(attribute, box=box.SIMPLE_HEAD)
    for title in ("images", "official") if official else ("images",):
        table.add_column(title, justify="right")
    for value in official or values:
        known = [str(official[value])] if official else []
        table.add_row(value, str(values.get(value, 0)), *known)
    return table


@app.command("make")
def make(
    world: Annotated[str, typer.Argument(help="What to render: nightscene.")],
    out: Annotated[Path, typer.Option(help="New folder.")],
    frames: Annotated[int, typer.Option(min=1, help="How many.")] = 240,
    seed: Annotated[int, typer.Option(min=0, help="Of geometry, light and noise.")] = 7,
    ev: Annotated[
        str, typer.Option(help="Stops of underexposure: one number, or a range that frames draw from.")
    ] = "4",
    size: Annotated[str, typer.Option(help="WIDTHxHEIGHT in pixels.")] = "640x384",
    jpeg: Annotated[
        int, typer.Option(min=0, max=100, help="Pass dark frames through JPEG of this quality; 0: no.")
    ] = 0,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 2,
) -> None:
    """Render a world with exact truth in ExDark's and ACDC's layouts, with the well-lit twin of every frame."""
    import time

    from sgz_bench.core.errors import UserError
    from sgz_bench.core.registry import suggest
    from sgz_bench.tasks.nightscene.layout import World, parse_ev
    from sgz_bench.tasks.nightscene.layout import make as render

    from ..console import progress_bar

    if world != "nightscene":
        raise UserError(f"cannot make {world!r}{suggest(world, ['nightscene'])}")
    width, x, height = size.partition("x")
    if not (x and width.isdigit() and height.isdigit()):
        raise UserError(f"cannot read --size {size!r}; write WIDTHxHEIGHT, such as 640x384")
    began = time.monotonic()
    with progress_bar("rendering") as update:
        render(
            World(frames, seed, parse_ev(ev), int(width), int(height), jpeg),
            out.expanduser(),
            workers=workers,
            progress=update,
        )
    typer.echo(f"{pluralize(frames, 'frame')} → {out} ({frames / (time.monotonic() - began):.1f} frames/s)")
