"""Notes under tables: origin of the numbers, and conditions under which they hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sgz_bench.benchmarks.analyses.costs import Cost
from sgz_bench.benchmarks.results import FEW_IMAGES, ResultRow, Until
from sgz_bench.core.text import pluralize

from ..run import Study, seeds


def study_notes(
    studies: Sequence[Study],
    labels: Mapping[str, str],
    replicates: Sequence[int | None],
    spread: bool = False,
    tested: bool = False,
) -> list[str]:
    """Return the notes of all tables: intervals, seeds, data, models, darkening, terms, processors, errors.

    Args:
        studies: studies of the table.
        labels: label of each enhancer.
        replicates: bootstrap resamples of the studies' runs.
        spread: the table has standard deviations over training seeds.
        tested: the table's differences have p-values, so that stars stand for these; else for intervals.
    """
    rows = [row for study in studies for row in study.rows]
    counts = ", ".join(dict.fromkeys(str(count) for count in replicates if count is not None))
    resamples = f" ({counts} resamples)" if counts else ""
    interval = f"95 % paired interval over images{resamples}"
    star = "p < .05, corrected for the enhancers (Holm); the interval is not" if tested else "this interval excludes 0"
    notes = [f"Δ: difference from raw, {interval}; *: {star}."]
    notes += dict.fromkeys(note for study in studies for note in _doubts(study))
    notes += _seed_note(rows, spread)
    notes += dict.fromkeys(_scored_on(study.rows) for study in studies)
    notes += [f"Model {model}." for model in dict.fromkeys(row.model for row in rows)]
    notes += [f"Darkening {darken or 'none'}." for darken in dict.fromkeys(study.darken for study in studies)]
    if any(row.enhancer == "bright" for row in rows):
        notes.append("bright: the images before darkening, the upper bound.")
    if any(row.bound and row.enhancer != "bright" for row in rows):
        notes.append(
            "oracle: the better picture for each image, chosen by the truth; an upper bound that nobody can deploy."
        )
    notes += dict.fromkeys(_stopped(row.until) for row in rows if row.until)
    if any(row.partial and not row.until for row in rows):
        notes.append("partial: scored on a part of the split (--limit), not comparable with results on all images.")
    notes += _same_names(rows, labels)
    terms = dict.fromkeys(f"{labels[row.enhancer]}: {row.terms}" for row in rows if row.terms)
    notes += [f"Terms of weights: {'; '.join(terms)}."] if terms else []
    mixed = sorted({name for row in rows for name in row.processors})
    notes += [f"Predicted on different processors ({', '.join(mixed)}): the last digits may differ."] if mixed else []
    notes += [f"error in {labels[row.enhancer]}: {row.error}" for row in rows if row.status != "ok"]
    return notes


def _stopped(until: Until) -> str:
    """Describe the end of a run with ``--until``, and the bounds that hold in place of intervals."""
    images, of, every = f"{until['images']:,}", f"{until['of']:,}", until["every"]
    end = f"all {of} images used"
    if until["images"] < until["of"]:
        end = f"stopped early at {images} of {of} images in random order"
    decided = "every row is decided" if until["decided"] else "not every row is decided"
    return (
        f"--until ±{until['half_width']:g}: {end}, {decided}. Δ and p of the comparison hold at every look, one per"
        f" {every} images, and for all {until['rows']} rows together: {until['method']}. Intervals by class and"
        " attribute are optimistic, because they ignore the looks."
    )


def differing_note(fields: Iterable[str]) -> list[str]:
    """Return the note over studies that are not comparable but share a table."""
    return [f"Not comparable: the blocks differ in {', '.join(fields)}; read each one against its own raw row only."]


def measure_notes(rows: Sequence[ResultRow], shown: Sequence[str]) -> list[str]:
    """Describe the added metrics among the columns ``shown``; all are means over the images."""
    notes = (
        f"{name}: {measure['summary'] or 'added by --metric'}; mean over images, unit {measure['unit'] or 'none'}, "
        f"{measure['better']} is better."
        for row in rows
        for name, measure in row.measures.items()
        if {name, f"d{name}"} & set(shown)
    )
    return list(dict.fromkeys(notes))


def cost_notes(rows: Sequence[ResultRow], costs: Mapping[str, Cost]) -> list[str]:
    """Describe the image size, device and method with which the rows' costs were measured."""
    shown = [costs[row.key] for row in rows if row.key in costs]
    places = dict.fromkeys(
        f"{cost.width} × {cost.height} on {cost.device}"
        + (f", {pluralize(cost.threads, 'thread')}" if cost.device.startswith("CPU") else "")
        for cost in shown
    )
    if not shown:
        return []
    return [
        f"Costs at {'; '.join(places)}: parameters, 10⁹ multiply–accumulates (of convolutions and matrix products) and"
        " peak memory of the enhancer; ms: median per image after warm-up."
    ]


def _doubts(study: Study) -> list[str]:
    """Say where too few images make intervals doubtful, and how many images and classes that concerns."""
    first, words = study.scored[0] if study.scored else None, study.vocabulary
    if first is None:
        return []
    if first.images < FEW_IMAGES:
        return [f"{pluralize(first.images, 'image')}: too few for any interval; treat the differences as examples."]
    if not first.sparse_classes:
        return []
    labelled = sum(bool(values.get(words.unit)) for values in first.per_class.values())
    return [
        f"{first.sparse_classes} of {pluralize(labelled, 'class', 'classes')} with labels have them on fewer than"
        f" {FEW_IMAGES} images: intervals of these classes are doubtful, and so is their part in the mean over classes."
    ]


def _seed_note(rows: Sequence[ResultRow], spread: bool) -> list[str]:
    """Describe the number of training seeds; with ``spread`` also the ± beside an interval."""
    trained = seeds(rows)
    if trained in {"", "1"}:
        return ["One training seed: the variation between trainings is not known."] if trained else []
    note = f"Each number is the mean over {trained} training seeds"
    if spread:
        note += (
            "; ±: standard deviation (n − 1) over them, the variation between trainings. "
            "[ ] is the variation between images. Neither includes the other"
        )
    return [f"{note}."]


def _scored_on(rows: Sequence[ResultRow]) -> str:
    first, skipped = rows[0], max(len(row.skipped) for row in rows)
    left_out = f" ({skipped} unreadable ones left out)" if skipped else ""
    images = f"{pluralize(first.images, 'image')}{left_out}"
    return f"Data set {first.dataset}, split {first.split}, {images}, protocol {first.protocol}."


def _same_names(rows: Sequence[ResultRow], labels: Mapping[str, str]) -> list[str]:
    """Name the enhancers whose fingerprint differs between rows, as after a change of a custom file."""
    prints: dict[str, list[str]] = {}
    for row in rows:
        known = prints.setdefault(row.enhancer, [])
        if row.enhancer_fingerprint not in known:
            known.append(row.enhancer_fingerprint)
    return [
        f"{labels[name]} differs between rows: its fingerprints are {', '.join(each[:8] for each in distinct)}."
        for name, distinct in prints.items()
        if len(distinct) > 1 and name != "bright"
    ]
