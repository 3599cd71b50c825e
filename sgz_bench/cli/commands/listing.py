"""``sgz-bench list``: names of enhancers, data sets, models and metrics."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated

import typer


class Kind(StrEnum):
    """Kinds of names that can be listed."""

    ENHANCERS = "enhancers"
    DATASETS = "datasets"
    MODELS = "models"
    METRICS = "metrics"


_METRICS = {
    "AP": "COCO AP, mean over IoU .50:.05:.95 and classes (pycocotools, 101-point, 100 detections per image)",
    "AP50": "the same at IoU .50",
    "AP75": "the same at IoU .75",
    "APs APm APl": "AP of small (< 32²), medium and large (> 96² pixels) objects",
    "AR1 AR10 AR100": "average recall with 1, 10 or 100 detections per image; ARs, ARm, ARl by size",
    "VOC_AP50": "Pascal VOC AP at IoU .50, every-point interpolation, mean over classes",
    "mIoU": "mean IoU over classes, from one confusion matrix over all pixels; classes in neither map are left out",
    "pixel_accuracy": "share of labelled pixels that are classified correctly",
    "mean_accuracy": "mean over classes of the share of their pixels that are classified correctly",
    "fwIoU": "IoU weighted by the class's share of the truth",
    "AUIoU": "IoU that credits low confidence in invalid regions, for data sets with masks of them (ACDC, Dark Zurich)",
}


def listing(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="enhancers, datasets, models or metrics.")],
) -> None:
    """List enhancers, datasets, models or metrics, with parameters and defaults."""
    from sgz_bench.core.errors import UserError
    from sgz_bench.core.registry import suggest

    kinds = [each.value for each in Kind]
    if kind not in kinds:
        raise UserError(f"unknown kind of names {kind!r}{suggest(kind, kinds)}")
    for name, text in _entries(Kind(kind)):
        text = _plain(text)
        typer.echo(f"{name}\n    {text}" if len(name) > 24 else f"{name:24} {text}".rstrip())


def _entries(kind: Kind) -> list[tuple[str, str]]:
    """Return name and summary of every entry of a kind."""
    from sgz_bench.tasks.catalog import TASKS

    if kind is Kind.METRICS:
        from sgz_bench.tasks.metric import METRICS

        return [
            *_METRICS.items(),
            *(
                (f"{name}{_parameters(cls, set())}", f"{getattr(cls, 'task', '?')}: {cls.summary or _first_line(cls)}")
                for name, cls in METRICS.loaded().items()
            ),
        ]
    if kind is Kind.DATASETS:
        return [
            (name, f"{task}: {_first_line(loader)}")
            for task, cls in TASKS.loaded().items()
            for name, loader in cls.datasets().loaded().items()
        ]
    if kind is Kind.MODELS:
        entries = []
        for task, cls in TASKS.loaded().items():
            entries += [(name, f"{task}: ships with the package, with its model card") for name in cls.shipped_models()]
            for name, family in cls.families().loaded().items():
                spec = f"{name}:SOURCE{_parameters(family, {'source', 'device'})}"
                entries.append((spec, f"{task}: {_first_line(family)}"))
        return entries
    from sgz_bench.enhancer.catalog import COMPOSITES, ENHANCERS

    around = {"gate": "gate(ENHANCER,luma<40)", "both": "both(ENHANCER)", "oracle": "oracle, oracle(ENHANCER)"}
    return [
        *((around[name], cls.summary) for name, cls in COMPOSITES.loaded().items()),
        *(
            (f"{name}{_parameters(cls, set())}", cls.summary or _first_line(cls))
            for name, cls in ENHANCERS.loaded().items()
        ),
    ]


def _first_line(documented: object) -> str:
    """Return the first line of an object's own docstring, not of an inherited one; empty without one."""
    return (documented.__doc__ or "").strip().partition("\n")[0]


def _plain(text: str) -> str:
    """Remove Sphinx markup: print :class:`~sgz_bench.enhancer.base.Enhancer` and ``name`` as their names."""
    names = re.sub(r":[\w:]+:`(~?)\.?([^`]+)`", lambda role: role[2].rpartition(".")[2] if role[1] else role[2], text)
    return names.replace("`", "")


def _parameters(factory: type, hidden: set[str]) -> str:
    """Format the parameters of a class with their defaults, as in a spec."""
    import inspect

    from sgz_bench.core.specs import format_value

    shown = [
        name if parameter.default in (parameter.empty, None, "") else f"{name}={format_value(parameter.default)}"
        for name, parameter in inspect.signature(factory).parameters.items()
        if name not in hidden and parameter.kind not in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}
    ]
    return f"({','.join(shown)})" if shown else ""
