"""Things with flat faces (vehicles, furniture, crates), projected with true perspective."""

from __future__ import annotations

import numpy as np

from .camera import Camera
from .names import CLASS_ID, F64, LABEL_ID, RGB
from .pen import Layer, Patch

Vec = tuple[float, float, float]
_LIGHT = np.array([-0.35, 0.55, -0.6])  # where the baked shading of faces comes from: above, before, left


class Solid:
    """A list of coloured faces in local metres (a forward, b to the right, h up), painted in list order.

    Faces that look away from the eye are left out, so a convex body needs no sorting: paint what is
    inside or below first and details after the face that carries them.
    """

    def __init__(self, cam: Camera, at: Vec, yaw: float) -> None:
        """Stand at world ``at``; ``yaw`` 0 faces away from the camera, pi towards it, pi/2 to the right."""
        self.cam, self.at, self.yaw = cam, at, yaw
        self.points: list[Vec] = []
        self.faces: list[tuple[int, int, RGB, Vec | None, float, float]] = []

    def face(
        self, pts: list[Vec], colour: RGB, normal: Vec | None = None, glow: float = 0.0, width: float = 0.0
    ) -> None:
        """Add a polygon; ``normal`` None = always drawn and unshaded; ``width`` > 0 = only its outline, in metres."""
        self.faces.append((len(self.points), len(pts), colour, normal, glow, width))
        self.points.extend(pts)

    def bar(self, p: Vec, q: Vec, width: float, colour: RGB) -> None:
        """A rod from p to q."""
        self.face([p, q], colour, None, 0.0, width)

    def box(self, lo: Vec, hi: Vec, colour: RGB, top: RGB | None = None) -> None:
        """An axis-parallel box."""
        (a0, b0, h0), (a1, b1, h1) = lo, hi
        self.face([(a0, b0, h0), (a1, b0, h0), (a1, b0, h1), (a0, b0, h1)], colour, (0, -1, 0))
        self.face([(a0, b1, h0), (a1, b1, h0), (a1, b1, h1), (a0, b1, h1)], colour, (0, 1, 0))
        self.face([(a0, b0, h0), (a0, b1, h0), (a0, b1, h1), (a0, b0, h1)], colour, (-1, 0, 0))
        self.face([(a1, b0, h0), (a1, b1, h0), (a1, b1, h1), (a1, b0, h1)], colour, (1, 0, 0))
        self.face([(a0, b0, h1), (a1, b0, h1), (a1, b1, h1), (a0, b1, h1)], top or colour, (0, 0, 1))

    def wheel(self, a: float, b: float, r: float, side: int, hub: RGB, always: bool = False) -> None:
        """A wheel whose face looks along b with sign ``side``."""
        n: Vec | None = None if always else (0.0, float(side), 0.0)
        for scale, colour in ((1.0, (22, 22, 24)), (0.62, hub), (0.2, (60, 60, 64))):
            pts = [(a + r * scale * float(c), b, r + r * scale * float(s)) for c, s in _RING]
            self.face(pts, colour, n)
            if always:
                break

    def world(self, pts: F64) -> F64:
        """Local points (N, 3) as (a, b, h) to world (N, 3)."""
        s, c = float(np.sin(self.yaw)), float(np.cos(self.yaw))
        out = np.empty_like(pts)
        out[:, 0] = self.at[0] + pts[:, 0] * s + pts[:, 1] * c
        out[:, 1] = self.at[1] + pts[:, 2]
        out[:, 2] = self.at[2] + pts[:, 0] * c - pts[:, 1] * s
        return out

    def turn(self, normals: F64) -> F64:
        """Local directions (N, 3) to world directions."""
        s, c = float(np.sin(self.yaw)), float(np.cos(self.yaw))
        return np.stack(
            [normals[:, 0] * s + normals[:, 1] * c, normals[:, 2], normals[:, 0] * c - normals[:, 1] * s], 1
        )

    def layer(self, class_name: str = "", label: str = "void", *, girth: float = 0.5, casts: bool = True) -> Layer:
        """Paint the faces and return the layer."""
        world = self.world(np.asarray(self.points, np.float64))
        px = self.cam.project(world)
        normals = self.turn(np.asarray([f[3] or (0, 0, 0) for f in self.faces], np.float64))
        firsts = world[[f[0] for f in self.faces]]
        facing = (normals * (np.array([0.0, self.cam.eye, 0.0]) - firsts)).sum(1)
        shade = 0.72 + 0.36 * np.clip(normals @ _LIGHT, -0.4, 1.0)
        lo, hi = px.min(0), px.max(0)
        k = self.cam.focal / self.at[2]
        patch = Patch(float(lo[0]), float(lo[1]), float(hi[0]), float(hi[1]))
        for i, (start, n, colour, normal, glow, width) in enumerate(self.faces):
            if normal is not None:
                if facing[i] <= 0:
                    continue
                m = float(shade[i])
                colour = (
                    min(255, round(colour[0] * m)),
                    min(255, round(colour[1] * m)),
                    min(255, round(colour[2] * m)),
                )
            pts = px[start : start + n]
            if width > 0:
                patch.stroke(pts, width * k, colour, n > 2, glow)
            else:
                patch.fill(pts, colour, glow)
        rgba, emit = patch.finish()
        x, y, z = self.at
        return Layer(
            patch.left, patch.top, rgba, emit, x, y, z, z, LABEL_ID[label], CLASS_ID.get(class_name, -1),
            relief=0.25, girth=girth, casts=casts,
        )  # fmt: skip


_T = np.arange(16) * (2 * np.pi / 16)
_RING: F64 = np.stack([np.cos(_T), np.sin(_T)], 1)
