"""Illumination: daylight for the bright twin, lamps, ambient light, shadows and glare for the night."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .camera import Camera
from .composite import Maps
from .mood import Lamp, Mood
from .names import F32, F64
from .pen import Layer


@dataclass
class Space:
    """World position (H, W) of each pixel."""

    x: F32
    y: F32
    z: F32


def positions(cam: Camera, z: F32) -> Space:
    """World positions from the depth map."""
    inv = z * np.float32(1 / cam.focal)
    x = (np.arange(cam.width, dtype=np.float32) + np.float32(0.5 - cam.cx))[None, :] * inv
    y = (np.float32(cam.horizon - 0.5) - np.arange(cam.height, dtype=np.float32))[:, None] * inv + np.float32(cam.eye)
    return Space(np.asarray(x, np.float32), np.asarray(y, np.float32), z)


def irradiance(lamp: Lamp, s: Space, m: Maps) -> F32:
    """(H, W) light of one lamp: inverse square, Lambert with a soft terminator, cone and opening."""
    dx, dy, dz = np.float32(lamp.x) - s.x, np.float32(lamp.y) - s.y, np.float32(lamp.z) - s.z
    d2 = dx * dx
    d2 += dy * dy
    d2 += dz * dz
    d2 += np.float32(1e-3)
    inv = 1 / np.sqrt(d2)
    cos = m.nx * dx
    cos += m.ny * dy
    cos += m.nz * dz
    cos *= inv
    cos += np.float32(0.22)
    np.maximum(cos, 0, out=cos)
    cos *= np.float32(lamp.power / 1.22) / (d2 + np.float32(lamp.spread**2))
    if lamp.aim is not None:
        ax, ay, az = lamp.aim
        along = -(dx * np.float32(ax) + dy * np.float32(ay) + dz * np.float32(az)) * inv
        along -= np.float32(lamp.cone)
        along *= np.float32(1 / (1 - lamp.cone))
        np.clip(along, 0, 1, out=along)
        cos *= along * along
    if lamp.gate is not None:
        x0, x1, y0, y1, gz = lamp.gate
        t = np.clip((np.float32(gz) - s.z) / np.maximum(dz, np.float32(0.1)), 0, 1)
        gx, gy = s.x + t * dx, s.y + t * dy
        soft = np.float32(14)
        inside = np.clip(np.minimum(gx - np.float32(x0), np.float32(x1) - gx) * soft, 0, 1)
        inside *= np.clip(np.minimum(gy - np.float32(y0), np.float32(y1) - gy) * soft, 0, 1)
        mid = np.float32((x0 + x1) / 2)
        inside *= np.float32(0.2) + np.float32(0.8) * np.clip((np.abs(gx - mid) - np.float32(0.02)) * 30, 0, 1)
        inside[s.z > gz - 0.05] = 0
        cos *= inside
    return cos


def _cast(layer: Layer, cam: Camera, sx: float, sz: float, out: F32, strength: float) -> None:
    """Lay the silhouette of a layer on the ground: a point at height h falls h*sx, h*sz from its foot."""
    h, w = layer.rgba.shape[:2]
    k = cam.focal / layer.z
    foot = cam.row(layer.z, layer.y) - layer.top  # patch row of the ground line
    tall = max(0.05, foot / k)
    if layer.z + tall * sz < 0.8:
        tall = max(0.05, (0.8 - layer.z) / sz)
    zt = layer.z + tall * sz
    left, right = cam.x_at(layer.left, layer.z), cam.x_at(layer.left + w, layer.z)
    base = cam.row(layer.z, layer.y)
    top_row = cam.row(zt, layer.y)
    a = np.array([[0, foot], [w, foot], [0, foot - tall * k]], np.float32)
    b = np.array(
        [
            [layer.left, base],
            [layer.left + w, base],
            [cam.column((left + right) / 2 + tall * sx, zt) - w * k_ratio(layer.z, zt) / 2, top_row],
        ],
        np.float32,
    )
    x0 = int(np.floor(min(b[0, 0], b[2, 0]))) - 2
    x1 = int(np.ceil(max(b[1, 0], b[2, 0] + w))) + 2
    y0, y1 = int(np.floor(min(base, top_row))) - 2, int(np.ceil(max(base, top_row))) + 2
    x0, x1, y0, y1 = max(0, x0), min(cam.width, x1), max(0, y0), min(cam.height, y1)
    if x1 - x0 < 2 or y1 - y0 < 2:
        return
    m = cv2.getAffineTransform(a, b - np.array([x0, y0], np.float32))
    alpha = np.ascontiguousarray(layer.rgba[: max(1, min(h, round(foot) + 1)), :, 3])
    shape = (x1 - x0, y1 - y0)
    fallen = cv2.warpAffine(alpha, m, shape, flags=cv2.INTER_LINEAR)
    fallen = cv2.blur(fallen, (3, 3))
    part = out[y0:y1, x0:x1]
    np.maximum(part, np.asarray(fallen, np.float32) * np.float32(strength / 255), out=part)


def k_ratio(z0: float, z1: float) -> float:
    """Return the magnification of a thing at depth z1 relative to z0."""
    return z0 / z1


def shadows(
    layers: list[Layer], cam: Camera, m: Maps, *, sun: tuple[float, float] | None = None, lamp: Lamp | None = None
) -> F32:
    """(H, W) share of a light that is blocked on the ground, 0..1."""
    out = np.zeros((cam.height, cam.width), np.float32)
    for layer in layers:
        if not layer.casts or layer.y > 0.05:
            continue
        if sun is not None:
            _cast(layer, cam, sun[0], sun[1], out, 1.0)
        elif lamp is not None:
            dx, dz = layer.x - lamp.x, layer.z - lamp.z
            if dx * dx + dz * dz > 220:
                continue
            _cast(layer, cam, float(np.clip(dx / lamp.y, -3, 3)), float(np.clip(dz / lamp.y, -3, 3)), out, 0.9)
    out[~m.ground] = 0
    return out


def contact(layers: list[Layer], cam: Camera, m: Maps) -> F32:
    """(H, W) factor 0.4..1 that darkens the ground under things."""
    small = 2
    dark = np.zeros((cam.height // small + 1, cam.width // small + 1), np.uint8)
    for layer in layers:
        if not layer.casts or layer.y > 0.05 or layer.girth <= 0:
            continue
        cols = np.nonzero(layer.hard.any(0))[0]
        if len(cols) == 0:
            continue
        base, half = cam.row(layer.z), max(1.0, (float(cols[-1]) - float(cols[0])) / 2)
        rise = max(1.0, abs(cam.row(max(0.5, layer.z - layer.girth / 2)) - cam.row(layer.z + layer.girth / 2)) / 2)
        cx = layer.left + (float(cols[0]) + float(cols[-1])) / 2
        if half > 3 * cam.width or base > 2 * cam.height:
            continue
        cv2.ellipse(
            dark,
            (round(cx / small), round(base / small)),
            (round(half * 0.95 / small), max(1, round(rise * 1.1 / small))),
            0,
            0,
            360,
            170,
            -1,
        )
    k = max(3, round(cam.height / 90)) | 1
    soft = cv2.resize(cv2.blur(dark, (k, k)), (cam.width, cam.height), interpolation=cv2.INTER_LINEAR)
    out = 1 - np.asarray(soft, np.float32) * np.float32(0.62 / 170)
    out[~m.ground] = 1
    return out


def daylight(m: Maps, s: Space, layers: list[Layer], cam: Camera, indoor: bool, sun: F64, ao: F32) -> F32:
    """(3, H, W) irradiance of the bright twin."""
    out = np.empty((3, *s.z.shape), np.float32)
    if indoor:
        lamp = Lamp(float(sun[0]), 2.3, float(sun[2]), (1.0, 0.97, 0.92), 2.6, 1.3)
        e = irradiance(lamp, s, m)
        e *= 1 - np.float32(0.55) * shadows(layers, cam, m, lamp=lamp)
        e += (np.float32(0.5) + np.float32(0.08) * m.ny) * ao
        for c, tint in enumerate((1.0, 0.98, 0.94)):
            np.multiply(e, np.float32(tint), out=out[c])
        return out
    lam = m.nx * np.float32(sun[0])
    lam += m.ny * np.float32(sun[1])
    lam += m.nz * np.float32(sun[2])
    lam += np.float32(0.15)
    np.maximum(lam, 0, out=lam)
    lam *= 1 - np.float32(0.75) * shadows(layers, cam, m, sun=(-float(sun[0] / sun[1]), -float(sun[2] / sun[1])))
    amb = (np.float32(0.4) + np.float32(0.1) * m.ny) * ao
    for c, (warm, cool) in enumerate(((0.72, 1.06), (0.69, 1.12), (0.62, 1.22))):
        np.multiply(lam, np.float32(warm), out=out[c])
        out[c] += amb * np.float32(cool)
    return out


def night_light(
    m: Maps, s: Space, layers: list[Layer], cam: Camera, mood: Mood, lamps: list[Lamp], indoor: bool, ao: F32
) -> F32:
    """(3, H, W) irradiance of the night frame."""
    amb = (np.float32(0.85) + np.float32(0.25) * m.ny) * ao
    if mood.moon and not indoor:
        amb += np.float32(0.5) * np.maximum(
            m.nx * np.float32(-0.5) + m.ny * np.float32(0.6) - m.nz * np.float32(0.5), 0
        )
    if mood.lighting == "Twilight" and not indoor:  # light from the low sky: surfaces that face the viewer stay dark
        amb *= np.float32(0.6) + np.float32(0.5) * np.maximum(m.ny, 0)
    out = np.stack([amb * np.float32(c) for c in mood.ambient])
    cast = 0
    for lamp in lamps:
        e = irradiance(lamp, s, m)
        if lamp.shadows and cast < 2 and lamp.aim is None:
            cast += 1
            e *= 1 - np.float32(0.85) * shadows(layers, cam, m, lamp=lamp)
        for c in range(3):
            out[c] += e * np.float32(lamp.colour[c])
    # What the lit surfaces throw back keeps the dark sides from going black; rooms do so more than streets.
    share = 0.16 if indoor else 0.07
    bounce = np.minimum(out[:, ::4, ::4], np.float32(3.0)).mean((1, 2))
    for c in range(3):
        out[c] += np.float32(share * float(bounce[c])) * ao
    if mood.back_lit:  # what is near stands in shadow
        lo, hi = (2.0, 4.2) if indoor else (9.0, 19.0)
        ramp = np.clip((s.z - np.float32(lo)) / np.float32(hi - lo), 0, 1)
        out *= np.float32(0.16) + np.float32(0.84) * ramp * ramp
    return np.asarray(out, np.float32)


def bloom(emit: F32, strength: float) -> F32:
    """(H, W, 3) light scattered in the lens and the air around what shines."""
    h, w = emit.shape[:2]
    small = cv2.resize(np.minimum(emit, 8), (max(8, w // 4), max(8, h // 4)), interpolation=cv2.INTER_AREA)
    k1, k2 = max(1.0, h / 384 * 2.0), max(2.0, h / 384 * 8.0)
    halo = 0.11 * cv2.GaussianBlur(small, (0, 0), k1) + 0.08 * cv2.GaussianBlur(small, (0, 0), k2)
    return np.asarray(cv2.resize(halo * strength, (w, h), interpolation=cv2.INTER_LINEAR), np.float32)
