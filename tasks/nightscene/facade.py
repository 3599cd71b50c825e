"""House fronts, walls and hedges along a street, painted on a plane of the backdrop."""

from __future__ import annotations

from collections.abc import Callable

from .backdrop import Backdrop
from .mood import Lamp, Mood
from .names import RGB, Rng, between, chance, mixed, pick, scaled, vary

Place = Callable[[float, float], tuple[float, float, float]]  # (metres along the front, height) -> world
PLASTER: tuple[RGB, ...] = (
    (178, 164, 144),
    (150, 96, 78),
    (196, 186, 170),
    (126, 120, 116),
    (168, 140, 104),
    (110, 84, 74),
    (140, 148, 150),
    (190, 160, 130),
    (96, 100, 104),
)
WARM: tuple[RGB, ...] = ((255, 214, 140), (255, 226, 170), (255, 190, 110), (236, 236, 220), (200, 220, 255))


def quad(
    bd: Backdrop,
    at: Place,
    s0: float,
    s1: float,
    h0: float,
    h1: float,
    colour: RGB,
    plane: int | None = None,
    label: str | None = None,
    glow: float = 0.0,
) -> None:
    """A rectangle on the front."""
    bd.poly([at(s0, h0), at(s1, h0), at(s1, h1), at(s0, h1)], colour, plane=plane, label=label, glow=glow)


def _seen(bd: Backdrop, at: Place, s0: float, s1: float) -> float:
    """Pixel width of a stretch of the front."""
    cam = bd.cam
    (x0, _, z0), (x1, _, z1) = at(s0, 0.0), at(s1, 0.0)
    z0, z1 = max(z0, 1.0), max(z1, 1.0)
    return abs(cam.column(x1, z1) - cam.column(x0, z0))


def building(
    bd: Backdrop,
    at: Place,
    s0: float,
    s1: float,
    rng: Rng,
    lights: Rng,
    mood: Mood,
    plane: int,
    out: tuple[float, float, float],
) -> list[Lamp]:
    """One house from s0 to s1; gives the lamps its lit windows amount to. ``out`` points off the wall, in metres."""
    base = vary(rng, pick(rng, PLASTER), 14)
    floor_h, floors = between(rng, 2.9, 3.4), int(rng.integers(2, 6))
    height = floor_h * floors + 0.6
    quad(bd, at, s0, s1, 0.0, height, base, plane, "building")
    quad(bd, at, s0, s1, height - 0.35, height, scaled(base, 0.75))
    quad(bd, at, s0, s1, 0.0, 0.45, scaled(base, 0.7))
    lamps: list[Lamp] = []
    shop = chance(rng, 0.6)
    frame = pick(rng, ((230, 226, 216), (90, 74, 60), (60, 62, 66), scaled(base, 0.6)))
    glass = vary(rng, (66, 80, 94), 10)
    wide = s1 - s0
    n = max(1, round(wide / between(rng, 1.9, 2.6)))
    step = wide / n
    for f in range(floors):
        for i in range(n):
            a = s0 + step * i
            seen = _seen(bd, at, a, a + step)
            mid = at(a + step / 2, 0.0)
            if mid[2] < 1.0 or seen < 4:
                continue
            h0 = f * floor_h
            on = chance(lights, mood.windows)
            tint = pick(lights, WARM)
            drawn, kind = float(rng.random()), float(rng.random())
            if f == 0 and kind < 0.22:
                c = vary(rng, pick(rng, ((92, 60, 42), (60, 76, 90), (70, 90, 72), (120, 40, 36))), 10)
                quad(bd, at, a + step * 0.25, a + step * 0.75, 0.0, 2.25, scaled(c, 0.6))
                quad(bd, at, a + step * 0.3, a + step * 0.7, 0.0, 2.15, c)
                quad(bd, at, a + step * 0.36, a + step * 0.64, 1.2, 2.0, scaled(c, 1.3))
                continue
            if f == 0 and shop:
                on = on or chance(lights, mood.windows * 0.8)
                w0, w1, v0, v1 = a + step * 0.06, a + step * 0.94, 0.5, 2.4
                quad(
                    bd,
                    at,
                    a,
                    a + step,
                    2.5,
                    3.0,
                    vary(
                        rng,
                        mixed(base, pick(rng, ((160, 40, 40), (40, 80, 120), (50, 100, 70), (200, 160, 60))), 0.8),
                        8,
                    ),
                    glow=0.5 if on and chance(lights, 0.4) else 0.0,
                )
            else:
                w0, w1, v0, v1 = a + step * 0.24, a + step * 0.76, h0 + 0.95, h0 + floor_h - 0.55
            if seen > 7:
                quad(bd, at, w0 - 0.08, w1 + 0.08, v0 - 0.1, v1 + 0.08, frame)
            level = between(lights, 0.25, 0.9)
            quad(
                bd,
                at,
                w0,
                w1,
                v0,
                v1,
                mixed(tint, glass, 0.35) if on else scaled(glass, 0.8 + 0.5 * drawn),
                glow=level if on else 0.0,
            )
            if on:
                lamps.append(
                    Lamp(
                        mid[0] + out[0],
                        (v0 + v1) / 2,
                        mid[2] + out[2],
                        (1.0, 0.74, 0.46),
                        4.0 * level,
                        0.8,
                        shadows=False,
                    )
                )
            if seen > 12:
                quad(bd, at, (w0 + w1) / 2 - 0.035, (w0 + w1) / 2 + 0.035, v0, v1, frame)
                if f > 0:
                    quad(bd, at, w0, w1, (v0 + v1) / 2 + 0.2, (v0 + v1) / 2 + 0.26, frame)
                    if drawn < 0.4:  # curtains
                        cloth = vary(rng, (190, 176, 160), 24)
                        quad(bd, at, w0, w0 + (w1 - w0) * 0.25, v0, v1, cloth, glow=level * 0.5 if on else 0.0)
                        quad(bd, at, w1 - (w1 - w0) * 0.25, w1, v0, v1, cloth, glow=level * 0.5 if on else 0.0)
    if chance(rng, 0.35):  # a roof edge line and a drain pipe
        quad(bd, at, s0 + 0.1, s0 + 0.2, 0.0, height, scaled(base, 0.55))
    return lamps


def garden_wall(bd: Backdrop, at: Place, s0: float, s1: float, rng: Rng, plane: int) -> None:
    """A brick or concrete wall, about two metres, with or without green behind it."""
    base, h = vary(rng, pick(rng, ((140, 84, 66), (150, 148, 142), (120, 112, 100))), 12), between(rng, 1.7, 2.6)
    hedge(bd, at, s0, s1, rng, plane, between(rng, 2.5, 4.5))
    quad(bd, at, s0, s1, 0.0, h, base, plane, "wall")
    for i in range(1, 5):
        quad(bd, at, s0, s1, h * i / 5, h * i / 5 + 0.03, scaled(base, 0.82))
    quad(bd, at, s0, s1, h - 0.12, h, scaled(base, 1.15))
    if chance(rng, 0.4):
        m = between(rng, s0, max(s0 + 0.1, s1 - 2.5))
        quad(
            bd,
            at,
            m,
            m + 1.6,
            0.5,
            h * 0.75,
            vary(rng, pick(rng, ((200, 190, 60), (60, 120, 180), (190, 70, 120), (230, 230, 220))), 20),
        )


def hedge(bd: Backdrop, at: Place, s0: float, s1: float, rng: Rng, plane: int, h: float) -> None:
    """A ragged mass of leaves ``h`` metres high."""
    leaf = vary(rng, pick(rng, ((62, 92, 54), (80, 108, 62), (50, 74, 54))), 12)
    n = 10
    tops = [at(s0 + (s1 - s0) * i / n, h * between(rng, 0.8, 1.1)) for i in range(n + 1)]
    bd.poly([at(s0, 0.0), *tops, at(s1, 0.0)], leaf, plane=plane, label="vegetation")
    for i in range(14):
        a, v, r = (
            s0 + (s1 - s0) * float(rng.random()) * 0.93,
            h * between(rng, 0.05, 0.75),
            h * between(rng, 0.06, 0.14),
        )
        quad(bd, at, a, min(s1, a + r * 2), v, v + r, scaled(leaf, 0.8 if i % 2 else 1.18))


def fenced(bd: Backdrop, at: Place, s0: float, s1: float, rng: Rng, plane: int) -> None:
    """A board fence before bushes."""
    hedge(bd, at, s0, s1, rng, plane, between(rng, 2.4, 5.0))
    wood, h = vary(rng, pick(rng, ((130, 96, 64), (96, 92, 88), (170, 150, 120))), 12), between(rng, 1.4, 2.0)
    quad(bd, at, s0, s1, 0.0, h, wood, plane, "fence")
    n = max(2, round((s1 - s0) / 0.5))
    for i in range(n):
        a = s0 + (s1 - s0) * i / n
        if _seen(bd, at, a, a + 0.5) > 3:
            quad(bd, at, a, a + 0.05, 0.0, h, scaled(wood, 0.65))
    quad(bd, at, s0, s1, h * 0.8, h * 0.86, scaled(wood, 0.75))
