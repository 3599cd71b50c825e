"""An honest choice of the enhancer to deploy: chosen on some images, measured on others.

Verdict of :func:`choose`, for the threshold t = 0, or t = −margin. X is the candidate with the highest lead metric: on
all images of the run, or on the validation run if there is one. "Interval" is that of the comparison table.

- ``deploy X``: X is an enhancer, its interval lies above t, and the interval of the procedure's gain lies above t.
  Without a margin and a validation run, X must also have its star in the table: p < .05 after Holm's correction.
- ``deploy none``: the interval of every enhancer ends at or below t; with a validation run also if X's interval does.
- ``these images do not decide it``: otherwise.

So the verdict never names an enhancer without a star in the table, and never "none" where an enhancer has one for the
better. With a validation run the gain of the procedure is X's difference from raw on the run, with its interval in the
table; X alone is tested then, on images that did not choose it, so no correction for the number of enhancers is due.
Swept gates have no row in the table and no star; their interval and the gain decide. Ends of 95 % intervals are
one-sided bounds at 97.5 %, which is also the usual level for non-inferiority (ICH E9, 1998). A margin asks whether an
enhancer can be used that somebody needs anyway, so raw cannot be chosen then.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Literal

from sgz_bench.core.errors import UserError

from ..results import Delta
from .candidates import candidates, lead_scores
from .cross_fit import RESAMPLES, SPLITS, CrossFit, cross_fit
from .evidence import Evidence
from .gate_sweep import deciles, with_gates
from .validation import shared_candidates

_LEVEL = 0.05  # of p, as for the stars of tables
Kind = Literal["deploy", "none", "undecided"]


@dataclass(frozen=True)
class Difference:
    """Difference from raw in the lead metric, in [−1, 1]; None where undefined.

    Attributes:
        value: the difference.
        low, high: 95 % interval.
        p: p-value, corrected by Holm where the row belongs to a family of enhancers; None where there is none.
    """

    value: float | None
    low: float | None
    high: float | None
    p: float | None = None

    @classmethod
    def of(cls, delta: Delta | None) -> Difference:
        """Take a difference from a row of the comparison."""
        if delta is None:
            return cls(None, None, None)
        return cls(
            delta["value"], delta["low"], delta["high"], delta["p"] if delta["p_holm"] is None else delta["p_holm"]
        )

    @property
    def starred(self) -> bool:
        """Tell whether a positive difference has a star in the table."""
        return self.above(0) if self.p is None else self.p < _LEVEL and (self.value or 0) > 0

    def above(self, threshold: float) -> bool:
        """Tell whether the interval lies above a threshold."""
        return self.low is not None and self.low > threshold

    def not_above(self, threshold: float) -> bool:
        """Tell whether the interval ends at or below a threshold."""
        return self.high is not None and self.high <= threshold


RAW = Difference(0.0, 0.0, 0.0)  # of raw from itself


@dataclass(frozen=True)
class Candidate:
    """Candidate for deployment.

    Attributes:
        label: label of the row; ``raw`` stands for no enhancer.
        difference: on the run's images, as in the comparison table.
        validation: on the validation run's images; None without one.
        chosen: share of the halves on which it was chosen; None with a validation run.
    """

    label: str
    difference: Difference
    validation: Difference | None = None
    chosen: float | None = None


@dataclass(frozen=True)
class Verdict:
    """Verdict on a run.

    Attributes:
        kind: ``deploy``, ``none`` or ``undecided``.
        label: enhancer to deploy; None unless ``kind`` is ``deploy``.
        text: ``deploy X``, ``deploy none`` or ``these images do not decide it``.
        reason: one clause.
    """

    kind: Kind
    label: str | None
    text: str
    reason: str


@dataclass(frozen=True)
class Choice:
    """Result of a choice.

    Attributes:
        metric: lead metric of the task.
        images: number of images of the run.
        candidates: raw first, then the enhancers in the order of the run.
        best: the candidate with the highest metric, on the validation run if there is one.
        gain: difference from raw that the procedure "choose the best" attains on images without a part in the choice.
        verdict: what to deploy.
        margin: of non-inferiority, in [0, 1]; None without one.
        no_worse: enhancers whose interval lies above −margin.
        validation: folder of the validation run, if any.
        left_out: labels that only one of the two runs has.
        splits, resamples: halvings and bootstrap resamples behind ``gain``; 0 with a validation run.
    """

    metric: str
    images: int
    candidates: tuple[Candidate, ...]
    best: str
    gain: Difference
    verdict: Verdict
    margin: float | None = None
    no_worse: tuple[str, ...] = ()
    validation: str | None = None
    left_out: tuple[str, ...] = ()
    splits: int = 0
    resamples: int = 0

    def find(self, label: str) -> Candidate:
        """Return the candidate with a label."""
        return next(each for each in self.candidates if each.label == label)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


def choose(
    evidence: Evidence,
    validation: Evidence | None = None,
    *,
    margin: float | None = None,
    gates: bool = False,
    seed: int | None = None,
    splits: int | None = None,
    resamples: int | None = None,
) -> Choice:
    """Choose the enhancer to deploy, and measure the choice on images that had no part in it.

    Args:
        evidence: run on whose images the choice is measured.
        validation: run on whose images the choice is made; None: cross-fitting over the images of ``evidence``.
        margin: points in percent by which an enhancer may be worse than raw; None: it has to be better.
        gates: add gates of every enhancer at the deciles of brightness, of the validation run if there is one.
        seed: seed of halvings and resamples; the run's own if None.
        splits, resamples: as in :func:`.cross_fit.cross_fit`; None: its defaults, half of them with ``gates``.

    Raises:
        UserError: nothing can be chosen on the run, or the validation run does not fit it.
    """
    threshold = 0.0 if margin is None else -_checked(margin) / 100
    seed = evidence.rows["raw"].seed if seed is None else seed
    splits = splits or SPLITS // (1 + gates)
    resamples = resamples or RESAMPLES // (1 + gates)
    if gates and validation is not None:
        shared_candidates(evidence, validation)  # refuses runs that do not fit before the work
    if gates:
        thresholds = deciles(validation or evidence)
        evidence = with_gates(evidence, thresholds)
        validation = with_gates(validation, thresholds) if validation else None
    labels = candidates(evidence)
    left_out: tuple[str, ...] = ()
    if validation is not None:
        labels, left_out = shared_candidates(evidence, validation)
    differences = {label: _difference(evidence, label) for label in labels}
    deployable = labels if margin is None else labels[1:]
    if validation is not None:
        there = {label: _difference(validation, label) for label in labels}
        chosen = _best({label: there[label] for label in deployable})
        each = tuple(Candidate(label, differences[label], there[label]) for label in labels)
        gain, splits, resamples = differences[chosen], 0, 0
    else:
        chosen = _best({label: differences[label] for label in deployable})
        score = partial(lead_scores, evidence, labels)
        fit = cross_fit(
            score, len(evidence.raw.image_ids), seed=seed, or_raw=margin is None, splits=splits, resamples=resamples
        )
        gain = _gain(evidence, fit)
        shares = zip(labels, fit.shares.tolist(), strict=True)
        each = tuple(Candidate(label, differences[label], chosen=share) for label, share in shares)
    return Choice(
        metric=evidence.lead,
        images=len(evidence.raw.image_ids),
        candidates=each,
        best=chosen,
        gain=gain,
        verdict=_verdict(differences, chosen, gain, threshold, validated=validation is not None),
        margin=None if margin is None else margin / 100,
        no_worse=tuple(x for x in labels[1:] if differences[x].above(threshold)) if margin is not None else (),
        validation=None if validation is None else str(validation.run),
        left_out=left_out,
        splits=splits,
        resamples=resamples,
    )


def summary(evidence: Evidence, *, seed: int | None = None) -> dict[str, Any]:
    """Return :func:`choose` as plain JSON values, for a run's ``decision.json``; the command prints the same."""
    return choose(evidence, seed=seed).to_dict()


def _checked(margin: float) -> float:
    """Refuse a margin that is no positive number of points.

    Raises:
        UserError: names the value and the rule.
    """
    if not (math.isfinite(margin) and 0 < margin < 100):
        raise UserError(f"--margin {margin:g}: give the points that may be lost, above 0 and below 100, such as 0.5")
    return margin


def _difference(evidence: Evidence, label: str) -> Difference:
    return RAW if label == "raw" else Difference.of(evidence.rows[label].delta.get(evidence.lead))


def _best(differences: Mapping[str, Difference]) -> str:
    """Return the label with the highest difference; the first of equal ones, so raw before any enhancer."""
    known = {label: each.value for label, each in differences.items() if each.value is not None}
    highest = max(known.values(), default=0.0)
    return next((label for label, value in known.items() if value >= highest - 1e-12), next(iter(differences)))


def _gain(evidence: Evidence, fit: CrossFit) -> Difference:
    """Return the gain of cross-fitting.

    Raises:
        UserError: the metric is undefined on every halving.
    """
    if math.isnan(fit.gain):
        raise UserError(
            f"{evidence.lead} is undefined on one half of the images of {evidence.run} however they are halved; "
            "too few images have labels, so use more images"
        )
    low, high = (None if math.isnan(each) else each for each in (fit.low, fit.high))
    return Difference(fit.gain, low, high)


def _verdict(
    differences: Mapping[str, Difference], best: str, gain: Difference, threshold: float, *, validated: bool
) -> Verdict:
    """Return the verdict by the rule in the module's docstring."""
    than_raw = f"{-100 * threshold:g} points below raw" if threshold else "raw"
    own = differences[best]
    enhancers: Sequence[str] = [label for label in differences if label != "raw"]
    starred = own.starred or validated or threshold < 0
    if best != "raw" and own.above(threshold) and starred and gain.above(threshold):
        what = f"no worse than {than_raw}" if threshold else "better than raw"
        honest = (" " if validated else ", also ") + "on images that had no part in the choice"
        return Verdict("deploy", best, f"deploy {best}", f"it is {what}{honest}")
    if all(differences[label].not_above(threshold) for label in enhancers):
        return Verdict("none", None, "deploy none", f"no enhancer's interval reaches above {than_raw}")
    if validated and best != "raw" and own.not_above(threshold):
        return Verdict("none", None, "deploy none", f"{best}, the best on the validation run, is not above {than_raw}")
    if best == "raw":
        reason = "raw is the best, but some enhancer's interval reaches above it"
    elif not own.above(threshold):
        reason = f"the interval of {best} includes {than_raw}"
    elif not starred:
        reason = f"{best} is the best of many, and its p corrected for their number is not below {_LEVEL}"
    else:
        reason = f"{best} is above {than_raw}, but choosing the best does not pay beyond doubt on other images"
    return Verdict("undecided", None, "these images do not decide it", reason)
