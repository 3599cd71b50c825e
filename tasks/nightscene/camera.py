"""The pinhole camera. World axes: X right, Y up, Z forward, in metres; the eye is at (0, eye, 0)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .names import F64


@dataclass(frozen=True)
class Camera:
    """A level camera; tilting moves the horizon (a shift lens), so verticals stay vertical."""

    width: int
    height: int
    focal: float  # pixels
    cx: float  # column of the vanishing point, pixels
    horizon: float  # row of the horizon, pixels
    eye: float  # metres above the ground

    def project(self, points: F64) -> F64:
        """World points (N, 3) to pixel positions (N, 2); the corner of the first pixel is (0, 0)."""
        z = np.maximum(points[:, 2], 0.05)
        out = np.empty((len(points), 2))
        out[:, 0] = self.cx + self.focal * points[:, 0] / z
        out[:, 1] = self.horizon - self.focal * (points[:, 1] - self.eye) / z
        return out

    def row(self, z: float, y: float = 0.0) -> float:
        """Pixel row of height ``y`` at depth ``z``."""
        return self.horizon - self.focal * (y - self.eye) / z

    def column(self, x: float, z: float) -> float:
        """Pixel column of ``x`` at depth ``z``."""
        return self.cx + self.focal * x / z

    def x_at(self, column: float, z: float) -> float:
        """World X seen at a pixel column at depth ``z``."""
        return (column - self.cx) * z / self.focal

    def nearest(self, y: float = 0.0) -> float:
        """Depth at which a plane of height ``y`` leaves the bottom of the frame."""
        return self.focal * (self.eye - y) / max(1.0, self.height - self.horizon)
