"""Verdict: the result of a study in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from sgz_bench.benchmarks.results import Delta, ResultRow

from ..numbers import difference, percent
from ..run import Study

_SIGNIFICANT = 0.05


def verdict(study: Study) -> list[str]:
    """Return the answer in one sentence, then its qualifications.

    An enhancer improved a model if the 95 % interval of the lead metric's difference from raw is above 0, and made it
    worse if the interval is below 0.
    """
    words, lead = study.vocabulary, study.vocabulary.lead
    name = words.metrics[lead]
    model, labels = study.model_label, study.short_labels
    known = [(delta["value"], row, delta) for row in study.enhanced if (delta := row.delta.get(lead)) is not None]
    compared = sorted(
        ((value, row, delta) for value, row, delta in known if value is not None), key=lambda each: -each[0]
    )
    raw = study.find("raw")
    if not compared:
        of_raw = f" Raw images: {name} {percent(raw.metrics.get(lead))}." if raw else ""
        return [f"No enhancer was compared with the raw images.{of_raw}", *_rest(study, [], [], 0)]

    better = [(row, delta) for _, row, delta in compared if (delta["low"] or 0) > 0]
    worse = [row for _, row, delta in compared if (delta["high"] or 0) < 0]
    best, most = better[0] if better else compared[0][1:]
    name_of_best, count = labels[best.enhancer], len(compared)
    number = f"Δ{name} {difference(most)}"
    if count == 1:
        effect = f"improved {model}" if better else f"made {model} worse" if worse else "is not shown to change"
        first = f"{name_of_best} {effect}" + ("" if better or worse else f" {model}")
    elif better:
        who = "both" if len(better) == count == 2 else "all" if len(better) == count else str(len(better))
        of = "" if who == "both" else f" of the {count}"
        first = f"{who}{of} enhancers improved {model}, {name_of_best}{' most' * (len(better) > 1)}"
    else:
        how = "lost least" if compared[0][0] < 0 else "came nearest to it"
        first = f"none of the {count} enhancers improved {model} for certain; {name_of_best} {how}"
    return [f"On this data {first}: {number}.", *_rest(study, better, worse, count)]


def _rest(
    study: Study, better: Sequence[tuple[ResultRow, Delta]], worse: Sequence[ResultRow], compared: int
) -> list[str]:
    """Return the qualifications: worse and undecided enhancers, Holm correction, upper bound, missing rows."""
    lead, sentences = study.vocabulary.lead, []
    undecided = compared - len(better) - len(worse)
    if compared > 1 and (worse or undecided):
        parts = [f"{len(worse)} made it worse"] * bool(worse)
        parts += [f"{undecided} {'is' if undecided == 1 else 'are'} undecided on these images"] * bool(undecided)
        sentences.append("; ".join(parts)[0].upper() + "; ".join(parts)[1:] + ".")
    if better and compared > 1:
        kept = sum(delta["p_holm"] is not None and delta["p_holm"] < _SIGNIFICANT for _, delta in better)
        if kept < len(better):
            gains = f"{kept or 'none'} of the {len(better)} gains stand{'s' * (kept == 1)}"
            sentences.append(f"Corrected for {compared} comparisons (Holm), {gains}.")
    bright = study.find("bright")
    if bright and bright.delta.get(lead, {"value": None})["value"] is not None:
        sentences.append(f"The same images before darkening, the upper bound: {difference(bright.delta[lead])}.")
    if any(row.partial for row in study.rows):
        sentences.append("Scored on a part of the split only.")
    undefined = len(study.enhanced) - compared
    if undefined:
        sentences.append(
            f"{undefined} of the enhancers could not be compared: their {study.vocabulary.metrics[lead]} is undefined."
        )
    failed = sum(row.status != "ok" for row in study.rows)
    if failed:
        sentences.append(f"{failed} of {len(study.rows)} rows failed.")
    return sentences
