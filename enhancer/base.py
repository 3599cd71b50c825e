"""Base classes: ``Enhancer``, float RGB in and out at the same size, and ``Engine``, which runs one on 8-bit images."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from sgz_bench.core.errors import UserError
from sgz_bench.core.images import Image, to_tensor, to_uint8
from sgz_bench.core.specs import PATH_KEYS, Spec, Value, format_value


class Engine(ABC):
    """Base of all engines: run one enhancer on 8-bit images of any size, one after the other.

    Attributes:
        name: one of :data:`.runtime.choice.ENGINES`.
        packages: packages besides PyTorch that compute the result.
        precision: floating-point type of the network's sums.
    """

    name: ClassVar[str]
    packages: ClassVar[tuple[str, ...]] = ()
    precision: str = "fp32"

    @abstractmethod
    def __call__(self, image: Image) -> Image:
        """Enhance RGB ``(H, W, 3)`` uint8; the result is rounded as a saved PNG would be."""

    def in_one_thread(self) -> Callable[[Image], Image] | None:
        """Return a version for concurrent callers: each computes in its own thread alone; None if there is none."""
        return None

    @property
    def label(self) -> str:
        """Name and precision as result rows show them, for example ``fused fp32``."""
        return f"{self.name} {self.precision}"


class Enhancer(nn.Module):
    """Base of all enhancers.

    A call takes RGB ``(B, 3, H, W)`` float32 in [0, 1] and returns the same shape and range. A method that needs other
    sizes pads inside and crops back; geometry never changes.

    Subclasses set ``name`` and ``version`` (raise it when outputs change), take their parameters as keyword arguments
    of ``__init__`` and pass the effective values to ``super().__init__``.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    summary: ClassVar[str] = ""
    content: str = ""  # hash of anything besides parameters and weights that decides the output
    origin: str = ""  # spec name by which a class that is not built in was requested
    reach: int | None = None  # pixels to each side that an output pixel depends on; None: the whole image
    engine: Engine | None = None  # runs it on 8-bit images; set by :func:`.runtime.choice.use_engine`

    def __init__(self, **params: Value) -> None:
        super().__init__()
        self.params: Mapping[str, Value] = params

    @property
    def spec(self) -> str:
        """Canonical spec text such as ``clahe(clip=2,tiles=8)``."""
        return str(Spec.of(self.origin or self.name, self.params))

    @property
    def fingerprint(self) -> str:
        """Return the sha256 (hex) of name, version, parameters and weight bytes, without the paths of files."""
        params = {key: format_value(value) for key, value in sorted(self.params.items()) if key not in PATH_KEYS}
        digest = hashlib.sha256(json.dumps([self.name, self.version, params]).encode() + self.content.encode())
        return weights_sha256(self, digest)

    def enhance_image(self, image: Image, key: str, device: str) -> Image:
        """Enhance RGB ``(H, W, 3)`` uint8; ``key`` is the image's name in its data set, which most methods ignore."""
        del key
        return self.engine(image) if self.engine else to_uint8(self(to_tensor(image, device)))

    def in_one_thread(self) -> Callable[[Image], Image] | None:
        """Return ``enhance_image`` for concurrent callers: each computes in its own thread; None if there is none."""
        return self.engine.in_one_thread() if self.engine else None

    @abstractmethod
    def enhance(self, image: Tensor) -> Tensor:
        """Enhance RGB ``(B, 3, H, W)`` float32 in [0, 1]; the result may leave [0, 1], since the caller clips."""

    @torch.inference_mode()
    def forward(self, image: Tensor) -> Tensor:
        """Enhance and clip to [0, 1].

        Raises:
            UserError: the input is not ``(B, 3, H, W)`` float32, or the method returned another size or type, or values
                that are not finite.
        """
        label = self.origin or self.name
        if image.ndim != 4 or image.shape[1] != 3 or image.dtype != torch.float32 or image.numel() == 0:
            raise UserError(f"{label} takes RGB (B, 3, H, W) float32 in [0, 1], got {tuple(image.shape)} {image.dtype}")
        output = self.enhance(image)
        if not isinstance(output, Tensor) or not output.is_floating_point():
            kind = output.dtype if isinstance(output, Tensor) else type(output).__name__
            raise UserError(f"{label} returned {kind}; enhance(image) returns a float tensor in [0, 1]")
        self.refuse(output.shape, image.shape, finite=bool(torch.isfinite(output).all()))
        return output.clamp(0, 1)

    def refuse(self, shape: Sequence[int], expected: Sequence[int], *, finite: bool) -> None:
        """Refuse a result whose shape is not the image's, or whose values are not finite.

        Raises:
            UserError: names the enhancer and both shapes.
        """
        label = self.origin or self.name
        if tuple(shape) != tuple(expected):
            raise UserError(f"{label} returned {tuple(shape)} for {tuple(expected)}; sizes must not change")
        if not finite:
            raise UserError(f"{label} returned values that are not finite; check its weights and parameters")


def weights_sha256(module: nn.Module, digest: hashlib._Hash | None = None) -> str:
    """Return the sha256 (hex) of names, shapes, types and bytes of a module's tensors, appended to ``digest``."""
    digest = hashlib.sha256() if digest is None else digest
    for key, tensor in sorted(module.state_dict().items()):
        digest.update(f"{key} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
