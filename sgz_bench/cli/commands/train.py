"""``sgz-bench train``: train an enhancer by a recipe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sgz_bench.core.text import pluralize

from ..progress import LogJson, progress_bar
from ..study_options import Device

if TYPE_CHECKING:
    from sgz_bench.enhancer.training.trainer import OnStep


def train(
    data: Annotated[
        list[Path], typer.Option(metavar="DIR", help="Folder of images, searched recursively; may be repeated.")
    ],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of the training; an interrupted training resumes in it.")
    ],
    config: Annotated[
        str, typer.Option(metavar="NAME", help="Recipe: sgz, sgz-paper, zero-dce, zero-dce-pp, sci, or a YAML file.")
    ] = "sgz",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Setting of the recipe, such as losses.tv=50; may be repeated."
        ),
    ] = None,
    licence: Annotated[
        str, typer.Option(metavar="TEXT", help="Licence of the weights, to be stored in their file.")
    ] = "",
    device: Device = "auto",
    log_json: LogJson = False,
) -> None:
    """Train an enhancer without pairs and without labels.

    Writes OUT/model.safetensors, a log, sheets of sample images, and TensorBoard
    files if tensorboard is installed.
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
    first = os.environ.get("RANK", "0") == "0"  # of several processes only the first prints
    echo = typer.echo if first else _silence
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
    with _progress(log_json) if first else nullcontext(_no_step) as on_step:
        result = run(
            recipe,
            pictures,
            guidance,
            out.expanduser(),
            device=resolve_device(device),
            provenance=provenance,
            on_step=on_step,
        )
    for reason in list(result.problems.values())[len(pictures.problems) :]:
        echo(f"skipped: {reason}", err=True)
    losses = ", ".join(f"{name} {value:.4f}" for name, value in result.validation.items())
    echo(f"{pluralize(result.step, 'step')}; on held-out pictures: {losses}")
    spec = f"{recipe.network}(weights={result.weights})"
    echo(f"weights: {result.weights}   try: sgz-bench enhance PHOTO --enhancer '{spec}'")


def _silence(text: str, *, err: bool = False) -> None:
    """Print nothing, in place of ``typer.echo``."""
    del text, err


def _no_step(_done: int, _total: int, _parts: Mapping[str, float]) -> None:
    """Show nothing, in place of a bar."""


@contextmanager
def _progress(log_json: bool) -> Iterator[OnStep]:
    """Show a bar with the parts of the loss and the time left; yield the trainer's callback."""
    stopped = "interrupted; repeat the command to resume from the last saved step"
    with progress_bar("training", "steps", log_json=log_json, interrupted=stopped) as update:

        def on_step(done: int, total: int, parts: Mapping[str, float]) -> None:
            update(done, total, "  ".join(f"{name} {value:.3f}" for name, value in parts.items()))

        yield on_step
