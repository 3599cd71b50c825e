"""Custom metrics: one number per image, whose mean is reported beside the task's own metrics."""

from __future__ import annotations

import hashlib
import inspect
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Container, Iterable
from typing import Any, ClassVar, Literal

from sgz_bench.core.errors import UserError, in_one_line
from sgz_bench.core.registry import Registry, refuse_unknown
from sgz_bench.core.specs import Spec, format_value, parse_spec


class Metric(ABC):
    """Base of custom metrics. A subclass sets the attributes and takes its parameters by keyword in ``__init__``.

    Attributes:
        name: lower-case letters, digits and hyphens.
        task: ``detection`` or ``segmentation``.
        version: raised when its numbers change their meaning.
        unit: ``%`` for shares in [0, 1], which tables show ×100; any other unit is shown unscaled.
        better: ``higher`` or ``lower``.
        summary: description in one line.
        spec: canonical text such as ``found(conf=0.25)``, its name in rows and tables.
        fingerprint: sha256 (hex) over name, version, parameters and, of a metric in a file, the file.
    """

    name: ClassVar[str]
    task: ClassVar[str]
    version: ClassVar[int] = 1
    unit: ClassVar[str] = "%"
    better: ClassVar[Literal["higher", "lower"]] = "higher"
    summary: ClassVar[str] = ""
    spec: str
    fingerprint: str

    @abstractmethod
    def measure(self, prediction: Any, truth: Any) -> float | None:
        """Return the number of one image, or None to leave the image out of the mean.

        Args:
            prediction: the model's prediction, in class ids of the data set. Detection:
                :class:`~sgz_bench.tasks.detection.types.Detections`. Segmentation: ``(H, W)`` uint8, 255 for none.
            truth: :class:`~sgz_bench.tasks.detection.types.Truth`, or ``(H, W)`` uint8 class ids, 255 where nothing is
                scored.
        """


METRICS: Registry[type[Metric]] = Registry(
    "metric", {}, group="sgz_bench.metrics", base="sgz_bench.tasks.metric:Metric"
)


def create_metric(spec: str, task: str) -> Metric:
    """Build a plugin's metric, ``package.module:Class`` or ``FILE.py:Class``, from a spec with its parameters.

    Raises:
        UserError: it is not available, does not follow :class:`Metric`, or is for another task.
    """
    parsed = parse_spec(spec)
    cls, content = METRICS.find(parsed.name)
    name, of = getattr(cls, "name", None), getattr(cls, "task", None)
    if not isinstance(name, str) or not re.fullmatch("[a-z][a-z0-9-]*", name):
        raise UserError(f"the metric {parsed.name} has the name {name!r}; use lower-case letters, digits and hyphens")
    if not isinstance(of, str):
        raise UserError(f"the metric {parsed.name} has no task; write task = {task!r} in its class")
    if of != task:
        raise UserError(f"the metric {parsed.name} is for the task {of!r}, not for {task}")
    if cls.better not in {"higher", "lower"}:
        raise UserError(f"the metric {parsed.name} has better = {cls.better!r}; write 'higher' or 'lower'")
    signature = inspect.signature(cls)
    refuse_unknown(parsed.name, parsed.kwargs, list(signature.parameters))
    try:
        metric = cls(**parsed.kwargs)
    except UserError:
        raise
    except METRICS.faults(parsed.name) as error:
        raise UserError(f"{spec}: {in_one_line(error)}") from error
    given = signature.bind(**parsed.kwargs)
    given.apply_defaults()
    metric.spec = str(Spec.of(name, given.arguments))
    params = {key: format_value(value) for key, value in sorted(given.arguments.items())}
    identity = json.dumps([name, cls.version, params, content])
    metric.fingerprint = hashlib.sha256(identity.encode()).hexdigest()
    return metric


def create_metrics(specs: Iterable[str], task: str, reserved: Container[str]) -> tuple[Metric, ...]:
    """Build the custom metrics of a study.

    Args:
        specs: as in :func:`create_metric`.
        task: name of the study's task.
        reserved: names that a metric cannot have, being columns of results.

    Raises:
        UserError: a metric that is not available, or whose name is taken in rows and tables.
    """
    metrics: dict[str, Metric] = {}
    for metric in (create_metric(spec, task) for spec in specs):
        known = metrics.setdefault(metric.spec, metric)
        if metric.name in reserved:
            raise UserError(f"a metric cannot be called {metric.name!r}, which is a column of results; rename it")
        if known.fingerprint != metric.fingerprint:
            raise UserError(f"two metrics are called {metric.spec}; rename one of them")
    return tuple(metrics.values())
