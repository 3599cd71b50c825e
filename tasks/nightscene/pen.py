"""Painting one object: a small anti-aliased RGBA patch in, a `Layer` of the scene out."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from .camera import Camera
from .names import CLASS_ID, F32, F64, LABEL_ID, RGB, U8, Points

_SHIFT = 5  # fractional bits of the coordinates given to OpenCV
_LIN = (
    np.where(np.arange(256) <= 10, np.arange(256) / 255 / 12.92, ((np.arange(256) / 255 + 0.055) / 1.055) ** 2.4)
).astype(np.float32)


@dataclass
class Layer:
    """One painted thing, placed. Layers are composited in descending ``order``."""

    left: int  # frame column of the patch's first column (may be negative)
    top: int  # frame row of the patch's first row
    rgba: U8  # (h, w, 4) sRGB albedo premultiplied by the alpha in the last channel
    emit: F32 | None  # (h, w, 3) linear radiance emitted at night, or None
    x: float  # world position of the foot
    y: float
    z: float
    order: float  # depth used for painting order
    label: int  # trainId, 255 = nothing defined
    class_id: int  # index into CLASSES, -1 = not a labelled class
    group: int = -1  # layers of one group are dropped together (a rider and the bicycle)
    relief: float = 1.0  # how strongly the silhouette is modelled as a rounded body
    casts: bool = True  # whether it throws a shadow on the ground
    girth: float = 0.0  # depth of the body in metres, for its contact shadow
    on_plane: int = -1  # paint only where the backdrop shows this plane (reflections on water); -1 = anywhere
    base: Layer | None = None  # what it stands on: it goes when that goes
    hard: NDArray[np.bool_] = field(init=False)  # (h, w) the pixels that belong to the thing

    def __post_init__(self) -> None:
        self.hard = self.rgba[:, :, 3] >= 128


class Patch:
    """An RGBA canvas covering a pixel rectangle of the frame, supersampled when it is small."""

    def __init__(self, x0: float, y0: float, x1: float, y1: float) -> None:
        """Cover frame columns x0..x1 and rows y0..y1 (floats, pixels)."""
        self.left, self.top = int(np.floor(x0)) - 1, int(np.floor(y0)) - 1
        self.w = max(2, int(np.ceil(x1)) + 1 - self.left)
        self.h = max(2, int(np.ceil(y1)) + 1 - self.top)
        size = max(self.w, self.h)
        self.ss = 3 if size < 80 else 2 if size < 260 else 1
        self.rgba: U8 = np.zeros((self.h * self.ss, self.w * self.ss, 4), np.uint8)
        self.emit: F32 | None = None

    def fixed(self, pts: F64) -> NDArray[np.int32]:
        """Frame pixel positions (N, 2) to OpenCV's fixed-point coordinates in this patch."""
        local = (pts - (self.left, self.top)) * self.ss - 0.5
        return np.rint(local * (1 << _SHIFT)).astype(np.int32)

    def _glow(self, colour: RGB, glow: float) -> tuple[F32, tuple[float, float, float]] | None:
        """The emission canvas and value to paint there; None while nothing in the patch emits."""
        if glow > 0 and self.emit is None:
            self.emit = np.zeros((*self.rgba.shape[:2], 3), np.float32)
        if self.emit is None:
            return None
        r, g, b = (float(_LIN[c]) * glow for c in colour)
        return self.emit, (r, g, b)

    def fill(self, pts: F64, colour: RGB, glow: float = 0.0) -> None:
        """Fill a polygon given in frame pixels."""
        p = self.fixed(pts)
        cv2.fillPoly(self.rgba, [p], (*colour, 255), cv2.LINE_AA, _SHIFT)
        if (e := self._glow(colour, glow)) is not None:
            cv2.fillPoly(e[0], [p], e[1], cv2.LINE_8, _SHIFT)

    def stroke(self, pts: F64, width: float, colour: RGB, closed: bool = False, glow: float = 0.0) -> None:
        """Draw a polyline ``width`` frame pixels thick."""
        p, t = self.fixed(pts), max(1, round(width * self.ss))
        cv2.polylines(self.rgba, [p], closed, (*colour, 255), t, cv2.LINE_AA, _SHIFT)
        if (e := self._glow(colour, glow)) is not None:
            cv2.polylines(e[0], [p], closed, e[1], t, cv2.LINE_8, _SHIFT)

    def disc(self, centre: F64, radius: float, colour: RGB, glow: float = 0.0, ring: float = 0.0) -> None:
        """A disc, or a ring of width ``ring``, all in frame pixels."""
        c = self.fixed(centre[None])[0]
        r = max(1, round(radius * self.ss * (1 << _SHIFT)))
        t = max(1, round(ring * self.ss)) if ring > 0 else -1
        at = (int(c[0]), int(c[1]))
        cv2.circle(self.rgba, at, r, (*colour, 255), t, cv2.LINE_AA, _SHIFT)
        if (e := self._glow(colour, glow)) is not None:
            cv2.circle(e[0], at, r, e[1], t, cv2.LINE_8, _SHIFT)

    def finish(self) -> tuple[U8, F32 | None]:
        """The patch at frame resolution: premultiplied RGBA and emission."""
        if self.ss == 1:
            return self.rgba, self.emit
        size = (self.w, self.h)
        rgba: U8 = np.asarray(cv2.resize(self.rgba, size, interpolation=cv2.INTER_AREA), np.uint8)
        if self.emit is None:
            return rgba, None
        return rgba, np.asarray(cv2.resize(self.emit, size, interpolation=cv2.INTER_AREA), np.float32)


class Pen:
    """Draws a flat figure that faces the camera, in local metres: u to the right, v up from the foot."""

    def __init__(
        self,
        cam: Camera,
        at: tuple[float, float, float],
        extent: tuple[float, float, float, float],
        *,
        mirror: bool = False,
        squeeze: float = 1.0,
        lean: float = 0.0,
    ) -> None:
        """``extent`` is (u0, u1, v0, v1); ``squeeze`` narrows the figure as if it were turned away, and
        ``lean`` lowers its right side as perspective does with a turned one (rise per metre).
        """
        self.at, self.k = at, cam.focal / at[2]
        self.su = (-squeeze if mirror else squeeze) * self.k
        self.lean = lean * self.k
        self.ox, self.oy = cam.column(at[0], at[2]), cam.row(at[2], at[1])
        u0, u1, v0, v1 = extent
        xs = sorted((self.ox + self.su * u0, self.ox + self.su * u1))
        more = abs(self.lean) * max(abs(u0), abs(u1))
        self.patch = Patch(xs[0], self.oy - self.k * v1 - more, xs[1], self.oy - self.k * v0 + more)

    def px(self, pts: Points) -> F64:
        """Local points to frame pixels (N, 2)."""
        p = np.asarray(pts, np.float64)
        out = np.empty_like(p)
        out[:, 0] = self.ox + self.su * p[:, 0]
        out[:, 1] = self.oy - self.k * p[:, 1] + self.lean * p[:, 0]
        return out

    def poly(self, pts: Points, colour: RGB, glow: float = 0.0) -> None:
        """A filled polygon."""
        self.patch.fill(self.px(pts), colour, glow)

    def rect(self, u0: float, v0: float, u1: float, v1: float, colour: RGB, glow: float = 0.0) -> None:
        """A filled rectangle."""
        self.poly([(u0, v0), (u1, v0), (u1, v1), (u0, v1)], colour, glow)

    def line(self, pts: Points, width: float, colour: RGB, closed: bool = False, glow: float = 0.0) -> None:
        """A polyline ``width`` metres thick."""
        self.patch.stroke(self.px(pts), width * self.k, colour, closed, glow)

    def disc(self, u: float, v: float, r: float, colour: RGB, glow: float = 0.0) -> None:
        """A disc that stays round however the figure is squeezed."""
        self.patch.disc(self.px([(u, v)])[0], r * self.k, colour, glow)

    def oval(
        self,
        u: float,
        v: float,
        ru: float,
        rv: float,
        colour: RGB,
        turn: float = 0.0,
        glow: float = 0.0,
        ring: float = 0.0,
    ) -> None:
        """An ellipse with half axes ru, rv, turned by ``turn`` radians; outline only when ``ring`` (metres) > 0."""
        c, s = _CIRCLE[:, 0] * ru, _CIRCLE[:, 1] * rv
        ct, st = float(np.cos(turn)), float(np.sin(turn))
        pts = np.stack([u + c * ct - s * st, v + c * st + s * ct], 1)
        out = np.stack([self.ox + self.su * pts[:, 0], self.oy - self.k * pts[:, 1] + self.lean * pts[:, 0]], 1)
        if ring > 0:
            self.patch.stroke(out, ring * self.k, colour, True, glow)
        else:
            self.patch.fill(out, colour, glow)

    def limb(self, p: tuple[float, float], q: tuple[float, float], wp: float, wq: float, colour: RGB) -> None:
        """A tapered limb with round ends, ``wp`` wide at p and ``wq`` at q."""
        a, b = self.px([p])[0], self.px([q])[0]
        d = b - a
        n = np.array([-d[1], d[0]]) / max(1e-6, float(np.hypot(d[0], d[1])))
        ra, rb = wp * self.k / 2, wq * self.k / 2
        self.patch.fill(np.stack([a + n * ra, b + n * rb, b - n * rb, a - n * ra]), colour)
        self.patch.disc(a, ra, colour)
        self.patch.disc(b, rb, colour)

    def layer(
        self, class_name: str = "", label: str = "void", *, relief: float = 1.0, girth: float = 0.3, casts: bool = True
    ) -> Layer:
        """Return the drawing as a layer that stands at the pen's position."""
        rgba, emit = self.patch.finish()
        x, y, z = self.at
        return Layer(
            self.patch.left, self.patch.top, rgba, emit, x, y, z, z, LABEL_ID[label], CLASS_ID.get(class_name, -1),
            relief=relief, girth=girth, casts=casts,
        )  # fmt: skip


_ANGLE = np.arange(24) * (2 * np.pi / 24)
_CIRCLE: F64 = np.stack([np.cos(_ANGLE), np.sin(_ANGLE)], 1)
