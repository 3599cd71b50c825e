"""Decision on the first screen of a page: what to deploy, where in the dark, at which threshold, and how sure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sgz_bench.benchmarks.decisions.kept import FILE as DECISION
from sgz_bench.benchmarks.results import ResultRow
from sgz_bench.core.errors import UserError

from ..numbers import difference, percent, signed
from ..run import FinishedRun, Study


@dataclass(frozen=True)
class Point:
    """One point of the decision: its heading, the answer, and sentences that qualify it."""

    heading: str
    answer: str
    details: tuple[str, ...] = ()


def decision(run: FinishedRun) -> list[Point]:
    """Return the points of a run's decision, as far as the run has them.

    Raises:
        UserError: ``decision.json`` is damaged.
    """
    parts = run.decision
    try:
        points = [
            _choice(run, parts.get("choice")),
            _brightness(run, parts.get("brightness")),
            _operating(run, parts.get("operating")),
            _oracle(run, parts.get("oracle")),
            _planning(parts.get("planning")),
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"{run.folder / DECISION} is damaged ({error!r}); delete it and repeat the run's command"
        ) from error
    return [point for point in points if point is not None]


def _choice(run: FinishedRun, part: Mapping[str, Any] | None) -> Point | None:
    """Return what to deploy, and what choosing is worth on images without a part in the choice."""
    if not part:
        return None
    labels, verdict = run.study.short_labels, part["verdict"]
    best = labels.get(part["best"], part["best"])
    text = verdict["text"]
    if verdict["label"]:
        text = f"deploy {labels.get(verdict['label'], verdict['label'])}"
    naive = next(each["difference"] for each in part["candidates"] if each["label"] == part["best"])
    share = next(each["chosen"] for each in part["candidates"] if each["label"] == part["best"])
    numbers = "" if part["best"] == "raw" else f" (Δ{part['metric']} {difference(naive)} points)"
    details = [
        f"{best} is best on these images{numbers}"
        + (f" and is chosen on {100 * share:.0f} % of their halves." if share is not None else "."),
        f"Chosen on one half and measured on the other, the best gains {difference(part['gain'])} points.",
    ]
    return Point("What to deploy", f"{text[0].upper()}{text[1:]}", tuple(details))


def _brightness(run: FinishedRun, part: Mapping[str, Any] | None) -> Point | None:
    """Return the brightnesses at which the best enhancer is shown to gain or to lose."""
    best = _best(run.study)
    if not part or best is None or best.enhancer not in part["enhancers"]:
        return None
    curve, name = part["enhancers"][best.enhancer], run.study.short_labels[best.enhancer]
    pays, costs = (_where(curve[key], part["statistic"]) for key in ("pays", "costs"))
    known = [(value, centre) for centre, value, _, _ in curve["points"] if value is not None]
    answer = f"{name} pays {pays}" if pays else f"{name} is not shown to pay at any brightness"
    details = [f"It is shown to cost {costs}."] if costs else []
    if known:
        (most, at), (least, there) = max(known), min(known)
        details.append(
            f"Its largest difference is {signed(most)} points near a mean {part['statistic']} of {at:.3g}, its smallest"
            f" {signed(least)} near {there:.3g} (windows of {part['window']} of {part['images']} images)."
        )
    return Point("Where in the dark", answer, tuple(details))


def _where(found: Mapping[str, Any] | None, statistic: str) -> str:
    """Return a range of brightness as text; empty for none."""
    if found is None:
        return ""
    return {
        "everywhere": "at every brightness of these images",
        "below": f"below a mean {statistic} of about {found['high']:.3g}",
        "above": f"above a mean {statistic} of about {found['low']:.3g}",
        "between": f"between a mean {statistic} of about {found['low']:.3g} and {found['high']:.3g}",
    }[found["where"]]


def _operating(run: FinishedRun, part: Mapping[str, Any] | None) -> Point | None:
    """Return what the best enhancer gains at one score threshold."""
    raw, best = run.study.find("raw"), _best(run.study)
    if not part or raw is None or best is None:
        return None
    before, after = part["rows"][raw.key], part["rows"][best.key]
    name = run.study.short_labels[best.enhancer]
    chosen = {
        "given": "given",
        "raw": "that of raw's best F1 on these images",
        "fallback": ".25, as raw finds nothing",
    }[part["chosen"]]
    answer = f"F1 {percent(before['F1'])} raw, {percent(after['F1'])} with {name}, at score ≥ {part['conf']:.2f}"
    details = [
        f"The threshold is {chosen}. ΔF1 {difference(after['delta']['F1'])}, Δrecall"
        f" {difference(after['delta']['recall'])}, Δprecision {difference(after['delta']['precision'])} points; false"
        f" positives per image {before['FPPI']:.2f} raw, {after['FPPI']:.2f} enhanced."
    ]
    if (tuned := after["retuning_crossfitted"]) and after["threshold"] is not None:
        details.append(
            f"{name}'s own best threshold is {after['threshold']:.2f}; re-tuning for it gives"
            f" {difference(tuned)} points of F1, measured on images that did not choose the threshold."
        )
    return Point("At the operating point", answer, tuple(details))


def _best(study: Study) -> ResultRow | None:
    """Return the enhancer's row with the largest difference in the lead metric."""
    known = [
        (delta["value"], row)
        for row in study.enhanced
        if (delta := row.delta.get(study.vocabulary.lead)) is not None and delta["value"] is not None
    ]
    return max(known, key=lambda pair: pair[0] or 0.0)[1] if known else None


def _oracle(run: FinishedRun, part: Mapping[str, Any] | None) -> Point | None:
    """Return what choosing between raw and an enhancer image by image could give at most."""
    known = {label: each for label, each in (part or {}).items() if each["delta"] is not None}
    if not known:
        return None
    label = max(known, key=lambda name: float(known[name]["delta"]))
    row, labels = run.study.find(label), run.study.short_labels
    if row is None:
        return None
    lead = run.study.vocabulary.lead
    alone = row.delta[lead]["value"] if lead in row.delta else None
    answer = f"At most {signed(known[label]['delta'])} points with {labels.get(label, label)}"
    details = [
        f"That is the better of raw and {labels.get(label, label)} for each image, chosen by the truth; always on, it"
        f" gives {signed(alone)}. It would enhance {known[label]['enhanced']} of {row.images} images."
    ]
    return Point("What a perfect gate could add", answer, tuple(details))


def _planning(part: Mapping[str, Any] | None) -> Point | None:
    """Return the number of images that would decide a difference."""
    if not part:
        return None
    first, _, rest = str(part["verdict"]).partition(". ")
    return Point("How many images", first.rstrip(".") + ".", (rest,) if rest else ())
