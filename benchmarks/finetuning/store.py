"""Folder of finetuned models: finished ones, missing ones, and the index, in the same order whoever trains them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import product, takewhile
from pathlib import Path
from typing import Any

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import file_sha256, read_json, to_json, write_atomic
from sgz_bench.core.text import pluralize
from sgz_bench.tasks.training_state import remove_checkpoint

from .config import FinetunedModel
from .index import ENTRY, INDEX, read_index, same_engine
from .preparation import ModelJob, Preparation

Models = dict[tuple[str, int], dict[str, Any]]  # enhancer and seed → entry of the index
# Files in the folder while a driver with other processes works on it, one per model: by these, workers see that they
# share a disk with the driver, and stop once it is gone or has given the model to another one.
MARK = ".running-"


class ModelStore:
    """Models of a locked folder.

    The index gets the models in the order of the config: a model that is finished before an earlier one waits for it
    in its own folder, and is adopted by the next process if this one dies. So the index has the same bytes whatever
    finishes first.

    Args:
        out: folder of the models.
        preparation: the finetuning.
        say: receives notes, one line each.

    Attributes:
        jobs: missing models, in the order of the config.

    Raises:
        UserError: the folder belongs to another study, its index is damaged, or a model was trained through another
            engine.
    """

    def __init__(self, out: Path, preparation: Preparation, say: Callable[[str], None]) -> None:
        self._out, self._index = out, preparation.index
        config, labels = preparation.config, preparation.labels
        self._models, note = _finished(out, preparation.study, list(product(labels, config.seeds)))
        if note:
            if self._models:
                self._write()
            say(note)
        own = own_entries(out, preparation.study, self._models)
        self._waiting: list[tuple[str, int]] = []
        self._results: dict[tuple[str, int], dict[str, Any] | None] = {}
        self._existing: dict[tuple[str, int], Path] = {}
        self.jobs: list[ModelJob] = []
        named = dict(self._models)
        for label, seed in product(labels, config.seeds):
            key = (label, seed)
            if _exists(self._models.get(key), preparation, label, out):
                self._existing[key] = out / _file(self._models[key])
                continue
            self._waiting.append(key)
            if _exists(own.get(key), preparation, label, out):
                named[key] = self._results[key] = own[key]
                self._existing[key] = out / _file(own[key])
                continue
            folder = out / f"{_slug(label, preparation.fingerprint(label), named)}-seed{seed}"
            named[key] = {"model": f":{folder.name}/"}
            self.jobs.append(ModelJob(label, seed, folder))
        for file in self._existing.values():
            remove_checkpoint(file.parent)  # of a kill after the last step
        self._commit()

    @property
    def existing(self) -> list[FinetunedModel]:
        """Models that were finished before, in the order of the config."""
        return [FinetunedModel(label, seed, file) for (label, seed), file in self._existing.items()]

    def add(self, job: ModelJob, entry: dict[str, Any] | None) -> None:
        """Add a trained model, or None for one that failed; write the index as far as it is complete.

        Raises:
            UserError: the index cannot be written.
        """
        self._results[job.key] = entry
        self._commit()

    def _commit(self) -> None:
        """Move models to the index up to the first one that is missing."""
        changed = False
        while self._waiting and self._waiting[0] in self._results:
            key = self._waiting.pop(0)
            entry = self._results.pop(key)
            if entry is not None:
                self._models[key] = entry
                changed = True
        if changed:
            self._write()

    def _write(self) -> None:
        write_atomic(self._out / INDEX, to_json(self._index | {"models": list(self._models.values())}))


def _finished(out: Path, study: Mapping[str, Any], keys: Sequence[tuple[str, int]]) -> tuple[Models, str]:
    """Return the models of the folder whose files are unchanged, and a note if the index is rebuilt; empty without one.

    A rebuilt index has the models of the config up to the first that is missing, as it had when it was written, and
    those of other configs.

    Args:
        out: folder of the models.
        study: settings that all models share.
        keys: models of the config, in its order.

    Raises:
        UserError: the folder belongs to another study, or its index is damaged.
    """
    index, entries, rebuilt = read_index(out, study)
    for key, value in study.items() if index else ():
        if index.get(key) != value:
            raise UserError(
                f"{out} holds models of another {key}: {_differing(index.get(key), value)}; choose another --out"
            )
    models = {_key(each): dict(each) for each in entries if _is_whole(out / _file(each), each["sha256"])}
    if not rebuilt:
        return models, ""
    complete = list(takewhile(models.__contains__, keys))
    others = sorted(set(models) - set(keys))
    note = f"note: {rebuilt}; rebuilt with {pluralize(len(models), 'trained model')}"
    return {key: models[key] for key in (*complete, *others)}, note


def remove_marks(out: Path) -> None:
    """Remove the marks of killed drivers from a locked folder, so that their workers stop."""
    for mark in out.glob(f"{MARK}*"):
        mark.unlink(missing_ok=True)


def own_entries(out: Path, study: Mapping[str, Any], models: Models) -> Models:
    """Return the entries of whole models of this study that wait in their folders, and are not among ``models``."""
    entries: Models = {}
    for path in sorted(out.glob(f"*/{ENTRY}")):
        # A damaged entry is that of a missing model.
        with suppress(UserError, OSError, KeyError, TypeError, ValueError, OverflowError):
            index = read_json(path, kind=dict)
            (entry,) = index["models"]
            if any(index.get(key) != value for key, value in study.items()) or _key(entry) in models:
                continue
            if _is_whole(out / _file(entry), entry["sha256"]):
                entries[_key(entry)] = entry
    return entries


def _exists(entry: Mapping[str, Any] | None, preparation: Preparation, label: str, out: Path) -> bool:
    """Return True if a model was trained with exactly this enhancer.

    Raises:
        UserError: it was trained through another engine.
    """
    if entry is None or entry.get("enhancer_fingerprint") != preparation.fingerprint(label):
        return False
    engine = preparation.engine(label)
    if not same_engine(entry, engine, default_engine=preparation.config.default_engine):
        trained = entry.get("engine") or "auto fp32"
        raise UserError(
            f"{out} holds a model of {label} trained through the engine {trained}, not "
            f"{engine}; choose another --out, or give the same --engine and --precision"
        )
    return True


def _key(entry: Mapping[str, Any]) -> tuple[str, int]:
    """Return enhancer and seed of an entry."""
    return str(entry["enhancer"]), int(entry["seed"])


def _differing(before: Any, wanted: Any) -> str:
    """Return ``lr 0.001, not 0.01``: the first difference between two settings."""
    if isinstance(before, dict) and isinstance(wanted, dict):
        key = next(key for key in {**before, **wanted} if before.get(key) != wanted.get(key))
        return f"{key} {before.get(key)!r}, not {wanted.get(key)!r}"
    return f"{before!r}, not {wanted!r}"


def _file(entry: Mapping[str, Any]) -> str:
    """Return the path of a model in the folder, from its entry in the index."""
    return str(entry["model"]).partition(":")[2]


def _is_whole(path: Path, sha256: str) -> bool:
    """Return True if a file exists and has this hash."""
    return path.is_file() and file_sha256(path) == sha256


def _slug(label: str, fingerprint: str, models: Models) -> str:
    """Return a folder name for an enhancer: its spec, valid in file systems, distinct from others of that name."""
    slug = re.sub(r"[^A-Za-z0-9.=-]+", "_", Path(label).name if "/" in label else label).strip("_.")
    taken = any(_file(entry).startswith(f"{slug}-seed") and key[0] != label for key, entry in models.items())
    return f"{slug}-{fingerprint[:8]}" if taken else slug
