"""Worker of the executor ray: builds enhancers and models once, then predicts one shard of images after another."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import fields, replace
from pathlib import Path
from tempfile import gettempdir
from typing import Any, NamedTuple, cast

from sgz_bench.core.errors import UserError, in_one_line
from sgz_bench.core.files import file_sha256
from sgz_bench.core.scratch import scratch_folder
from sgz_bench.tasks.label_space import LabelSpace, Sample

from ..config import StudyConfig
from ..manifest import differing, study_fields
from ..plan import Cell, Plan, rebuild_plan
from .actors import Process
from .job import Job
from .local import predict
from .messages import Kept, Outcome, Shard
from .progress import Progress
from .shipping import Copies, Package, moved, pack


class Study(NamedTuple):
    """What a worker needs of a study.

    Attributes:
        config, space, fingerprint: as in the plan.
        fields: of the manifest; they must be the same on the worker.
        cells: labels and keys of the cells.
        package: files of models and enhancers, if they are shipped.
    """

    config: StudyConfig
    space: LabelSpace[Any]
    fingerprint: str
    fields: Mapping[str, Any]
    cells: tuple[tuple[str, str], ...]
    package: Package

    @classmethod
    def of(cls, plan: Plan, device: str, *, ship: bool) -> Study:
        """Return the study of a plan, whose enhancers run on ``device``.

        Raises:
            UserError: files are to be shipped, and one cannot be read or they are too large.
        """
        cells = tuple((cell.label, cell.key) for cell in plan.cells)
        package = pack(plan.config) if ship else Package()
        return cls(plan.config, plan.space, plan.dataset_fingerprint, study_fields(plan, device), cells, package)


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
        self._folder = folder
        self._plans: list[Plan] = []
        self._samples: list[dict[int, Sample]] = []
        self._models: list[Copies] = []  # files of models and enhancers
        self._files = ExitStack()

    def prepare(self, studies: Sequence[Study]) -> str:
        """Build enhancers and models of some studies; return why this node cannot run them, or an empty text."""
        self._plans, self._samples, self._models = [], [], []
        self._files.close()
        for study in studies:
            refusal = self._refusal(study)
            if refusal:
                return refusal
        return ""

    def _refusal(self, study: Study) -> str:
        try:
            config = study.config
            if study.package.contents:
                copies = self._copies(study.package.contents, self._files)
                self._models.append(copies)
                config = moved(config, study.package.names, copies)
            plan = rebuild_plan(config, study.space, study.fingerprint, self._device)
            refusal = _difference(study, plan, self._device)
        except (Exception, SystemExit) as error:  # as custom classes may raise anything
            refusal = in_one_line(error)
        if refusal:
            return self._with_original_paths(refusal)
        self._plans.append(plan)
        self._samples.append({sample.id: sample for sample in plan.dataset.samples})
        return ""

    def run(self, shard: Shard) -> Outcome:
        """Predict a shard's images: each is decoded once, enhanced once per enhancer, predicted once per model."""
        began = time.monotonic()
        with ExitStack() as files:
            try:
                copies = self._copies(shard.contents, files) if shard.contents else None
                refusal = _other_bytes(shard)
            except UserError as error:
                refusal = str(error)
            if refusal:
                return Outcome([], [], [], time.monotonic() - began, refusal)
            jobs = []
            for number, images in shard.images.items():
                samples = [_with_copies(self._samples[number][image], copies) for image in images]
                jobs.append(ShardJob(self._plans[number], number, samples, images))
            predict(jobs, self._device, Progress())
        numbered = list(zip(shard.images, jobs, strict=True))

        def told(reason: str) -> str:
            return self._with_original_paths(copies.original(reason) if copies else reason)

        return Outcome(
            [each for job in jobs for each in job.kept],
            [(study, cell, image, told(why)) for job in jobs for study, cell, image, why in job.failed],
            [(number, image, told(why)) for number, job in numbered for image, why in job.failures.unread.items()],
            time.monotonic() - began,
        )

    def close(self) -> None:
        """Remove the shipped files."""
        self._files.close()

    def _copies(self, contents: Mapping[str, bytes | None], files: ExitStack) -> Copies:
        """Write shipped files into a folder that ends with ``files``.

        Raises:
            UserError: they cannot be written.
        """
        try:
            folder = files.enter_context(scratch_folder("worker"))
        except OSError as error:
            raise UserError(f"{gettempdir()} cannot be written ({error.strerror or error})") from error
        return Copies(contents, folder / "files", self._folder)

    def _with_original_paths(self, text: str) -> str:
        for copies in self._models:
            text = copies.original(text)
        return text


def _difference(study: Study, plan: Plan, device: str) -> str:
    """Return the first difference between a study on the driver and on this node; empty if they are the same."""
    here = study_fields(plan, device)
    for field, value in study.fields.items():
        if field != "device" and here.get(field) != value:  # a worker's GPU is cuda:0, whatever its number
            there, driver = differing(str(here.get(field)), str(value))
            return f"{field} is {there} there and {driver} here; make them the same on every node"
    cells = [cell.key for cell in plan.cells]
    for number, (label, key) in enumerate(study.cells):
        if cells[number : number + 1] != [key]:
            return f"the enhancer {label} has other weights or code there; make them the same on every node"
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


def files_of(sample: Sample, cells: Iterable[Cell]) -> list[Path]:
    """Return the files that some cells need of a sample: its image or well-lit twin, and those of its truth."""
    pictures = {sample.path, sample.bright}
    truth = [path for name in _path_fields(sample) if (path := getattr(sample, name)) not in pictures]
    return list(dict.fromkeys([*(cell.view.path(sample) for cell in cells), *truth]))


def _path_fields(sample: Any) -> list[str]:
    return [each.name for each in fields(sample) if isinstance(getattr(sample, each.name), Path)]


def _with_copies(sample: Any, copies: Copies | None) -> Sample:
    """Return a sample whose files are the shipped copies."""
    if copies is None:
        return cast(Sample, sample)
    return cast(Sample, replace(sample, **{name: copies.get(getattr(sample, name)) for name in _path_fields(sample)}))
