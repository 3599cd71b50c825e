"""Ultralytics detectors: YOLOv3 to YOLO26 and RT-DETR, from ``.pt`` checkpoints and from exports."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sgz_bench.core.errors import UserError
from sgz_bench.core.parameters import integer
from sgz_bench.core.specs import Value

from ...images import Letterbox, clip_boxes, letterbox
from ...models import file_fingerprint, require_file
from ...sessions import READ, Session, exported_file, open_session
from ...sessions.torchscript import is_torchscript
from ...types import Image
from ...ultralytics import load_checkpoint
from ..types import Detections
from .base import Detector, Settings, best_first, class_aware_nms
from .layouts import Preprocessing
from .networks import ExportedNetwork, Network, TorchNetwork, network_from_state
from .preprocessing import fit

_CONF, _NMS_IOU, _MAX_DET = 0.001, 0.7, 300
_EXPORT_CONF, _EXPORT_IOU = 0.25, 0.7  # Ultralytics' defaults for nms=True


class UltralyticsDetector(Detector):
    """An Ultralytics detection model.

    Args:
        source: ``.pt`` file; ``.safetensors`` beside a ``.yaml`` of its stem (architecture, names); or an export:
            ``.onnx``, an OpenVINO folder or ``.xml``, ``.torchscript``, ``.tflite``, TensorRT ``.engine``.
        imgsz: longer side of the input, pixels; None takes an export's fixed size, else 640.
        conf: detections with lower scores are dropped; None is 0.001, or what an export with NMS inside has.
        nms_iou: IoU threshold of the class-wise NMS (models without NMS ignore it); None is 0.7, or the export's.
        max_det: most detections per image; None is 300, or the export's.
        multi_label: a box may get several classes, as in ``yolo val``; ``yolo predict`` keeps the best one.
        engine: of an ``.onnx`` file: ``onnxruntime`` (default) or ``openvino`` (CPU only).
        precision: of OpenVINO, ``fp32`` or ``bf16``.
        batch: number of images of one size per network call, for GPUs; None is 1 (fastest on CPUs), or an export's
            fixed number.
        names: class names of an export that has none: ``coco``, a file, or names separated by ``|``.
        device: torch device.

    Raises:
        UserError: no such file, no Ultralytics detection checkpoint or export, a pickle that needs other code, a format
            that is not supported, or settings that contradict what is inside an export.
    """

    family = "ultralytics"

    def __init__(
        self,
        source: str,
        imgsz: int | None = None,
        conf: float | None = None,
        nms_iou: float | None = None,
        max_det: int | None = None,
        multi_label: bool = False,
        engine: str | None = None,
        precision: str = "fp32",
        batch: int | None = None,
        names: str | None = None,
        device: str = "cpu",
    ) -> None:
        wanted = Settings.checked(self.family, conf, nms_iou, max_det, imgsz)
        self.batch = 1 if batch is None else integer(self.family, "batch", batch, 1, 1024)
        path, engine_settings = Path(source), dict[str, str]()
        suffix = path.suffix.lower()
        if suffix in {".pt", ".safetensors"} and not (suffix == ".pt" and is_torchscript(path)):
            require_file(source, "model file")
            if engine is not None or precision != "fp32":
                raise UserError(
                    f"{path}: engine and precision are for .onnx files; export the model, or leave them out"
                )
            if names is not None:
                raise UserError(f"{path} has class names of its own; leave names out")
            model = load_checkpoint(path) if suffix == ".pt" else network_from_state(path)
            self._net: Network = TorchNetwork(model, path, device)
            self._net.files = [path] if suffix == ".pt" else [path, path.with_suffix(".yaml")]
        else:
            file = exported_file(path)
            session, engine_settings = open_session(
                self.family, file, device, engine, precision, imgsz=wanted.imgsz or 640
            )
            self._net = ExportedNetwork(session, path, names, wanted.imgsz or 640, self.batch)
        self._imgsz = wanted.imgsz or max(self._net.size or (640,))
        if self._net.size is not None and wanted.imgsz not in {None, *self._net.size}:
            fixed = _size_text(self._net.size)
            raise UserError(f"{path} was exported for imgsz={fixed}; leave imgsz out or export it again")
        self._batches(path, batch)
        self._thresholds(path, wanted, multi_label)
        self.packages = self._net.packages
        self._multi_label = multi_label
        settings: dict[str, Value | None] = {
            "imgsz": self._imgsz if self._net.size is None else _size_text(self._net.size),
            # As written, because settings are part of the results' keys: 0, not 0.0.
            "conf": conf if self._conf == conf else self._conf,
            "nms_iou": nms_iou if self._iou == nms_iou else self._iou,
            "max_det": self._max_det,
            "multi_label": multi_label,
            **engine_settings,
        }
        if names is not None:
            settings["names"] = Path(names).name
        if self.batch > 1:
            settings["batch"] = self.batch
        super().__init__(source, self._net.names, file_fingerprint(*self._net.files), settings)

    def _batches(self, path: Path, wanted: int | None) -> None:
        """Set the number of images per call."""
        fixed = self._net.batch
        if fixed == 1 and self.batch > 1:
            raise UserError(f"{path} takes one image at a time; leave batch out, or export it with dynamic=True")
        if fixed is not None and fixed > 1:
            if wanted not in {None, fixed}:
                raise UserError(f"{path} takes {fixed} images at a time; leave batch out, or export it again")
            self.batch = fixed

    def _thresholds(self, path: Path, wanted: Settings, multi_label: bool) -> None:
        """Set the thresholds in force: those inside the file go before the defaults, and are told.

        Raises:
            UserError: the user asks for what the file has already dropped.
        """
        self._conf = _CONF if wanted.conf is None else wanted.conf
        self._iou: float | None = _NMS_IOU if wanted.nms_iou is None else wanted.nms_iou
        self._max_det = _MAX_DET if wanted.max_det is None else int(wanted.max_det)
        rows, nms = self._net.head.rows, self._net.nms
        if rows is not None and rows < self._max_det:
            if wanted.max_det is not None:
                raise UserError(f"{path} outputs {rows} boxes; leave max_det={self._max_det} out, or export it again")
            self._max_det = rows
        if nms is None:
            return
        conf = _EXPORT_CONF if nms.conf is None else round(nms.conf, 6)
        iou = _EXPORT_IOU if nms.iou is None else round(nms.iou, 6)
        if wanted.conf is not None and wanted.conf < conf:
            raise UserError(
                f"{path} does NMS itself and drops scores below {conf:g}; leave conf={wanted.conf:g} out, "
                f"or export it with conf={wanted.conf:g}, or without nms"
            )
        if wanted.nms_iou is not None and wanted.nms_iou != iou:
            raise UserError(f"{path} does NMS itself with IoU {iou:g}; leave nms_iou={wanted.nms_iou:g} out")
        if multi_label:
            raise UserError(f"{path} does NMS itself with one class per box; leave multi_label out")
        self._conf, self._iou = max(conf, self._conf), iou
        assumed = "" if nms.conf is not None else " (its exporter's default; the file does not tell)"
        advice = "; AP needs conf=0.001: export it without nms, or with conf=0.001" if conf > _CONF else ""
        self.notes = (f"NMS is inside the file, with conf={conf:g} and nms_iou={iou:g}{assumed}{advice}",)

    @property
    def session(self) -> Session:
        """Session of an export.

        Raises:
            UserError: the model is a checkpoint.
        """
        if not isinstance(self._net, ExportedNetwork):
            raise UserError(f"{self.source} is a checkpoint; export it as .onnx")
        return self._net.session

    @session.setter
    def session(self, session: Session) -> None:
        assert isinstance(self._net, ExportedNetwork)
        self._net.session = session

    @property
    def input_size(self) -> tuple[tuple[int, int], int | None]:
        """Height and width that an image is fitted into; the stride to pad to where the size is dynamic, else None."""
        size = self._net.size or (self._imgsz, self._imgsz)
        return size, None if self._net.size is not None else self._net.stride

    @property
    def stretches(self) -> bool:
        """True for RT-DETR, whose input is the image stretched to a square."""
        return self._net.head.stretches

    def predict(self, images: Sequence[Image]) -> list[Detections]:
        fitted = [self.fit(image) for image in images]
        by_size: dict[tuple[int, ...], list[int]] = {}
        for index, each in enumerate(fitted):
            by_size.setdefault(each.image.shape, []).append(index)
        detections: dict[int, Detections] = {}
        for indices in by_size.values():
            for begin in range(0, len(indices), self.batch):
                batch = indices[begin : begin + self.batch]
                outputs = self._net(np.stack([fitted[index].image for index in batch]))
                for index, output in zip(batch, outputs, strict=True):
                    detections[index] = self._detections(images[index], fitted[index], output)
        return [detections[index] for index in range(len(images))]

    def fit(self, image: Image) -> Letterbox:
        """Return the network's input, with the mapping back to the image."""
        height, width = self._net.size or (self._imgsz, self._imgsz)
        if self._net.head.stretches:  # RT-DETR: a square without padding
            return fit(image, (height, width), Preprocessing("stretch"))
        return letterbox(image, (height, width), stride=None if self._net.size is not None else self._net.stride)

    def _detections(self, image: Image, fitted: Letterbox, output: NDArray[np.float32]) -> Detections:
        head = self._net.head
        if head.form == "anchors":
            boxes32, scores32 = head.anchors(output, fitted.image.shape[:2])
            iou = _NMS_IOU if self._iou is None else self._iou
            boxes, scores, classes = class_aware_nms(boxes32, scores32, self._conf, iou, self._multi_label)
            return best_first(clip_boxes(fitted.unmap(boxes), image), scores, classes, self._max_det)
        rows = head.final(output, image.shape[:2] if head.stretches else fitted.image.shape[:2])
        keep = rows.scores > self._conf
        boxes, scores, classes = rows.boxes[keep], rows.scores[keep], rows.classes[keep]
        if len(classes) and not 0 <= classes.min() <= classes.max() < len(self.class_names):
            raise UserError(
                f"{self.source} outputs class {classes.max()}, but has {len(self.class_names)} class names; "
                f"give names= with all of them, or {READ} of a detector"
            )
        if not head.stretches:
            boxes = clip_boxes(fitted.unmap(boxes), image)
        return best_first(boxes, scores, classes, self._max_det)


def _size_text(size: tuple[int, int]) -> int | str:
    return size[0] if size[0] == size[1] else f"{size[0]}x{size[1]}"
