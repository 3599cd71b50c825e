"""Public entry point: one frame of a small world, well lit and at night, with exact truth."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .composite import compose, settle
from .light import bloom, contact, daylight, night_light, positions
from .mood import make_mood
from .names import F32, KINDS, LIGHTING, U8, VOID, between
from .room import room
from .scene import Scene
from .street import street
from .waterside import waterside

_LIN = np.where(
    np.arange(256) <= 10, np.arange(256) / 255 / 12.92, ((np.arange(256) / 255 + 0.055) / 1.055) ** 2.4
).astype(np.float32)
Mask = NDArray[np.bool_]
_STEPS = 4096
_V = np.arange(_STEPS) / (_STEPS - 1)
_SRGB: U8 = np.rint(255 * np.where(_V <= 0.0031308, 12.92 * _V, 1.055 * _V ** (1 / 2.4) - 0.055)).astype(np.uint8)
_KIND_SHARE = (0.5, 0.32, 0.18)  # street, room, waterside
_TARGET = 0.085  # mean radiance of a night frame whose mood has level 1


@dataclass(frozen=True)
class Frame:
    """One rendered frame; see the package's docstring for the conventions."""

    kind: str  # "street" | "room" | "waterside"
    lighting: str  # one of LIGHTING
    indoor: bool
    bright: NDArray[np.uint8]  # (H, W, 3) sRGB, the well lit twin, free of noise
    night: NDArray[np.float32]  # (H, W, 3) linear RGB radiance in [0, 1], 1 = full well at EV 0
    boxes: NDArray[np.float64]  # (N, 4) xyxy pixels, right and bottom exclusive, tight around the visible pixels
    class_ids: NDArray[np.int64]  # (N,) index into CLASSES
    visible: NDArray[np.float64]  # (N,) visible share of the whole drawn thing, what lies outside the frame included
    labels: NDArray[np.uint8]  # (H, W) Cityscapes trainIds on streets, 255 where nothing is defined and elsewhere
    instances: NDArray[np.int32]  # (H, W) 1 + row of `boxes` the pixel belongs to, 0 = none


def _encode(linear: F32) -> U8:
    """Linear light to sRGB bytes."""
    return np.asarray(_SRGB[np.rint(np.clip(linear, 0, 1) * np.float32(_STEPS - 1)).astype(np.uint16)], np.uint8)


def _night_sky(night: F32, albedo: F32, scene: Scene, sky: Mask, wet: Mask, grain: F32) -> None:
    """Put the gradient of the night sky into ``night`` (3, H, W), and its mirror image onto the water."""
    rows = np.arange(scene.cam.height, dtype=np.float32)
    top = np.float32(max(1.0, scene.cam.horizon))
    zenith, low = (np.asarray(c, np.float32) for c in scene.mood.sky)
    near = (1 - np.clip(1 - rows / top, 0, 1))[:, None] ** 3
    back = (1 - np.clip(rows / top - 1, 0, 1))[:, None] ** 3
    cloud = albedo.mean(0) * np.float32(1.2) + np.float32(0.5)
    for c in range(3):
        np.copyto(night[c], (low[c] * near + zenith[c] * (1 - near)) * cloud, where=sky)
        if scene.water >= 0:
            night[c] += (low[c] * back + zenith[c] * (1 - back)) * np.float32(0.5) * grain * wet


def render_frame(
    seed: int, index: int, *, width: int = 640, height: int = 384, kind: str | None = None, lighting: str | None = None
) -> Frame:
    """Render frame ``index`` of the world ``seed``; the same arguments give the same frame.

    ``kind`` and ``lighting`` are drawn when they are None.
    """
    if width < 64 or height < 48:
        raise ValueError(f"a frame of {width}x{height} is too small; 64x48 is the least")
    choose = np.random.default_rng([seed, index, 0])
    roll_kind, roll_light = float(choose.random()), float(choose.random())
    if kind is None:
        kind = KINDS[int(np.searchsorted(np.cumsum(_KIND_SHARE), roll_kind).clip(0, 2))]
    if kind not in KINDS:
        raise ValueError(f"unknown kind {kind!r}; expected one of {KINDS}")
    if lighting is None:
        lighting = LIGHTING[min(len(LIGHTING) - 1, int(roll_light * len(LIGHTING)))]
    rng, lights = np.random.default_rng([seed, index, 1]), np.random.default_rng([seed, index, 2])
    mood = make_mood(lighting, lights)
    make = {"street": street, "room": room, "waterside": waterside}[kind]
    scene = make(rng, lights, mood, width, height)
    cam = scene.cam

    layers, ids, boxes, share = settle(scene.layers, height, width)
    m = compose(scene, layers, ids)
    s = positions(cam, m.z)
    ao = contact(layers, cam, m)
    # Colour maths is planar, (3, H, W): a factor per pixel then broadcasts over contiguous memory.
    albedo: F32 = np.stack(cv2.split(np.asarray(cv2.LUT(m.albedo, _LIN), np.float32)))
    albedo *= m.grain
    sky = (scene.back.plane == 0) & (ids < 0)

    # The bright twin.
    azimuth, climb = between(lights, -0.9, 0.9), between(lights, 0.6, 0.9)
    sun = np.array([azimuth, climb, -between(lights, 0.15, 0.6)])
    if scene.indoor:
        sun = np.array([azimuth, 2.3, between(lights, 1.8, 3.4)])
    else:
        sun /= float(np.sqrt((sun**2).sum()))
    day = daylight(m, s, layers, cam, scene.indoor, sun, ao)
    np.copyto(day, np.float32(1.0), where=sky)
    day *= albedo

    # The night.
    night = night_light(m, s, layers, cam, mood, scene.lamps, scene.indoor, ao)
    night *= albedo
    if not scene.indoor:
        _night_sky(night, albedo, scene, sky, (scene.back.plane == scene.water) & (ids < 0), m.grain)
    # Expose for what is lit by the scene rather than for the sources themselves: burnt-out parts count little.
    part = ~sky[::3, ::3]
    lit = night[:, ::3, ::3][:, part] if part.any() else night[:, ::3, ::3].reshape(3, -1)
    noon = float(day[:, ::3, ::3][:, part].mean()) if part.any() else 0.2
    target = min(_TARGET * mood.level, 0.42 * noon)  # a dark scene stays darker by night than by day
    gain = 1.0
    for _ in range(5):
        gain *= target / max(float(np.minimum(lit * np.float32(gain), np.float32(0.6)).mean()), 1e-6)
    night *= np.float32(gain)
    radiance = np.asarray(cv2.merge(list(night)), np.float32)
    radiance += m.emit
    if float(m.emit.max()) > 0:
        radiance += bloom(m.emit, mood.bloom)
    np.clip(radiance, 0, 1, out=radiance)

    keep = [i for i, layer in enumerate(layers) if layer.class_id >= 0]
    table = np.zeros(len(layers) + 1, np.int32)
    for row, i in enumerate(keep):
        table[i] = row + 1
    street_map = m.label if kind == "street" else np.full((height, width), VOID, np.uint8)
    return Frame(
        kind=kind,
        lighting=lighting,
        indoor=scene.indoor,
        bright=_encode(np.asarray(cv2.merge(list(day)), np.float32)),
        night=radiance,
        boxes=boxes[keep].reshape(-1, 4),
        class_ids=np.array([layers[i].class_id for i in keep], np.int64),
        visible=share[keep].astype(np.float64),
        labels=street_map,
        instances=table[ids],
    )
