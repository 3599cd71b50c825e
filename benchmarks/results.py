"""Schema and reader of ``results.jsonl``; every table is a view of these rows."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict

from sgz_bench.core.errors import UserError
from sgz_bench.core.faults import first_fault
from sgz_bench.core.files import read_text

SCHEMA_VERSION = 1
FEW_IMAGES = 5  # a class on fewer has no interval to rely on


def is_bound(label: str) -> bool:
    """Return True for the label of an upper bound that nobody can deploy: ``bright``, ``oracle`` and ``oracle(…)``."""
    return label in {"bright", "oracle"} or label.startswith("oracle(")


class Delta(TypedDict):
    """A paired difference from the raw row, in the unit of the metric ([0, 1], not percent)."""

    value: float | None  # enhanced − raw; None if either is undefined
    low: float | None  # 95 % paired interval over images
    high: float | None
    p: float | None  # two-sided paired test over images; None for classes and slices
    p_holm: float | None  # Holm-corrected over the enhancers compared; None for the bright row


class Measure(TypedDict):
    """Description of a custom metric, as the row was scored with it."""

    unit: str  # "%" for shares in [0, 1]
    better: str  # "higher" or "lower"
    summary: str
    version: int
    fingerprint: str  # sha256 over name, version, parameters and file


class Until(TypedDict):
    """State of a run in random order that ends once all rows are decided, see ``benchmarks/sequential.py``."""

    half_width: float  # points of the lead metric at which a row is decided
    images: int  # images that were looked at, of ``of``
    of: int
    every: int  # images between two looks
    rows: int  # rows that share the error of the bounds
    decided: bool  # False if the images ran out
    method: str  # of the bounds and p-values in ``delta``


class Member(TypedDict):
    """One training seed of a row under the protocol ``finetune``."""

    seed: int
    key: str  # of its cell
    metrics: dict[str, float | None]


@dataclass(frozen=True)
class ResultRow:
    """Result of one cell, or mean over the cells of several training seeds; see ``docs/results.md``."""

    key: str  # hash of everything that can change the result
    status: str  # "ok" or "error"
    task: str  # "detection" or "segmentation"
    protocol: str  # "frozen" or "finetune"
    dataset: str
    split: str
    dataset_fingerprint: str  # sha256 over the keys, image bytes and labels that were used
    partial: bool  # True when --limit or --until left images out
    images: int  # images scored
    skipped: list[dict[str, str]]  # [{"image", "reason"}]: unreadable images, the same for all rows
    classes: list[str]  # the class list of the metrics
    model: str  # canonical spec
    model_fingerprint: str  # sha256 of the weights
    inference: dict[str, Any]  # imgsz, conf, nms_iou, max_det, class_map, …
    enhancer: str  # canonical spec; "raw" is the dark image itself, "bright" the image before --darken
    enhancer_fingerprint: str
    darken: str | None  # canonical spec such as "darken(ev=3,…)"; None on undarkened images
    seed: int
    metric_version: int
    engine: str = ""  # engine of the enhancer's network, such as "fused fp32"; empty for methods without a network
    terms: str = ""  # terms of the enhancer's weights, if they exclude commercial use or are unknown
    error: str | None = None
    metrics: dict[str, float | None] = field(default_factory=dict)  # AP, AP50, …; mIoU, … in [0, 1]
    per_class: dict[str, dict[str, float | int | None]] = field(
        default_factory=dict
    )  # {"Car": {"AP", "AP50", "boxes"}}
    by_attribute: dict[str, dict[str, dict[str, float | int | None]]] = field(
        default_factory=dict
    )  # {"lighting": {"Low": {"AP", "AP50", "images", "boxes"}}}
    delta: dict[str, Delta] = field(default_factory=dict)  # {"AP50": {"value", "low", "high", "p", "p_holm"}}
    delta_per_class: dict[str, dict[str, Delta]] = field(default_factory=dict)  # {"Car": {"AP50": {…}}}
    delta_by_attribute: dict[str, dict[str, dict[str, Delta]]] = field(default_factory=dict)
    members: list[Member] = field(default_factory=list)  # training seeds that the row averages, under "finetune"
    spread: dict[str, float | None] = field(default_factory=dict)  # metric → standard deviation (n − 1) over them
    measures: dict[str, Measure] = field(default_factory=dict)  # custom metrics, added by --metric
    processors: list[str] = field(default_factory=list)  # if they are of several kinds; else left out of the JSON
    sparse_classes: int = 0  # classes with truth on fewer than FEW_IMAGES images; left out of the JSON if 0
    until: Until | None = None  # with --until; else left out of the JSON
    schema: int = SCHEMA_VERSION

    @property
    def bound(self) -> bool:
        """True for an upper bound that nobody can deploy: ``bright`` and the oracles."""
        return is_bound(self.enhancer)

    @property
    def cells(self) -> list[str]:
        """Keys of the cells behind the row: its own, or those of its training seeds."""
        return [member["key"] for member in self.members] or [self.key]

    def to_json(self) -> str:
        """Return one line of JSON, with keys in schema order and without NaN."""
        content = asdict(self)
        if not self.processors:
            del content["processors"]
        if not self.sparse_classes:
            del content["sparse_classes"]
        if self.until is None:
            del content["until"]
        return json.dumps(content, ensure_ascii=False, allow_nan=False)


COLUMNS = frozenset(ResultRow.__dataclass_fields__) | {
    "boxes",
    "pixels",
    "seeds",
}  # names that custom metrics must not have


_ROW = TypeAdapter(ResultRow)


def read_rows(run: str | Path) -> list[ResultRow]:
    """Read the rows of a run folder, in the order of its plan.

    Raises:
        UserError: the folder is not a finished run, or its results file is damaged or has another schema.
    """
    path = Path(run) / "results.jsonl"
    if not path.is_file():
        raise UserError(f"{run} is not a finished run: {_missing(Path(run))}")
    rows = []
    text = read_text(path).removesuffix("\n")
    for number, line in enumerate(text.split("\n") if text else (), start=1):  # a class name may contain U+2028
        try:
            record = json.loads(line)
            if record.get("schema") != SCHEMA_VERSION:
                raise ValueError(f"schema {record.get('schema')!r}, this version reads {SCHEMA_VERSION}")
            _ROW.validate_json(line, strict=True)  # types alone: the values stay as they are
            rows.append(ResultRow(**record))
        except ValidationError as error:
            fault = first_fault(error)
            raise UserError(f"{path}, line {number} is not a result row ({fault}); repeat the run") from error
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise UserError(f"{path}, line {number} is not a result row ({error}); repeat the run") from error
    return rows


def _missing(run: Path) -> str:
    """Explain why a folder without ``results.jsonl`` is no finished run, and what to do."""
    if not run.exists():
        return "there is no such folder; check the path"
    if not run.is_dir():
        return "it is a file; give the folder that --out named"
    if (run / "manifest.json").exists() or (run / "cells").is_dir():
        return "it has no results.jsonl; repeat its command to finish it"
    if any(run.glob("*/results.jsonl")):
        studies = sorted(path.parent.name for path in run.glob("*/results.jsonl"))
        return f"it is the folder of a suite; name a run's folder in it, such as {studies[0]}"
    if (run / "suite.json").exists():
        return "it is the folder of a suite without a finished study; repeat its command"
    return "it holds no file of a run; give the folder that --out named"
