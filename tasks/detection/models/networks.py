"""Networks of Ultralytics detectors: checkpoints in PyTorch, exports in their engines."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from sgz_bench.core.errors import UserError
from sgz_bench.core.files import read_yaml

from ...sessions import ExportMetadata, Nms, Session, named_classes
from ...ultralytics import import_ultralytics
from .heads import Head, recognise


class Network(ABC):
    """A network: RGB uint8 ``(B, h, w, 3)`` in, the raw answer of each image out.

    Attributes:
        names: by class id.
        head: form of the answer.
        stride: of a network without fixed size, pixels.
        size: fixed height and width of the input, None if dynamic.
        batch: fixed number of images per call, None if dynamic.
        nms: NMS inside an export.
        packages: packages it computes with.
        files: files of its weights and names.
    """

    names: tuple[str, ...]
    head: Head
    stride: int = 32
    size: tuple[int, int] | None = None
    batch: int | None = None
    nms: Nms | None = None
    packages: tuple[str, ...] = ()
    files: Sequence[Path] = ()

    @abstractmethod
    def __call__(self, images: NDArray[np.uint8]) -> Sequence[NDArray[np.float32]]: ...


class TorchNetwork(Network):
    """A checkpoint's model in PyTorch."""

    def __init__(self, model: Any, path: Path, device: str) -> None:
        if model.task != "detect":
            raise UserError(f"{path} is a {model.task} model; use a detection model")
        self.model = model.to(device).requires_grad_(False)
        self.device = device
        self.names = tuple(model.names[index] for index in range(len(model.names)))
        self.stride = max(int(model.stride.max()), 32)
        self.files = [path]
        if isinstance(model, import_ultralytics().RTDETRDetectionModel):
            self.head = Head("final", across=False, fractions=True)
        elif getattr(model, "end2end", False):
            self.head = Head("final", across=False, centred=False)
        else:
            self.head = Head()

    @torch.inference_mode()
    def __call__(self, images: NDArray[np.uint8]) -> Sequence[NDArray[np.float32]]:
        batch = torch.from_numpy(images).to(self.device).permute(0, 3, 1, 2).contiguous().float().div_(255)
        output: Any = self.model(batch)
        first = output[0] if isinstance(output, (list, tuple)) else output
        return list(first.float().cpu().numpy())


class ExportedNetwork(Network):
    """An export in its engine, tried with a grey image when it is opened.

    Args:
        session: of the file.
        path: as the user gave it, for messages.
        names: ``names=`` setting, for files without class names.
        imgsz: side of the input where it is dynamic, pixels.
        batch: images per call.

    Raises:
        UserError: it is no detector, or its answer cannot be interpreted.
    """

    def __init__(self, session: Session, path: Path, names: str | None, imgsz: int, batch: int) -> None:
        self.session = session
        meta = ExportMetadata.of(session.metadata, path)
        if meta.task not in {None, "detect"}:
            raise UserError(f"{path} is a {meta.task} model; use a detection model")
        given, self.files = named_classes(names) if names is not None else (None, [])
        self.files = [*session.files, *self.files]
        classes = given or meta.names
        self.stride = max(meta.stride or 32, 32)
        height, width = session.input_size
        if height is not None or width is not None:
            self.size = (height or imgsz, width or imgsz)
        self.batch, self.packages = session.batch_size, session.packages
        self._white = np.float32(1 if session.integer else 255)
        self.nms = session.nms
        tried = self.size or (imgsz, imgsz)
        count = self.batch or batch
        outputs = session.probe(*tried, count=count, scale=255 if session.integer else 1)
        self.head = recognise(path, outputs, len(classes) if classes else None, meta, self.nms, tried)
        if self.head.form != "batched" and len(outputs[self.head.output]) != count:
            raise UserError(f"{path} answers for one image whatever the batch; leave batch out, or export it again")
        if self.head.form == "batched" and count > 1:
            raise UserError(f"{path} takes one image at a time; leave batch out")
        if classes is None:
            raise UserError(f"{path} has no class names; give names=coco, names=FILE or names=A|B")
        self.names = classes
        if self.head.form not in {"final", "batched"}:
            self.nms = None
        elif meta.nms and self.nms is None:
            self.nms = Nms(None, None)
        if self.nms is not None:
            told = meta.arguments  # metadata first
            conf, iou = (told[key] if isinstance(told.get(key), float) else None for key in ("conf", "iou"))
            self.nms = Nms(conf or self.nms.conf, iou or self.nms.iou, self.nms.max_det)
            if count > (self.batch or meta.batch or 1):  # its loop over images is unrolled
                raise UserError(f"{path} does NMS for {meta.batch or 1} image at a time; leave batch out")

    def __call__(self, images: NDArray[np.uint8]) -> Sequence[NDArray[np.float32]]:
        batch = np.ascontiguousarray(images.transpose(0, 3, 1, 2), dtype=np.float32) / self._white
        output = np.asarray(self.session(batch)[self.head.output], dtype=np.float32)
        return [output] if self.head.form == "batched" else list(output)


def network_from_state(path: Path) -> Any:
    """Build the model that the ``.yaml`` beside a ``.safetensors`` describes, with its weights, fused.

    Raises:
        UserError: the two files do not fit.
    """
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
