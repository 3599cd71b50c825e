"""``sgz-bench data``: check, convert and render data sets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sgz_bench.core.text import pluralize

from ..group import Commands
from ..progress import LogJson, progress_bar
from ..study_options import Root

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.table import Table

    from sgz_bench.tasks.task import Task

app = typer.Typer(cls=Commands, help="Check, convert and render data sets.", no_args_is_help=True)

Dataset = Annotated[
    str,
    typer.Option(
        metavar="SPEC",
        help="exdark, coco, yolo, voc, bdd100k, darkface, visdrone, nightscene, acdc, dark-zurich, nighttime-driving, "
        "bdd100k-night, cityscapes, camvid, folder, a plugin, or the path of a YAML; settings go in parentheses, as in "
        "'acdc(condition=night)' and 'bdd100k(timeofday=night)'.",
    ),
]
Boxes = Annotated[
    str,
    typer.Option(
        metavar="SPEC",
        help="exdark, coco, yolo, voc, bdd100k, darkface, visdrone, nightscene, a plugin, or the path of a data.yaml.",
    ),
]
Split = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Split, as the data set names it (exdark: also all, or a .txt of image names); by default its test or "
        "val.",
    ),
]


@app.command("check")
def check(
    dataset: Dataset,
    root: Root = None,
    split: Split = None,
    task: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="detection or segmentation; by default the task that has the data set, detection if both have it.",
        ),
    ] = None,
    decode: Annotated[
        bool,
        typer.Option("--decode/--no-decode", help="Decode every image, to find truncated files."),
    ] = True,
) -> None:
    """Report what is present, missing and broken, and a fingerprint; exit code 1 if anything is broken."""
    import sys

    from rich.console import Console

    from sgz_bench.core.errors import printable
    from sgz_bench.tasks.problems import summarize

    kind = _task_of(dataset, task)
    loaded = kind.load(dataset, root, split)
    inventory = kind.inventory(loaded, decode=decode)
    problems = summarize(inventory.problems, len(loaded.samples))
    official = f" (official: {inventory.official})" if inventory.official is not None else ""
    images = f"{loaded.name}, split {loaded.split}: {pluralize(len(loaded.samples), 'image')}{official}"
    typer.echo(", ".join([images, *inventory.facts]))
    console = Console(width=None if sys.stdout.isatty() else 100, highlight=False)
    console.print(_class_table(inventory.unit, inventory.classes))
    for attribute, values in inventory.attributes.items():
        console.print(_value_table(attribute, values, inventory.official_attributes.get(attribute)))
    typer.echo(f"fingerprint {kind.fingerprint(loaded)}")
    for note in inventory.notes:
        typer.echo(printable(f"note: {note}"), err=True)
    for problem in problems:
        typer.echo(f"{'doubtful' if problem.doubt else 'broken'}: {problem}", err=True)
    if problems:
        skipped = any(not problem.doubt for problem in problems)
        what = "; the images and labels named as broken are skipped" if skipped else "; nothing is skipped"
        typer.echo(f"{pluralize(len(inventory.problems), 'problem')}{what}", err=True)
        raise typer.Exit(1)


@app.command("convert")
def convert(
    dataset: Boxes,
    to: Annotated[str, typer.Option(metavar="LAYOUT", help="coco, yolo or exdark.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="New folder for the result.")],
    root: Root = None,
    split: Split = None,
    link: Annotated[bool, typer.Option("--link", help="Hard-link the images instead of copying them.")] = False,
) -> None:
    """Write a detection split in another layout; exit code 1 if an unreadable image or label was left out."""
    from sgz_bench.tasks.detection.datasets import load_dataset
    from sgz_bench.tasks.detection.datasets.convert import convert as write
    from sgz_bench.tasks.problems import summarize

    loaded = load_dataset(dataset, root, split)
    notes = write(loaded, to, out.expanduser(), link=link)
    typer.echo(f"{pluralize(len(loaded.samples), 'image')} of {loaded.name} {loaded.split} as {to} → {out}")
    for note in notes:
        typer.echo(f"note: {note}")
    for problem in summarize(loaded.problems, len(loaded.samples)):
        typer.echo(f"{'doubtful' if problem.doubt else 'left out'}: {problem}", err=True)
    if loaded.problems:
        raise typer.Exit(1)


def _task_of(dataset: str, name: str | None) -> Task[Any, Any]:
    """Return the named task, by default the first task that has the data set."""
    from itertools import chain

    from sgz_bench.core.errors import UserError
    from sgz_bench.core.files import YAML_SUFFIXES, read_yaml
    from sgz_bench.core.registry import suggest
    from sgz_bench.core.specs import parse_spec
    from sgz_bench.tasks.catalog import TASKS, create_task

    tasks = TASKS.loaded()
    if name is not None:
        chosen, named = create_task(name), parse_spec(dataset).name if Path(dataset).suffix == "" else ""
        others = [each for each, task in tasks.items() if each != name and named in task.datasets()]
        if others and named not in chosen.datasets():
            known = ", ".join(chosen.datasets())
            raise UserError(
                f"unknown data set {named!r} of {name}: it is one of {others[0]}; leave --task out, or choose among"
                f" {known}"
            )
        return chosen
    if Path(dataset).suffix.lower() in YAML_SUFFIXES:
        content = read_yaml(Path(dataset))
        return next(task for task in tasks.values() if task.describes(content))()
    wanted = parse_spec(dataset).name
    for task in tasks.values():
        if wanted in task.datasets():
            return task()
    names = dict.fromkeys(chain.from_iterable(task.datasets() for task in tasks.values()))
    raise UserError(f"unknown data set {wanted!r}{suggest(wanted, list(names))}")


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
    world: Annotated[str, typer.Argument(metavar="WORLD", help="Name of the rendered world: nightscene.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="New folder for the result.")],
    frames: Annotated[int, typer.Option(min=1, metavar="N", help="Number of frames.")] = 240,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Seed of geometry, light and noise.")] = 7,
    ev: Annotated[
        str,
        typer.Option(
            metavar="EV", help="Stops of underexposure: a number, or a range from which each frame draws its own."
        ),
    ] = "4",
    size: Annotated[str, typer.Option(metavar="WxH", help="Width and height in pixels, as WIDTHxHEIGHT.")] = "640x384",
    jpeg: Annotated[
        int,
        typer.Option(min=0, max=100, metavar="N", help="Pass dark frames through JPEG of this quality; 0 for none."),
    ] = 0,
    workers: Annotated[int, typer.Option(min=1, metavar="N", help="Number of processes that render.")] = 2,
    log_json: LogJson = False,
) -> None:
    """Render a data set with exact labels in the ExDark and ACDC layouts, and the well-lit twin of every frame."""
    import time

    from sgz_bench.core.errors import UserError
    from sgz_bench.core.registry import suggest
    from sgz_bench.tasks.nightscene.layout import World, parse_ev
    from sgz_bench.tasks.nightscene.layout import make as render

    if world != "nightscene":
        raise UserError(f"unknown world {world!r}{suggest(world, ['nightscene'])}")
    width, x, height = size.partition("x")
    if not (x and width.isdigit() and height.isdigit()):
        raise UserError(f"--size {size!r} is not a size; write WIDTHxHEIGHT, such as 640x384")
    began = time.monotonic()
    with progress_bar("rendering", "frames", log_json=log_json) as update:
        render(
            World(frames, seed, parse_ev(ev), int(width), int(height), jpeg),
            out.expanduser(),
            workers=workers,
            progress=update,
        )
    typer.echo(f"{pluralize(frames, 'frame')} → {out} ({frames / (time.monotonic() - began):.1f} frames/s)")
