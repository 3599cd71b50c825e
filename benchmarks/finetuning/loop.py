"""Finetuning loop: one model per enhancer and seed, trained on images enhanced as in the test."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from pathlib import Path

from sgz_bench.core.errors import UserError
from sgz_bench.tasks.problems import summarize
from sgz_bench.tasks.types import Problem

from ..store import locked
from .config import FinetuneConfig as FinetuneConfig
from .config import FinetunedModel as FinetunedModel
from .preparation import Bar, Callbacks, ModelJob, ModelResult, Preparation
from .store import ModelStore, remove_marks

# Trains models in a folder, in any order; yields each with its result, or with the error that it ended with.
ModelExecutor = Callable[
    [Preparation, Sequence[ModelJob], Path, Callbacks], Generator[tuple[ModelJob, ModelResult | UserError]]
]


def train_here(
    preparation: Preparation, jobs: Sequence[ModelJob], out: Path, callbacks: Callbacks
) -> Generator[tuple[ModelJob, ModelResult | UserError]]:
    """Train models in this process, one after the other; images are enhanced once per enhancer.

    Raises:
        UserError: an engine cannot run its enhancer, the images cannot be trained on, or a loss is not finite.
    """
    del out
    for job in jobs:
        preparation.ready(job.enhancer)  # refuses an engine before the first training
    for job in jobs:
        yield job, preparation.train(job, preparation.index, callbacks)


def finetune(
    config: FinetuneConfig,
    out: Path,
    device: str,
    bar: Bar,
    report: Callable[[Problem], None],
    say: Callable[[str], None] = lambda _line: None,
    executor: ModelExecutor = train_here,
) -> Generator[FinetunedModel]:
    """Train the missing models; yield each existing model, then each other model when it is finished.

    ``out/finetuned.json`` is rewritten after each model, and each training keeps a checkpoint until it is finished, so
    that an interrupted finetuning resumes.

    Args:
        config: config of the finetuning.
        out: folder of the models.
        device: torch device of enhancers and training.
        bar: creates a progress bar with a title.
        report: called with each image that is left out.
        say: receives notes, one line each.
        executor: trains the missing models.

    Raises:
        UserError: a part of the config does not exist or does not fit, or the folder holds models of another study.
    """
    preparation = Preparation(config, device)
    for problem in summarize(preparation.dataset.problems, len(preparation.dataset.samples)):
        report(problem)
    with locked(out):
        remove_marks(out)
        store = ModelStore(out, preparation, say)
        yield from store.existing
        if not store.jobs:
            return
        with closing(executor(preparation, store.jobs, out, Callbacks(bar, report, say))) as results:
            for job, result in results:
                if isinstance(result, UserError):
                    store.add(job, None)
                    yield FinetunedModel(job.enhancer, job.seed, job.folder, failure=str(result))
                else:
                    store.add(job, result.entry)
                    yield result.model(job)
