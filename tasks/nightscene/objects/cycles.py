"""Bicycles and motorbikes, parked or ridden."""

from __future__ import annotations

import numpy as np

from ..camera import Camera
from ..mood import Mood
from ..names import RGB, Rng, between, chance, pick, scaled, vary
from ..pen import Layer, Pen
from .people import rider

At = tuple[float, float, float]
PAINT: tuple[RGB, ...] = (
    (170, 36, 36),
    (36, 70, 150),
    (30, 30, 34),
    (210, 210, 210),
    (40, 120, 80),
    (220, 150, 40),
    (60, 150, 170),
    (120, 60, 120),
)


def _ride(layers: list[Layer], person: Layer) -> list[Layer]:
    """Seat ``person`` on the machine: paint after it, stand and fall together with it."""
    person.order = layers[0].order - 0.01
    return [*layers, person]


def bicycle(
    cam: Camera, at: At, rng: Rng, mood: Mood, *, ridden: bool, street: bool, mirror: bool | None = None
) -> list[Layer]:
    """A bicycle seen from the side or at an angle, with a rider when ``ridden``."""
    flip = chance(rng, 0.5) if mirror is None else mirror
    squeeze, s = between(rng, 0.62, 1.0), between(rng, 0.92, 1.06)
    lean = 0.05 * (1 - squeeze)
    paint = vary(rng, pick(rng, PAINT), 12)
    pen = Pen(cam, at, (-0.95 * s, 0.98 * s, -0.02, 1.16 * s), mirror=flip, squeeze=squeeze, lean=lean)
    r, tyre = 0.335 * s, (24, 24, 26)
    rear, front = (-0.52 * s, r), (0.54 * s, r)
    crank, seat_top = (-0.06 * s, 0.29 * s), (-0.2 * s, 0.9 * s)
    for u, v in (rear, front):
        for i in range(6):
            c, d = float(np.cos(i * np.pi / 6)) * r, float(np.sin(i * np.pi / 6)) * r
            pen.line([(u - c, v - d), (u + c, v + d)], 0.006, (120, 120, 124))
        pen.oval(u, v, r, r, tyre, ring=0.05 * s)
        pen.oval(u, v, r * 0.9, r * 0.9, (150, 150, 152), ring=0.014)
        pen.disc(u, v, 0.035, (90, 90, 94))
    step = chance(rng, 0.4)  # a step-through frame
    mid = (-0.09 * s, 0.42 * s) if step else (-0.17 * s, 0.8 * s)
    tube = 0.042 * s
    pen.line([rear, (-0.155 * s, 0.72 * s)], tube * 0.7, scaled(paint, 0.8))
    pen.line([rear, crank], tube * 0.8, scaled(paint, 0.8))
    pen.line([crank, seat_top], tube, paint)
    pen.line([crank, (0.39 * s, 0.72 * s)], tube * 1.2, paint)
    pen.line([mid, (0.37 * s, 0.82 * s)], tube, paint)
    pen.line([(0.33 * s, 0.98 * s), (0.4 * s, 0.7 * s), front], tube, scaled(paint, 0.9))
    if chance(rng, 0.5):
        t = [(float(np.cos(a)) * r * 1.1, float(np.sin(a)) * r * 1.1) for a in np.linspace(0.35, 2.6, 7)]
        for u, v in (rear, front):
            pen.line([(u + x, v + y) for x, y in t], 0.03, (60, 60, 64))
    bar = (0.3 * s, 1.02 * s) if step else (0.45 * s, 0.98 * s)
    pen.line([(0.33 * s, 0.98 * s), (0.35 * s, 1.03 * s), bar], 0.035, (50, 50, 54))
    pen.limb((-0.33 * s, 0.94 * s), (-0.1 * s, 0.93 * s), 0.08 * s, 0.04 * s, (34, 28, 26))
    pen.oval(crank[0], crank[1], 0.085 * s, 0.085 * s, (70, 70, 74), ring=0.025)
    pen.line([(crank[0], crank[1]), (crank[0] + 0.06 * s, crank[1] - 0.15 * s)], 0.025, (60, 60, 64))
    if chance(rng, 0.35):
        pen.poly([(0.42 * s, 0.74 * s), (0.72 * s, 0.78 * s), (0.7 * s, 1.0 * s), (0.4 * s, 0.98 * s)], (130, 96, 60))
    elif chance(rng, 0.4):
        pen.line([(-0.2 * s, 0.74 * s), (-0.75 * s, 0.74 * s), rear], 0.03, (60, 60, 62))
    on = mood.own_light > 0 or mood.headlights or (ridden and chance(rng, 0.5))
    pen.disc(0.46 * s, 0.84 * s, 0.04, (235, 235, 220), 6.0 if on else 0.0)
    pen.disc(-0.62 * s, 0.72 * s, 0.03, (190, 30, 30), 3.0 if on else 0.0)
    out = [pen.layer("Bicycle", "bicycle" if street else "void", relief=0.3, girth=0.15)]
    if ridden:
        person = rider(
            cam,
            at,
            rng,
            saddle=(-0.2 * s, 0.95 * s),
            bar=bar,
            pedal=(crank[0] + 0.06 * s, crank[1] - 0.12 * s),
            mirror=flip,
            squeeze=squeeze,
            lean=lean,
            street=street,
        )
        return _ride(out, person)
    return out


def motorbike(
    cam: Camera, at: At, rng: Rng, mood: Mood, *, ridden: bool, street: bool, mirror: bool | None = None
) -> list[Layer]:
    """A motorbike or a scooter, from the side or at an angle, with a rider when ``ridden``."""
    flip = chance(rng, 0.5) if mirror is None else mirror
    squeeze, s = between(rng, 0.65, 1.0), between(rng, 0.95, 1.1)
    lean = 0.06 * (1 - squeeze)
    paint = vary(rng, pick(rng, PAINT), 12)
    dim, metal, black = scaled(paint, 0.7), (132, 134, 138), (30, 30, 33)
    pen = Pen(cam, at, (-1.1 * s, 1.1 * s, -0.02, 1.3 * s), mirror=flip, squeeze=squeeze, lean=lean)
    scooter = chance(rng, 0.35)
    r = (0.24 if scooter else 0.31) * s
    rear, front = (-0.64 * s, r), (0.7 * s, r)
    for u, v in (rear, front):
        pen.disc(u, v, 0.0, black)
        pen.oval(u, v, r, r, (24, 24, 26))
        pen.oval(u, v, r * 0.66, r * 0.66, metal)
        pen.oval(u, v, r * 0.52, r * 0.52, (58, 58, 62))
        for i in range(3):
            c, d = float(np.cos(i * 1.05)) * r * 0.6, float(np.sin(i * 1.05)) * r * 0.6
            pen.line([(u - c, v - d), (u + c, v + d)], 0.03, metal)
        pen.oval(u, v, r * 0.2, r * 0.2, metal)
    if scooter:
        pen.line([front, (0.5 * s, 0.95 * s)], 0.07, black)
        pen.poly(
            [
                (0.44 * s, 0.98 * s),
                (0.6 * s, 0.92 * s),
                (0.56 * s, 0.34 * s),
                (0.42 * s, 0.26 * s),
                (-0.1 * s, 0.24 * s),
                (-0.1 * s, 0.33 * s),
                (0.34 * s, 0.36 * s),
            ],
            paint,
        )
        pen.poly(
            [
                (-0.1 * s, 0.3 * s),
                (-0.06 * s, 0.72 * s),
                (-0.8 * s, 0.76 * s),
                (-0.95 * s, 0.6 * s),
                (-0.8 * s, 0.42 * s),
                (-0.4 * s, 0.28 * s),
            ],
            paint,
        )
        pen.poly([(-0.04 * s, 0.72 * s), (-0.02 * s, 0.8 * s), (-0.82 * s, 0.84 * s), (-0.84 * s, 0.74 * s)], black)
        pen.oval(front[0], front[1] + 0.1 * s, r * 0.9, r * 0.75, paint)
        pen.oval(front[0], front[1] - 0.02, r * 0.8, r * 0.75, (24, 24, 26))
        pen.oval(front[0], front[1] - 0.02, r * 0.4, r * 0.4, metal)
        bar, seat, lamp, foot = (0.42 * s, 1.04 * s), (-0.3 * s, 0.82 * s), (0.6 * s, 0.94 * s), (0.18 * s, 0.36 * s)
    else:
        pen.line([rear, (-0.1 * s, 0.42 * s)], 0.08, dim)
        pen.line([front, (0.42 * s, 0.98 * s)], 0.075, metal)
        pen.poly([(-0.26 * s, 0.22 * s), (0.28 * s, 0.2 * s), (0.36 * s, 0.56 * s), (-0.3 * s, 0.6 * s)], (70, 72, 76))
        pen.oval(0.1 * s, 0.42 * s, 0.15 * s, 0.15 * s, metal)
        pen.oval(-0.12 * s, 0.35 * s, 0.11 * s, 0.11 * s, (100, 102, 106))
        pen.line([(0.22 * s, 0.3 * s), (-0.1 * s, 0.2 * s), (-0.85 * s, 0.28 * s)], 0.085, (170, 170, 172))
        pen.poly(
            [
                (-0.2 * s, 0.72 * s),
                (-0.08 * s, 0.86 * s),
                (0.2 * s, 0.94 * s),
                (0.4 * s, 0.84 * s),
                (0.38 * s, 0.68 * s),
                (0.0, 0.6 * s),
            ],
            paint,
        )
        pen.poly(
            [
                (-0.14 * s, 0.78 * s),
                (-0.5 * s, 0.74 * s),
                (-0.92 * s, 0.92 * s),
                (-0.9 * s, 0.82 * s),
                (-0.6 * s, 0.62 * s),
                (-0.1 * s, 0.64 * s),
            ],
            black,
        )
        pen.poly([(-0.55 * s, 0.66 * s), (-0.95 * s, 0.84 * s), (-1.0 * s, 0.76 * s), (-0.62 * s, 0.56 * s)], dim)
        if chance(rng, 0.55):  # a fairing and screen
            pen.poly(
                [
                    (0.3 * s, 0.62 * s),
                    (0.38 * s, 0.98 * s),
                    (0.66 * s, 0.88 * s),
                    (0.62 * s, 0.6 * s),
                    (0.4 * s, 0.4 * s),
                ],
                paint,
            )
            pen.poly(
                [(0.38 * s, 0.98 * s), (0.34 * s, 1.2 * s), (0.5 * s, 1.08 * s), (0.6 * s, 0.92 * s)], (120, 140, 155)
            )
        arc = [
            (front[0] + float(np.cos(a)) * r * 1.1, front[1] + float(np.sin(a)) * r * 1.1)
            for a in np.linspace(0.6, 2.6, 6)
        ]
        pen.line(arc, 0.05, paint)
        bar, seat, lamp, foot = (0.34 * s, 1.04 * s), (-0.34 * s, 0.74 * s), (0.56 * s, 0.88 * s), (0.0, 0.3 * s)
    pen.line([(lamp[0] - 0.12 * s, lamp[1] + 0.02), bar, (bar[0] - 0.1 * s, bar[1] + 0.04)], 0.04, black)
    on = 9.0 if mood.headlights or mood.own_light > 0 or (ridden and mood.lighting not in ("Low", "Single")) else 0.0
    pen.oval(lamp[0], lamp[1], 0.06 * s, 0.085 * s, (236, 236, 224), glow=on)
    pen.oval(-0.93 * s, 0.8 * s if not scooter else 0.66 * s, 0.05 * s, 0.04 * s, (200, 30, 30), glow=on * 0.5)
    out = [pen.layer("Motorbike", "motorcycle" if street else "void", relief=0.5, girth=0.25)]
    if ridden:
        person = rider(
            cam, at, rng, saddle=seat, bar=bar, pedal=foot, mirror=flip, squeeze=squeeze, lean=lean, street=street
        )
        return _ride(out, person)
    if chance(rng, 0.8):
        pen.line([(0.0, 0.25), (-0.1, 0.0)], 0.03, black)
    return out
