"""Enhancers as ONNX graphs with batch, height and width left open."""

from __future__ import annotations

import contextlib
import io
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from sgz_bench.core.errors import UserError, in_one_line
from sgz_bench.core.sessions import onnxruntime_session, require_package

from ..base import Enhancer
from ..weights import restricted

OPSET = 17
SIZES = ((2, 48, 64), (1, 61, 83), (3, 33, 130))  # batch, height, width on which an exported graph is tried
TOLERANCE = 1e-4  # of a graph against PyTorch; an 8-bit level is 3.9e-3
_TRACED = (1, 3, 51, 67)  # divides by no scale, so that padding is part of the graph


class _Whole(nn.Module):
    def __init__(self, enhancer: Enhancer, clip: bool) -> None:
        super().__init__()
        self.enhancer, self.clip = enhancer, clip

    def forward(self, image: Tensor) -> Tensor:
        found = self.enhancer.enhance(image)
        return found.clamp(0, 1) if self.clip else found


def to_onnx(enhancer: Enhancer, *, clip: bool = True) -> bytes:
    """The graph of an enhancer on a CPU: ``image`` to ``enhanced``, RGB ``(B, 3, H, W)`` float32 in [0, 1].

    Args:
        enhancer: what to export.
        clip: to [0, 1] as the last step, which may make a number of NaN.

    Raises:
        UserError: the method does something that a graph cannot.
    """
    require_package("onnx", "exporting")  # PyTorch's exporter reports its absence as another failure
    buffer = io.BytesIO()
    axes = {name: {0: "batch", 2: "height", 3: "width"} for name in ("image", "enhanced")}
    try:
        with warnings.catch_warnings(), torch.no_grad(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")  # of shapes that become constants: the graph is tried on other sizes
            torch.onnx.export(
                _Whole(enhancer, clip).eval(),
                (torch.rand(_TRACED, generator=torch.Generator().manual_seed(0)) * 0.4,),
                buffer,  # type: ignore[arg-type]
                input_names=["image"],
                output_names=["enhanced"],
                dynamic_axes=axes,
                opset_version=OPSET,
                dynamo=False,
            )
    except Exception as error:  # the exporter has many ways to say that it cannot
        raise UserError(f"{enhancer.spec} cannot be exported ({in_one_line(error)[:200]})") from error
    return buffer.getvalue()


def save_graph(path: Path, graph: bytes, enhancer: Enhancer) -> None:
    """Write a graph with its enhancer's spec, fingerprint and terms as metadata; the file appears whole or not at all.

    Raises:
        UserError: the place cannot be written.
    """
    import onnx

    model = onnx.load_model_from_string(graph)
    model.producer_name = "sgz-bench"
    about = {"spec": enhancer.spec, "fingerprint": enhancer.fingerprint, "terms": restricted(enhancer)}
    onnx.helper.set_model_props(model, about)
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(model.SerializeToString(deterministic=True))
        partial.replace(path)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def check_graph(graph: bytes, enhancer: Enhancer) -> dict[tuple[int, int, int], float]:
    """The largest absolute difference of a graph from PyTorch at some sizes of image and batch.

    Raises:
        UserError: it fails at a size, or is further off than ``TOLERANCE``.
    """
    session = onnxruntime_session(graph, "exporting")
    if not session.get_inputs():
        raise UserError(
            f"{enhancer.spec} cannot be exported: it is computed outside PyTorch; networks and curves can be"
        )
    found = {}
    for batch, height, width in SIZES:
        image = torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(height)) ** 2
        try:
            got = session.run(None, {"image": image.numpy()})[0]
            enhancer.refuse(got.shape, image.shape, finite=bool(np.isfinite(got).all()))
            found[batch, height, width] = float(np.abs(got - enhancer(image).numpy()).max())
        except Exception as error:
            raise UserError(
                f"{enhancer.spec} cannot be exported: its graph fails at {batch} × {height} × {width}"
                f" ({in_one_line(error)[:160]})"
            ) from error
        if found[batch, height, width] > TOLERANCE:
            raise UserError(
                f"{enhancer.spec} cannot be exported: its graph is off by {found[batch, height, width]:.2g}"
                f" at {batch} × {height} × {width}"
            )
    return found
