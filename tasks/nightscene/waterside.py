"""Water scenes: boats on a river, a lake or in a harbour, seen from a quay, a pier or a beach."""

from __future__ import annotations

import math

import cv2
import numpy as np

from .backdrop import Backdrop
from .camera import Camera
from .mood import Lamp, Mood
from .names import LABEL_ID, RGB, Rng, between, chance, mixed, pick, scaled, vary
from .objects import animals, boats, clutter, cycles, furniture, people, tableware
from .pen import Layer
from .scene import Scene
from .street import SKY

BANK: tuple[tuple[RGB, str], ...] = (
    ((150, 146, 138), "stone"),
    ((146, 112, 76), "boards"),
    ((206, 184, 140), "sand"),
    ((96, 120, 70), "grass"),
)


def waterside(rng: Rng, lights: Rng, mood: Mood, width: int, height: int) -> Scene:
    """Compose a waterside."""
    cam = Camera(
        width,
        height,
        height * between(rng, 0.9, 1.3),
        width * between(rng, 0.4, 0.6),
        height * between(rng, 0.3, 0.44),
        between(rng, 1.6, 2.2),
    )
    bd = Backdrop(cam)
    bd.sky(*pick(rng, SKY), cam.horizon)
    scene = Scene("waterside", cam, mood, bd)
    near = cam.nearest()
    edge, shore = near + between(rng, 2.0, 6.0), between(rng, 60, 120)
    drop = -0.5
    far = bd.add_plane(2, shore, grain=0.05, size=30)
    _far_shore(scene, rng, lights, far, shore)
    water = bd.add_plane(1, drop, grain=0.5, size=7.0)
    scene.water = water
    tone = vary(rng, pick(rng, ((70, 100, 116), (60, 88, 92), (84, 110, 130))), 10)
    span = shore * cam.width / cam.focal + 10
    bd.ground(-span, span, 0.7, shore, tone, y=drop, plane=water)
    bd.label[bd.plane == water] = LABEL_ID["void"]
    _mirror(bd, water, cam.row(shore, drop))
    ground = bd.add_plane(1, 0.0, grain=0.3, size=3.5)
    colour, kind = pick(rng, BANK)
    colour = vary(rng, colour, 12)
    slope = between(rng, -0.12, 0.12) * edge
    bd.poly([(-span, 0, 0.7), (span, 0, 0.7), (span, 0, edge + slope), (-span, 0, edge - slope)], colour, plane=ground)
    if kind in ("stone", "boards"):
        bd.poly(
            [
                (-span, 0, edge - slope),
                (span, 0, edge + slope),
                (span, drop, edge + slope),
                (-span, drop, edge - slope),
            ],
            scaled(colour, 0.45),
            plane=ground,
        )
        bd.poly(
            [
                (-span, 0, edge - slope - 0.3),
                (span, 0, edge + slope - 0.3),
                (span, 0, edge + slope),
                (-span, 0, edge - slope),
            ],
            scaled(colour, 1.15),
        )
        x = -8.0
        while x < 8.0:
            bd.ground(x, x + 0.03, 0.7, edge - abs(slope) - 0.3, scaled(colour, 0.78))
            x += 0.35 if kind == "boards" else 0.9
    _fleet(scene, rng, edge, shore, drop)
    _bank(scene, rng, lights, near, edge - abs(slope) * 0.6, kind)
    return scene


def _far_shore(scene: Scene, rng: Rng, lights: Rng, plane: int, z: float) -> None:
    """Hills, trees and houses on the other side, their windows lit at night."""
    bd, m = scene.back, scene.mood
    lo, hi = scene.view(z)
    for dim, top in ((1.0, between(rng, 7, 16)), (0.82, between(rng, 3, 7))):
        tone = scaled(mixed(vary(rng, (92, 112, 84), 10), (150, 165, 180), 0.45 * dim), dim)
        steps = np.linspace(lo, hi, 12)
        tops = [(float(x), top * between(rng, 0.5, 1.1), z) for x in steps]
        bd.poly([(lo, -0.5, z), *tops, (hi, -0.5, z)], tone, plane=plane, label="void")
    x = lo + between(rng, 0, 10)
    town = chance(rng, 0.7)
    while town and x < hi:
        w, h = between(rng, 4, 9), between(rng, 3, 11)
        wall = mixed(vary(rng, (170, 150, 130), 26), (160, 172, 186), 0.35)
        bd.poly([(x, -0.5, z), (x + w, -0.5, z), (x + w, h, z), (x, h, z)], wall, plane=plane, label="void")
        bd.poly(
            [(x - 0.4, h, z), (x + w + 0.4, h, z), (x + w / 2, h + between(rng, 0.5, 2.5), z)],
            mixed((130, 76, 60), (150, 160, 172), 0.35),
            plane=plane,
            label="void",
        )
        for i in range(int(w / 1.8)):
            for j in range(int(h / 2.6)):
                on = chance(lights, max(0.12, m.windows) if m.lighting != "Low" else 0.03)
                a, v = x + 0.6 + i * 1.8, 0.8 + j * 2.6
                bd.poly(
                    [(a, v, z), (a + 0.9, v, z), (a + 0.9, v + 1.3, z), (a, v + 1.3, z)],
                    (255, 210, 140) if on else (90, 100, 112),
                    glow=0.9 if on else 0.0,
                )
        x += w + (between(rng, 0, 14) if chance(rng, 0.5) else 0.3)
    if m.lamps or m.back_lit or m.lighting == "Weak":
        for i in range(6):
            a = lo + (hi - lo) * (i + 0.5) / 6
            bd.poly([(a, 2.6, z), (a + 0.7, 2.6, z), (a + 0.7, 3.3, z), (a, 3.3, z)], (255, 210, 140), glow=4.0)


def _mirror(bd: Backdrop, water: int, row: float) -> None:
    """Lay the far shore and the sky upside down, streaked, into the water."""
    h = bd.cam.height
    top = max(0, int(np.ceil(row)))
    if top >= h - 1:
        return
    src = np.clip(2 * top - 1 - np.arange(top, h), 0, h - 1)
    mask = bd.plane[top:] == water
    for img, share in ((bd.rgb, 0.5), (bd.emit, 0.55)):
        reach = max(3, round(h * 0.07))  # ripples draw reflections out downwards
        streaks = cv2.blur(img[src], (1, reach), anchor=(0, reach - 1), borderType=cv2.BORDER_REPLICATE)
        mixed_in = cv2.addWeighted(img[top:], 1 - share, streaks, share, 0)
        np.copyto(img[top:], mixed_in, where=mask[:, :, None])


def reflection(layer: Layer, strength: float, water: int) -> Layer:
    """The mirror image below a boat: colour only, it occupies no pixel of the truth."""
    rgba = layer.rgba[::-1].copy()
    rows = np.flatnonzero(np.any(layer.hard, axis=1))
    bottom = int(rows[-1]) if len(rows) else layer.rgba.shape[0]
    h = rgba.shape[0]
    wave = np.rint(1.2 * np.sin(np.arange(h) * 0.9 + layer.x)).astype(np.int64) + np.rint(
        np.sin(np.arange(h) * 2.3)
    ).astype(np.int64)
    for i in range(h):
        rgba[i] = np.roll(rgba[i], int(wave[i]), 0)
    fade = np.linspace(strength, strength * 0.25, h, dtype=np.float32)[:, None, None]
    rgba = np.rint(rgba * fade).astype(np.uint8)
    emit = None if layer.emit is None else (layer.emit[::-1] * fade * 0.6).astype(np.float32)
    top = layer.top + bottom - (h - 1 - bottom) + 1
    out = Layer(
        layer.left,
        top,
        rgba,
        emit,
        layer.x,
        layer.y,
        layer.z,
        layer.order + 0.01,
        LABEL_ID["void"],
        -1,
        relief=0.0,
        casts=False,
        on_plane=water,
    )
    out.hard[:] = False
    return out


def _fleet(scene: Scene, rng: Rng, edge: float, shore: float, drop: float) -> None:
    """Boats at anchor and under way."""
    for _ in range(int(rng.integers(2, 6))):
        at = scene.spot(rng, (edge + 9.0, min(shore * 0.75, 75.0)), lambda d: scene.view(d, 0.02), 3.2, 2.5)
        if at is None:
            continue
        layers = boats.boat(scene.cam, (at[0], drop, at[1]), rng, scene.mood)
        mirrored = reflection(layers[0], 0.42, scene.water)
        layers[0].casts = False
        scene.add([mirrored, *layers])
        if scene.mood.own_light > 0 and len(scene.lamps) < 4:
            scene.lamps.append(Lamp(at[0], 1.6, at[1] - 1.5, (1.0, 0.75, 0.45), 5.0, 0.8, shadows=False))
    for _ in range(int(rng.integers(0, 3))):  # buoys and posts
        at = scene.spot(rng, (edge + 2.5, 30.0), lambda d: scene.view(d), 0.4, 0.4)
        if at is not None:
            layer = clutter.bin_(scene.cam, (at[0], drop - 0.1, at[1]), rng)[0]
            layer.casts = False
            scene.add([reflection(layer, 0.35, scene.water), layer])


def _bank(scene: Scene, rng: Rng, lights: Rng, near: float, edge: float, kind: str) -> None:
    """Lamps, walkers, animals, bicycles, folding chairs and picnics on this side."""
    cam, m = scene.cam, scene.mood
    lit = m.lamps
    for i in range(3 if chance(rng, 0.6) else 1):
        z = edge - 0.4
        x = cam.x_at(cam.width * (0.12 + 0.38 * i + between(rng, -0.08, 0.08)), z)
        on = i < lit and not m.back_lit
        arm = between(rng, -0.6, 0.6)
        scene.taken.append((x, z, 0.15, 0.15))
        scene.add(clutter.lamp_post(cam, (x, 0.0, z), rng, m, lit=on, arm=arm))
        if on:
            scene.lamps.append(Lamp(x + arm, 4.5, z, m.lamp_colour, 20.0 * m.lamp_power, 0.5))
    if m.screens > 0:
        z = edge - 0.5
        x = cam.x_at(cam.width * between(lights, 0.15, 0.85), z)
        if scene.free(x, z, 0.8, 0.2):
            scene.add(clutter.billboard(cam, (x, 0.0, z), lights, m))
            scene.lamps.append(Lamp(x, 1.6, z - 0.7, m.lamp_colour, 14.0, 0.8))
    if chance(rng, 0.35) and kind != "sand":
        scene.add(clutter.fence(cam, (0.0, 0.0, edge - 0.1), rng, length=12.0, along=False, label="void"))
    if chance(rng, 0.3):
        z = between(rng, near + 0.6, max(near + 0.7, edge - 0.6))
        x = cam.x_at(cam.width * between(rng, 0.2, 0.8), z)
        _picnic(scene, rng, x, z)
    for _ in range(int(rng.integers(2, 5))):
        at = scene.spot(rng, (near + 0.3, edge - 0.15), lambda d: scene.view(d), 0.35, 0.2)
        if at is None:
            continue
        p, r = (at[0], 0.0, at[1]), float(rng.random())
        if r < 0.24:
            scene.add(people.standing(cam, p, rng, m, shore=True))
            if m.own_light > 0 and chance(lights, 0.6):
                scene.lamps.append(Lamp(p[0] + 0.2, 1.1, p[2] - 0.35, m.lamp_colour, 1.6, 0.25, shadows=False))
        elif r < 0.38:
            scene.add(animals.dog(cam, p, rng))
        elif r < 0.48:
            scene.add(animals.cat(cam, p, rng))
        elif r < 0.6:
            scene.add(cycles.bicycle(cam, p, rng, m, ridden=chance(rng, 0.25), street=False))
        elif r < 0.68:
            scene.add(cycles.motorbike(cam, p, rng, m, ridden=False, street=False))
        elif r < 0.78:
            chair = furniture.chair(cam, p, rng, yaw=between(rng, 0, 6.28))
            scene.add(chair)
        elif r < 0.84:
            for i in range(int(rng.integers(1, 4))):
                item = tableware.bottle(cam, (p[0] + 0.16 * i, 0.0, p[2] + 0.03 * i), rng, big=1.2)
                scene.add(item)
        elif r < 0.93:
            scene.add(clutter.bin_(cam, p, rng))
        else:
            scene.add(clutter.bench(cam, p, rng, yaw=math.pi + between(rng, -0.4, 0.4)))
    for layer in scene.layers:  # the label map is a street's business
        layer.label = LABEL_ID["void"]


def _picnic(scene: Scene, rng: Rng, x: float, z: float) -> None:
    """A table by the water with chairs, cups and bottles."""
    cam = scene.cam
    if not scene.free(x, z, 1.2, 0.5):
        return
    h = between(rng, 0.68, 0.75)
    table = furniture.table(
        cam, (x, 0.0, z), rng, yaw=math.pi / 2, half=(between(rng, 0.5, 0.75), between(rng, 0.35, 0.45)), height=h
    )
    scene.add(table)
    for side in (-1, 1):
        if chance(rng, 0.55):
            scene.add(
                furniture.chair(cam, (x + side * 1.05, 0.0, z), rng, yaw=-side * math.pi / 2 + between(rng, -0.5, 0.5))
            )
    for i in range(int(rng.integers(1, 4))):
        draw = tableware.cup if chance(rng, 0.55) else tableware.bottle
        item = draw(cam, (x - 0.35 + 0.3 * i, h, z + between(rng, -0.15, 0.15)), rng, big=1.15)
        item[0].order, item[0].casts, item[0].base = table[0].order - 0.01 * (i + 1), False, table[0]
        scene.add(item)
