"""SGZ from 8-bit image to 8-bit image with every engine, against plain eager PyTorch.

Upstream crops an image to a multiple of the scale, so both sides get a cropped image at scale 12.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bench import Line, Page, finish, in_turn, options
from plain_sgz import network, on_images

from sgz_bench.core.errors import UserError
from sgz_bench.core.images import Image
from sgz_bench.enhancer import create_enhancer
from sgz_bench.enhancer.runtime.choice import sample_image, use_engine
from sgz_bench.enhancer.sgz.network import REACH

WEIGHTS = "sgz-v1"
SIZES = {"720p": (720, 1280), "1080p": (1080, 1920)}
# Engine, precision, and wanted ratio at scale 1.
WAYS = (
    ("torch", "fp32", None), ("compile", "fp32", None), ("onnxruntime", "fp32", 10), ("openvino", "fp32", 10),
    ("openvino", "bf16", 20), ("fused", "fp32", 20),
)  # fmt: skip
HUGE = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
PEAK = """
import ctypes, re, sys
import numpy as np, torch
from plain_sgz import network, on_images
from sgz_bench.enhancer import create_enhancer
from sgz_bench.enhancer.runtime.choice import sample_image, use_engine
kilobytes = lambda name: int(re.search(name + r":\\s+(\\d+)", open("/proc/self/status").read())[1])
torch.set_num_threads(int(sys.argv[1]))
height, width = int(sys.argv[2]), int(sys.argv[3])
used = []
for index in range(2):  # first an image of one tile, for the memory of the engine itself
    if index == 0:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        before = kilobytes("VmRSS")
        if sys.argv[4] == "plain":
            run = on_images(network("sgz-v1", int(sys.argv[5])))
        else:
            run = use_engine(create_enhancer(f"sgz(scale={sys.argv[5]})"), "cpu", sys.argv[4]).engine
    image = np.resize(sample_image(120, 160), (256, 256, 3) if index == 0 else (height, width, 3))
    ctypes.CDLL("libc.so.6").malloc_trim(0)  # frees the memory of trying the engine
    open("/proc/self/clear_refs", "w").write("5")
    run(image)
    used.append((kilobytes("VmHWM") - before) / 1e3)
print(*used, kilobytes("VmHWM") / 1e3)
"""


def main() -> None:
    """Measure times, outputs and memory."""
    parser = options(__doc__)
    parser.add_argument("--upstream", type=Path, help="folder with upstream's code, to run as the baseline")
    parser.add_argument(
        "--times-only", action="store_true", help="only times, for the first size; no memory, no profile"
    )
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    page = Page("SGZ, image to image")
    sizes = {"320 × 240": (240, 320)} if chosen.quick else dict(list(SIZES.items())[: 1 if chosen.times_only else None])
    for index, (name, size) in enumerate(sizes.items()):
        _compare(page, chosen, name, size, 1, [way for way in WAYS if way[2] or not index])
        _compare(page, chosen, name, size, 12, (("openvino", "fp32", None), ("fused", "fp32", 15)))
    _curve(page, next(iter(sizes.values())))
    if not chosen.times_only:
        _profile(page, next(iter(sizes.values())))
        _profile_openvino(page)
        _with_huge_pages(page, chosen)
        _scaling(page, chosen)
        _memory(page, chosen)
    finish(page, chosen)


def _compare(
    page: Page, chosen: argparse.Namespace, name: str, size: tuple[int, int], scale: int,
    ways: Sequence[tuple[str, str, float | None]],
) -> None:  # fmt: skip
    image = sample_image(*(side // scale * scale for side in size))
    rival = on_images(network(WEIGHTS, scale, chosen.upstream))
    wanted = rival(image)
    for engine, precision, goal in ways:
        try:
            enhancer = use_engine(create_enhancer(f"sgz(weights={WEIGHTS},scale={scale})"), "cpu", engine, precision)
        except (UserError, RuntimeError) as error:  # a package or compiler is missing
            page.note(f"{engine} {precision} was left out: {str(error).splitlines()[0][:200]}")
            continue
        assert enhancer.engine is not None
        # One engine at a time, because the threads of others would keep spinning.
        theirs, ours = in_turn(
            partial(rival, image), partial(enhancer.engine, image), seconds=0.5 if chosen.quick else 2
        )
        same = _same(enhancer.engine(image), wanted)
        rivals = "upstream's code" if chosen.upstream else "plain eager"
        page.add(Line(f"{name}, scale {scale}, {enhancer.engine.label}", rivals, theirs, ours, same, goal))


def _curve(page: Page, size: tuple[int, int]) -> None:
    """Compare the curve alone: float32 in PyTorch, 8 bits in ours."""
    from sgz_bench.core.images import to_tensor, to_uint8
    from sgz_bench.enhancer.runtime.kernels import bend
    from sgz_bench.enhancer.sgz.curve import apply_curve

    image = sample_image(*size)
    factor = np.random.default_rng(0).uniform(-0.5, 0, image.shape).astype(np.float32)
    planes, picture, out = (
        torch.from_numpy(factor).permute(2, 0, 1)[None].contiguous(),
        to_tensor(image),
        np.empty_like(image),
    )
    picture = picture.contiguous()

    def eager() -> torch.Tensor:
        with torch.inference_mode():
            return apply_curve(picture, planes)

    def ours() -> None:
        bend(image.reshape(-1), factor.reshape(-1), factor.reshape(-1), np.array([1, 0], np.float32), out.reshape(-1))

    theirs, mine = in_turn(eager, ours, seconds=2)
    same = _same(out, to_uint8(eager()))
    page.add(Line(f"only the curve, {size[1]} × {size[0]}, one thread", "eager PyTorch", theirs, mine, same))


def _same(output: Image, wanted: Image) -> str:
    """Describe the difference of two outputs; ``yes`` without one."""
    off = np.abs(output.astype(int) - wanted)
    return f"{np.count_nonzero(off) / off.size:.2g} of the bytes differ, by {off.max()} level" if off.any() else "yes"


def _profile(page: Page, size: tuple[int, int]) -> None:
    """Profile the fused engine in one thread, and compare its throughput with a matrix product."""
    from sgz_bench.enhancer.runtime import fused, kernels

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    image, pixels = sample_image(*size), size[0] * size[1]
    whole, small = (_fused(scale) for scale in (1, 12))
    reduced = fused._reduced(image, 12)
    wide = np.empty((len(reduced), 3 * size[1]), dtype=np.float32)
    xs, shares = fused._positions(size[1], reduced.shape[1], 12)
    places = (np.uint64(3) * xs[:, None] + np.arange(3, dtype=np.uint64)).reshape(-1)
    ys, y_shares = fused._positions(size[0], len(reduced), 12)
    out = np.empty_like(image)
    square = torch.rand(1024, 1024)
    ways = {
        "scale 1": partial(whole, image),
        "its network": partial(whole._factors, image, 255, 1, lambda *_: None),
        "scale 12": partial(small, image),
        "reducing": partial(fused._reduced, image, 12),
        "network": partial(small._factors, reduced, 1, 1, lambda *_: None),
        "widening": partial(
            kernels.widen, reduced.reshape(len(reduced), -1), places, places, np.repeat(shares, 3), wide
        ),
        "enlarging, curve and rounding": partial(
            kernels.enhance_rows, image.reshape(size[0], -1), wide, ys, y_shares, out.reshape(size[0], -1)
        ),
        "a matrix product of 1024³": partial(torch.mm, square, square),
    }
    taken = dict(zip(ways, in_turn(*ways.values(), seconds=0.5), strict=True))
    torch.set_num_threads(threads)
    summary = ", ".join(f"{name} {1000 * seconds:.1f} ms" for name, seconds in taken.items())
    speed = 10_075 * pixels / taken["its network"] / 1e9
    best = 1024**3 / taken["a matrix product of 1024³"] / 1e9
    page.note(
        f"Profile of the fused engine at {size[1]} × {size[0]}, one thread: {summary}. The network runs at {speed:.0f}"
        f" GMAC/s, {100 * speed / best:.0f} % of PyTorch's matrix product ({best:.0f}). A quarter of its multiply–adds"
        " are depthwise, with nine loads for nine multiply–adds: they are limited by loads, not arithmetic."
    )


def _profile_openvino(page: Page) -> None:
    """Profile OpenVINO: a tile through its network, and the work around it."""
    from sgz_bench.enhancer.runtime.graph import OpenVino

    try:
        ways = {each: OpenVino(create_enhancer(f"sgz(weights={WEIGHTS},scale=1)"), each) for each in ("fp32", "bf16")}
    except UserError:
        return
    kept = OpenVino.tile
    side = kept + 2 * REACH
    image, square = sample_image(side, side), torch.rand(1024, 1024)
    planes = np.ascontiguousarray(image.transpose(2, 0, 1)[None], dtype=np.float32) / 255
    product, *taken = in_turn(
        partial(torch.mm, square, square),
        *(partial(way._run, planes) for way in ways.values()),
        *(partial(way._whole, image) for way in ways.values()),
        seconds=0.5,
    )
    summary = "; ".join(
        f"{name} {1000 * bare:.1f} ms ({10_075 * side**2 / bare / 1e9:.0f} GMAC/s) and {1000 * (all_ - bare):.1f} ms"
        for name, bare, all_ in zip(ways, taken[:2], taken[2:], strict=True)
    )
    page.note(
        f"Profile of OpenVINO, for a tile of {side} × {side} of which {kept} × {kept} are kept, inside and outside the"
        f" network: {summary}. PyTorch's fp32 matrix product reaches {1024**3 / product / 1e9:.0f} GMAC/s with the same"
        f" number of threads. Tile overlap costs {100 * (side / kept) ** 2 - 100:.0f} %. The rest is limited by the"
        " depthwise layers, a quarter of the multiply–adds, and by writing each layer's output to memory and reading it"
        " back."
    )


def _fused(scale: int) -> Any:
    from sgz_bench.enhancer.runtime.fused import Fused

    return Fused(create_enhancer(f"sgz(weights={WEIGHTS},scale={scale})"))


def _with_huge_pages(page: Page, chosen: argparse.Namespace) -> None:
    """Measure the ratios with huge pages, where the baseline's temporaries cost no 4 KiB page faults."""
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "page.json"
        command = [sys.executable, __file__, "--times-only", "--json", str(file), "--threads", str(chosen.threads)]
        command += ["--quick"] if chosen.quick else []
        command += ["--upstream", str(chosen.upstream)] if chosen.upstream else []
        subprocess.run(command, check=True, env=os.environ | HUGE, stdout=subprocess.DEVNULL)
        lines = [Line(**line) for line in json.loads(file.read_text(encoding="utf-8"))["lines"]]
    here = {line.what: line.ratio for line in page.lines}
    rows = [f"| {line.what} | {here[line.what]:.1f}× | {line.ratio:.1f}× |" for line in lines if line.what in here]
    page.note(
        "About half of such a ratio comes from 4 KiB page faults of the baseline's temporaries. With huge pages for"
        f" both (`{'='.join(*HUGE.items())}`):\n\n| what | ratio | with huge pages |\n|---|--:|--:|\n" + "\n".join(rows)
    )


def _scaling(page: Page, chosen: argparse.Namespace) -> None:
    """Measure time against pixels."""
    sides = (120, 240) if chosen.quick else (270, 540, 1080, 2160)
    for scale in (1, 12):
        run: Any = use_engine(create_enhancer(f"sgz(scale={scale})"), "cpu").engine
        images = [sample_image(side, side * 16 // 9) for side in sides]
        times = [in_turn(partial(run, image), seconds=1)[0] for image in images]
        slope = math.log(times[-1] / times[0]) / math.log((sides[-1] / sides[0]) ** 2)
        summary = ", ".join(f"{side}p {1000 * each:.1f} ms" for side, each in zip(sides, times, strict=True))
        page.note(f"Time against pixels, fused, scale {scale}: {summary}; slope {slope:.2f} (1 is linear).")


def _memory(page: Page, chosen: argparse.Namespace) -> None:
    """Measure peak memory: engine with image and result, and the whole process."""
    sizes = [("320 × 240", 240, 320)] if chosen.quick else [("720p", 720, 1280), ("4K", 2160, 3840), ("8K", 4320, 7680)]
    rows = []
    for name, height, width in sizes:
        for engine, scale in (("plain", 1), ("onnxruntime", 1), ("fused", 1), ("fused", 12)):
            if engine == "plain" and height > 720:
                continue
            words = [str(word) for word in (chosen.threads, height, width, engine, scale)]
            done = subprocess.run([sys.executable, "-c", PEAK, *words], capture_output=True, text=True, check=False,
                                   cwd=Path(__file__).parent)  # fmt: skip
            if done.returncode:
                continue
            small, peak, whole = map(float, done.stdout.split())
            called = "plain eager" if engine == "plain" else engine
            grows = 1e6 * (peak - small) / (height * width - 256 * 256)
            rows.append(f"| {name} | {called}, scale {scale} | {peak:,.0f} MB | {grows:,.0f} | {whole:,.0f} MB |")
    page.note(
        "Peak memory of enhancing one image in memory: above the process before the engine was created; its growth per"
        " pixel beyond an image of 256 × 256; and the whole process with PyTorch and all imports.\n\n"
        "| size | engine | engine, image and result | bytes per further pixel | process |\n|---|---|--:|--:|--:|\n"
        + "\n".join(rows)
    )


if __name__ == "__main__":
    main()
