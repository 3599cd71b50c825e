"""Facts of a run on the page: protocol, failures, provenance, and the command that repeats it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from ..run import FinishedRun

PAPER = """@inproceedings{zheng2022sgz,
  title     = {Semantic-Guided Zero-Shot Learning for Low-Light Image/Video Enhancement},
  author    = {Zheng, Shen and Gupta, Gaurav},
  booktitle = {IEEE/CVF Winter Conference on Applications of Computer Vision (WACV) Workshops},
  year      = {2022}
}"""
_PROTOCOLS = {
    "frozen": "frozen: the model is as it was published; images are enhanced at test time only",
    "finetune": "finetune: a model was trained on images enhanced in the same way, for each enhancer",
}
_OPTIONS = (
    "dataset", "root", "split", "model", "enhancers", "darken", "class_map", "classes", "metrics", "limit", "until",
    "seed", "replicates", "permutations", "engine", "precision", "operating_point",
)  # fmt: skip


def protocol(run: FinishedRun) -> list[tuple[str, str]]:
    """Return the terms and values of the section "Protocol"."""
    study, row = run.study, run.study.rows[0]
    skipped = max(len(each.skipped) for each in study.rows)
    images = f"{row.images} scored" + (f", {skipped} left out as unreadable" if skipped else "")
    seeds = [member["seed"] for member in next((each.members for each in study.rows if each.members), [])]
    resamples = f", {run.replicates} resamples" if run.replicates else ""
    return [
        ("Data set", f"{row.dataset}, split {row.split}" + (" (a part of it)" if row.partial else "")),
        ("Images", images),
        ("Darkening", study.darken or "none"),
        ("Model", row.model),
        ("Protocol", _PROTOCOLS.get(row.protocol, row.protocol)),
        ("Metrics", f"{study.vocabulary.metric_note} Version {row.metric_version}."),
        ("Intervals", f"95 %, paired, over images{resamples}"),
        ("p", "paired test over images, Holm-corrected over the enhancers"),
        ("Seed", str(row.seed) + (f"; trained with {', '.join(map(str, seeds))}" if seeds else "")),
        ("Hash of the data", row.dataset_fingerprint),
        ("Hash of the model", row.model_fingerprint),
    ]


def failures(run: FinishedRun) -> list[str]:
    """Return a line for each failed row and each image that was left out as unreadable."""
    rows = run.study.rows
    errors = [f"{row.enhancer}: {row.error}" for row in rows if row.status != "ok"]
    skipped = {(each["image"], each["reason"]) for row in rows for each in row.skipped}
    return errors + [f"{image}: {reason}" for image, reason in sorted(skipped)]


def provenance(run: FinishedRun) -> list[tuple[str, str]]:
    """Return the texts of the manifest that ``protocol`` does not have.

    Raises:
        UserError: the manifest is missing or damaged.
    """
    facts = run.manifest.get("study", {}) | run.manifest.get("hardware", {})
    shown = {"task", "dataset", "split", "darken", "model", "model_fingerprint", "dataset_fingerprint"}
    return sorted((name, text) for name, text in facts.items() if isinstance(text, str) and name not in shown)


def command(subcommand: str, config: Mapping[str, Any]) -> str:
    """Return the command that repeats a run; empty without its settings.

    Args:
        subcommand: ``detect`` or ``segment``.
        config: settings of the run, as in its manifest.
    """
    if not config:
        return ""
    words = ["sgz-bench", subcommand]
    for name in _OPTIONS:
        value = config.get(name)
        if name == "metrics":
            words += [word for metric in value or () for word in ("--metric", str(metric))]
        elif value is not None:
            text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
            words += [f"--{name.replace('_', '-')}", text]
    return " ".join(shlex.quote(word) for word in words)
