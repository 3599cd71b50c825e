"""Validation runs: checks that a choice on one run can be measured on another."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import numpy as np

from sgz_bench.core.errors import UserError
from sgz_bench.core.text import pluralize

from ..results import ResultRow
from ..store import LOG, cell_folder, read_log
from .candidates import candidates
from .evidence import Evidence

Content = tuple[str, str, str]  # stem of the file's name, truth, predictions on the raw image


def shared_candidates(run: Evidence, validation: Evidence) -> tuple[list[str], tuple[str, ...]]:
    """Return the candidates of both runs, ``raw`` first, and the labels that only one of them has.

    An enhancer whose fingerprint differs between the runs, as after other training, is not the same candidate.

    Raises:
        UserError: the runs differ in task, model, protocol or classes, share images, or share no enhancer.
    """
    _refuse_others(run, validation)
    here, there = candidates(run), candidates(validation)
    images = shared_images(run, validation)
    if images:
        raise UserError(
            f"{validation.run} shares {pluralize(len(images), 'image')} with {run.run} (first: {images[0]}); a choice"
            " must be measured on images that had no part in it, so give a validation run on other images"
        )
    labels = [label for label in here if label == "raw" or (label in there and _same(run, validation, label))]
    left_out = tuple(label for label in dict.fromkeys([*here, *there]) if label not in labels)
    if labels == ["raw"]:
        raise UserError(
            f"{run.run} and {validation.run} share no enhancer; run both with the same enhancers and weights"
        )
    return labels, left_out


def shared_images(run: Evidence, validation: Evidence) -> list[str]:
    """Return the names of the images that both runs scored.

    Two images are the same if they have the same truth, and either the same file name, which darkening leaves as it
    is, or the same predictions in the raw row, which renaming leaves as they are. Images without truth are recognised
    by their predictions. Runs with one fingerprint of the data share all their images.
    """
    here, there = _contents(run), _contents(validation)
    row, other = run.rows["raw"], validation.rows["raw"]
    if row.dataset_fingerprint == other.dataset_fingerprint:
        return list(here)
    named = {each[:2] for each in there.values() if each[1]}
    predicted = {each[1:] for each in there.values() if each[2]}
    return [
        name for name, each in here.items() if (each[1] and each[:2] in named) or (each[2] and each[1:] in predicted)
    ]


def _same(run: Evidence, validation: Evidence, label: str) -> bool:
    return run.rows[label].enhancer_fingerprint == validation.rows[label].enhancer_fingerprint


def _refuse_others(run: Evidence, validation: Evidence) -> None:
    """Refuse a validation run of another task, model, protocol or class list.

    Raises:
        UserError: names the first difference.
    """
    row, other = run.rows["raw"], validation.rows["raw"]
    settings = [{key: value for key, value in each.inference.items() if key != "class_map"} for each in (row, other)]
    differing = {
        "task": (row.task, other.task),
        "protocol": (row.protocol, other.protocol),
        "model": (_model(row), _model(other)) if row.model_fingerprint != other.model_fingerprint else ("", ""),
        "settings of the model": (str(settings[0]), str(settings[1])),
        "classes": (", ".join(row.classes), ", ".join(other.classes)),
    }
    for name, (ours, theirs) in differing.items():
        if ours != theirs:
            raise UserError(
                f"{validation.run} differs from {run.run} in {name} ({_short(theirs)}, not {_short(ours)}); choose and"
                " measure with the same model and classes"
            )


def _model(row: ResultRow) -> str:
    return f"weights {row.model_fingerprint[:8]} of {row.model}"


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}…"


def _contents(evidence: Evidence) -> dict[str, Content]:
    """Return file name → content of every image, in the order of image ids.

    Raises:
        UserError: ``truth.json`` or the log of the raw row is missing or damaged.
    """
    records = read_log(cell_folder(evidence.run, evidence.rows["raw"].cells[0]) / LOG)
    try:
        images = sorted(evidence.truth["images"], key=lambda image: int(image["id"]))
        boxes: dict[int, list[Any]] = {}
        for each in evidence.truth.get("annotations", ()):
            boxes.setdefault(int(each["image_id"]), []).append(each["bbox"])
        return {
            _name(image): (
                PurePath(_name(image)).stem,
                f"{amount.tolist()}{sorted(boxes.get(int(image['id']), ()))}" if np.any(amount) else "",
                _predictions(records.get(int(image["id"]), {})),
            )
            for image, amount in zip(images, evidence.raw.truth, strict=True)
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"{evidence.run / 'truth.json'} is damaged or does not fit the run's statistics ({error!r}); repeat the"
            " run's command"
        ) from error


def _name(image: Mapping[str, Any]) -> str:
    return str(image.get("key") or image.get("file_name") or image["id"])


def _predictions(record: Mapping[str, Any]) -> str:
    """Return the predictions of a record as text; empty where nothing was predicted."""
    content = record.get("detections") or record.get("confusion") or ""
    return str(content) if content and np.any(np.asarray(record.get("confusion", 1))) else ""
