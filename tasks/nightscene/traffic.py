"""Objects on a street: lamps, vehicles, walkers, cafés, street furniture."""

from __future__ import annotations

import math

from .mood import Lamp
from .names import Rng, between, chance
from .objects import animals, cars, clutter, cycles, furniture, people, tableware, vehicles
from .scene import Scene


def _post(scene: Scene, rng: Rng, x: float, z: float, arm: float, lit: bool) -> None:
    """A street lamp, standing at x, z; when lit it lights the scene."""
    m = scene.mood
    scene.add(clutter.lamp_post(scene.cam, (x, 0.0, z), rng, m, lit=lit, arm=arm))
    if lit:
        scene.lamps.append(Lamp(x + arm, 4.5, z, m.lamp_colour, 20.0 * m.lamp_power, 0.5))


def lamp_posts(scene: Scene, rng: Rng, lights: Rng, places: list[tuple[float, float, float]]) -> None:
    """Lamp posts at (x, z, arm); the mood says how many are lit."""
    order = [int(i) for i in lights.permutation(len(places))]
    m = scene.mood
    seen = [
        i
        for i in order
        if 4 < places[i][1] < 30 and scene.view(places[i][1])[0] < places[i][0] < scene.view(places[i][1])[1]
    ]
    if m.back_lit:
        seen = sorted(seen, key=lambda i: -places[i][1])
    on = set((seen + [i for i in order if i not in seen])[: m.lamps])
    for i, (x, z, arm) in enumerate(places):
        _post(scene, rng, x, z, arm, i in on)


def vehicle(scene: Scene, rng: Rng, x: float, z: float, yaw: float, *, parked: bool, bus_share: float) -> None:
    """A car, or now and then a bus, a truck or a tram, with the light it carries."""
    kind, m, cam = float(rng.random()), scene.mood, scene.cam
    across = abs(math.sin(yaw)) > 0.5
    what = "car" if parked or kind > bus_share + 0.1 else "bus" if kind < bus_share else "truck"
    half = {"car": 2.1, "bus": 5.0, "truck": 4.0}[what]
    if half > 3 and z < 9 + (0 if across else half):
        z += 6 + (0 if across else half)
    hx, hz = (half + 0.3, 1.1) if across else (1.1, half + 0.3)
    if not scene.free(x, z, hx, hz):
        return
    at = (x, 0.0, z)
    if what == "car":
        scene.add(cars.car(cam, at, rng, m, yaw=yaw, parked=parked))
    elif what == "bus":
        scene.add(vehicles.bus(cam, at, rng, m, yaw=yaw))
    else:
        scene.add(vehicles.truck(cam, at, rng, m, yaw=yaw))
    if not parked and (m.headlights or m.lighting in ("Strong", "Weak")):
        fx, fz = math.sin(yaw), math.cos(yaw)
        if len(scene.lamps) < 7:
            scene.lamps.append(
                Lamp(
                    x + fx * half,
                    0.75,
                    z + fz * half,
                    (1.0, 0.93, 0.8),
                    22.0,
                    0.8,
                    (fx, -0.12, fz),
                    0.72,
                    shadows=False,
                )
            )
        if fz > 0.3 or across:
            scene.lamps.append(
                Lamp(x - fx * (half + 0.4), 0.8, z - fz * (half + 0.4), (1.0, 0.08, 0.05), 0.9, 0.3, shadows=False)
            )


def cafe(scene: Scene, rng: Rng, x: float, z: float) -> None:
    """A pavement café: a table, chairs, a guest, something to drink."""
    if not scene.free(x, z, 1.1, 0.7):
        return
    cam, h = scene.cam, between(rng, 0.7, 0.76)
    half = between(rng, 0.35, 0.48)
    table = furniture.table(cam, (x, 0.0, z), rng, yaw=between(rng, -0.2, 0.2), half=(half, half), height=h)
    scene.add(table)
    for side in (-1, 1):
        if chance(rng, 0.85):
            cx = x + side * (half + 0.32)
            yaw = -side * math.pi / 2 + between(rng, -0.4, 0.4)
            chair = furniture.chair(cam, (cx, 0.0, z + 0.1), rng, yaw=yaw)
            scene.add(chair)
            if chance(rng, 0.4):
                person = people.seated(cam, (cx, 0.0, z + 0.05), rng, side=True, mirror=side > 0, label="person")
                person[0].order, person[0].base = chair[0].order - 0.06, chair[0]
                scene.add(person)
    if z < 8:
        for _ in range(int(rng.integers(1, 3))):
            draw = tableware.cup if chance(rng, 0.5) else tableware.bottle
            item = draw(cam, (x + between(rng, -0.6, 0.6) * half, h, z + between(rng, -0.3, 0.3) * half), rng, big=1.1)
            item[0].order = table[0].order - 0.02
            item[0].casts, item[0].base = False, table[0]
            scene.add(item)


def walkers(scene: Scene, rng: Rng, n: int, x0: float, x1: float, z: tuple[float, float]) -> None:
    """People, dogs and parked two-wheelers on a strip of pavement."""
    cam, m = scene.cam, scene.mood
    for _ in range(n):
        r = float(rng.random())
        at = scene.spot(rng, z, lambda d: (max(x0, scene.view(d)[0]), min(x1, scene.view(d)[1])), 0.3, 0.25)
        if at is None:
            continue
        p = (at[0], 0.0, at[1])
        if r < 0.34:
            scene.add(people.standing(cam, p, rng, m))
            if m.own_light > 0 and chance(rng, 0.3) and len(scene.lamps) < 6:
                scene.lamps.append(Lamp(p[0] + 0.2, 1.2, p[2] - 0.35, m.lamp_colour, 1.2, 0.25, shadows=False))
        elif r < 0.5:
            scene.add(animals.dog(cam, p, rng))
        elif r < 0.58:
            scene.add(animals.cat(cam, p, rng))
        elif r < 0.82:
            scene.add(cycles.bicycle(cam, p, rng, m, ridden=False, street=True))
        elif r < 0.96:
            scene.add(cycles.motorbike(cam, p, rng, m, ridden=False, street=True))
        else:
            scene.add(furniture.chair(cam, p, rng, yaw=between(rng, 0, 6.28)))


def street_furniture(scene: Scene, rng: Rng, n: int, x0: float, x1: float, z: tuple[float, float]) -> None:
    """Street furniture on a strip."""
    cam = scene.cam
    for _ in range(n):
        at = scene.spot(rng, z, lambda d: (max(x0, scene.view(d)[0]), min(x1, scene.view(d)[1])), 0.35, 0.3, 4)
        if at is None:
            continue
        p, r = (at[0], 0.0, at[1]), float(rng.random())
        if r < 0.2:
            scene.add(clutter.sign(cam, p, rng))
        elif r < 0.36:
            scene.add(clutter.tree(cam, p, rng))
        elif r < 0.66:
            scene.add(clutter.bin_(cam, p, rng))
        elif r < 0.76:
            scene.add(clutter.bush(cam, p, rng))
        elif r < 0.86:
            scene.add(clutter.bench(cam, p, rng, yaw=between(rng, 0, 6.28)))
        elif r < 0.94:
            scene.add(clutter.traffic_light(cam, p, rng))
        else:
            scene.add(clutter.fence(cam, p, rng, length=between(rng, 2.0, 4.0), along=abs(x1 - x0) < 5))


def advert(scene: Scene, rng: Rng, x: float, z: float) -> None:
    """An advertising panel, always there, a light only when the mood switches screens on."""
    lo, hi = scene.view(z, -0.1)
    x = min(hi, max(lo, x))
    if scene.mood.screens > 0 or chance(rng, 0.12):
        if not scene.free(x, z, 0.8, 0.3) and scene.mood.screens == 0:
            return
        scene.add(clutter.billboard(scene.cam, (x, 0.0, z), rng, scene.mood))
        if scene.mood.screens > 0:
            scene.lamps.append(Lamp(x, 1.6, z - 0.7, scene.mood.lamp_colour, 14.0, 0.8))
