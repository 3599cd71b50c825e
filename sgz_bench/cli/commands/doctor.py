"""``sgz-bench doctor``: check the installation, or examine an enhancer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sgz_bench.core.text import pluralize

from ..group import Commands

if TYPE_CHECKING:
    from sgz_bench.core.images import Image
    from sgz_bench.enhancer.diagnostics import Diagnostics

app = typer.Typer(cls=Commands, invoke_without_command=True)

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
    """Print versions, devices and caches, and check what works; exit code 1 if a required part does not work.

    The subcommand weights examines an enhancer.
    """
    if context.invoked_subcommand is None:
        _installation()


@app.command("weights")
def weights(
    target: Annotated[
        str,
        typer.Argument(metavar="FILE|SPEC", help="Weight file, or enhancer such as sgz(weights=PATH,scale=4)."),
    ],
    data: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="PATH",
            help="Image, or folder of images; may be repeated. By default a drawn scene, by night and by day.",
        ),
    ] = None,
    size: Annotated[
        str, typer.Option(metavar="WxH", help="Image size for which multiply–accumulates are counted.")
    ] = "512x512",
    figure: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw tone curve, example and factor map to this .png or .pdf."),
    ] = None,
) -> None:
    """Examine an enhancer without labels: dead parameters, tone curve, colour cast, noise gain, cost."""
    from sgz_bench.core.errors import UserError
    from sgz_bench.enhancer import create_enhancer
    from sgz_bench.enhancer.diagnostics import diagnose, enhancer_spec

    sides = [int(side) for side in size.split("x") if side.isdecimal() and int(side) > 0]
    if len(sides) != 2 or size.count("x") != 1:
        raise UserError(f"--size {size!r} is not a size; write WIDTHxHEIGHT, such as 1920x1080")
    if figure is not None:
        from sgz_bench.reports.figures.style import check_formats

        check_formats((figure.suffix.removeprefix("."),))
    enhancer = create_enhancer(enhancer_spec(target))
    pictures = _pictures(data) if data else []
    diagnostics = diagnose(enhancer, pictures, (sides[0], sides[1]))
    for name, value in _lines(diagnostics):
        typer.echo(f"{name:22} {value}")
    if figure is not None:
        from sgz_bench.reports.figures.diagnostics import diagnostics_figure
        from sgz_bench.reports.figures.style import save

        written = save(diagnostics_figure(diagnostics), figure.with_suffix(""), (figure.suffix.removeprefix("."),))
        typer.echo(f"figure: {written[0]}")


def _pictures(paths: list[Path]) -> list[Image]:
    """Read the images of files and folders; name those that cannot be decoded on stderr.

    Raises:
        UserError: no image can be decoded.
    """
    from sgz_bench.core.errors import UserError
    from sgz_bench.core.files import visible_files
    from sgz_bench.core.images import IMAGE_SUFFIXES, read_image

    pictures = []
    for path in (each.expanduser() for each in paths):
        for file in visible_files(path) if path.is_dir() else [path]:
            if path.is_dir() and file.suffix.lower() not in IMAGE_SUFFIXES:
                continue
            try:
                pictures.append(read_image(file))
            except UserError as error:
                typer.echo(f"skipped: {error}", err=True)
    if not pictures:
        raise UserError(f"no images in {', '.join(map(str, paths))}; name images or folders with --data")
    return pictures


def _lines(diagnostics: Diagnostics) -> list[tuple[str, str]]:
    """Return name and value of each line of the table."""
    rows = [("enhancer", diagnostics.spec), ("fingerprint", diagnostics.fingerprint)]
    if diagnostics.file is not None:
        rows += [
            ("weights sha256", diagnostics.file.sha256),
            ("licence", diagnostics.file.licence or "not stated"),
        ]
    if diagnostics.parameters:
        rows.append(("parameters", f"{diagnostics.parameters:,}"))
    if diagnostics.file is not None:
        rows.append(
            ("dead", f"{diagnostics.file.dead:,} below 1e-30, {diagnostics.file.subnormal:,} of them subnormal")
        )
    if diagnostics.parameters:
        rows.append(("idle", f"{diagnostics.idle:,} without influence on the pictures"))
    width, height = diagnostics.size
    spread = (
        "no factor map"
        if diagnostics.spread is None
        else f"{diagnostics.spread:.4f} (standard deviation over a picture)"
    )
    change = (
        "no such picture"
        if diagnostics.change is None
        else f"{diagnostics.change:.4f} mean change of {diagnostics.bright}"
    )
    samples = ", ".join(f"{level / 255:.2f} → {diagnostics.curve[level].mean():.3f}" for level in (26, 64, 128, 191))
    red, green, blue = diagnostics.flat
    return [
        *rows,
        ("MACs", f"{diagnostics.macs / 1e6:,.1f} million at {width}×{height} (convolutions and matrix products)"),
        ("factor map spread", spread),
        ("locality", f"{diagnostics.locality:.4f} that no global tone curve explains"),
        ("tone curve", samples),
        ("monotonic", "yes" if diagnostics.fall < 1e-6 else f"no, falls by up to {diagnostics.fall:.4f}"),
        ("cast on a grey ramp", f"{diagnostics.cast:.4f} (largest |R−G| or |B−G|)"),
        ("flat grey 0.10", f"({red:.3f}, {green:.3f}, {blue:.3f})"),
        ("pictures ≥ 0.45", change),
        ("noise gain", f"{diagnostics.noise_gain:.2f}× on grey 0.10"),
    ]


def _installation() -> None:
    """Print versions, caches and processors, and the result of every check.

    Raises:
        typer.Exit: with code 1 if a check fails.
    """
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
    typer.echo(f"cache: {cache} ({'exists' if cache.is_dir() else 'created when first needed'})")
    typer.echo(f"CPU: {os.cpu_count()} cores")
    failed = False
    for name, check in _CHECKS.items():
        try:
            typer.echo(f"{name}: {check()}")
        except Exception as error:  # any failure is a result of the check
            failed = True
            typer.echo(f"{name}: does not work: {' '.join(str(error).split())}")
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
    # Enhancers that need a weight file or a folder are not tried.
    paths = {name: PATH_KEYS & set(inspect.signature(cls).parameters) for name, cls in ENHANCERS.loaded().items()}
    working, failing = [], []
    for name in (name for name, required in paths.items() if not required):
        try:
            create_enhancer(name)(image)
            working.append(name)
        except Exception as error:  # a failing enhancer, such as a plugin, must not hide the others
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
