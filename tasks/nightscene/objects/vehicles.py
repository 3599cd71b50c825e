"""Buses, trucks and trams: flat-sided bodies in true perspective."""

from __future__ import annotations

import numpy as np

from ..camera import Camera
from ..mood import Mood
from ..names import RGB, Rng, between, mixed, pick, scaled, vary
from ..pen import Layer
from ..solid import Solid, Vec
from .cars import GLASS, PAINT, lights_of

At = tuple[float, float, float]


def bus(cam: Camera, at: At, rng: Rng, mood: Mood, *, yaw: float, street: bool = True) -> list[Layer]:
    """A city bus or coach: tall box, window band, doors, destination sign."""
    length, width, height = between(rng, 7.5, 11.0), 2.45, between(rng, 2.85, 3.15)
    paint = vary(
        rng,
        pick(rng, ((186, 40, 40), (230, 196, 60), (40, 90, 160), (220, 222, 220), (50, 130, 90), (220, 120, 40))),
        14,
    )
    second = pick(rng, (paint, scaled(paint, 0.6), (232, 232, 228)))
    glass = vary(rng, (44, 56, 68), 8)
    lit = 0.55 if mood.lighting in ("Object", "Weak", "Strong", "Window", "Twilight") else 0.0
    front_glow, rear_glow = lights_of(mood, rng, False)
    warm = (236, 220, 170) if lit else glass
    b = Solid(cam, at, yaw)
    hw, hl = width / 2, length / 2
    for a in (-0.28 * length, 0.3 * length):
        for side in (-1, 1):
            b.wheel(a, hw * 0.97 * side, 0.48, 1, (20, 20, 22), always=True)
    b.box((-hl, -hw, 0.32), (hl, hw, height), paint, mixed(paint, (230, 230, 230), 0.4))
    for side in (-1, 1):
        n: Vec = (0.0, float(side), 0.0)
        y = hw * side * 1.002

        def panel(
            a0: float, a1: float, h0: float, h1: float, colour: RGB, glow: float = 0.0, y: float = y, n: Vec = n
        ) -> None:
            b.face([(a0, y, h0), (a1, y, h0), (a1, y, h1), (a0, y, h1)], colour, n, glow)

        panel(-hl, hl, 0.32, 0.55, scaled(second, 0.7))
        panel(-hl, hl, 0.95, 1.15, second)
        panel(-hl * 0.97, hl * 0.97, 1.3, height - 0.45, (30, 32, 36))
        count = max(4, round(length / 1.5))
        step = length * 0.96 / count
        for i in range(count):
            a0 = -hl * 0.96 + i * step
            panel(a0 + 0.05, a0 + step - 0.05, 1.36, height - 0.52, warm if lit else glass, lit)
        if side > 0:
            for a0 in (hl * 0.72, -hl * 0.12):
                panel(a0, a0 + 1.15, 0.42, height - 0.5, (36, 38, 42))
                panel(a0 + 0.06, a0 + 0.54, 0.5, height - 0.56, warm if lit else glass, lit * 0.8)
                panel(a0 + 0.6, a0 + 1.08, 0.5, height - 0.56, warm if lit else glass, lit * 0.8)
        for a in (-0.28 * length, 0.3 * length):
            ring = [
                (a + 0.58 * float(c), y, max(0.32, 0.48 + 0.58 * float(s)))
                for c, s in zip(np.cos(_W), np.sin(_W), strict=True)
            ]
            b.face(ring, (26, 26, 28), n)
            b.wheel(a, y, 0.48, side, (120, 122, 126))
    for sign, n in ((1, (1.0, 0.0, 0.0)), (-1, (-1.0, 0.0, 0.0))):
        a = hl * sign * 1.002

        def plate(
            b0: float, b1: float, h0: float, h1: float, colour: RGB, glow: float = 0.0, a: float = a, n: Vec = n
        ) -> None:
            b.face([(a, b0, h0), (a, b1, h0), (a, b1, h1), (a, b0, h1)], colour, n, glow)

        plate(-hw, hw, 0.32, 0.5, (40, 40, 42))
        plate(
            -hw * 0.92,
            hw * 0.92,
            1.2 if sign > 0 else 1.7,
            height - 0.5,
            warm if lit and sign < 0 else glass,
            lit * 0.6 if sign < 0 else lit * 0.25,
        )
        plate(-hw * 0.75, hw * 0.75, height - 0.42, height - 0.12, (24, 24, 24))
        plate(-hw * 0.6, hw * 0.5, height - 0.36, height - 0.2, (250, 180, 60), 1.2 if mood.lighting != "Low" else 0.15)
        if sign > 0:
            plate(-0.03, 0.03, 1.2, height - 0.5, (30, 30, 32))
            plate(-hw * 0.9, hw * 0.1, 1.9, height - 0.55, mixed(glass, (150, 170, 185), 0.3), 0.0)
        for side in (-1, 1):
            c0, c1 = sorted((hw * 0.66 * side, hw * 0.93 * side))
            plate(
                c0,
                c1,
                0.62,
                0.84,
                (236, 236, 226) if sign > 0 else (186, 28, 26),
                front_glow if sign > 0 else rear_glow,
            )
    return [b.layer("Bus", "bus" if street else "void", girth=width)]


_W = np.arange(12) * (2 * np.pi / 12)


def truck(cam: Camera, at: At, rng: Rng, mood: Mood, *, yaw: float) -> list[Layer]:
    """A lorry: a cab, a gap, and a high windowless box or a tarpaulin. In the label map only."""
    length, width = between(rng, 6.0, 8.5), 2.4
    box_h = between(rng, 2.9, 3.5)
    cab = vary(rng, pick(rng, PAINT), 12)
    load = vary(rng, pick(rng, ((222, 222, 218), (170, 172, 168), (90, 110, 90), (180, 150, 100), (120, 140, 160))), 12)
    front_glow, rear_glow = lights_of(mood, rng, False)
    s = Solid(cam, at, yaw)
    hw, hl = width / 2, length / 2
    gap, ch = hl - 1.7, between(rng, 2.2, 2.6)
    for a in (-0.55 * hl, -0.8 * hl, 0.72 * hl):
        for side in (-1, 1):
            s.wheel(a, hw * 0.97 * side, 0.46, 1, (20, 20, 22), always=True)

    def cabin() -> None:
        s.box((gap + 0.15, -hw * 0.95, 0.4), (hl, hw * 0.95, ch), cab)
        for side in (-1, 1):
            y, n = hw * 0.955 * side, (0.0, float(side), 0.0)
            s.face(
                [(gap + 0.4, y, 1.4), (hl - 0.15, y, 1.4), (hl - 0.3, y, ch - 0.2), (gap + 0.4, y, ch - 0.2)], GLASS, n
            )
            s.wheel(0.72 * hl, hw * side, 0.46, side, (120, 122, 126))
        n2: Vec = (1.0, 0.0, 0.0)
        s.face(
            [(hl, -hw * 0.85, 1.4), (hl, hw * 0.85, 1.4), (hl, hw * 0.8, ch - 0.15), (hl, -hw * 0.8, ch - 0.15)],
            GLASS,
            n2,
        )
        s.face(
            [(hl, -hw * 0.5, 0.75), (hl, hw * 0.5, 0.75), (hl, hw * 0.5, 1.2), (hl, -hw * 0.5, 1.2)], (36, 36, 38), n2
        )
        for side in (-1, 1):
            c0, c1 = hw * 0.6 * side, hw * 0.88 * side
            s.face([(hl, c0, 0.6), (hl, c1, 0.6), (hl, c1, 0.8), (hl, c0, 0.8)], (236, 236, 226), n2, front_glow)

    def cargo() -> None:
        s.box((-hl, -hw * 0.5, 0.45), (gap + 0.2, hw * 0.5, 0.7), (40, 40, 42))
        s.box((-hl, -hw, 0.75), (gap, hw, box_h), load)
        for side in (-1, 1):
            n: Vec = (0.0, float(side), 0.0)
            y = hw * side
            for i in range(1, 6):
                a = -hl + (gap + hl) * i / 6
                s.face([(a, y, 0.8), (a, y, box_h - 0.05)], scaled(load, 0.8), n, 0.0, 0.04)
            for a in (-0.55 * hl, -0.8 * hl):
                s.wheel(a, y, 0.46, side, (120, 122, 126))
        nr: Vec = (-1.0, 0.0, 0.0)
        s.face([(-hl, 0.0, 0.8), (-hl, 0.0, box_h)], scaled(load, 0.6), nr, 0.0, 0.05)
        for side in (-1, 1):
            c0, c1 = hw * 0.7 * side, hw * 0.95 * side
            s.face([(-hl, c0, 0.5), (-hl, c1, 0.5), (-hl, c1, 0.68), (-hl, c0, 0.68)], (186, 28, 26), nr, rear_glow)

    away = float(np.cos(yaw)) > 0  # the cab is farther than the load
    for part in (cabin, cargo) if away else (cargo, cabin):
        part()
    return [s.layer("", "truck", girth=width)]


def tram(cam: Camera, at: At, rng: Rng, mood: Mood, *, yaw: float) -> list[Layer]:
    """A tram: long, low floored, with a slanted nose and a pantograph. In the label map only."""
    length, width, height = 20.0, 2.4, 3.3
    paint = vary(rng, pick(rng, ((220, 216, 200), (60, 120, 140), (196, 60, 50))), 10)
    skirt = scaled(paint, 0.55)
    lit = 0.5 if mood.lighting in ("Object", "Weak", "Strong", "Window", "Twilight") else 0.0
    front_glow, rear_glow = lights_of(mood, rng, False)
    s = Solid(cam, at, yaw)
    hw, hl = width / 2, length / 2
    glass: RGB = (236, 220, 170) if lit else (38, 46, 54)
    for sign in (-1, 1):
        a, n = hl * sign, (float(sign), 0.0, 0.25)
        s.face([(a, -hw, 0.15), (a, hw, 0.15), (a - 0.2 * sign, hw, 1.2), (a - 0.2 * sign, -hw, 1.2)], skirt, n)
        s.face(
            [
                (a - 0.2 * sign, -hw, 1.2),
                (a - 0.2 * sign, hw, 1.2),
                (a - 1.3 * sign, hw * 0.8, height),
                (a - 1.3 * sign, -hw * 0.8, height),
            ],
            paint,
            n,
        )
        s.face(
            [
                (a - 0.26 * sign, -hw * 0.85, 1.3),
                (a - 0.26 * sign, hw * 0.85, 1.3),
                (a - 1.1 * sign, hw * 0.72, height - 0.4),
                (a - 1.1 * sign, -hw * 0.72, height - 0.4),
            ],
            (34, 40, 46),
            n,
        )
        s.face(
            [(a, -0.25, 0.85), (a, 0.25, 0.85), (a, 0.25, 1.1), (a, -0.25, 1.1)],
            (236, 236, 226),
            n,
            front_glow or rear_glow,
        )
    for side in (-1, 1):
        y, n3 = hw * side, (0.0, float(side), 0.0)
        s.face(
            [
                (-hl, y, 0.15),
                (hl, y, 0.15),
                (hl - 0.3, y, 1.2),
                (hl - 1.3, y * 0.9, height),
                (-hl + 1.3, y * 0.9, height),
                (-hl + 0.3, y, 1.2),
            ],
            paint,
            n3,
        )
        s.face([(-hl, y, 0.15), (hl, y, 0.15), (hl - 0.2, y, 0.75), (-hl + 0.2, y, 0.75)], skirt, n3)
        for i in range(9):
            a0 = -hl + 1.2 + i * 1.98
            s.face(
                [(a0, y, 1.25), (a0 + 1.8, y, 1.25), (a0 + 1.8, y * 0.93, height - 0.5), (a0, y * 0.93, height - 0.5)],
                glass,
                n3,
                lit,
            )
        for a0 in (-3.4, 3.4):
            s.face(
                [
                    (a0 - 0.25, y * 1.001, 0.2),
                    (a0 + 0.25, y * 1.001, 0.2),
                    (a0 + 0.25, y * 0.92, height),
                    (a0 - 0.25, y * 0.92, height),
                ],
                (40, 40, 42),
                n3,
            )
    for p, q in (((0.0, 0.0, height), (0.9, 0.0, height + 0.6)), ((0.9, 0.0, height + 0.6), (0.0, 0.0, height + 1.2)),
                 ((0.0, -0.7, height + 1.2), (0.0, 0.7, height + 1.2))):  # fmt: skip
        s.bar(p, q, 0.07, (40, 40, 42))
    return [s.layer("", "train", girth=width)]
