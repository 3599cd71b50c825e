"""Street scenes: along a street towards its end, or across one to the houses opposite."""

from __future__ import annotations

import math

from .backdrop import Backdrop
from .camera import Camera
from .facade import building, fenced, garden_wall, hedge
from .mood import Lamp, Mood
from .names import RGB, Rng, between, chance, pick, scaled, vary
from .objects import clutter, cycles, people, vehicles
from .scene import Scene
from .traffic import advert, cafe, lamp_posts, street_furniture, vehicle, walkers

ASPHALT: tuple[RGB, ...] = ((92, 92, 96), (76, 78, 82), (108, 104, 100))
PAVING: tuple[RGB, ...] = ((150, 144, 136), (132, 130, 128), (164, 150, 130))
SKY: tuple[tuple[RGB, RGB], ...] = (
    ((96, 146, 206), (204, 220, 234)),
    ((150, 164, 180), (206, 210, 214)),
    ((84, 128, 190), (226, 214, 196)),
)


def camera(rng: Rng, width: int, height: int) -> Camera:
    """An eye at standing height; the field of view follows the height, so sizes scale with the frame."""
    focal = height * between(rng, 0.95, 1.35)
    return Camera(
        width,
        height,
        focal,
        width * between(rng, 0.36, 0.64),
        height * between(rng, 0.36, 0.5),
        between(rng, 1.45, 1.9),
    )


def street(rng: Rng, lights: Rng, mood: Mood, width: int, height: int) -> Scene:
    """Compose a street."""
    cam = camera(rng, width, height)
    bd = Backdrop(cam)
    bd.sky(*pick(rng, SKY), cam.horizon)
    scene = Scene("street", cam, mood, bd)
    (_along if chance(rng, 0.58) else _across)(scene, rng, lights)
    return scene


def _front(
    scene: Scene, rng: Rng, lights: Rng, plane: int, z_of: float | None, x_of: float | None, s0: float, s1: float
) -> None:
    """Line a plane with houses, walls, fences and hedges from s0 to s1 (far to near is irrelevant: they abut)."""
    bd = scene.back

    def at(s: float, h: float) -> tuple[float, float, float]:
        return (x_of, h, s) if x_of is not None else (s, h, z_of or 1.0)

    out = (0.0, 0.0, -0.9) if x_of is None else (-math.copysign(0.9, x_of), 0.0, 0.0)
    lamps: list[Lamp] = []
    green = chance(rng, 0.25)
    s = s1
    while s > s0:
        w = min(between(rng, 7.0, 15.0), s - s0 + 0.01)
        kind = float(rng.random())
        a, b = max(s - w, s0), s
        if kind < (0.45 if green else 0.8):
            lamps += building(bd, at, a, b, rng, lights, scene.mood, plane, out)
        elif kind < 0.86:
            garden_wall(bd, at, a, b, rng, plane)
        elif kind < 0.93:
            fenced(bd, at, a, b, rng, plane)
        else:
            hedge(bd, at, a, b, rng, plane, between(rng, 1.2, 5.0))
        s -= w
    near = [lamp for lamp in lamps if lamp.y < 6 and lamp.z < 40]
    # Lamps cost time, so only a few windows shine on the street; the others are seen but do not light it.
    for _ in range(min(len(near), 4 if scene.mood.windows > 0.3 else 1)):
        scene.lamps.append(near.pop(int(lights.integers(len(near)))))


def _along(scene: Scene, rng: Rng, lights: Rng) -> None:
    """Looking down a street: road in the middle, pavements, houses on both sides."""
    bd, cam, m = scene.back, scene.cam, scene.mood
    lane = between(rng, 2.9, 3.4)
    left, right = -between(rng, 1.2, 2.0) * lane, between(rng, 0.5, 1.3) * lane
    walk_l, walk_r = between(rng, 2.0, 4.5), between(rng, 2.0, 4.5)
    end = between(rng, 45, 90)
    ground = bd.add_plane(1, 0.0, grain=0.34, size=5.0)
    wall_l, wall_r = bd.add_plane(0, left - walk_l, grain=0.22), bd.add_plane(0, right + walk_r, grain=0.22)
    far = bd.add_plane(2, end, grain=0.12, size=20)
    _front(scene, rng, lights, far, end, None, left - walk_l - 25, right + walk_r + 25)
    asphalt, paving = vary(rng, pick(rng, ASPHALT), 8), vary(rng, pick(rng, PAVING), 10)
    bd.ground(-150, 150, 0.7, end, vary(rng, (104, 116, 80), 10), plane=ground, label="terrain")
    verge = chance(rng, 0.5)
    bd.ground(left - walk_l, right + walk_r, 0.7, end, paving, label="sidewalk")
    if verge:
        bd.ground(left - walk_l, left - walk_l * 0.55, 0.7, end, vary(rng, (96, 120, 70), 10), label="terrain")
    for i in range(14):
        z = 3.0 * 1.28**i
        if z < end:
            bd.ground(left - walk_l * (0.55 if verge else 1), right + walk_r, z, z + 0.03, scaled(paving, 0.8))
    bd.ground(left, right, 0.7, end, asphalt, label="road")
    for x in (left, right):
        bd.ground(x - 0.09, x + 0.09, 0.7, end, scaled(paving, 1.15))
    centre = left + (right - left) * 0.5
    z, dash = 1.0, between(rng, 1.5, 3.0)
    white: RGB = (206, 204, 196)
    while z < end:
        bd.ground(centre - 0.07, centre + 0.07, z, min(end, z + dash), white)
        z += dash * 2.2
    if chance(rng, 0.4):
        z = between(rng, 7, 18)
        n = int((right - left) / 0.9)
        for i in range(n):
            x = left + 0.35 + i * (right - left - 0.4) / n
            bd.ground(x, x + 0.45, z, z + 3.0, white)
        for x in (left - 0.45, right + 0.45):
            if chance(rng, 0.7):
                scene.add(clutter.traffic_light(cam, (x, 0.0, z - 0.4), rng))
                scene.taken.append((x, z - 0.4, 0.2, 0.2))
    rails = chance(rng, 0.3)
    if rails:
        for x in (centre - 2.3, centre - 0.87):
            bd.ground(x - 0.05, x + 0.05, 0.7, end, (60, 60, 64))
    _front(scene, rng, lights, wall_l, None, left - walk_l, 1.5, end)
    _front(scene, rng, lights, wall_r, None, right + walk_r, 1.5, end)
    near = cam.nearest()
    gap, first = between(rng, 11, 16), between(rng, 6, 12)
    posts = [(left - 0.5 if i % 2 else right + 0.5, first + gap * i * 0.6, 1.1 if i % 2 else -1.1) for i in range(6)]
    lamp_posts(scene, rng, lights, posts)
    scene.taken += [(x, z, 0.2, 0.2) for x, z, _ in posts]
    strips = ((left - walk_l + 0.4, left - 0.4), (right + 0.4, right + walk_r - 0.4))
    depth = between(rng, 9, 16)
    advert(scene, rng, between(rng, *strips[int(rng.integers(2))]), depth)
    if rails and chance(rng, 0.7):
        z = between(rng, 24, 40)
        if scene.free(centre - 1.6, z, 1.3, 10.5):
            scene.add(vehicles.tram(cam, (centre - 1.6, 0.0, z), rng, m, yaw=math.pi))
    for i in range(int(rng.integers(1, 4))):
        oncoming = chance(rng, 0.55)
        x = centre + (-1 if oncoming else 1) * (right - left) / 4
        z = 1 / between(rng, 1 / 44, 1 / max(10.0, near + 4))
        vehicle(
            scene,
            rng,
            x + between(rng, -0.3, 0.3),
            z + (6 if i == 0 else 0),
            (math.pi if oncoming else 0.0) + between(rng, -0.15, 0.15),
            parked=False,
            bus_share=0.75 if i == 0 else 0.4,
        )
    for side in (-1, 1):
        if chance(rng, 0.7):
            x = left + 1.0 if side < 0 else right - 1.0
            for z in (between(rng, 10, 16), between(rng, 18, 28)):
                if chance(rng, 0.6):
                    vehicle(
                        scene,
                        rng,
                        x,
                        z,
                        (math.pi if side < 0 else 0.0) + between(rng, -0.12, 0.12),
                        parked=True,
                        bus_share=0.0,
                    )
    if chance(rng, 0.5):
        z = between(rng, near + 2.5, 22)
        x = between(rng, left + 0.8, right - 0.8)
        if scene.free(x, z, 1.0, 0.5):
            draw = cycles.bicycle if chance(rng, 0.5) else cycles.motorbike
            scene.add(draw(cam, (x, 0.0, z), rng, m, ridden=True, street=True))
    if chance(rng, 0.35):
        z = between(rng, near + 2, 26)
        x = between(rng, left, right)
        if scene.free(x, z, 0.4, 0.3):
            scene.add(people.standing(cam, (x, 0.0, z), rng, m))
    if chance(rng, 0.3):
        strip = strips[int(rng.integers(2))]
        cafe(scene, rng, sum(strip) / 2, between(rng, near + 2, 12))
    for x0, x1 in strips:
        walkers(scene, rng, int(rng.integers(1, 4)), x0, x1, (near + 2.6, 36))
        street_furniture(scene, rng, int(rng.integers(1, 4)), x0, x1, (near + 1.5, 30))


def _across(scene: Scene, rng: Rng, lights: Rng) -> None:
    """Facing the houses on the other side of a street: traffic passes from side to side."""
    bd, cam, m = scene.back, scene.cam, scene.mood
    near = cam.nearest()
    z0 = near + between(rng, 0.8, 2.5)
    z1 = z0 + between(rng, 6.0, 9.5)
    front = z1 + between(rng, 2.4, 5.5)
    ground = bd.add_plane(1, 0.0, grain=0.34, size=5.0)
    wall = bd.add_plane(2, front, grain=0.24)
    span = front * cam.width / cam.focal
    _front(scene, rng, lights, wall, front, None, -span, span)
    asphalt, paving = vary(rng, pick(rng, ASPHALT), 8), vary(rng, pick(rng, PAVING), 10)
    bd.ground(-span, span, 0.7, front, paving, plane=ground, label="sidewalk")
    if chance(rng, 0.5):
        bd.ground(-span, span, front - 1.0, front, vary(rng, (96, 120, 70), 10), label="terrain")
    x = -span
    while x < span:
        bd.ground(x, x + 0.035, 0.7, z0, scaled(paving, 0.82))
        bd.ground(x, x + 0.035, z1, front, scaled(paving, 0.82))
        x += 1.1
    bd.ground(-span, span, z0, z1, asphalt, label="road")
    for z in (z0, z1):
        bd.ground(-span, span, z - 0.09, z + 0.09, scaled(paving, 1.15))
    mid, x = (z0 + z1) / 2, -span
    while x < span:
        bd.ground(x, x + 1.6, mid - 0.07, mid + 0.07, (206, 204, 196))
        x += 3.6
    gap, x = between(rng, 6, 10), between(rng, -6, -2)
    posts = [(x + gap * i, z1 + 0.5 if chance(rng, 0.75) else z0 - 0.4, between(rng, -0.8, 0.8)) for i in range(3)]
    lamp_posts(scene, rng, lights, posts)
    scene.taken += [(px, pz, 0.2, 0.2) for px, pz, _ in posts]
    lanes = ((mid + z1) / 2 - 0.4, (z0 + mid) / 2 + 0.3)
    for i, z in enumerate(lanes):
        direction = -1 if i else 1
        for _ in range(2 if i == 0 else 1):
            lo, hi = scene.view(z, 0.08)
            x = between(rng, lo, hi)
            r = float(rng.random())
            if r < (0.62 if i == 0 else 0.4):
                vehicle(
                    scene,
                    rng,
                    x,
                    z,
                    direction * math.pi / 2 + between(rng, -0.1, 0.1),
                    parked=i == 0 and chance(rng, 0.3),
                    bus_share=0.45,
                )
            elif r < 0.9 and scene.free(x, z, 1.0, 0.6):
                draw = cycles.bicycle if chance(rng, 0.5) else cycles.motorbike
                scene.add(draw(cam, (x, 0.0, z), rng, m, ridden=chance(rng, 0.85), street=True, mirror=direction < 0))
    lo, hi = scene.view(z1)
    advert(scene, rng, between(rng, lo * 0.8, hi * 0.8), z1 + 1.2)
    if chance(rng, 0.4):
        cafe(scene, rng, between(rng, lo * 0.8, hi * 0.8), front - 1.1)
    if chance(rng, 0.12):
        cafe(scene, rng, between(rng, lo * 0.4, hi * 0.4), near + 0.9)
    walkers(scene, rng, int(rng.integers(2, 4)), -span, span, (z1 + 0.5, front - 0.4))
    if z0 - near > 1.0:
        walkers(scene, rng, int(rng.integers(0, 3)), -span, span, (near + 0.4, z0 - 0.1))
    street_furniture(scene, rng, int(rng.integers(1, 4)), -span, span, (z1 + 0.4, front - 0.3))
    if chance(rng, 0.35):
        street_furniture(scene, rng, 1, -span, span, (near + 0.5, z0))
