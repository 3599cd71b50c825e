"""Export of enhancers as ONNX graphs with dynamic batch, height and width."""

from __future__ import annotations

import contextlib
import io
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from sgz_bench.core.errors import UserError, in_one_line
from sgz_bench.core.files import write_atomic
from sgz_bench.core.sessions import onnxruntime_session, require_package

from ..base import Enhancer
from ..weights import restricted

OPSET = 17
SIZES = ((2, 48, 64), (1, 61, 83), (3, 33, 130))  # batch, height, width of the inputs that check an exported graph
TOLERANCE = 1e-4  # largest allowed difference from PyTorch; an 8-bit level is 3.9e-3
_TRACED = (1, 3, 51, 67)  # no multiple of a scale, so that padding is part of the graph


class _ExportedModule(nn.Module):
    """An enhancer's ``enhance`` as a forward pass, with optional clipping."""

    def __init__(self, enhancer: Enhancer, clip: bool) -> None:
        super().__init__()
        self.enhancer, self.clip = enhancer, clip

    def forward(self, image: Tensor) -> Tensor:
        enhanced = self.enhancer.enhance(image)
        return enhanced.clamp(0, 1) if self.clip else enhanced


def to_onnx(enhancer: Enhancer, *, clip: bool = True, opset: int = OPSET) -> bytes:
    """Export an enhancer on the CPU as a graph from ``image`` to ``enhanced``, RGB ``(B, 3, H, W)`` float32 in [0, 1].

    Args:
        enhancer: the enhancer to export.
        clip: clip to [0, 1] as the last step, which may turn NaN into a number.
        opset: version of ONNX's operators, 17 to 20.

    Raises:
        UserError: the method uses operations that a graph cannot express.
    """
    require_package("onnx", "exporting")  # PyTorch's exporter reports its absence as another failure
    buffer = io.BytesIO()
    axes = {name: {0: "batch", 2: "height", 3: "width"} for name in ("image", "enhanced")}
    try:
        with warnings.catch_warnings(), torch.no_grad(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")  # shapes that become constants are found by the check on other sizes
            torch.onnx.export(
                _ExportedModule(enhancer, clip).eval(),
                (torch.rand(_TRACED, generator=torch.Generator().manual_seed(0)) * 0.4,),
                buffer,  # type: ignore[arg-type]
                input_names=["image"],
                output_names=["enhanced"],
                dynamic_axes=axes,
                opset_version=opset,
                dynamo=False,
            )
    except Exception as error:  # the exporter raises many classes
        raise UserError(f"{enhancer.spec} cannot be exported ({in_one_line(error)[:200]})") from error
    return buffer.getvalue()


def save_graph(path: Path, graph: bytes, enhancer: Enhancer) -> None:
    """Write a graph atomically, with its enhancer's spec, fingerprint and terms of use as metadata.

    Raises:
        UserError: the file cannot be written.
    """
    import onnx

    model = onnx.load_model_from_string(graph)
    model.producer_name = "sgz-bench"
    metadata = {"spec": enhancer.spec, "fingerprint": enhancer.fingerprint, "terms": restricted(enhancer)}
    onnx.helper.set_model_props(model, metadata)
    write_atomic(path, model.SerializeToString(deterministic=True))


def check_graph(graph: bytes, enhancer: Enhancer) -> dict[tuple[int, int, int], float]:
    """Return the largest absolute difference between a graph and PyTorch for each (batch, height, width) of ``SIZES``.

    Raises:
        UserError: the graph fails at a size, or the difference exceeds ``TOLERANCE``.
    """
    session = onnxruntime_session(graph, "exporting")
    if not session.get_inputs():
        raise UserError(
            f"{enhancer.spec} cannot be exported: it is computed outside PyTorch; export a network or a curve"
        )
    differences = {}
    for batch, height, width in SIZES:
        image = torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(height)) ** 2
        try:
            output = session.run(None, {"image": image.numpy()})[0]
            enhancer.refuse(output.shape, image.shape, finite=bool(np.isfinite(output).all()))
            differences[batch, height, width] = float(np.abs(output - enhancer(image).numpy()).max())
        except Exception as error:
            raise UserError(
                f"{enhancer.spec} cannot be exported: its graph fails at {batch} × {height} × {width}"
                f" ({in_one_line(error)[:160]})"
            ) from error
        if differences[batch, height, width] > TOLERANCE:
            raise UserError(
                f"{enhancer.spec} cannot be exported: its graph is off by {differences[batch, height, width]:.2g}"
                f" at {batch} × {height} × {width}"
            )
    return differences
