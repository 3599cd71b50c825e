"""Finetuning loop: one model per enhancer and seed, trained on images enhanced as in the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from sgz_bench.tasks.problems import summarize
from sgz_bench.tasks.types import Problem

from ..store import locked
from .config import FinetuneConfig as FinetuneConfig
from .config import FinetunedModel as FinetunedModel
from .preparation import Bar, Preparation
from .store import ModelStore


def finetune(
    config: FinetuneConfig,
    out: Path,
    device: str,
    bar: Bar,
    report: Callable[[Problem], None],
    say: Callable[[str], None] = lambda _line: None,
) -> Iterator[FinetunedModel]:
    """Train the missing models; yield each model when it is finished, and each existing model.

    ``out/finetuned.json`` is rewritten after each model, and each training keeps a checkpoint until it is finished, so
    that an interrupted finetuning resumes.

    Args:
        config: config of the finetuning.
        out: folder of the models.
        device: torch device of enhancers and training.
        bar: creates a progress bar with a title.
        report: called with each image that is left out.
        say: receives notes, one line each.

    Raises:
        UserError: a part of the config does not exist or does not fit, or the folder holds models of another study.
    """
    preparation = Preparation(config, device)
    for problem in summarize(preparation.dataset.problems, len(preparation.dataset.samples)):
        report(problem)
    with locked(out):
        store = ModelStore(out, preparation, say)
        for job in store.jobs:
            preparation.ready(job.enhancer)  # refuses an engine before the first training
        for label in preparation.labels:
            jobs = [job for job in store.jobs if job.enhancer == label]
            yield from store.existing(label)
            if jobs:
                for problem in preparation.images(label, bar).problems:
                    report(problem)
            for job in jobs:
                result = preparation.train(job, preparation.index, bar, say)
                store.add(job, result.entry)
                yield result.model(job)
