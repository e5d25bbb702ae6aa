"""Craft: mosaic, stained glass, embroidery, cross stitch, knitting, felt, wood inlay, batik, painted tiles."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from encoder_training.renderers.canvas import DARK, GROUND_COLOUR, LIGHT, MAIN, Canvas
from encoder_training.renderers.filters import (
    base_grid,
    blur,
    kuwahara,
    lerp,
    levels,
    luma,
    sample,
    smoothstep,
    stroke,
    warp,
)
from encoder_training.renderers.strokes import dabs, tiling
from encoder_training.renderers.style import Family


def mosaic(canvas: Canvas) -> Tensor:
    source = lerp(canvas.picture, canvas.flat, 0.6)
    cells = tiling(canvas.seeds, source, canvas["tesserae"].reshape(-1), canvas["irregular"])
    grout = lerp(canvas.colour(GROUND_COLOUR), canvas.colour(DARK), (canvas["dark_grout"] > 0.5).float())
    slope = cells.offset[:, :1] * canvas["angle"].cos() + cells.offset[:, 1:] * canvas["angle"].sin()
    tile = cells.colour * (1 + canvas["glaze"] * ((cells.dice - 0.5) * 0.3 - slope * 0.35))
    return lerp(grout, tile, smoothstep(canvas["gap"] * 0.5, canvas["gap"] + 0.05, cells.seam))


def stained_glass(canvas: Canvas) -> Tensor:
    source = kuwahara(canvas.flat, 2.0)
    cells = tiling(canvas.seeds, source, canvas["panes"].reshape(-1), 0.9, salt=3)
    glow = 0.75 + 0.5 * torch.exp(-(canvas.x.square() + canvas.y.square()) / 0.25)
    glass = (
        lerp(source, cells.colour, 0.55)
        * (1 + 0.35 * (cells.dice - 0.5) + 0.10 * canvas.texture("clouds", 1.2, salt=4) * canvas["streaks"])
        * lerp(1.0, glow, canvas["backlight"])
    )
    grey = luma(glass)
    glass = grey + (glass - grey) * 1.5
    lead = torch.maximum(
        canvas.lines(), smoothstep(canvas["lead"], canvas["lead"] * 0.5, cells.seam) * canvas["small_panes"]
    )
    return lerp(glass, torch.full_like(glass, 0.05) + 0.08 * blur(lead, 0.7), lead)


def embroidery(canvas: Canvas) -> Tensor:
    source = kuwahara(lerp(canvas.picture, canvas.flat, 0.7), 1.6)
    direction, coherence = canvas.flow
    turn = canvas["angle"] + 0.6 * torch.sin(luma(blur(canvas.flat, 1.0)) * 20 + canvas.habit(5) * 6)
    slant = lerp(torch.cat([turn.cos(), turn.sin()], 1), direction, coherence * canvas["follow"])
    slant = slant / (slant.square().sum(1, keepdim=True) + 1e-4).sqrt()
    thread = dabs(
        canvas.seeds,
        source,
        slant,
        canvas["stitches"].reshape(-1),
        2.1,
        canvas["thread"],
        variation=0.10,
        edge=0.25,
        salt=6,
    )
    cloth = lerp(canvas.colour(GROUND_COLOUR), canvas.colour(MAIN), canvas["coloured_cloth"].clamp_min(0) * 0.6) * (
        1 + 0.10 * canvas.texture("canvas", 1.3, salt=7)
    )
    sheen = 1 + canvas["sheen"] * canvas.shading(thread.height * 0.5)
    sewn = lerp(1.0, smoothstep(0.2, 0.5, blur(canvas.contents.subject, 1.0)), (canvas["only_subject"] > 0.55).float())
    outline = stroke(canvas.contents.edges, 1.4, 0.3) * (0.6 + 0.4 * torch.cos((canvas.x + canvas.y) * 128 * 2.2))
    filled = lerp(source * 0.8, thread.colour * sheen, thread.cover)
    return lerp(lerp(cloth, filled, sewn), canvas.colour(DARK), outline * canvas["line"])


def _lattice(canvas: Canvas, cells: Tensor, squash: float = 1.0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Colour (N, 3, S, S) of each lattice cell, place inside it along x and y in [-0.5, 0.5], and its row."""
    place = base_grid(canvas.picture).permute(0, 3, 1, 2) * torch.cat([cells, cells * squash], 1)
    index = place.floor()
    colour = sample(
        blur(lerp(canvas.picture, canvas.flat, 0.5), 24 / cells),
        ((index + 0.5) / torch.cat([cells, cells * squash], 1)).permute(0, 2, 3, 1),
    )
    inside = place - index - 0.5
    return colour, inside[:, :1], inside[:, 1:], index[:, 1:]


def cross_stitch(canvas: Canvas) -> Tensor:
    colour, across, down, _ = _lattice(canvas, canvas["stitches"].round())
    arm = torch.minimum((across - down).abs(), (across + down).abs())
    thread = smoothstep(0.24, 0.14, arm) * smoothstep(0.49, 0.42, torch.maximum(across.abs(), down.abs()))
    over = 1 + 0.25 * (0.5 - (across - down).abs() * 2).clamp(-0.5, 0.5) * canvas["sheen"]
    cloth = canvas.colour(GROUND_COLOUR) * (0.92 + 0.06 * canvas.texture("canvas", 1.5, salt=2))
    hole = smoothstep(0.46, 0.5, across.abs()) * smoothstep(0.46, 0.5, down.abs())
    return lerp(
        lerp(cloth, colour * over, lerp(thread, torch.ones_like(thread), 0.35 * canvas["dense"])), cloth * 0.4, hole
    )


def knitted(canvas: Canvas) -> Tensor:
    colour, across, down, _ = _lattice(canvas, canvas["stitches"].round(), 1.25)
    lean = down + across.abs() * 1.2 - 0.3
    yarn = torch.cos(lean * 2 * math.pi) * 0.5 + 0.5
    groove = smoothstep(0.0, 0.1, across.abs()) * smoothstep(0.5, 0.42, across.abs())
    fuzz = 1 + 0.10 * canvas["fuzz"] * canvas.texture("grain", 2.0, salt=3)
    return colour * (0.62 + 0.48 * lerp(1.0, yarn * groove, canvas["relief"])) * fuzz


def felt(canvas: Canvas) -> Tensor:
    soft = warp(kuwahara(canvas.flat, canvas["radius"]), canvas.jitter)
    edge = canvas.lines(1.6, 0.9)
    fibres = canvas.texture("fibre", 1.8, salt=4) * 0.03 + canvas.texture("grain", 1.8, salt=5) * 0.05
    image = soft * (1 + canvas["fuzz"] * fibres) * (1 + 0.3 * canvas.relief(1.6))
    shadow = blur(torch.roll(edge, (canvas.size // 60, canvas.size // 80), (2, 3)), 1.2)
    stitches = canvas.lines(0.9, 0.3) * smoothstep(0.0, 0.5, torch.cos((canvas.x - canvas.y) * 128 * 1.3))
    return lerp(image * (1 - 0.4 * shadow), canvas.colour(LIGHT), stitches * (canvas["stitched"] > 0.5).float())


def marquetry(canvas: Canvas) -> Tensor:
    flat = kuwahara(canvas.flat, canvas["radius"])
    tone = luma(flat)
    pale = torch.tensor([0.87, 0.72, 0.5], device=canvas.device)[:, None, None]
    deep = torch.tensor([0.27, 0.14, 0.08], device=canvas.device)[:, None, None]
    wood = lerp(lerp(deep, pale, smoothstep(0.1, 0.85, tone)), flat, canvas["stain"])
    first, second = (
        canvas.texture("wood", 1.0, canvas.habit(2) * 3.1, salt=5),
        canvas.texture("wood", 1.3, canvas.habit(3) * 3.1, salt=6),
    )
    grain = torch.where(torch.sin(tone * 25) > 0, first, second)
    image = wood * (1 + canvas["grain"] * 0.13 * grain)
    gloss = 1 + 0.10 * canvas["varnish"] * smoothstep(
        0.3, 0.0, (canvas.x * 0.8 + canvas.y - 0.3 * canvas.habit(8)).abs()
    )
    return lerp(image * gloss, deep * 0.5, canvas.lines() * 0.8)


def batik(canvas: Canvas) -> Tensor:
    dyed = kuwahara(canvas.flat, canvas["radius"])
    cracks = tiling(canvas.seeds, dyed, canvas["cracks"].reshape(-1), 1.0, salt=8)
    veins = smoothstep(0.05, 0.0, cracks.seam + 0.05 * canvas.texture("clouds", 2.0, salt=9)) * canvas["crackle"]
    wax = canvas.lines()
    image = (
        dyed * (1 + 0.12 * canvas.texture("clouds", 1.0, salt=10)) * (1 + 0.06 * canvas.texture("canvas", 1.6, salt=11))
    )
    return lerp(lerp(image, canvas.colour(LIGHT), wax), canvas.colour(DARK), veins * 0.6)


def painted_tile(canvas: Canvas) -> Tensor:
    brushed = smoothstep(0.8, 0.1, levels(luma(warp(kuwahara(canvas.picture, 1.2), canvas.jitter))))
    wash = brushed * (1 + 0.1 * canvas.texture("streak", 1.0, canvas["angle"], salt=12)) + canvas.lines() * 0.8
    glaze = lerp(
        canvas.colour(LIGHT),
        lerp(canvas.colour(MAIN) * 0.75, canvas.picture, canvas["polychrome"].clamp_min(0)),
        wash.clamp(0, 1),
    )
    count = canvas["tiles"].round()
    inside = ((base_grid(canvas.picture).permute(0, 3, 1, 2) * count).remainder(1) - 0.5).abs().amax(1, keepdim=True)
    joint = smoothstep(0.5 - 0.012 * count, 0.5 - 0.004 * count, inside)
    image = glaze * (1 + 0.04 * canvas["crackle"] * canvas.texture("clouds", 1.5, salt=13)) + 0.06 * smoothstep(
        0.5 - 0.03 * count, 0.5 - 0.014 * count, inside
    )
    return lerp(image, canvas.colour(DARK) * 0.8 + 0.1, joint * 0.75)


_LIGHT = ("even", "even", "side", "low key", "high key")
_COLOURS = ("vivid", "rich", "earthy", "pastel", "muted", "natural")

FAMILIES: dict[str, Family] = {
    "mosaic": Family(
        mosaic,
        ("Byzantine mosaic", "Roman floor mosaic", "ceramic tile mosaic"),
        ("stone and glass tesserae", "ceramic tesserae"),
        ("glaze", ("matte stone tiles", "softly glazed tiles", "glittering glass tiles")),
        ("tesserae", ("large tesserae", "medium tesserae", "small tesserae")),
        {
            "tesserae": (32, 58),
            "irregular": (0.15, 0.6),
            "gap": (0.02, 0.06),
            "dark_grout": (0.0, 1.0),
            "glaze": (0.2, 0.8),
            "saturation": (0.9, 1.5),
        },
        _COLOURS,
        _LIGHT,
    ),
    "stained_glass": Family(
        stained_glass,
        ("Gothic stained glass window", "Art Nouveau leaded glass"),
        ("leaded coloured glass", "backlit stained glass"),
        ("streaks", ("clear glass", "streaked glass", "cloudy glass")),
        ("line_width", ("thin lead lines", "lead lines", "heavy lead lines")),
        {
            "panes": (8, 18),
            "streaks": (0.3, 2.0),
            "backlight": (0.2, 1.0),
            "lead": (0.04, 0.10),
            "small_panes": (0.3, 1.0),
            "line_width": (1.3, 2.8),
            "line_softness": (0.12, 0.25),
            "saturation": (1.0, 1.7),
        },
        ("vivid", "rich"),
        ("even", "glowing"),
    ),
    "embroidery": Family(
        embroidery,
        ("hand embroidery", "satin stitch embroidery", "folk textile embroidery"),
        ("cotton thread on linen", "silk thread embroidery"),
        ("sheen", ("matte cotton thread", "soft thread sheen", "shiny silk sheen")),
        ("stitches", ("long bold stitches", "even satin stitches", "fine dense stitches")),
        {
            "angle": (-1.5, 1.5),
            "follow": (0.0, 1.0),
            "stitches": (26, 50),
            "thread": (0.5, 0.75),
            "coloured_cloth": (-0.6, 1.0),
            "sheen": (0.15, 0.5),
            "only_subject": (0.0, 1.0),
            "line": (-0.5, 0.9),
        },
        _COLOURS,
        ("even", "side"),
    ),
    "cross_stitch": Family(
        cross_stitch,
        ("cross stitch pattern", "counted thread sampler"),
        ("cross stitch on aida cloth", "stranded cotton"),
        ("sheen", ("matte thread", "soft thread sheen", "glossy thread")),
        ("stitches", ("large crosses", "medium crosses", "small crosses")),
        {
            "stitches": (30, 50),
            "sheen": (0.3, 1.5),
            "dense": (0.8, 2.4),
            "contrast": (0.2, 0.32),
            "palette_softness": (0.003, 0.01),
            "palette": (0.5, 1.0),
        },
        _COLOURS,
        ("even",),
    ),
    "knitted": Family(
        knitted,
        ("knitted wool pattern", "Nordic sweater knit"),
        ("knitted wool", "chunky yarn"),
        ("fuzz", ("smooth yarn", "soft yarn", "fuzzy yarn")),
        ("stitches", ("chunky stitches", "medium stitches", "fine stitches")),
        {
            "stitches": (24, 42),
            "fuzz": (0.2, 2.0),
            "relief": (0.6, 1.0),
            "contrast": (0.2, 0.32),
            "palette_softness": (0.003, 0.01),
            "palette": (0.5, 1.0),
        },
        _COLOURS,
        ("even", "low key"),
    ),
    "felt": Family(
        felt,
        ("felt applique", "handmade felt craft illustration"),
        ("wool felt", "layered felt fabric"),
        ("fuzz", ("smooth felt", "fibrous felt", "very fuzzy felt")),
        ("radius", ("detailed cut pieces", "simple cut pieces", "chunky cut pieces")),
        {
            "radius": (1.2, 2.8),
            "fuzz": (0.8, 2.6),
            "stitched": (0.0, 1.0),
            "wobble": (0.1, 0.7),
            "palette": (0.5, 1.0),
            "palette_softness": (0.003, 0.01),
        },
        _COLOURS,
        ("even", "side"),
    ),
    "marquetry": Family(
        marquetry,
        ("wood marquetry", "inlaid wood panel"),
        ("wood veneer inlay", "varnished wood"),
        ("grain", ("subtle grain", "clear wood grain", "bold wood grain")),
        ("radius", ("fine inlay", "medium inlay", "broad inlay")),
        {
            "radius": (1.0, 2.6),
            "grain": (0.6, 2.2),
            "stain": (0.0, 0.6),
            "varnish": (0.0, 1.5),
            "line_width": (0.5, 1.2),
            "line_softness": (0.15, 0.3),
            "contrast": (0.2, 0.3),
        },
        ("earthy", "rich", "natural"),
        ("even", "side"),
    ),
    "batik": Family(
        batik,
        ("batik textile", "wax-resist dyed cloth"),
        ("dyed cotton", "wax-resist batik"),
        ("crackle", ("few wax cracks", "wax crackle", "dense wax crackle")),
        ("line_width", ("thin wax lines", "wax lines", "thick wax lines")),
        {
            "radius": (1.2, 2.6),
            "cracks": (5, 14),
            "crackle": (0.2, 1.0),
            "line_width": (0.9, 2.2),
            "line_softness": (0.3, 0.6),
            "wobble": (0.3, 1.2),
            "palette": (0.6, 1.0),
        },
        ("rich", "earthy", "vivid", "muted"),
        ("even", "low key"),
    ),
    "painted_tile": Family(
        painted_tile,
        ("Delft tile painting", "Portuguese azulejo panel", "majolica tile panel"),
        ("glazed ceramic tile", "tin-glazed earthenware"),
        ("polychrome", ("single-colour glaze", "glaze with faint colour", "polychrome glaze")),
        ("tiles", ("four large tiles", "nine tiles", "many small tiles")),
        {
            "tiles": (1.6, 4.4),
            "polychrome": (-0.8, 0.9),
            "crackle": (0.2, 1.5),
            "angle": (-1.5, 1.5),
            "line_width": (0.7, 1.8),
            "line_softness": (0.3, 0.6),
            "wobble": (0.2, 0.9),
        },
        ("vivid", "rich", "muted"),
        ("even", "high key"),
    ),
}
