"""What a user asks for, checked."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sgz_bench.core.specs import canonical, split_list


class StudyConfig(BaseModel):
    """A study: one task, one split, one model, several enhancers, perhaps darkened.

    Attributes:
        task: what the model is asked to do.
        dataset: registered name, perhaps with settings, or the path of a YAML.
        root: folder of the data set.
        split: as the data set names it.
        model: ``FAMILY:SOURCE(key=value,…)``, or a folder that ``sgz-bench finetune`` wrote.
        enhancers: canonical spec strings; ``raw`` is always the first.
        darken: ``ev=3`` and the like, or None for images as they are.
        class_map: YAML of data set class → model classes.
        classes: score these classes of the data set only: a list's name or names with commas.
        metrics: specs of metrics of one's own, besides the task's.
        limit: number of images, evenly spaced; None for all.
        engine, precision: what runs the enhancers' networks, see :func:`sgz_bench.enhancer.runtime.choice.use_engine`.
        seed: of darkening noise, bootstrap and permutations.
        replicates, permutations: of the bootstrap and the permutation test.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: Literal["detection", "segmentation"] = "detection"
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

    @model_validator(mode="before")
    @classmethod
    def _raw_first(cls, values: dict[str, object]) -> dict[str, object]:
        given = values.get("enhancers", ())
        given = split_list(given) if isinstance(given, str) else given
        names = canonical(given if isinstance(given, (list, tuple)) else [])
        return values | {"enhancers": ("raw", *(name for name in names if name != "raw"))}
