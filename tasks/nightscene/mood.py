"""The ten kinds of lighting: what is switched on, and how strong. Drawn before the scene is composed."""

from __future__ import annotations

from dataclasses import dataclass, field

from .names import Rng, between, chance, pick

Lin = tuple[float, float, float]  # linear RGB

SODIUM: Lin = (1.0, 0.58, 0.22)
TUNGSTEN: Lin = (1.0, 0.68, 0.38)
LED: Lin = (0.86, 0.95, 1.0)
COOL: Lin = (0.62, 0.8, 1.0)
MOON: Lin = (0.5, 0.68, 1.0)
SCREEN: Lin = (0.42, 0.66, 1.0)
GREENISH: Lin = (0.75, 1.0, 0.72)


@dataclass
class Lamp:
    """A light. ``power`` is the irradiance it gives a facing surface at one metre (1 = full well on white)."""

    x: float
    y: float
    z: float
    colour: Lin
    power: float
    spread: float = 0.3  # metres added to the distance, so that near things do not burn out
    aim: tuple[float, float, float] | None = None  # direction of a cone, None = all round
    cone: float = 0.6  # cosine at which the cone has faded out
    gate: tuple[float, float, float, float, float] | None = (
        None  # x0, x1, y0, y1 at depth z: an opening it shines through
    )
    shadows: bool = True


@dataclass
class Mood:
    """Requirements of a frame's lighting kind on the scene."""

    lighting: str
    ambient: Lin  # irradiance of the sky or the room
    level: float  # aimed mean brightness of the night frame relative to a legible one
    lamps: int = 0  # how many lamps are on
    lamp_power: float = 1.0
    lamp_colour: Lin = SODIUM
    windows: float = 0.0  # share of windows that are lit
    headlights: bool = False
    screens: float = 0.0  # chance that a screen is on
    own_light: float = 0.0  # chance that an object carries its own light
    sky: tuple[Lin, Lin] = ((0.002, 0.003, 0.007), (0.006, 0.008, 0.014))  # zenith, horizon radiance
    back_lit: bool = False  # only the background is lit
    moon: bool = False
    bloom: float = 0.6
    lights: list[Lamp] = field(default_factory=list)


def make_mood(lighting: str, rng: Rng) -> Mood:
    """Draw the particulars of a lighting kind."""
    warm = pick(rng, (SODIUM, SODIUM, TUNGSTEN, LED, LED, COOL, GREENISH))
    tint = between(rng, 0.0, 1.0)

    def ambient(strength: float) -> Lin:
        r, g, b = (strength * (m + (w - m) * tint * 0.6) for m, w in zip(MOON, TUNGSTEN, strict=True))
        return r, g, b

    glow = between(rng, 0.6, 1.4)
    m = Mood(lighting, ambient(0.034), 1.0, lamp_colour=warm, moon=chance(rng, 0.3))
    if lighting == "Low":
        m.ambient, m.level, m.windows = ambient(0.05), 0.3, 0.04
    elif lighting == "Ambient":
        m.ambient, m.level, m.windows, m.moon = ambient(0.2), 0.75, 0.12, False
        m.sky = ((0.02, 0.02, 0.028), (0.045, 0.04, 0.04))
    elif lighting == "Object":
        m.ambient, m.level, m.headlights, m.own_light, m.windows = ambient(0.060), 0.7, True, 0.75, 0.06
    elif lighting == "Single":
        m.ambient, m.lamps, m.lamp_power, m.level, m.windows = ambient(0.043), 1, between(rng, 1.0, 1.6), 0.9, 0.03
    elif lighting == "Weak":
        m.ambient, m.lamps, m.lamp_power, m.windows, m.level = ambient(0.051), 5, 0.45, 0.15, 0.7
        m.headlights = chance(rng, 0.4)
    elif lighting == "Strong":
        m.ambient, m.lamps, m.lamp_power, m.windows, m.level = ambient(0.034), 2, between(rng, 3.0, 4.5), 0.2, 1.25
        m.headlights, m.bloom = chance(rng, 0.6), 1.6
    elif lighting == "Screen":
        m.ambient, m.screens, m.own_light, m.level = ambient(0.051), 1.0, 0.3, 0.8
        m.lamp_colour = SCREEN
    elif lighting == "Window":
        m.ambient, m.windows, m.level = ambient(0.051), between(rng, 0.45, 0.8), 0.9
        m.lamp_colour = TUNGSTEN
    elif lighting == "Shadow":
        m.ambient, m.lamps, m.lamp_power, m.windows, m.level = ambient(0.034), 3, 1.3, 0.3, 0.95
        m.back_lit = True
    elif lighting == "Twilight":
        m.ambient, m.windows, m.level, m.moon = (0.05, 0.055, 0.09), 0.15, 1.1, False
        m.headlights, m.lamps, m.lamp_power = chance(rng, 0.5), int(chance(rng, 0.4)), 0.5
        low = pick(rng, ((0.75, 0.3, 0.1), (0.8, 0.42, 0.2), (0.6, 0.25, 0.24), (0.5, 0.4, 0.38)))
        m.sky = ((0.03 * glow, 0.055 * glow, 0.16 * glow), low)
    else:
        raise ValueError(f"unknown lighting {lighting!r}; expected one of the names in LIGHTING")
    if lighting not in ("Ambient", "Twilight"):
        z, h = m.sky
        m.sky = ((z[0] * glow, z[1] * glow, z[2] * glow), (h[0] * glow, h[1] * glow, h[2] * glow))
    return m
