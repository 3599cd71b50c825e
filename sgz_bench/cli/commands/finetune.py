"""``sgz-bench finetune``: models trained on enhanced images, for the protocol of that name."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from sgz_bench.core.text import pluralize

from .. import study_options as study


def finetune(
    task: Annotated[str, typer.Option(help="detection or segmentation.")],
    dataset: Annotated[str, typer.Option(help="As `segment` and `detect` name it.")],
    model: Annotated[
        str,
        typer.Option(
            help="What to start from. Segmentation: 'smp:fpn(encoder=resnet18)', an architecture of "
            "segmentation_models_pytorch with random weights, or smp:FILE.safetensors. Detection: "
            "ultralytics:yolov8n.yaml with random weights, ultralytics:FILE.pt, or nightscene-yolo."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the models; a training that was cut off goes on.")],
    root: study.Root = None,
    split: Annotated[str, typer.Option(help="To train on; not the one to test on.")] = "train",
    enhancers: Annotated[
        str,
        typer.Option(
            help="Comma list of specs; one model for each and every seed. 'bright' trains on the well-lit twins. The "
            "test compares with raw, so raw should be among them."
        ),
    ] = "raw,gamma,clahe",
    seeds: Annotated[str, typer.Option(help="Comma list.")] = "0,1,2",
    epochs: Annotated[int | None, typer.Option(min=1, help="The same as --set epochs=N.", show_default=False)] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="KEY=VALUE of the recipe, such as batch=8 or scale=0.5,2; may be repeated.",
            show_default=False,
        ),
    ] = None,
    darken: Annotated[str | None, typer.Option(help="Darken first, as the test will, e.g. 'ev=3'.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only N images, evenly spaced.")] = None,
    device: study.Device = "auto",
    engine: study.Engine = "auto",
    precision: study.Precision = "fp32",
    download: study.Download = False,
) -> None:
    """Train a model for each enhancer and seed; `segment` or `detect --model OUT` tests each on its own images."""
    from sgz_bench.benchmarks.finetuning.loop import FinetuneConfig
    from sgz_bench.benchmarks.finetuning.loop import finetune as train
    from sgz_bench.core.device import resolve_device
    from sgz_bench.core.errors import UserError
    from sgz_bench.core.files import parse_setting
    from sgz_bench.core.specs import canonical, split_list
    from sgz_bench.tasks.catalog import create_task

    from ..console import progress_bar

    if not split_list(enhancers):
        raise UserError("--enhancers is empty; name at least one, such as raw")
    given = dict(parse_setting(text, "batch=8") for text in settings or [])
    given |= {} if epochs is None else {"epochs": str(epochs)}
    kind = create_task(task)
    config = FinetuneConfig(
        task=task,
        dataset=dataset,
        root=root,
        split=split,
        limit=limit,
        enhancers=tuple(canonical(split_list(enhancers))),
        darken=darken,
        model=model,
        seeds=_whole_numbers(seeds),
        engine=engine,
        precision=precision,
        settings=given,
    )
    out = out.expanduser()
    study.fetch(config.enhancers if download else ())
    told: set[str] = set()  # an image that cannot be read is so for every enhancer

    def say(problem: object) -> None:
        if str(problem) not in told:
            told.add(str(problem))
            typer.echo(f"skipped: {problem}", err=True)

    for model_ in train(config, out, resolve_device(device), progress_bar, say):
        head = f"{model_.enhancer}, seed {model_.seed}:"
        if model_.loss is None:
            typer.echo(f"{head} is there   {model_.file}")
            continue
        start = f", {model_.taken[0]} of {model_.taken[1]} tensors given" if model_.taken[0] else ""
        did = f"loss {model_.loss:.4f}, {pluralize(model_.images, 'image')}, {model_.seconds:.0f} s"
        typer.echo(f"{head} {did}{start}   {model_.file}")
    where = f" --root {quote(str(root))}" if root else ""
    where += f" --darken {quote(darken)}" if darken else ""
    where += f" --engine {engine}" if engine != "auto" else ""
    where += f" --precision {precision}" if precision != "fp32" else ""
    typer.echo(
        f"test: sgz-bench {kind.command} --dataset {quote(dataset)}{where} --split SPLIT --model {quote(str(out))}"
    )


def _whole_numbers(text: str) -> tuple[int, ...]:
    from sgz_bench.core.errors import UserError

    try:
        seeds = tuple(dict.fromkeys(int(part) for part in text.split(",")))
    except ValueError as error:
        raise UserError(f"--seeds {text}: write whole numbers with commas, such as 0,1,2") from error
    if min(seeds) < 0:
        raise UserError(f"--seeds {text}: seeds start at 0")
    return seeds
