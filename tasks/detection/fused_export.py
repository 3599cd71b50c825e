"""Export of an enhancer and a detector as one file, checked against the two steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sgz_bench.core.errors import UserError, in_one_line
from sgz_bench.core.files import write_atomic
from sgz_bench.core.images import IMAGE_SUFFIXES, read_image, to_tensor
from sgz_bench.core.sessions import onnxruntime_session

from .fused_graph import IMAGE, INPUT, DetectorInput

if TYPE_CHECKING:
    from sgz_bench.enhancer.base import Enhancer

    from ..sessions import Session
    from ..types import Image
    from .models.base import Detector
    from .types import Detections

SHOWN = 0.25  # score from which boxes are compared
NEAR = 0.9  # IoU of boxes that are the same
_LEVELS = 2  # largest difference of an input value in 8-bit levels: one of the enhancer's rounding, one of the resizing
_SHARE = 0.95  # of the boxes that must match


@dataclass(frozen=True)
class Comparison:
    """Fused graph against the two steps on some images.

    Attributes:
        images: number of images.
        levels: largest difference of an input value, in 8-bit levels.
        differing: share of input values that differ.
        boxes: boxes with a score of at least ``SHOWN`` after the two steps.
        matched: those with a fused box of their class at an IoU of at least ``NEAR``.
        pixels: largest difference of a coordinate of matched boxes, in pixels of the image.
        score: largest difference of their scores.
    """

    images: int
    levels: float
    differing: float
    boxes: int
    matched: int
    pixels: float
    score: float

    def __str__(self) -> str:
        return (
            f"{self.images} images: {self.matched} of {self.boxes} boxes with a score of {SHOWN:g} or more match, "
            f"within {self.pixels:.2f} pixels and {self.score:.4f} in score; {self.differing:.2g} of the input's "
            f"values differ, by at most {self.levels:.0f} of 255"
        )


def export_fused(enhancer: Enhancer, model: str, out: Path, folder: Path | None) -> list[str]:
    """Write an enhancer and a detector as one ONNX graph, after comparing it with the two steps.

    Args:
        enhancer: the enhancer.
        model: spec of a detector in an ``.onnx`` file.
        out: target.
        folder: images for the comparison; None for rendered ones.

    Returns:
        Lines about the comparison and the file.

    Raises:
        UserError: the detector is no ONNX file, the graphs cannot be merged, or the result differs.
    """
    import onnx

    from sgz_bench.enhancer.runtime.export import check_graph, to_onnx
    from sgz_bench.enhancer.weights import restricted

    from .fused_graph import fuse
    from .models import create_detector

    detector = create_detector(model)
    taken = detector_input(detector)
    check_graph(to_onnx(enhancer), enhancer)
    graph = fuse(enhancer, taken)
    comparison = compare(graph, enhancer, detector, checking_images() if folder is None else read_images(folder))
    refuse_difference(comparison, f"{enhancer.spec} with {detector.spec}")
    kept = {each.key: each.value for each in onnx.load(str(taken.path), load_external_data=False).metadata_props}
    about = {
        "sgz_bench_enhancer": enhancer.spec,
        "sgz_bench_detector": detector.spec,
        "enhancer_fingerprint": enhancer.fingerprint,
        "detector_fingerprint": detector.fingerprint,
        "terms": restricted(enhancer),
    }
    names = {"names": kept["names"]} if "names" in kept else {}
    onnx.helper.set_model_props(graph, names | about)
    content = graph.SerializeToString(deterministic=True)
    write_atomic(out, content)
    fit = f"{taken.resize} to {taken.size[1]}×{taken.size[0]}"
    outputs = ", ".join(each.name for each in graph.graph.output[:-1])
    return [
        str(comparison),
        f"{out}: {enhancer.spec} and {detector.spec}, {len(content):,} bytes, opset {_opset(graph)}",
        f"input: image, RGB (1, 3, H, W) in [0, 1] of any size; enhanced at full size, rounded to 8 bits, {fit} inside",
        f"outputs: {outputs} as the detector has them, in pixels of its {taken.size[1]}×{taken.size[0]} input, and "
        "letterbox (scale x, scale y, left, top): x of the image = (x − left) / scale x",
    ]


def read_images(folder: Path) -> list[Image]:
    """Read the images of a folder.

    Raises:
        UserError: there are none, or one cannot be read.
    """
    paths = sorted(path for path in folder.glob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    if not paths:
        raise UserError(f"{folder} has no images; give a folder of photographs, or leave --images out")
    return [read_image(path) for path in paths]


def _opset(graph: Any) -> int:
    return next(int(each.version) for each in graph.opset_import if each.domain in {"", "ai.onnx"})


def refuse_difference(comparison: Comparison, name: str) -> None:
    """Refuse a fused graph that does not compute what the two steps compute.

    Raises:
        UserError: names the difference.
    """
    if comparison.levels > _LEVELS or comparison.matched < _SHARE * comparison.boxes:
        raise UserError(f"{name} cannot be exported as one graph: it differs from the two steps ({comparison})")


def checking_images() -> list[Image]:
    """Render night frames of three sizes, none of them a detector's."""
    from ..nightscene.render import render_frame

    frames = [render_frame(7, 3, width=640, height=384), render_frame(7, 4, width=500, height=375)]
    frames.append(render_frame(7, 5, width=333, height=500))
    return [np.ascontiguousarray(frame.bright // 4) for frame in frames]


def detector_input(detector: Detector) -> DetectorInput:
    """Return the input of an ONNX detector.

    Raises:
        UserError: the detector is no ONNX file, or takes several images at a time.
    """
    from .models.exported import OnnxDetector
    from .models.ultralytics import UltralyticsDetector
    from .models.yolox import YoloxDetector

    path = Path(detector.source)
    if path.suffix.lower() != ".onnx" or not isinstance(detector, OnnxDetector | UltralyticsDetector | YoloxDetector):
        raise UserError(
            f"{detector.label} cannot be exported with an enhancer; give an .onnx file (Ultralytics: yolo export)"
        )
    session = detector.session
    if session.batch_size not in {None, 1} or session.others:
        raise UserError(f"{path} takes more than one image at a time; export it with batch=1 and no further inputs")
    common: dict[str, Any] = {"path": path, "port": session.image.name, "dtype": session.image.dtype}
    common |= {"channels_last": session.channels_last}
    if isinstance(detector, YoloxDetector):
        return DetectorInput(**common, size=detector.size, resize="corner", bgr=True, scale=1)
    if isinstance(detector, UltralyticsDetector):
        size, stride = detector.input_size
        resize = "stretch" if detector.stretches else "letterbox"
        return DetectorInput(**common, size=size, resize=resize, stride=stride, scale=1 if session.integer else 255)
    taken = detector.input
    if taken.resize == "none":
        raise UserError(f"{path} takes images of any size; give size= and resize=, such as '{path}(size=640)'")
    plain: dict[str, Any] = (
        {"scale": 1.0} if session.integer else {"scale": taken.scale, "mean": taken.mean, "std": taken.std}
    )
    return DetectorInput(**common, **plain, size=detector.size, resize=taken.resize, pad=taken.pad, bgr=taken.bgr)


def compare(graph: Any, enhancer: Enhancer, detector: Any, images: Sequence[Image]) -> Comparison:
    """Run the fused graph and the two steps on images.

    Args:
        graph: ``onnx.ModelProto`` of :func:`.fused_graph.fuse`.
        enhancer, detector: the two steps.
        images: RGB uint8, any sizes.

    Raises:
        UserError: the graph fails.
    """
    import onnx

    probe = onnx.ModelProto()
    probe.CopyFrom(graph)
    probe.graph.output.append(onnx.helper.make_tensor_value_info(INPUT, onnx.TensorProto.FLOAT, [1, 3, None, None]))
    names = [output.name for output in graph.graph.output]
    boxes = matched = values = differing = 0
    levels = pixels = score = 0.0
    try:
        session = onnxruntime_session(probe.SerializeToString(), "a fused export")
        for image in images:
            answers = session.run([*names, INPUT], {IMAGE: to_tensor(image).numpy()})
            enhanced = enhancer.enhance_image(image, "", "cpu")
            fitted = detector.fit(enhanced)
            two = detector.predict([enhanced])[0]
            one = _predict(detector, _Answers(detector.session, answers[:-2]), enhanced)
            inside, outside = answers[-1][0].transpose(1, 2, 0), fitted.image.astype(np.float32)
            if inside.shape != outside.shape:
                raise UserError(f"its input is {inside.shape} in place of {outside.shape}")
            difference = np.abs(inside - outside)
            levels = max(levels, float(difference.max()))
            differing, values = differing + int((difference > 0).sum()), values + difference.size
            count, same, shift, change = _match(two, one)
            boxes, matched = boxes + count, matched + same
            pixels, score = max(pixels, shift), max(score, change)
            mapping = [*fitted.scale, fitted.left, fitted.top]
            if not np.allclose(answers[-2], mapping, rtol=1e-6):
                raise UserError(f"its letterbox is {answers[-2].tolist()} in place of {mapping}")
    except Exception as error:  # ONNX Runtime has a class for each kind of failure
        raise UserError(
            f"the fused graph of {enhancer.spec} and {detector.spec} fails ({in_one_line(error)[:200]})"
        ) from error
    return Comparison(len(images), levels, differing / max(values, 1), boxes, matched, pixels, score)


class _Answers:
    """Stand-in for a detector's session that returns given outputs."""

    def __init__(self, session: Session, outputs: Sequence[NDArray[Any]]) -> None:
        self._session = session
        self._outputs = [each.astype(np.float32) if each.dtype == np.float16 else each for each in outputs]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def __call__(self, images: NDArray[Any], others: Mapping[str, NDArray[Any]] | None = None) -> list[NDArray[Any]]:
        del images, others
        return self._outputs


def _predict(detector: Any, session: _Answers, image: Image) -> Detections:
    """Run a detector with another session, once."""
    own = detector.session
    detector.session = session
    try:
        detections: Detections = detector.predict([image])[0]
    finally:
        detector.session = own
    return detections


def _match(two: Detections, one: Detections) -> tuple[int, int, float, float]:
    """Return shown boxes, matched boxes, and the largest differences of their coordinates and scores."""
    shown = np.flatnonzero(two.scores >= SHOWN)
    matched, pixels, score = 0, 0.0, 0.0
    for index in shown:
        box = two.boxes[index]
        same = np.flatnonzero(one.class_ids == two.class_ids[index])
        if not len(same):
            continue
        overlaps = _iou(box, one.boxes[same])
        best = same[overlaps.argmax()]
        if overlaps.max() >= NEAR:
            matched += 1
            pixels = max(pixels, float(np.abs(one.boxes[best] - box).max()))
            score = max(score, float(abs(one.scores[best] - two.scores[index])))
    return len(shown), matched, pixels, score


def _iou(box: NDArray[np.float64], boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    inner = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    shared = np.clip(inner, 0, None).prod(axis=1)
    total = (box[2:] - box[:2]).prod() + (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) - shared
    return np.asarray(shared / np.maximum(total, 1e-9), dtype=np.float64)
