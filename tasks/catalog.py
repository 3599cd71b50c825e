"""Registry of tasks, which configs, commands, lists and finetuning read. A task is one folder."""

from __future__ import annotations

from typing import Any

from sgz_bench.core.registry import Registry

from .task import Task

TASKS: Registry[type[Task[Any, Any]]] = Registry(
    "task",
    {
        "detection": "sgz_bench.tasks.detection.task:DetectionTask",
        "segmentation": "sgz_bench.tasks.segmentation.task:SegmentationTask",
    },
)


def create_task(name: str) -> Task[Any, Any]:
    """Create a task by its name.

    Raises:
        UserError: there is no such task.
    """
    return TASKS.load(name)()
