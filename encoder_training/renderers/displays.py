"""Screens: pixel art, CRT, glitch, neon, vaporwave, dithering, hologram, synth gradients of light."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from encoder_training.renderers.canvas import ACCENT_COLOUR, DARK, GROUND_COLOUR, LIGHT, MAIN, SECOND_COLOUR, Canvas
from encoder_training.renderers.filters import base_grid, blur, kuwahara, lerp, levels, luma, sample, smoothstep, warp
from encoder_training.renderers.palettes import from_oklab, to_oklab
from encoder_training.renderers.style import Family
from encoder_training.renderers.texture import scattered

_BAYER = ((0, 8, 2, 10), (12, 4, 14, 6), (3, 11, 1, 9), (15, 7, 13, 5))


def _pixelated(canvas: Canvas, image: Tensor, cells: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """`image` averaged over `cells` (N, 1, 1, 1) squares across; the row and column of each pixel's square."""
    place = (base_grid(image).permute(0, 3, 1, 2) * cells).floor()
    centre = ((place + 0.5) / cells).permute(0, 2, 3, 1)
    return (
        sample(blur(image, 26 / cells), centre),
        place[:, 1:].expand(canvas.count, 1, -1, -1),
        place[:, :1].expand(canvas.count, 1, -1, -1),
    )


def _ordered(canvas: Canvas, row: Tensor, column: Tensor) -> Tensor:
    """Bayer's 4x4 thresholds about 0, (N, 1, S, S), for lattice places."""
    table = (torch.tensor(_BAYER, device=canvas.device) + 0.5) / 16 - 0.5
    return table[row.long() % 4, column.long() % 4]


def pixel_art(canvas: Canvas) -> Tensor:
    cells = canvas["pixels"].round()
    blocks, row, column = _pixelated(canvas, lerp(canvas.picture, canvas.flat, canvas["flatness"]), cells)
    lab = to_oklab(blocks)
    steps = canvas["shades"].round()
    level = (
        (lab[:, :1] * steps + canvas["dither"].clamp_min(0) * _ordered(canvas, row, column)).round() / steps
    ).clamp(0, 1)
    hue = (lab[:, 1:] * 24).round() / 24
    image = from_oklab(torch.cat([level, hue], 1))
    edges, _, _ = _pixelated(canvas, canvas.contents.edges, cells)
    return lerp(image, canvas.colour(DARK) * 0.5, smoothstep(0.3, 0.34, edges) * (canvas["line"] > 0.3))


def dithered(canvas: Canvas) -> Tensor:
    cells = canvas["pixels"].round()
    tone, row, column = _pixelated(canvas, canvas.tone, cells)
    steps = canvas["shades"].round().clamp_min(2) - 1
    level = (levels(tone) * steps + 0.95 * _ordered(canvas, row, column)).round().clamp(0, 1e9) / steps
    dark, light = canvas.colour(DARK) * 0.6, canvas.colour(LIGHT)
    middle = canvas.colour(MAIN)
    two = lerp(lerp(dark, middle, (level * 2).clamp(0, 1)), light, (level * 2 - 1).clamp(0, 1))
    return torch.where(steps > 1.5, two, lerp(dark, light, level.clamp(0, 1)))


def crt(canvas: Canvas) -> Tensor:
    bulge = canvas["bulge"] * 128 * 0.25
    radius = canvas.x.square() + canvas.y.square()
    bent = warp(canvas.picture, torch.cat([canvas.x * radius, canvas.y * radius], 1) * bulge)
    fringe = canvas["fringe"]
    shift = torch.cat([fringe, fringe * 0], 1).expand(-1, -1, canvas.size, canvas.size)
    image = torch.cat([warp(bent[:, :1], shift), bent[:, 1:2], warp(bent[:, 2:], -shift)], 1)
    image = image + 0.5 * blur(image, 1.2) * canvas["bloom"]
    scan = 1 - canvas["scan"] * (0.5 + 0.5 * torch.cos(canvas.y * 128 / canvas["pitch"] * 2 * math.pi))
    stripes = torch.cat(
        [
            1 + canvas["mask"] * torch.cos(canvas.x * 128 / canvas["pitch"] * 2 * math.pi + phase)
            for phase in (0.0, 2.094, 4.189)
        ],
        1,
    )
    screen_edge = smoothstep(
        0.515, 0.48, torch.maximum(canvas.x.abs(), canvas.y.abs()) * (1 + canvas["bulge"] * radius * 0.5)
    )
    return image * scan * stripes * screen_edge * (1 + 0.25 * canvas["scan"])


def glitch(canvas: Canvas) -> Tensor:
    rows = (canvas.y + 0.5) * canvas["bands"]
    jump, side = (scattered(canvas.seeds, rows.floor(), torch.full_like(rows, column)) for column in (0, 1))
    torn = smoothstep(1 - canvas["tear"], 1 - canvas["tear"] * 0.5, jump) * torch.sign(side - 0.5)
    move = torn * canvas["reach"]
    shift = torch.cat([move.expand(-1, -1, -1, canvas.size), torch.zeros_like(canvas.tone)], 1)
    split = torch.cat([canvas["fringe"].expand(-1, -1, canvas.size, canvas.size), torch.zeros_like(canvas.tone)], 1)
    image = torch.cat(
        [
            warp(canvas.picture[:, :1], shift + split),
            warp(canvas.picture[:, 1:2], shift),
            warp(canvas.picture[:, 2:], shift - split),
        ],
        1,
    )
    scan = 1 - canvas["scan"] * 0.3 * smoothstep(0.2, 0.8, (canvas.y * 128 / 2.5).remainder(1))
    tint = torch.where(torn.abs() > 0.5, canvas.colour(ACCENT_COLOUR), torch.ones_like(image))
    return (
        image * scan * lerp(torch.ones_like(image), tint, 0.5)
        + 0.04 * canvas.texture("streak", 1.5, salt=6) * canvas["scan"]
    )


def neon(canvas: Canvas) -> Tensor:
    lines = canvas.lines()
    along_y = smoothstep(-0.3, 0.3, canvas.y + 0.4 * canvas.x + 0.1 * canvas.texture("clouds", 0.5, salt=4))
    parts = blur(canvas.contents.parts, 2.0)
    colour = lerp(
        lerp(canvas.colour(MAIN), canvas.colour(ACCENT_COLOUR), along_y),
        canvas.colour(SECOND_COLOUR),
        smoothstep(0.3, 0.6, parts[:, 2:3]) * canvas["several"],
    )
    glow = blur(lines, 1.5) * 0.9 + blur(lines, 4.5) * canvas["halo"] * 1.6
    dark = canvas.colour(GROUND_COLOUR) * 0.3 + 0.25 * canvas["ambient"] * canvas.picture * canvas.colour(MAIN)
    image = dark + colour * glow
    return lerp(image, lerp(colour, torch.ones_like(colour), canvas["core"]), lines)


def vaporwave(canvas: Canvas) -> Tensor:
    tone = levels(canvas.tone)
    image = lerp(canvas.colour(DARK), canvas.colour(MAIN), smoothstep(0.0, 0.45, tone))
    image = lerp(image, canvas.colour(ACCENT_COLOUR), smoothstep(0.35, 0.8, tone))
    image = lerp(lerp(image, canvas.colour(LIGHT), smoothstep(0.7, 1.0, tone)), canvas.picture, canvas["own"])
    horizon = 0.12 + 0.15 * canvas.habit(4)
    below = (canvas.y - horizon).clamp_min(1e-3)
    depth = 0.06 / below
    grid_x = (canvas.x * depth * 9 + 0.5).remainder(1) - 0.5
    grid_y = (depth * 3).remainder(1) - 0.5
    lines = torch.maximum(smoothstep(0.44, 0.49, grid_x.abs()), smoothstep(0.40, 0.48, grid_y.abs())) * (
        canvas.y > horizon
    )
    light = canvas["grid"].clamp_min(0) * canvas.colour(SECOND_COLOUR) * 0.8
    image = image + lines * (1 - 0.85 * canvas.contents.subject) * light
    stripes = smoothstep(0.4, 0.6, (canvas.y * 128 / canvas["pitch"]).remainder(1))
    return image * (1 - 0.12 * canvas["scan"] * stripes)


def hologram(canvas: Canvas) -> Tensor:
    tone = canvas.tone
    lines = canvas.lines()
    scan = 0.7 + 0.3 * torch.cos(canvas.y * 128 / canvas["pitch"] * 2 * math.pi)
    inner = blur(canvas.contents.edges, 2.0)
    light = (tone * canvas["body"] + inner * 0.8) * scan + lines * 0.9
    hue = lerp(
        canvas.colour(MAIN),
        canvas.colour(ACCENT_COLOUR),
        smoothstep(-0.5, 0.5, canvas.x * canvas["angle"].cos() + canvas.y * canvas["angle"].sin()),
    )
    fringe = torch.cat([canvas["fringe"], canvas["fringe"] * 0], 1).expand(-1, -1, canvas.size, canvas.size)
    ghost = warp(lines, fringe) * canvas.colour(ACCENT_COLOUR) * 0.6
    return canvas.colour(GROUND_COLOUR) * 0.25 + hue * light + ghost + 0.25 * blur(light, 4.0) * hue


def iridescent(canvas: Canvas) -> Tensor:
    tone = luma(kuwahara(canvas.picture, 1.2))
    phase = (
        tone * canvas["cycles"]
        + blur(canvas.contents.edges, 3.0) * 1.5
        + 0.15 * canvas.texture("clouds", 0.6, salt=8)
        + canvas.habit(9)
    )
    wheel = torch.cat([0.5 + 0.5 * torch.cos(2 * math.pi * (phase + offset)) for offset in (0.0, 0.33, 0.67)], 1)
    film = lerp(wheel, canvas.colour(MAIN) * 0.4 + 0.6 * wheel, 0.6)
    sheen = 1 + canvas["sheen"] * canvas.shading(blur(tone, 1.5) * 3 - blur(canvas.contents.edges, 1.5))
    return lerp(canvas.picture, film, canvas["film"]) * sheen * lerp(1.0, 0.35 + tone, 0.7)


_SCAN = ("clean screen", "faint scanlines", "strong scanlines")

FAMILIES: dict[str, Family] = {
    "pixel_art": Family(
        pixel_art,
        ("16-bit pixel art", "8-bit video game art", "isometric game sprite art"),
        ("pixel art", "indexed colour sprites"),
        ("dither", ("clean colour blocks", "light dithering", "dense dithering")),
        ("pixels", ("very large pixels", "chunky pixels", "small pixels")),
        {
            "pixels": (30, 64),
            "shades": (4, 9),
            "flatness": (0.0, 1.0),
            "dither": (-0.6, 1.0),
            "line": (-0.5, 1.0),
            "palette": (0.4, 1.0),
            "palette_softness": (0.003, 0.012),
            "saturation": (0.9, 1.6),
        },
        ("vivid", "natural", "muted", "rich", "pastel"),
        ("even", "even", "low key", "side"),
    ),
    "dithered": Family(
        dithered,
        ("1-bit dithered art", "retro computer dithering", "handheld console graphics"),
        ("ordered dithering", "limited-palette bitmap"),
        ("shades", ("two colours only", "three colours", "four colours")),
        ("pixels", ("large pixels", "medium pixels", "fine pixels")),
        {"pixels": (56, 110), "shades": (1.6, 4.4), "contrast": (0.2, 0.3)},
        ("grey", "vivid", "muted", "neon", "earthy"),
        ("even", "side", "stark"),
    ),
    "crt": Family(
        crt,
        ("CRT television screen", "VHS video still", "arcade monitor display"),
        ("cathode ray screen", "analogue video"),
        ("scan", _SCAN),
        ("fringe", ("tight colour convergence", "slight colour fringing", "strong colour fringing")),
        {
            "bulge": (0.0, 0.9),
            "fringe": (0.0, 2.2),
            "bloom": (0.0, 0.7),
            "scan": (0.15, 0.6),
            "mask": (0.0, 0.4),
            "pitch": (2.2, 3.6),
            "palette": (0.1, 0.6),
            "saturation": (0.7, 1.6),
        },
        ("vivid", "neon", "muted", "natural"),
        ("even", "low key", "glowing", "cool"),
    ),
    "glitch": Family(
        glitch,
        ("glitch art", "datamosh digital error art"),
        ("corrupted digital image", "databent video"),
        ("scan", _SCAN),
        ("tear", ("few displaced bands", "several displaced bands", "many displaced bands")),
        {
            "bands": (14, 50),
            "tear": (0.15, 0.5),
            "reach": (2.0, 12.0),
            "fringe": (0.8, 4.0),
            "scan": (0.0, 1.0),
            "palette": (0.1, 0.8),
        },
        ("vivid", "neon", "grey", "rich"),
        ("even", "low key", "stark", "cool"),
    ),
    "neon": Family(
        neon,
        ("neon sign art", "cyberpunk neon outlines"),
        ("glowing neon tubes", "light painting"),
        ("halo", ("tight glow", "soft glow", "wide hazy glow")),
        ("line_width", ("thin tubes", "medium tubes", "thick tubes")),
        {
            "several": (0.0, 1.0),
            "halo": (0.2, 1.0),
            "ambient": (0.0, 0.9),
            "core": (0.3, 0.95),
            "line_width": (0.9, 2.4),
            "line_softness": (0.3, 0.6),
        },
        ("neon", "neon", "vivid"),
        ("even", "low key"),
        dark_ground=1.0,
    ),
    "vaporwave": Family(
        vaporwave,
        ("vaporwave aesthetic", "synthwave retro futurism", "eighties outrun artwork"),
        ("retro digital graphics", "airbrushed synth art"),
        ("scan", _SCAN),
        ("grid", ("no grid", "faint perspective grid", "bright perspective grid")),
        {"own": (0.0, 0.4), "grid": (-0.4, 1.0), "scan": (0.0, 1.0), "pitch": (2.4, 5.0), "glow": (0.2, 0.9)},
        ("neon", "vivid", "pastel"),
        ("glowing", "even", "low key"),
    ),
    "hologram": Family(
        hologram,
        ("holographic projection", "science fiction interface hologram"),
        ("projected light", "volumetric hologram"),
        ("body", ("transparent body", "translucent body", "glowing body")),
        ("line_width", ("fine light contours", "light contours", "bright thick contours")),
        {
            "body": (0.2, 0.9),
            "fringe": (0.5, 3.0),
            "pitch": (2.4, 4.5),
            "line_width": (0.6, 1.6),
            "line_softness": (0.3, 0.7),
        },
        ("neon", "vivid"),
        ("even",),
        dark_ground=1.0,
    ),
    "iridescent": Family(
        iridescent,
        ("iridescent holographic foil art", "psychedelic chromatic art", "oil slick chromatic render"),
        ("iridescent film", "holographic foil"),
        ("film", ("hint of rainbow sheen", "rainbow sheen", "full spectral colour")),
        ("cycles", ("broad colour bands", "flowing colour bands", "many tight colour bands")),
        {"cycles": (0.8, 2.8), "film": (0.4, 0.95), "sheen": (0.2, 0.8), "contrast": (0.2, 0.3)},
        ("vivid", "pastel", "neon"),
        ("even", "side", "glowing"),
    ),
}
