"""The tables of a study: what stands in them. How they are written is in ``markup``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sgz_bench.benchmarks.costs import Cost
from sgz_bench.benchmarks.results import Delta, Measure, ResultRow

from .labels import darken_labels, enhancer_labels, model_labels, short_labels
from .numbers import (
    MINUS,
    UNDEFINED,
    amounts,
    counted,
    difference,
    excludes_zero,
    in_unit,
    p_value,
    percent,
    three_digits,
    with_spread,
)
from .study import Study, seeds

Slices = Mapping[str, Mapping[str, float | int | None]]


@dataclass(frozen=True)
class Column:
    """A heading in lines; ``label`` columns hold names, ``difference`` columns a value and its interval."""

    heading: tuple[str, ...]
    kind: Literal["label", "number", "difference"] = "number"


@dataclass(frozen=True)
class Cell:
    """Text as :mod:`.numbers` and :mod:`.labels` write it; ``mark`` is the star of an interval that excludes 0.

    ``value`` is the number behind the text at full precision, in the unit that CSV and JSON have it in ([0, 1], bytes,
    …); of a difference that of its middle. None of names, and where nothing is defined.
    """

    text: str
    bold: bool = False
    mark: bool = False
    value: float | None = None


@dataclass(frozen=True)
class Table:
    """Rows in blocks (a rule goes between blocks), with the notes that belong under it."""

    name: str
    caption: str
    columns: tuple[Column, ...]
    blocks: tuple[tuple[tuple[Cell, ...], ...], ...]
    notes: tuple[str, ...]


def comparison_table(studies: Sequence[Study], replicates: Sequence[int | None], *, with_costs: bool = True) -> Table:
    """Metrics and differences from raw of every row: one study, or several with a column for what tells them apart.

    Args:
        studies: one block each.
        replicates: bootstrap resamples of the runs they come from, for the note.
        with_costs: columns of what rows cost, where that was measured.
    """
    rows, words = [row for study in studies for row in study.rows], studies[0].words
    metrics = [name for name in words.metrics if name not in words.where_given or any(name in r.metrics for r in rows)]
    measures = {name: measure for row in rows for name, measure in row.measures.items()}
    labels = enhancer_labels(row.enhancer for row in rows)
    models = model_labels(_model(row) for row in rows)
    darkenings = darken_labels(study.darken for study in studies)
    several_models, several_darkenings = len(models) > 1, len(darkenings) > 1
    costs = {key: cost for study in studies for key, cost in study.costs.items() if with_costs}

    def line(study: Study, row: ResultRow, bold: set[tuple[str, str]]) -> tuple[Cell, ...]:
        cells = [Cell(labels[row.enhancer] + (" (partial)" if row.partial else ""))]
        if several_models:
            cells.append(Cell(models[_model(row)]))
        if several_darkenings:
            cells.append(Cell("none" if row.enhancer == "bright" else darkenings[study.darken]))
        if row.status != "ok":
            missing = len(metrics) + len(words.compared) + 2 * len(measures) + (len(COST_COLUMNS) if costs else 0)
            return (*cells, Cell("error"), *[Cell(UNDEFINED)] * missing)
        for metric in (*metrics, *measures):
            value = row.metrics.get(metric)
            text = with_spread(value, row.spread.get(metric), _unit(measures, metric))
            cells.append(Cell(text, (row.key, metric) in bold, value=value))
        cells += [difference_cell(row.delta.get(each), _unit(measures, each)) for each in (*words.compared, *measures)]
        delta = row.delta.get(words.lead)
        holm = delta["p_holm"] if delta else None
        cells.append(Cell(p_value(holm), value=holm))
        return (*cells, *(cost_cells(costs.get(row.key)) if costs else ()))

    columns = [Column(("Enhancer",), "label")]
    columns += [Column(("Model",), "label")] * several_models + [Column(("Darkening",), "label")] * several_darkenings
    columns += [Column(tuple(words.metrics[metric].split())) for metric in metrics]
    columns += [Column((metric,)) for metric in measures]
    names = [*(words.metrics[metric] for metric in words.compared), *measures]
    columns += [Column((f"Δ{name} [95 % CI]",), "difference") for name in names]
    columns += [Column(("p (Holm,", f"{words.lead})"))]
    columns += [Column(heading) for heading in COST_COLUMNS] * bool(costs)
    note = f"{words.metric_note} Bold: best of raw and the enhancers. p: paired permutation test."
    return Table(
        name="comparison",
        caption=f"{words.title} on {_data(rows[0])}: raw against enhanced images.",
        columns=tuple(columns),
        blocks=tuple(tuple(line(study, row, _bold(study)) for row in study.rows) for study in studies),
        notes=(
            note,
            *_measure_notes(measures),
            *study_notes(studies, labels, replicates, spread=True),
            *cost_notes(rows, costs),
        ),
    )


def cost_table(study: Study) -> Table | None:
    """What the rows of a study cost, for where the comparison has no room for it; None where nothing was measured."""
    rows = [row for row in study.scored if row.key in study.costs]
    labels = enhancer_labels(row.enhancer for row in study.rows)
    if not rows:
        return None
    return Table(
        name="costs",
        caption=f"Costs in front of {model_labels([_model(rows[0])])[_model(rows[0])]}.",
        columns=(Column(("Enhancer",), "label"), *(Column(heading) for heading in COST_COLUMNS)),
        blocks=(tuple((Cell(labels[row.enhancer]), *cost_cells(study.costs[row.key])) for row in rows),),
        notes=tuple(cost_notes(rows, study.costs)),
    )


COST_COLUMNS = (("Params",), ("GMACs",), ("Peak", "MB"), ("Enhancer", "ms"), ("Model", "ms"))


def cost_cells(cost: Cost | None) -> tuple[Cell, ...]:
    """The numbers under ``COST_COLUMNS``."""
    if cost is None:
        return (Cell(UNDEFINED),) * len(COST_COLUMNS)
    numbers = ((cost.macs, 1e9), (cost.memory, 1e6), (cost.enhancer_ms, 1), (cost.model_ms, 1))
    return (
        Cell(counted(cost.parameters or None), value=cost.parameters or None),
        *(Cell(three_digits(None if each is None else each / unit), value=each) for each, unit in numbers),
    )


def cost_notes(rows: Sequence[ResultRow], costs: Mapping[str, Cost]) -> list[str]:
    """Where and how the costs of the rows were measured."""
    shown = [costs[row.key] for row in rows if row.key in costs]
    places = dict.fromkeys(
        f"{cost.width} × {cost.height} on {cost.device}"
        + (f", {cost.threads} thread{'s' * (cost.threads != 1)}" if cost.device.startswith("CPU") else "")
        for cost in shown
    )
    if not shown:
        return []
    return [
        f"Costs at {'; '.join(places)}: parameters, 10⁹ multiply–accumulates (of convolutions and matrix products) and"
        " peak memory of the enhancer; ms: median of an image, warmed up."
    ]


def class_table(study: Study, replicates: int | None) -> Table:
    """AP50 or IoU of every class and row."""
    words = study.words
    return _slice_table(
        "per_class",
        _Sliced("class", words.class_metric, words.unit, words.class_note, words.count_heading, words.shares),
        study,
        replicates,
        lambda row: (row.per_class, row.delta_per_class),
    )


def attribute_table(study: Study, replicates: int | None, attribute: str) -> Table:
    """AP50 or mIoU on the images with each value of an attribute."""
    return _slice_table(
        f"by_{attribute}",
        _Sliced(attribute, study.words.lead, "images", study.words.slice_note, "Images"),
        study,
        replicates,
        lambda row: (row.by_attribute.get(attribute, {}), row.delta_by_attribute.get(attribute, {})),
    )


def attributes(study: Study) -> list[str]:
    """The attributes that metrics of the study are sliced by."""
    return list(dict.fromkeys(name for row in study.scored for name in row.by_attribute))


def best(texts: Sequence[str], *, lowest: bool = False) -> set[int]:
    """Places of the highest, or lowest, number among metrics as shown; what is shown as equal is equally good."""
    numbers = {place: float(text.replace(MINUS, "-")) for place, text in enumerate(texts) if text != UNDEFINED}
    wanted = (min if lowest else max)(numbers.values(), default=0.0)
    return {place for place, value in numbers.items() if value == wanted}


@dataclass(frozen=True)
class _Sliced:
    """What one metric is given by, and what its parts are counted in."""

    by: str
    metric: str
    unit: str
    note: str
    count_heading: str
    shares: bool = False


def _slice_table(
    name: str,
    sliced: _Sliced,
    study: Study,
    replicates: int | None,
    pick: Callable[[ResultRow], tuple[Slices, Mapping[str, Mapping[str, Delta]]]],
) -> Table:
    rows = study.scored
    labels, headings = (name(row.enhancer for row in study.rows) for name in (enhancer_labels, short_labels))
    contest = [place for place, row in enumerate(rows) if row.enhancer != "bright"]
    parts = {
        value: [pick(row)[0].get(value, {}) for row in rows]
        for value in dict.fromkeys(value for row in rows for value in pick(row)[0])
    }
    counts = {value: _count(slices, sliced.unit) for value, slices in parts.items()}
    counted = amounts(counts, shares=sliced.shares)
    lines = []
    for value, slices in parts.items():
        deltas = [pick(row)[1].get(value, {}).get(sliced.metric) for row in rows]
        numbers = [each.get(sliced.metric) for each in slices]
        texts = [percent(each) for each in numbers]
        winners = {contest[place] for place in best([texts[place] for place in contest])}
        cells = [Cell(texts[i], i in winners, excludes_zero(deltas[i]), numbers[i]) for i in range(len(rows))]
        lines.append((Cell(value), Cell(counted[value], value=counts[value]), *cells))
    shown = dict.fromkeys(row.enhancer for row in rows)
    spelt = [f"{headings[spec]}: {labels[spec]}" for spec in shown if headings[spec] != labels[spec]]
    note = f"{sliced.note} Bold: best of raw and the enhancers."
    return Table(
        name=name,
        caption=f"{sliced.metric} by {sliced.by} on {_data(study.rows[0])}.",
        columns=(
            Column((sliced.by.capitalize(),), "label"),
            Column((sliced.count_heading,)),
            *(Column((headings[row.enhancer],)) for row in rows),
        ),
        blocks=(tuple(lines),),
        notes=(note, *(["; ".join(spelt) + "."] if spelt else []), *study_notes([study], labels, [replicates])),
    )


def _count(slices: Sequence[Mapping[str, float | int | None]], unit: str) -> int | None:
    """How much there is of a class or attribute value, from the first row that says so."""
    return next((int(number) for each in slices if (number := each.get(unit)) is not None), None)


def _bold(study: Study) -> set[tuple[str, str]]:
    """(row key, metric) of the best among raw and the enhancers; ``bright`` is a bound, not an answer."""
    rows = [row for row in study.scored if row.enhancer != "bright"]
    measures = {name: measure for row in rows for name, measure in row.measures.items()}
    lower = {name for name, measure in measures.items() if measure["better"] == "lower"}
    return {
        (rows[place].key, metric)
        for metric in (*study.words.metrics, *measures)
        for place in best(
            [in_unit(row.metrics.get(metric), _unit(measures, metric)) for row in rows], lowest=metric in lower
        )
    }


def difference_cell(delta: Delta | None, unit: str = "%") -> Cell:
    """A difference with its interval and star."""
    return Cell(difference(delta, unit), mark=excludes_zero(delta), value=delta["value"] if delta else None)


def _unit(measures: Mapping[str, Measure], metric: str) -> str:
    return measures[metric]["unit"] if metric in measures else "%"


def _measure_notes(measures: Mapping[str, Measure]) -> list[str]:
    """What the metrics that were added are; all are means over the images."""
    return [
        f"{name}: {measure['summary'] or 'added by --metric'}; mean over images, unit {measure['unit'] or 'none'}, "
        f"{measure['better']} is better."
        for name, measure in measures.items()
    ]


def _model(row: ResultRow) -> tuple[str, str]:
    return row.model, row.model_fingerprint


def _data(row: ResultRow) -> str:
    return f"{row.dataset} ({row.split})"


def _seed_note(rows: Sequence[ResultRow], spread: bool) -> list[str]:
    """How often each model was trained, and what ± means where it stands (``spread``) beside an interval."""
    trained = seeds(rows)
    if trained in {"", "1"}:
        return ["One training seed: what training anew would change is not known."] if trained else []
    note = f"Each number is the mean over {trained} training seeds"
    if spread:
        note += (
            "; ±: standard deviation (n − 1) over them, what training anew would change. "
            "[ ] is what other images would change. Neither includes the other"
        )
    return [f"{note}."]


def _scored_on(rows: Sequence[ResultRow]) -> str:
    first, skipped = rows[0], max(len(row.skipped) for row in rows)
    left_out = f" ({skipped} unreadable ones left out)" if skipped else ""
    return f"Data set {first.dataset}, split {first.split}, {first.images} images{left_out}, protocol {first.protocol}."


def study_notes(
    studies: Sequence[Study], labels: Mapping[str, str], replicates: Sequence[int | None], spread: bool = False
) -> list[str]:
    """What holds for all tables: intervals, seeds, data, models, darkening, terms of weights, errors."""
    rows = [row for study in studies for row in study.rows]
    counts = ", ".join(dict.fromkeys(str(count) for count in replicates if count is not None))
    resamples = f" ({counts} resamples)" if counts else ""
    notes = [f"Δ: difference from raw, 95 % paired bootstrap interval over images{resamples}; * interval excludes 0."]
    notes += _seed_note(rows, spread)
    notes += dict.fromkeys(_scored_on(study.rows) for study in studies)
    notes += [f"Model {model}." for model in dict.fromkeys(row.model for row in rows)]
    notes += [f"Darkening {darken or 'none'}." for darken in dict.fromkeys(study.darken for study in studies)]
    if any(row.enhancer == "bright" for row in rows):
        notes.append("bright: the images before darkening, the upper bound.")
    if any(row.partial for row in rows):
        notes.append("partial: scored on a part of the split (--limit), not comparable with results on all of it.")
    terms = dict.fromkeys(f"{labels[row.enhancer]}: {row.terms}" for row in rows if row.terms)
    notes += [f"Terms of weights: {'; '.join(terms)}."] if terms else []
    notes += [f"error in {labels[row.enhancer]}: {row.error}" for row in rows if row.status != "ok"]
    return notes
