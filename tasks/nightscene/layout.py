"""Frames on disk in the layouts of ExDark and ACDC, readable by the loaders of the real data sets."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from sgz_bench.core.errors import UserError
from sgz_bench.core.images import write_image
from sgz_bench.enhancer.darken import Darken

from .names import CLASSES, LIGHTING
from .render import Frame, render_frame

VERSION = 1  # raise it when a frame of the same seed looks different
BRIGHT = "ExDark_bright"
_STREETS_A_SEQUENCE = 100


@dataclass(frozen=True)
class World:
    """Settings of a rendered world.

    Attributes:
        frames: number of frames.
        seed: of geometry, light and noise.
        ev: ``(low, high)`` stops of underexposure; each frame draws its own between them.
        width, height: pixels.
        jpeg: 0, or the JPEG quality that dark frames are passed through.
    """

    frames: int = 240
    seed: int = 7
    ev: tuple[float, float] = (4.0, 4.0)
    width: int = 640
    height: int = 384
    jpeg: int = 0

    @property
    def name(self) -> str:
        """Folder name that differs whenever a pixel may differ."""
        ev = f"{self.ev[0]:g}" if self.ev[0] == self.ev[1] else f"{self.ev[0]:g}..{self.ev[1]:g}"
        jpeg = f"-jpeg{self.jpeg}" if self.jpeg else ""
        return f"nightscene-v{VERSION}-n{self.frames}-s{self.seed}-ev{ev}-{self.width}x{self.height}{jpeg}"


class _Written(NamedTuple):
    """A frame's entry for the lists."""

    number: int
    file: str
    folder: str
    kind: str
    lighting: str
    indoor: bool
    ev: float


def parse_ev(text: str) -> tuple[float, float]:
    """Parse ``"4"`` or ``"2..6"``.

    Raises:
        UserError: the text is not a range of stops from 0 to 16.
    """
    low, dots, high = text.partition("..")
    try:
        bounds = float(low), float(high if dots else low)
    except ValueError as error:
        raise UserError(f"cannot read {text!r} as stops; write 4 or 2..6") from error
    if not 0 <= bounds[0] <= bounds[1] <= 16:
        raise UserError(f"stops {text!r} must rise and lie from 0 to 16")
    return bounds


def make(
    world: World, out: Path, *, workers: int = 2, progress: Callable[[int, int], None] = lambda _d, _a: None
) -> None:
    """Render a world into a new folder, written atomically.

    ``ExDark/CLASS/``, ``ExDark_Annno/CLASS/`` and ``imageclasslist.txt`` as ExDark has them (all split test),
    ``ExDark_bright/CLASS/`` the well-lit twins, ``rgb_anon/night/{val,val_ref}/`` and ``gt/night/val/`` the street
    frames as ACDC has them, ``frames.csv`` with each frame's exposure.

    Args:
        world: settings.
        out: folder that does not exist yet.
        workers: processes.
        progress: called with the frames done and the frames in total.

    Raises:
        UserError: the folder exists or cannot be written.
    """
    if out.exists():
        raise UserError(f"{out} exists; choose a new folder or remove it")
    if world.frames < 1 or world.width < 64 or world.height < 48:
        raise UserError(f"{world.frames} frames of {world.width}×{world.height}: need 1 frame or more, 64×48 or larger")
    partial_out = out.with_name(f".{out.name}.{os.getpid()}.partial")  # two processes may make the same world
    try:
        partial_out.mkdir(parents=True)
        written = []
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            for each in pool.map(partial(_write_frame, world, partial_out), range(world.frames), chunksize=4):
                written.append(each)
                progress(len(written), world.frames)
        _write_lists(written, partial_out)
        partial_out.replace(out)
    except OSError as error:
        raise UserError(f"{out} cannot be written: {error.strerror or error}") from error
    except BrokenProcessPool as error:
        # Python runs a script again in each process; code outside that line runs there too, and fails.
        raise UserError(
            "frames are rendered by other processes; in a script, call under `if __name__ == '__main__':`"
        ) from error
    finally:
        shutil.rmtree(partial_out, ignore_errors=True)


def _write_frame(world: World, out: Path, index: int) -> _Written:
    cv2.setNumThreads(1)
    frame = render_frame(world.seed, index, width=world.width, height=world.height)
    rng = np.random.default_rng([world.seed, index, 1])
    ev = float(rng.uniform(*world.ev))
    dark = Darken(ev=ev, jpeg=world.jpeg).expose(frame.night, rng)
    folder, file = _main_class(frame), f"ns{world.seed}_{index:06d}.png"
    write_image(out / "ExDark" / folder / file, dark)
    write_image(out / BRIGHT / folder / file, frame.bright)
    lines = ["% bbGt version=3"]
    for (left, top, right, bottom), class_id in zip(frame.boxes.astype(int), frame.class_ids, strict=True):
        lines.append(f"{CLASSES[class_id]} {left} {top} {right - left} {bottom - top} 0 0 0 0 0 0 0")
    label = out / "ExDark_Annno" / folder / f"{file}.txt"
    label.parent.mkdir(parents=True, exist_ok=True)
    label.write_text("\n".join(lines) + "\n", encoding="ascii")
    if frame.kind == "street":
        _write_street(out, frame, index, out / "ExDark" / folder / file, out / BRIGHT / folder / file)
    return _Written(index, file, folder, frame.kind, frame.lighting, frame.indoor, ev)


def _write_street(out: Path, frame: Frame, index: int, dark: Path, bright: Path) -> None:
    sequence = f"NS{index // _STREETS_A_SEQUENCE:04d}"
    stem = f"{sequence}_frame_{index:06d}"
    targets = {
        dark: out / "rgb_anon" / "night" / "val" / sequence / f"{stem}_rgb_anon.png",
        bright: out / "rgb_anon" / "night" / "val_ref" / sequence / f"{stem}_rgb_ref_anon.png",
    }
    for source, target in targets.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    write_labels(out / "gt" / "night" / "val" / sequence / f"{stem}_gt_labelTrainIds.png", frame)


def write_labels(path: Path, frame: Frame) -> None:
    """Write a frame's trainIds as an 8-bit grey PNG."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(frame.labels).save(path, compress_level=1)


def _main_class(frame: Frame) -> str:
    """Return the class folder of a frame: that of its largest object."""
    if not len(frame.class_ids):
        return CLASSES[0]
    sides = frame.boxes[:, 2:] - frame.boxes[:, :2]
    return CLASSES[frame.class_ids[int(sides.prod(axis=1).argmax())]]


def _write_lists(written: list[_Written], out: Path) -> None:
    lines = ["Name | Class | Light | In/Out | Train/Val/Test"]
    for each in written:
        numbers = (CLASSES.index(each.folder) + 1, LIGHTING.index(each.lighting) + 1, 1 if each.indoor else 2, 3)
        lines.append(" ".join(map(str, (each.file, *numbers))))
    (out / "imageclasslist.txt").write_bytes("\r\n".join([*lines, ""]).encode())
    with (out / "frames.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["index", "file", "kind", "lighting", "indoor", "ev"])
        table.writerows(
            (each.number, each.file, each.kind, each.lighting, int(each.indoor), each.ev) for each in written
        )
