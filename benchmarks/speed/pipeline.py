"""Folder of 720p JPEGs enhanced by SGZ at scale 12, against the steps of upstream's test script.

Upstream opens an image with Pillow, divides by 255 in NumPy, crops it to a multiple of 12, enhances it in eager
PyTorch, and saves it with torchvision's ``save_image``, one image after the other. (``lowlight_test.py`` of
ShenZheng2000/Semantic-Guided-Low-Light-Image-Enhancement, MIT.)
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from bench import Line, Page, finish, in_turn, options
from PIL import Image as Pillow
from plain_sgz import network
from torchvision.utils import save_image

from sgz_bench.core.images import read_image, write_image
from sgz_bench.enhancer import create_enhancer
from sgz_bench.enhancer.darken import parse_darken
from sgz_bench.enhancer.files.inputs import plan_files
from sgz_bench.enhancer.files.pipeline import enhance_files
from sgz_bench.enhancer.runtime.choice import use_engine
from sgz_bench.tasks.nightscene import render_frame

WEIGHTS, SCALE = "sgz-v1", 12
HEIGHT, WIDTH = 720, 1272  # divides by 12, so that both sides write the same pixels


def main() -> None:
    """Create the photographs, enhance them both ways, and profile the steps."""
    parser = options(__doc__)
    parser.add_argument("--upstream", type=Path, help="folder with upstream's network, to run as the baseline")
    parser.add_argument("--images", type=Path, help="folder of photographs; default: rendered scenes")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    os.environ["OMP_NUM_THREADS"] = str(chosen.threads)  # also the number of images in flight
    page = Page("A folder of photographs")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        _photographs(folder / "in", 4 if chosen.quick else 24, chosen.images)
        for kind, goal in (("jpg", 8), ("png", 12)):
            _compare(page, folder, kind, goal, chosen.upstream)
        _parts(page, folder)
    finish(page, chosen)


def _photographs(folder: Path, count: int, source: Path | None) -> None:
    """Write 720p JPEGs of quality 95, all of one size: rendered night scenes, or given photographs."""
    folder.mkdir()
    files = sorted(path for path in source.rglob("*") if path.suffix.lower() in {".jpg", ".png"}) if source else []
    for index in range(count):
        picture = read_image(files[index % len(files)]) if files else _scene(index)
        image = Pillow.fromarray(picture).resize((WIDTH, HEIGHT), Pillow.Resampling.BICUBIC)
        image.save(folder / f"{index:03}.jpg", quality=95)


def _compare(page: Page, folder: Path, kind: str, goal: float, upstream: Path | None) -> None:
    enhance = network(WEIGHTS, SCALE, upstream)
    sources = sorted((folder / "in").iterdir())

    @torch.inference_mode()
    def theirs() -> None:
        for source in sources:
            data = torch.from_numpy(np.asarray(Pillow.open(source)) / 255.0).float()
            height, width = (data.shape[0] // SCALE) * SCALE, (data.shape[1] // SCALE) * SCALE
            enhanced = enhance(data[:height, :width].permute(2, 0, 1)[None])
            save_image(enhanced, folder / "theirs" / f"{source.stem}.{kind}")

    enhancer = use_engine(create_enhancer(f"sgz(weights={WEIGHTS},scale={SCALE})"), "cpu")

    def ours() -> None:
        shutil.rmtree(folder / "ours", ignore_errors=True)
        outcomes = list(enhance_files(plan_files([str(folder / "in")], folder / "ours", suffix=f".{kind}"), enhancer,
                                      quality=75))  # fmt: skip
        assert all(outcome.status == "done" for outcome in outcomes)

    (folder / "theirs").mkdir(exist_ok=True)
    slow, fast = in_turn(theirs, ours, seconds=4)
    off, sizes = [], np.zeros(2)
    for source in sources:
        pair = [folder / side / f"{source.stem}.{kind}" for side in ("theirs", "ours")]
        sizes += [path.stat().st_size for path in pair]
        one, other = (read_image(path).astype(int) for path in pair)
        off.append(np.abs(one - other))
    share, most = np.mean([np.count_nonzero(each) / each.size for each in off]), max(each.max() for each in off)
    same = f"{share:.2g} of the bytes differ, by at most {most}; files {100 * (sizes[1] / sizes[0] - 1):+.0f} %"
    rival = "upstream's network in its script" if upstream else "upstream's script, step by step"
    page.add(Line(f"a 720p image, JPEG to {kind.upper()}", rival, slow / len(sources), fast / len(sources), same, goal))


def _parts(page: Page, folder: Path) -> None:
    """Time each step for one image in one thread, and PNG compression by level."""
    source = next(iter(sorted((folder / "in").iterdir())))
    image = read_image(source)
    enhancer = use_engine(create_enhancer(f"sgz(weights={WEIGHTS},scale={SCALE})"), "cpu")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    steps = {
        "decode": partial(read_image, source),
        "enhance": partial(enhancer.enhance_image, image, "", "cpu"),
        "encode JPEG": partial(write_image, folder / "a.jpg", image, quality=75),
        "encode PNG": partial(write_image, folder / "a.png", image),
        "encode PNG, Pillow's default level": partial(Pillow.fromarray(image).save, folder / "b.png"),
    }
    taken = dict(zip(steps, in_turn(*steps.values(), seconds=0.5), strict=True))
    torch.set_num_threads(threads)
    summary = ", ".join(f"{name} {1000 * seconds:.1f} ms" for name, seconds in taken.items())
    page.note(f"One thread, one image: {summary}. With several threads, decoding, enhancing and encoding"
              " overlap.")  # fmt: skip
    rows = []
    for compress in (0, 1, 3, 6, 9):
        start = time.perf_counter()
        write_image(folder / "c.png", image, compress=compress)
        size = (folder / "c.png").stat().st_size
        rows.append(f"| {compress} | {1000 * (time.perf_counter() - start):.0f} ms | {size / 1e6:.2f} MB |")
    page.note("PNGs by `--compress`:\n\n| level | time | size |\n|--:|--:|--:|\n" + "\n".join(rows))


def _scene(index: int) -> np.ndarray:
    """Render a night scene as a camera records it: dark and noisy."""
    frame = render_frame(7, index, width=WIDTH, height=HEIGHT)
    return parse_darken("ev=3", seed=0)(frame.bright, str(index))


if __name__ == "__main__":
    main()
