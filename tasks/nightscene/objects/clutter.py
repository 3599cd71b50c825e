"""Street furniture, plants and other things that are none of the twelve classes."""

from __future__ import annotations

import numpy as np

from ..camera import Camera
from ..mood import Mood
from ..names import RGB, Rng, between, chance, pick, scaled, vary
from ..pen import Layer, Pen
from ..solid import Solid

At = tuple[float, float, float]
METAL: RGB = (84, 88, 92)


def tree(cam: Camera, at: At, rng: Rng) -> list[Layer]:
    """A broad-leaved tree, a conifer or a bare one."""
    h = between(rng, 4.0, 8.0)
    bark, leaf = (
        vary(rng, (92, 74, 58), 12),
        vary(rng, pick(rng, ((74, 104, 58), (92, 120, 66), (58, 88, 62), (140, 120, 56))), 14),
    )
    pen = Pen(cam, at, (-h * 0.34, h * 0.34, -0.02, h * 1.02), mirror=chance(rng, 0.5))
    kind = pick(rng, ("broad", "broad", "conifer", "bare"))
    pen.limb((0.0, 0.0), (0.02 * h, 0.5 * h), 0.055 * h, 0.03 * h, bark)
    if kind == "conifer":
        for i in range(5):
            v, w = h * (0.2 + 0.15 * i), h * (0.24 - 0.04 * i)
            pen.poly([(-w, v), (w, v), (0.0, v + h * 0.27)], scaled(leaf, 0.7 + 0.08 * i))
    else:
        for u, v in ((-0.16, 0.7), (0.18, 0.74), (0.0, 0.9), (-0.08, 0.85), (0.12, 0.6)):
            pen.limb((0.01 * h, 0.42 * h), (u * h, v * h), 0.025 * h, 0.008 * h, bark)
            if kind == "bare":
                for d in (-0.08, 0.08):
                    pen.limb(
                        (u * h * 0.7, (v * 0.7 + 0.13) * h), ((u + d) * h, (v + 0.08) * h), 0.01 * h, 0.005 * h, bark
                    )
        if kind == "broad":
            for i in range(16):
                a, d = i * 2.4, 0.06 + 0.2 * float(rng.random())
                u, v = float(np.cos(a)) * d, 0.7 + float(np.sin(a)) * d * 0.95
                pen.oval(
                    u * h,
                    v * h,
                    between(rng, 0.08, 0.13) * h,
                    between(rng, 0.07, 0.11) * h,
                    scaled(leaf, 0.75 + 0.5 * float(rng.random())),
                )
    return [pen.layer("", "vegetation", relief=1.0, girth=0.25)]


def bush(cam: Camera, at: At, rng: Rng) -> list[Layer]:
    """A bush, about as big as a person or a dog."""
    w, h = between(rng, 0.4, 1.1), between(rng, 0.5, 1.5)
    leaf = vary(rng, pick(rng, ((66, 96, 56), (86, 112, 64), (52, 78, 56))), 14)
    pen = Pen(cam, at, (-w * 1.2, w * 1.2, -0.02, h * 1.15))
    for i in range(12):
        u, v = between(rng, -0.75, 0.75) * w, between(rng, 0.15, 0.8) * h
        pen.oval(u, v, w * between(rng, 0.3, 0.45), h * between(rng, 0.2, 0.3), scaled(leaf, 0.75 + 0.045 * i))
    return [pen.layer("", "vegetation", girth=w)]


def lamp_post(cam: Camera, at: At, rng: Rng, mood: Mood, *, lit: bool, arm: float) -> list[Layer]:
    """A street lamp of 4.5 m whose head hangs ``arm`` metres to the side."""
    h = 4.6
    post = vary(rng, METAL, 12)
    lo, hi = min(-0.2, arm - 0.4), max(0.2, arm + 0.4)
    pen = Pen(cam, at, (lo, hi, -0.02, h + 0.3))
    pen.limb((0.0, 0.0), (0.0, h), 0.15, 0.09, post)
    pen.limb((0.0, 0.0), (0.0, 0.6), 0.24, 0.18, scaled(post, 0.9))
    pen.line([(0.0, h), (arm, h + 0.12)], 0.08, post)
    pen.poly([(arm - 0.32, h + 0.06), (arm + 0.32, h + 0.06), (arm + 0.22, h + 0.22), (arm - 0.22, h + 0.22)], post)
    tint = tuple(round(255 * c**0.45) for c in mood.lamp_colour)
    bulb: RGB = (tint[0], tint[1], tint[2]) if lit else (214, 210, 196)
    pen.rect(arm - 0.28, h - 0.03, arm + 0.28, h + 0.08, bulb, 25.0 * mood.lamp_power if lit else 0.0)
    return [pen.layer("", "pole", girth=0.12)]


def traffic_light(cam: Camera, at: At, rng: Rng) -> list[Layer]:
    """A signal on its pole: two layers, since the label map tells them apart."""
    pole = Pen(cam, at, (-0.1, 0.1, -0.02, 3.4))
    pole.line([(0.0, 0.0), (0.0, 3.3)], 0.1, (70, 72, 76))
    head = Pen(cam, at, (-0.25, 0.25, 2.3, 3.5))
    head.rect(-0.18, 2.45, 0.18, 3.4, (34, 36, 38))
    on = int(rng.integers(3))
    for i, colour in enumerate(((220, 40, 34), (240, 170, 40), (50, 200, 110))):
        head.disc(0.0, 3.22 - 0.3 * i, 0.115, colour if i == on else scaled(colour, 0.3), 4.0 if i == on else 0.0)
    first, second = pole.layer("", "pole", girth=0.1), head.layer("", "traffic light", casts=False)
    second.order -= 0.01
    return [first, second]


def sign(cam: Camera, at: At, rng: Rng) -> list[Layer]:
    """A traffic sign on a pole: round, triangular, or a blue square."""
    h = between(rng, 2.1, 2.6)
    pole = Pen(cam, at, (-0.06, 0.06, -0.02, h + 0.1))
    pole.line([(0.0, 0.0), (0.0, h)], 0.07, (120, 122, 126))
    face = Pen(cam, at, (-0.4, 0.4, h - 0.4, h + 0.4))
    kind, red, white = pick(rng, ("round", "triangle", "square", "stop")), (190, 36, 34), (232, 232, 228)
    if kind == "round":
        face.oval(0.0, h, 0.33, 0.33, red)
        face.oval(0.0, h, 0.25, 0.25, white)
        face.rect(-0.12, h - 0.1, 0.1, h + 0.1, (30, 30, 32))
    elif kind == "triangle":
        face.poly([(-0.36, h - 0.25), (0.36, h - 0.25), (0.0, h + 0.38)], red)
        face.poly([(-0.23, h - 0.18), (0.23, h - 0.18), (0.0, h + 0.22)], white)
    elif kind == "square":
        face.rect(-0.3, h - 0.3, 0.3, h + 0.3, (36, 80, 160))
        face.poly([(-0.14, h - 0.18), (0.14, h - 0.18), (0.0, h + 0.2)], white)
    else:
        face.oval(0.0, h, 0.34, 0.34, red)
        face.rect(-0.24, h - 0.06, 0.24, h + 0.06, white)
    first, second = pole.layer("", "pole", girth=0.08), face.layer("", "traffic sign", relief=0.0, casts=False)
    second.order -= 0.01
    return [first, second]


def bin_(cam: Camera, at: At, rng: Rng) -> list[Layer]:
    """A litter bin, a hydrant, a bollard, a post box or a bundle: none of the classes, all of their sizes."""
    kind = pick(rng, ("bin", "hydrant", "bollard", "post", "cone", "sack"))
    pen = Pen(cam, at, (-0.4, 0.4, -0.02, 1.35))
    if kind == "bin":
        c = vary(rng, pick(rng, ((60, 90, 70), (70, 72, 76), (120, 84, 50))), 12)
        pen.poly([(-0.24, 0.0), (0.24, 0.0), (0.29, 0.85), (-0.29, 0.85)], c)
        pen.rect(-0.32, 0.82, 0.32, 0.94, scaled(c, 0.75))
        pen.line([(-0.1, 0.1), (-0.12, 0.78)], 0.02, scaled(c, 0.8))
    elif kind == "hydrant":
        c = vary(rng, (180, 50, 36), 14)
        pen.rect(-0.13, 0.0, 0.13, 0.62, c)
        pen.oval(0.0, 0.62, 0.15, 0.14, c)
        pen.rect(-0.22, 0.38, 0.22, 0.5, scaled(c, 0.8))
    elif kind == "bollard":
        pen.limb((0.0, 0.0), (0.0, 0.85), 0.16, 0.13, vary(rng, (84, 84, 86), 20))
        pen.rect(-0.075, 0.62, 0.075, 0.72, (226, 226, 220))
    elif kind == "post":
        c = vary(rng, pick(rng, ((200, 160, 40), (170, 40, 36))), 10)
        pen.rect(-0.05, 0.0, 0.05, 0.6, (60, 60, 62))
        pen.rect(-0.25, 0.55, 0.25, 1.2, c)
        pen.oval(0.0, 1.2, 0.25, 0.1, c)
        pen.rect(-0.17, 1.02, 0.17, 1.07, (30, 30, 30))
    elif kind == "cone":
        pen.poly([(-0.22, 0.04), (0.22, 0.04), (0.04, 0.75), (-0.04, 0.75)], (220, 96, 40))
        pen.poly([(-0.16, 0.3), (0.16, 0.3), (0.11, 0.5), (-0.11, 0.5)], (232, 230, 224))
        pen.rect(-0.3, 0.0, 0.3, 0.06, (60, 60, 62))
    else:
        pen.oval(0.0, 0.27, 0.34, 0.29, (40, 42, 46))
        pen.poly([(-0.08, 0.5), (0.08, 0.5), (0.14, 0.68), (-0.12, 0.66)], (40, 42, 46))
    return [pen.layer("", "void", girth=0.3)]


def fence(cam: Camera, at: At, rng: Rng, *, length: float, along: bool, label: str = "fence") -> list[Layer]:
    """A railing of ``length`` metres, along the street or across the view."""
    s = Solid(cam, at, 0.0 if along else np.pi / 2)
    c, h = vary(rng, pick(rng, ((70, 74, 78), (130, 100, 70), (200, 200, 196))), 10), between(rng, 0.85, 1.1)
    n = max(3, round(length / 0.45))
    for i in range(n + 1):
        a = -length / 2 + length * i / n
        s.bar((a, 0.0, 0.0), (a, 0.0, h), 0.05 if i % 4 else 0.09, c)
    for f in (0.25, 0.97):
        s.bar((-length / 2, 0.0, h * f), (length / 2, 0.0, h * f), 0.06, c)
    return [s.layer("", label, girth=0.05)]


def bench(cam: Camera, at: At, rng: Rng, *, yaw: float) -> list[Layer]:
    """A park bench: long, slatted, on two supports. Neither chair nor table."""
    s = Solid(cam, at, yaw)
    wood = vary(rng, pick(rng, ((140, 96, 58), (110, 84, 62), (80, 100, 84))), 12)
    for b in (-0.7, 0.7):
        s.bar((-0.2, b, 0.0), (-0.28, b, 0.85), 0.07, (50, 52, 54))
        s.bar((0.2, b, 0.0), (0.2, b, 0.44), 0.07, (50, 52, 54))
    for a in (-0.15, 0.0, 0.15):
        s.bar((a, -0.9, 0.44), (a, 0.9, 0.44), 0.09, wood)
    for h in (0.6, 0.78):
        s.bar((-0.25, -0.9, h), (-0.25, 0.9, h), 0.1, scaled(wood, 1.1))
    return [s.layer("", "void", girth=0.5)]


def billboard(cam: Camera, at: At, rng: Rng, mood: Mood) -> list[Layer]:
    """A lit advertising column or panel; at night a large screen."""
    on = mood.screens > 0
    pen = Pen(cam, at, (-0.8, 0.8, -0.02, 2.8))
    pen.rect(-0.7, 0.0, 0.7, 2.7, (50, 52, 56))
    base = vary(rng, pick(rng, ((120, 170, 230), (90, 200, 200), (200, 140, 220), (230, 230, 240))), 16)
    glow = 2.2 if on else 0.0
    pen.rect(-0.6, 0.5, 0.6, 2.6, base, glow)
    for _ in range(4):
        u, v = between(rng, -0.5, 0.1), between(rng, 0.6, 2.1)
        pen.rect(u, v, u + between(rng, 0.15, 0.45), v + between(rng, 0.08, 0.4), vary(rng, base, 90), glow)
    return [pen.layer("", "void", relief=0.0, girth=0.3)]
