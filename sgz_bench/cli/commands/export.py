"""``sgz-bench export``: write an enhancer as an ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .. import study_options as study


def export(
    enhancer: Annotated[str, typer.Argument(metavar="SPEC", help="Enhancer, such as sgz or 'zero-dce(scale=2)'.")],
    out: Annotated[Path, typer.Option("--out", help="The .onnx file to write.", metavar="FILE")],
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
    download: study.Download = False,
) -> None:
    """Write an enhancer as ONNX with free batch, height and width, after comparing its output with PyTorch."""
    from sgz_bench.core.errors import UserError
    from sgz_bench.enhancer import create_enhancer
    from sgz_bench.enhancer.runtime.export import OPSET, check_graph, save_graph, to_onnx

    out = out.expanduser()
    if out.suffix.lower() != ".onnx":
        raise UserError(f"--out {out} does not end in .onnx; name a file such as {out.with_suffix('.onnx')}")
    if out.is_dir():
        raise UserError(f"{out} is a folder; give the name of a file, such as {out / 'sgz.onnx'}")
    if out.exists() and not force:
        raise UserError(f"{out} exists; choose another file or overwrite it (--force)")
    study.fetch([enhancer] if download else ())
    method = create_enhancer(enhancer)
    graph = to_onnx(method)
    for (batch, height, width), difference in check_graph(graph, method).items():
        typer.echo(f"{batch} × 3 × {height} × {width}: within {difference:.1e} of PyTorch")
    save_graph(out, graph, method)
    typer.echo(f"{out}: {method.spec}, {len(graph):,} bytes, opset {OPSET}, image → enhanced, (B, 3, H, W) in [0, 1]")
