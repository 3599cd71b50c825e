"""Manifest of a run: its study, versions and hardware; a folder holds one study."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import read_json, to_json, write_atomic
from sgz_bench.core.text import pluralize
from sgz_bench.enhancer.runtime.choice import packages_of

from .config import StudyConfig
from .plan import Plan
from .results import read_rows
from .store import read_run_json

FILE = "manifest.json"


class Manifest:
    """Manifest of one run.

    Args:
        plan: plan of the study.
        run: folder of the run.
        device: torch device of the enhancers.
        say: receives one line for each fact about a resumed run that a user should know.

    Attributes:
        processors: names of the processors that predicted the run's images, as far as it is known.

    Raises:
        UserError: the folder holds another study; the message names the first field that differs.
    """

    def __init__(self, plan: Plan, run: Path, device: str, say: Callable[[str], None]) -> None:
        self._plan, self._path, self._device, self._say = plan, run / FILE, device, say
        self._before = self._checked(run)
        self._threads: int | list[int] | None = torch.get_num_threads()
        before = self._before.get("hardware")
        known = before.get("processors", ()) if isinstance(before, Mapping) else ()
        self.processors = [str(each) for each in known] if isinstance(known, list) else []

    def _checked(self, run: Path) -> Mapping[str, Any]:
        """Return the manifest in the folder if it is of this study; empty without one."""
        if not self._path.exists():
            self._refuse_foreign_cells(run)
            return {}
        try:
            before: dict[str, Any] = read_json(self._path, kind=dict)
            study = dict(before["study"])
        except (UserError, ValueError, KeyError, TypeError) as error:
            self._refuse_foreign_cells(run)
            reason = error if isinstance(error, UserError) else f"{self._path} is damaged ({error!r})"
            self._say(f"note: {str(reason).removesuffix('; restore it')}; rebuilt, with the versions of today")
            return {}
        for field, value in study_fields(self._plan, self._device).items():
            if study.get(field) != value:
                was, now = differing(str(study.get(field)), str(value))
                raise UserError(f"{run} holds another study ({field} was {was}, now {now}); choose another --out")
        return before

    def _refuse_foreign_cells(self, run: Path) -> None:
        """Refuse a folder without a readable manifest whose cells are all of another study.

        Raises:
            UserError: no cell of the plan is among the cells in the folder.
        """
        own = {cell.key for cell in self._plan.cells if cell.label == "raw"}
        cells = {path.name for path in (run / "cells").glob("*")}
        with suppress(UserError):  # a bright row may be the raw one of another study
            cells = {key for row in read_rows(run) if row.enhancer == "raw" for key in row.cells} or cells
        if cells and not own & cells:
            raise UserError(
                f"{self._path} is missing or damaged, and {run} holds cells of another study; choose another --out, or"
                " repeat the command that made them"
            )

    def begin(self, *, complete: bool) -> None:
        """Write the manifest of an unfinished run; note a resume with another number of threads.

        Args:
            complete: True if no image is left to predict.

        Raises:
            UserError: it cannot be written.
        """
        threads, hardware = torch.get_num_threads(), self._before.get("hardware")
        before = hardware.get("threads") if isinstance(hardware, Mapping) else None
        known = [each for each in (before if isinstance(before, list) else [before]) if isinstance(each, int)]
        every = known if complete else list(dict.fromkeys([*known, threads]))
        self._threads = every if len(every) > 1 else every[0] if every else None
        if known and not complete and known[-1] != threads:
            self._say(
                f"note: resumed with {pluralize(threads, 'thread')}, begun with {known[-1]}; the last digits of"
                " results may differ"
            )
        self._write_unfinished()

    def _write_unfinished(self) -> None:
        """Write the manifest unless the run is finished: then it stays as it was until the run is scored again."""
        if not (self._path.with_name("results.jsonl")).exists():
            self.write()

    def predicted_by(self, processor: str) -> None:
        """Add a processor that predicts images of the run; note it if they are of several kinds.

        Raises:
            UserError: the manifest of the unfinished run cannot be written.
        """
        if processor in self.processors:
            return
        self.processors = sorted({*self.processors, processor})
        if len(self.processors) > 1:
            kinds = ", ".join(self.processors)
            self._say(f"note: predicted on different processors ({kinds}); the last digits of results may differ")
        self._write_unfinished()

    def write(self) -> None:
        """Write the manifest.

        Raises:
            UserError: it cannot be written.
        """
        plan = self._plan
        hardware: dict[str, Any] = {"system": platform.platform(), "machine": platform.machine()}
        hardware |= {} if self._threads is None else {"threads": self._threads}
        hardware |= {"processors": self.processors} if self.processors else {}
        content = {
            "study": study_fields(plan, self._device),
            "config": plan.config.model_dump(mode="json"),
            "problems": [str(problem) for problem in plan.dataset.problems],
            "cells": [{"key": cell.key, "enhancer": cell.label, "seed": cell.seed} for cell in plan.cells],
            "hardware": hardware,
        }
        write_atomic(self._path, to_json(content))


def study_fields(plan: Plan, device: str) -> dict[str, Any]:
    """Return the settings that all cells of a run share, most informative first; other settings need another folder."""
    packages: tuple[str, ...] = (
        "sgz-bench",
        "torch",
        "torchvision",
        "ultralytics",
        "numpy",
        "opencv-python",
        "pillow",
        "simplejpeg",
        "pycocotools",
    )
    of_cells = [name for cell in plan.cells for name in (*packages_of(cell.view.enhancer), *cell.model.packages)]
    packages += tuple(sorted(set(of_cells)))
    packages += plan.task.packages
    darken = plan.cells[-1].view.darken
    return {
        "task": plan.task.name,
        "dataset": plan.dataset.name,
        "split": plan.dataset.split,
        "limit": plan.config.limit,
        "images": len(plan.dataset.samples),
        "darken": darken.spec if darken else None,
        "model": plan.model,
        "model_fingerprint": plan.model_fingerprint,
        "class_map": plan.space.class_map.tolist(),
        "classes": plan.space.class_names,
        "dataset_fingerprint": plan.dataset_fingerprint,
        "device": device,
        "engine": f"{plan.config.engine} {plan.config.precision}",
        "python": platform.python_version(),
    } | {name: _version(name) for name in packages}


def _version(package: str) -> str:
    """Return a package's version, also if it was installed under another name (``onnxruntime-gpu``)."""
    try:
        return version(package)
    except PackageNotFoundError:
        return str(import_module(package).__version__)


def differing(one: str, other: str) -> tuple[str, str]:
    """Cut two texts that differ to about 60 characters around the first difference."""
    pairs = enumerate(zip(one, other, strict=False))
    first = next((index for index, (a, b) in pairs if a != b), len(min(one, other)))
    begin = 0 if max(len(one), len(other)) <= 60 else max(first - 30, 0)
    cut = [f"{'…' * bool(begin)}{text[begin : begin + 60]}{'…' * (len(text) > begin + 60)}" for text in (one, other)]
    return cut[0], cut[1]


def held_by_another(config: StudyConfig, run: Path) -> str:
    """Return the first difference of a config from the study in a folder, without loading data; empty without one."""
    try:
        before = dict(read_run_json(run / FILE)["study"])
    except (UserError, KeyError, TypeError, ValueError):
        return ""
    now = {"task": config.task, "limit": config.limit, "engine": f"{config.engine} {config.precision}"}
    return next((f"{key} was {before[key]}, now {value}" for key, value in now.items() if before.get(key) != value), "")
