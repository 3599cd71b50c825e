"""``sgz-bench train``: an enhancer by a recipe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sgz_bench.core.text import pluralize

from ..console import DEVICE_HELP

if TYPE_CHECKING:
    from sgz_bench.enhancer.training.trainer import OnStep


def train(
    data: Annotated[list[Path], typer.Option(help="Folder of images, searched with all below it; may be repeated.")],
    out: Annotated[Path, typer.Option(help="Folder of the training; one that was cut off goes on.")],
    config: Annotated[str, typer.Option(help="sgz, sgz-paper, zero-dce, zero-dce-pp, sci, or a YAML file.")] = "sgz",
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A setting of the recipe, such as losses.tv=50; may be repeated.")
    ] = None,
    licence: Annotated[str, typer.Option(help="Terms of the weights, which are noted in their file.")] = "",
    device: Annotated[str, typer.Option(help=DEVICE_HELP)] = "auto",
) -> None:
    """Train an enhancer without pairs and without labels.

    Writes OUT/model.safetensors, a log, TensorBoard files where tensorboard is installed, and sheets of sample images.
    """
    import os
    from importlib.metadata import version

    from sgz_bench.benchmarks.guidance import create_guidance
    from sgz_bench.core.device import resolve_device
    from sgz_bench.enhancer.base import weights_sha256
    from sgz_bench.enhancer.training.recipe import load_recipe
    from sgz_bench.enhancer.training.trainer import train as run
    from sgz_bench.enhancer.training.views import Pictures

    recipe = load_recipe(config, settings or [])
    guidance = create_guidance(recipe.guidance, recipe.seed)
    echo = typer.echo if os.environ.get("RANK", "0") == "0" else _silence  # one of several processes speaks
    pictures = Pictures.find([folder.expanduser() for folder in data], recipe.views.brightest)
    for file, reason in pictures.problems.items():
        echo(f"skipped: {reason if file in reason else f'{file}: {reason}'}", err=True)
    echo(f"{pluralize(len(pictures.train), 'picture')} to train on, {len(pictures.held_out)} held out")
    provenance = {
        "data": [folder.name for folder in data],
        "pictures": len(pictures.train),
        "pictures_sha256": pictures.fingerprint,
        "guidance_sha256": weights_sha256(guidance) if guidance is not None else None,
        "licence": licence,
        "versions": {name: version(name) for name in ("sgz-bench", "torch")},
    }
    with _progress() as on_step:
        done = run(
            recipe,
            pictures,
            guidance,
            out.expanduser(),
            device=resolve_device(device),
            provenance=provenance,
            on_step=on_step,
        )
    for reason in list(done.problems.values())[len(pictures.problems) :]:
        echo(f"skipped: {reason}", err=True)
    shown = ", ".join(f"{name} {value:.4f}" for name, value in done.validation.items())
    echo(f"{pluralize(done.step, 'step')}; on held-out pictures: {shown}")
    spec = f"{recipe.network}(weights={done.weights})"
    echo(f"weights: {done.weights}   try: sgz-bench enhance PHOTO --enhancer '{spec}'")


def _silence(text: str, *, err: bool = False) -> None:
    """What the other processes say."""
    del text, err


@contextmanager
def _progress() -> Iterator[OnStep]:
    """A bar on stderr with the parts of the loss and the time left."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[parts]}"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("training", total=None, parts="")

        def on_step(done: int, total: int, parts: Mapping[str, float]) -> None:
            text = "  ".join(f"{name} {value:.3f}" for name, value in parts.items())
            bar.update(task, completed=done, total=total, parts=text)

        try:
            yield on_step
        except KeyboardInterrupt:
            typer.echo("interrupted; repeat the command to go on from the last step that was saved", err=True)
            raise typer.Exit(130) from None
