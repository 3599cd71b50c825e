"""Worker of the executor ray: builds enhancers and models once, then predicts one shard of images after another."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, NamedTuple

from sgz_bench.core.errors import UserError, in_one_line
from sgz_bench.core.files import file_sha256
from sgz_bench.tasks.label_space import LabelSpace, Sample

from ..config import StudyConfig
from ..manifest import study_fields
from ..plan import Cell, Plan, rebuild_plan
from .actors import Process
from .job import Job
from .local import predict
from .messages import Kept, Outcome, Shard
from .progress import Progress
from .shipping import moved, pack, unpack


class Study(NamedTuple):
    """What a worker needs of a study.

    Attributes:
        config, space, fingerprint: as in the plan.
        fields: of the manifest; they must be the same on the worker.
        cells: keys of the cells.
        contents: path of a file of models and enhancers → its bytes, if they are shipped.
    """

    config: StudyConfig
    space: LabelSpace[Any]
    fingerprint: str
    fields: Mapping[str, Any]
    cells: tuple[str, ...]
    contents: Mapping[str, bytes]

    @classmethod
    def of(cls, plan: Plan, device: str, *, ship: bool) -> Study:
        keys = tuple(cell.key for cell in plan.cells)
        contents = pack(plan.config) if ship else {}
        return cls(plan.config, plan.space, plan.dataset_fingerprint, study_fields(plan, device), keys, contents)


class ShardJob(Job):
    """Job of a shard, whose predictions are handed back to the driver."""

    def __init__(
        self, plan: Plan, number: int, samples: Sequence[Sample], cells: Mapping[int, tuple[str, ...]]
    ) -> None:
        super().__init__(plan)
        self._number, self._samples, self._wanted = number, samples, cells
        self.kept: list[Kept] = []
        self.failed: list[tuple[int, str, int, str]] = []

    @property
    def samples(self) -> Sequence[Sample]:
        return self._samples

    def pending(self, sample: Sample) -> list[Cell]:
        wanted = self._wanted[sample.id]
        return [cell for cell in self.plan.cells if cell.key in wanted]

    def keep(self, cell: Cell, sample: Sample, line: bytes, files: Mapping[str, bytes]) -> None:
        self.kept.append(Kept(self._number, cell.key, sample.id, line, dict(files)))

    def fail(self, cell: Cell, sample: Sample, reason: str) -> None:
        self.failures.cells[cell.key] = reason
        self.failed.append((self._number, cell.key, sample.id, reason))


class Worker(Process):
    """Actor of the executor."""

    def __init__(self, threads: int, device: str, folder: str, path: Sequence[str]) -> None:
        super().__init__(threads, device, folder, path)
        self._plans: list[Plan] = []
        self._samples: list[dict[int, Sample]] = []
        self._scratch = tempfile.TemporaryDirectory(prefix="sgz-bench-")  # for files of models that are shipped

    def prepare(self, studies: Sequence[Study]) -> str:
        """Build enhancers and models of some studies; return why this node cannot run them, or an empty text."""
        self._plans, self._samples = [], []
        for study in studies:
            try:
                unpack(study.contents, Path(self._scratch.name))
                config = moved(study.config, Path(self._scratch.name)) if study.contents else study.config
                plan = rebuild_plan(config, study.space, study.fingerprint, self._device)
                refusal = _difference(study, plan, self._device)
            except (Exception, SystemExit) as error:  # as custom classes may raise anything
                refusal = in_one_line(error)
            if refusal:
                return refusal
            self._plans.append(plan)
            self._samples.append({sample.id: sample for sample in plan.dataset.samples})
        return ""

    def run(self, shard: Shard) -> Outcome:
        """Predict a shard's images: each is decoded once, enhanced once per enhancer, predicted once per model."""
        began = time.monotonic()
        with _files(shard) as copies:
            jobs = []
            for number, images in shard.images.items():
                samples = [_with_copies(self._samples[number][image], copies) for image in images]
                jobs.append(ShardJob(self._plans[number], number, samples, images))
            refusal = _other_bytes(shard)
            if refusal:
                return Outcome([], [], [], time.monotonic() - began, refusal)
            predict(jobs, self._device, Progress())
            numbered = list(zip(shard.images, jobs, strict=True))
            unread = [(n, image, why) for n, job in numbered for image, why in job.failures.unread.items()]
            failed = [each for job in jobs for each in job.failed]
            back = {str(copy): path for path, copy in copies.items()}
            return Outcome(
                [each for job in jobs for each in job.kept],
                [(study, cell, image, _with_original_paths(reason, back)) for study, cell, image, reason in failed],
                [(study, image, _with_original_paths(reason, back)) for study, image, reason in unread],
                time.monotonic() - began,
            )


def _difference(study: Study, plan: Plan, device: str) -> str:
    """Return the first difference between a study on the driver and on this node; empty if they are the same."""
    here = study_fields(plan, device)
    for field, value in study.fields.items():
        if here.get(field) != value:
            return f"{field} is {here.get(field)} there and {value} here; make them the same on every node"
    for key, cell in zip(study.cells, plan.cells, strict=True):
        if cell.key != key:
            return f"the enhancer {cell.label} has other weights or code there; make them the same on every node"
    return ""


def _other_bytes(shard: Shard) -> str:
    """Return the first file of a shard that is missing or has other bytes on this node; empty if there is none."""
    for path, wanted in shard.hashes.items():
        try:
            found = file_sha256(Path(path))
        except UserError:
            return f"{path} cannot be read there; put the data set under the same path on every node, or give --ship"
        if found != wanted:
            return f"{path} has other bytes there; put the same data set on every node, or give --ship"
    return ""


@contextmanager
def _files(shard: Shard) -> Iterator[dict[str, Path]]:
    """Write the shipped files into a scratch folder; yield path → copy."""
    if not shard.contents:
        yield {}
        return
    with tempfile.TemporaryDirectory(prefix="sgz-bench-") as scratch:
        yield unpack(shard.contents, Path(scratch))


def files_of(sample: Sample, cells: Iterable[Cell]) -> list[Path]:
    """Return the files that some cells need of a sample: its image or well-lit twin, and those of its truth."""
    pictures = {sample.path, sample.bright}
    truth = [path for name in _path_fields(sample) if (path := getattr(sample, name)) not in pictures]
    return list(dict.fromkeys([*(cell.view.path(sample) for cell in cells), *truth]))


def _path_fields(sample: Any) -> list[str]:
    return [each.name for each in fields(sample) if isinstance(getattr(sample, each.name), Path)]


def _with_copies(sample: Any, copies: Mapping[str, Path]) -> Sample:
    """Return a sample whose files are the shipped copies."""
    changes = {name: copies.get(str(getattr(sample, name)), getattr(sample, name)) for name in _path_fields(sample)}
    changed: Sample = replace(sample, **changes)
    return changed


def _with_original_paths(reason: str, back: Mapping[str, str]) -> str:
    for copy, path in back.items():
        reason = reason.replace(copy, path)
    return reason
