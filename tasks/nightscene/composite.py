"""From layers to maps: who is visible, and the albedo, depth, normal and emission of each pixel."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from .backdrop import EMIT_MAX, TILE, noise_tile
from .names import F32, F64, U8
from .pen import Layer
from .scene import Scene

MIN_VISIBLE = 0.15
MIN_SIDE = 6
_SQUARE = ((np.arange(256, dtype=np.float32) / 255) ** 2 * EMIT_MAX).astype(np.float32)


@dataclass
class Maps:
    """Per-pixel description of the frame, all (H, W) or (H, W, 3)."""

    albedo: U8  # sRGB
    emit: F32  # linear radiance at night
    z: F32  # metres
    nx: F32
    ny: F32
    nz: F32  # normals, nz < 0 towards the eye
    ids: NDArray[np.int16]  # index of the layer, -1 = backdrop
    label: U8
    ground: NDArray[np.bool_]  # horizontal backdrop that takes shadows
    grain: F32  # texture factor around 1


def _roi(layer: Layer, height: int, width: int) -> tuple[slice, slice, slice, slice] | None:
    """Frame rows, frame columns, patch rows, patch columns that overlap; None when outside."""
    h, w = layer.rgba.shape[:2]
    y0, x0 = max(0, layer.top), max(0, layer.left)
    y1, x1 = min(height, layer.top + h), min(width, layer.left + w)
    if y1 <= y0 or x1 <= x0:
        return None
    return slice(y0, y1), slice(x0, x1), slice(y0 - layer.top, y1 - layer.top), slice(x0 - layer.left, x1 - layer.left)


def id_map(layers: list[Layer], height: int, width: int) -> NDArray[np.int16]:
    """(H, W) index of the topmost layer, painted in list order; -1 where none is."""
    ids = np.full((height, width), -1, np.int16)
    for i, layer in enumerate(layers):
        if (roi := _roi(layer, height, width)) is not None:
            ids[roi[0], roi[1]][layer.hard[roi[2], roi[3]]] = i
    return ids


def boxes_of(ids: NDArray[np.int16], count: int) -> tuple[F64, NDArray[np.int64]]:
    """Tight (count, 4) xyxy boxes (right and bottom exclusive) and (count,) pixel counts of each index."""
    boxes, pixels = np.zeros((count, 4)), np.zeros(count, np.int64)
    rows, cols = np.nonzero(ids >= 0)
    if len(rows) == 0:
        return boxes, pixels
    which = ids[rows, cols].astype(np.int64)
    pixels = np.bincount(which, minlength=count).astype(np.int64)
    lo, hi = np.full((count, 2), 1 << 30, np.int64), np.full((count, 2), -1, np.int64)
    for axis, values in ((0, cols), (1, rows)):
        np.minimum.at(lo[:, axis], which, values)
        np.maximum.at(hi[:, axis], which, values)
    seen = pixels > 0
    boxes[seen, :2], boxes[seen, 2:] = lo[seen], hi[seen] + 1
    return boxes, pixels


def settle(layers: list[Layer], height: int, width: int) -> tuple[list[Layer], NDArray[np.int16], F64, F64]:
    """Drop labelled things that are hardly visible, with their group and what stands on them, until none is left.

    Gives the layers that stay, in painting order, the id map, all boxes and all visible fractions.
    """
    layers = sorted(layers, key=lambda layer: -layer.order)
    while True:
        ids = id_map(layers, height, width)
        boxes, pixels = boxes_of(ids, len(layers))
        full = np.array([max(1, int(np.count_nonzero(layer.hard))) for layer in layers], np.float64)
        share = pixels / full
        side = np.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
        bad = [
            i
            for i, layer in enumerate(layers)
            if layer.class_id >= 0 and (share[i] < MIN_VISIBLE or side[i] < MIN_SIDE)
        ]
        if not bad:
            break
        groups = {layers[i].group for i in bad} - {-1}
        gone = {id(layer) for i, layer in enumerate(layers) if i in bad or layer.group in groups}
        layers = [
            layer for layer in layers if id(layer) not in gone and (layer.base is None or id(layer.base) not in gone)
        ]
    return layers, ids, boxes, share


def _relief(layer: Layer, nx: F32, ny: F32, roi: tuple[slice, slice, slice, slice]) -> None:
    """Model the silhouette as a rounded body: normals lean outwards near its edges."""
    a = np.asarray(layer.rgba[:, :, 3], np.float32) / np.float32(255)
    k = max(3, round(0.28 * min(a.shape))) | 1
    b = cv2.blur(a, (k, k), borderType=cv2.BORDER_CONSTANT)
    gain = np.float32(layer.relief * k * 0.42)
    gx = np.asarray(cv2.Sobel(b, cv2.CV_32F, 1, 0, ksize=1, scale=0.5), np.float32)
    gy = np.asarray(cv2.Sobel(b, cv2.CV_32F, 0, 1, ksize=1, scale=0.5), np.float32)
    hard = layer.hard[roi[2], roi[3]]
    nx[roi[0], roi[1]][hard] = np.clip(-gx[roi[2], roi[3]][hard] * gain, -0.85, 0.85)
    ny[roi[0], roi[1]][hard] = np.clip(gy[roi[2], roi[3]][hard] * gain, -0.6, 0.75)


def _lookup(index: U8, table: list[float]) -> F32:
    """(H, W) float map: ``table`` at each 8-bit index."""
    full = np.zeros(256, np.float32)
    full[: len(table)] = table
    return np.asarray(cv2.LUT(index, full), np.float32)


def compose(scene: Scene, layers: list[Layer], ids: NDArray[np.int16]) -> Maps:
    """Paint the layers over the backdrop into all maps."""
    bd, cam = scene.back, scene.cam
    height, width = cam.height, cam.width
    z = bd.depth()
    nx, ny, nz = (_lookup(bd.plane, [p.normal[i] for p in bd.planes]) for i in range(3))
    flat = [float(i > 0 and p.axis == 1 and -0.1 < p.value < cam.eye) for i, p in enumerate(bd.planes)]
    front = ids >= 0
    ground = (_lookup(bd.plane, flat) > 0) & ~front
    albedo, label = bd.rgb, bd.label
    emit: F32 = (
        np.asarray(cv2.LUT(bd.emit, _SQUARE), np.float32) if bd.lit else np.zeros((height, width, 3), np.float32)
    )
    shining = bd.lit
    for layer in layers:
        if (roi := _roi(layer, height, width)) is None:
            continue
        fr, pr = roi[:2], roi[2:]
        rgba, hard = layer.rgba[pr], layer.hard[pr]
        if layer.on_plane >= 0:
            rgba = rgba * (bd.plane[fr] == layer.on_plane)[:, :, None].astype(np.uint8)
        alpha = cv2.merge([rgba[:, :, 3]] * 3)
        part = albedo[fr]
        part[:] = cv2.add(cv2.multiply(part, 255 - alpha, scale=1 / 255), np.ascontiguousarray(rgba[:, :, :3]))
        shining = shining or layer.emit is not None
        if shining:
            glow = emit[fr]
            glow *= (255 - alpha).astype(np.float32) * np.float32(1 / 255)
            if layer.emit is not None:
                glow += (
                    layer.emit[pr]
                    if layer.on_plane < 0
                    else layer.emit[pr] * (bd.plane[fr] == layer.on_plane)[:, :, None]
                )
        if hard.any():
            np.copyto(z[fr], np.float32(layer.z), where=hard)
            np.copyto(nx[fr], np.float32(0.0), where=hard)
            np.copyto(ny[fr], np.float32(0.05), where=hard)
            np.copyto(label[fr], np.uint8(layer.label), where=hard)
            if layer.relief > 0:
                _relief(layer, nx, ny, roi)
    np.copyto(nz, -np.sqrt(np.maximum(np.float32(0.05), 1 - nx * nx - ny * ny)), where=front)
    return Maps(albedo, emit, z, nx, ny, nz, ids, label, ground, _grain(scene, z, front))


def _grain(scene: Scene, z: F32, front: NDArray[np.bool_]) -> F32:
    """(H, W) texture factor around 1: one noise tile, laid out on each plane in perspective."""
    bd, cam = scene.back, scene.cam
    inv = z * np.float32(1 / cam.focal)
    x = (np.arange(cam.width, dtype=np.float32) + np.float32(0.5 - cam.cx))[None, :] * inv
    y = (np.float32(cam.horizon - 0.5) - np.arange(cam.height, dtype=np.float32))[:, None] * inv
    index = bd.plane.copy()
    index[front] = len(bd.planes)  # the objects: a fine grain of their own
    axis = _lookup(index, [*(float(p.axis) for p in bd.planes), 2.0])
    scale = _lookup(index, [*(TILE / p.size for p in bd.planes), TILE / 2.0])
    amount = _lookup(index, [*(p.grain for p in bd.planes), 0.11])
    u, v = x, y
    np.copyto(u, z, where=axis == 0)
    np.copyto(v, z, where=axis == 1)
    for t in (u, v):  # wrap around the tile
        t *= scale * np.float32(1 / TILE)
        t -= np.floor(t)
        t *= np.float32(TILE)
    noise = np.asarray(cv2.remap(_padded_tile(), u, v, cv2.INTER_LINEAR), np.float32)
    # Far away most of the texture is finer than a pixel and averages out.
    inv *= scale
    fade = np.clip(np.float32(1.2) / np.sqrt(inv), np.float32(0.3), np.float32(1.0))
    noise *= amount
    noise *= fade
    noise += 1
    return noise


@lru_cache(maxsize=1)
def _padded_tile() -> F32:
    """The noise tile with its first row and column repeated, for interpolation across the seam."""
    return np.ascontiguousarray(np.pad(noise_tile(), ((0, 1), (0, 1)), mode="wrap"))
