"""Ultralytics detectors: YOLOv3 to YOLO26 and RT-DETR, from ``.pt`` checkpoints and ``.onnx`` exports."""

from __future__ import annotations

import ast
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import read_yaml
from sgz_bench.core.parameters import integer

from ...images import Letterbox, clip_boxes, letterbox
from ...models import file_fingerprint, require_file
from ...sessions import Session, open_session
from ...types import Image
from ...ultralytics import import_ultralytics, load_checkpoint
from ..types import Detections
from .base import Detector, Settings, best_first, class_aware_nms

F = TypeVar("F", np.float32, np.float64)


class UltralyticsDetector(Detector):
    """An Ultralytics detection model.

    Args:
        source: ``.pt`` or ``.onnx`` file, or ``.safetensors`` beside a ``.yaml`` of its stem (architecture, names).
        imgsz: longer side of the input, pixels; None takes an ONNX file's fixed size, else 640.
        conf: detections with lower scores are dropped.
        nms_iou: IoU threshold of the class-wise NMS (models without NMS ignore it).
        max_det: most detections per image.
        multi_label: a box may get several classes, as in ``yolo val``; ``yolo predict`` keeps the best one.
        engine: of an ``.onnx`` file: ``onnxruntime`` or ``openvino`` (CPU only).
        precision: of OpenVINO, ``fp32`` or ``bf16``.
        batch: number of images of one size per network call, for GPUs; 1 is fastest on CPUs.
        device: torch device.

    Raises:
        UserError: no such file, no Ultralytics detection checkpoint, a pickle that needs other code, or an ``.onnx``
            file for one image at a time with a larger batch.
    """

    family = "ultralytics"

    def __init__(
        self,
        source: str,
        imgsz: int | None = None,
        conf: float = 0.001,
        nms_iou: float = 0.7,
        max_det: int = 300,
        multi_label: bool = False,
        engine: str = "onnxruntime",
        precision: str = "fp32",
        batch: int = 1,
        device: str = "cpu",
    ) -> None:
        wanted = Settings.checked(self.family, conf, nms_iou, max_det, imgsz)
        path = require_file(source, "model file")
        hashed, engine_settings = [path], dict[str, str]()
        if path.suffix.lower() == ".onnx":
            session, engine_settings = open_session(self.family, path, device, engine, precision)
            self._net: _Net = _OnnxNet(session, path)
        elif path.suffix.lower() == ".pt":
            self._net = _TorchNet(load_checkpoint(path), path, device)
        elif path.suffix.lower() == ".safetensors":
            self._net = _TorchNet(_from_state(path), path, device)
            hashed.append(path.with_suffix(".yaml"))
        else:
            raise UserError(f"{path}: an Ultralytics model is a .pt, .onnx or .safetensors file")
        if path.suffix.lower() != ".onnx" and (engine, precision) != ("onnxruntime", "fp32"):
            raise UserError(f"{path}: engine and precision are for .onnx files; export the model, or leave them out")
        self._imgsz = wanted.imgsz or self._net.imgsz or 640
        if self._net.imgsz not in {None, self._imgsz}:
            raise UserError(f"{path} was exported for imgsz={self._net.imgsz}; leave imgsz out or export it again")
        self.packages = self._net.packages
        self.batch = integer(self.family, "batch", batch, 1, 1024)
        if self.batch > 1 and not self._net.batches:
            raise UserError(f"{path} takes one image at a time; leave batch out, or export it with dynamic=True")
        self._conf, self._iou, self._max_det, self._multi_label = conf, nms_iou, int(max_det), multi_label
        settings = {
            "imgsz": self._imgsz,
            "conf": conf,
            "nms_iou": nms_iou,
            "max_det": self._max_det,
            "multi_label": multi_label,
        } | engine_settings
        if self.batch > 1:
            settings["batch"] = self.batch
        super().__init__(source, self._net.names, file_fingerprint(*hashed), settings)

    def predict(self, images: Sequence[Image]) -> list[Detections]:
        fitted = [self._fit(image) for image in images]
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

    def _fit(self, image: Image) -> Letterbox:
        """Return the network's input, with the mapping back to the image."""
        size = (self._imgsz, self._imgsz)
        if self._net.stretches:  # RT-DETR: a square without padding
            import cv2

            resized = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
            return Letterbox(resized, (self._imgsz / image.shape[1], self._imgsz / image.shape[0]), 0, 0)
        return letterbox(image, size, stride=None if self._net.imgsz is not None else self._net.stride)

    def _detections(self, image: Image, fitted: Letterbox, output: NDArray[np.float32]) -> Detections:
        if self._net.stretches:  # boxes as fractions of the image
            height, width = image.shape[:2]
            rows = output.astype(np.float64)
            xywh = rows[:, :4] * np.array([width, height, width, height])
            keep = rows[:, 4] > self._conf
            return best_first(_xyxy(xywh[keep]), rows[keep, 4], rows[keep, 5].astype(np.int64), self._max_det)
        if output.shape[-1] == 6 and self._net.end_to_end:  # x1, y1, x2, y2, score, class
            rows = output.astype(np.float64)
            rows = rows[rows[:, 4] > self._conf]
            boxes, scores, classes = rows[:, :4], rows[:, 4], rows[:, 5].astype(np.int64)
        else:  # (4 + classes, anchors): centre x, centre y, width, height, class scores
            output = output.T  # float32 corners equal float64 corners rounded to float32
            boxes, scores, classes = class_aware_nms(
                _xyxy(output[:, :4]), output[:, 4:], self._conf, self._iou, self._multi_label
            )
        return best_first(clip_boxes(fitted.unmap(boxes), image), scores, classes, self._max_det)


class _Net(ABC):
    """A network: RGB uint8 ``(B, h, w, 3)`` in, raw float32 outputs ``(B, …)`` out."""

    names: tuple[str, ...]
    stride: int = 32
    imgsz: int | None = None  # fixed input size
    end_to_end: bool = False
    stretches: bool = False
    batches: bool = True  # accepts more than one image per call
    packages: tuple[str, ...] = ()

    @abstractmethod
    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]: ...


class _TorchNet(_Net):
    def __init__(self, model: Any, path: Path, device: str) -> None:
        if model.task != "detect":
            raise UserError(f"{path} is a {model.task} model; use a detection model")
        self.model = model.to(device).requires_grad_(False)
        self.device = device
        self.names = tuple(model.names[index] for index in range(len(model.names)))
        self.stride = max(int(model.stride.max()), 32)
        self.stretches = isinstance(model, import_ultralytics().RTDETRDetectionModel)
        self.end_to_end = bool(getattr(model, "end2end", False))

    @torch.inference_mode()
    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        batch = torch.from_numpy(images).to(self.device).permute(0, 3, 1, 2).contiguous().float().div_(255)
        output: Any = self.model(batch)
        first = output[0] if isinstance(output, (list, tuple)) else output
        return np.asarray(first.float().cpu().numpy())


def _from_state(path: Path) -> Any:
    """Build the model that the ``.yaml`` beside a ``.safetensors`` describes, with its weights, fused."""
    plan = path.with_suffix(".yaml")
    if not plan.is_file():
        raise UserError(f"{path} needs its architecture beside it, in {plan.name}; restore that file")
    try:
        config = read_yaml(plan)
        model = import_ultralytics().DetectionModel(config, ch=3, verbose=False)
        state = {key: tensor.float() for key, tensor in load_file(path).items()}
        missing, unknown = model.load_state_dict(state, strict=False)
        if unknown or any(not key.endswith("num_batches_tracked") for key in missing):
            raise ValueError(f"{len(missing)} tensors are missing, {len(unknown)} are unknown")
        model.names = dict(enumerate(config["names"]))
    except Exception as error:  # a YAML may be wrong in as many ways as there are layers
        raise UserError(f"{path} does not fit {plan.name} ({' '.join(str(error).split())[:200]})") from error
    model.task = "detect"
    return model.eval().fuse()


class _OnnxNet(_Net):
    def __init__(self, session: Session, path: Path) -> None:
        self.session = session
        meta = self.session.metadata
        try:
            names = ast.literal_eval(meta["names"])
            self.names = tuple(names[index] for index in range(len(names)))
            self.stride = int(float(meta["stride"]))
            task = meta["task"]
        except (KeyError, ValueError, SyntaxError, TypeError) as error:
            raise UserError(
                f"{path} is not an Ultralytics export (it has no class names); try yolox:{path.name}"
            ) from error
        if task != "detect":
            raise UserError(f"{path} is a {task} model; use a detection model")
        height, width = self.session.input_size
        if height != width:
            raise UserError(f"{path} takes {width}×{height} inputs; export it for a square imgsz or dynamic sizes")
        self.imgsz, self.batches, self.packages = height, self.session.batch_size is None, self.session.packages
        shape = self.session.outputs[0].shape
        self.end_to_end = len(shape) == 3 and shape[2] == 6
        self.stretches = "RT-DETR" in meta.get("description", "") and not self.end_to_end
        if self.stretches:
            raise UserError(f"{path}: RT-DETR is supported as .pt only; give the checkpoint it was exported from")

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        batch = np.ascontiguousarray(images.transpose(0, 3, 1, 2), dtype=np.float32) / np.float32(255)
        return np.asarray(self.session(batch)[0], dtype=np.float32)


def _xyxy(xywh: NDArray[F]) -> NDArray[F]:
    centre, half = xywh[:, :2], xywh[:, 2:4] / 2
    xyxy: NDArray[F] = np.concatenate([centre - half, centre + half], axis=1)
    return xyxy
