"""Interface of a task's report: terms and gallery. ``catalog`` maps tasks to implementations."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from .box_verdicts import XYWH, Verdict
from .catalog import TASK_REPORTS
from .run import FinishedRun, Study
from .vocabulary import Vocabulary

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class OverlayBox:
    """Box over an image: ``xywh`` in pixels of the image, its verdict, and the class with the score as text."""

    verdict: Verdict
    xywh: XYWH
    name: str


@dataclass(frozen=True)
class Overlay:
    """Predictions over an image: boxes, or a label map as the data URI of a PNG."""

    boxes: tuple[OverlayBox, ...] = ()
    labels: str = ""


@dataclass(frozen=True)
class PairOverlay:
    """Predictions over the raw and the enhanced image; ``truth`` is the true label map (data URI), if any."""

    raw: Overlay
    enhanced: Overlay
    truth: str = ""


@dataclass(frozen=True)
class LegendEntry:
    """Class and its colour (``#rrggbb``) on label maps."""

    name: str
    colour: str


class TaskReport(ABC):
    """Part of a report that depends on the task.

    Attributes:
        vocabulary: terms of the task in tables, figures and page.
    """

    vocabulary: Vocabulary

    @abstractmethod
    def gain(self, gain: float) -> str:
        """Describe the ``gain`` of a gallery entry with its sign and unit, for the page."""

    @abstractmethod
    def overlays(self, run: FinishedRun, entries: Sequence[Mapping[str, Any]]) -> list[PairOverlay]:
        """Return the predictions over the images of each gallery entry.

        Raises:
            UserError: a file of the run is missing or damaged.
        """

    @abstractmethod
    def sheet(self, run: FinishedRun, enhancer: str, label: str, *, gained: bool) -> Figure:
        """Draw the gallery's images on which an enhancer gained (or lost).

        Args:
            run: a run with its gallery.
            enhancer: canonical spec.
            label: name of the enhancer in print.
            gained: images with gains; images with losses if False.

        Raises:
            NothingToShow: there are no such images.
            UserError: a file of the run is missing or damaged.
        """

    def legend(self, run: FinishedRun) -> list[LegendEntry]:  # noqa: ARG002 - none by default
        """Return the colours of the classes on label maps; none where predictions are boxes."""
        return []


def task_report(study: Study) -> TaskReport:
    """Return the report of a study's task.

    Raises:
        UserError: a task without report.
    """
    return cast(TaskReport, TASK_REPORTS.load(study.task))
