"""Report of detection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .box_verdicts import match_boxes
from .numbers import MINUS
from .run import FinishedRun, by_image
from .task_report import Overlay, OverlayBox, PairOverlay, TaskReport
from .vocabulary import Vocabulary

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class DetectionReport(TaskReport):
    """Detection: AP, boxes with verdicts."""

    vocabulary = Vocabulary(
        title="Detection",
        metrics={"AP": "AP", "AP50": "AP50", "AP75": "AP75", "VOC_AP50": "VOC AP50"},
        where_given=frozenset(),
        compared=("AP", "AP50"),
        lead="AP50",
        class_metric="AP50",
        unit="boxes",
        shares=False,
        metric_note="All in %. AP, AP50, AP75: COCO; VOC AP50: every-point interpolation.",
        class_note="COCO AP50 in %.",
        slice_note="COCO AP50 in %.",
    )

    def gain(self, gain: float) -> str:
        return f"{'+' if gain > 0 else MINUS}{abs(round(gain))} correct minus false predictions"

    def overlays(self, run: FinishedRun, entries: Sequence[Mapping[str, Any]]) -> list[PairOverlay]:
        truth = run.truth
        names = {each["id"]: each["name"] for each in truth["categories"]}
        labelled = by_image(truth["annotations"], {int(entry["image_id"]) for entry in entries})
        rows = {row.enhancer: row for row in run.study.scored}
        predictions = {
            enhancer: run.shown_predictions(rows[enhancer])
            for enhancer in ["raw", *(entry["enhancer"] for entry in entries)]
        }

        def overlay(enhancer: str, image_id: int) -> Overlay:
            boxes = match_boxes(labelled[image_id], predictions[enhancer][image_id])
            return Overlay(
                tuple(
                    OverlayBox(
                        box.verdict,
                        box.xywh,
                        names[box.category] + ("" if box.score is None else f" {box.score:.2f}"),
                    )
                    for box in boxes
                )
            )

        return [
            PairOverlay(overlay("raw", image_id), overlay(entry["enhancer"], image_id))
            for entry in entries
            for image_id in [int(entry["image_id"])]
        ]

    def sheet(self, run: FinishedRun, enhancer: str, label: str, *, gained: bool) -> Figure:
        from .figures.box_sheets import box_sheet

        return box_sheet(run, enhancer, label, gained=gained)


DETECTION = DetectionReport()
