"""Boats: rowing boats, sailing boats, motor boats and fishing boats."""

from __future__ import annotations

from ..camera import Camera
from ..mood import Mood
from ..names import RGB, Rng, between, chance, mixed, pick, scaled, vary
from ..pen import Layer, Pen

At = tuple[float, float, float]
HULL: tuple[RGB, ...] = (
    (226, 226, 222),
    (150, 40, 36),
    (40, 70, 120),
    (120, 84, 52),
    (50, 100, 90),
    (210, 170, 60),
    (44, 46, 52),
)


def boat(cam: Camera, at: At, rng: Rng, mood: Mood) -> list[Layer]:
    """A boat on the water, bow to the right before mirroring; ``at`` is its water line."""
    kind = pick(rng, ("row", "sail", "motor", "fish", "sail"))
    length = {
        "row": between(rng, 3.0, 4.5),
        "sail": between(rng, 5.0, 8.5),
        "motor": between(rng, 5.0, 8.0),
        "fish": between(rng, 6.0, 10.0),
    }[kind]
    hull = vary(rng, pick(rng, HULL), 12)
    trim = pick(rng, ((236, 232, 224), (180, 50, 40), (40, 60, 100)))
    squeeze = between(rng, 0.6, 1.0)
    half, free = length / 2, length * (0.11 if kind == "row" else 0.12)
    mast = length * between(rng, 1.05, 1.35) if kind == "sail" else length * 0.5
    pen = Pen(
        cam,
        at,
        (-half * 1.1, half * 1.25, -0.1, mast + free),
        mirror=chance(rng, 0.5),
        squeeze=squeeze,
        lean=0.03 * (1 - squeeze),
    )
    own = mood.own_light > 0 or mood.windows > 0.3
    lit = 1.2 if own and chance(rng, 0.7) else 0.0
    deck = vary(rng, (184, 150, 106), 14)
    if kind == "row":
        pen.poly(
            [
                (-half * 0.92, free * 0.95),
                (half * 0.95, free * 1.05),
                (half * 0.6, free * 1.4),
                (-half * 0.7, free * 1.3),
            ],
            scaled(deck, 0.55),
        )
        for u in (-0.45, 0.0, 0.42):
            pen.line([(half * u, free * 0.95), (half * (u + 0.04), free * 1.25)], 0.14, deck)
    if kind == "sail":
        m = half * 0.12
        pen.line([(m, free), (m, mast)], 0.11, (150, 130, 104))
        if chance(rng, 0.65):
            sail = vary(rng, pick(rng, ((236, 232, 222), (220, 214, 200), (176, 70, 56), (60, 90, 140))), 8)
            pen.poly(
                [
                    (m - 0.08, free * 1.9),
                    (m - 0.08, mast * 0.97),
                    (-half * 0.35, mast * 0.5),
                    (-half * 0.85, free * 2.0),
                ],
                sail,
            )
            pen.poly(
                [(m + 0.1, free * 1.6), (m + 0.1, mast * 0.9), (half * 0.95, free * 1.5)],
                mixed(sail, (255, 255, 255), 0.2),
            )
            for f in (0.35, 0.55, 0.75):
                pen.line([(m - 0.1, mast * f), (-half * 0.8 * (1 - f * 0.8), mast * f - 0.1)], 0.03, scaled(sail, 0.8))
        else:
            pen.line([(m, mast), (-half, free)], 0.035, (110, 110, 112))
            pen.line([(m, mast), (half, free * 1.2)], 0.035, (110, 110, 112))
            pen.limb((m - 0.1, free * 2.1), (-half * 0.8, free * 2.0), 0.28, 0.16, (60, 80, 120))
        pen.poly([(-half * 0.5, free), (-half * 0.42, free * 1.7), (half * 0.3, free * 1.6), (half * 0.42, free)], trim)
        pen.rect(-half * 0.3, free * 1.2, half * 0.15, free * 1.5, (250, 220, 150) if lit else (50, 60, 70), lit)
    if kind == "motor":
        pen.poly(
            [
                (-half * 0.5, free),
                (-half * 0.45, free * 2.1),
                (half * 0.02, free * 2.15),
                (half * 0.3, free * 1.2),
                (half * 0.4, free),
            ],
            trim,
        )
        pen.poly(
            [
                (-half * 0.38, free * 1.35),
                (-half * 0.36, free * 1.95),
                (half * 0.0, free * 1.98),
                (half * 0.2, free * 1.3),
            ],
            (250, 220, 150) if lit else (46, 58, 70),
            lit,
        )
        pen.line([(-half * 0.2, free * 1.9), (-half * 0.2, free * 1.3)], 0.08, trim)
        pen.line([(half * 0.4, free * 1.4), (half * 0.95, free * 1.5), (half * 1.0, free * 1.1)], 0.05, (190, 190, 192))
    if kind == "fish":
        pen.rect(-half * 0.62, free, -half * 0.08, free * 2.5, trim)
        pen.rect(-half * 0.68, free * 2.45, -half * 0.02, free * 2.7, scaled(hull, 0.85))
        for u in (-0.55, -0.3):
            pen.rect(
                half * u, free * 1.7, half * (u + 0.17), free * 2.25, (250, 220, 150) if lit else (46, 58, 70), lit
            )
        pen.line([(half * 0.2, free), (half * 0.2, mast)], 0.12, (96, 84, 70))
        pen.line([(half * 0.2, mast * 0.9), (half * 0.8, mast * 0.55)], 0.08, (96, 84, 70))
        pen.line([(half * 0.2, mast), (half * 0.97, free * 1.4)], 0.03, (80, 80, 82))
        pen.disc(half * 0.2, mast, 0.12, (250, 240, 210), 8.0 if own else 0.0)
    bow = free * (1.5 if kind != "row" else 1.35)
    pen.poly(
        [
            (-half * 0.97, free * 1.02),
            (half * 0.4, free * 1.04),
            (half * 1.06, bow),
            (half * 0.82, 0.0),
            (-half * 0.86, 0.0),
        ],
        hull,
    )
    pen.poly(
        [
            (-half * 0.965, free * 0.98),
            (half * 0.4, free * 1.0),
            (half * 1.05, bow * 0.98),
            (half * 1.0, bow * 0.82),
            (half * 0.4, free * 0.8),
            (-half * 0.95, free * 0.78),
        ],
        trim if trim != hull else scaled(hull, 0.7),
    )
    pen.poly(
        [(-half * 0.88, free * 0.2), (half * 0.87, free * 0.22), (half * 0.82, 0.0), (-half * 0.86, 0.0)],
        scaled(hull, 0.5),
    )
    if kind == "row":
        pen.line([(half * 0.0, free * 1.3), (-half * 0.75, 0.1)], 0.06, (150, 120, 84))
    return [pen.layer("Boat", relief=0.5, girth=length * 0.3)]
