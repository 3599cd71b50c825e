"""``sgz-bench demo``: enhancers on photographs that installed packages carry."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_PHOTOGRAPHS = {
    "ultralytics": ("assets/bus.jpg", "assets/zidane.jpg"),
    "skimage": ("data/astronaut.png", "data/chelsea.png", "data/coffee.png", "data/rocket.jpg"),
}
_ENHANCERS = ("raw", "gamma", "autogamma", "he", "clahe", "constant-curve")
_HEIGHT = 240


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the sheet.")] = Path("demo"),
    darken: Annotated[str, typer.Option(help="The low-light model's settings.")] = "ev=4",
) -> None:
    """Darken a few photographs, enhance them, and write one sheet to look at."""
    import numpy as np
    from PIL import Image, ImageDraw

    from sgz_bench.enhancer import create_enhancer
    from sgz_bench.enhancer.errors import UserError
    from sgz_bench.enhancer.images import read_image, to_tensor, to_uint8, write_image
    from sgz_bench.tasks.darken import parse_darken

    photographs = _installed_photographs()
    if not photographs:
        raise UserError("no installed package carries photographs; install scikit-image")
    low_light = parse_darken(darken)
    enhancers = [create_enhancer(spec) for spec in _ENHANCERS]
    rows = []
    for path in photographs:
        bright = Image.fromarray(read_image(path))
        bright = bright.resize((round(bright.width * _HEIGHT / bright.height), _HEIGHT), Image.Resampling.LANCZOS)
        dark = low_light(np.array(bright), path.stem)
        tiles = [("bright", np.array(bright))]
        tiles += [(enhancer.spec, to_uint8(enhancer(to_tensor(dark)))) for enhancer in enhancers]
        captioned = []
        for caption, tile in tiles:
            picture = Image.fromarray(np.pad(tile, ((18, 0), (0, 4), (0, 0)), constant_values=255))
            ImageDraw.Draw(picture).text((2, 3), caption.partition("(")[0], fill=(0, 0, 0))
            captioned.append(np.array(picture))
        rows.append(np.concatenate(captioned, axis=1))
    width = max(row.shape[1] for row in rows)
    sheet = np.concatenate(
        [np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0)), constant_values=255) for row in rows]
    )
    write_image(out / "enhancers.png", sheet)
    typer.echo(f"{len(photographs)} photographs, {low_light.spec}, {len(enhancers)} enhancers: {out / 'enhancers.png'}")


def _installed_photographs() -> list[Path]:
    from importlib.util import find_spec

    found = []
    for package, names in _PHOTOGRAPHS.items():
        spec = find_spec(package)
        if spec is not None and spec.origin is not None:
            found += [path for name in names if (path := Path(spec.origin).parent / name).is_file()]
    return found
