"""``sgz-bench data``: what a data set holds, and moving it between layouts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sgz_bench.tasks.types import DetectionDataset, Problem

app = typer.Typer(help="Check and convert data sets.", no_args_is_help=True)

Dataset = Annotated[str, typer.Option(help="exdark, coco, yolo, a plugin, or the path of a data.yaml.")]
Root = Annotated[Path | None, typer.Option(help="Folder of the data set.")]
Split = Annotated[str | None, typer.Option(help="As the data set names it; its own default is its test or val.")]


@app.command("check")
def check(
    dataset: Dataset,
    root: Root = None,
    split: Split = None,
    decode: Annotated[
        bool, typer.Option("--decode", help="Decode every image, to find those that are cut short.")
    ] = False,
) -> None:
    """Say what is present, missing and broken, and fingerprint it; exit code 1 if anything is broken."""
    from collections import Counter

    from sgz_bench.tasks.detection.datasets import fingerprint, load_dataset

    loaded = load_dataset(dataset, root, split)
    problems = [*loaded.problems, *(_undecodable(loaded) if decode else [])]
    boxes: Counter[int] = Counter()
    images: Counter[int] = Counter()
    for sample in loaded.samples:
        boxes.update(sample.truth.class_ids.tolist())
        images.update(set(sample.truth.class_ids.tolist()))
    typer.echo(f"{loaded.name}, split {loaded.split}: {len(loaded.samples)} images, {sum(boxes.values())} boxes")
    empty = sum(not len(sample.truth) for sample in loaded.samples)
    if empty:
        typer.echo(f"{empty} images without objects (background)")
    for line in _official(loaded):
        typer.echo(line)
    typer.echo(f"\n{'class':20} {'boxes':>7} {'images':>7}")
    for index, name in enumerate(loaded.class_names):
        typer.echo(f"{name:20} {boxes[index]:7} {images[index]:7}")
    for attribute in sorted({name for sample in loaded.samples for name in sample.attributes}):
        values = Counter(sample.attributes.get(attribute, "–") for sample in loaded.samples)
        typer.echo(f"\n{attribute}: " + ", ".join(f"{value} {count}" for value, count in sorted(values.items())))
    typer.echo(f"\nfingerprint {fingerprint(loaded)}")
    if problems:
        typer.echo(f"{len(problems)} problems:", err=True)
        for problem in problems:
            typer.echo(f"  {problem}", err=True)
        raise typer.Exit(1)


@app.command("convert")
def convert(
    dataset: Dataset,
    to: Annotated[str, typer.Option(help="coco, yolo or exdark.")],
    out: Annotated[Path, typer.Option(help="New folder.")],
    root: Root = None,
    split: Split = None,
    link: Annotated[bool, typer.Option("--link", help="Hard links in place of copies of the images.")] = False,
) -> None:
    """Write a split in another layout; unreadable images and labels are left out and named."""
    from sgz_bench.tasks.detection.datasets import load_dataset
    from sgz_bench.tasks.detection.datasets.convert import convert as write

    loaded = load_dataset(dataset, root, split)
    for problem in loaded.problems:
        typer.echo(f"left out: {problem}", err=True)
    note = write(loaded, to, out, link=link)
    typer.echo(f"{len(loaded.samples)} images of {loaded.name} {loaded.split} as {to} → {out}")
    if note:
        typer.echo(f"note: {note}")


def _undecodable(loaded: DetectionDataset) -> list[Problem]:
    from concurrent.futures import ThreadPoolExecutor

    from sgz_bench.enhancer.errors import UserError
    from sgz_bench.enhancer.images import read_image
    from sgz_bench.tasks.types import Problem

    def trouble(path: Path) -> str:
        try:
            read_image(path)
        except UserError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(4) as pool:
        reasons = pool.map(trouble, (sample.path for sample in loaded.samples))
        return [Problem(s.key, reason) for s, reason in zip(loaded.samples, reasons, strict=True) if reason]


def _official(loaded: DetectionDataset) -> list[str]:
    """How the counts compare with the published ones, where there are any."""
    from sgz_bench.tasks.detection.datasets.exdark import OFFICIAL_COUNTS, OFFICIAL_TEST_LIGHTING

    if loaded.name != "exdark" or loaded.split not in OFFICIAL_COUNTS:
        return []
    official, found = OFFICIAL_COUNTS[loaded.split], len(loaded.samples)
    lines = [f"official: {official} images" + ("" if official == found else f" ({found - official:+d} here)")]
    if loaded.split == "test":
        lines.append("official lighting: " + ", ".join(f"{k} {v}" for k, v in OFFICIAL_TEST_LIGHTING.items()))
    return lines
