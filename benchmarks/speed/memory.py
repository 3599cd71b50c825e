"""Memory over many images: resident set while a folder is enhanced, and while detections are logged.

``--figure FILE.svg`` draws both curves.
"""

from __future__ import annotations

import gc
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from bench import Page, finish, options

from sgz_bench.benchmarks.store import LOG, ImageLog
from sgz_bench.core.images import write_image
from sgz_bench.enhancer import create_enhancer
from sgz_bench.enhancer.files.inputs import plan_files
from sgz_bench.enhancer.files.pipeline import enhance_files
from sgz_bench.enhancer.runtime.choice import sample_image, use_engine

Curve = list[tuple[int, float]]  # images done, resident MB


def main() -> None:
    """Enhance and log many images, and record the resident set."""
    parser = options(__doc__)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--figure", type=Path, help="draw the curves to this file")
    chosen = parser.parse_args()
    count = 300 if chosen.quick else chosen.images
    page = Page("Memory")
    with tempfile.TemporaryDirectory() as scratch:
        curves = {
            f"enhance {count:,} images of 320 × 240 by sgz": _watch(_enhance(Path(scratch), count), count),
            f"log {count:,} images with 100 detections each": _watch(_log(Path(scratch), count), count),
        }
    for name, curve in curves.items():
        done, held = np.array(curve).T
        late = done >= count // 5  # initial loading and compiling is no leak
        slope = float(np.polyfit(done[late], held[late], 1)[0]) * 1e6
        summary = ", ".join(f"{int(done[index])}: {held[index]:.0f} MB" for index in
                         (0, len(curve) // 4, len(curve) // 2, 3 * len(curve) // 4, -1))  # fmt: skip
        page.note(f"Resident set, {name}: {summary}; after the first fifth {slope:+,.0f} bytes per image.")
    if chosen.figure:
        _draw(curves, chosen.figure)
        page.note(f"![Resident set over images](images/{chosen.figure.name})")
    finish(page, chosen)


def _watch(steps: Iterator[object], count: int) -> Curve:
    curve = []
    for done, _ in enumerate(steps, start=1):
        if done % max(count // 100, 1) == 0:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            curve.append((done, pages * os.sysconf("SC_PAGESIZE") / 1e6))
    gc.collect()
    return curve


def _enhance(folder: Path, count: int) -> Iterator[object]:
    """Enhance as the command does, on links to a few photographs."""
    for index in range(8):
        write_image(folder / "few" / f"{index}.jpg", np.roll(sample_image(240, 320), 7 * index, axis=1))
    (folder / "in").mkdir()
    for index in range(count):
        os.link(folder / "few" / f"{index % 8}.jpg", folder / "in" / f"{index:06}.jpg")
    enhancer = use_engine(create_enhancer("sgz"), "cpu")
    for outcome in enhance_files(plan_files([str(folder / "in")], folder / "out", suffix=".jpg"), enhancer):
        assert outcome.status == "done"
        outcome.job.target.unlink()
        yield outcome


def _log(folder: Path, count: int) -> Iterator[object]:
    """Log as a run does, which keeps only image ids in memory."""
    rng = np.random.default_rng(0)
    log = ImageLog(folder / "cell" / LOG)
    for image in range(1, count + 1):
        boxes = rng.uniform(0, 600, (100, 4)).tolist()
        detections = [{"category_id": 1, "bbox": box, "score": float(rng.random())} for box in boxes]
        log.append(image, json.dumps({"image_id": image, "detections": detections}).encode() + b"\n")
        yield image
    log.close()


def _draw(curves: dict[str, Curve], path: Path) -> None:
    from matplotlib import pyplot as plt

    plt.rcParams["svg.hashsalt"] = "sgz-bench"
    figure, axes = plt.subplots(figsize=(6.4, 2.8), layout="constrained")
    for name, curve in curves.items():
        axes.plot(*zip(*curve, strict=True), label=name)
    axes.set(xlabel="images done", ylabel="resident MB", ylim=(0, None))
    axes.legend(frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


if __name__ == "__main__":
    main()
