"""A tiny drawn collection: styles differ in colour and grain, contents in shape."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

STYLES = {  # ground, figure, grain (standard deviation in levels)
    "ink": ((245, 240, 230), (30, 30, 35), 3),
    "riso": ((250, 235, 90), (230, 60, 120), 25),
    "night": ((20, 25, 60), (120, 140, 220), 8),
    "moss": ((70, 95, 50), (180, 190, 110), 40),
}
SHAPES = ("disc", "bars", "triangle", "ring")
EXTENSIONS = ("png", "jpg", "webp", "png")


def draw(style: str, shape: str, seed: int = 0) -> Image.Image:
    """RGB, 160 x 120."""
    ground, figure, grain = STYLES[style]
    image = Image.new("RGB", (160, 120), ground)
    pen = ImageDraw.Draw(image)
    if shape == "disc":
        pen.ellipse((45, 25, 115, 95), fill=figure)
    elif shape == "ring":
        pen.ellipse((35, 15, 125, 105), outline=figure, width=18)
    elif shape == "triangle":
        pen.polygon([(80, 15), (140, 105), (20, 105)], fill=figure)
    else:
        for left in range(20, 140, 30):
            pen.rectangle((left, 20, left + 14, 100), fill=figure)
    noise = np.random.default_rng([seed, list(STYLES).index(style), SHAPES.index(shape)]).normal(
        0, grain, (120, 160, 3)
    )
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))


def draw_studio(folder: Path) -> None:
    """Writes STYLE/SHAPE.ext for every style and shape, and one broken file."""
    for style in STYLES:
        (folder / style).mkdir(parents=True)
        for shape, extension in zip(SHAPES, EXTENSIONS, strict=True):
            draw(style, shape).save(folder / style / f"{shape}.{extension}", quality=95)
    (folder / "notes.jpg").write_text("not a picture")
