"""A composed scene, and the choice of free positions in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from .backdrop import Backdrop
from .camera import Camera
from .mood import Lamp, Mood
from .names import Rng, between, chance
from .pen import Layer


@dataclass
class Scene:
    """A composed world: what is behind, what stands in it, and what lights it."""

    kind: str
    cam: Camera
    mood: Mood
    back: Backdrop
    layers: list[Layer] = field(default_factory=list)
    lamps: list[Lamp] = field(default_factory=list)
    indoor: bool = False
    taken: list[tuple[float, float, float, float]] = field(default_factory=list)  # x, z, half sizes on the ground
    water: int = -1  # index of the water's plane
    groups: int = 0

    def add(self, layers: list[Layer]) -> None:
        """Put layers into the scene; several of them stand and fall together."""
        if len(layers) > 1:
            for layer in layers:
                layer.group = self.groups
            self.groups += 1
        self.layers.extend(layers)

    def free(self, x: float, z: float, hx: float, hz: float) -> bool:
        """Claim a rectangle of ground; False when something stands there already."""
        for tx, tz, tw, td in self.taken:
            if abs(x - tx) < hx + tw and abs(z - tz) < hz + td:
                return False
        self.taken.append((x, z, hx, hz))
        return True

    def spot(
        self,
        rng: Rng,
        z: tuple[float, float],
        x: Callable[[float], tuple[float, float]],
        hx: float,
        hz: float,
        tries: int = 7,
    ) -> tuple[float, float] | None:
        """A free (x, z): depth denser near the viewer, x within the range given for that depth."""
        for _ in range(tries):
            u = float(rng.random())
            # Uniform in 1/z would fill the image evenly by row; a mixture keeps distant things frequent.
            depth = 1.0 / (1.0 / z[0] + (1.0 / z[1] - 1.0 / z[0]) * u) if chance(rng, 0.6) else between(rng, *z)
            lo, hi = x(depth)
            if hi <= lo:
                continue
            at = between(rng, lo, hi)
            if self.free(at, depth, hx, hz):
                return at, depth
        return None

    def view(self, depth: float, margin: float = 0.03) -> tuple[float, float]:
        """World x range that the frame shows at a depth, widened by a share of the width so that things get cut."""
        m = self.cam.width * margin
        return self.cam.x_at(-m, depth), self.cam.x_at(self.cam.width + m, depth)
