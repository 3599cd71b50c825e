"""Catalog of task reports. A task's line here adds the task to tables, figures and page."""

from __future__ import annotations

from typing import Protocol

from sgz_bench.core.registry import Registry

from .vocabulary import Vocabulary


class HasVocabulary(Protocol):
    """Part of a :class:`..task_report.TaskReport` that studies read; the whole is made of studies."""

    @property
    def vocabulary(self) -> Vocabulary:
        """Terms of the task."""


TASK_REPORTS: Registry[HasVocabulary] = Registry(
    "task",
    {
        "detection": "sgz_bench.reports.detection:DETECTION",
        "segmentation": "sgz_bench.reports.segmentation:SEGMENTATION",
    },
)
