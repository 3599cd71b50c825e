"""Validated config of a study."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

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
        limit: number of images, evenly spaced; None for all.
        engine, precision: how the enhancers' networks run, see :func:`sgz_bench.enhancer.runtime.choice.use_engine`.
        seed: seed of darkening noise, bootstrap and permutations.
        replicates, permutations: their number in the bootstrap and in the permutation test.
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
    limit: int | None = Field(default=None, ge=1)
    engine: str = "auto"
    precision: str = "fp32"
    seed: int = Field(default=0, ge=0)
    replicates: int = Field(default=1000, ge=100)
    permutations: int = Field(default=1000, ge=100)

    @field_validator("task")
    @classmethod
    def _known_task(cls, name: str) -> str:
        return known_task(name)

    @model_validator(mode="before")
    @classmethod
    def _raw_first(cls, values: dict[str, object]) -> dict[str, object]:
        given = values.get("enhancers", ())
        given = split_list(given) if isinstance(given, str) else given
        if not isinstance(given, (list, tuple)) or not all(isinstance(name, str) for name in given):
            raise ValueError(f"enhancers {given!r} are no list of specs; write, for example, [raw, sgz]")
        names = canonical(given)
        return values | {"enhancers": ("raw", *(name for name in names if name != "raw"))}


def known_task(name: str) -> str:
    """Return the name of a registered task.

    Raises:
        ValueError: there is no such task.
    """
    if name not in TASKS:
        raise ValueError(f"unknown task {name!r}{suggest(name, list(TASKS))}")
    return name
