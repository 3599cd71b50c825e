"""Validated config of a study."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from sgz_bench.core.registry import suggest
from sgz_bench.core.specs import canonical, split_list
from sgz_bench.tasks.catalog import TASKS


class StudyConfig(BaseModel):
    """A study: one task, one split, one model, several enhancers, with or without darkening.

    Attributes:
        task: name of the task.
        dataset: registered name, with or without settings, or the path of a YAML.
        root: folder of the data set.
        split: name of the split in the data set.
        model: ``FAMILY:SOURCE(key=value,…)``, or a folder that ``sgz-bench finetune`` wrote.
        enhancers: canonical spec strings; ``raw`` is always the first.
        darken: spec of the darkening, such as ``ev=3``; None for images as they are.
        class_map: YAML of data set class → model classes.
        classes: score only these classes of the data set: the name of a list, or names with commas.
        metrics: specs of custom metrics, besides the task's own.
        by: statistics of the raw image by whose quartiles the results are sliced, such as ``luma``.
        limit: number of images, evenly spaced; None for all.
        until: half-width in points of the lead metric's bounds at which a row is decided, see
            :mod:`sgz_bench.benchmarks.sequential`; images are then taken in random order until all rows are decided.
        engine, precision: how the enhancers' networks run, see :func:`sgz_bench.enhancer.runtime.choice.use_engine`.
        seed: seed of darkening noise and bootstrap.
        replicates: number of bootstrap resamples, and most groups of images that are left out.
        permutations: without effect since p comes from the standard error of the interval; kept for old commands.
        operating_point: ``conf=SCORE`` at which a detector is used; None for the raw row's best F1. Segmentation has
            no operating point, so its studies leave this aside.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str = "detection"
    dataset: str
    root: Path | None = None
    split: str | None = None
    model: str
    enhancers: tuple[str, ...] = ("raw",)
    darken: str | None = None
    class_map: Path | None = None
    classes: str | None = None
    metrics: tuple[str, ...] = ()
    by: tuple[str, ...] = ()
    limit: int | None = Field(default=None, ge=1)
    until: float | None = None
    engine: str = "auto"
    precision: str = "fp32"
    seed: int = Field(default=0, ge=0)
    replicates: int = Field(default=1000, ge=100)
    permutations: int = Field(default=1000, ge=100)
    operating_point: str | None = None

    @property
    def conf(self) -> float | None:
        """Score of the operating point."""
        return None if self.operating_point is None else operating_conf(self.operating_point)

    @field_validator("operating_point", mode="before")
    @classmethod
    def _known_operating_point(cls, text: object) -> str | None:
        return None if text is None else f"conf={operating_conf(str(text))!r}"

    @model_serializer(mode="wrap")
    def _without_unset(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out later settings that are not given, so that manifests of earlier versions stay the same."""
        fields: dict[str, Any] = serialize(self)
        return {name: value for name, value in fields.items() if name not in _LATER or value not in (None, (), [])}

    @field_validator("task")
    @classmethod
    def _known_task(cls, name: str) -> str:
        return known_task(name)

    @field_validator("by", mode="before")
    @classmethod
    def _known_statistics(cls, names: object) -> tuple[str, ...]:
        return known_statistics(names)

    @field_validator("until", mode="before")
    @classmethod
    def _points(cls, value: object) -> float | None:
        return None if value is None else half_width(value)

    @model_validator(mode="after")
    def _until_or_limit(self) -> StudyConfig:
        if self.until is not None and self.limit is not None:
            raise ValueError(UNTIL_OR_LIMIT)
        return self

    @model_validator(mode="before")
    @classmethod
    def _raw_first(cls, values: dict[str, object]) -> dict[str, object]:
        given = values.get("enhancers", ())
        given = split_list(given) if isinstance(given, str) else given
        if not isinstance(given, (list, tuple)) or not all(isinstance(name, str) for name in given):
            raise ValueError(f"enhancers {given!r} are no list of specs; write, for example, [raw, sgz]")
        names = canonical(given)
        return values | {"enhancers": ("raw", *(name for name in names if name != "raw"))}


_LATER = ("operating_point", "until", "by")
UNTIL_OR_LIMIT = "until and limit exclude each other: until takes images of the whole split; leave one out"


def half_width(value: object) -> float:
    """Return the points of ``1.0``, ``±1.0`` or ``+-1.0``.

    Raises:
        ValueError: it is no number above 0 and up to 100.
    """
    text = str(value).strip()
    for sign in ("±", "+-", "+/-"):
        text = text.removeprefix(sign)
    try:
        points = float(text)
    except ValueError:
        points = 0.0
    if not 0 < points <= 100:
        raise ValueError(f"{value}: give points above 0, up to 100, such as ±1.0")
    return points


def known_task(name: str) -> str:
    """Return the name of a registered task.

    Raises:
        ValueError: there is no such task.
    """
    if name not in TASKS:
        raise ValueError(f"unknown task {name!r}{suggest(name, list(TASKS))}")
    return name


def operating_conf(text: str) -> float:
    """Return the score of an operating point ``conf=SCORE``.

    Raises:
        ValueError: it is none, or the score is not in [0, 1].
    """
    name, _, number = text.partition("=")
    fix = "write conf= and a score from 0 to 1, such as conf=0.25"
    if name.strip() != "conf":
        raise ValueError(f"{text!r} is no operating point; {fix}")
    try:
        conf = float(number)
    except ValueError:
        raise ValueError(f"{text!r}: {number.strip()!r} is no number; {fix}") from None
    if not 0 <= conf <= 1:
        raise ValueError(f"{text!r}: scores are from 0 to 1; {fix}")
    return conf


def known_statistics(names: object) -> tuple[str, ...]:
    """Return the names of statistics of an image, each once, from a list or a text with commas.

    Raises:
        ValueError: there is no such statistic.
    """
    from sgz_bench.enhancer.image_statistics import STATISTICS

    listed = split_list(names) if isinstance(names, str) else names
    if not isinstance(listed, (list, tuple)) or not all(isinstance(name, str) for name in listed):
        raise ValueError(f"{names!r} is no list of statistics; write, for example, [luma]")
    for name in listed:
        if name not in STATISTICS:
            raise ValueError(f"unknown statistic {name!r} of an image{suggest(name, list(STATISTICS))}")
    return tuple(dict.fromkeys(listed))
