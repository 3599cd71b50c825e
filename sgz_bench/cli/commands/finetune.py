"""``sgz-bench finetune``: train one model per enhancer and seed, for the protocol ``finetune``."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from sgz_bench.core.text import pluralize

from .. import study_options as study
from ..execution_options import TrainingExecutionOptions, create_execution, with_options
from ..progress import watched

if TYPE_CHECKING:
    from sgz_bench.benchmarks.finetuning.config import FinetunedModel


@with_options(execution=TrainingExecutionOptions)
def finetune(
    task: Annotated[str, typer.Option(metavar="NAME", help="detection or segmentation.")],
    dataset: Annotated[str, typer.Option(metavar="SPEC", help="Data set, as in `detect` and `segment`.")],
    model: Annotated[
        str,
        typer.Option(
            metavar="SPEC",
            help="Start of the training. Segmentation: 'smp:fpn(encoder=resnet18)', an architecture of "
            "segmentation_models_pytorch with random weights, or smp:FILE.safetensors. Detection: "
            "ultralytics:yolov8n.yaml with random weights, ultralytics:FILE.pt, or nightscene-yolo.",
        ),
    ],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of the models; an interrupted finetuning resumes in it.")
    ],
    root: study.Root = None,
    split: Annotated[str, typer.Option(metavar="NAME", help="Split to train on; test on another one.")] = "train",
    enhancers: Annotated[
        str,
        typer.Option(
            metavar="SPECS",
            help="Specs with commas; one model is trained per enhancer and seed. Include raw, since the test compares "
            "with it. 'bright' trains on the well-lit twins.",
        ),
    ] = "raw,gamma,clahe",
    seeds: Annotated[str, typer.Option(metavar="NUMBERS", help="Seeds with commas.")] = "0,1,2",
    epochs: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="The same as --set epochs=N.", show_default=False)
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Setting of the recipe, such as batch=8 or scale=0.5,2; may be repeated.",
            show_default=False,
        ),
    ] = None,
    darken: Annotated[
        str | None,
        typer.Option(metavar="SPEC", help="Darken images first, for example 'ev=3'; use the same for the test."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="Use only N images, evenly spaced.")] = None,
    device: study.Device = "auto",
    engine: study.Engine = "auto",
    precision: study.Precision = "fp32",
    download: study.Download = False,
    *,
    execution: TrainingExecutionOptions,
) -> None:
    """Train one model per enhancer and seed, for `detect` or `segment --model OUT`.

    The test shows each model images enhanced as in its training.
    """
    from sgz_bench.benchmarks.executors.opening import opened_trainings
    from sgz_bench.benchmarks.finetuning.loop import FinetuneConfig
    from sgz_bench.benchmarks.finetuning.loop import finetune as train
    from sgz_bench.core.device import resolve_device
    from sgz_bench.core.errors import UserError
    from sgz_bench.core.files import parse_setting
    from sgz_bench.core.specs import canonical, split_list
    from sgz_bench.tasks.catalog import create_task

    if not split_list(enhancers):
        raise UserError("--enhancers is empty; name at least one, such as raw")
    recipe = dict(parse_setting(text, "batch=8") for text in settings or [])
    recipe |= {} if epochs is None else {"epochs": str(epochs)}
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
        settings=recipe,
    )
    out = out.expanduser()
    study.fetch(config.enhancers if download else ())
    printed: set[str] = set()  # an unreadable image is reported by every enhancer

    def report(problem: object) -> None:
        if str(problem) not in printed:
            printed.add(str(problem))
            typer.echo(f"{'doubtful' if getattr(problem, 'doubt', False) else 'skipped'}: {problem}", err=True)

    def say(line: str) -> None:
        typer.echo(line, err=True)

    failures: list[str] = []
    wanted, device = create_execution(execution), resolve_device(device)
    with (
        watched(log_json=execution.log_json) as progress,
        opened_trainings(wanted, device, progress) as trainings,
        closing(train(config, out, device, progress.bar, report, say, trainings)) as models,
    ):
        for trained in models:
            name = f"{trained.enhancer}, seed {trained.seed}"
            if trained.failure:
                failures.append(f"{name}: {trained.failure}")
                typer.echo(f"{name}: failed", err=True)
            elif trained.loss is None:
                typer.echo(f"{name}: already trained   {trained.file}")
            else:
                typer.echo(f"{name}: {_summary(trained)}   {trained.file}")
    further = f" --root {quote(str(root))}" if root else ""
    further += f" --darken {quote(darken)}" if darken else ""
    further += f" --engine {engine}" if engine != "auto" else ""
    further += f" --precision {precision}" if precision != "fp32" else ""
    typer.echo(
        f"test: sgz-bench {kind.command} --dataset {quote(dataset)}{further} --split SPLIT --model {quote(str(out))}"
    )
    for failure in failures:  # printed last, where a user reads
        typer.echo(f"failed: {failure}", err=True)
    if failures:
        raise typer.Exit(1)


def _summary(trained: FinetunedModel) -> str:
    """Return ``loss 0.1234, 8 images, 12 s``, and how many tensors were taken from the start."""
    start = f", {trained.taken[0]} of {trained.taken[1]} tensors from the start" if trained.taken[0] else ""
    return f"loss {trained.loss:.4f}, {pluralize(trained.images, 'image')}, {trained.seconds:.0f} s{start}"


def _whole_numbers(text: str) -> tuple[int, ...]:
    """Parse the seeds of ``--seeds``, without duplicates.

    Raises:
        UserError: an entry is not a whole number of 0 or more.
    """
    from sgz_bench.core.errors import UserError

    try:
        seeds = tuple(dict.fromkeys(int(part) for part in text.split(",")))
    except ValueError as error:
        raise UserError(f"--seeds {text!r} is not a list of whole numbers; write for example 0,1,2") from error
    if min(seeds) < 0:
        raise UserError(f"--seeds {text!r} has a negative seed; write whole numbers of 0 or more")
    return seeds
