"""``sgz-bench doctor``: versions, devices, folders, and what works."""

from __future__ import annotations

import typer

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
    "onnxruntime",
)


def doctor() -> None:
    """Print versions, devices, caches, and what works here; exit code 1 if something needed does not."""
    import os
    import platform
    from importlib.metadata import PackageNotFoundError, version

    from sgz_bench import __version__
    from sgz_bench.enhancer.cache import cache_folder

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
    return f"{torch.get_num_threads()} threads, GPUs: {', '.join(gpus) or 'none'}"


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
    import torch

    from sgz_bench.enhancer import create_enhancer
    from sgz_bench.enhancer.catalog import ENHANCERS

    image = torch.linspace(0, 1, 3 * 24 * 24).reshape(1, 3, 24, 24)
    names = [name for name in ENHANCERS if name != "sgz"]  # sgz needs a weight file
    for name in names:
        create_enhancer(name)(image)
    return f"{', '.join(names)} work"


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
