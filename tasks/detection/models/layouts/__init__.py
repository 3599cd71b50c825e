"""Output layouts of exported detectors; the order decides between layouts that share a shape."""

from __future__ import annotations

from collections.abc import Sequence

from .anchors import BoxesScores, YoloV5, YoloV8, Yolox
from .base import Candidates as Candidates
from .base import Layout as Layout
from .base import Output as Output
from .base import Preprocessing as Preprocessing
from .base import Reading as Reading
from .base import to_xyxy as to_xyxy
from .distributions import NanoDet, NanoDetPlus, PicoDet
from .queries import Detr
from .rows import DetectionOutput, PaddleRows, Rows, RowsV7, Separate

LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        DetectionOutput(),
        RowsV7(),
        NanoDet(),
        PicoDet(),
        NanoDetPlus(),
        Separate(),
        Detr(),
        BoxesScores(),
        Yolox(),
        YoloV5(),
        YoloV8(),
        PaddleRows(),
        Rows(),
    )
}


def guess(outputs: Sequence[Output], size: tuple[int, int]) -> tuple[Layout, Reading] | None:
    """Return the first layout that fits the outputs of a probe of ``size`` (height, width), or None."""
    for layout in LAYOUTS.values():
        reading = layout.read(outputs, size, strict=True)
        if reading is not None:
            return layout, reading
    return None
