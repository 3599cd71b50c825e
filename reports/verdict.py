"""What a study says, in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from sgz_bench.benchmarks.results import Delta, ResultRow

from .labels import enhancer_labels, model_labels
from .numbers import difference, percent
from .study import Study

_SIGNIFICANT = 0.05


def verdict(study: Study) -> list[str]:
    """The answer first, for somebody who reads no table; then what it leaves out.

    An enhancer improved a model if the 95 % interval of the lead metric's difference from raw lies above 0, and made it
    worse if it lies below.
    """
    words, lead = study.words, study.words.lead
    name = words.metrics[lead]
    model = next(iter(model_labels((row.model, row.model_fingerprint) for row in study.rows).values()))
    labels = enhancer_labels(row.enhancer for row in study.rows)
    known = [(delta["value"], row, delta) for row in study.enhanced if (delta := row.delta.get(lead)) is not None]
    compared = sorted(
        ((value, row, delta) for value, row, delta in known if value is not None), key=lambda each: -each[0]
    )
    raw = study.find("raw")
    if not compared:
        of_raw = f" Raw images: {name} {percent(raw.metrics.get(lead))}." if raw else ""
        return [f"No enhancer was compared with the raw images here.{of_raw}", *_rest(study, [], [], 0)]

    _, best, most = compared[0]
    better = [(row, delta) for _, row, delta in compared if (delta["low"] or 0) > 0]
    worse = [row for _, row, delta in compared if (delta["high"] or 0) < 0]
    number = f"Δ{name} {difference(most)}"
    single = len(compared) == 1
    if better:
        who = f"{labels[best.enhancer]} improved {model}" if single else _most(len(better), len(compared), model)
        first = f"On this data {who}{'' if single else f', {labels[best.enhancer]} most'}: {number}."
    elif single:
        first = f"On this data {labels[best.enhancer]} did not improve {model}: {number}."
    else:
        how = "lost least" if compared[0][0] < 0 else "came nearest to it"
        none = f"none of the {len(compared)} enhancers improved {model}"
        first = f"On this data {none}; {labels[best.enhancer]} {how}: {number}."
    return [first, *_rest(study, better, worse, len(compared))]


def _most(better: int, compared: int, model: str) -> str:
    return f"{'all' if better == compared else better} of the {compared} enhancers improved {model}"


def _rest(
    study: Study, better: Sequence[tuple[ResultRow, Delta]], worse: Sequence[ResultRow], compared: int
) -> list[str]:
    """How many are worse or undecided, what is left after correction, the upper bound, and what is missing."""
    lead, said = study.words.lead, []
    open_ones = compared - len(better) - len(worse)
    if compared > 1 and (worse or open_ones):
        parts = [f"{len(worse)} made it worse"] * bool(worse)
        parts += [f"for {open_ones} these images do not decide it"] * bool(open_ones)
        said.append("; ".join(parts)[0].upper() + "; ".join(parts)[1:] + ".")
    if better and compared > 1:
        kept = sum(delta["p_holm"] is not None and delta["p_holm"] < _SIGNIFICANT for _, delta in better)
        if kept < len(better):
            gains = f"{kept or 'none'} of the {len(better)} gains stand{'s' * (kept == 1)}"
            said.append(f"Corrected for {compared} comparisons (Holm), {gains}.")
    bright = study.find("bright")
    if bright and bright.delta.get(lead):
        said.append(f"The same images before darkening, the upper bound: {difference(bright.delta[lead])}.")
    if any(row.partial for row in study.rows):
        said.append("Scored on a part of the split only.")
    failed = sum(row.status != "ok" for row in study.rows)
    if failed:
        said.append(f"{failed} of {len(study.rows)} rows failed.")
    return said
