"""YOLOX (Ge et al. 2021, arXiv 2107.08430) from its ONNX export; licence Apache-2.0."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sgz_bench.core.errors import UserError

from ...classes import COCO_CLASSES
from ...images import Letterbox, letterbox
from ...models import file_fingerprint, require_file
from ...sessions import open_session
from ...types import Image
from ..types import Detections
from .base import Detector, Settings, best_first, class_aware_nms

_STRIDES = (8, 16, 32)


class YoloxDetector(Detector):
    """A YOLOX model trained on COCO's 80 classes.

    The input is BGR 0–255, scaled to fit and padded at right and bottom (upstream's ``yolox/data/data_augment.py``,
    ``preproc``). Outputs are ``(1, anchors, 5 + 80)``: box, objectness, class scores; a class's score is the product.
    Boxes are decoded here unless the export already does so. They are not clipped to the image, as upstream.

    Args:
        source: ``.onnx`` file with a fixed input size.
        conf: detections with lower scores are dropped.
        nms_iou: IoU threshold of the class-wise NMS.
        max_det: most detections per image.
        multi_label: a box may get several classes, as in upstream's class-aware NMS.
        engine: ``onnxruntime`` (default) or ``openvino`` (CPU only).
        precision: of OpenVINO, ``fp32`` or ``bf16``.
        device: torch device name.

    Raises:
        UserError: no such file, or it is no YOLOX export for COCO.
    """

    family = "yolox"

    def __init__(
        self,
        source: str,
        conf: float = 0.001,
        nms_iou: float = 0.65,
        max_det: int = 300,
        multi_label: bool = True,
        engine: str | None = None,
        precision: str = "fp32",
        device: str = "cpu",
    ) -> None:
        Settings.checked(self.family, conf, nms_iou, max_det)
        max_det = int(max_det)
        path = require_file(source, "model file")
        self.session, engine_settings = open_session(self.family, path, device, engine, precision)
        height, width = self.session.input_size
        if height is None or width is None or height % 32 or width % 32:
            raise UserError(f"{path} has no fixed input size that is a multiple of 32; export YOLOX for one size")
        self.size = (height, width)
        grid, scale = _anchors(height, width)
        # On a black image, decoded centres span the input; undecoded ones are offsets of a few cells.
        probe = self.session(np.zeros((1, 3, height, width), dtype=np.float32))[0]
        if probe.shape != (1, len(grid), 5 + len(COCO_CLASSES)):
            raise UserError(f"{path} outputs {probe.shape}, a YOLOX for COCO {(1, len(grid), 85)}; check the file")
        self._decode = None if probe[..., :2].max() > max(height, width) / 2 else (grid, scale)
        settings = {
            "imgsz": max(height, width),
            "conf": conf,
            "nms_iou": nms_iou,
            "max_det": max_det,
            "multi_label": multi_label,
        } | engine_settings
        super().__init__(source, COCO_CLASSES, file_fingerprint(*self.session.files), settings)
        self.packages = self.session.packages
        self._conf, self._iou, self._max_det, self._multi_label = conf, nms_iou, max_det, multi_label

    def predict(self, images: Sequence[Image]) -> list[Detections]:
        return [self._predict(image) for image in images]

    def fit(self, image: Image) -> Letterbox:
        """Return the network's input, with the mapping back to the image."""
        return letterbox(image, self.size, corner=True)

    def _predict(self, image: Image) -> Detections:
        fitted = self.fit(image)
        bgr = fitted.image[..., ::-1].transpose(2, 0, 1)[None]
        output = self.session(np.ascontiguousarray(bgr, dtype=np.float32))[0][0]
        centre, size = output[:, :2], output[:, 2:4]
        if self._decode is not None:
            grid, scale = self._decode
            centre, size = (centre + grid) * scale, np.exp(size) * scale
        boxes = np.concatenate([centre - size / 2, centre + size / 2], axis=1)
        kept = class_aware_nms(boxes, output[:, 4:5] * output[:, 5:], self._conf, self._iou, self._multi_label)
        return best_first(fitted.unmap(kept[0]), kept[1], kept[2], self._max_det)


def _anchors(height: int, width: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return cell corners ``(anchors, 2)`` in cells and strides ``(anchors, 1)`` in pixels, finest level first."""
    grids, scales = [], []
    for stride in _STRIDES:
        rows, columns = np.mgrid[: height // stride, : width // stride]
        grids.append(np.stack([columns.ravel(), rows.ravel()], axis=1))
        scales.append(np.full((rows.size, 1), stride))
    return np.concatenate(grids).astype(np.float32), np.concatenate(scales).astype(np.float32)
