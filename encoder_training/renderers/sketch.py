"""A display list of flat shapes, and its rasterisation into the layers that renderers read.

Coordinates run from 0 to 1, x to the right, y down, so that one sketch gives one picture at every resolution.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw

Point = tuple[float, float]
RGB = tuple[float, float, float]

GROUND, BODY, SECOND, ACCENT = range(4)
"""Parts of a picture that an icon style colours apart: what is behind, the thing, its other half, its details."""

_LINE_WIDTH = 0.75 / 128
"""Width of the lines of the `edges` layer, a fraction of the image's width."""


@dataclass(frozen=True)
class Shape:
    """A filled polygon; with `thickness` instead a line through its points, that long in fractions of the width."""

    points: tuple[Point, ...]
    colour: RGB
    part: int
    depth: float
    subject: bool
    shade: Point
    thickness: float = 0.0


@dataclass
class Sketch:
    """Shapes in painter's order, on a ground colour. Depth is 0 near and 1 far."""

    ground: RGB
    caption: str = ""
    kind: str = "scene"
    depth: float = 1.0
    subject: bool = False
    shapes: list[Shape] = field(default_factory=list)

    def polygon(self, points: Iterable[Point], colour: RGB, part: int = BODY, shade: Point = (0.0, 0.0)) -> None:
        self.shapes.append(Shape(tuple(points), colour, part, self.depth, self.subject, shade))

    def line(self, points: Iterable[Point], colour: RGB, thickness: float, part: int = BODY) -> None:
        self.shapes.append(Shape(tuple(points), colour, part, self.depth, self.subject, (0.0, 0.0), thickness))

    def rectangle(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        colour: RGB,
        part: int = BODY,
        shade: Point = (0.0, 0.0),
        corner: float = 0.0,
    ) -> None:
        """A rectangle from its top left corner, with rounded corners of radius `corner`."""
        if corner <= 0:
            points = [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
        else:
            points = []
            for centre_x, centre_y, start in (
                (x + width - corner, y + corner, -0.25),
                (x + width - corner, y + height - corner, 0),
                (x + corner, y + height - corner, 0.25),
                (x + corner, y + corner, 0.5),
            ):
                points += arc(centre_x, centre_y, corner, corner, start, start + 0.25, 6)
        self.polygon(points, colour, part, shade)

    def ellipse(
        self,
        x: float,
        y: float,
        radius_x: float,
        radius_y: float,
        colour: RGB,
        part: int = BODY,
        shade: Point = (0.0, 0.0),
        turn: float = 0.0,
    ) -> None:
        """An ellipse about (x, y), turned by `turn` radians."""
        cosine, sine = math.cos(turn), math.sin(turn)
        points = [
            (x + (px - x) * cosine - (py - y) * sine, y + (px - x) * sine + (py - y) * cosine)
            for px, py in arc(x, y, radius_x, radius_y, 0, 1, 40)
        ]
        self.polygon(points, colour, part, shade)

    def blob(self, points: Sequence[Point], colour: RGB, part: int = BODY, shade: Point = (0.0, 0.0)) -> None:
        """The smooth closed curve (Catmull-Rom) through `points`."""
        self.polygon(smooth(points, closed=True), colour, part, shade)


def arc(x: float, y: float, radius_x: float, radius_y: float, start: float, end: float, steps: int = 24) -> list[Point]:
    """Points on an ellipse's arc; `start` and `end` in turns, clockwise from the right."""
    return [
        (x + radius_x * math.cos(2 * math.pi * turn), y + radius_y * math.sin(2 * math.pi * turn))
        for turn in (start + (end - start) * step / steps for step in range(steps + 1))
    ]


def smooth(points: Sequence[Point], closed: bool = False, steps: int = 8) -> list[Point]:
    """Catmull-Rom spline through `points`, `steps` segments between neighbours."""
    given = np.asarray(points)
    padded = given[[-1, *range(len(given)), 0, 1]] if closed else given[[0, *range(len(given)), -1]]
    time = (np.arange(steps) / steps)[None, :, None]
    before, here, there, after = (padded[shift : len(padded) - 3 + shift, None] for shift in range(4))
    curve = 0.5 * (
        2 * here
        + (there - before) * time
        + (2 * before - 5 * here + 4 * there - after) * time**2
        + (3 * here - before - 3 * there + after) * time**3
    )
    result = [(float(x), float(y)) for x, y in curve.reshape(-1, 2)]
    return result if closed else [*result, (float(given[-1][0]), float(given[-1][1]))]


def shift(points: Iterable[Point], x: float, y: float, scale: float = 1.0) -> list[Point]:
    """`points` scaled about the origin, then moved by (x, y)."""
    return [(px * scale + x, py * scale + y) for px, py in points]


def rasterise(sketch: Sketch, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draws at `oversampling(size)` times `size`: index of the shape on top with lines (uint8, 0 = ground), the same
    without lines, and the centre lines (uint8, 0 or 255). At most 255 shapes."""
    width = size * oversampling(size)
    inked, filled, centre = (Image.new("L", (width, width)) for _ in range(3))
    pens = [ImageDraw.Draw(image) for image in (inked, filled, centre)]
    for index, shape in enumerate(sketch.shapes[:255], start=1):
        points = [(x * width - 0.5, y * width - 0.5) for x, y in shape.points]
        if not shape.thickness:
            for pen, value in zip(pens, (index, index, 0), strict=True):
                pen.polygon(points, fill=value)
            continue
        _thick_line(pens[0], points, shape.thickness * width, index)
        _thick_line(pens[2], points, max(_LINE_WIDTH * width, 1), 255)
    return np.asarray(inked), np.asarray(filled), np.asarray(centre)


def _thick_line(pen: ImageDraw.ImageDraw, points: list[Point], width: float, value: int) -> None:
    pen.line(points, fill=value, width=max(round(width), 1), joint="curve")
    radius = width / 2 - 0.5
    if radius >= 1:
        for x, y in (points[0], points[-1]):
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=value)


def oversampling(size: int) -> int:
    """Samples per pixel along each axis: fewer for large pictures, where edges are smooth anyway."""
    return 3 if size <= 160 else 2
