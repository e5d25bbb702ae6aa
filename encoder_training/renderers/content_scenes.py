"""Scenes: landscapes, water, streets, still lifes, people, animals, rooms, vehicles, plants and mountains."""

from __future__ import annotations

import colorsys
import math
import random
from collections.abc import Callable

from encoder_training.renderers.content_places import city_street, interior, landscape, mountains, sea, village
from encoder_training.renderers.sketch import ACCENT, BODY, GROUND, RGB, SECOND, Sketch, arc, smooth

_SKIN = ((0.94, 0.78, 0.66), (0.84, 0.62, 0.47), (0.62, 0.42, 0.29), (0.42, 0.27, 0.19))


def draw_scene(random_: random.Random) -> Sketch:
    """One scene of `SCENES`, composed at random, in natural colours."""
    return random_.choice(SCENES)(random_)


def bright(random_: random.Random, saturation: float = 0.65, value: float = 0.8) -> RGB:
    """Any hue, near the given saturation and value."""
    return colorsys.hsv_to_rgb(random_.random(), saturation * random_.uniform(0.7, 1.2),
                               min(value * random_.uniform(0.75, 1.2), 1))


def darker(colour: RGB, factor: float = 0.7) -> RGB:
    return colour[0] * factor, colour[1] * factor, colour[2] * factor


def _backdrop(random_: random.Random) -> RGB:
    return random_.choice(((0.86, 0.82, 0.74), (0.7, 0.78, 0.82), (0.82, 0.73, 0.66), (0.45, 0.5, 0.52),
                           (0.78, 0.8, 0.7), (0.3, 0.28, 0.3)))


def still_life(random_: random.Random) -> Sketch:
    table = random_.uniform(0.6, 0.68)
    sketch = Sketch(_backdrop(random_))
    sketch.depth = 0.6
    sketch.polygon([(0, table), (1, table), (1, 1), (0, 1)], random_.choice(((0.55, 0.38, 0.25), (0.85, 0.83, 0.78),
        (0.4, 0.3, 0.3))), SECOND, (0, 0.12))
    sketch.subject, sketch.depth = True, 0.3
    things = []
    if random_.random() < 0.85:
        x, colour = random_.uniform(0.28, 0.7), bright(random_, 0.5, 0.7)
        height, belly = random_.uniform(0.26, 0.4), random_.uniform(0.09, 0.14)
        foot = table + 0.1
        if random_.random() < 0.6:
            for _ in range(5):
                turn = random_.uniform(-0.9, 0.9)
                tip = (x + 0.24 * math.sin(turn), foot - height - 0.2 * math.cos(turn))
                sketch.line([(x, foot - height + 0.04), tip], (0.25, 0.45, 0.22), 0.012, SECOND)
                petal = bright(random_, 0.75, 0.95)
                for k in range(5):
                    sketch.ellipse(tip[0] + 0.035 * math.cos(k * 1.257), tip[1] + 0.035 * math.sin(k * 1.257), 0.03,
                                   0.03, petal, ACCENT)
                sketch.ellipse(*tip, 0.022, 0.022, (0.95, 0.8, 0.3), BODY)
            things.append("a vase of flowers")
        else:
            things.append("a vase")
        side = [(x + belly * 0.45, foot - height), (x + belly * 0.35, foot - height * 0.85),
                (x + belly, foot - height * 0.45), (x + belly * 0.6, foot)]
        curve = smooth(side)
        sketch.polygon([*curve, *[(2 * x - px, py) for px, py in reversed(curve)]], colour, BODY, (-0.35, 0))
    fruit = random_.choice(("apples", "oranges", "lemons", "pears"))
    colour = {"apples": (0.78, 0.16, 0.14), "oranges": (0.94, 0.55, 0.12), "lemons": (0.95, 0.85, 0.25), "pears": (0.7,
        0.75, 0.3)}[fruit]
    if random_.random() < 0.5:
        x, y = random_.uniform(0.3, 0.7), table + 0.2
        for k in range(4):
            sketch.ellipse(x - 0.15 + 0.1 * k, y - 0.06, 0.075, 0.075, colour, ACCENT, (-0.25, -0.25))
        sketch.polygon([*arc(x, y - 0.04, 0.24, 0.15, 0, 0.5)], bright(random_, 0.3, 0.85), BODY, (-0.3, 0))
        things.append(f"a bowl of {fruit}")
    else:
        for _ in range(random_.randint(2, 4)):
            x, y, radius = random_.uniform(0.14, 0.86), table + random_.uniform(0.12, 0.27), random_.uniform(0.055,
                0.08)
            sketch.ellipse(x + 0.02, y + radius * 0.85, radius * 1.1, radius * 0.28, (0.25, 0.2, 0.18), SECOND)
            sketch.ellipse(x, y, radius, radius * (1.25 if fruit == "pears" else 0.95), colour, ACCENT, (-0.25, -0.3))
            sketch.line([(x, y - radius * 0.8), (x + 0.012, y - radius * 1.35)], (0.3, 0.2, 0.1), 0.011, BODY)
        things.append(fruit)
    if random_.random() < 0.4:
        x, glass = random_.choice((0.12, 0.88)), random_.choice(((0.2, 0.38, 0.25), (0.3, 0.2, 0.14),
            (0.25, 0.35, 0.5)))
        base = table + 0.13
        sketch.polygon([(x - 0.055, base), (x - 0.055, base - 0.24), (x - 0.02, base - 0.32), (x - 0.02, base - 0.44),
                        (x + 0.02, base - 0.44), (x + 0.02, base - 0.32), (x + 0.055, base - 0.24), (x + 0.055, base)],
                        glass, BODY, (-0.4, 0))
        sketch.rectangle(x - 0.055, base - 0.17, 0.11, 0.09, (0.93, 0.9, 0.82), SECOND)
        things.append("a bottle")
    sketch.caption = f"{' and '.join(things)} on a table"
    return sketch


def _head(sketch: Sketch, random_: random.Random, x: float, y: float, scale: float, skin: RGB, hair: RGB,
          long_hair: bool) -> None:
    """A face of half width `scale` with hair, eyes, nose and mouth, about (x, y)."""
    if long_hair:
        sketch.blob([(x, y - 1.35 * scale), (x + 1.1 * scale, y - 0.7 * scale), (x + 1.2 * scale, y + 0.8 * scale),
                     (x + 0.8 * scale, y + 1.6 * scale),
                     (x - 0.8 * scale, y + 1.6 * scale), (x - 1.2 * scale, y + 0.8 * scale), (x - 1.1 * scale,
                         y - 0.7 * scale)], hair, BODY, (0.2, 0))
    sketch.polygon([(x - 0.36 * scale, y + 0.6 * scale), (x + 0.36 * scale, y + 0.6 * scale), (x + 0.45 * scale,
        y + 1.7 * scale), (x - 0.45 * scale, y + 1.7 * scale)], darker(skin, 0.86), SECOND)
    sketch.blob([(x, y - 1.1 * scale), (x + 0.75 * scale, y - 0.75 * scale), (x + 0.82 * scale, y + 0.1 * scale),
                 (x + 0.5 * scale, y + 0.85 * scale), (x, y + 1.12 * scale),
                 (x - 0.5 * scale, y + 0.85 * scale), (x - 0.82 * scale, y + 0.1 * scale), (x - 0.75 * scale,
                     y - 0.75 * scale)], skin, SECOND, (-0.22, 0))
    fringe = random_.uniform(-0.5, -0.2)
    sketch.polygon([*arc(x, y - 0.15 * scale, 0.92 * scale, 1.15 * scale, 0.5, 1.0), (x + 0.75 * scale,
        y - 0.1 * scale), (x + 0.5 * scale, y + (fringe - 0.2) * scale),
                    (x - 0.1 * scale, y + fringe * scale), (x - 0.75 * scale, y - 0.05 * scale)], hair, BODY, (-0.2, 0))
    for side in (-1, 1):
        sketch.ellipse(x + side * 0.36 * scale, y + 0.06 * scale, 0.16 * scale, 0.09 * scale, (0.97, 0.96, 0.94),
                       GROUND)
        sketch.ellipse(x + side * 0.36 * scale, y + 0.06 * scale, 0.085 * scale, 0.09 * scale, (0.12, 0.1, 0.1), BODY)
        sketch.line([(x + side * 0.2 * scale, y - 0.16 * scale), (x + side * 0.55 * scale, y - 0.18 * scale)],
                    darker(hair, 0.6), 0.06 * scale, BODY)
    sketch.line([(x + 0.02 * scale, y + 0.1 * scale), (x + 0.12 * scale, y + 0.42 * scale), (x - 0.04 * scale,
        y + 0.45 * scale)], darker(skin, 0.7), 0.05 * scale, SECOND)
    sketch.polygon([*smooth([(x - 0.26 * scale, y + 0.68 * scale), (x, y + 0.63 * scale), (x + 0.26 * scale,
        y + 0.68 * scale)]),
                    *smooth([(x + 0.26 * scale, y + 0.68 * scale), (x, y + 0.8 * scale), (x - 0.26 * scale,
                        y + 0.68 * scale)])], (0.72, 0.25, 0.25), ACCENT)


def portrait(random_: random.Random) -> Sketch:
    sketch = Sketch(_backdrop(random_))
    sketch.depth = 0.9
    if random_.random() < 0.4:
        sketch.rectangle(random_.choice((0.02, 0.62)), 0.05, 0.36, 0.4, (0.62, 0.78, 0.88), GROUND)
    sketch.depth, sketch.subject = 0.2, True
    x, scale = random_.uniform(0.42, 0.58), random_.uniform(0.17, 0.21)
    shirt, hat = bright(random_, 0.55, 0.6), random_.random() < 0.3
    woman = random_.random() < 0.5
    hair = random_.choice(((0.15, 0.1, 0.08), (0.4, 0.24, 0.12), (0.8, 0.62, 0.3), (0.55, 0.2, 0.1), (0.7, 0.7, 0.7)))
    sketch.polygon([(x - 0.42, 1.02), *smooth([(x - 0.4, 0.9), (x - 0.3, 0.76), (x - 0.1, 0.7), (x + 0.1, 0.7),
                                               (x + 0.3, 0.76), (x + 0.4, 0.9)]), (x + 0.42, 1.02)], shirt, BODY,
                                               (-0.25, 0))
    _head(sketch, random_, x, 0.4, scale, random_.choice(_SKIN), hair, woman)
    sketch.polygon([(x - 0.12, 0.71), (x, 0.84), (x + 0.12, 0.71), (x + 0.17, 0.76), (x, 0.97), (x - 0.17, 0.76)],
                   darker(shirt, 1.25), ACCENT)
    if hat:
        band = bright(random_, 0.5, 0.5)
        sketch.polygon([*arc(x, 0.25, scale * 0.95, scale * 0.95, 0.5, 1.0)], band, ACCENT, (-0.2, 0))
        sketch.ellipse(x, 0.26, scale * 1.6, scale * 0.22, darker(band), ACCENT)
    sketch.caption = f"a portrait of a {'woman' if woman else 'man'}{' in a hat' if hat else ''}"
    return sketch


def figure(random_: random.Random) -> Sketch:
    sketch = Sketch((0.72, 0.84, 0.93))
    ground = random_.uniform(0.68, 0.8)
    sketch.depth = 0.7
    sketch.blob([(-0.1, ground - 0.08), (0.3, ground - 0.16), (0.6, ground - 0.06), (1.1, ground - 0.18), (1.1, 1.1),
                 (-0.1, 1.1)], (0.5, 0.62, 0.42), SECOND)
    sketch.polygon([(0, ground), (1, ground), (1, 1), (0, 1)], random_.choice(((0.7, 0.6, 0.45), (0.45, 0.58, 0.3),
        (0.6, 0.6, 0.62))), SECOND, (0, -0.1))
    sketch.depth, sketch.subject = 0.2, True
    people = random_.choice((1, 1, 2))
    for index in range(people):
        x = 0.5 if people == 1 else 0.32 + 0.36 * index
        x += random_.uniform(-0.06, 0.06)
        skin, coat, legs = random_.choice(_SKIN), bright(random_, 0.6, 0.7), darker(bright(random_, 0.35, 0.5))
        hair, stride = random_.choice(((0.15, 0.1, 0.08), (0.5, 0.3, 0.15), (0.8, 0.6, 0.3))), random_.uniform(0.02,
            0.09)
        sketch.line([(x - 0.02, 0.6), (x - stride, 0.92)], legs, 0.06, SECOND)
        sketch.line([(x + 0.02, 0.6), (x + stride, 0.92)], legs, 0.06, SECOND)
        lift = random_.uniform(-0.2, 0.06)
        sketch.line([(x - 0.08, 0.36), (x - 0.15, 0.48), (x - 0.12, 0.6)], darker(coat), 0.05, BODY)
        sketch.line([(x + 0.08, 0.36), (x + 0.16, 0.45), (x + 0.2, 0.55 + lift)], darker(coat), 0.05, BODY)
        hem = random_.choice((0.62, 0.74))
        sketch.polygon([(x - 0.09, 0.32), (x + 0.09, 0.32), (x + 0.11 + (hem - 0.6) * 0.4, hem),
                        (x - 0.11 - (hem - 0.6) * 0.4, hem)], coat, BODY, (-0.25, 0))
        _head(sketch, random_, x, 0.22, 0.075, skin, hair, random_.random() < 0.5)
    sketch.caption = "a person walking outdoors" if people == 1 else "two people standing side by side outdoors"
    return sketch


def animal(random_: random.Random) -> Sketch:
    name = random_.choice(("cat", "dog", "horse", "bird", "fish", "rabbit"))
    indoors = name == "cat" and random_.random() < 0.5
    sketch = Sketch((0.84, 0.78, 0.7) if indoors else (0.74, 0.86, 0.95))
    fur = random_.choice(((0.8, 0.5, 0.22), (0.36, 0.28, 0.24), (0.62, 0.6, 0.58), (0.9, 0.86, 0.78), (0.2, 0.18, 0.2)))
    if name == "fish":
        return _fish(sketch, random_)
    sketch.depth = 0.6
    floor = random_.uniform(0.66, 0.74)
    sketch.blob([(-0.1, floor), (0.3, floor - 0.05), (0.7, floor + 0.02), (1.1, floor - 0.03), (1.1, 1.1), (-0.1, 1.1)],
                (0.6, 0.42, 0.32) if indoors else (0.48, 0.66, 0.34), SECOND, (0, -0.1))
    sketch.subject, sketch.depth = True, 0.2
    if name == "bird":
        sketch.line([(0.0, 0.72), (1.0, 0.66)], (0.38, 0.26, 0.18), 0.04, SECOND)
        for side in (0.48, 0.55):
            sketch.line([(side, 0.58), (side, 0.7)], (0.6, 0.4, 0.2), 0.015, ACCENT)
        body = bright(random_, 0.7, 0.75)
        sketch.polygon([(0.28, 0.55), (0.1, 0.66), (0.16, 0.74), (0.36, 0.62)], darker(body), BODY)
        sketch.ellipse(0.46, 0.46, 0.2, 0.15, body, BODY, (-0.2, -0.2), turn=-0.5)
        sketch.ellipse(0.63, 0.3, 0.1, 0.1, body, BODY)
        sketch.blob([(0.3, 0.52), (0.42, 0.38), (0.55, 0.42), (0.48, 0.54)], darker(body, 0.6), SECOND)
        sketch.polygon([(0.72, 0.27), (0.83, 0.31), (0.72, 0.34)], (0.95, 0.6, 0.15), ACCENT)
        sketch.ellipse(0.66, 0.28, 0.018, 0.018, (0.05, 0.05, 0.05), GROUND)
    elif name in ("cat", "rabbit"):
        sketch.line(smooth([(0.62, 0.78), (0.82, 0.76), (0.84, 0.55)] if name == "cat" else [(0.64, 0.76),
            (0.7, 0.76)]), darker(fur, 0.85), 0.05, BODY)
        sketch.blob([(0.5, 0.42), (0.64, 0.58), (0.68, 0.78), (0.6, 0.86), (0.4, 0.86), (0.32, 0.78), (0.36, 0.58)],
                    fur, BODY, (-0.25, 0))
        sketch.ellipse(0.5, 0.68, 0.09, 0.13, darker(fur, 1.15), SECOND)
        long = 0.1 if name == "cat" else 0.28
        for side in (-1, 1):
            sketch.blob([(0.5 + side * 0.03, 0.3), (0.5 + side * 0.13, 0.2 - long), (0.5 + side * 0.16, 0.32)]
                        if name == "cat" else
                        [(0.5 + side * 0.03, 0.28), (0.5 + side * 0.05, 0.24 - long), (0.5 + side * 0.12, 0.24 - long),
                         (0.5 + side * 0.12, 0.3)], darker(fur, 0.85), BODY)
        sketch.ellipse(0.5, 0.36, 0.17, 0.15, fur, BODY, (-0.2, -0.1))
        for side in (-1, 1):
            sketch.ellipse(0.5 + side * 0.07, 0.34, 0.028, 0.035, (0.1, 0.3, 0.12), ACCENT)
        sketch.polygon([(0.475, 0.395), (0.525, 0.395), (0.5, 0.425)], (0.85, 0.5, 0.5), ACCENT)
    else:
        tall = name == "horse"
        leg, back = (0.86, 0.46) if tall else (0.84, 0.52)
        for x in (0.28, 0.36, 0.6, 0.67):
            sketch.polygon([(x - 0.035, back + 0.1), (x + 0.045, back + 0.1), (x + 0.02, leg), (x - 0.02, leg)],
                           darker(fur, 0.8), BODY)
        sketch.line(smooth([(0.24, back + 0.02), (0.15, back + 0.05 if tall else back - 0.12), (0.13, back + 0.22
            if tall else back - 0.18)]), darker(fur, 0.6), 0.04, SECOND)
        sketch.blob([(0.23, back), (0.4, back - 0.03), (0.62, back - 0.05), (0.74, back + 0.02), (0.7, back + 0.17),
                     (0.46, back + 0.2), (0.26, back + 0.17)], fur, BODY, (0, 0.25))
        sketch.polygon([(0.6, back - 0.02), (0.74, back + 0.08), (0.86, 0.3), (0.74, 0.24)], fur, BODY)
        if tall:
            sketch.polygon([(0.58, back - 0.04), (0.66, back - 0.02), (0.78, 0.24), (0.7, 0.2)], darker(fur, 0.5),
                           SECOND)
        sketch.blob([(0.72, 0.2), (0.84, 0.22), (0.95, 0.36), (0.9, 0.41), (0.76, 0.36)], fur, BODY, (0.2, 0.1))
        sketch.blob([(0.72, 0.24), (0.74, 0.12), (0.79, 0.22)] if tall else [(0.74, 0.2), (0.66, 0.24), (0.66, 0.38),
            (0.73, 0.32)], darker(fur, 0.65), SECOND)
        sketch.ellipse(0.82, 0.27, 0.014, 0.014, (0.05, 0.05, 0.05), GROUND)
    sketch.caption = f"a {name} {'indoors on a floor' if indoors else 'on a branch' if name == 'bird' else 'on grass'}"
    return sketch


def _fish(sketch: Sketch, random_: random.Random) -> Sketch:
    sketch.ground = (0.3, 0.6, 0.75)
    sketch.depth = 0.5
    sketch.blob([(-0.1, 0.86), (0.3, 0.8), (0.7, 0.88), (1.1, 0.82), (1.1, 1.1), (-0.1, 1.1)], (0.8, 0.72, 0.5), SECOND)
    for _ in range(4):
        x = random_.uniform(0.05, 0.95)
        sketch.line(smooth([(x, 0.92), (x + 0.04, 0.76), (x - 0.03, 0.62), (x + 0.03, 0.5)]), (0.15, 0.45, 0.3), 0.025,
                    SECOND)
    sketch.subject, sketch.depth = True, 0.2
    for y, scale in ((0.36, 1.0), (0.66, 0.6))[:random_.choice((1, 2))]:
        x, body = random_.uniform(0.4, 0.6), bright(random_, 0.8, 0.9)
        sketch.polygon([(x - 0.2 * scale, y), (x - 0.42 * scale, y - 0.17 * scale), (x - 0.36 * scale, y),
                        (x - 0.42 * scale, y + 0.17 * scale)], darker(body), SECOND)
        sketch.polygon([(x - 0.1 * scale, y - 0.12 * scale), (x + 0.02 * scale, y - 0.26 * scale), (x + 0.12 * scale,
            y - 0.12 * scale)], darker(body), SECOND)
        sketch.ellipse(x, y, 0.28 * scale, 0.16 * scale, body, BODY, (0, 0.3))
        for k in range(2):
            sketch.rectangle(x - 0.07 * scale + k * 0.1 * scale, y - 0.11 * scale, 0.03 * scale, 0.22 * scale,
                             (0.97, 0.95, 0.9), ACCENT)
        sketch.ellipse(x + 0.19 * scale, y - 0.03 * scale, 0.025 * scale, 0.025 * scale, (0.05, 0.05, 0.05), GROUND)
    sketch.caption = "fish swimming among water plants"
    return sketch


def vehicle(random_: random.Random) -> Sketch:
    name, colour = random_.choice(("car", "bus", "aeroplane", "bicycle", "train")), bright(random_, 0.75, 0.8)
    sketch = Sketch((0.72, 0.85, 0.95))
    sketch.depth = 0.7
    if name == "aeroplane":
        for _ in range(4):
            x, y = random_.uniform(0, 1), random_.uniform(0.1, 0.9)
            sketch.ellipse(x, y, 0.16, 0.045, (0.96, 0.97, 0.98), SECOND)
        sketch.subject, sketch.depth = True, 0.2
        sketch.polygon([(0.16, 0.47), (0.08, 0.28), (0.17, 0.28), (0.3, 0.46)], darker(colour), SECOND)
        sketch.blob([(0.1, 0.5), (0.3, 0.44), (0.7, 0.43), (0.9, 0.5), (0.84, 0.57), (0.6, 0.6), (0.3, 0.58)],
                    (0.93, 0.93, 0.92), BODY, (0, 0.3))
        sketch.polygon([(0.42, 0.54), (0.6, 0.54), (0.4, 0.8), (0.3, 0.8)], colour, SECOND)
        for x in range(8):
            sketch.ellipse(0.34 + x * 0.055, 0.49, 0.013, 0.016, (0.15, 0.2, 0.28), ACCENT)
        sketch.caption = "an aeroplane among clouds"
        return sketch
    for x in range(5):
        top = random_.uniform(0.3, 0.5)
        sketch.rectangle(x * 0.2, top, 0.17, 0.7 - top, (0.62, 0.64 - 0.02 * x, 0.66), SECOND)
    sketch.polygon([(0, 0.68), (1, 0.68), (1, 1), (0, 1)], (0.42, 0.43, 0.45), SECOND, (0, 0.1))
    sketch.depth = 0.5
    sketch.line([(0, 0.9), (1, 0.9)], (0.9, 0.88, 0.7), 0.014, ACCENT)
    sketch.subject, sketch.depth = True, 0.2
    wheels: tuple[float, ...] = (0.28, 0.72)
    radius = 0.085
    if name == "car":
        sketch.polygon(smooth([(0.22, 0.6), (0.33, 0.42), (0.5, 0.38), (0.66, 0.42), (0.8, 0.6)]), darker(colour,
            0.85), BODY)
        sketch.polygon([(0.3, 0.58), (0.37, 0.46), (0.49, 0.44), (0.49, 0.58)], (0.75, 0.87, 0.93), GROUND)
        sketch.polygon([(0.52, 0.58), (0.52, 0.44), (0.63, 0.46), (0.71, 0.58)], (0.75, 0.87, 0.93), GROUND)
        sketch.rectangle(0.1, 0.57, 0.8, 0.19, colour, BODY, (0, -0.2), corner=0.06)
        sketch.ellipse(0.87, 0.64, 0.025, 0.03, (0.99, 0.95, 0.7), ACCENT)
    elif name == "bicycle":
        wheels, radius = (0.26, 0.74), 0.17
        for x in wheels:
            sketch.line(arc(x, 0.7, radius, radius, 0, 1, 40), (0.12, 0.12, 0.14), 0.022, BODY)
        sketch.line([(0.26, 0.7), (0.42, 0.46), (0.68, 0.44), (0.48, 0.7), (0.26, 0.7)], colour, 0.026, ACCENT)
        sketch.line([(0.48, 0.7), (0.4, 0.4)], colour, 0.026, ACCENT)
        sketch.line([(0.74, 0.7), (0.66, 0.38), (0.76, 0.36)], colour, 0.026, ACCENT)
        sketch.line([(0.34, 0.39), (0.46, 0.39)], (0.2, 0.14, 0.1), 0.035, BODY)
        sketch.caption = "a bicycle on a road before houses"
        return sketch
    else:
        sketch.rectangle(0.06, 0.34, 0.88, 0.42, colour, BODY, (0, 0.15), corner=0.05 if name == "bus" else 0.02)
        for x in range(5):
            sketch.rectangle(0.11 + x * 0.165, 0.41, 0.12, 0.13, (0.75, 0.87, 0.93), GROUND)
        sketch.rectangle(0.06, 0.6, 0.88, 0.035, (0.96, 0.94, 0.88), ACCENT)
        wheels = (0.24, 0.76) if name == "bus" else (0.16, 0.3, 0.7, 0.84)
    for x in wheels:
        sketch.ellipse(x, 0.77, radius, radius, (0.1, 0.1, 0.12), SECOND)
        sketch.ellipse(x, 0.77, radius * 0.45, radius * 0.45, (0.75, 0.76, 0.78), GROUND)
    sketch.caption = f"a {name} on a road before houses"
    return sketch


def plant(random_: random.Random) -> Sketch:
    sketch = Sketch(_backdrop(random_))
    sketch.depth = 0.6
    sketch.polygon([(0, 0.82), (1, 0.82), (1, 1), (0, 1)], (0.7, 0.6, 0.5), SECOND)
    sketch.subject, sketch.depth = True, 0.2
    flower = random_.random() < 0.5
    green, petal = (random_.uniform(0.15, 0.4), random_.uniform(0.45, 0.62), random_.uniform(0.2,
        0.35)), bright(random_, 0.8, 0.95)
    for turn in sorted((random_.uniform(-1.15, 1.15) for _ in range(random_.randint(5, 8))), key=abs, reverse=True):
        length = random_.uniform(0.34, 0.5)
        tip = (0.5 + length * math.sin(turn), 0.68 - length * math.cos(turn))
        side = (0.085 * math.cos(turn), 0.085 * math.sin(turn))
        middle = (0.5 + 0.55 * length * math.sin(turn), 0.68 - 0.55 * length * math.cos(turn))
        if flower:
            sketch.line([(0.5, 0.7), tip], darker(green), 0.016, BODY)
            for k in range(6):
                angle = k * math.pi / 3
                sketch.ellipse(tip[0] + 0.05 * math.cos(angle), tip[1] + 0.05 * math.sin(angle), 0.042, 0.026, petal,
                               ACCENT, turn=angle)
            sketch.ellipse(*tip, 0.03, 0.03, (0.95, 0.8, 0.25), SECOND)
        else:
            shade = random_.uniform(0.75, 1.2)
            leaf = [(0.5, 0.7), (middle[0] + side[0], middle[1] + side[1]), tip, (middle[0] - side[0],
                middle[1] - side[1])]
            sketch.polygon([*smooth(leaf[:3]), *smooth([leaf[2], leaf[3], leaf[0]])], darker(green, shade), BODY,
                           (0.2, 0))
            sketch.line([(0.5, 0.7), (0.5 + 0.85 * (tip[0] - 0.5), 0.7 + 0.85 * (tip[1] - 0.7))], darker(green, 1.5),
                        0.009, SECOND)
    pot = random_.choice(((0.75, 0.42, 0.28), (0.9, 0.88, 0.82), (0.25, 0.4, 0.55)))
    sketch.polygon([(0.34, 0.68), (0.66, 0.68), (0.61, 0.92), (0.39, 0.92)], pot, SECOND, (-0.3, 0))
    sketch.rectangle(0.32, 0.65, 0.36, 0.07, darker(pot, 1.1), SECOND, (-0.3, 0))
    sketch.caption = f"a {'flowering' if flower else 'leafy'} plant in a pot"
    return sketch


SCENES: tuple[Callable[[random.Random], Sketch], ...] = (
    landscape, sea, city_street, village, mountains, interior, still_life, portrait, portrait, figure, animal, animal,
    vehicle, plant,
)
