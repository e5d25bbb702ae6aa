"""Icon shapes: everyday interface pictograms on a plain ground, in four parts."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from encoder_training.renderers.sketch import ACCENT, BODY, GROUND, RGB, SECOND, Point, Sketch, arc, smooth

_WHITE = (1.0, 1.0, 1.0)
_DARK = (0.16, 0.18, 0.22)
_THICK = 0.05


def draw_icon(random_: random.Random) -> Sketch:
    """One of `ICONS`, slightly stretched, in two or three colours on white."""
    name = random_.choice(tuple(ICONS))
    sketch = Sketch(_WHITE, caption=f"an icon of {name} on a plain ground", kind="icon", subject=True, depth=0.1)
    hue = random_.random()
    main, second, accent = (_rainbow(hue + turn) for turn in (0.0, 0.12, 0.5))
    ICONS[name](sketch, random_, main, second, accent)
    return sketch


def _rainbow(turn: float) -> RGB:
    red, green, blue = (0.55 + 0.38 * math.cos(2 * math.pi * (turn + channel / 3)) for channel in range(3))
    return red, green, blue


def _polar(x: float, y: float, count: int, radii: tuple[float, ...], turn: float = -0.25) -> list[Point]:
    total = count * len(radii)
    return [(x + radii[i % len(radii)] * math.cos(2 * math.pi * (turn + i / total)),
             y + radii[i % len(radii)] * math.sin(2 * math.pi * (turn + i / total))) for i in range(total)]


def _house(s: Sketch, r: random.Random, a: RGB, b: RGB, c: RGB) -> None:
    s.rectangle(0.22, 0.45, 0.56, 0.38, a, BODY)
    s.polygon([(0.12, 0.48), (0.5, 0.14), (0.88, 0.48)], b, SECOND)
    s.rectangle(0.43, 0.58, 0.15, 0.25, c, ACCENT)


def _heart(s: Sketch, r: random.Random, a: RGB, b: RGB, c: RGB) -> None:
    s.polygon([(0.5 + 0.021 * 16 * math.sin(t) ** 3, 0.46 - 0.021 * (13 * math.cos(t) - 5 * math.cos(2 * t)
               - 2 * math.cos(3 * t) - math.cos(4 * t))) for t in (i * math.pi / 24 for i in range(48))], a)


def _star(s: Sketch, r: random.Random, a: RGB, b: RGB, c: RGB) -> None:
    s.polygon(_polar(0.5, 0.52, r.choice((5, 5, 6)), (0.4, 0.18)), a)


def _gear(s: Sketch, r: random.Random, a: RGB, b: RGB, c: RGB) -> None:
    s.polygon(_polar(0.5, 0.5, 8, (0.3, 0.38, 0.38, 0.3)), a)
    s.ellipse(0.5, 0.5, 0.14, 0.14, b, SECOND)


def _mail(s: Sketch, r: random.Random, a: RGB, b: RGB, c: RGB) -> None:
    s.rectangle(0.12, 0.24, 0.76, 0.52, a, BODY, corner=0.05)
    s.polygon([(0.14, 0.27), (0.86, 0.27), (0.5, 0.55)], b, SECOND)


def _bell(s: Sketch, r: random.Random, a: RGB, b: RGB, c: RGB) -> None:
    s.ellipse(0.5, 0.8, 0.09, 0.08, c, ACCENT)
    s.polygon([*smooth([(0.2, 0.74), (0.28, 0.6), (0.29, 0.42), (0.38, 0.25), (0.5, 0.19), (0.62, 0.25), (0.71, 0.42),
                        (0.72, 0.6), (0.8, 0.74)])], a)
    s.ellipse(0.5, 0.17, 0.045, 0.045, b, SECOND)


def _lock(s: Sketch, r: random.Random, a: RGB, b: RGB, c: RGB) -> None:
    s.line([(0.33, 0.48), *arc(0.5, 0.34, 0.17, 0.17, 0.5, 1.0), (0.67, 0.48)], b, _THICK * 1.2, SECOND)
    s.rectangle(0.22, 0.46, 0.56, 0.4, a, BODY, corner=0.06)
    s.ellipse(0.5, 0.63, 0.06, 0.06, c, ACCENT)


def _user(s: Sketch, r: random.Random, a: RGB, b: RGB, c: RGB) -> None:
    s.ellipse(0.5, 0.32, 0.17, 0.18, b, SECOND)
    s.polygon([*arc(0.5, 0.86, 0.33, 0.3, 0.5, 1.0)], a)


def _camera(s: Sketch, r: random.Random, a: RGB, b: RGB, c: RGB) -> None:
    s.polygon([(0.36, 0.32), (0.42, 0.2), (0.58, 0.2), (0.64, 0.32)], b, SECOND)
    s.rectangle(0.1, 0.3, 0.8, 0.5, a, BODY, corner=0.07)
    s.ellipse(0.5, 0.55, 0.17, 0.17, _WHITE, GROUND)
    s.ellipse(0.5, 0.55, 0.1, 0.1, c, ACCENT)


def _cloud(s: Sketch, r: random.Random, a: RGB, b: RGB, c: RGB) -> None:
    if r.random() < 0.5:
        s.ellipse(0.66, 0.36, 0.16, 0.16, c, ACCENT)
    s.polygon([*arc(0.3, 0.6, 0.17, 0.16, 0.25, 0.72), *arc(0.5, 0.45, 0.2, 0.2, 0.55, 0.93), *arc(0.72, 0.58, 0.17,
        0.18, -0.2, 0.25)], a)


def _sun(s: Sketch, r: random.Random, a: RGB, b: RGB, c: RGB) -> None:
    for i in range(8):
        x, y = math.cos(i * math.pi / 4), math.sin(i * math.pi / 4)
        s.line([(0.5 + 0.3 * x, 0.5 + 0.3 * y), (0.5 + 0.4 * x, 0.5 + 0.4 * y)], b, _THICK, SECOND)
    s.ellipse(0.5, 0.5, 0.2, 0.2, a)


def _moon(s: Sketch, r: random.Random, a: RGB, b: RGB, c: RGB) -> None:
    s.polygon([*arc(0.48, 0.5, 0.35, 0.35, 0.05, 0.82, 40), *reversed(arc(0.62, 0.4, 0.27, 0.27, 0.14, 0.72, 30))], a)
    if r.random() < 0.5:
        s.polygon(_polar(0.75, 0.25, 4, (0.1, 0.035)), c, ACCENT)


def _tree(s: Sketch, r: random.Random, a: RGB, b: RGB, c: RGB) -> None:
    s.rectangle(0.45, 0.68, 0.1, 0.2, b, SECOND)
    for y, half in ((0.72, 0.3), (0.54, 0.24), (0.37, 0.17)):
        s.polygon([(0.5 - half, y), (0.5, y - 0.27), (0.5 + half, y)], a)


def _car(s: Sketch, r: random.Random, a: RGB, b: RGB, c: RGB) -> None:
    s.polygon(smooth([(0.25, 0.48), (0.34, 0.3), (0.5, 0.27), (0.64, 0.3), (0.76, 0.48)]), b, SECOND)
    s.rectangle(0.1, 0.46, 0.8, 0.24, a, BODY, corner=0.07)
    for x in (0.28, 0.72):
        s.ellipse(x, 0.7, 0.1, 0.1, _DARK, ACCENT)
        s.ellipse(x, 0.7, 0.04, 0.04, _WHITE, GROUND)


def _cup(s: Sketch, r: random.Random, a: RGB, b: RGB, c: RGB) -> None:
    s.line(arc(0.68, 0.5, 0.15, 0.12, -0.25, 0.25), b, _THICK, SECOND)
    s.polygon([(0.18, 0.34), (0.7, 0.34), (0.68, 0.62), (0.6, 0.74), (0.28, 0.74), (0.2, 0.62)], a)
    s.rectangle(0.12, 0.8, 0.64, 0.04, b, SECOND, corner=0.02)
    for x in (0.34, 0.5):
        s.line(smooth([(x, 0.28), (x + 0.03, 0.22), (x - 0.02, 0.17), (x + 0.02, 0.1)]), c, _THICK * 0.7, ACCENT)


def _bag(s: Sketch, r: random.Random, a: RGB, b: RGB, c: RGB) -> None:
    s.line([(0.36, 0.42), *arc(0.5, 0.3, 0.14, 0.14, 0.5, 1.0), (0.64, 0.42)], b, _THICK, SECOND)
    s.polygon([(0.2, 0.34), (0.8, 0.34), (0.85, 0.86), (0.15, 0.86)], a)


def _book(s: Sketch, r: random.Random, a: RGB, b: RGB, c: RGB) -> None:
    s.polygon([(0.5, 0.28), *smooth([(0.5, 0.28), (0.34, 0.2), (0.12, 0.22)]), (0.12, 0.74),
               *smooth([(0.12, 0.74), (0.34, 0.72), (0.5, 0.8)])], a)
    s.polygon([(0.5, 0.28), *smooth([(0.5, 0.28), (0.66, 0.2), (0.88, 0.22)]), (0.88, 0.74),
               *smooth([(0.88, 0.74), (0.66, 0.72), (0.5, 0.8)])], b, SECOND)


def _bulb(s: Sketch, r: random.Random, a: RGB, b: RGB, c: RGB) -> None:
    s.polygon([*arc(0.5, 0.38, 0.26, 0.26, 0.35, 1.15, 36), (0.6, 0.68), (0.4, 0.68)], a)
    s.rectangle(0.4, 0.7, 0.2, 0.07, b, SECOND, corner=0.02)
    s.rectangle(0.43, 0.8, 0.14, 0.06, b, SECOND, corner=0.02)


def _flag(s: Sketch, r: random.Random, a: RGB, b: RGB, c: RGB) -> None:
    s.polygon([(0.26, 0.16), *smooth([(0.26, 0.16), (0.42, 0.12), (0.6, 0.2), (0.82, 0.16)]),
               *smooth([(0.82, 0.5), (0.6, 0.54), (0.42, 0.46), (0.26, 0.5)])], a)
    s.line([(0.25, 0.12), (0.25, 0.9)], b, _THICK, SECOND)


def _folder(s: Sketch, r: random.Random, a: RGB, b: RGB, c: RGB) -> None:
    s.polygon([(0.1, 0.24), (0.4, 0.24), (0.47, 0.32), (0.9, 0.32), (0.9, 0.78), (0.1, 0.78)], b, SECOND)
    s.rectangle(0.1, 0.4, 0.8, 0.4, a, BODY, corner=0.04)


def _file(s: Sketch, r: random.Random, a: RGB, b: RGB, c: RGB) -> None:
    s.polygon([(0.22, 0.1), (0.6, 0.1), (0.78, 0.28), (0.78, 0.9), (0.22, 0.9)], a)
    s.polygon([(0.6, 0.1), (0.78, 0.28), (0.6, 0.28)], b, SECOND)
    for y in (0.48, 0.6, 0.72):
        s.line([(0.34, y), (0.66, y)], c, _THICK * 0.8, ACCENT)


def _key(s: Sketch, r: random.Random, a: RGB, b: RGB, c: RGB) -> None:
    s.line([(0.42, 0.58), (0.86, 0.14)], b, _THICK * 1.3, SECOND)
    s.line([(0.72, 0.28), (0.82, 0.38)], b, _THICK * 1.2, SECOND)
    s.ellipse(0.32, 0.68, 0.2, 0.2, a)
    s.ellipse(0.3, 0.7, 0.07, 0.07, _WHITE, GROUND)


def _leaf(s: Sketch, r: random.Random, a: RGB, b: RGB, c: RGB) -> None:
    s.polygon([*smooth([(0.18, 0.84), (0.18, 0.45), (0.45, 0.2), (0.86, 0.14)]), *smooth([(0.86, 0.14), (0.8, 0.56),
        (0.55, 0.8), (0.18, 0.84)])], a)
    s.line([(0.1, 0.92), (0.62, 0.38)], b, _THICK * 0.8, SECOND)


def _pin(s: Sketch, r: random.Random, a: RGB, b: RGB, c: RGB) -> None:
    s.polygon([*arc(0.5, 0.38, 0.26, 0.26, 0.42, 1.08, 36), (0.5, 0.9)], a)
    s.ellipse(0.5, 0.38, 0.1, 0.1, _WHITE, GROUND)


def _note(s: Sketch, r: random.Random, a: RGB, b: RGB, c: RGB) -> None:
    s.polygon([(0.36, 0.2), (0.8, 0.12), (0.8, 0.26), (0.36, 0.34)], b, SECOND)
    for x, y in ((0.36, 0.74), (0.8, 0.66)):
        s.line([(x, y), (x, y - 0.5)], a, _THICK)
        s.ellipse(x - 0.09, y, 0.11, 0.085, a, turn=-0.3)


def _phone(s: Sketch, r: random.Random, a: RGB, b: RGB, c: RGB) -> None:
    s.rectangle(0.28, 0.08, 0.44, 0.84, a, BODY, corner=0.07)
    s.rectangle(0.33, 0.18, 0.34, 0.58, b, SECOND)
    s.ellipse(0.5, 0.84, 0.035, 0.035, c, ACCENT)


def _play(s: Sketch, r: random.Random, a: RGB, b: RGB, c: RGB) -> None:
    s.ellipse(0.5, 0.5, 0.39, 0.39, a)
    s.polygon([(0.41, 0.32), (0.71, 0.5), (0.41, 0.68)], c, ACCENT)


def _search(s: Sketch, r: random.Random, a: RGB, b: RGB, c: RGB) -> None:
    s.line([(0.6, 0.6), (0.86, 0.86)], a, _THICK * 1.8)
    s.ellipse(0.42, 0.42, 0.29, 0.29, a)
    s.ellipse(0.42, 0.42, 0.19, 0.19, b, SECOND)


def _shield(s: Sketch, r: random.Random, a: RGB, b: RGB, c: RGB) -> None:
    s.polygon([(0.5, 0.1), (0.82, 0.22), *smooth([(0.82, 0.22), (0.78, 0.6), (0.5, 0.9)]),
               *smooth([(0.5, 0.9), (0.22, 0.6), (0.18, 0.22)])], a)
    s.line([(0.36, 0.5), (0.47, 0.61), (0.66, 0.38)], c, _THICK * 1.3, ACCENT)


def _bin(s: Sketch, r: random.Random, a: RGB, b: RGB, c: RGB) -> None:
    s.polygon([(0.22, 0.3), (0.78, 0.3), (0.73, 0.9), (0.27, 0.9)], a)
    s.rectangle(0.15, 0.2, 0.7, 0.09, b, SECOND, corner=0.02)
    s.rectangle(0.4, 0.11, 0.2, 0.08, b, SECOND)
    for x in (0.41, 0.5, 0.59):
        s.line([(x, 0.42), (x, 0.78)], c, _THICK * 0.8, ACCENT)


def _umbrella(s: Sketch, r: random.Random, a: RGB, b: RGB, c: RGB) -> None:
    s.line([(0.5, 0.2), (0.5, 0.8), *arc(0.42, 0.8, 0.08, 0.08, 0, 0.5)], b, _THICK, SECOND)
    s.polygon([*arc(0.5, 0.5, 0.39, 0.35, 0.5, 1.0), *reversed(arc(0.76, 0.5, 0.13, 0.06, 0.5, 1.0)),
               *reversed(arc(0.5, 0.5, 0.13, 0.06, 0.5, 1.0)), *reversed(arc(0.24, 0.5, 0.13, 0.06, 0.5, 1.0))], a)


def _arrow(s: Sketch, r: random.Random, a: RGB, b: RGB, c: RGB) -> None:
    s.line([(0.14, 0.5), (0.84, 0.5)], a, _THICK * 1.4)
    s.line([(0.56, 0.22), (0.84, 0.5), (0.56, 0.78)], a, _THICK * 1.4)


def _chat(s: Sketch, r: random.Random, a: RGB, b: RGB, c: RGB) -> None:
    s.polygon([(0.28, 0.66), (0.28, 0.88), (0.5, 0.68)], a)
    s.rectangle(0.12, 0.18, 0.76, 0.52, a, BODY, corner=0.14)
    for x in (0.33, 0.5, 0.67):
        s.ellipse(x, 0.44, 0.045, 0.045, c, ACCENT)


def _clock(s: Sketch, r: random.Random, a: RGB, b: RGB, c: RGB) -> None:
    s.ellipse(0.5, 0.5, 0.39, 0.39, a)
    s.ellipse(0.5, 0.5, 0.3, 0.3, b, SECOND)
    s.line([(0.5, 0.3), (0.5, 0.5), (0.64, 0.58)], c, _THICK, ACCENT)


def _calendar(s: Sketch, r: random.Random, a: RGB, b: RGB, c: RGB) -> None:
    s.rectangle(0.14, 0.2, 0.72, 0.66, a, BODY, corner=0.06)
    s.rectangle(0.14, 0.2, 0.72, 0.17, b, SECOND, corner=0.05)
    for x in (0.32, 0.68):
        s.line([(x, 0.12), (x, 0.27)], _DARK, _THICK, ACCENT)
    for x, y in ((0.32, 0.52), (0.5, 0.52), (0.68, 0.52), (0.32, 0.7), (0.5, 0.7)):
        s.rectangle(x - 0.045, y - 0.045, 0.09, 0.09, c, ACCENT)


def _chart(s: Sketch, r: random.Random, a: RGB, b: RGB, c: RGB) -> None:
    for x, top, colour, part in ((0.2, 0.55, a, BODY), (0.43, 0.35, b, SECOND), (0.66, 0.16, a, BODY)):
        s.rectangle(x, top + r.uniform(-0.05, 0.05), 0.15, 0.82 - top, colour, part)
    s.line([(0.1, 0.88), (0.9, 0.88)], _DARK, _THICK * 0.8, ACCENT)


def _globe(s: Sketch, r: random.Random, a: RGB, b: RGB, c: RGB) -> None:
    s.ellipse(0.5, 0.5, 0.39, 0.39, a)
    s.line(arc(0.5, 0.5, 0.17, 0.39, 0, 1), c, _THICK * 0.7, ACCENT)
    s.line([(0.11, 0.5), (0.89, 0.5)], c, _THICK * 0.7, ACCENT)
    s.line([(0.5, 0.11), (0.5, 0.89)], c, _THICK * 0.7, ACCENT)


def _rocket(s: Sketch, r: random.Random, a: RGB, b: RGB, c: RGB) -> None:
    s.polygon([(0.36, 0.55), (0.2, 0.78), (0.36, 0.74)], b, SECOND)
    s.polygon([(0.64, 0.55), (0.8, 0.78), (0.64, 0.74)], b, SECOND)
    s.polygon([(0.43, 0.76), (0.57, 0.76), (0.5, 0.93)], c, ACCENT)
    s.polygon([*smooth([(0.36, 0.76), (0.33, 0.45), (0.5, 0.08)]), *smooth([(0.5, 0.08), (0.67, 0.45), (0.64, 0.76)])],
              a)
    s.ellipse(0.5, 0.42, 0.075, 0.075, _WHITE, GROUND)


def _gift(s: Sketch, r: random.Random, a: RGB, b: RGB, c: RGB) -> None:
    s.rectangle(0.18, 0.44, 0.64, 0.42, a)
    s.rectangle(0.13, 0.32, 0.74, 0.14, b, SECOND, corner=0.02)
    s.rectangle(0.45, 0.32, 0.1, 0.54, c, ACCENT)
    for side in (-1, 1):
        s.line(smooth([(0.5, 0.31), (0.5 + side * 0.18, 0.28), (0.5 + side * 0.16, 0.15), (0.5, 0.31)]), c, _THICK,
               ACCENT)


def _anchor(s: Sketch, r: random.Random, a: RGB, b: RGB, c: RGB) -> None:
    s.line([(0.5, 0.26), (0.5, 0.86)], a, _THICK * 1.2)
    s.line(arc(0.5, 0.5, 0.33, 0.36, 0.02, 0.48), a, _THICK * 1.2)
    s.line([(0.34, 0.38), (0.66, 0.38)], b, _THICK, SECOND)
    s.ellipse(0.5, 0.19, 0.09, 0.09, c, ACCENT)
    s.ellipse(0.5, 0.19, 0.04, 0.04, _WHITE, GROUND)


def _fish(s: Sketch, r: random.Random, a: RGB, b: RGB, c: RGB) -> None:
    s.polygon([(0.66, 0.5), (0.92, 0.3), (0.88, 0.5), (0.92, 0.7)], b, SECOND)
    s.ellipse(0.42, 0.5, 0.32, 0.2, a)
    s.ellipse(0.26, 0.45, 0.035, 0.035, c, ACCENT)


def _apple(s: Sketch, r: random.Random, a: RGB, b: RGB, c: RGB) -> None:
    s.blob([(0.5, 0.34), (0.68, 0.28), (0.84, 0.46), (0.76, 0.74), (0.6, 0.88), (0.5, 0.85), (0.4, 0.88), (0.24, 0.74),
            (0.16, 0.46), (0.32, 0.28)], a)
    s.polygon([*smooth([(0.52, 0.26), (0.58, 0.12), (0.74, 0.1)]), *smooth([(0.74, 0.1), (0.68, 0.24), (0.52, 0.26)])],
              b, SECOND)


def _cart(s: Sketch, r: random.Random, a: RGB, b: RGB, c: RGB) -> None:
    s.line([(0.08, 0.2), (0.22, 0.2), (0.34, 0.68), (0.78, 0.68)], b, _THICK, SECOND)
    s.polygon([(0.26, 0.3), (0.88, 0.3), (0.8, 0.58), (0.33, 0.58)], a)
    for x in (0.4, 0.72):
        s.ellipse(x, 0.82, 0.065, 0.065, c, ACCENT)


def _bolt(s: Sketch, r: random.Random, a: RGB, b: RGB, c: RGB) -> None:
    s.polygon([(0.56, 0.08), (0.2, 0.56), (0.46, 0.56), (0.4, 0.92), (0.8, 0.4), (0.53, 0.4)], a)


def _drop(s: Sketch, r: random.Random, a: RGB, b: RGB, c: RGB) -> None:
    s.polygon([(0.5, 0.1), *smooth([(0.5, 0.1), (0.7, 0.42), (0.76, 0.62)]), *arc(0.5, 0.62, 0.26, 0.27, 0, 0.5),
               *smooth([(0.24, 0.62), (0.3, 0.42), (0.5, 0.1)])], a)
    s.line(arc(0.5, 0.62, 0.16, 0.16, 0.25, 0.45), c, _THICK * 0.8, ACCENT)


def _crown(s: Sketch, r: random.Random, a: RGB, b: RGB, c: RGB) -> None:
    s.polygon([(0.14, 0.3), (0.33, 0.5), (0.5, 0.2), (0.67, 0.5), (0.86, 0.3), (0.78, 0.72), (0.22, 0.72)], a)
    s.rectangle(0.22, 0.75, 0.56, 0.09, b, SECOND)
    for x, y in ((0.14, 0.28), (0.5, 0.18), (0.86, 0.28)):
        s.ellipse(x, y, 0.045, 0.045, c, ACCENT)


ICONS: dict[str, Callable[[Sketch, random.Random, RGB, RGB, RGB], None]] = {
    "a house": _house, "a heart": _heart, "a star": _star, "a gear": _gear, "an envelope": _mail, "a bell": _bell,
    "a padlock": _lock, "a person": _user, "a camera": _camera, "a cloud": _cloud, "a sun": _sun, "a moon": _moon,
    "a fir tree": _tree, "a car": _car, "a cup": _cup, "a shopping bag": _bag, "an open book": _book,
    "a light bulb": _bulb,
    "a flag": _flag, "a folder": _folder, "a document": _file, "a key": _key, "a leaf": _leaf, "a map pin": _pin,
    "a musical note": _note, "a telephone": _phone, "a play button": _play, "a magnifying glass": _search,
    "a shield with a tick": _shield, "a waste bin": _bin, "an umbrella": _umbrella, "an arrow": _arrow,
    "a speech bubble": _chat, "a clock": _clock, "a calendar": _calendar, "a bar chart": _chart, "a globe": _globe,
    "a rocket": _rocket, "a gift": _gift, "an anchor": _anchor, "a fish": _fish, "an apple": _apple, "a cart": _cart,
    "a lightning bolt": _bolt, "a drop": _drop, "a crown": _crown,
}
