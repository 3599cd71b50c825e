"""The empty room: floor, walls, ceiling, door, pictures, and the window."""

from __future__ import annotations

from .mood import Lamp
from .names import RGB, Rng, between, chance, mixed, pick, scaled, vary
from .objects import furniture
from .scene import Scene

WALL: tuple[RGB, ...] = (
    (206, 196, 178),
    (176, 190, 186),
    (196, 170, 150),
    (150, 160, 176),
    (216, 212, 204),
    (170, 150, 120),
    (120, 130, 124),
)
FLOOR: tuple[RGB, ...] = ((150, 112, 76), (120, 88, 62), (176, 150, 118), (140, 138, 134), (96, 80, 70))


def shell(scene: Scene, rng: Rng, depth: float, left: float, right: float, top: float) -> None:
    """Floor, walls and ceiling with their patterns, pictures and a door."""
    bd = scene.back
    paint, boards = vary(rng, pick(rng, WALL), 10), vary(rng, pick(rng, FLOOR), 12)
    floor, roof = bd.add_plane(1, 0.0, grain=0.26, size=2.5), bd.add_plane(1, top, grain=0.06)
    wall_l, wall_r = bd.add_plane(0, left, grain=0.12), bd.add_plane(0, right, grain=0.12)
    wall_b = bd.add_plane(2, depth, grain=0.12)
    white = mixed(paint, (238, 236, 230), 0.75)
    bd.poly([(left, 0, depth), (right, 0, depth), (right, top, depth), (left, top, depth)], paint, plane=wall_b)
    for x, plane, dim in ((left, wall_l, 0.9), (right, wall_r, 0.95)):
        bd.poly([(x, 0, 0.6), (x, 0, depth), (x, top, depth), (x, top, 0.6)], scaled(paint, dim), plane=plane)
    bd.ground(left, right, 0.6, depth, boards, plane=floor)
    bd.ground(left, right, 0.6, depth, white, y=top, plane=roof)
    if chance(rng, 0.6):  # boards
        x = left
        while x < right:
            bd.ground(x, x + 0.012, 0.6, depth, scaled(boards, 0.72))
            x += 0.22
    else:  # tiles
        for i in range(20):
            x, z = left + i * 0.45, 0.6 + i * 0.45
            if x < right:
                bd.ground(x, x + 0.015, 0.6, depth, scaled(boards, 0.75))
            if z < depth:
                bd.ground(left, right, z, z + 0.02, scaled(boards, 0.75))
    if chance(rng, 0.6):
        rug = vary(rng, pick(rng, furniture.CLOTH), 20)
        cx, cz, a, b = (
            between(rng, left * 0.4, right * 0.4),
            depth * 0.55,
            between(rng, 0.7, 1.3),
            between(rng, 0.5, 0.9),
        )
        bd.ground(cx - a, cx + a, cz - b, cz + b, rug)
        bd.ground(cx - a * 0.86, cx + a * 0.86, cz - b * 0.84, cz + b * 0.84, scaled(rug, 1.25))
        bd.ground(cx - a * 0.78, cx + a * 0.78, cz - b * 0.74, cz + b * 0.74, scaled(rug, 0.9))
    stripe = chance(rng, 0.3)
    if stripe:  # wallpaper
        x = left
        while x < right:
            bd.poly([(x, 0, depth), (x + 0.12, 0, depth), (x + 0.12, top, depth), (x, top, depth)], scaled(paint, 0.93))
            x += 0.3
    elif chance(rng, 0.3):  # tiled wall
        for i in range(14):
            h = i * 0.2
            if h < top:
                bd.poly(
                    [(left, h, depth), (right, h, depth), (right, h + 0.014, depth), (left, h + 0.014, depth)],
                    scaled(paint, 0.85),
                )
    for h0, h1, c in ((0.0, 0.1, white), (top - 0.06, top, white)):
        bd.poly([(left, h0, depth), (right, h0, depth), (right, h1, depth), (left, h1, depth)], c)
        for x in (left, right):
            bd.poly([(x, h0, 0.6), (x, h0, depth), (x, h1, depth), (x, h1, 0.6)], scaled(c, 0.92))
    if chance(rng, 0.5):  # a door in a side wall
        x, z = (left if chance(rng, 0.5) else right), between(rng, 2.2, depth - 1.2)
        wood = vary(rng, pick(rng, furniture.WOOD), 10)
        bd.poly([(x, 0, z - 0.07), (x, 0, z + 0.97), (x, 2.12, z + 0.97), (x, 2.12, z - 0.07)], scaled(wood, 0.7))
        bd.poly([(x, 0, z), (x, 0, z + 0.9), (x, 2.05, z + 0.9), (x, 2.05, z)], wood)
        for h0, h1 in ((0.2, 0.9), (1.1, 1.85)):
            bd.poly([(x, h0, z + 0.15), (x, h0, z + 0.75), (x, h1, z + 0.75), (x, h1, z + 0.15)], scaled(wood, 0.86))
    for _ in range(int(rng.integers(1, 4))):  # pictures
        x, h, w, t = (
            between(rng, left + 0.5, right - 0.5),
            between(rng, 1.3, 1.75),
            between(rng, 0.15, 0.35),
            between(rng, 0.15, 0.3),
        )
        frame, art = (
            pick(rng, ((40, 36, 34), (190, 160, 100), (230, 228, 222))),
            vary(rng, pick(rng, furniture.CLOTH), 30),
        )
        for grow, c in ((0.04, frame), (0.0, art)):
            bd.poly(
                [
                    (x - w - grow, h - t - grow, depth),
                    (x + w + grow, h - t - grow, depth),
                    (x + w + grow, h + t + grow, depth),
                    (x - w - grow, h + t + grow, depth),
                ],
                c,
            )
        bd.poly(
            [(x - w, h - t, depth), (x + w, h - t, depth), (x + w * 0.2, h + t * 0.5, depth), (x - w * 0.5, h, depth)],
            scaled(art, 0.65),
        )


def windows(scene: Scene, rng: Rng, lights: Rng, depth: float, left: float, right: float) -> None:
    """A window in the back wall; with moon or street light falling in under "Window"."""
    m, bd = scene.mood, scene.back
    if not chance(rng, 0.75) and m.lighting not in ("Window", "Twilight"):
        return
    w, h0, h1 = between(rng, 0.45, 0.75), between(rng, 0.8, 1.0), between(rng, 1.9, 2.2)
    x = between(rng, left + w + 0.3, right - w - 0.3)
    white: RGB = (232, 230, 224)

    def pane(x0: float, x1: float, y0: float, y1: float, c: RGB, glow: float = 0.0) -> None:
        bd.poly([(x0, y0, depth), (x1, y0, depth), (x1, y1, depth), (x0, y1, depth)], c, glow=glow)

    pane(x - w - 0.08, x + w + 0.08, h0 - 0.08, h1 + 0.08, white)
    light = {"Window": 0.8, "Twilight": 0.55, "Shadow": 0.9}.get(m.lighting, 0.05)
    low: RGB = (240, 150, 90) if m.lighting == "Twilight" else (170, 196, 226)
    high: RGB = (110, 130, 190) if m.lighting == "Twilight" else (150, 186, 226)
    pane(x - w, x + w, h0, h1, high, light)
    pane(x - w, x + w, h0, h0 + (h1 - h0) * 0.35, low, light * 1.2)
    for _ in range(4):  # roofs outside
        a, v = between(rng, x - w, x + w - 0.25), between(rng, 0.1, 0.4) * (h1 - h0)
        pane(a, min(x + w, a + between(rng, 0.2, 0.5)), h0, h0 + v, (96, 100, 112), light * 0.35)
    for a in (x - 0.02, x + w - 0.02, x - w - 0.02):
        pane(a, a + 0.04, h0, h1, white)
    pane(x - w, x + w, (h0 + h1) / 2, (h0 + h1) / 2 + 0.04, white)
    pane(x - w - 0.14, x + w + 0.14, h0 - 0.12, h0 - 0.06, white)
    if chance(rng, 0.6):
        cloth = vary(rng, pick(rng, furniture.CLOTH), 16)
        for s in (-1, 1):
            for i in range(4):
                a = x + s * (w - 0.08 + 0.08 * i)
                pane(a - 0.05, a + 0.05, h0 - 0.5, h1 + 0.15, scaled(cloth, 0.85 if i % 2 else 1.05))
        pane(x - w - 0.4, x + w + 0.4, h1 + 0.13, h1 + 0.17, (60, 54, 48))
    if m.lighting in ("Window", "Shadow", "Twilight"):
        # A far light outside, seen by the room only through the opening: it draws the window on the floor.
        colour = pick(lights, ((1.0, 0.62, 0.3), (0.6, 0.75, 1.0), (0.8, 0.9, 1.0)))
        reach = depth + 3.0
        side = between(lights, -2.5, 2.5)
        scene.lamps.append(
            Lamp(x + side, 3.9, reach, colour, 130.0, 0.5, gate=(x - w, x + w, h0, h1, depth), shadows=True)
        )
        scene.lamps.append(Lamp(x, (h0 + h1) / 2, depth - 0.25, (0.6, 0.75, 1.0), 1.1, 0.8, shadows=False))
