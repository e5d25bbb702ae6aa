"""Scenes of places: land, water, towns and rooms."""

from __future__ import annotations

import math
import random

from encoder_training.renderers.sketch import ACCENT, BODY, GROUND, RGB, SECOND, Sketch, smooth

_SKIES: tuple[tuple[str, RGB], ...] = (("blue sky", (0.6, 0.8, 0.95)), ("sunset sky", (0.97, 0.74, 0.52)),
                                       ("pale sky", (0.88, 0.9, 0.9)),
                                       ("night sky", (0.12, 0.15, 0.3)), ("grey sky", (0.66, 0.7, 0.74)))


def _vary(random_: random.Random, colour: RGB, amount: float = 0.06) -> RGB:
    red, green, blue = (min(max(channel + random_.uniform(-amount, amount), 0.0), 1.0) for channel in colour)
    return red, green, blue


def _sky(sketch: Sketch, random_: random.Random, name: str) -> str:
    """Sun or moon, clouds; returns words for the caption."""
    words = ""
    sketch.polygon([(0, 0), (1, 0), (1, 0.72), (0, 0.72)], sketch.ground, GROUND, (0.0, 0.14))
    if random_.random() < 0.6:
        x, y, radius = random_.uniform(0.15, 0.85), random_.uniform(0.12, 0.3), random_.uniform(0.05, 0.09)
        sketch.ellipse(x, y, radius, radius, (0.95, 0.94, 0.85) if name == "night sky" else (1.0, 0.88, 0.45), ACCENT)
        words = " under the moon" if name == "night sky" else " under the sun"
    for _ in range(random_.randint(0, 3)):
        x, y, width = random_.uniform(0.1, 0.9), random_.uniform(0.08, 0.32), random_.uniform(0.07, 0.13)
        colour = _vary(random_, (0.35, 0.38, 0.5) if name == "night sky" else (0.97, 0.96, 0.95), 0.02)
        sketch.blob([(x - width * 1.4, y), (x - width * 0.8, y - width * 0.5), (x - width * 0.1, y - width * 0.75),
                     (x + width * 0.7, y - width * 0.45),
                     (x + width * 1.4, y), (x, y + width * 0.12)], colour, GROUND, (0, -0.08))
    return words


def _ridge(sketch: Sketch, random_: random.Random, level: float, swing: float, colour: RGB, part: int,
           jagged: bool = False) -> list[tuple[float, float]]:
    """A hill line across the picture, filled to the bottom edge; returns its points."""
    count = random_.randint(4, 6) if not jagged else random_.randint(7, 10)
    points = [(-0.05 + 1.1 * index / count, level + swing * (random_.uniform(-1, 1) if not jagged
                                                             else random_.uniform(-0.3, 0.3) + (0.7 if index % 2
                                                                 else -0.7)))
              for index in range(count + 1)]
    line = points if jagged else smooth(points)
    sketch.polygon([*line, (1.05, 1.05), (-0.05, 1.05)], colour, part, (0.0, 0.12))
    return line


def _tree(sketch: Sketch, random_: random.Random, x: float, y: float, height: float) -> None:
    green = _vary(random_, random_.choice(((0.18, 0.4, 0.2), (0.3, 0.5, 0.2), (0.72, 0.45, 0.15))), 0.05)
    sketch.polygon([(x - height * 0.05, y), (x + height * 0.05, y), (x + height * 0.03, y - height * 0.5),
                    (x - height * 0.03, y - height * 0.5)], (0.34, 0.24, 0.17), SECOND)
    if random_.random() < 0.4:
        for step in range(3):
            half = height * (0.3 - 0.075 * step)
            base = y - height * (0.22 + 0.24 * step)
            sketch.polygon([(x - half, base), (x, base - height * 0.38), (x + half, base)], green, BODY, (-0.2, 0))
    else:
        radius = height * 0.32
        sketch.blob([(x + radius * random_.uniform(0.8, 1.1) * math.cos(turn * 0.785), y - height * 0.68 + radius
                      * random_.uniform(0.8, 1.1) * math.sin(turn * 0.785))
                     for turn in range(8)], green, BODY, (-0.2, -0.2))


def _house(sketch: Sketch, random_: random.Random, x: float, y: float, size: float) -> None:
    wall = _vary(random_, random_.choice(((0.93, 0.9, 0.82), (0.85, 0.7, 0.55), (0.75, 0.35, 0.28),
                                          (0.7, 0.78, 0.82))), 0.04)
    roof = _vary(random_, random_.choice(((0.65, 0.25, 0.18), (0.35, 0.33, 0.38), (0.5, 0.35, 0.22))), 0.04)
    sketch.rectangle(x, y - size * 0.6, size, size * 0.6, wall, BODY, (0.15, 0))
    sketch.polygon([(x - size * 0.1, y - size * 0.6), (x + size * 0.5, y - size * 1.05), (x + size * 1.1,
        y - size * 0.6)], roof, ACCENT, (0.15, 0))
    sketch.rectangle(x + size * 0.4, y - size * 0.32, size * 0.2, size * 0.32, (0.35, 0.22, 0.16), SECOND)
    for left in (0.12, 0.68):
        sketch.rectangle(x + size * left, y - size * 0.45, size * 0.18, size * 0.18, (0.3, 0.4, 0.5), SECOND)


def landscape(random_: random.Random) -> Sketch:
    sky, colour = random_.choice(_SKIES)
    sketch = Sketch(colour)
    words = _sky(sketch, random_, sky)
    for index, (depth, level, green) in enumerate(((0.85, 0.5, (0.5, 0.62, 0.6)), (0.6, 0.6, (0.45, 0.62, 0.38)),
                                                   (0.4, 0.72, (0.38, 0.55, 0.25)))):
        sketch.depth = depth
        line = _ridge(sketch, random_, level, 0.06, _vary(random_, green), SECOND if index < 2 else BODY)
        for _ in range(random_.randint(0, 3) if index else 0):
            x, y = random_.choice(line[2:-2])
            _tree(sketch, random_, x, y + 0.02, 0.1 + 0.06 * index)
    sketch.depth, sketch.subject, thing = 0.2, True, "trees"
    if random_.random() < 0.65:
        _house(sketch, random_, random_.uniform(0.15, 0.6), random_.uniform(0.78, 0.85), random_.uniform(0.18, 0.26))
        thing = "a house and trees"
    for _ in range(random_.randint(1, 3)):
        _tree(sketch, random_, random_.choice((random_.uniform(0.04, 0.25), random_.uniform(0.75, 0.96))),
              random_.uniform(0.86, 0.97), random_.uniform(0.3, 0.5))
    sketch.caption = f"rolling hills with {thing}{words}"
    return sketch


def mountains(random_: random.Random) -> Sketch:
    sky, colour = random_.choice(_SKIES)
    sketch = Sketch(colour)
    words = _sky(sketch, random_, sky)
    sketch.depth = 0.85
    _ridge(sketch, random_, 0.48, 0.09, (0.6, 0.68, 0.76), SECOND, jagged=True)
    sketch.depth, sketch.subject = 0.6, True
    for x, top, half in ((random_.uniform(0.2, 0.45), random_.uniform(0.14, 0.25), 0.4), (random_.uniform(0.55, 0.85),
        random_.uniform(0.22, 0.34), 0.34)):
        rock = _vary(random_, (0.42, 0.45, 0.54), 0.05)
        sketch.polygon([(x - half, 0.75), (x - half * 0.35, top + 0.2), (x, top), (x + half * 0.4, top + 0.25),
                        (x + half, 0.75)], rock, BODY)
        sketch.polygon([(x, top), (x + half * 0.4, top + 0.25), (x + half, 0.75), (x + half * 0.1, 0.75),
                        (x + half * 0.02, top + 0.3)], (rock[0] * 0.7, rock[1] * 0.7, rock[2] * 0.75), BODY)
        sketch.polygon([(x - half * 0.24, top + 0.13), (x, top), (x + half * 0.26, top + 0.16), (x + half * 0.1,
            top + 0.12), (x, top + 0.18), (x - half * 0.1, top + 0.11)], (0.97, 0.97, 0.99), ACCENT)
    sketch.subject, sketch.depth = False, 0.4
    lake = random_.random() < 0.5
    if lake:
        sketch.polygon([(0, 0.72), (1, 0.72), (1, 1), (0, 1)], (0.42, 0.6, 0.74), SECOND, (0, 0.15))
        for _ in range(6):
            x, y = random_.uniform(0, 0.8), random_.uniform(0.76, 0.96)
            sketch.line([(x, y), (x + random_.uniform(0.08, 0.2), y)], (0.75, 0.85, 0.9), 0.008, GROUND)
    else:
        _ridge(sketch, random_, 0.78, 0.04, (0.36, 0.52, 0.3), SECOND)
    sketch.depth = 0.15
    for _ in range(random_.randint(3, 6)):
        _tree(sketch, random_, random_.uniform(0, 1), random_.uniform(0.84, 1.0), random_.uniform(0.18, 0.32))
    sketch.caption = f"snowy mountains behind {'a lake' if lake else 'a meadow'} and trees{words}"
    return sketch


def sea(random_: random.Random) -> Sketch:
    sky, colour = random_.choice(_SKIES)
    sketch = Sketch(colour)
    words = _sky(sketch, random_, sky)
    horizon = random_.uniform(0.45, 0.6)
    sketch.depth = 0.8
    if random_.random() < 0.5:
        side = random_.choice((0, 1))
        sketch.blob([(side, horizon - 0.02), (abs(side - 0.15), horizon - 0.14), (abs(side - 0.35), horizon - 0.06),
                     (abs(side - 0.5), horizon + 0.02), (side, horizon + 0.05)], (0.48, 0.52, 0.42), SECOND)
    water = _vary(random_, random_.choice(((0.16, 0.42, 0.6), (0.2, 0.55, 0.6), (0.3, 0.4, 0.55))), 0.05)
    sketch.depth = 0.5
    sketch.polygon([(0, horizon), (1, horizon), (1, 1), (0, 1)], water, SECOND, (0, -0.2))
    for _ in range(random_.randint(7, 12)):
        x, y = random_.uniform(-0.1, 0.9), random_.uniform(horizon + 0.04, 0.97)
        width = 0.06 + 0.2 * (y - horizon)
        sketch.line(smooth([(x, y), (x + width * 0.5, y - 0.012), (x + width, y), (x + width * 1.5, y - 0.01)],
                           steps=4), (0.7, 0.85, 0.9), 0.005 + 0.012 * (y - horizon), GROUND)
    sketch.subject = True
    count = random_.randint(1, 3)
    for index in range(count):
        x, y = (index + random_.uniform(0.35, 0.65)) / count, random_.uniform(horizon + 0.08, 0.84)
        scale = 0.22 + 0.55 * (y - horizon)
        sketch.depth = 1 - y
        hull, sail = _vary(random_, (0.5, 0.25, 0.18), 0.15), _vary(random_, random_.choice(((0.96, 0.94, 0.88),
            (0.85, 0.3, 0.2), (0.95, 0.75, 0.3))), 0.05)
        sketch.line([(x, y), (x, y - scale * 1.05)], (0.3, 0.2, 0.15), 0.012, SECOND)
        sketch.polygon([(x + 0.012, y - scale), (x + 0.012, y - scale * 0.12), (x + scale * 0.5, y - scale * 0.12)],
                       sail, ACCENT, (-0.15, 0))
        sketch.polygon([(x - 0.012, y - scale * 0.85), (x - 0.012, y - scale * 0.12), (x - scale * 0.35,
            y - scale * 0.12)], sail, ACCENT)
        sketch.polygon([(x - scale * 0.45, y - scale * 0.08), (x + scale * 0.55, y - scale * 0.08), (x + scale * 0.4,
            y + scale * 0.14), (x - scale * 0.34, y + scale * 0.14)], hull, BODY, (0, -0.2))
    sketch.caption = f"{'a sailing boat' if count == 1 else f'{count} sailing boats'} on the sea{words}"
    return sketch


def city_street(random_: random.Random) -> Sketch:
    sky, colour = random_.choice(_SKIES)
    sketch = Sketch(colour)
    words = _sky(sketch, random_, sky)
    vanish, horizon, night = random_.uniform(0.4, 0.6), 0.58, sky == "night sky"
    sketch.depth = 0.85
    for _ in range(4):
        x, top = random_.uniform(0.3, 0.62), random_.uniform(0.3, 0.45)
        sketch.rectangle(x, top, 0.1, horizon - top + 0.02, _vary(random_, (0.62, 0.66, 0.72), 0.05), SECOND)
    sketch.depth = 0.5
    sketch.polygon([(0, horizon), (1, horizon), (1, 1), (0, 1)], (0.6, 0.58, 0.55), SECOND)
    sketch.polygon([(vanish - 0.02, horizon), (vanish + 0.02, horizon), (0.92, 1), (0.08, 1)], (0.36, 0.37, 0.4),
                   SECOND, (0, 0.1))
    for step in (0.3, 0.55, 0.85):
        y = horizon + (1 - horizon) * step
        sketch.polygon([(vanish + (0.5 - vanish) * step - 0.012 * step, y - 0.05 * step),
                        (vanish + (0.5 - vanish) * step + 0.012 * step, y - 0.05 * step),
                        (vanish + (0.5 - vanish) * step + 0.018 * step, y + 0.03 * step),
                        (vanish + (0.5 - vanish) * step - 0.018 * step, y + 0.03 * step)], (0.92, 0.9, 0.8), ACCENT)
    sketch.subject = True
    for side in (0, 1):
        for near, far in ((0.55, 0.78), (0.28, 0.55), (0.0, 0.28)):
            wall = _vary(random_, random_.choice(((0.8, 0.65, 0.5), (0.7, 0.4, 0.32), (0.75, 0.75, 0.72),
                                                  (0.5, 0.55, 0.62), (0.85, 0.8, 0.65))), 0.05)
            sketch.depth = 0.3 + 0.4 * near
            height = random_.uniform(0.42, 0.68)
            left, right = (vanish * near, vanish * far) if side == 0 else (1 - (1 - vanish) * near, 1 - (1 - vanish)
                * far)
            tops = [horizon - height * (1 - step) for step in (near, far)]
            feet = [horizon + (1 - horizon) * 0.78 * (1 - step) for step in (near, far)]
            sketch.polygon([(left, tops[0]), (right, tops[1]), (right, feet[1]), (left, feet[0])], wall, BODY,
                           (0.15 if side == 0 else -0.15, 0))
            for row in range(3):
                for column in range(2):
                    a, b = 0.16 + 0.42 * column, 0.42 + 0.42 * column
                    corners = []
                    for across, down in ((a, 0.1 + 0.27 * row), (b, 0.1 + 0.27 * row), (b, 0.27 + 0.27 * row),
                                         (a, 0.27 + 0.27 * row)):
                        top, foot = tops[0] + (tops[1] - tops[0]) * across, feet[0] + (feet[1] - feet[0]) * across
                        corners.append((left + (right - left) * across, top + (foot - top) * down))
                    sketch.polygon(corners, (1.0, 0.86, 0.5) if night and random_.random() < 0.6 else (0.28, 0.34,
                        0.42), ACCENT if night else SECOND)
    sketch.depth = 0.15
    x = random_.choice((0.24, 0.74))
    sketch.line([(x, 0.88), (x, 0.36), (x + (0.06 if x < 0.5 else -0.06), 0.34)], (0.15, 0.15, 0.17), 0.014, BODY)
    sketch.ellipse(x + (0.07 if x < 0.5 else -0.07), 0.36, 0.03, 0.025, (1.0, 0.93, 0.7), ACCENT)
    sketch.caption = f"a city street between tall houses with a street lamp{words}"
    return sketch


def village(random_: random.Random) -> Sketch:
    sky, colour = random_.choice(_SKIES)
    sketch = Sketch(colour)
    words = _sky(sketch, random_, sky)
    sketch.depth = 0.75
    _ridge(sketch, random_, 0.5, 0.05, (0.52, 0.62, 0.5), SECOND)
    sketch.depth, sketch.subject = 0.5, True
    for x in sorted((random_.uniform(0.02, 0.8) for _ in range(4)), key=lambda value: abs(value - 0.4), reverse=True):
        _house(sketch, random_, x, random_.uniform(0.62, 0.68), random_.uniform(0.14, 0.2))
    tower = random_.uniform(0.3, 0.6)
    sketch.rectangle(tower, 0.34, 0.1, 0.32, (0.88, 0.85, 0.78), BODY, (0.2, 0))
    sketch.polygon([(tower - 0.015, 0.34), (tower + 0.05, 0.12), (tower + 0.115, 0.34)], (0.45, 0.3, 0.28), ACCENT)
    sketch.depth = 0.35
    _ridge(sketch, random_, 0.72, 0.03, (0.45, 0.6, 0.3), SECOND)
    sketch.polygon([(0.42, 0.72), (0.5, 0.72), (0.75, 1.0), (0.3, 1.0)], (0.82, 0.74, 0.58), GROUND)
    sketch.depth = 0.15
    for _ in range(random_.randint(1, 3)):
        _tree(sketch, random_, random_.choice((random_.uniform(0.02, 0.25), random_.uniform(0.78, 0.98))),
              random_.uniform(0.84, 0.96), random_.uniform(0.25, 0.4))
    sketch.caption = f"a village with a church tower and a path{words}"
    return sketch


def interior(random_: random.Random) -> Sketch:
    wall = random_.choice(((0.86, 0.8, 0.7), (0.62, 0.72, 0.7), (0.8, 0.66, 0.6), (0.9, 0.88, 0.86), (0.35, 0.42, 0.5)))
    sketch = Sketch(wall)
    sketch.polygon([(0, 0), (1, 0), (1, 0.7), (0, 0.7)], wall, GROUND, (0.12, 0.05))
    sketch.depth = 0.7
    sketch.polygon([(0, 0.7), (1, 0.7), (1, 1), (0, 1)], (0.58, 0.42, 0.3), SECOND, (0, 0.1))
    x = random_.choice((0.08, 0.56))
    sketch.depth = 0.9
    sketch.rectangle(x, 0.1, 0.34, 0.38, (0.96, 0.95, 0.92), GROUND)
    sketch.rectangle(x + 0.02, 0.12, 0.14, 0.34, (0.65, 0.83, 0.94), GROUND)
    sketch.rectangle(x + 0.18, 0.12, 0.14, 0.34, (0.65, 0.83, 0.94), GROUND)
    curtain = _vary(random_, (0.75, 0.4, 0.35), 0.2)
    sketch.polygon([(x - 0.06, 0.07), (x + 0.08, 0.07), (x, 0.54), (x - 0.06, 0.54)], curtain, ACCENT, (0.3, 0))
    sketch.polygon([(x + 0.26, 0.07), (x + 0.4, 0.07), (x + 0.4, 0.54), (x + 0.34, 0.54)], curtain, ACCENT, (-0.3, 0))
    frame = 0.62 if x < 0.5 else 0.14
    sketch.rectangle(frame, 0.16, 0.24, 0.2, (0.3, 0.22, 0.15), SECOND)
    sketch.rectangle(frame + 0.02, 0.18, 0.2, 0.16, _vary(random_, (0.7, 0.75, 0.6), 0.2), GROUND)
    sketch.depth, sketch.subject = 0.4, True
    rug = _vary(random_, (0.6, 0.3, 0.3), 0.2)
    sketch.ellipse(0.5, 0.87, 0.4, 0.085, rug, ACCENT)
    sofa = _vary(random_, (0.4, 0.5, 0.55), 0.2)
    left = random_.uniform(0.12, 0.3)
    sketch.rectangle(left, 0.5, 0.48, 0.22, sofa, BODY, (0, 0.15), corner=0.05)
    sketch.rectangle(left - 0.05, 0.58, 0.1, 0.22, (sofa[0] * 0.85, sofa[1] * 0.85, sofa[2] * 0.85), BODY, corner=0.04)
    sketch.rectangle(left + 0.43, 0.58, 0.1, 0.22, (sofa[0] * 0.85, sofa[1] * 0.85, sofa[2] * 0.85), BODY, corner=0.04)
    sketch.rectangle(left + 0.04, 0.66, 0.4, 0.12, (sofa[0] * 1.1, sofa[1] * 1.1, sofa[2] * 1.1), BODY, corner=0.03)
    cushion = _vary(random_, (0.9, 0.7, 0.3), 0.1)
    sketch.polygon([(left + 0.1, 0.58), (left + 0.2, 0.56), (left + 0.22, 0.67), (left + 0.12, 0.68)], cushion, ACCENT)
    sketch.depth = 0.3
    lamp = left + 0.62
    sketch.line([(lamp, 0.82), (lamp, 0.42)], (0.2, 0.18, 0.16), 0.014, SECOND)
    sketch.polygon([(lamp - 0.09, 0.44), (lamp + 0.09, 0.44), (lamp + 0.05, 0.3), (lamp - 0.05, 0.3)],
                   (0.97, 0.88, 0.65), ACCENT)
    sketch.ellipse(lamp, 0.82, 0.06, 0.015, (0.2, 0.18, 0.16), SECOND)
    sketch.caption = "a sofa with a cushion and a lamp in a room with a window and a picture"
    return sketch
