"""Cats and dogs."""

from __future__ import annotations

from ..camera import Camera
from ..names import RGB, Rng, between, chance, mixed, pick, scaled, vary
from ..pen import Layer, Pen

At = tuple[float, float, float]
CAT: tuple[RGB, ...] = ((40, 38, 40), (120, 118, 118), (206, 134, 64), (225, 220, 212), (130, 100, 74), (90, 86, 84))
DOG: tuple[RGB, ...] = ((46, 38, 34), (150, 104, 58), (214, 182, 130), (236, 230, 220), (98, 68, 46), (180, 120, 60))


def cat(cam: Camera, at: At, rng: Rng) -> list[Layer]:
    """A cat: sitting, standing, or lying curled up; pointed ears, round head, long thin tail."""
    s = between(rng, 0.85, 1.2)
    fur = vary(rng, pick(rng, CAT), 10)
    dim, pale = scaled(fur, 0.72), mixed(fur, (245, 240, 235), 0.55)
    belly = pale if chance(rng, 0.5) else fur
    stripes = chance(rng, 0.5)
    pose = pick(rng, ("sit", "front", "stand", "lie"))
    pen = Pen(cam, at, (-0.42 * s, 0.42 * s, -0.02 * s, 0.52 * s), mirror=chance(rng, 0.5))

    def head(u: float, v: float, full: bool) -> None:
        r = 0.075 * s
        for d in (-1.0, 1.0):
            pen.poly(
                [(u + d * r * 0.95, v + r * 0.2), (u + d * r * 0.95, v + r * 1.6), (u + d * r * 0.1, v + r * 0.8)], fur
            )
            pen.poly(
                [(u + d * r * 0.8, v + r * 0.5), (u + d * r * 0.82, v + r * 1.3), (u + d * r * 0.35, v + r * 0.8)],
                (196, 140, 130),
            )
        pen.oval(u, v, r * 1.08, r * 0.92, fur)
        shift = 0.0 if full else r * 0.3
        pen.oval(u + shift, v - r * 0.4, r * 0.5, r * 0.38, belly)
        for d in (-1.0, 1.0):
            pen.disc(u + shift + d * r * 0.42, v + r * 0.15, r * 0.2, (190, 200, 90))
            pen.disc(u + shift + d * r * 0.42, v + r * 0.15, r * 0.1, (16, 16, 16))
        pen.disc(u + shift, v - r * 0.22, r * 0.1, (190, 110, 110))

    if pose == "front":
        pen.line([(0.08 * s, 0.03 * s), (0.2 * s, 0.04 * s), (0.22 * s, 0.1 * s), (0.17 * s, 0.13 * s)], 0.035 * s, dim)
        pen.oval(0.0, 0.12 * s, 0.125 * s, 0.13 * s, fur)
        pen.oval(0.0, 0.2 * s, 0.085 * s, 0.13 * s, fur)
        pen.oval(0.0, 0.2 * s, 0.045 * s, 0.1 * s, belly)
        for d in (-1.0, 1.0):
            pen.limb((d * 0.035 * s, 0.18 * s), (d * 0.04 * s, 0.02 * s), 0.05 * s, 0.045 * s, fur)
            pen.oval(d * 0.042 * s, 0.018 * s, 0.034 * s, 0.02 * s, belly)
        head(0.0, 0.36 * s, True)
    elif pose == "sit":
        pen.line(
            [(-0.1 * s, 0.03 * s), (-0.24 * s, 0.03 * s), (-0.3 * s, 0.1 * s), (-0.27 * s, 0.17 * s)], 0.035 * s, dim
        )
        pen.oval(-0.05 * s, 0.11 * s, 0.12 * s, 0.11 * s, fur)
        pen.limb((-0.02 * s, 0.13 * s), (0.05 * s, 0.27 * s), 0.17 * s, 0.12 * s, fur)
        pen.limb((0.06 * s, 0.2 * s), (0.08 * s, 0.02 * s), 0.06 * s, 0.045 * s, fur)
        pen.limb((0.09 * s, 0.2 * s), (0.11 * s, 0.02 * s), 0.05 * s, 0.04 * s, dim)
        pen.oval(0.0, 0.025 * s, 0.07 * s, 0.025 * s, belly)
        if stripes:
            for i in range(3):
                pen.line(
                    [(-0.12 * s + i * 0.05 * s, 0.2 * s - 0.01 * i), (-0.09 * s + i * 0.05 * s, 0.11 * s)],
                    0.014 * s,
                    dim,
                )
        head(0.09 * s, 0.36 * s, False)
    elif pose == "stand":
        pen.line(
            [(-0.2 * s, 0.24 * s), (-0.31 * s, 0.28 * s), (-0.34 * s, 0.4 * s), (-0.29 * s, 0.47 * s)], 0.034 * s, dim
        )
        for u, c in ((-0.14, dim), (0.13, dim), (-0.19, fur), (0.17, fur)):
            pen.limb((u * s, 0.2 * s), ((u + 0.01) * s, 0.02 * s), 0.065 * s, 0.036 * s, c)
        pen.limb((-0.16 * s, 0.22 * s), (0.15 * s, 0.22 * s), 0.15 * s, 0.14 * s, fur)
        if stripes:
            for i in range(5):
                pen.line([((-0.17 + i * 0.07) * s, 0.29 * s), ((-0.16 + i * 0.07) * s, 0.2 * s)], 0.016 * s, dim)
        head(0.24 * s, 0.32 * s, False)
    else:
        pen.oval(0.0, 0.09 * s, 0.23 * s, 0.095 * s, fur)
        pen.oval(-0.12 * s, 0.08 * s, 0.11 * s, 0.08 * s, dim)
        pen.line([(-0.2 * s, 0.04 * s), (-0.05 * s, 0.015 * s), (0.08 * s, 0.02 * s)], 0.036 * s, dim)
        pen.limb((0.12 * s, 0.04 * s), (0.26 * s, 0.02 * s), 0.05 * s, 0.04 * s, belly)
        if stripes:
            for i in range(4):
                pen.line([((-0.1 + i * 0.06) * s, 0.18 * s), ((-0.1 + i * 0.06) * s, 0.1 * s)], 0.014 * s, dim)
        head(0.19 * s, 0.15 * s, False)
    return [pen.layer("Cat", girth=0.2)]


def dog(cam: Camera, at: At, rng: Rng) -> list[Layer]:
    """A dog: standing, walking, sitting or lying; long muzzle, hanging or pricked ears, many sizes."""
    s = between(rng, 0.55, 1.1)
    fur = vary(rng, pick(rng, DOG), 12)
    dim = scaled(fur, 0.72)
    second = pick(rng, (fur, mixed(fur, (244, 240, 232), 0.7), scaled(fur, 0.45)))
    floppy, leg = chance(rng, 0.6), between(rng, 0.75, 1.1)
    pose = pick(rng, ("stand", "stand", "sit", "lie"))
    collar = pick(rng, ((180, 40, 40), (40, 70, 170), (30, 30, 30)))
    pen = Pen(cam, at, (-0.66 * s, 0.72 * s, -0.02, 1.0 * s), mirror=chance(rng, 0.5), squeeze=between(rng, 0.8, 1.0))

    def head(u: float, v: float) -> None:
        pen.limb((u - 0.12 * s, v - 0.16 * s), (u - 0.01 * s, v - 0.01 * s), 0.17 * s, 0.14 * s, fur)
        pen.line([(u - 0.12 * s, v - 0.04 * s), (u - 0.01 * s, v - 0.13 * s)], 0.03 * s, collar)
        if not floppy:
            pen.poly([(u - 0.08 * s, v + 0.04 * s), (u - 0.07 * s, v + 0.2 * s), (u + 0.01 * s, v + 0.08 * s)], dim)
            pen.poly([(u - 0.03 * s, v + 0.05 * s), (u, v + 0.2 * s), (u + 0.05 * s, v + 0.07 * s)], fur)
        pen.oval(u, v, 0.1 * s, 0.092 * s, fur)
        pen.limb((u + 0.05 * s, v - 0.025 * s), (u + 0.19 * s, v - 0.045 * s), 0.105 * s, 0.07 * s, second)
        pen.disc(u + 0.22 * s, v - 0.03 * s, 0.026 * s, (20, 18, 18))
        pen.line([(u + 0.1 * s, v - 0.075 * s), (u + 0.19 * s, v - 0.075 * s)], 0.01 * s, (30, 20, 20))
        pen.disc(u + 0.05 * s, v + 0.025 * s, 0.017 * s, (14, 12, 12))
        if floppy:
            pen.limb((u - 0.04 * s, v + 0.05 * s), (u - 0.075 * s, v - 0.09 * s), 0.07 * s, 0.09 * s, dim)

    if pose == "stand":
        step = between(rng, -0.08, 0.1)
        pen.line([(-0.38 * s, 0.55 * s), (-0.5 * s, 0.64 * s), (-0.55 * s, 0.78 * s)], 0.055 * s, fur)
        base = 0.48 * s
        for u, d, c in ((-0.3, -step, dim), (0.24, step, dim), (-0.33, step, fur), (0.27, -step, fur)):
            pen.limb((u * s, base), ((u - 0.02) * s, base * 0.5), 0.13 * s, 0.075 * s, c)
            pen.limb(((u - 0.02) * s, base * 0.5), ((u + d) * s, 0.03 * s), 0.07 * s, 0.05 * s, c)
            pen.oval((u + d + 0.025) * s, 0.02 * s, 0.05 * s, 0.025 * s, second)
        pen.limb((-0.28 * s, 0.53 * s), (0.25 * s, 0.53 * s), 0.24 * s * leg, 0.29 * s, fur)
        pen.oval(-0.05 * s, 0.6 * s, 0.18 * s, 0.07 * s, second if second != fur else dim)
        head(0.42 * s, 0.78 * s)
    elif pose == "sit":
        pen.line([(-0.24 * s, 0.06 * s), (-0.42 * s, 0.05 * s), (-0.52 * s, 0.14 * s)], 0.055 * s, fur)
        pen.limb((0.14 * s, 0.42 * s), (0.17 * s, 0.03 * s), 0.11 * s, 0.06 * s, dim)
        pen.oval(-0.12 * s, 0.18 * s, 0.19 * s, 0.17 * s, fur)
        pen.limb((-0.08 * s, 0.24 * s), (0.1 * s, 0.55 * s), 0.3 * s, 0.22 * s, fur)
        pen.oval(0.14 * s, 0.45 * s, 0.07 * s, 0.14 * s, second, -0.2)
        pen.limb((0.08 * s, 0.42 * s), (0.11 * s, 0.03 * s), 0.11 * s, 0.065 * s, fur)
        pen.oval(0.14 * s, 0.025 * s, 0.06 * s, 0.025 * s, second)
        pen.limb((-0.12 * s, 0.07 * s), (0.03 * s, 0.03 * s), 0.11 * s, 0.05 * s, dim)
        head(0.22 * s, 0.74 * s)
    else:
        pen.line([(-0.4 * s, 0.1 * s), (-0.56 * s, 0.05 * s), (-0.62 * s, 0.05 * s)], 0.05 * s, fur)
        pen.limb((-0.28 * s, 0.15 * s), (0.2 * s, 0.17 * s), 0.28 * s, 0.28 * s, fur)
        pen.oval(-0.26 * s, 0.12 * s, 0.15 * s, 0.12 * s, dim)
        pen.limb((-0.24 * s, 0.04 * s), (-0.06 * s, 0.035 * s), 0.07 * s, 0.06 * s, second)
        pen.limb((0.2 * s, 0.06 * s), (0.46 * s, 0.035 * s), 0.09 * s, 0.06 * s, second)
        head(0.36 * s, 0.36 * s)
    return [pen.layer("Dog", girth=0.25)]
