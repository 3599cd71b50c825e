"""Run plans: predict missing images, score, compare, analyse."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from sgz_bench.core.errors import UserError

from .analyses.costs import write_costs
from .analyses.decision import write_decision
from .analyses.detection_errors import write_errors
from .analyses.gallery import write_gallery
from .analyses.tone_curves import write_tone_curves
from .combination import combine
from .executors.job import Executor, RunJob
from .executors.local import predict
from .executors.progress import Progress
from .image_statistics import image_statistics
from .manifest import Manifest
from .plan import Plan
from .results import ResultRow
from .score import as_compared, score_run
from .sequential import Sampling, predict_in_looks
from .store import locked

# Analyses of a finished run, by the names that a task lists.
ANALYSES: Mapping[str, Callable[[Plan, Path, Sequence[ResultRow], str], None]] = {
    "gallery": write_gallery,
    "tone_curves": write_tone_curves,
    "costs": write_costs,
    "decision": write_decision,
    "detection_errors": lambda plan, run, rows, _device: write_errors(
        run, rows, seed=plan.config.seed, replicates=plan.config.replicates
    ),
}


Say = Callable[[str], None]


def run_plan(
    plan: Plan,
    run: Path,
    *,
    device: str,
    executor: Executor = predict,
    progress: Progress | None = None,
    say: Say = lambda _line: None,
) -> list[ResultRow]:
    """Predict missing images, score, compare, analyse, and write ``results.jsonl``.

    Args:
        plan: plan of the study.
        run: folder of the run; finished cells in it are kept, unfinished ones are resumed.
        device: torch device of the enhancers.
        executor: predicts what is missing.
        progress: receives the state of the study while it is predicted.
        say: receives notes and warnings, one line each.

    Raises:
        UserError: the folder holds another study, is in use by another process, or cannot be written.
    """
    (rows,) = run_plans([(plan, run)], device=device, executor=executor, progress=progress, say=say)
    if isinstance(rows, UserError):
        raise rows
    return rows


def run_plans(
    studies: Sequence[tuple[Plan, Path]],
    *,
    device: str,
    executor: Executor = predict,
    progress: Progress | None = None,
    say: Say = lambda _line: None,
) -> list[list[ResultRow] | UserError]:
    """Run several studies at once, sharing images where they are equal; each ends as if it had run alone.

    Args:
        studies: plans, each with a folder as in :func:`run_plan`.
        device: torch device of the enhancers.
        executor: predicts what is missing.
        progress: receives the state of the studies while they are predicted.
        say: receives notes and warnings, one line each.

    Returns:
        The rows of each study, or the error that ended it; an error does not affect the other studies.
    """
    jobs = [RunJob(plan, run) for plan, run in studies]
    results: list[list[ResultRow] | UserError] = []
    manifests: dict[int, Manifest] = {}
    with ExitStack() as held:
        for number, job in enumerate(jobs):
            try:
                held.enter_context(locked(job.run))
                manifests[number] = Manifest(job.plan, job.run, device, say)
                job.note_processor = manifests[number].predicted_by
                job.open()
                held.callback(job.close)
                manifests[number].begin(complete=job.complete)
            except UserError as error:
                job.fault = error
        samplings = predict_in_looks(jobs, executor, device, progress or Progress(), say)
        for number, job in enumerate(jobs):
            try:
                if job.fault is not None:
                    raise job.fault
                results.append(_finish(job, manifests[number], device, say, samplings.get(job)))
            except UserError as error:
                results.append(error)
    return results


def _finish(
    job: RunJob, manifest: Manifest, device: str, say: Say, sampling: Sampling | None = None
) -> list[ResultRow]:
    """Score and analyse a predicted study; until it is scored, a finished run stays as it was.

    Raises:
        UserError: no image could be read, or nothing was predicted.
    """
    job.arrange()
    plan = job.plan if sampling is None else sampling.plan
    statistics = image_statistics(job.plan, job.run, plan.dataset.samples)
    combine(job, statistics, say, plan)
    rows = score_run(
        plan,
        job.run,
        job.failures,
        say,
        processors=manifest.processors,
        values=statistics,
        adjust=sampling.with_bounds if sampling else as_compared,
    )
    manifest.write()
    for name in plan.task.analyses:
        ANALYSES[name](plan, job.run, rows, device)
    return rows
