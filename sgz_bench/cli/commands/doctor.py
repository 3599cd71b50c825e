"""``sgz-bench doctor``: versions, devices, folders, and what works."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sgz_bench.core.text import pluralize

if TYPE_CHECKING:
    from sgz_bench.core.images import Image
    from sgz_bench.enhancer.diagnostics import Diagnostics

app = typer.Typer(invoke_without_command=True)

_PACKAGES = (
    "torch",
    "torchvision",
    "ultralytics",
    "segmentation-models-pytorch",
    "pycocotools",
    "opencv-python",
    "numpy",
    "pandas",
    "matplotlib",
    "pillow",
    "numba",
    "simplejpeg",
    "onnx",
    "onnxruntime",
    "openvino",
)


@app.callback()
def doctor(context: typer.Context) -> None:
    """Print versions, devices, caches, and what works here; exit code 1 if something needed does not.

    With the subcommand weights: examine an enhancer.
    """
    if context.invoked_subcommand is None:
        _installation()


@app.command("weights")
def weights(
    target: Annotated[
        str,
        typer.Argument(metavar="FILE|SPEC", help="A weight file, or an enhancer such as sgz(weights=PATH,scale=4)."),
    ],
    data: Annotated[
        list[Path] | None,
        typer.Option(
            help="Picture, or folder of pictures; may be repeated. Default: a drawn scene, by night and by day."
        ),
    ] = None,
    size: Annotated[str, typer.Option(metavar="WxH", help="Image size for multiply-accumulates.")] = "512x512",
    figure: Annotated[
        Path | None, typer.Option(help="Write tone curve, example and factor map to this .png or .pdf.")
    ] = None,
) -> None:
    """Examine an enhancer and its weights, without labels: dead parameters, tone curve, colour cast, noise, cost."""
    from sgz_bench.core.errors import UserError
    from sgz_bench.enhancer import create_enhancer
    from sgz_bench.enhancer.diagnostics import diagnose, enhancer_spec

    sides = [int(side) for side in size.split("x") if side.isdecimal() and int(side) > 0]
    if len(sides) != 2 or size.count("x") != 1:
        raise UserError(f"--size {size!r} is not WIDTHxHEIGHT, such as 1920x1080")
    if figure is not None:
        from sgz_bench.reports.figures.style import check_formats

        check_formats((figure.suffix.removeprefix("."),))
    enhancer = create_enhancer(enhancer_spec(target))
    pictures = _pictures(data) if data else []
    found = diagnose(enhancer, pictures, (sides[0], sides[1]))
    for name, value in _findings(found):
        typer.echo(f"{name:22} {value}")
    if figure is not None:
        from sgz_bench.reports.figures.diagnostics import diagnostics_figure
        from sgz_bench.reports.figures.style import save

        written = save(diagnostics_figure(found), figure.with_suffix(""), (figure.suffix.removeprefix("."),))
        typer.echo(f"figure: {written[0]}")


def _pictures(places: list[Path]) -> list[Image]:
    """Every image of files and folders that can be decoded; the others are named on stderr.

    Raises:
        UserError: there is none.
    """
    from sgz_bench.core.errors import UserError
    from sgz_bench.core.images import IMAGE_SUFFIXES, read_image

    pictures = []
    for place in (path.expanduser() for path in places):
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if place.is_dir() and path.suffix.lower() not in IMAGE_SUFFIXES:
                continue
            try:
                pictures.append(read_image(path))
            except UserError as error:
                typer.echo(f"skipped: {error}", err=True)
    if not pictures:
        raise UserError(f"no pictures in {', '.join(str(place) for place in places)}; give --data images or folders")
    return pictures


def _findings(found: Diagnostics) -> list[tuple[str, str]]:
    """Name and value of each line of the table."""
    rows = [("enhancer", found.spec), ("fingerprint", found.fingerprint)]
    if found.file is not None:
        rows += [
            ("weights sha256", found.file.sha256),
            ("licence", found.file.licence or "not stated"),
        ]
    if found.parameters:
        rows.append(("parameters", f"{found.parameters:,}"))
    if found.file is not None:
        rows.append(("dead", f"{found.file.dead:,} below 1e-30, {found.file.subnormal:,} of them subnormal"))
    if found.parameters:
        rows.append(("idle", f"{found.idle:,} without influence on the pictures"))
    width, height = found.size
    spread = "no factor map" if found.spread is None else f"{found.spread:.4f} (standard deviation over a picture)"
    change = "no such picture" if found.change is None else f"{found.change:.4f} mean change of {found.bright}"
    samples = ", ".join(f"{level / 255:.2f} → {found.curve[level].mean():.3f}" for level in (26, 64, 128, 191))
    red, green, blue = found.flat
    return [
        *rows,
        ("MACs", f"{found.macs / 1e6:,.1f} million at {width}×{height} (convolutions and matrix products)"),
        ("factor map spread", spread),
        ("locality", f"{found.locality:.4f} that no global tone curve explains"),
        ("tone curve", samples),
        ("monotonic", "yes" if found.fall < 1e-6 else f"no, falls by up to {found.fall:.4f}"),
        ("cast on a grey ramp", f"{found.cast:.4f} (largest |R−G| or |B−G|)"),
        ("flat grey 0.10", f"({red:.3f}, {green:.3f}, {blue:.3f})"),
        ("pictures ≥ 0.45", change),
        ("noise gain", f"{found.noise_gain:.2f}× on grey 0.10"),
    ]


def _installation() -> None:
    import os
    import platform
    from importlib.metadata import PackageNotFoundError, version

    from sgz_bench import __version__
    from sgz_bench.core.cache import cache_folder

    typer.echo(f"sgz-bench {__version__}, Python {platform.python_version()}, {platform.platform()}")
    for name in _PACKAGES:
        try:
            typer.echo(f"  {name} {version(name)}")
        except PackageNotFoundError:
            typer.echo(f"  {name} is not installed")
    cache = cache_folder()
    typer.echo(f"cache: {cache} ({'exists' if cache.is_dir() else 'made when first needed'})")
    typer.echo(f"CPU: {os.cpu_count()} cores")
    failed = False
    for what, check in _CHECKS.items():
        try:
            typer.echo(f"{what}: {check()}")
        except Exception as error:  # whatever is wrong is what is to be shown
            failed = True
            typer.echo(f"{what}: does not work: {' '.join(str(error).split())}")
    if failed:
        raise typer.Exit(1)


def _torch() -> str:
    import torch

    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return f"{pluralize(torch.get_num_threads(), 'thread')}, GPUs: {', '.join(gpus) or 'none'}"


def _torchvision() -> str:
    import torch
    from torchvision.ops import nms

    nms(torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.tensor([1.0]), 0.5)
    return "works"


def _ultralytics() -> str:
    from sgz_bench.tasks.ultralytics import import_ultralytics

    import_ultralytics()
    return "works (installs, telemetry and network off)"


def _enhancers() -> str:
    import inspect

    import torch

    from sgz_bench.core.errors import UserError, in_one_line
    from sgz_bench.core.specs import PATH_KEYS
    from sgz_bench.enhancer import create_enhancer
    from sgz_bench.enhancer.catalog import ENHANCERS

    image = torch.linspace(0, 1, 3 * 24 * 24).reshape(1, 3, 24, 24)
    # Some need a weight file, or a folder.
    needing = {name: PATH_KEYS & set(inspect.signature(cls).parameters) for name, cls in ENHANCERS.loaded().items()}
    working, failing = [], []
    for name in (name for name, files in needing.items() if not files):
        try:
            create_enhancer(name)(image)
            working.append(name)
        except Exception as error:  # one that fails, such as a plugin, must not hide the others
            failing.append(f"{name} fails ({in_one_line(error)})")
    if failing:
        raise UserError(f"{', '.join(failing)}; the others work: {', '.join(working)}")
    return f"{', '.join(working)} work"


def _onnxruntime() -> str:
    try:
        import onnxruntime
    except ImportError:
        return "not installed (needed for .onnx models: pip install 'sgz-bench[onnx]')"
    return ", ".join(onnxruntime.get_available_providers())


_CHECKS = {
    "torch": _torch,
    "torchvision": _torchvision,
    "ultralytics": _ultralytics,
    "onnxruntime": _onnxruntime,
    "enhancers": _enhancers,
}
