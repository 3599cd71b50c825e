"""Passenger cars as extruded profiles, so that any yaw gives a true view."""

from __future__ import annotations

from itertools import pairwise

from ..camera import Camera
from ..mood import Mood
from ..names import RGB, Rng, between, chance, mixed, pick, scaled, vary
from ..pen import Layer
from ..solid import Solid, Vec

At = tuple[float, float, float]
PAINT: tuple[RGB, ...] = (
    (40, 42, 46),
    (206, 208, 210),
    (150, 154, 158),
    (160, 34, 34),
    (36, 62, 120),
    (90, 96, 100),
    (56, 92, 76),
    (196, 170, 120),
    (226, 226, 224),
    (208, 130, 40),
    (84, 130, 170),
    (110, 40, 56),
)
GLASS: RGB = (52, 66, 80)
# Upper outline from the rear bumper to the front one as (share of the length, height in metres, part).
_STYLES: dict[str, tuple[float, float, list[tuple[float, float, str]]]] = {
    "hatch": (
        3.9,
        1.72,
        [
            (-0.5, 0.3, "rear"),
            (-0.5, 0.95, "glass"),
            (-0.42, 1.46, "roof"),
            (0.08, 1.48, "glass"),
            (0.27, 1.0, "hood"),
            (0.48, 0.78, "front"),
            (0.5, 0.3, ""),
        ],
    ),
    "sedan": (
        4.6,
        1.8,
        [
            (-0.5, 0.32, "rear"),
            (-0.49, 0.92, "hood"),
            (-0.34, 1.0, "glass"),
            (-0.2, 1.42, "roof"),
            (0.08, 1.44, "glass"),
            (0.24, 0.98, "hood"),
            (0.48, 0.78, "front"),
            (0.5, 0.3, ""),
        ],
    ),
    "suv": (
        4.5,
        1.88,
        [
            (-0.5, 0.42, "rear"),
            (-0.5, 1.08, "glass"),
            (-0.45, 1.68, "roof"),
            (0.1, 1.7, "glass"),
            (0.24, 1.16, "hood"),
            (0.49, 0.98, "front"),
            (0.5, 0.4, ""),
        ],
    ),
    "wagon": (
        4.6,
        1.8,
        [
            (-0.5, 0.32, "rear"),
            (-0.5, 0.95, "glass"),
            (-0.45, 1.44, "roof"),
            (0.1, 1.46, "glass"),
            (0.26, 1.0, "hood"),
            (0.48, 0.78, "front"),
            (0.5, 0.3, ""),
        ],
    ),
    "mini": (
        3.4,
        1.62,
        [
            (-0.5, 0.3, "rear"),
            (-0.49, 0.95, "glass"),
            (-0.4, 1.5, "roof"),
            (0.12, 1.5, "glass"),
            (0.33, 1.0, "hood"),
            (0.49, 0.82, "front"),
            (0.5, 0.3, ""),
        ],
    ),
}


def lights_of(mood: Mood, rng: Rng, parked: bool) -> tuple[float, float]:
    """Radiance of head lights and tail lights."""
    if not parked and (mood.headlights or mood.lighting in ("Strong", "Weak")):
        return 14.0, 3.0
    return 0.0, 0.25 if mood.lighting not in ("Low",) and chance(rng, 0.2) else 0.0


def car(cam: Camera, at: At, rng: Rng, mood: Mood, *, yaw: float, parked: bool, street: bool = True) -> list[Layer]:
    """A passenger car of one of five shapes."""
    style = pick(rng, ("hatch", "sedan", "sedan", "suv", "wagon", "mini"))
    length, width, top = _STYLES[style]
    length *= between(rng, 0.94, 1.06)
    paint = vary(rng, pick(rng, PAINT), 12)
    glass = vary(rng, GLASS, 10)
    taxi = chance(rng, 0.06)
    front_glow, rear_glow = lights_of(mood, rng, parked)
    body = Solid(cam, at, yaw)
    roof = max(h for _, h, _ in top)
    belt = min(h for _, h, part in top[2:-2] if part in ("hood", "glass"))
    hw = width / 2

    def half(h: float) -> float:
        return hw * (1.0 - 0.2 * max(0.0, (h - belt) / (roof - belt)))

    tyre_r, wa, wb = 0.33 if style != "suv" else 0.37, -0.31 * length, 0.32 * length
    body.box((-0.46 * length, -hw * 0.9, 0.16), (0.46 * length, hw * 0.9, 0.4), (20, 20, 22))
    for a in (wa, wb):
        for b in (-hw * 0.96, hw * 0.96):
            body.wheel(a, b, tyre_r, 1, (20, 20, 22), always=True)
    for (s0, h0, part), (s1, h1, _) in pairwise(top):
        a0, a1, w0, w1 = s0 * length, s1 * length, half(h0), half(h1)
        quad: list[Vec] = [(a0, -w0, h0), (a1, -w1, h1), (a1, w1, h1), (a0, w0, h0)]
        n: Vec = (-(h1 - h0), 0.0, a1 - a0)
        body.face(quad, paint, n)
        if part == "glass":
            i, j = 0.1, 0.9
            w = 0.86
            inner: list[Vec] = [
                (a0 + (a1 - a0) * i, -w0 * w, h0 + (h1 - h0) * i),
                (a0 + (a1 - a0) * j, -w1 * w, h0 + (h1 - h0) * j),
                (a0 + (a1 - a0) * j, w1 * w, h0 + (h1 - h0) * j),
                (a0 + (a1 - a0) * i, w0 * w, h0 + (h1 - h0) * i),
            ]
            body.face(inner, glass, n)
            body.face(
                [
                    inner[0],
                    inner[1],
                    (inner[1][0], inner[1][1] * 0.4, inner[1][2]),
                    (inner[0][0], inner[0][1] * 0.1, inner[0][2]),
                ],
                mixed(glass, (150, 170, 185), 0.45),
                n,
            )
    trim = (38, 38, 40)
    for side in (-1, 1):
        b, n = hw * side, (0.0, float(side), 0.0)
        outline: list[Vec] = [(s * length, half(h) * side, h) for s, h, _ in top]
        arches: list[Vec] = []
        for a in (wb, wa):  # cut the wheel arches out of the sill
            arches += [
                (a + tyre_r * 1.2, b, 0.28),
                (a + tyre_r * 0.8, b, 0.62),
                (a - tyre_r * 0.8, b, 0.62),
                (a - tyre_r * 1.2, b, 0.28),
            ]
        body.face([*outline, *arches], paint, n)
        body.face(
            [
                (s * length * 0.98, b, belt * 0.62 + e)
                for s, e in ((-0.5, 0.0), (0.5, 0.0), (0.5, -0.05), (-0.5, -0.05))
            ],
            scaled(paint, 0.8),
            n,
        )
        cabin = [(s * length, h) for s, h, part in top if h > belt + 0.25]
        lo_a, hi_a = cabin[0][0] - 0.02 * length, cabin[-1][0] + 0.1 * length
        gb, gt = belt + 0.02, roof - 0.1
        cut = (cabin[0][0] + cabin[-1][0]) / 2 + 0.05 * length
        for x0, x1, y0, y1 in (
            (lo_a, cut - 0.04, cabin[0][0] + 0.1, cut - 0.04),
            (cut + 0.04, hi_a, cut + 0.04, cabin[-1][0] - 0.02),
        ):
            if style == "sedan":
                x0 = max(x0, cabin[0][0] - 0.16 * length)
            body.face(
                [
                    (x0, half(gb) * side, gb),
                    (x1, half(gb) * side, gb),
                    (y1, half(gt) * side, gt),
                    (y0, half(gt) * side, gt),
                ],
                glass,
                n,
            )
        for a in (cut, lo_a + 0.02 * length):
            body.face([(a, b, 0.36), (a, b, belt)], scaled(paint, 0.62), n, 0.0, 0.02)
        body.face([(cut - 0.3, b, belt - 0.12), (cut - 0.12, b, belt - 0.12)], trim, n, 0.0, 0.035)
        hub = pick(rng, ((150, 152, 156), (90, 92, 96), (190, 192, 196)))
        for a in (wa, wb):
            body.wheel(a, b * 1.005, tyre_r, side, hub)
        mirror_a = cabin[-1][0] + 0.07 * length
        body.box(
            (mirror_a, min(b, b * 1.12), belt), (mirror_a + 0.16, max(b, b * 1.12), belt + 0.14), scaled(paint, 0.8)
        )
    # The face with lamps, grille and plate at the front, lamps and plate at the back.
    fh = top[-2][1]
    a = length * 0.497
    nf: Vec = (1.0, 0.0, 0.1)
    body.face(
        [(a, -hw * 0.55, fh - 0.28), (a, hw * 0.55, fh - 0.28), (a, hw * 0.55, fh - 0.1), (a, -hw * 0.55, fh - 0.1)],
        (34, 34, 36),
        nf,
    )
    body.face(
        [(a + 0.02, -hw, 0.3), (a + 0.02, hw, 0.3), (a + 0.02, hw, 0.42), (a + 0.02, -hw, 0.42)], (40, 40, 43), nf
    )
    body.face(
        [(a + 0.03, -0.26, 0.42), (a + 0.03, 0.26, 0.42), (a + 0.03, 0.26, 0.53), (a + 0.03, -0.26, 0.53)],
        (225, 225, 215),
        nf,
    )
    ar = -length * 0.5
    nr: Vec = (-1.0, 0.0, 0.1)
    rh = top[1][1]
    body.face([(ar, -hw, 0.32), (ar, hw, 0.32), (ar, hw, 0.45), (ar, -hw, 0.45)], (40, 40, 43), nr)
    body.face(
        [(ar, -0.26, rh - 0.4), (ar, 0.26, rh - 0.4), (ar, 0.26, rh - 0.28), (ar, -0.26, rh - 0.28)],
        (225, 225, 215),
        nr,
    )
    for side in (-1, 1):
        b0, b1 = hw * 0.62 * side, hw * 0.97 * side
        body.face(
            [(a, b0, fh - 0.24), (a, b1, fh - 0.22), (a - 0.1, b1, fh - 0.05), (a, b0, fh - 0.1)],
            (236, 236, 226),
            nf,
            front_glow,
        )
        body.face(
            [(ar, b0, rh - 0.22), (ar, b1, rh - 0.28), (ar + 0.03, b1, rh - 0.04), (ar, b0, rh - 0.08)],
            (186, 28, 26),
            nr,
            rear_glow,
        )
    if taxi:
        body.box((-0.1, -0.3, roof), (0.15, 0.3, roof + 0.14), (240, 220, 120))
    return [body.layer("Car", "car" if street else "void", girth=width)]
