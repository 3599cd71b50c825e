"""Detectors of any family as ONNX or OpenVINO files: families ``onnx`` and ``openvino``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from sgz_bench.core.errors import UserError
from sgz_bench.core.parameters import integer
from sgz_bench.core.specs import Value

from ...images import Letterbox, clip_boxes
from ...models import file_fingerprint, require_file
from ...sessions import Nms, Session, open_session
from ...types import Image
from ..types import Detections
from .base import Detector, Settings, best_first, class_aware_nms
from .file_reading import NO_CLASS, choice, class_columns, input_size, other_inputs, probe, read_names, read_outputs
from .layouts import Candidates, to_xyxy
from .preprocessing import chosen_input, described, fit, input_settings, planes

_MOST_CANDIDATES = 10_000  # pairs of box and class that enter NMS
_OUTSIDE = 4  # fractions above this are pixels


class OnnxDetector(Detector):
    """A detector of any family as an ONNX file; the layout of its outputs is guessed, and said in a note.

    Layouts and their usual preprocessing are in :mod:`.layouts`; every setting below overrides the layout's.

    Args:
        source: ``.onnx`` file.
        layout: name of the output layout; by default guessed from names, shapes and values on a grey image.
        names: class names: ``coco``, ``coco91`` (category ids 0 to 90), ``voc``, ``exdark``, or a file with one name
            per line; by default the file's metadata, else by the number of classes.
        size: side of the input, or ``HEIGHTxWIDTH``; by default that of the file, else 640.
        resize: ``letterbox`` (centred), ``corner`` (padding at right and bottom), ``stretch`` or ``none``.
        scale: 8-bit values are divided by this first.
        mean, std: ``imagenet``, one number or three (``0.485/0.456/0.406``), after ``scale``, in the order of channels.
        bgr: channels are blue, green, red.
        pad: value of padding, 0–255.
        boxes: ``xyxy``, ``yxyx``, ``xywh`` or ``cxcywh``.
        unit: ``pixels`` of the input, or ``fractions`` of it.
        activation: ``none``, ``sigmoid`` or ``softmax`` of the class columns.
        background: column that is no class: ``none``, ``first`` or ``last``.
        first_id: id of the first name, where the network returns class ids.
        conf: detections with lower scores are dropped. A higher threshold inside the file is in the settings instead.
        nms_iou: IoU threshold of the class-wise NMS; layouts without NMS ignore it, and the settings have the file's.
        max_det: most detections per image.
        multi_label: a box may get several classes.
        engine: ``onnxruntime`` (default) or ``openvino`` (CPU only).
        precision: of OpenVINO, ``fp32`` or ``bf16``.
        device: torch device name.

    Raises:
        UserError: no such file, outputs of no known layout, unknown number of classes, or a bad setting.
    """

    family: ClassVar[str] = "onnx"
    suffix: ClassVar[str] = ".onnx"

    def __init__(
        self,
        source: str,
        layout: str | None = None,
        names: str | None = None,
        size: int | str | None = None,
        resize: str | None = None,
        scale: float | None = None,
        mean: str | float | None = None,
        std: str | float | None = None,
        bgr: bool | None = None,
        pad: int | None = None,
        boxes: str | None = None,
        unit: str | None = None,
        activation: str | None = None,
        background: str | None = None,
        first_id: int | None = None,
        conf: float = 0.001,
        nms_iou: float | None = None,
        max_det: int = 300,
        multi_label: bool = True,
        engine: str | None = None,
        precision: str = "fp32",
        device: str = "cpu",
    ) -> None:
        wanted = Settings.checked(self.family, conf, nms_iou, max_det)
        path = require_file(source, "model file")
        if path.suffix.lower() != self.suffix:
            raise UserError(f"{path}: a model of family {self.family} is a file with the suffix {self.suffix}")
        self.session: Session
        self.session, engine_settings = open_session(self.family, path, device, engine, precision, others=4)
        if "sgz_bench_enhancer" in self.session.metadata:
            has = self.session.metadata["sgz_bench_enhancer"]
            raise UserError(
                f"{path} is an export of enhancer and detector, which resizes by itself; give the detector's own file "
                f"and --enhancers '{has}'"
            )
        self.size = input_size(self.family, path, self.session, size)
        self._others = other_inputs(self.session, self.size)
        outputs = probe(self.session, self.size, self._others)
        self.layout, reading = read_outputs(path, outputs, self.size, layout)
        given = {"boxes": boxes, "unit": unit, "activation": activation, "background": background}
        changes: dict[str, Any] = {
            key: choice(self.family, key, value) for key, value in given.items() if value is not None
        }
        if first_id is not None:
            changes["first_id"] = integer(self.family, "first_id", first_id, 0, 1000)
        reading = replace(reading, **changes)
        class_names, label, reading = read_names(path, reading, names, self.session.metadata)
        if first_id is None and class_names[0].casefold() in NO_CLASS:
            reading = replace(reading, first_id=0)
        self.reading = reading
        taken = chosen_input(
            self.family, reading.input, resize=resize, scale=scale, mean=mean, std=std, bgr=bgr, pad=pad
        )
        if taken.resize == "none" and None not in self.session.input_size:
            if resize == "none":
                raise UserError(f"{path} takes images of {self.size[1]}×{self.size[0]} only; choose another resize")
            taken = replace(taken, resize="letterbox")
        self.input = taken
        columns = reading.classes is not None
        inside = None if columns else self.session.nms
        settings: dict[str, Value | None] = {
            "layout": self.layout.name,
            "names": label,
            "size": None if taken.resize == "none" else f"{self.size[0]}x{self.size[1]}",
            **input_settings(taken, self.session.integer),
            "boxes": reading.boxes,
            "unit": reading.unit,
            "activation": reading.activation if columns else None,
            "background": reading.background if columns else None,
            "first_id": None if columns else reading.first_id,
            "conf": conf if inside is None or inside.conf is None else max(conf, round(inside.conf, 6)),
            "nms_iou": (reading.nms_iou if nms_iou is None else nms_iou) if reading.nms else _iou(inside),
            "max_det": int(max_det),
            "multi_label": multi_label if reading.nms else None,
        }
        super().__init__(source, class_names, file_fingerprint(*self.session.files), settings | engine_settings)
        self.packages = self.session.packages
        self._conf, self._max_det, self._multi_label = conf, int(max_det), multi_label
        self._iou = wanted.nms_iou or reading.nms_iou
        self._columns = class_columns(reading, class_names)
        known = "given" if layout else "guessed"
        told = "" if columns else f"; {_thresholds(inside)}"
        self.notes = (
            f"layout={self.layout.name} ({known}; {reading.why}), boxes {reading.boxes} in {reading.unit}, "
            f"input {described(taken, self.size, self.session.integer)}, names={label}{told}",
        )

    def predict(self, images: Sequence[Image]) -> list[Detections]:
        return [self._predict(image) for image in images]

    def fit(self, image: Image) -> Letterbox:
        """Return the network's input, with the mapping back to the image."""
        return fit(image, self.size, self.input)

    def _predict(self, image: Image) -> Detections:
        fitted = self.fit(image)
        size = (fitted.image.shape[0], fitted.image.shape[1])
        others = self._others if size == self.size else other_inputs(self.session, size)
        answers = self.session(planes(fitted.image, self.input, self.session.integer), others)
        arrays = {role: answers[index] for role, index in self.reading.outputs.items()}
        return self._detections(image, fitted, self.layout.decode(arrays, size, self.reading), size)

    def _detections(self, image: Image, fitted: Letterbox, candidates: Candidates, size: tuple[int, int]) -> Detections:
        boxes = to_xyxy(np.asarray(candidates.boxes, dtype=np.float32), self.reading.boxes)
        self._refuse_unit(boxes)
        if self.reading.unit == "fractions":
            boxes = boxes * np.array([size[1], size[0], size[1], size[0]], dtype=np.float32)
        scores, ids = candidates.scores, candidates.class_ids
        if ids is None and self.reading.nms:
            used = scores[:, self._columns]
            conf = max(self._conf, _lowest_of_best(used))
            corners, values, chosen = class_aware_nms(boxes, used, conf, self._iou, self._multi_label)
        else:
            if ids is None:
                rows, chosen = np.nonzero(scores[:, self._columns] > self._conf)
                values = scores[:, self._columns][rows, chosen].astype(np.float64)
            else:
                rows = np.flatnonzero(scores > self._conf)
                values, chosen = scores[rows].astype(np.float64), ids[rows] - self.reading.first_id
            corners = boxes[rows].astype(np.float64)
        if ids is None:
            chosen = self._columns_to_ids(chosen)
        self._refuse_ids(chosen)
        corners = clip_boxes(fitted.unmap(corners), image)
        good = (corners[:, 2:] >= corners[:, :2]).all(axis=1)
        return best_first(corners[good], values[good], chosen[good], self._max_det)

    def _columns_to_ids(self, columns: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the class id of each used score column."""
        shift = 1 if self.reading.background == "first" else 0
        return np.asarray(self._columns[columns] - shift, dtype=np.int64)

    def _refuse_unit(self, boxes: NDArray[np.float32]) -> None:
        """Refuse boxes that contradict the unit; few boxes prove nothing.

        Raises:
            UserError: names the setting to give.
        """
        if not len(boxes):
            return
        largest = float(boxes.max())
        if self.reading.unit == "fractions" and largest > _OUTSIDE:
            raise UserError(f"{self.source} returns coordinates up to {largest:.0f}, no fractions; give unit=pixels")
        if self.reading.unit == "pixels" and 0 < largest <= 1.1:
            raise UserError(f"{self.source} returns boxes below {largest:.2f}, no pixels; give unit=fractions")

    def _refuse_ids(self, ids: NDArray[np.int64]) -> None:
        """Refuse class ids without a name.

        Raises:
            UserError: names the id and the settings that may be wrong.
        """
        if len(ids) and not (ids.min() >= 0 and ids.max() < len(self.class_names)):
            wrong = next(each for each in ids.tolist() if not 0 <= each < len(self.class_names))
            raise UserError(
                f"{self.source} returns the class id {wrong + self.reading.first_id}; names={self.settings['names']} "
                f"has {len(self.class_names)}, from id {self.reading.first_id}; give the right names or first_id"
            )


def _iou(nms: Nms | None) -> float | None:
    return None if nms is None or nms.iou is None else round(nms.iou, 6)


def _thresholds(nms: Nms | None) -> str:
    """Return what is known of the NMS inside a file."""
    if nms is None or (nms.conf is None and nms.iou is None):
        return "thresholds inside the file, if any, stay; AP needs scores from 0.001"
    conf = "unknown" if nms.conf is None else f"{nms.conf:g}"
    iou = "unknown" if nms.iou is None else f"{nms.iou:g}"
    return f"NMS inside the file with score threshold {conf} and IoU {iou}; AP needs scores from 0.001"


def _lowest_of_best(scores: NDArray[np.float32]) -> float:
    """Return a score that at most ``_MOST_CANDIDATES`` scores exceed; NMS of more takes seconds."""
    if scores.size <= _MOST_CANDIDATES:
        return 0.0
    return float(np.partition(scores.ravel(), -_MOST_CANDIDATES)[-_MOST_CANDIDATES])


class OpenvinoDetector(OnnxDetector):
    """A detector of any family as an OpenVINO model, ``.xml`` beside its ``.bin``; settings as of family ``onnx``."""

    family: ClassVar[str] = "openvino"
    suffix: ClassVar[str] = ".xml"


class TfliteDetector(OnnxDetector):
    """A detector of any family as a TensorFlow Lite file; settings as of family ``onnx``."""

    family: ClassVar[str] = "tflite"
    suffix: ClassVar[str] = ".tflite"
