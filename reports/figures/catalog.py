"""Catalog of figures: name, title, alternative text and drawing function of each, in the order of a report.

A new figure is one entry in ``FIGURES``: files, page and ``--figures`` read this table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import chain

from sgz_bench.benchmarks.decisions.kept import FILE as DECISION

from ..labels import as_file_name
from ..run import FinishedRun, Study
from ..task_report import task_report
from .brightness import brightness_curves
from .confusion import confusion_change
from .error_analysis import error_map, object_map
from .operating import f1_curves
from .pareto import pareto
from .ranks import rank_intervals
from .study import attribute_map, class_bars, forest, precision_recall
from .style import Drawn, Look
from .sweep import sweep
from .tone_curves import factor_maps, tone_curves

Looks = Mapping[str, Look]  # enhancer spec → look


@dataclass(frozen=True)
class ReportFigure:
    """Figure that is ready to be drawn.

    Attributes:
        title: caption on the page.
        alt: alternative text on the page: what the figure shows, for readers who do not see it.
        draw: returns the figure or its pages.
        before_gallery: the page shows it before the gallery; after it if False.
        on_page: False for a figure that is a file only.
    """

    title: str
    alt: str
    draw: Callable[[], Drawn]
    before_gallery: bool = False
    on_page: bool = True


Figures = Mapping[str, ReportFigure]  # name of the file → figure, in the order of the report


@dataclass(frozen=True)
class FigureEntry:
    """Entry of the catalog.

    Attributes:
        name: name of the file, and of the figure in ``--figures``.
        title, alt, before_gallery, on_page: as in :class:`ReportFigure`.
        draw: draws the figure of a run in the looks of its enhancers; raises NothingToShow where the run lacks data.
        tasks: tasks whose runs have the figure; all if empty.
        condition: tells whether a run has the figure; every run has it if None.
    """

    name: str
    title: str
    alt: str
    draw: Callable[[FinishedRun, Looks], Drawn]
    tasks: tuple[str, ...] = ()
    before_gallery: bool = False
    on_page: bool = True
    condition: Callable[[FinishedRun], bool] | None = None


FigureFamily = Callable[[FinishedRun], Iterator[FigureEntry]]  # as many entries as the run has members of the family


def _attribute_maps(run: FinishedRun) -> Iterator[FigureEntry]:
    for attribute in run.study.attributes:
        name = as_file_name(f"by_{attribute}")
        text = name.removeprefix("by_").replace("_", " ")
        yield FigureEntry(
            name,
            f"By {text}",
            f"Each enhancer's difference from raw on the images of each {text}.",
            lambda run, _look, attribute=attribute: attribute_map(run.study, attribute),  # type: ignore[misc]
            before_gallery=True,
        )


def _gallery_sheets(run: FinishedRun) -> Iterator[FigureEntry]:
    study = run.study
    for row in study.enhanced:
        label = study.labels[row.enhancer]
        if len(row.members) > 1:  # the gallery shows the first training seed
            label += f", seed {row.members[0]['seed']}"
        for gained, word in ((True, "gained"), (False, "lost")):
            yield FigureEntry(
                f"gallery_{study.file_names[row.enhancer]}_{word}",
                f"Images {word}, {label}",
                f"Images on which {label} {word} most, raw and enhanced, with the predictions on both.",
                partial(_sheet, row.enhancer, label, gained),
                on_page=False,
            )


def _sheet(enhancer: str, label: str, gained: bool, run: FinishedRun, _look: Looks) -> Drawn:
    return task_report(run.study).sheet(run, enhancer, label, gained=gained)


FIGURES: tuple[FigureEntry | FigureFamily, ...] = (
    FigureEntry(
        "forest",
        "Difference from raw",
        "A point and a 95 % interval for each enhancer, the best on top; the comparison table has the numbers.",
        lambda run, look: forest(run.study, look),
        before_gallery=True,
    ),
    FigureEntry(
        "ranks",
        "Ranks",
        "The rank of raw and of each enhancer with a 95 % interval, and how often each is the best of all;"
        " `--columns best,rank` has the numbers.",
        lambda run, look: rank_intervals(run.study, look),
        before_gallery=True,
        condition=lambda run: bool(run.study.ranks),
    ),
    FigureEntry(
        "pareto",
        "Gain against time",
        "Each enhancer's difference from raw over its milliseconds per image; the tables have the numbers.",
        lambda run, look: pareto(run.study, look),
        before_gallery=True,
        condition=lambda run: bool(run.study.costs),
    ),
    FigureEntry(
        "tone_curves",
        "Tone curves",
        "Each enhancer's output over its input, for a grey ramp.",
        lambda run, look: tone_curves(run.study, run.tones(), look),
    ),
    FigureEntry(
        "factor_maps",
        "One image, brightened",
        "One image from each enhancer, and a map of its gain in stops.",
        lambda run, _look: factor_maps(run),
    ),
    FigureEntry(
        "per_class",
        "By class",
        "Bars of each enhancer's difference from raw for each class; the table by class has the numbers.",
        lambda run, look: class_bars(run.study, look),
    ),
    _attribute_maps,
    FigureEntry(
        "brightness",
        "Over brightness",
        "Each enhancer's difference from raw over the brightness of the raw image, with a band, and where it pays.",
        lambda run, look: brightness_curves(run.study, run.brightness(), look),
        before_gallery=True,
        condition=lambda run: (run.folder / DECISION).is_file(),
    ),
    FigureEntry(
        "precision_recall",
        "Precision and recall",
        "Precision over recall of every row at IoU 0.5, mean over classes.",
        lambda run, look: precision_recall(run.study, {row.key: run.curves(row) for row in run.study.scored}, look),
        tasks=("detection",),
    ),
    FigureEntry(
        "f1_curves",
        "F1 over the threshold",
        "F1 of raw and the best enhancers over the score threshold; the table of thresholds has the numbers.",
        lambda run, look: f1_curves(run.study, look),
        tasks=("detection",),
        condition=lambda run: bool(run.study.operating),
    ),
    FigureEntry(
        "errors",
        "Kinds of errors",
        "Change from raw in what each kind of error costs in AP50; the table of errors has the numbers.",
        lambda run, _look: error_map(run.study, run.errors()),
        tasks=("detection",),
        before_gallery=True,
    ),
    FigureEntry(
        "objects",
        "Objects found and lost",
        "Objects that the model finds only on the enhanced or only on the raw image, by size and by brightness.",
        lambda run, _look: object_map(run.study, run.errors()),
        tasks=("detection",),
        before_gallery=True,
    ),
    FigureEntry(
        "confusion",
        "Confusion between classes",
        "Change by each enhancer in the share of a class's pixels that are taken for another class.",
        lambda run, _look: confusion_change(run.study, {row.key: run.confusion(row) for row in run.study.scored}),
        tasks=("segmentation",),
    ),
    _gallery_sheets,
)


def run_figures(run: FinishedRun, look: Looks) -> dict[str, ReportFigure]:
    """Return every figure of a run by name, in the order of the report; none is drawn yet.

    Figures on the page are drawn once for page and file; sheets are drawn when they are saved and not kept.
    """
    entries = chain.from_iterable([each] if isinstance(each, FigureEntry) else each(run) for each in FIGURES)
    return {
        entry.name: ReportFigure(
            entry.title,
            entry.alt,
            cache(partial(entry.draw, run, look)) if entry.on_page else partial(entry.draw, run, look),
            entry.before_gallery,
            entry.on_page,
        )
        for entry in entries
        if (not entry.tasks or run.study.task in entry.tasks) and (entry.condition is None or entry.condition(run))
    }


def sweep_figures(sweeps: Mapping[str, Sequence[tuple[float, Study]]], look: Looks) -> dict[str, ReportFigure]:
    """Return the figures of a suite over exposure.

    Args:
        sweeps: name → (stops, study), ascending.
        look: look of each enhancer.
    """
    return {
        f"sweep_{name}": ReportFigure(
            "Over exposure",
            "The metric of every row, and its difference from raw, over the stops of darkening.",
            cache(partial(sweep, exposures, look)),
        )
        for name, exposures in sweeps.items()
    }
