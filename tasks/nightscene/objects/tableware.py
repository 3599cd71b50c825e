"""Bottles and cups, and the vases, lamps and plants that resemble them."""

from __future__ import annotations

from ..camera import Camera
from ..mood import Mood
from ..names import RGB, Rng, between, chance, mixed, pick, scaled, vary
from ..pen import Layer, Pen

At = tuple[float, float, float]


def bottle(cam: Camera, at: At, rng: Rng, *, big: float = 1.0) -> list[Layer]:
    """A bottle: narrow neck, shoulders, cap and label; wine, beer, water or sauce."""
    kind = pick(rng, ("wine", "beer", "water", "sauce"))
    height, r, neck, shoulder = {
        "wine": (0.31, 0.04, 0.015, 0.6),
        "beer": (0.25, 0.033, 0.014, 0.55),
        "water": (0.27, 0.038, 0.017, 0.76),
        "sauce": (0.2, 0.034, 0.014, 0.7),
    }[kind]
    s = between(rng, 0.92, 1.15) * big
    height, r, neck = height * s, r * s, neck * s
    glass: RGB = vary(
        rng, {"wine": (36, 62, 42), "beer": (110, 62, 26), "water": (170, 200, 214), "sauce": (160, 40, 30)}[kind], 18
    )
    pen = Pen(cam, at, (-r * 1.3, r * 1.3, -0.01, height * 1.02))
    top = height * shoulder
    shape = [
        (-r, 0.006),
        (-r * 0.85, 0.0),
        (r * 0.85, 0.0),
        (r, 0.006),
        (r, top),
        (r * 0.75, top + height * 0.06),
        (neck, top + height * 0.14),
        (neck, height * 0.97),
        (-neck, height * 0.97),
        (-neck, top + height * 0.14),
        (-r * 0.75, top + height * 0.06),
        (-r, top),
    ]
    pen.poly(shape, glass)
    pen.rect(r * 0.45, 0.01, r, top, scaled(glass, 0.7))
    pen.rect(-r * 0.8, height * 0.04, -r * 0.55, top, mixed(glass, (255, 255, 255), 0.5))
    if chance(rng, 0.85):
        tag = vary(rng, pick(rng, ((236, 230, 210), (200, 60, 50), (40, 80, 150), (230, 190, 60), (240, 240, 240))), 12)
        lo, hi = top * between(rng, 0.18, 0.3), top * between(rng, 0.66, 0.85)
        pen.rect(-r, lo, r, hi, tag)
        pen.rect(r * 0.5, lo, r, hi, scaled(tag, 0.78))
        pen.rect(-r * 0.6, (lo + hi) / 2, r * 0.5, (lo + hi) / 2 + height * 0.03, scaled(tag, 0.5))
    cap = vary(rng, pick(rng, ((30, 30, 34), (180, 40, 40), (210, 210, 214), (40, 90, 180), (190, 150, 60))), 10)
    pen.rect(-neck * 1.2, height * (0.82 if kind == "wine" else 0.92), neck * 1.2, height, cap)
    return [pen.layer("Bottle", girth=r)]


def cup(cam: Camera, at: At, rng: Rng, *, big: float = 1.0) -> list[Layer]:
    """A mug, a tea cup on its saucer, or a paper cup; seen a little from above."""
    kind = pick(rng, ("mug", "mug", "tea", "paper"))
    s = between(rng, 0.95, 1.25) * big
    colour = vary(
        rng,
        pick(
            rng,
            (
                (236, 234, 228),
                (180, 44, 40),
                (46, 84, 140),
                (60, 130, 110),
                (230, 180, 60),
                (40, 40, 44),
                (210, 140, 120),
            ),
        ),
        14,
    )
    if kind == "paper":
        h, r0, r1 = 0.125 * s, 0.032 * s, 0.044 * s
    elif kind == "tea":
        h, r0, r1 = 0.068 * s, 0.028 * s, 0.05 * s
    else:
        h, r0, r1 = 0.1 * s, 0.041 * s, 0.043 * s
    tilt = max(0.1, min(0.5, (cam.eye - at[1] - h) / at[2]))  # how far the rim opens to the viewer
    pen = Pen(cam, at, (-0.1 * s, 0.1 * s, -0.035 * s, h + 0.03 * s), mirror=chance(rng, 0.5))
    if kind == "tea":
        pen.oval(0.0, 0.004, 0.082 * s, 0.082 * s * tilt, scaled(colour, 0.86))
        pen.oval(0.0, 0.006, 0.06 * s, 0.06 * s * tilt, colour)
    if kind != "paper":
        pen.oval(r1 * 1.15, h * 0.52, r1 * 0.55, h * 0.3, scaled(colour, 0.85), ring=0.013 * s)
    pen.oval(0.0, r0 * tilt * 0.3, r0, r0 * tilt, scaled(colour, 0.8))
    body = [(-r0, 0.006), (r0, 0.006), (r1, h), (-r1, h)]
    if kind == "tea":
        body = [(-r0, 0.004), (r0, 0.004), (r1 * 0.9, h * 0.5), (r1, h), (-r1, h), (-r1 * 0.9, h * 0.5)]
    pen.poly(body, colour)
    pen.poly([(r0 * 0.4, 0.006), (r0, 0.006), (r1, h), (r1 * 0.5, h)], scaled(colour, 0.8))
    if kind == "paper":
        pen.poly(
            [(-r1 * 0.9, h * 0.35), (r1 * 0.9, h * 0.35), (r1 * 0.96, h * 0.68), (-r1 * 0.96, h * 0.68)],
            scaled(colour, 0.55),
        )
        pen.rect(-r1 * 1.08, h * 0.95, r1 * 1.08, h * 1.06, (236, 236, 232))
        pen.oval(0.0, h * 1.06, r1, r1 * tilt * 0.8, (220, 220, 216))
    else:
        if chance(rng, 0.4):
            pen.poly(
                [(-r1 * 0.98, h * 0.55), (r1 * 0.98, h * 0.55), (r1, h * 0.72), (-r1, h * 0.72)],
                mixed(colour, pick(rng, ((250, 250, 245), (30, 40, 60))), 0.7),
            )
        pen.oval(0.0, h, r1, r1 * tilt, mixed(colour, (255, 255, 255), 0.35))
        pen.oval(0.0, h - 0.002, r1 * 0.86, r1 * tilt * 0.84, scaled(colour, 0.6))
        pen.oval(0.0, h - 0.006, r1 * 0.78, r1 * tilt * 0.68, pick(rng, ((58, 36, 24), (120, 74, 40), (150, 96, 40))))
    return [pen.layer("Cup", girth=r1)]


def vase(cam: Camera, at: At, rng: Rng) -> list[Layer]:
    """A bellied vase or a potted plant: resembles a bottle or a cup and is neither."""
    s = between(rng, 0.8, 1.4)
    colour = vary(rng, pick(rng, ((176, 100, 70), (90, 110, 130), (220, 214, 200), (70, 90, 70))), 14)
    pen = Pen(cam, at, (-0.22 * s, 0.22 * s, -0.01, 0.5 * s))
    green = vary(rng, pick(rng, ((70, 110, 60), (96, 130, 70), (50, 86, 60))), 14)
    n = int(rng.integers(7, 13))
    for i in range(n):
        u, v = between(rng, -0.17, 0.17) * s, between(rng, 0.24, 0.46) * s
        pen.line([(u * 0.15, 0.16 * s), (u * 0.6, v * 0.75), (u, v)], 0.012 * s, scaled(green, 0.8))
        pen.oval(u, v, 0.05 * s, 0.022 * s, vary(rng, green, 20), between(rng, -1.2, 1.2))
        if i % 4 == 3:
            pen.disc(u, v, 0.025 * s, vary(rng, pick(rng, ((220, 90, 90), (240, 210, 90), (230, 230, 240))), 10))
    pen.poly(
        [
            (-0.05 * s, 0.0),
            (0.05 * s, 0.0),
            (0.085 * s, 0.09 * s),
            (0.07 * s, 0.18 * s),
            (-0.07 * s, 0.18 * s),
            (-0.085 * s, 0.09 * s),
        ],
        colour,
    )
    pen.poly(
        [(0.02 * s, 0.0), (0.05 * s, 0.0), (0.085 * s, 0.09 * s), (0.07 * s, 0.18 * s), (0.03 * s, 0.18 * s)],
        scaled(colour, 0.8),
    )
    return [pen.layer("", girth=0.1)]


def lantern(cam: Camera, at: At, rng: Rng, *, lit: bool) -> list[Layer]:
    """A candle lantern or a small table lamp that may be lit."""
    s = between(rng, 0.8, 1.2)
    pen = Pen(cam, at, (-0.13 * s, 0.13 * s, -0.01, 0.42 * s))
    if chance(rng, 0.5):
        pen.rect(-0.012 * s, 0.0, 0.012 * s, 0.25 * s, (90, 80, 60))
        pen.oval(0.0, 0.012 * s, 0.06 * s, 0.014 * s, (90, 80, 60))
        pen.poly(
            [(-0.12 * s, 0.2 * s), (0.12 * s, 0.2 * s), (0.07 * s, 0.38 * s), (-0.07 * s, 0.38 * s)],
            (240, 214, 160),
            3.0 if lit else 0.0,
        )
    else:
        pen.rect(-0.06 * s, 0.0, 0.06 * s, 0.2 * s, (50, 46, 42))
        pen.rect(-0.048 * s, 0.02 * s, 0.048 * s, 0.18 * s, (230, 190, 120), 2.0 if lit else 0.0)
        pen.rect(-0.015 * s, 0.02 * s, 0.015 * s, 0.09 * s, (250, 240, 200), 6.0 if lit else 0.0)
        pen.poly([(-0.07 * s, 0.2 * s), (0.07 * s, 0.2 * s), (0.0, 0.28 * s)], (50, 46, 42))
    return [pen.layer("", girth=0.1)]


def books(cam: Camera, at: At, rng: Rng, mood: Mood, *, laptop: bool) -> list[Layer]:
    """A stack of books, or an open laptop whose screen may glow."""
    pen = Pen(cam, at, (-0.2, 0.2, -0.02, 0.28))
    if laptop:
        on = mood.screens > 0
        pen.poly([(-0.17, 0.02), (0.17, 0.02), (0.16, 0.25), (-0.16, 0.25)], (40, 40, 44))
        pen.poly(
            [(-0.155, 0.035), (0.155, 0.035), (0.147, 0.238), (-0.147, 0.238)],
            (150, 190, 240) if on else (28, 32, 38),
            1.8 if on else 0.0,
        )
        pen.poly([(-0.17, 0.02), (0.17, 0.02), (0.19, -0.012), (-0.19, -0.012)], (120, 122, 126))
    else:
        v = 0.0
        for _ in range(int(rng.integers(2, 5))):
            t, w, o = between(rng, 0.02, 0.04), between(rng, 0.09, 0.13), between(rng, -0.02, 0.02)
            pen.rect(
                o - w,
                v,
                o + w,
                v + t,
                vary(rng, pick(rng, ((150, 50, 46), (60, 84, 120), (200, 180, 130), (60, 100, 80))), 24),
            )
            pen.rect(o + w * 0.9, v + 0.004, o + w, v + t - 0.004, (230, 226, 214))
            v += t
    return [pen.layer("", girth=0.12)]
