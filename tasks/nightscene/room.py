"""Rooms: tables with cups and bottles, chairs, people and pets, between furniture that is none of the classes."""

from __future__ import annotations

import math

from .backdrop import Backdrop
from .camera import Camera
from .interior import shell, windows
from .mood import Lamp, Mood
from .names import Rng, between, chance, pick, vary
from .objects import animals, cycles, furniture, people, tableware
from .pen import Layer, Pen
from .scene import Scene


def room(rng: Rng, lights: Rng, mood: Mood, width: int, height: int) -> Scene:
    """Compose a room."""
    close = chance(rng, 0.34)  # seen from the table rather than from the door
    eye = between(rng, 1.1, 1.4) if close else between(rng, 1.35, 1.7)
    cam = Camera(
        width, height, height * between(rng, 0.86, 1.12), width * between(rng, 0.38, 0.62),
        height * (between(rng, 0.16, 0.3) if close else between(rng, 0.24, 0.38)), eye,
    )  # fmt: skip
    bd = Backdrop(cam)
    scene = Scene("room", cam, mood, bd, indoor=True)
    depth = between(rng, 4.8, 7.6)
    left, right, top = -between(rng, 1.9, 3.2), between(rng, 1.9, 3.2), between(rng, 2.4, 2.8)
    shell(scene, rng, depth, left, right, top)
    windows(scene, rng, lights, depth, left, right)
    _lamps(scene, rng, depth, left, right, top)
    near = cam.nearest()
    back = depth - 0.25
    furnished = left + 0.9
    for _ in range(int(rng.integers(1, 3))):  # along the back wall
        w, r = between(rng, 0.95, 1.2), float(rng.random())
        x = furnished + w
        furnished = x + w + 0.3
        if x + w > right - 0.2:
            break
        tv = chance(rng, 0.5) or (mood.screens > 0 and r < 0.7)
        if r < 0.55:
            if scene.free(x, back, w, 0.4):
                scene.add(furniture.cabinet(cam, (x, 0.0, back), rng, mood, tv=tv))
                if tv and mood.screens > 0:
                    scene.lamps.append(Lamp(x, 1.0, back - 0.45, mood.lamp_colour, 3.2, 0.5, shadows=True))
        elif scene.free(x, back - 0.2, w + 0.2, 0.6):
            sofa = furniture.sofa(cam, (x, 0.0, back - 0.3), rng, yaw=math.pi)
            scene.add(sofa)
            if chance(rng, 0.5):
                rest = (
                    people.seated(cam, (x + between(rng, -0.4, 0.4), 0.0, back - 0.45), rng, side=False)
                    if chance(rng, 0.6)
                    else animals.cat(cam, (x, 0.43, back - 0.35), rng)
                )
                rest[0].order, rest[0].base = sofa[0].order - 0.02, sofa[0]
                scene.add(rest)
    groups = 1 if close else int(rng.integers(1, 3))
    for i in range(groups):
        z = between(rng, 1.9, 3.0) if close else between(rng, near + 0.7, max(near + 0.9, depth - 1.2))
        x = cam.x_at(cam.width * (between(rng, 0.25, 0.75) if close else between(rng, 0.1 + 0.4 * i, 0.5 + 0.4 * i)), z)
        _table_group(scene, rng, lights, x, z, close)
    _loose(scene, rng, near, depth, left, right)
    return scene


def _pendant(scene: Scene, rng: Rng, x: float, z: float, top: float, lit: bool) -> None:
    """A lamp hanging from the ceiling; under other moods it hangs there dark."""
    m, h = scene.mood, between(rng, 1.75, 1.95)
    pen = Pen(scene.cam, (x, h, z), (-0.28, 0.28, -0.08, top - h))
    shade = vary(rng, pick(rng, ((60, 60, 64), (200, 180, 140), (150, 60, 50), (210, 210, 206))), 10)
    pen.line([(0.0, 0.1), (0.0, top - h)], 0.015, (40, 40, 40))
    pen.oval(0.0, 0.0, 0.11, 0.07, (255, 236, 200), glow=7.0 * min(1.5, m.lamp_power) if lit else 0.0)
    pen.poly([(-0.24, 0.0), (0.24, 0.0), (0.08, 0.2), (-0.08, 0.2)], shade, 0.35 if lit else 0.0)
    layer = pen.layer("", casts=False)
    scene.add([layer])
    if lit:
        scene.lamps.append(Lamp(x, h - 0.05, z, m.lamp_colour, 4.5 * m.lamp_power, 0.4))


def _lamps(scene: Scene, rng: Rng, depth: float, left: float, right: float, top: float) -> None:
    """Ceiling and floor lamps; how many are on is the mood's to say."""
    m, cam = scene.mood, scene.cam
    places = [(between(rng, left * 0.5, right * 0.5), between(rng, 2.2, depth - 0.8)) for _ in range(2)]
    on = min(m.lamps, 4)
    if m.back_lit:
        on = 1
        places.sort(key=lambda p: -p[1])
    for i, (x, z) in enumerate(places):
        _pendant(scene, rng, x, z, top, i < on and not (m.back_lit and z < depth * 0.6))
    corner = right - 0.35 if chance(rng, 0.5) else left + 0.35
    z = depth - between(rng, 0.35, 0.9)
    if scene.free(corner, z, 0.3, 0.3):
        lit = on > 2 or m.back_lit
        pen = Pen(cam, (corner, 0.0, z), (-0.28, 0.28, -0.02, 1.75))
        pen.line([(0.0, 0.0), (0.0, 1.4)], 0.03, (60, 56, 50))
        pen.oval(0.0, 0.02, 0.16, 0.03, (60, 56, 50))
        pen.poly(
            [(-0.24, 1.3), (0.24, 1.3), (0.15, 1.7), (-0.15, 1.7)],
            (238, 216, 170),
            1.6 * min(1.5, m.lamp_power) if lit else 0.0,
        )
        scene.add([pen.layer("")])
        if lit:
            scene.lamps.append(Lamp(corner, 1.5, z - 0.1, m.lamp_colour, 2.6 * m.lamp_power, 0.5, shadows=False))


def _on_top(scene: Scene, table: Layer, items: list[list[Layer]]) -> None:
    """Order things standing on a table after the table, far ones first."""
    for i, item in enumerate(sorted(items, key=lambda it: -it[0].z)):
        item[0].order = table.order - 0.002 * (i + 1)
        item[0].casts, item[0].base = False, table
        scene.add(item)


def _table_group(scene: Scene, rng: Rng, lights: Rng, x: float, z: float, close: bool) -> None:
    """A table with chairs around it, people on some of them, and what stands on it."""
    cam, m = scene.cam, scene.mood
    round_top = chance(rng, 0.3)
    a = between(rng, 0.5, 0.65) if round_top else between(rng, 0.65, 1.0)  # half size across the view
    b = a if round_top else between(rng, 0.35, 0.48)
    low = not close and chance(rng, 0.2)
    h = between(rng, 0.4, 0.5) if low else between(rng, 0.7, 0.77)
    if not scene.free(x, z, a + 0.25, b + 0.3):
        return
    table = furniture.table(cam, (x, 0.0, z), rng, yaw=math.pi / 2 + between(rng, -0.12, 0.12), half=(a, b), height=h)
    scene.add(table)
    if not low:
        for side, p in (("back", 0.6), ("left", 0.45), ("right", 0.45), ("front", 0.12 if close else 0.35)):
            if not chance(rng, p):
                continue
            dx, dz, yaw = {
                "back": (between(rng, -0.4, 0.4) * a, b + 0.34, math.pi),
                "front": (between(rng, -0.5, 0.5) * a, -b - 0.34, 0.0),
                "left": (-a - 0.32, 0.05, math.pi / 2),
                "right": (a + 0.32, 0.05, -math.pi / 2),
            }[side]
            if z + dz < 1.2:
                continue
            at = (x + dx, 0.0, z + dz)
            chair = furniture.chair(cam, at, rng, yaw=yaw + between(rng, -0.35, 0.35))
            scene.add(chair)
            scene.taken.append((at[0], at[2], 0.3, 0.3))
            if chance(rng, 0.3) and side != "front":
                person = people.seated(
                    cam, (at[0], 0.0, at[2] - 0.03), rng, side=side != "back", mirror=side == "right"
                )
                person[0].order, person[0].base = chair[0].order - 0.01, chair[0]
                scene.add(person)
    items: list[list[Layer]] = []
    used: list[float] = []
    for _ in range(int(rng.integers(2, 6)) + (1 if close else 0)):
        dx, dz = between(rng, -0.82, 0.82) * a, between(rng, -0.7, 0.7) * b
        if any(abs(dx - u) < 0.12 for u in used):
            continue
        used.append(dx)
        spot, r = (x + dx, h, z + dz), float(rng.random())
        if r < 0.4:
            items.append(tableware.cup(cam, spot, rng, big=between(rng, 1.0, 1.3)))
        elif r < 0.72:
            items.append(tableware.bottle(cam, spot, rng))
        elif r < 0.8:
            items.append(tableware.vase(cam, spot, rng))
        elif r < 0.88:
            items.append(tableware.books(cam, spot, rng, m, laptop=False))
        elif r < 0.91:
            items.append(animals.cat(cam, spot, rng))
        else:
            items.append(tableware.books(cam, spot, rng, m, laptop=True))
    if m.screens > 0 and chance(lights, 0.8):
        spot = (x + between(lights, -0.5, 0.5) * a, h, z + 0.1)
        items.append(tableware.books(cam, spot, lights, m, laptop=True))
        scene.lamps.append(Lamp(spot[0], h + 0.18, spot[2] - 0.12, m.lamp_colour, 0.55, 0.15, shadows=False))
    if m.own_light > 0.5 or m.lamps >= 4:
        spot = (x + between(lights, -0.3, 0.3) * a, h, z)
        items.append(tableware.lantern(cam, spot, lights, lit=True))
        scene.lamps.append(
            Lamp(
                spot[0],
                h + 0.22,
                spot[2] - 0.03,
                (1.0, 0.62, 0.3),
                1.3 if m.own_light > 0.5 else 0.6,
                0.15,
                shadows=False,
            )
        )
    _on_top(scene, table[0], items)


def _loose(scene: Scene, rng: Rng, near: float, depth: float, left: float, right: float) -> None:
    """People, pets, chairs and clutter on the free floor."""
    cam, m = scene.cam, scene.mood
    for _ in range(int(rng.integers(2, 5))):
        at = scene.spot(
            rng,
            (near + 0.15, depth - 0.4),
            lambda d: (max(left + 0.35, scene.view(d)[0]), min(right - 0.35, scene.view(d)[1])),
            0.3,
            0.25,
        )
        if at is None:
            continue
        p, r = (at[0], 0.0, at[1]), float(rng.random())
        if r < 0.12:
            scene.add(people.standing(cam, p, rng, m, shore=True))
        elif r < 0.42:
            scene.add(animals.cat(cam, p, rng))
        elif r < 0.55:
            scene.add(animals.dog(cam, p, rng))
        elif r < 0.66:
            scene.add(furniture.chair(cam, p, rng, yaw=between(rng, 0, 6.28)))
        elif r < 0.72:
            scene.add(cycles.bicycle(cam, (p[0], 0.0, depth - 0.45), rng, m, ridden=False, street=False))
        elif r < 0.86:
            scene.add(furniture.crate(cam, p, rng, yaw=between(rng, 0, 3.14)))
        elif r < 0.93:
            plant = tableware.vase(cam, (p[0], 0.0, p[2]), rng)
            scene.add(plant)
        else:
            item = tableware.bottle(cam, p, rng)
            scene.add(item)
