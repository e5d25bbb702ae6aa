"""Vector and animation looks: cel shading, anime, flat and gradient vector, low poly, cut paper, posters, soft 3D."""

from __future__ import annotations

import torch
from torch import Tensor

from encoder_training.renderers.canvas import ACCENT_COLOUR, DARK, GROUND_COLOUR, LIGHT, MAIN, SECOND_COLOUR, Canvas
from encoder_training.renderers.filters import base_grid, blur, kuwahara, lerp, luma, sample, smoothstep, stroke, warp
from encoder_training.renderers.palettes import from_oklab, to_oklab
from encoder_training.renderers.style import Family
from encoder_training.renderers.texture import scattered


def _stepped(tone: Tensor, steps: Tensor, soft: Tensor | float) -> Tensor:
    """Tone (N, 1, S, S) in [0, 1] in `steps` levels with edges `soft` levels wide."""
    level = tone * steps
    whole = level.floor()
    return (whole + smoothstep(0.5 - soft, 0.5 + soft, level - whole)) / steps


def cel_shading(canvas: Canvas) -> Tensor:
    shade = luma(kuwahara(canvas.picture, 1.5)) - luma(canvas.flat) + 0.12 * canvas.relief(2.5)
    lit = canvas.flat * (1 + canvas["shade"] * (_stepped((shade * 2 + 0.5).clamp(0, 1), canvas["steps"], 0.1) - 0.5))
    tinted = lerp(
        lit, lit * (0.5 + canvas.colour(SECOND_COLOUR)), smoothstep(0.02, -0.02, shade) * canvas["shade_tint"]
    )
    return lerp(tinted, lerp(canvas.colour(DARK) * 0.4, canvas.flat * 0.35, canvas["self_line"]), canvas.lines())


def anime(canvas: Canvas) -> Tensor:
    soft = kuwahara(canvas.picture, 1.2)
    shade = smoothstep(0.05, -0.05, luma(soft) - luma(blur(canvas.flat, 1.0)) + 0.10 * canvas.relief(3.0))
    figure = canvas.flat * (1 - 0.35 * canvas["shade"] * shade * (1 - 0.4 * canvas.colour(SECOND_COLOUR)))
    away = 1 - blur(canvas.contents.subject, 1.0)
    scenery = lerp(soft, blur(soft, 2.0), canvas["bokeh"])
    lines = canvas.lines() * lerp(1.0, 0.3, away * canvas["soft_scenery"])
    image = lerp(lerp(figure, scenery, away * 0.8), canvas.colour(DARK) * 0.35, lines)
    light = (canvas.x * canvas["angle"].cos() + canvas.y * canvas["angle"].sin() + 0.5).clamp(0, 1)
    return 1 - (1 - image.clamp(0, 1)) * (1 - canvas["bloom"] * 0.4 * light.square() * canvas.colour(LIGHT))


def flat_vector(canvas: Canvas) -> Tensor:
    flat = kuwahara(canvas.flat, canvas["radius"])
    bands = _stepped(canvas.y + 0.5, torch.full_like(canvas["radius"], 4.0), 0.02)
    ground = lerp(
        flat,
        canvas.colour(GROUND_COLOUR) * (1 - 0.08 * bands),
        (1 - smoothstep(0.3, 0.6, canvas.contents.subject)) * canvas["plain_ground"].clamp_min(0),
    )
    long = torch.zeros_like(canvas.tone)
    for step in range(1, 5):
        long = torch.maximum(
            long, torch.roll(canvas.contents.parts[:, 3:], (step * canvas.size // 50, step * canvas.size // 50), (2, 3))
        )
    ground = ground * (1 - 0.22 * canvas["long_shadow"].clamp_min(0) * long * (1 - canvas.contents.parts[:, 3:]))
    return canvas.outlined(ground)


def gradient_vector(canvas: Canvas) -> Tensor:
    flat = kuwahara(canvas.flat, canvas["radius"])
    lab = to_oklab(flat)
    ramp = canvas.x * canvas["angle"].cos() + canvas.y * canvas["angle"].sin()
    turn = ramp * canvas["hue_turn"]
    level = lab[:, :1] + ramp * canvas["ramp"]
    a, b = lab[:, 1:2] * turn.cos() - lab[:, 2:] * turn.sin(), lab[:, 1:2] * turn.sin() + lab[:, 2:] * turn.cos()
    image = from_oklab(torch.cat([level.clamp(0, 1), a * canvas["boost"], b * canvas["boost"]], 1))
    inner = blur(luma(flat), 4.0) - luma(flat)
    image = image * (1 - canvas["inner"] * inner * 1.2)
    return canvas.outlined(image + canvas["grainy"] * 0.05 * canvas.texture("grain", 2.0, salt=3))


def low_poly(canvas: Canvas) -> Tensor:
    source = blur(canvas.picture, 0.7)
    cells = canvas["facets"]
    bend = (
        torch.cat([canvas.texture("clouds", 0.8, salt=4), canvas.texture("clouds", 0.8, salt=5)], 1)
        * canvas["irregular"]
        / cells
    )
    place = base_grid(source).permute(0, 3, 1, 2) + bend
    row = (place[:, 1:] * cells * 1.1547).floor()
    column_place = place[:, :1] * cells + 0.5 * row.remainder(2)
    column, across = column_place.floor(), column_place.remainder(1)
    down = (place[:, 1:] * cells * 1.1547).remainder(1)
    side = (down < 2 * (across - 0.5).abs()).float() * torch.sign(across - 0.5)
    centre_x = (column + 0.5 + 0.5 * side - 0.5 * row.remainder(2)) / cells
    centre_y = (row + torch.where(side == 0, 0.64, 0.36)) / (cells * 1.1547)
    centre = torch.cat([centre_x, centre_y], 1)
    bent = sample(bend, centre.permute(0, 2, 3, 1).clamp(0, 1))
    colour = sample(source, (centre - bent).permute(0, 2, 3, 1).clamp(0, 1))
    shimmer = scattered(canvas.seeds, row, column * 3 + side) * 2 - 1
    edge = torch.minimum((across - 0.5 - side * 0.5).abs(), down.minimum(1 - down))
    seam = smoothstep(0.08, 0.0, edge) * canvas["seams"].clamp_min(0) * 0.12
    return lerp(colour, canvas.picture, canvas["keep"]) * (1 + canvas["facet_light"] * shimmer) + seam


def cut_paper(canvas: Canvas) -> Tensor:
    lab = to_oklab(warp(kuwahara(canvas.flat, canvas["radius"]), canvas.jitter))
    level = _stepped(lab[:, :1], canvas["sheets"], 0.06)
    image = from_oklab(torch.cat([level, lab[:, 1:]], 1))
    edges = canvas.lines(1.2, 0.3)
    turn = canvas["angle"]
    direction = torch.cat([turn.cos(), turn.sin()], 1).expand(-1, -1, canvas.size, canvas.size)
    shadow = blur(warp(edges, -direction * canvas["lift"]), canvas["lift"] * 0.5)
    rim = warp(edges, direction * 0.7)
    image = image * (1 - 0.6 * canvas["shadow"] * shadow.clamp(0, 1)) + 0.16 * rim * (1 - edges)
    return image * (1 + 0.04 * canvas.texture("tooth", 1.6, salt=6) + 0.015 * canvas.texture("fibre", 1.6, salt=7))


def deco_poster(canvas: Canvas) -> Tensor:
    flat = kuwahara(canvas.flat, canvas["radius"])
    ramp = smoothstep(-0.4, 0.5, canvas.y)
    sky = lerp(canvas.colour(ACCENT_COLOUR), canvas.colour(LIGHT), ramp)
    centre_y = -0.1 - 0.3 * canvas.habit(6)
    rays = smoothstep(
        -0.1, 0.1, torch.sin(torch.atan2(canvas.y - centre_y, canvas.x) * canvas["rays"].round() + canvas.habit(7) * 6)
    )
    sky = lerp(sky, canvas.colour(LIGHT), rays * canvas["ray_strength"].clamp_min(0) * 0.5)
    image = lerp(
        flat,
        sky,
        (1 - smoothstep(0.2, 0.6, canvas.contents.subject))
        * smoothstep(0.6, 0.95, canvas.contents.depth)
        * canvas["sky"],
    )
    spray = smoothstep(-0.25, 0.3, canvas.relief(4.0)) - 0.5
    speckle = canvas.texture("grain", 2.0, salt=8) * 0.1
    image = image * (1 + canvas["spray"] * 0.5 * (spray + speckle))
    frame = 0.5 - torch.maximum(canvas.x.abs(), canvas.y.abs())
    return lerp(
        canvas.outlined(image),
        canvas.colour(GROUND_COLOUR),
        smoothstep(canvas["frame"] + 0.004, canvas["frame"] - 0.004, frame) * (canvas["frame"] > 0),
    )


def clay_render(canvas: Canvas) -> Tensor:
    body = blur(canvas.flat, 0.5)
    height = 1 - sum(
        weight * blur(canvas.contents.edges, width).clamp(0, 1)
        for weight, width in ((0.7, 0.9), (1.0, 2.0), (1.4, 4.5))
    )
    height = height + 0.8 * blur(canvas.contents.subject, 2.5)
    slope = canvas.shading(height * canvas["puff"])
    occlusion = blur(canvas.contents.edges, 3.5).clamp(0, 0.5) * 0.9
    gloss = smoothstep(0.35, 0.9, slope) * canvas["gloss"]
    image = body * (1 + 0.42 * slope) * (1 - canvas["occlusion"] * occlusion)
    image = lerp(image, image.clamp_min(1e-3).sqrt() * (0.6 + 0.4 * canvas.colour(LIGHT)), canvas["scatter"] * 0.6)
    ground = lerp(canvas.colour(GROUND_COLOUR), canvas.colour(MAIN), 0.25) * (1 - 0.25 * (canvas.y + 0.2).clamp_min(0))
    image = lerp(
        image, ground, canvas["studio"].clamp_min(0) * (1 - smoothstep(0.15, 0.5, blur(canvas.contents.subject, 1.0)))
    )
    return lerp(image, torch.ones_like(image), gloss.clamp(0, 1) * 0.6)


def brick_blocks(canvas: Canvas) -> Tensor:
    cells = canvas["blocks"]
    place = base_grid(canvas.picture).permute(0, 3, 1, 2)
    index = (place * cells).floor()
    inside = (place * cells).remainder(1) - 0.5
    colour = sample(blur(canvas.picture, 0.6), ((index + 0.5) / cells).permute(0, 2, 3, 1))
    stud = (inside.square().sum(1, keepdim=True)).sqrt()
    disc = smoothstep(0.34, 0.30, stud)
    ring = smoothstep(0.40, 0.34, stud) - disc
    slope = inside[:, :1] * canvas["angle"].cos() + inside[:, 1:] * canvas["angle"].sin()
    bevel = smoothstep(0.38, 0.5, inside.abs().amax(1, keepdim=True))
    round_ = (canvas["studs"] > 0.5).float()
    light = round_ * (disc * 0.10 + ring * slope * 1.3) + (1 - round_) * bevel * torch.sign(slope) * 0.25
    return (colour * (1 + light * canvas["depth"]) - bevel * 0.12 * canvas["depth"]).clamp(0, 1)


def line_art(canvas: Canvas) -> Tensor:
    lines = canvas.lines()
    shapes = warp(
        (blur(canvas.contents.parts, 4.0) * 10).softmax(1),
        torch.cat([canvas["offset"], canvas["offset"] * 0.6], 1).expand(-1, -1, canvas.size, canvas.size),
    )
    image = canvas.colour(GROUND_COLOUR).expand_as(canvas.picture)
    for part, role in ((1, MAIN), (3, ACCENT_COLOUR), (2, SECOND_COLOUR)):
        image = lerp(
            image,
            canvas.colour(role),
            shapes[:, part : part + 1] * (canvas["shapes"] > 0.25 * part).float() * canvas["opacity"],
        )
    thick = stroke(canvas.contents.edges * canvas.contents.subject, canvas["line_width"] * 1.6, canvas["line_softness"])
    ink = torch.maximum(lines, warp(thick, canvas.jitter) * (canvas["accented"] > 0.5))
    return lerp(image, canvas.colour(DARK) * 0.6, ink)


_LIGHT = ("even", "even", "side", "high key", "low key", "misty", "glowing", "cool")
_BRIGHT = ("vivid", "pastel", "muted", "natural", "rich")
_FLAT = {
    "palette": (0.75, 1.0),
    "palette_softness": (0.002, 0.008),
    "line": (-1.0, 1.0),
    "line_softness": (0.12, 0.25),
    "wobble": (0.0, 0.2),
}
_OUTLINES = ("hair-thin outlines", "even outlines", "bold outlines")

FAMILIES: dict[str, Family] = {
    "cel_shading": Family(
        cel_shading,
        ("cel-shaded cartoon", "western animation still", "Saturday morning cartoon"),
        ("digital cel shading", "flat animation cels"),
        ("steps", ("two-tone hard shadows", "three-tone hard shadows", "stepped shadows")),
        ("line_width", _OUTLINES),
        {
            "steps": (2.0, 4.4),
            "shade": (0.3, 1.0),
            "shade_tint": (0.0, 0.8),
            "self_line": (0.0, 1.0),
            "line_width": (0.8, 3.0),
            "line_softness": (0.12, 0.25),
            "saturation": (0.9, 1.5),
            "palette": (0.3, 0.8),
        },
        _BRIGHT,
        _LIGHT,
    ),
    "anime": Family(
        anime,
        ("anime film still", "Japanese animation background", "shojo anime illustration"),
        ("digital anime painting", "anime cel over painted scenery"),
        ("bloom", ("clean light", "soft light bloom", "radiant light bloom")),
        ("line_width", ("very thin lineart", "fine lineart", "crisp lineart")),
        {
            "shade": (0.4, 1.0),
            "bokeh": (0.0, 0.8),
            "soft_scenery": (0.0, 1.0),
            "bloom": (0.0, 1.0),
            "line_width": (0.6, 1.5),
            "line_softness": (0.15, 0.35),
            "saturation": (0.9, 1.4),
            "palette": (0.2, 0.7),
            "exposure": (0.56, 0.76),
        },
        ("vivid", "pastel", "natural", "muted"),
        _LIGHT,
    ),
    "flat_vector": Family(
        flat_vector,
        ("flat vector illustration", "modern flat editorial illustration", "corporate flat design"),
        ("flat vector shapes", "clean geometric shapes"),
        ("long_shadow", ("no shadows", "subtle flat shadows", "long flat shadows")),
        ("radius", ("precise small shapes", "simplified shapes", "boldly simplified shapes")),
        {
            **_FLAT,
            "radius": (0.8, 3.2),
            "plain_ground": (-0.6, 1.0),
            "long_shadow": (-0.4, 1.0),
            "line_width": (0.8, 2.4),
        },
        _BRIGHT,
        ("even", "even", "high key", "low key"),
    ),
    "gradient_vector": Family(
        gradient_vector,
        ("gradient vector illustration", "modern app illustration", "synthetic gradient artwork"),
        ("smooth vector gradients", "mesh gradient shapes"),
        ("grainy", ("perfectly smooth gradients", "lightly grained gradients", "grainy gradients")),
        ("ramp", ("subtle tonal ramps", "clear tonal ramps", "strong tonal ramps")),
        {
            **_FLAT,
            "radius": (0.8, 2.4),
            "ramp": (0.0, 0.45),
            "hue_turn": (-2.2, 2.2),
            "boost": (0.9, 1.6),
            "inner": (0.0, 1.2),
            "grainy": (-0.3, 1.0),
            "line_width": (0.7, 1.8),
        },
        ("vivid", "neon", "pastel", "rich"),
        _LIGHT,
    ),
    "low_poly": Family(
        low_poly,
        ("low poly art", "triangulated polygon illustration"),
        ("flat-shaded triangles", "low poly mesh render"),
        ("facet_light", ("even facets", "softly lit facets", "sparkling facets")),
        ("facets", ("large triangles", "medium triangles", "small triangles")),
        {
            "facets": (14, 30),
            "irregular": (0.3, 1.2),
            "keep": (0.0, 0.15),
            "facet_light": (0.03, 0.14),
            "seams": (-1.0, 1.0),
        },
        _BRIGHT,
        _LIGHT,
    ),
    "cut_paper": Family(
        cut_paper,
        ("layered cut paper art", "paper collage illustration", "papercraft diorama"),
        ("cut coloured paper", "layered card"),
        ("shadow", ("nearly flat layers", "soft layer shadows", "deep layer shadows")),
        ("radius", ("intricate cut edges", "simple cut edges", "broad cut shapes")),
        {
            "radius": (1.0, 2.6),
            "sheets": (5.0, 9.0),
            "lift": (1.0, 3.5),
            "shadow": (0.4, 1.0),
            "wobble": (0.0, 0.8),
            "palette": (0.6, 1.0),
            "palette_softness": (0.003, 0.01),
        },
        _BRIGHT,
        ("even", "side", "high key"),
    ),
    "deco_poster": Family(
        deco_poster,
        ("art deco travel poster", "vintage lithograph poster", "mid-century national park poster"),
        ("stone lithograph", "airbrushed poster gouache"),
        ("spray", ("flat ink", "light spray shading", "heavy spray shading")),
        ("radius", ("crisp stylised shapes", "simplified stylised shapes", "monumental simplified shapes")),
        {
            **_FLAT,
            "radius": (1.0, 3.0),
            "rays": (6.0, 18.0),
            "ray_strength": (-0.8, 1.0),
            "sky": (0.0, 1.0),
            "spray": (0.0, 1.0),
            "frame": (-0.05, 0.06),
            "line_width": (0.7, 1.8),
            "paper": (0.0, 0.08),
        },
        ("rich", "muted", "earthy", "vivid"),
        ("even", "side", "glowing"),
        ("grain", "fibre"),
    ),
    "clay_render": Family(
        clay_render,
        ("soft 3D clay render", "cute 3D illustration", "inflated 3D icon render"),
        ("3D render", "matte clay material"),
        ("gloss", ("matte surface", "satin surface", "glossy plastic surface")),
        ("puff", ("gently rounded forms", "rounded forms", "puffy inflated forms")),
        {
            "puff": (0.6, 2.0),
            "gloss": (0.0, 1.0),
            "occlusion": (0.3, 1.0),
            "scatter": (0.0, 1.0),
            "studio": (-0.6, 1.0),
            "palette": (0.4, 0.9),
            "angle": (-2.4, -0.7),
            "exposure": (0.56, 0.76),
        },
        ("pastel", "vivid", "natural", "muted"),
        ("even", "high key", "side"),
    ),
    "brick_blocks": Family(
        brick_blocks,
        ("toy brick mosaic", "voxel block art"),
        ("plastic building bricks", "cubic voxels"),
        ("depth", ("shallow relief", "clear block relief", "deep block relief")),
        ("blocks", ("large blocks", "medium blocks", "small blocks")),
        {
            "blocks": (22, 42),
            "studs": (0.0, 1.0),
            "depth": (0.5, 1.3),
            "angle": (-2.6, -0.6),
            "palette_softness": (0.003, 0.02),
            "saturation": (0.9, 1.5),
        },
        _BRIGHT,
        ("even", "side", "low key"),
    ),
    "line_art": Family(
        line_art,
        ("minimal line art", "one-line drawing poster", "abstract line and shape print"),
        ("vector line and organic shapes", "ink line over flat colour"),
        ("shapes", ("single colour shape", "two colour shapes", "several colour shapes")),
        ("line_width", ("thin continuous lines", "even continuous lines", "bold continuous lines")),
        {
            "offset": (-5.0, 5.0),
            "shapes": (0.2, 1.0),
            "opacity": (0.5, 1.0),
            "accented": (0.0, 1.0),
            "line_width": (0.7, 2.4),
            "line_softness": (0.12, 0.25),
            "wobble": (0.0, 1.0),
        },
        ("muted", "earthy", "pastel", "vivid"),
        ("even",),
        dark_ground=0.15,
    ),
}
