"""One page that holds everything: the report of a run, or of a suite, as a single file that needs no network."""

from __future__ import annotations

import io
import shlex
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from typing import Any

from matplotlib.figure import Figure
from PIL import Image

from sgz_bench.core.errors import UserError

from ..figures.style import Drawn, NothingToShow, content, paged
from ..run import FinishedRun
from ..tables.markup import html as html_table
from ..tables.table import Table
from .gallery import Legend, Pair, data_uri, legend, pairs
from .verdict import verdict

Figures = Mapping[str, Callable[[], Drawn]]
NONE: Figures = {}
_PAIRS = 30  # in a report: as many as fit into 8 MB
_FIRST = ("forest", "pareto", "by_", "errors", "objects")  # figures that come before the gallery
_MOST_LINES = 200_000  # bytes
_ZOOM = 1.45  # print sizes are small on a screen
_PROTOCOLS = {
    "frozen": "frozen: the model is as it was published; images are enhanced at test time only",
    "finetune": "finetune: a model was trained on images enhanced in the same way, for each enhancer",
}
_OPTIONS = (
    "dataset", "root", "split", "model", "enhancers", "darken", "class_map", "classes", "metrics", "limit", "seed",
    "replicates", "permutations", "engine", "precision",
)  # fmt: skip
_PAPER = """@inproceedings{zheng2022sgz,
  title     = {Semantic-Guided Zero-Shot Learning for Low-Light Image/Video Enhancement},
  author    = {Zheng, Shen and Gupta, Gaurav},
  booktitle = {IEEE/CVF Winter Conference on Applications of Computer Vision (WACV) Workshops},
  year      = {2022}
}"""


@dataclass(frozen=True)
class Picture:
    """A figure with its words: ``text`` is what it shows, for those who do not see it."""

    title: str
    text: str
    uri: str
    width: int


@dataclass(frozen=True)
class Section:
    """What the page says of one run."""

    title: str
    verdict: Sequence[str]
    protocol: Sequence[tuple[str, str]]
    classes: Sequence[str]
    comparison: str
    figures: Sequence[Picture]
    further: Sequence[Picture]
    tables: Sequence[tuple[str, str]]
    pairs: Sequence[Pair]
    unshown: int
    legend: Sequence[Legend]
    failures: Sequence[str]
    provenance: Sequence[tuple[str, str]]
    rows: Sequence[tuple[str, str, str]]
    command: str
    enhancers: Sequence[str]


def section(run: FinishedRun, tables: Sequence[Table], figures: Figures, sections: int = 1) -> Section:
    """What the page says of a run.

    Args:
        run: finished.
        tables: the comparison first.
        figures: name → what draws it, in the order of the page; those of the gallery are left out.
        sections: of the page, which share the room for pictures.

    Raises:
        UserError: the manifest is damaged.
    """
    study, first = run.study, run.study.rows[0]
    failures = _failures(run)
    try:
        shown, colours = pairs(run, max(_PAIRS // sections, 1)), legend(run)
        unshown = len(run.gallery()) - len(shown)
    except UserError as error:  # costs the gallery, not the page
        shown, colours, unshown = [], [], 0
        failures.append(str(error))
    title = f"{study.model_label} on {first.dataset} ({first.split})"
    if study.darken:
        title += f", darkened ({study.darken_label})"
    return Section(
        title=title,
        verdict=verdict(study),
        protocol=_protocol(run),
        classes=first.classes,
        comparison=html_table(tables[0]),
        figures=_pictures({name: draw for name, draw in figures.items() if name.startswith(_FIRST)}),
        further=_pictures({n: draw for n, draw in figures.items() if not n.startswith((*_FIRST, "gallery_"))}),
        tables=[(table.caption, html_table(table)) for table in tables[1:]],
        pairs=shown,
        unshown=unshown,
        legend=colours,
        failures=failures,
        provenance=_provenance(run),
        rows=[(study.labels[row.enhancer], row.enhancer, row.key) for row in study.rows],
        command=_command(run.manifest.get("config", {})),
        enhancers=list(dict.fromkeys(pair.enhancer for pair in shown)),
    )


def page(sections: Sequence[Section], tables: Sequence[Table] = (), figures: Figures = NONE) -> str:
    """The HTML of a report.

    Args:
        sections: one for each run.
        tables: over all runs.
        figures: over all runs.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_template("report.html.j2")).render(
        title=sections[0].title if len(sections) == 1 else f"{len(sections)} studies",
        sections=sections,
        tables=[html_table(table) for table in tables],
        figures=_pictures(figures),
        style=_template("report.css"),
        script=_template("report.js"),
        version=version("sgz-bench"),
        paper=_PAPER,
    )


def _template(name: str) -> str:
    return (files(__package__) / "templates" / name).read_text(encoding="utf-8")


def _pictures(figures: Figures) -> list[Picture]:
    found = []
    for name, draw in figures.items():
        with suppress(NothingToShow, UserError):  # said when the figures themselves are written
            found += _picture(name, paged(draw()))
    return found


def _picture(name: str, figures: Sequence[Figure]) -> list[Picture]:
    title, text = _words(name)
    return [
        Picture(
            f"{title}, {number} of {len(figures)}" if len(figures) > 1 else title,
            text,
            _uri(figure),
            round(figure.get_figwidth() * 96 * _ZOOM),
        )
        for number, figure in enumerate(figures, start=1)
    ]


def _uri(figure: Figure) -> str:
    """Lines as SVG, as PNG where they are so many that it is smaller; photographs as JPEG."""
    photographs = any(axes.images for axes in figure.axes)
    if not photographs and len(lines := content(figure, "svg")) <= _MOST_LINES:
        return data_uri("svg+xml", lines)
    picture, kind = Image.open(io.BytesIO(content(figure, "png"))).convert("RGB"), "jpeg" if photographs else "png"
    buffer = io.BytesIO()
    (picture if photographs else picture.quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)).save(
        buffer, kind, quality=72, optimize=True
    )
    return data_uri(kind, buffer.getvalue())


_WORDS = {
    "forest": (
        "Difference from raw",
        "A point and a 95 % interval for each enhancer, the best on top; the comparison table has the numbers.",
    ),
    "pareto": (
        "Gain against time",
        "Each enhancer's difference from raw over its milliseconds an image; the tables have the numbers.",
    ),
    "tone_curves": ("Tone curves", "What each enhancer makes of a grey ramp: output over input."),
    "factor_maps": (
        "The same picture, brightened",
        "One picture as each enhancer makes it, and by how many stops it brightens each place.",
    ),
    "per_class": (
        "By class",
        "Bars of each enhancer's difference from raw for the classes; the table by class has the numbers.",
    ),
    "precision_recall": ("Precision and recall", "Precision over recall of every row at IoU 0.5, mean over classes."),
    "confusion": (
        "What is taken for what",
        "How each enhancer changes the share of a class's pixels that are taken for another.",
    ),
    "errors": (
        "Kinds of errors",
        "Change from raw in what each kind of error costs in AP50; the table of errors has the numbers.",
    ),
    "objects": (
        "Objects found and lost",
        "Objects that the model finds only enhanced, or only raw, by size and by brightness.",
    ),
}


def _words(name: str) -> tuple[str, str]:
    """Title of a figure and what it shows."""
    if name in _WORDS:
        return _WORDS[name]
    if name.startswith("by_"):
        attribute = name.removeprefix("by_").replace("_", " ")
        return f"By {attribute}", f"Each enhancer's difference from raw on the images of each {attribute}."
    if name.startswith("sweep_"):
        return "Against darkness", "The metric of every row, and its difference from raw, over stops of darkness."
    raise KeyError(name)


def _protocol(run: FinishedRun) -> list[tuple[str, str]]:
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
        ("Metrics", f"{study.words.metric_note} Version {row.metric_version}."),
        ("Intervals", f"95 %, paired bootstrap over images{resamples}"),
        ("p", "paired permutation test over images, Holm-corrected over the enhancers"),
        ("Seed", str(row.seed) + (f"; trained with {', '.join(map(str, seeds))}" if seeds else "")),
        ("Hash of the data", row.dataset_fingerprint),
        ("Hash of the model", row.model_fingerprint),
    ]


def _failures(run: FinishedRun) -> list[str]:
    rows = run.study.rows
    found = [f"{row.enhancer}: {row.error}" for row in rows if row.status != "ok"]
    skipped = {(each["image"], each["reason"]) for row in rows for each in row.skipped}
    return found + [f"{image}: {reason}" for image, reason in sorted(skipped)]


def _provenance(run: FinishedRun) -> list[tuple[str, str]]:
    """Texts of the manifest that the protocol does not have."""
    known = run.manifest.get("study", {}) | run.manifest.get("hardware", {})
    said = {"task", "dataset", "split", "darken", "model", "model_fingerprint", "dataset_fingerprint"}
    return sorted((name, text) for name, text in known.items() if isinstance(text, str) and name not in said)


def _command(config: Mapping[str, Any]) -> str:
    """The command that makes the run again."""
    if not config:
        return ""
    words = ["sgz-bench", "segment" if config.get("task") == "segmentation" else "detect"]
    for name in _OPTIONS:
        value = config.get(name)
        if name == "metrics":
            words += [word for metric in value or () for word in ("--metric", str(metric))]
        elif value is not None:
            text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
            words += [f"--{name.replace('_', '-')}", text]
    return " ".join(shlex.quote(word) for word in words)
