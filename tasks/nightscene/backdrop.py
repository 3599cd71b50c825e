"""Everything behind and below the objects: planes of ground, walls and sky, painted at frame resolution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from .camera import Camera
from .names import F32, F64, LABEL_ID, RGB, U8

_SHIFT = 4
_NEAR = 0.6  # metres; polygons of the planes are cut here
EMIT_MAX = 4.0  # radiance that the value 255 of the emission map stands for (coded as a square)
TILE = 512
SKY = 0  # index of the plane at infinity
FAR = 400.0


@lru_cache(maxsize=1)
def noise_tile() -> F32:
    """A seamless (512, 512) noise of several octaves in about -1..1, always the same."""
    rng = np.random.default_rng(20240229)
    out = np.zeros((TILE, TILE), np.float32)
    for cells, amount in ((8, 0.35), (32, 0.35), (128, 0.4), (512, 0.45)):
        grid = rng.uniform(-1, 1, (cells, cells)).astype(np.float32)
        grid = np.pad(grid, 2, mode="wrap")
        step = TILE // cells
        big = cv2.resize(grid, None, fx=step, fy=step, interpolation=cv2.INTER_CUBIC)
        out += amount * np.asarray(big[2 * step : 2 * step + TILE, 2 * step : 2 * step + TILE], np.float32)
    return out


@dataclass(frozen=True)
class Plane:
    """An axis-parallel plane: coordinate ``axis`` (0 X, 1 Y, 2 Z) equals ``value``; ``normal`` faces the eye."""

    axis: int
    value: float
    normal: tuple[float, float, float]
    grain: float  # strength of its texture
    size: float  # metres one texture repeat covers


class Backdrop:
    """Albedo, emission, label and plane index of each pixel before any object is painted."""

    def __init__(self, cam: Camera) -> None:
        self.cam = cam
        shape = (cam.height, cam.width)
        self.rgb: U8 = np.zeros((*shape, 3), np.uint8)
        self.emit: U8 = np.zeros((*shape, 3), np.uint8)
        self.label: U8 = np.full(shape, LABEL_ID["void"], np.uint8)
        self.plane: U8 = np.zeros(shape, np.uint8)
        self.planes: list[Plane] = [Plane(2, FAR, (0.0, 0.0, -1.0), 0.0, 8.0)]
        self.lit = False  # whether anything was painted into the emission map

    def add_plane(self, axis: int, value: float, *, grain: float = 0.1, size: float = 6.0) -> int:
        """Register a plane and return its index."""
        sign = (
            (-1.0 if value > 0 else 1.0)
            if axis == 0
            else (1.0 if value < self.cam.eye else -1.0)
            if axis == 1
            else -1.0
        )
        normal = [0.0, 0.0, 0.0]
        normal[axis] = sign
        self.planes.append(Plane(axis, value, (normal[0], normal[1], normal[2]), grain, size))
        return len(self.planes) - 1

    def poly(
        self,
        pts: Sequence[tuple[float, float, float]],
        colour: RGB,
        *,
        plane: int | None = None,
        label: str | None = None,
        glow: float = 0.0,
    ) -> None:
        """Paint a polygon of world points; ``plane``/``label`` None leave those maps, ``glow`` is radiance at night."""
        p = np.asarray(pts, np.float64)
        if float(p[:, 2].min()) < _NEAR:
            p = _cut(p)
            if len(p) < 3:
                return
        self.poly_px(self.cam.project(p), colour, plane=plane, label=label, glow=glow)

    def poly_px(
        self, px: F64, colour: RGB, *, plane: int | None = None, label: str | None = None, glow: float = 0.0
    ) -> None:
        """The same for pixel positions (N, 2)."""
        q = np.rint(np.clip(px - 0.5, -20000, 20000) * (1 << _SHIFT)).astype(np.int32)
        if (
            (q.max(0) < 0).any()
            or q[:, 0].min() > self.cam.width << _SHIFT
            or q[:, 1].min() > self.cam.height << _SHIFT
        ):
            return
        cv2.fillPoly(self.rgb, [q], colour, cv2.LINE_AA, _SHIFT)
        if glow > 0 or self.lit:
            self.lit = True
            r, g, b = (min(255.0, 255.0 * float(np.sqrt((c / 255) ** 2.2 * glow / EMIT_MAX))) for c in colour)
            cv2.fillPoly(self.emit, [q], (r, g, b), cv2.LINE_AA, _SHIFT)
        if plane is not None:
            cv2.fillPoly(self.plane, [q], plane, cv2.LINE_8, _SHIFT)
        if label is not None:
            cv2.fillPoly(self.label, [q], LABEL_ID[label], cv2.LINE_8, _SHIFT)

    def ground(
        self,
        x0: float,
        x1: float,
        z0: float,
        z1: float,
        colour: RGB,
        *,
        y: float = 0.0,
        plane: int | None = None,
        label: str | None = None,
        glow: float = 0.0,
    ) -> None:
        """A rectangle lying at height ``y``."""
        self.poly([(x0, y, z0), (x1, y, z0), (x1, y, z1), (x0, y, z1)], colour, plane=plane, label=label, glow=glow)

    def sky(self, zenith: RGB, horizon: RGB, rows: float) -> None:
        """Fill the frame with a vertical gradient that reaches ``horizon`` at pixel row ``rows``."""
        t = np.clip(np.arange(self.cam.height, dtype=np.float32) / max(1.0, rows), 0, 1)[:, None, None] ** 1.3
        grad = np.asarray(zenith, np.float32) * (1 - t) + np.asarray(horizon, np.float32) * t
        self.rgb[:] = np.rint(grad).astype(np.uint8)
        self.label[:] = LABEL_ID["sky"]

    def depth(self) -> F32:
        """(H, W) depth in metres of each pixel's plane."""
        cam = self.cam
        rows = (np.arange(cam.height, dtype=np.float32) + 0.5 - np.float32(cam.horizon))[:, None]
        cols = (np.arange(cam.width, dtype=np.float32) + 0.5 - np.float32(cam.cx))[None, :]
        out = np.full((cam.height, cam.width), FAR, np.float32)
        for i, plane in enumerate(self.planes[1:], 1):
            mask = self.plane == i
            if plane.axis == 2:
                out[mask] = plane.value
                continue
            if plane.axis == 1:
                drop = cam.eye - plane.value
                d = np.where(rows * drop > 1e-3, rows * np.sign(drop), 1e-3)
                z = np.float32(cam.focal * abs(drop)) / d.astype(np.float32)
            else:
                side = float(np.sign(plane.value))
                z = np.float32(cam.focal * abs(plane.value)) / np.maximum(cols * np.float32(side), np.float32(1e-2))
            np.copyto(out, np.broadcast_to(np.clip(z, 0.2, FAR), out.shape), where=mask)
        return out


def _cut(p: F64) -> F64:
    """Polygon (N, 3) without what lies nearer than the near plane."""
    out: list[F64] = []
    for i in range(len(p)):
        a, b = p[i], p[(i + 1) % len(p)]
        if a[2] >= _NEAR:
            out.append(a)
        if (a[2] >= _NEAR) != (b[2] >= _NEAR):
            out.append(a + (b - a) * ((_NEAR - a[2]) / (b[2] - a[2])))
    return np.asarray(out) if out else np.empty((0, 3))
