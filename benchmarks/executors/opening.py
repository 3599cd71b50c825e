"""Opening of an executor by its settings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sgz_bench.core.device import limited_threads

from ..finetuning.loop import ModelExecutor, train_here
from .job import Executor
from .local import predict
from .progress import Progress
from .settings import Execution


@contextmanager
def opened(execution: Execution, device: str) -> Iterator[Executor]:
    """Yield the executor of some settings; plans are made inside, because engines take the number of threads.

    Args:
        execution: settings.
        device: torch device of the studies.

    Raises:
        UserError: Ray cannot be joined or started.
    """
    if execution.executor == "ray":
        from .ray import RayExecutor

        with RayExecutor(execution, device) as ray, limited_threads(ray.threads):
            yield ray.predict
    elif execution.threads is not None:
        with limited_threads(execution.threads):
            yield predict
    else:
        yield predict


@contextmanager
def opened_trainings(execution: Execution, device: str, progress: Progress) -> Iterator[ModelExecutor]:
    """Yield the executor of a finetuning by its settings; Ray is joined or started once models are missing.

    Args:
        execution: settings.
        device: torch device of the trainings.
        progress: receives the state of workers on Ray, and every loss.
    """
    if execution.executor == "ray":
        from .trainings import RayTrainings

        yield RayTrainings(execution, device, progress)
    elif execution.threads is not None:
        with limited_threads(execution.threads):
            yield train_here
    else:
        yield train_here
