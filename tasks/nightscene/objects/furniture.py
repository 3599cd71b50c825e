"""Chairs and tables, and the things of a room that are neither."""

from __future__ import annotations

import numpy as np

from ..camera import Camera
from ..mood import Mood
from ..names import RGB, Rng, between, chance, mixed, pick, scaled, vary
from ..pen import Layer
from ..solid import Solid, Vec

At = tuple[float, float, float]
WOOD: tuple[RGB, ...] = (
    (150, 104, 62),
    (186, 144, 96),
    (96, 62, 40),
    (210, 180, 136),
    (64, 46, 36),
    (224, 220, 212),
    (40, 40, 44),
)
CLOTH: tuple[RGB, ...] = (
    (150, 50, 46),
    (60, 84, 120),
    (70, 104, 82),
    (190, 150, 70),
    (70, 70, 76),
    (206, 196, 178),
    (120, 84, 120),
)


def chair(cam: Camera, at: At, rng: Rng, *, yaw: float) -> list[Layer]:
    """A chair: seat, back rest and four legs; slatted, solid, or an upholstered one. ``yaw`` is where it faces."""
    wood = vary(rng, pick(rng, WOOD), 12)
    cloth = vary(rng, pick(rng, (*CLOTH, wood, wood)), 14)
    s = Solid(cam, at, yaw)
    w, seat, back = between(rng, 0.2, 0.25), between(rng, 0.42, 0.48), between(rng, 0.82, 1.02)
    style = pick(rng, ("slats", "solid", "ladder", "arm"))
    t = 0.045
    dark = scaled(wood, 0.75)
    for a, b in ((-w, -w), (-w, w), (w, -w), (w, w)):
        s.bar((a, b, 0.0), (a * 0.95, b * 0.95, seat), t, dark if a * np.cos(yaw) > 0 else wood)
    for b in (-w, w):
        s.bar((-w, b, 0.2), (w, b, 0.2), t * 0.6, dark)
    facing_away = np.cos(yaw) > 0  # the back rest is on the near side

    def rest() -> None:
        lean = -w - 0.06
        for b in (-w, w):
            s.bar((-w, b, seat), (lean, b, back), t, wood)
        if style in ("solid", "arm"):
            for n in ((1.0, 0.0, 0.1), (-1.0, 0.0, -0.1)):
                s.face(
                    [(-w - 0.01, -w, seat + 0.14), (-w - 0.01, w, seat + 0.14), (lean, w, back), (lean, -w, back)],
                    cloth,
                    n,
                )
        elif style == "slats":
            for i in range(5):
                b = -w + 2 * w * (i + 0.5) / 5
                s.bar((-w, b, seat + 0.02), (lean, b, back - 0.04), t * 0.6, wood)
            s.bar((lean, -w, back - 0.03), (lean, w, back - 0.03), t * 1.7, wood)
        else:
            for f in (0.35, 0.65, 0.95):
                a = -w - 0.06 * f
                s.bar((a, -w, seat + (back - seat) * f), (a, w, seat + (back - seat) * f), t * 1.5, wood)

    def bottom() -> None:
        s.box((-w, -w, seat - 0.05), (w, w, seat), scaled(cloth, 0.85), cloth)
        if style == "arm":
            for b in (-w, w):
                s.bar((w * 0.8, b, seat), (w * 0.8, b, seat + 0.22), t, wood)
                s.bar((-w, b, seat + 0.22), (w, b, seat + 0.22), t * 1.2, wood)

    for part in (bottom, rest) if facing_away else (rest, bottom):
        part()
    return [s.layer("Chair", girth=0.45)]


def table(
    cam: Camera, at: At, rng: Rng, *, yaw: float, half: tuple[float, float], height: float, top: RGB | None = None
) -> list[Layer]:
    """A table with a rectangular top of half sizes ``half`` (along, across), or a round one when both are equal."""
    wood = top or vary(rng, pick(rng, WOOD), 14)
    s = Solid(cam, at, yaw)
    la, lb = half
    leg = pick(rng, (scaled(wood, 0.7), (44, 44, 48), wood))
    round_top = la == lb and chance(rng, 0.7)
    if round_top:
        s.bar((0.0, 0.0, 0.0), (0.0, 0.0, height), 0.08, leg)
        for a, b in ((-0.25, 0.0), (0.25, 0.0), (0.0, -0.25), (0.0, 0.25)):
            s.bar((0.0, 0.0, 0.08), (a, b, 0.0), 0.05, leg)
        ring: list[Vec] = [(la * float(np.cos(t)), lb * float(np.sin(t)), height) for t in _RING]
        s.face([(a, b, height - 0.04) for a, b, _ in ring], scaled(wood, 0.6))
        s.face(ring, wood)
        s.face([(a * 0.93, b * 0.93, h) for a, b, h in ring], scaled(wood, 1.08))
    else:
        order = sorted(((-1, -1), (-1, 1), (1, -1), (1, 1)), key=lambda c: -(c[0] * np.cos(yaw) - c[1] * np.sin(yaw)))
        for i, (a, b) in enumerate(order):
            x, y = a * (la - 0.07), b * (lb - 0.07)
            s.bar((x, y, 0.0), (x, y, height), 0.06, scaled(leg, 0.75) if i < 2 else leg)
        s.box((-la * 0.9, -lb * 0.9, height - 0.12), (la * 0.9, lb * 0.9, height - 0.04), scaled(wood, 0.7))
        s.box((-la, -lb, height - 0.04), (la, lb, height), scaled(wood, 0.85), wood)
        for i in range(1, 4):  # boards
            b = -lb + 2 * lb * i / 4
            s.face([(-la, b, height), (la, b, height)], scaled(wood, 0.9), (0.0, 0.0, 1.0), 0.0, 0.008)
    return [s.layer("Table", girth=lb)]


_RING = np.arange(28) * (2 * np.pi / 28)


def sofa(cam: Camera, at: At, rng: Rng, *, yaw: float) -> list[Layer]:
    """A sofa, as furniture that is not a chair: wide, low, closed down to the floor."""
    cloth = vary(rng, pick(rng, CLOTH), 12)
    s = Solid(cam, at, yaw)
    w = between(rng, 0.8, 1.1)
    s.box((-0.45, -w, 0.08), (0.42, w, 0.42), cloth, scaled(cloth, 1.1))
    s.box((-0.5, -w, 0.08), (-0.25, w, 0.86), scaled(cloth, 0.92))
    for b in (-w, w - 0.2):
        s.box((-0.5, b, 0.08), (0.42, b + 0.2, 0.62), scaled(cloth, 0.85))
    s.face([(0.421, 0.0, 0.1), (0.421, 0.0, 0.42)], scaled(cloth, 0.6), (1.0, 0.0, 0.0), 0.0, 0.02)
    s.face([(-0.249, 0.0, 0.42), (-0.249, 0.0, 0.86)], scaled(cloth, 0.6), (1.0, 0.0, 0.0), 0.0, 0.02)
    pillow = vary(rng, pick(rng, CLOTH), 20)
    b = between(rng, -w + 0.35, w - 0.6)
    s.face(
        [(-0.22, b, 0.43), (-0.22, b + 0.38, 0.43), (-0.25, b + 0.36, 0.76), (-0.25, b + 0.03, 0.76)],
        pillow,
        (1.0, 0.0, 0.2),
    )
    return [s.layer("", girth=0.9)]


def cabinet(cam: Camera, at: At, rng: Rng, mood: Mood, *, tv: bool) -> list[Layer]:
    """A sideboard or book case against a wall, with a television on top when ``tv``."""
    wood = vary(rng, pick(rng, WOOD), 12)
    s = Solid(cam, at, np.pi)
    w = between(rng, 0.5, 0.9)
    tall = not tv and chance(rng, 0.5)
    h = between(rng, 1.5, 2.0) if tall else between(rng, 0.45, 0.7)
    s.box((-0.2, -w, 0.04), (0.2, w, h), wood, scaled(wood, 1.1))
    n: Vec = (1.0, 0.0, 0.0)
    rows = 4 if tall else 1
    for r in range(rows):
        h0, h1 = 0.08 + (h - 0.1) * r / rows, 0.08 + (h - 0.1) * (r + 1) / rows - 0.03
        if tall:
            s.face(
                [(0.2, -w + 0.04, h0), (0.2, w - 0.04, h0), (0.2, w - 0.04, h1), (0.2, -w + 0.04, h1)],
                scaled(wood, 0.4),
                n,
            )
            b = -w + 0.07
            while b < w - 0.12:
                t = between(rng, 0.03, 0.07)
                top = h0 + (h1 - h0) * between(rng, 0.6, 0.92)
                if chance(rng, 0.85):
                    s.face(
                        [(0.2, b, h0), (0.2, b + t, h0), (0.2, b + t, top), (0.2, b, top)],
                        vary(rng, pick(rng, CLOTH), 30),
                        n,
                    )
                b += t + 0.006
        else:
            for i in range(3):
                b0, b1 = -w + 2 * w * i / 3 + 0.03, -w + 2 * w * (i + 1) / 3 - 0.03
                s.face([(0.2, b0, h0), (0.2, b1, h0), (0.2, b1, h1), (0.2, b0, h1)], scaled(wood, 0.86), n)
                s.face(
                    [(0.205, (b0 + b1) / 2 - 0.05, h1 - 0.07), (0.205, (b0 + b1) / 2 + 0.05, h1 - 0.07)],
                    (60, 60, 62),
                    n,
                    0.0,
                    0.02,
                )
    if tv:
        on = mood.screens > 0
        tw, t0, t1 = w * 0.85, h + 0.06, h + 0.06 + w * 0.95
        s.box((-0.02, -tw, t0), (0.03, tw, t1), (22, 22, 24))
        tint: RGB = vary(rng, (110, 160, 230), 30) if on else (36, 40, 46)
        s.face(
            [
                (0.031, -tw * 0.96, t0 + 0.03),
                (0.031, tw * 0.96, t0 + 0.03),
                (0.031, tw * 0.96, t1 - 0.03),
                (0.031, -tw * 0.96, t1 - 0.03),
            ],
            tint,
            n,
            1.6 if on else 0.0,
        )
        if on:
            for _ in range(3):
                c, d = between(rng, -tw * 0.7, tw * 0.4), between(rng, t0 + 0.1, (t0 + t1) / 2)
                s.face(
                    [
                        (0.032, c, d),
                        (0.032, c + tw * 0.5, d),
                        (0.032, c + tw * 0.4, d + 0.2),
                        (0.032, c + 0.1, d + 0.25),
                    ],
                    mixed(tint, vary(rng, pick(rng, CLOTH), 60), 0.6),
                    n,
                    1.2,
                )
    return [s.layer("", girth=0.5)]


def crate(cam: Camera, at: At, rng: Rng, *, yaw: float) -> list[Layer]:
    """A box, a suitcase or a stool-high crate: a distractor for tables and chairs."""
    colour = vary(rng, pick(rng, ((176, 136, 88), (120, 84, 56), (60, 70, 96), (150, 60, 50), (96, 100, 104))), 16)
    s = Solid(cam, at, yaw)
    a, b, h = between(rng, 0.15, 0.3), between(rng, 0.18, 0.35), between(rng, 0.25, 0.6)
    s.box((-a, -b, 0.0), (a, b, h), colour, scaled(colour, 1.12))
    for x in (-a, a):
        n: Vec = (1.0 if x > 0 else -1.0, 0.0, 0.0)
        s.face([(x, -b * 0.9, h * 0.5), (x, b * 0.9, h * 0.5)], scaled(colour, 0.7), n, 0.0, 0.03)
    return [s.layer("", girth=b)]
