"""``sgz-bench export``: write an enhancer, or an enhancer and a detector, as an ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .. import study_options as study


def export(
    enhancer: Annotated[str, typer.Argument(metavar="SPEC", help="Enhancer, such as sgz or 'zero-dce(scale=2)'.")],
    out: Annotated[Path, typer.Option("--out", help="The .onnx file to write.", metavar="FILE")],
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="SPEC",
            help="Detector as an .onnx file, as `detect` takes it: enhancer, resizing and detector become one graph.",
            show_default=False,
        ),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(
            "--images",
            metavar="DIR",
            help="With --model: photographs on which the graph is compared with the two steps. Default: rendered ones.",
            show_default=False,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
    download: study.Download = False,
) -> None:
    """Write an enhancer as ONNX with free batch, height and width, after comparing its output with PyTorch.

    With --model, write enhancer and detector as one graph, after comparing its boxes with those of the two steps.
    """
    from sgz_bench.core.errors import UserError
    from sgz_bench.core.files import require_writable
    from sgz_bench.enhancer import create_enhancer
    from sgz_bench.enhancer.runtime.export import OPSET, check_graph, save_graph, to_onnx

    out = out.expanduser()
    if out.suffix.lower() != ".onnx":
        raise UserError(f"--out {out} does not end in .onnx; name a file such as {out.with_suffix('.onnx')}")
    if out.is_dir():
        raise UserError(f"{out} is a folder; give the name of a file, such as {out / 'sgz.onnx'}")
    if out.exists() and not force:
        raise UserError(f"{out} exists; choose another file or overwrite it (--force)")
    require_writable(out)
    if images is not None and model is None:
        raise UserError("--images is for --model; leave it out, or name a detector")
    study.fetch([enhancer] if download else ())
    method = create_enhancer(enhancer)
    if model is not None:
        from sgz_bench.tasks.detection.fused_export import export_fused

        for line in export_fused(method, model, out, images.expanduser() if images else None):
            typer.echo(line)
        return
    graph = to_onnx(method)
    for (batch, height, width), difference in check_graph(graph, method).items():
        typer.echo(f"{batch} × 3 × {height} × {width}: within {difference:.1e} of PyTorch")
    save_graph(out, graph, method)
    typer.echo(f"{out}: {method.spec}, {len(graph):,} bytes, opset {OPSET}, image → enhanced, (B, 3, H, W) in [0, 1]")
