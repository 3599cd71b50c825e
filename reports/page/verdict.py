"""Verdict: the result of a study in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from sgz_bench.benchmarks.results import Delta, ResultRow

from ..numbers import difference, excludes_zero, percent, significant
from ..run import Study

_NAMED = 3  # most enhancers named as not distinguishable


def verdict(study: Study) -> list[str]:
    """Return the answer in one sentence, then its qualifications.

    An enhancer improved a model, or made it worse, if the lead metric's difference from raw is significant: p < .05,
    corrected for the number of enhancers as the stars of the tables are. Enhancers whose difference and that of the
    best one lie inside each other's intervals are named together.
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

    better = [(row, delta) for value, row, delta in compared if value > 0 and significant(delta)]
    worse = [row for value, row, delta in compared if value < 0 and significant(delta)]
    ranked = better or [(row, delta) for _, row, delta in compared]
    tied = [(row, delta) for row, delta in ranked if _alike(delta, ranked[0][1])]
    best, count = _named([labels[row.enhancer] for row, _ in tied]), len(compared)
    number = f"Δ{name} {_listed([difference(delta) for _, delta in tied[:_NAMED]])}"
    apart = ", which these images do not tell apart" * (len(tied) > 1)
    if count == 1:
        effect = f"improved {model}" if better else f"made {model} worse" if worse else "is not shown to change"
        first = f"{best} {effect}" + ("" if better or worse else f" {model}")
    elif better:
        who = "both" if len(better) == count == 2 else "all" if len(better) == count else str(len(better))
        of = "" if who == "both" else f" of the {count}"
        first = f"{who}{of} enhancers improved {model}, {best}{' most' * (len(better) > 1)}{apart}"
    else:
        how = "lost least" if compared[0][0] < 0 else "came nearest to it"
        first = f"none of the {count} enhancers improved {model} for certain; {best} {how}{apart}"
    return [f"On this data {first}: {number}.", *_rest(study, better, worse, count)]


def _alike(one: Delta, other: Delta) -> bool:
    """Return True if each difference lies inside the interval of the other."""

    def inside(value: float | None, of: Delta) -> bool:
        bounds = (value, of["low"], of["high"])
        return None not in bounds and (of["low"] or 0) < (value or 0) < (of["high"] or 0)

    return one is other or (inside(one["value"], other) and inside(other["value"], one))


def _named(names: Sequence[str]) -> str:
    """Return ``A``, ``A and B``, ``A, B and C``, or ``A, B, C and 2 others``."""
    further = len(names) - _NAMED
    others = [f"{further} other{'s' * (further > 1)}"] if further > 0 else []
    return _listed([*names[:_NAMED], *others])


def _listed(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _rest(
    study: Study, better: Sequence[tuple[ResultRow, Delta]], worse: Sequence[ResultRow], compared: int
) -> list[str]:
    """Return the qualifications: worse, undecided and nearly decided enhancers, upper bound, missing rows."""
    lead, sentences = study.vocabulary.lead, []
    undecided = compared - len(better) - len(worse)
    if compared > 1 and (worse or undecided):
        parts = [f"{len(worse)} made it worse"] * bool(worse)
        parts += [f"{undecided} {'is' if undecided == 1 else 'are'} undecided on these images"] * bool(undecided)
        sentences.append("; ".join(parts)[0].upper() + "; ".join(parts)[1:] + ".")
    deltas = [delta for row in study.enhanced if (delta := row.delta.get(lead)) is not None]
    chance = sum(excludes_zero(delta) and not significant(delta) for delta in deltas)
    if chance:
        who = f"{chance} of them {'has an interval that excludes' if chance == 1 else 'have intervals that exclude'}"
        sentences.append(f"{who} 0, as one in twenty does by chance; not so after correction for {compared} (Holm).")
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
