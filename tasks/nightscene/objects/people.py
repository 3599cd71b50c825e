"""People: jointed figures, standing, walking, sitting and riding."""

from __future__ import annotations

from ..camera import Camera
from ..mood import Mood
from ..names import RGB, Rng, between, chance, mixed, pick, scaled, vary
from ..pen import Layer, Pen

P = tuple[float, float]
SKIN: tuple[RGB, ...] = ((236, 196, 168), (222, 172, 138), (190, 138, 102), (142, 98, 70), (96, 66, 50))
HAIR: tuple[RGB, ...] = ((28, 22, 20), (58, 40, 28), (96, 66, 38), (168, 130, 78), (120, 116, 112), (110, 44, 24))
TOPS: tuple[RGB, ...] = (
    (34, 38, 48), (70, 74, 80), (150, 40, 40), (40, 70, 130), (60, 100, 70), (200, 190, 170), (216, 216, 216),
    (190, 140, 50), (110, 70, 110), (90, 60, 45), (50, 110, 130), (222, 160, 60),
)  # fmt: skip
LEGS: tuple[RGB, ...] = ((30, 34, 48), (44, 58, 96), (60, 60, 62), (110, 96, 76), (26, 26, 28), (150, 140, 120))


class _Look:
    """The colours and build of one person."""

    def __init__(self, rng: Rng) -> None:
        self.skin = vary(rng, pick(rng, SKIN), 8)
        self.hair = vary(rng, pick(rng, HAIR), 8)
        self.top = vary(rng, pick(rng, TOPS), 16)
        self.legs = vary(rng, pick(rng, LEGS), 10)
        self.shoe = pick(rng, ((28, 26, 26), (210, 210, 205), (90, 60, 40)))
        self.wide = between(rng, 0.88, 1.22)
        self.long_hair = chance(rng, 0.4)
        self.hat = pick(rng, ("", "", "", "cap", "beanie"))
        self.hat_colour = vary(rng, pick(rng, TOPS), 20)
        self.coat = chance(rng, 0.3)
        self.skirt = self.long_hair and chance(rng, 0.35)
        self.bare = chance(rng, 0.25)  # short sleeves
        self.bag = pick(rng, ("", "", "", "pack", "hand"))
        self.stripe = pick(rng, ("", "", "", "band", "vest", "zip"))


def _head(pen: Pen, s: float, at: P, look: _Look, face: str) -> None:
    """Head, hair and hat at ``at``; ``face`` is "front", "back" or "side" (looking right)."""
    u, v = at
    r = 0.064 * s
    if look.long_hair:
        pen.oval(u - (0.012 * s if face == "side" else 0), v - 0.02 * s, r * 1.2, r * 1.6, look.hair)
    pen.oval(u, v, r * 0.9, r * 1.12, look.skin)
    if face == "back":
        pen.oval(u, v + 0.005 * s, r * 1.0, r * 1.1, look.hair)
    elif face == "side":
        pen.poly([(u + r * 0.7, v + r * 0.25), (u + r * 1.2, v - r * 0.2), (u + r * 0.7, v - r * 0.3)], look.skin)
        pen.poly(
            [
                (u - r, v - r * 0.7),
                (u - r * 1.1, v + r * 0.4),
                (u - r * 0.4, v + r * 1.2),
                (u + r * 0.6, v + r * 1.1),
                (u + r * 0.8, v + r * 0.5),
                (u - r * 0.05, v + r * 0.35),
                (u - r * 0.2, v - r * 0.5),
            ],
            look.hair,
        )
    else:
        pen.poly(
            [
                (u - r * 0.95, v + r * 0.1),
                (u - r * 0.9, v + r * 0.8),
                (u - r * 0.3, v + r * 1.25),
                (u + r * 0.4, v + r * 1.25),
                (u + r * 0.9, v + r * 0.8),
                (u + r * 0.95, v + r * 0.1),
                (u + r * 0.6, v + r * 0.55),
                (u - r * 0.6, v + r * 0.55),
            ],
            look.hair,
        )
        dark = scaled(look.skin, 0.35)
        pen.disc(u - r * 0.36, v + r * 0.08, r * 0.13, dark)
        pen.disc(u + r * 0.36, v + r * 0.08, r * 0.13, dark)
        pen.line([(u - r * 0.25, v - r * 0.5), (u + r * 0.25, v - r * 0.5)], r * 0.14, scaled(look.skin, 0.6))
    if look.hat:
        pen.poly(
            [(u - r * 1.05, v + r * 0.3), (u - r * 0.9, v + r * 1.1), (u, v + r * 1.45), (u + r * 0.9, v + r * 1.1),
             (u + r * 1.05, v + r * 0.3)], look.hat_colour,
        )  # fmt: skip
        if look.hat == "cap" and face != "back":
            pen.line(
                [(u, v + r * 0.35), (u + (r * 1.8 if face == "side" else r * 0.9), v + r * 0.3)],
                r * 0.2,
                look.hat_colour,
            )


def _arm(pen: Pen, s: float, a: P, b: P, c: P, look: _Look, colour: RGB) -> None:
    """An arm from shoulder over elbow to wrist, with the hand."""
    pen.disc(c[0], c[1] - 0.008 * s, 0.021 * s, look.skin)
    pen.limb(b, c, 0.042 * s, 0.034 * s, look.skin if look.bare else colour)
    pen.limb(a, b, 0.058 * s, 0.046 * s, colour)


def _leg(pen: Pen, s: float, a: P, b: P, c: P, look: _Look, colour: RGB, toe: float) -> None:
    """A leg from hip over knee to ankle; ``toe`` is where the foot points along u."""
    u, v = c
    pen.poly([(u - 0.02 * s, v - 0.04 * s), (u + toe * s, v - 0.04 * s), (u + toe * 0.8 * s, v - 0.015 * s),
              (u + 0.015 * s, v + 0.01 * s), (u - 0.025 * s, v + 0.01 * s)], look.shoe)  # fmt: skip
    pen.limb(b, c, 0.066 * s, 0.044 * s, colour)
    pen.limb(a, b, 0.092 * s, 0.068 * s, colour)


def _torso(
    pen: Pen, s: float, neck: P, hip: P, half_top: float, half_low: float, look: _Look, low: float = 0.0
) -> None:
    """Neck and trunk; ``low`` lets a coat or skirt hang below the hip (metres)."""
    (nu, nv), (hu, hv) = neck, hip
    pen.limb((nu, nv + 0.03 * s), (nu, nv - 0.01 * s), 0.05 * s, 0.06 * s, scaled(look.skin, 0.85))
    t, h = half_top * s * look.wide, half_low * s * look.wide
    side = [
        (nu - t, nv - 0.045 * s),
        (nu - t * 0.55, nv + 0.002 * s),
        (nu + t * 0.55, nv + 0.002 * s),
        (nu + t, nv - 0.045 * s),
    ]
    pen.poly(
        [
            *side,
            (hu + h, hv),
            (hu + h * (1.1 if low else 1), hv - low - 0.02 * s),
            (hu - h * (1.1 if low else 1), hv - low - 0.02 * s),
            (hu - h, hv),
        ],
        look.top,
    )
    if look.stripe == "band":
        for f in (0.3, 0.5):
            u, v = nu + (hu - nu) * f, nv + (hv - nv) * f
            pen.line([(u - t * 0.8, v), (u + t * 0.8, v)], 0.025 * s, mixed(look.top, (240, 240, 235), 0.6))
    elif look.stripe == "vest":
        pen.poly(
            [
                (nu - t * 0.8, nv - 0.04 * s),
                (nu + t * 0.8, nv - 0.04 * s),
                (hu + h * 0.9, hv + 0.06 * s),
                (hu - h * 0.9, hv + 0.06 * s),
            ],
            mixed(look.top, (20, 22, 30), 0.55),
        )
    elif look.stripe == "zip":
        pen.line([(nu, nv - 0.01 * s), (hu, hv - low)], 0.012 * s, scaled(look.top, 0.55))


def standing(cam: Camera, at: tuple[float, float, float], rng: Rng, mood: Mood, *, shore: bool = False) -> list[Layer]:
    """A person on foot: facing the viewer, turned away, or walking across; children too."""
    s = between(rng, 1.52, 1.92) if chance(rng, 0.85) else between(rng, 1.0, 1.35)
    look = _Look(rng)
    face = pick(rng, ("front", "back", "side", "side"))
    pen = Pen(
        cam, at, (-0.36 * s, 0.36 * s, -0.02, 1.06 * s), mirror=chance(rng, 0.5), squeeze=between(rng, 0.92, 1.05)
    )
    dark, darker = scaled(look.legs, 0.78), scaled(look.top, 0.75)
    hang = 0.16 * s if look.coat else 0.0
    lean = 0.0
    phone = chance(rng, 0.5 if mood.own_light > 0.2 else 0.12)
    if face == "side":
        stride = between(rng, 0.0, 0.13) * (1 if chance(rng, 0.8) else 0)
        lean = stride * 0.15
        hip, neck = (0.0, 0.52 * s), (lean * s, 0.845 * s)
        swing = stride * 0.9
        _arm(
            pen,
            s,
            (neck[0], 0.81 * s),
            (neck[0] + swing * 0.5 * s, 0.65 * s),
            (neck[0] + (swing + 0.05) * s, 0.52 * s),
            look,
            darker,
        )
        _leg(
            pen,
            s,
            (0.0, 0.5 * s),
            (-stride * 0.35 * s, 0.28 * s),
            (-stride * 1.25 * s, (0.05 + stride * 0.3) * s),
            look,
            dark,
            0.085,
        )
        _leg(
            pen, s, (0.0, 0.5 * s), (stride * 0.75 * s, 0.28 * s), (stride * 1.1 * s, 0.045 * s), look, look.legs, 0.085
        )
        if look.bag == "pack":
            pen.oval(-0.09 * s, 0.71 * s, 0.07 * s, 0.12 * s, look.hat_colour)
        if look.skirt:
            pen.poly(
                [(-0.06 * s, 0.53 * s), (0.06 * s, 0.53 * s), (0.12 * s, 0.3 * s), (-0.11 * s, 0.3 * s)], look.legs
            )
        _torso(pen, s, neck, hip, 0.075, 0.07, look, hang)
        hand = (neck[0] + (0.16 if phone else -swing * 0.9) * s, (0.72 if phone else 0.49) * s)
        elbow = (neck[0] + (0.0 if phone else -swing * 0.7 - 0.02) * s, 0.65 * s)
        _head(pen, s, (neck[0] + 0.012 * s, 0.93 * s), look, face)
        _arm(pen, s, (neck[0] - 0.005 * s, 0.81 * s), elbow, hand, look, scaled(look.top, 0.9))
    else:
        gap, out = between(rng, 0.035, 0.085), between(rng, 0.125, 0.17)
        lift = 0.05 * s if chance(rng, 0.4) else 0.0
        _leg(
            pen,
            s,
            (-0.05 * s, 0.5 * s),
            (-gap * s, 0.28 * s + lift),
            (-gap * s, 0.045 * s + lift),
            look,
            dark if lift else look.legs,
            -0.04,
        )
        _leg(pen, s, (0.05 * s, 0.5 * s), (gap * s, 0.28 * s), (gap * 1.1 * s, 0.045 * s), look, look.legs, 0.04)
        if look.skirt:
            pen.poly(
                [(-0.09 * s, 0.53 * s), (0.09 * s, 0.53 * s), (0.15 * s, 0.3 * s), (-0.15 * s, 0.3 * s)], look.legs
            )
        up = pick(rng, ("", "", "", "wave", "hip"))
        for side in (-1.0, 1.0):
            elbow, hand = (side * out * 1.08 * s, 0.655 * s), (side * out * 1.1 * s, 0.5 * s)
            if side > 0 and phone:
                elbow, hand = (side * out * 1.1 * s, 0.66 * s), (0.03 * s, 0.72 * s)
            elif side > 0 and up == "wave":
                elbow, hand = (side * out * 1.6 * s, 0.82 * s), (side * out * 1.8 * s, 0.98 * s)
            elif up == "hip":
                elbow, hand = (side * out * 1.6 * s, 0.65 * s), (side * 0.09 * s, 0.56 * s)
            _arm(pen, s, (side * 0.1 * s * look.wide, 0.805 * s), elbow, hand, look, scaled(look.top, 0.86))
        _torso(pen, s, (0.0, 0.845 * s), (0.0, 0.52 * s), 0.115, 0.092, look, hang)
        if look.bag == "pack" and face == "back":
            pen.oval(0.0, 0.7 * s, 0.095 * s, 0.125 * s, look.hat_colour)
        if phone and face == "front":
            _arm(
                pen,
                s,
                (0.1 * s * look.wide, 0.805 * s),
                (out * 1.1 * s, 0.67 * s),
                (0.04 * s, 0.71 * s),
                look,
                scaled(look.top, 0.86),
            )
        _head(pen, s, (0.0, 0.93 * s), look, face)
        hand = (0.04 * s, 0.72 * s)
    if look.bag == "hand":
        u = (-0.02 if face == "side" else -0.16) * s
        pen.line([(u, 0.5 * s), (u, 0.42 * s)], 0.015 * s, (40, 34, 30))
        pen.rect(u - 0.06 * s, 0.3 * s, u + 0.06 * s, 0.42 * s, look.hat_colour)
    if phone and face != "back":
        lit = 0.6 if mood.lighting in ("Screen", "Object") else 0.0
        pen.rect(
            hand[0] - 0.02 * s,
            hand[1],
            hand[0] + 0.03 * s,
            hand[1] + 0.075 * s,
            (190, 215, 250) if lit else (30, 32, 36),
            lit,
        )
    return [pen.layer("People", "void" if shore else "person", girth=0.22)]


def seated(
    cam: Camera,
    at: tuple[float, float, float],
    rng: Rng,
    *,
    seat: float = 0.46,
    side: bool | None = None,
    mirror: bool | None = None,
    label: str = "void",
) -> list[Layer]:
    """A person sitting ``seat`` metres above the ground, from the side or facing the viewer."""
    s = between(rng, 1.55, 1.85)
    look = _Look(rng)
    look.coat = look.skirt = False
    across = chance(rng, 0.6) if side is None else side
    pen = Pen(
        cam, at, (-0.3 * s, 0.45 * s, -0.02, seat + 0.58 * s), mirror=chance(rng, 0.5) if mirror is None else mirror
    )
    h = seat + 0.05 * s
    n = h + 0.335 * s
    if across:
        for colour, d in ((scaled(look.legs, 0.78), 0.03), (look.legs, 0.0)):
            _leg(
                pen, s, (0.0, h), ((0.24 + d) * s, h + 0.005 * s), ((0.24 + d * 1.6) * s, 0.045 * s), look, colour, 0.09
            )
        _torso(pen, s, (0.01 * s, n), (0.0, h), 0.075, 0.075, look)
        _head(pen, s, (0.03 * s, n + 0.085 * s), look, "side")
        _arm(
            pen,
            s,
            (0.005 * s, n - 0.04 * s),
            (0.06 * s, n - 0.2 * s),
            (0.2 * s, n - 0.2 * s),
            look,
            scaled(look.top, 0.85),
        )
    else:
        for d in (-1.0, 1.0):
            _leg(
                pen,
                s,
                (d * 0.055 * s, h),
                (d * 0.085 * s, h - 0.05 * s),
                (d * 0.085 * s, 0.045 * s),
                look,
                look.legs,
                d * 0.04,
            )
        for d in (-1.0, 1.0):
            _arm(
                pen,
                s,
                (d * 0.1 * s, n - 0.04 * s),
                (d * 0.15 * s, n - 0.19 * s),
                (d * 0.07 * s, h + 0.03 * s),
                look,
                scaled(look.top, 0.85),
            )
        _torso(pen, s, (0.0, n), (0.0, h), 0.115, 0.1, look)
        for d in (-1.0, 1.0):
            pen.limb(
                (d * 0.06 * s, h + 0.01 * s), (d * 0.085 * s, h - 0.03 * s), 0.085 * s, 0.09 * s, scaled(look.legs, 1.1)
            )
        _head(pen, s, (0.0, n + 0.085 * s), look, pick(rng, ("front", "front", "back")))
    return [pen.layer("People", label, girth=0.3)]


def rider(
    cam: Camera,
    at: tuple[float, float, float],
    rng: Rng,
    *,
    saddle: P,
    bar: P,
    pedal: P,
    mirror: bool,
    squeeze: float,
    lean: float,
    street: bool,
) -> Layer:
    """Someone riding to the right, sitting at ``saddle`` with the hands at ``bar`` (local metres)."""
    s = between(rng, 1.55, 1.85)
    look = _Look(rng)
    look.coat = look.skirt = False
    if chance(rng, 0.5):
        look.hat, look.hat_colour = "beanie", vary(rng, pick(rng, TOPS), 30)
    pen = Pen(cam, at, (-0.95, 0.95, 0.0, saddle[1] + 0.62 * s), mirror=mirror, squeeze=squeeze, lean=lean)
    hip = (saddle[0], saddle[1] + 0.05 * s)
    reach = (bar[0] - hip[0]) * 0.36
    neck = (hip[0] + reach, hip[1] + 0.32 * s)
    far = (pedal[0] - 0.16, pedal[1] + 0.12)
    for colour, foot in ((scaled(look.legs, 0.75), far), (look.legs, pedal)):
        mu, mv = (hip[0] + foot[0]) / 2, (hip[1] + foot[1]) / 2
        knee = (mu + 0.13 * s, mv + 0.05 * s)
        _leg(pen, s, hip, knee, foot, look, colour, 0.08)
        if colour != look.legs:
            _torso(pen, s, neck, hip, 0.075, 0.075, look)
    if look.bag == "pack":
        pen.oval(neck[0] - 0.1 * s, neck[1] - 0.12 * s, 0.07 * s, 0.12 * s, look.hat_colour, 0.3)
    _head(pen, s, (neck[0] + 0.03 * s, neck[1] + 0.085 * s), look, "side")
    elbow = ((neck[0] + bar[0]) / 2 - 0.02, (neck[1] + bar[1]) / 2 - 0.08 * s)
    _arm(pen, s, (neck[0], neck[1] - 0.035 * s), elbow, bar, look, scaled(look.top, 0.85))
    return pen.layer("People", "rider" if street else "void", girth=0.3)
