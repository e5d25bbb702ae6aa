"""Icon styles: outline, solid, duotone, badge, sticker, hand-drawn. A set keeps its stroke, corners and colours."""

from __future__ import annotations

import torch
from torch import Tensor

from encoder_training.renderers.canvas import ACCENT_COLOUR, DARK, GROUND_COLOUR, LIGHT, MAIN, SECOND_COLOUR, Canvas
from encoder_training.renderers.filters import blur, lerp, smoothstep, stroke, warp
from encoder_training.renderers.style import Family


def _ground(canvas: Canvas) -> Tensor:
    """White for most sets, the palette's ground for the rest, as the style decides."""
    return torch.where(
        canvas["plain"] > 0.35, torch.ones_like(canvas.colour(GROUND_COLOUR)), canvas.colour(GROUND_COLOUR)
    )


def _shapes(canvas: Canvas) -> Tensor:
    """Parts (N, 4, S, S) with corners rounded to the radius `corner`, crisp again."""
    soft = warp(blur(canvas.contents.parts, canvas["corner"]), canvas.jitter)
    return (soft * 14).softmax(1)


def _ink(canvas: Canvas) -> Tensor:
    """Colour of the strokes (N, 3, 1, 1): near black for most sets, coloured for the rest."""
    black = canvas.colour(DARK) * canvas["black"]
    return torch.where(canvas["coloured"] > 0.65, canvas.colour(MAIN), black)


def line_icon(canvas: Canvas) -> Tensor:
    edges = stroke(
        blur(canvas.contents.edges, canvas["corner"] * 0.5) * (1 + canvas["corner"] * 0.8),
        canvas["line_width"],
        canvas["line_softness"],
    )
    lines = warp(edges, canvas.jitter)
    shapes = _shapes(canvas)
    accent = smoothstep(0.6, 0.85, canvas["second_colour"])
    ink = lerp(_ink(canvas), canvas.colour(ACCENT_COLOUR), accent * smoothstep(0.2, 0.5, blur(shapes[:, 3:], 1.0)))
    fill = lerp(
        _ground(canvas), canvas.colour(LIGHT), smoothstep(0.7, 0.72, canvas["fill"]) * (shapes[:, 1:2] + shapes[:, 3:])
    )
    return lerp(fill, ink, lines)


def solid_glyph(canvas: Canvas) -> Tensor:
    shapes = _shapes(canvas)
    ink, ground = _ink(canvas), _ground(canvas)
    second = lerp(ink, ground, canvas["tint_second"])
    image = (
        ground * shapes[:, :1]
        + ink * shapes[:, 1:2]
        + second * shapes[:, 2:3]
        + lerp(ground, second, 0.15) * shapes[:, 3:]
    )
    return lerp(image, ground, canvas.lines(canvas["gap"], 0.15) * smoothstep(0.4, 0.45, canvas["gap"]))


def duotone_icon(canvas: Canvas) -> Tensor:
    shapes = _shapes(canvas)
    ground = _ground(canvas)
    pale = lerp(ground, canvas.colour(MAIN), canvas["tint_second"])
    body = lerp(canvas.colour(MAIN), pale, canvas["swap"].round())
    second = lerp(pale, canvas.colour(MAIN), canvas["swap"].round())
    image = (
        ground * shapes[:, :1] + body * shapes[:, 1:2] + second * shapes[:, 2:3] + canvas.colour(DARK) * shapes[:, 3:]
    )
    return lerp(image, canvas.colour(DARK), canvas.lines() * (canvas["line"] > 0.2))


def colour_icon(canvas: Canvas) -> Tensor:
    shapes = _shapes(canvas)
    split = smoothstep(-0.02, 0.02, canvas.x * canvas["angle"].cos() + canvas.y * canvas["angle"].sin())
    shade = 1 - canvas["half_shade"] * split * 0.22
    ramp = 1 + canvas["ramp"] * (-canvas.y) * 0.6
    image = (
        _ground(canvas) * shapes[:, :1]
        + canvas.colour(MAIN) * shade * ramp * shapes[:, 1:2]
        + canvas.colour(SECOND_COLOUR) * shade * ramp * shapes[:, 2:3]
        + canvas.colour(ACCENT_COLOUR) * shapes[:, 3:]
    )
    return lerp(image, canvas.colour(DARK), canvas.lines() * (canvas["line"] > 0.0))


def badge_icon(canvas: Canvas) -> Tensor:
    small = _inset(canvas, canvas["inset"])
    shapes, lines = small[:, :4], small[:, 4:]
    power = 2 + 10 * canvas["squareness"].square()
    radius = ((canvas.x.abs() * 2 / 0.92).pow(power) + (canvas.y.abs() * 2 / 0.92).pow(power)).pow(1 / power)
    tile = smoothstep(1.01, 0.985, radius)
    fill = lerp(canvas.colour(MAIN), canvas.colour(SECOND_COLOUR), canvas["ramp"] * (canvas.y + 0.5))
    glyph = shapes[:, 1:2] + shapes[:, 3:] * 0.25 + shapes[:, 2:3] * canvas["tint_second"]
    glyph = lerp(glyph, lines, (canvas["outlined"] > 0.6).float())
    down = canvas["shadow"] * 0.35 * blur(torch.roll(glyph, canvas.size // 40, 2), 2.0)
    image = lerp(
        fill * (1 - down),
        torch.where(canvas["coloured"] > 0.8, canvas.colour(DARK), torch.ones_like(fill[:, :, :1, :1])),
        glyph.clamp(0, 1),
    )
    return lerp(_ground(canvas), image, tile)


def _inset(canvas: Canvas, scale: Tensor) -> Tensor:
    """Parts and outlines (N, 5, S, S) shrunk to the middle of the picture, `scale` (N, 1, 1, 1) of its width."""
    layers = torch.cat([_shapes(canvas), canvas.lines()], 1)
    shift = torch.cat(
        [canvas.x.expand(canvas.count, -1, -1, canvas.size), canvas.y.expand(canvas.count, -1, canvas.size, -1)], 1
    )
    inside = smoothstep(0.51, 0.49, torch.maximum(canvas.x.abs(), canvas.y.abs()) / scale)
    return warp(layers, shift * (1 / scale - 1) * 128) * inside


def sticker(canvas: Canvas) -> Tensor:
    shapes = _shapes(canvas)
    body = 1 - shapes[:, :1]
    rim = smoothstep(0.06, 0.14, blur(body, canvas["rim_width"]))
    shadow = blur(torch.roll(rim, canvas.size // 48, 2), 1.8)
    ground = torch.where(
        canvas["plain"] > 0.7, torch.full_like(canvas.colour(LIGHT), 0.93), canvas.colour(SECOND_COLOUR)
    )
    image = lerp(ground, ground * 0.55, shadow * 0.6)
    image = lerp(image, torch.ones_like(image), rim)
    gloss = 1 + 0.25 * canvas["gloss"] * canvas.relief(2.5)
    inner = (
        canvas.colour(MAIN) * shapes[:, 1:2]
        + canvas.colour(ACCENT_COLOUR) * shapes[:, 2:3]
        + canvas.colour(DARK) * shapes[:, 3:]
        + shapes[:, :1]
    )
    return lerp(lerp(image, inner * gloss, body), canvas.colour(DARK), canvas.lines() * (canvas["line"] > 0) * rim)


def doodle_icon(canvas: Canvas) -> Tensor:
    lines = canvas.lines()
    again = warp(
        stroke(canvas.contents.edges, canvas["line_width"] * 0.8, canvas["line_softness"]), -canvas.jitter * 0.8
    )
    ink = torch.maximum(lines, again * (canvas["retrace"] > 0.5))
    shapes = _shapes(canvas)
    hatch = smoothstep(
        0.1,
        0.5,
        torch.sin(
            (canvas.x * canvas["angle"].cos() + canvas.y * canvas["angle"].sin()) * 128 * 6.28 / canvas["hatch"]
            + canvas.texture("clouds", 1.0, salt=4) * 0.8
        ),
    )
    off = torch.roll(shapes, (canvas.size // 50, canvas.size // 40), (2, 3))
    fill = torch.where(canvas["fill"] > 0.5, off[:, 1:2] + off[:, 3:] * 0.6, hatch * shapes[:, 1:2])
    image = lerp(_ground(canvas), canvas.colour(MAIN), fill * (canvas["fill"] > 0.15))
    return lerp(image, canvas.colour(DARK) * canvas["black"], ink)


_SET = {
    "palette": (0.9, 1.0),
    "wobble": (0.0, 0.0),
    "plain": (0.0, 1.0),
    "corner": (0.3, 2.2),
    "coloured": (0.0, 1.0),
    "black": (0.0, 0.8),
    "line_softness": (0.1, 0.2),
}
_PLAIN = ("even",)
_LOUD = ("vivid", "rich", "pastel", "muted", "natural", "neon")

FAMILIES: dict[str, Family] = {
    "line_icon": Family(
        line_icon,
        ("a minimal outline icon set", "monoline user interface icons", "thin stroke pictograms"),
        ("uniform vector strokes", "outline vector icons"),
        ("corner", ("sharp corners", "slightly rounded corners", "fully rounded corners")),
        ("line_width", ("hairline strokes", "medium even strokes", "heavy bold strokes")),
        {**_SET, "line_width": (1.0, 5.0), "fill": (0.0, 1.0), "second_colour": (0.0, 1.0)},
        _LOUD,
        _PLAIN,
        dark_ground=0.3,
    ),
    "solid_glyph": Family(
        solid_glyph,
        ("a solid glyph icon set", "filled pictograms", "silhouette icons"),
        ("flat filled vector shapes", "solid vector glyphs"),
        ("corner", ("crisp sharp corners", "slightly rounded corners", "soft rounded corners")),
        ("gap", ("no inner gaps", "thin negative-space gaps", "wide negative-space gaps")),
        {**_SET, "tint_second": (0.0, 0.6), "gap": (0.0, 3.2)},
        _LOUD,
        _PLAIN,
        dark_ground=0.3,
    ),
    "duotone_icon": Family(
        duotone_icon,
        ("a duotone icon set", "two-tone interface icons"),
        ("two-tone vector shapes", "layered vector tints"),
        ("corner", ("sharp corners", "slightly rounded corners", "soft rounded corners")),
        ("line_width", ("fine strokes", "medium strokes", "bold strokes")),
        {**_SET, "tint_second": (0.15, 0.55), "swap": (0.0, 1.0), "line": (-0.3, 1.0), "line_width": (0.9, 3.4)},
        _LOUD,
        _PLAIN,
        dark_ground=0.2,
    ),
    "colour_icon": Family(
        colour_icon,
        ("a colourful flat icon set", "flat design icons", "multicolour pictograms"),
        ("flat coloured vector shapes", "clean vector fills"),
        ("ramp", ("solid flat fills", "slight gradients", "vertical gradients")),
        ("line_width", ("delicate dark outlines", "even dark outlines", "chunky dark outlines")),
        {**_SET, "half_shade": (-0.6, 1.0), "ramp": (0.0, 0.8), "line": (-1.0, 1.0), "line_width": (0.9, 3.2)},
        _LOUD,
        _PLAIN,
        dark_ground=0.15,
    ),
    "badge_icon": Family(
        badge_icon,
        ("app launcher icons", "rounded badge icons", "desktop theme icons"),
        ("white glyphs on coloured tiles", "vector tiles"),
        ("squareness", ("circular tiles", "squircle tiles", "square tiles")),
        ("shadow", ("no shadow", "faint drop shadow", "soft deep shadow")),
        {
            **_SET,
            "inset": (0.5, 0.72),
            "squareness": (0.0, 1.0),
            "ramp": (0.0, 1.0),
            "tint_second": (0.1, 0.7),
            "outlined": (0.0, 1.0),
            "shadow": (0.0, 1.0),
            "line_width": (1.5, 4.0),
        },
        _LOUD,
        _PLAIN,
    ),
    "sticker": Family(
        sticker,
        ("die-cut vinyl stickers", "glossy sticker icons"),
        ("printed vinyl", "die-cut vector shapes"),
        ("gloss", ("matte finish", "satin finish", "glossy finish")),
        ("rim_width", ("thin white border", "white border", "thick white border")),
        {**_SET, "rim_width": (1.2, 4.0), "gloss": (0.0, 1.0), "line": (-0.6, 1.0), "line_width": (1.0, 3.0)},
        ("vivid", "pastel", "natural", "neon"),
        _PLAIN,
    ),
    "doodle_icon": Family(
        doodle_icon,
        ("hand-drawn doodle icons", "sketchy marker icons"),
        ("felt-tip marker", "ink pen doodles"),
        ("retrace", ("single wavering lines", "double sketchy lines")),
        ("line_width", ("thin pen lines", "marker lines", "fat marker lines")),
        {
            **_SET,
            "wobble": (0.7, 2.2),
            "line_width": (0.8, 3.4),
            "retrace": (0.0, 1.0),
            "fill": (0.0, 1.0),
            "hatch": (3.0, 8.0),
            "line_softness": (0.1, 0.4),
        },
        _LOUD,
        _PLAIN,
        dark_ground=0.2,
    ),
}
