"""Report of segmentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .numbers import signed
from .run import FinishedRun
from .task_report import LegendEntry, Overlay, PairOverlay, TaskReport
from .vocabulary import Vocabulary

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class SegmentationReport(TaskReport):
    """Segmentation: mIoU, label maps in the colours of the classes."""

    vocabulary = Vocabulary(
        title="Segmentation",
        metrics={
            "mIoU": "mIoU",
            "pixel_accuracy": "pixel accuracy",
            "mean_accuracy": "mean accuracy",
            "fwIoU": "fwIoU",
            "AUIoU": "AUIoU",
        },
        where_given=frozenset({"AUIoU"}),
        compared=("mIoU", "pixel_accuracy"),
        lead="mIoU",
        class_metric="IoU",
        unit="pixels",
        shares=True,
        metric_note=(
            "All in %, from one confusion matrix over the whole set; classes that neither truth nor prediction has are "
            "left out. mean accuracy: mean over classes; fwIoU: IoU weighted with the classes' pixels."
        ),
        class_note="IoU over the whole set in %.",
        slice_note="mIoU over the images of each value in %.",
    )

    def gain(self, gain: float) -> str:
        return f"{signed(gain)} points of mean IoU"

    def overlays(self, run: FinishedRun, entries: Sequence[Mapping[str, Any]]) -> list[PairOverlay]:
        from .figures.palette import palette
        from .figures.sheets import read_labels
        from .page.images import label_map_uri

        colours = palette(run.class_ids())

        def label_map(name: str) -> str:
            return label_map_uri(read_labels(run.folder / "gallery" / name), colours)

        return [
            PairOverlay(
                Overlay(labels=label_map(entry["raw_labels"])),
                Overlay(labels=label_map(entry["enhanced_labels"])),
                label_map(entry["truth"]),
            )
            for entry in entries
        ]

    def sheet(self, run: FinishedRun, enhancer: str, label: str, *, gained: bool) -> Figure:
        from .figures.label_sheets import label_sheet

        return label_sheet(run, enhancer, label, gained=gained)

    def legend(self, run: FinishedRun) -> list[LegendEntry]:
        from .figures.palette import palette

        classes = run.class_ids()
        colours = palette(classes)
        return [LegendEntry(name, "#" + bytes(colours[class_id].tolist()).hex()) for name, class_id in classes.items()]


SEGMENTATION = SegmentationReport()
