"""Printed media: linocut, woodblock, halftone, newsprint, risograph, screen print, duotone, cyanotype, blueprint."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from encoder_training.renderers.canvas import ACCENT_COLOUR, DARK, GROUND_COLOUR, LIGHT, MAIN, SECOND_COLOUR, Canvas
from encoder_training.renderers.filters import blur, kuwahara, lerp, levels, luma, smoothstep, warp
from encoder_training.renderers.style import Family


def screen(canvas: Canvas, dark: Tensor, angle: Tensor | float, pitch: Tensor, shape: Tensor | float = 0.0) -> Tensor:
    """Halftone cover (N, 1, S, S) for tones `dark` in [0, 1]: dots every `pitch` points, or lines if `shape` is 1."""
    turn = torch.as_tensor(angle, device=canvas.device)
    across = (canvas.x * turn.cos() + canvas.y * turn.sin()) * 128 / pitch
    down = (canvas.y * turn.cos() - canvas.x * turn.sin()) * 128 / pitch
    dots = (torch.cos(across * 2 * math.pi) + torch.cos(down * 2 * math.pi)) / 4 + 0.5
    wave = lerp(dots, (torch.cos(across * 2 * math.pi) + 1) / 2, shape)
    soft = (0.55 / pitch * 128 / canvas.size).clamp(0.04, 0.4)
    return smoothstep(-soft, soft, wave - (1.0 - dark * 1.08))


def _worn(canvas: Canvas, ink: Tensor, amount: Tensor, salt: int = 80) -> Tensor:
    """Ink cover with the gaps of an uneven impression."""
    gaps = smoothstep(
        0.9, 1.8, canvas.texture("tooth", 1.4, salt=salt) + 0.6 * canvas.texture("clouds", 0.7, salt=salt + 1)
    )
    return ink * (1 - amount * gaps)


def _shifted(layer: Tensor, canvas: Canvas, salt: int) -> Tensor:
    """A printing plate out of register by up to `misregister` points, the same way for the whole edition."""
    turn = canvas.habit(salt) * 2 * math.pi
    offset = torch.cat([turn.cos(), turn.sin()], 1) * canvas["misregister"]
    return warp(layer, offset.expand(-1, -1, canvas.size, canvas.size))


def linocut(canvas: Canvas) -> Tensor:
    tone = levels(luma(kuwahara(canvas.picture, canvas["radius"])))
    direction, _ = canvas.flow
    gouge = torch.cos(
        (canvas.x * direction[:, :1] * 0.3 + canvas.y) * 128 / canvas["spacing"] * 2 * math.pi
        + 2.0 * canvas.texture("clouds", 1.0, salt=1)
        + blur(tone, 3.0) * 12
    )
    middle = smoothstep(0.0, 1.0, 1 - (tone - canvas["threshold"]).abs() * 4)
    ink = smoothstep(-0.06, 0.06, canvas["threshold"] - tone + middle * gouge * canvas["gouges"] * 0.22)
    ink = torch.maximum(ink, canvas.lines())
    white = canvas.lines(canvas["line_width"] * 0.8) * smoothstep(0.32, 0.2, blur(tone, 2.0))
    ink = _worn(canvas, ink * (1 - white * canvas["carved"].round()), canvas["wear"])
    tint = lerp(canvas.colour(GROUND_COLOUR), canvas.flat, smoothstep(0.55, 0.6, canvas["second_block"]) * 0.9)
    return lerp(tint, canvas.colour(DARK) * 0.7, ink)


def woodblock(canvas: Canvas) -> Tensor:
    flat = kuwahara(canvas.flat, canvas["radius"])
    wood = canvas.texture("wood", 0.8, math.pi / 2 * canvas.habit(2).round(), salt=2)
    fade = smoothstep(-0.5, -0.5 + canvas["bokashi_depth"], canvas.y)
    sky = lerp(canvas.colour(MAIN), canvas.colour(GROUND_COLOUR), fade)
    image = lerp(
        flat, sky, canvas["bokashi"] * (1 - canvas.contents.subject) * smoothstep(0.75, 1.0, canvas.contents.depth)
    )
    image = lerp(canvas.colour(GROUND_COLOUR), image, (0.92 + 0.08 * canvas["grain"] * wood).clamp(0, 1))
    return lerp(image, canvas.colour(DARK) * 0.6, _worn(canvas, canvas.lines(), canvas["wear"] * 0.6))


def halftone(canvas: Canvas) -> Tensor:
    picture = lerp(canvas.picture, canvas.flat, canvas["flatness"])
    paper = canvas.colour(GROUND_COLOUR)
    black = (1 - picture.amax(1, keepdim=True)).clamp(0, 1)
    image = paper
    for plate, angle in enumerate((0.26, 1.31, 0.0)):
        cover = screen(
            canvas,
            _shifted((1 - picture[:, plate : plate + 1] - black * 0.7).clamp(0, 1), canvas, 10 + plate),
            angle + canvas["turn"],
            canvas["pitch"],
        )
        ink = torch.ones_like(paper)
        ink[:, plate] = 0.06
        image = image * lerp(torch.ones_like(ink), ink, cover * 0.95)
    key = torch.maximum(
        screen(canvas, black * 1.1, 0.78 + canvas["turn"], canvas["pitch"]), canvas.lines() * canvas["line"]
    )
    return lerp(image, torch.full_like(image, 0.06), key * 0.92)


def newsprint(canvas: Canvas) -> Tensor:
    dark = (1 - levels(canvas.tone)).pow(canvas["gamma"])
    cover = screen(canvas, dark, canvas["turn"], canvas["pitch"], canvas["ruled"].round())
    key = _worn(canvas, torch.maximum(cover, canvas.lines() * canvas["line"]), canvas["wear"])
    spot = smoothstep(0.62, 0.66, canvas["spot_colour"]) * canvas.contents.parts[:, 3:]
    tint = lerp(canvas.colour(GROUND_COLOUR), canvas.colour(ACCENT_COLOUR), _shifted(spot, canvas, 9))
    return lerp(tint, canvas.colour(DARK) * 0.55, key * 0.93)


def risograph(canvas: Canvas) -> Tensor:
    tone = lerp(canvas.tone, levels(canvas.tone), 0.6)
    warm = (canvas.contents.pixels[:, :1] - canvas.contents.pixels[:, 2:]) * 1.2
    share = smoothstep(-0.35, 0.35, warm + 0.5 * (tone - 0.5))
    dark = (1.05 - tone).clamp(0, 1)
    first, second = (dark * (1 - share * 0.85)).clamp(0, 1), (dark * (0.35 + share * 0.85)).clamp(0, 1)
    grainy = canvas["grainy"] > 0.5
    image = canvas.colour(GROUND_COLOUR)
    for index, (plate, role) in enumerate(((second, ACCENT_COLOUR), (first, MAIN))):
        plate = _shifted(plate, canvas, 20 + index)
        dots = screen(canvas, plate, 0.4 + 0.9 * index + canvas["turn"], canvas["pitch"])
        grain = smoothstep(0.35, 0.65, plate + 0.16 * canvas.texture("grain", 1.6, salt=23 + index))
        cover = lerp(torch.where(grainy, grain, dots), plate, 0.25)
        image = image * lerp(
            torch.ones_like(image),
            canvas.colour(role).clamp_min(0.05),
            _worn(canvas, cover, canvas["wear"], 82 + index) * 0.95,
        )
    return lerp(image, image * canvas.colour(MAIN) * 0.6, _shifted(canvas.lines(), canvas, 21) * canvas["line"])


def screen_print(canvas: Canvas) -> Tensor:
    tone = blur(luma(kuwahara(canvas.picture, canvas["radius"])), 0.5)
    soft = 0.012
    order = (DARK, MAIN, SECOND_COLOUR, ACCENT_COLOUR, LIGHT)
    level = canvas.palette.mean(-1).argsort(1)
    levels = torch.gather(canvas.palette, 1, level[..., None].expand(-1, -1, 3))
    image = levels[:, 0, :, None, None].expand(-1, -1, canvas.size, canvas.size)
    centre, width = tone.mean((2, 3), keepdim=True), tone.std((2, 3), keepdim=True)
    for step in range(1, len(order)):
        edge = centre + width * (step - 2.6) * canvas["spread"]
        image = lerp(
            image,
            levels[:, step, :, None, None],
            smoothstep(edge - soft, edge + soft, _shifted(tone, canvas, 30 + step)),
        )
    image = lerp(image, image * 0.9 + 0.1, smoothstep(1.2, 2.0, canvas.texture("tooth", 1.0, salt=5)) * canvas["wear"])
    return canvas.outlined(image)


def duotone_print(canvas: Canvas) -> Tensor:
    tone = smoothstep(0.0, 1.0, lerp(canvas.tone, smoothstep(0.15, 0.85, canvas.tone), canvas["curve"]))
    image = lerp(canvas.colour(DARK), canvas.colour(MAIN), smoothstep(0.0, 0.55, tone))
    image = lerp(image, canvas.colour(ACCENT_COLOUR) * 0.35 + canvas.colour(LIGHT) * 0.65, smoothstep(0.45, 1.0, tone))
    return image * (1 + canvas["grain"] * 0.2 * canvas.texture("grain", 1.8, salt=6))


def cyanotype(canvas: Canvas) -> Tensor:
    tone = lerp(canvas.tone, blur(canvas.tone, 1.0), 0.5)
    tone = smoothstep(0.02, 0.98, tone + 0.05 * canvas["uneven"] * canvas.texture("clouds", 0.6, salt=7))
    deep = lerp(
        torch.tensor([0.02, 0.12, 0.32], device=canvas.device)[:, None, None],
        torch.tensor([0.05, 0.2, 0.36], device=canvas.device)[:, None, None],
        canvas["toned"],
    )
    pale = lerp(
        torch.tensor([0.93, 0.96, 0.97], device=canvas.device)[:, None, None],
        torch.tensor([0.93, 0.88, 0.76], device=canvas.device)[:, None, None],
        canvas["toned"],
    )
    image = lerp(deep, pale, tone) * (1 + 0.08 * canvas.texture("streak", 0.7, salt=8) * canvas["uneven"])
    border = 0.5 - torch.maximum(canvas.x.abs(), canvas.y.abs()) + 0.015 * canvas.texture("streak", 1.0, salt=9)
    return lerp(pale.expand_as(image), image, smoothstep(0.0, 0.02, border - canvas["brushed"].clamp_min(-0.05)))


def blueprint(canvas: Canvas) -> Tensor:
    ground = lerp(
        torch.tensor([0.05, 0.2, 0.48], device=canvas.device)[:, None, None],
        canvas.colour(MAIN) * 0.45,
        canvas["own_colour"].clamp_min(0),
    )
    pitch = canvas["grid"]

    def ruled(step: Tensor) -> Tensor:
        lines = [
            smoothstep(0.5 - 0.55 / step, 0.5, ((axis * 128 / step + 0.5).remainder(1) - 0.5).abs())
            for axis in (canvas.x, canvas.y)
        ]
        return torch.maximum(lines[0].expand(-1, -1, canvas.size, -1), lines[1].expand(-1, -1, -1, canvas.size))

    image = ground * (1 + 0.07 * canvas.texture("clouds", 0.5, salt=3)) + 0.06 * ruled(pitch) + 0.08 * ruled(pitch * 5)
    hatch = (
        smoothstep(0.55, 0.9, torch.cos((canvas.x + canvas.y) * 128 / 3.2 * 2 * math.pi))
        * smoothstep(0.5, 0.3, canvas.tone)
        * canvas["hatch"]
    )
    return lerp(image, torch.full_like(image, 0.94), torch.maximum(canvas.lines(), hatch * 0.45))


_PLATE = {
    "misregister": (0.0, 1.6),
    "wear": (0.0, 0.8),
    "pitch": (2.4, 5.5),
    "turn": (0.0, 1.5),
    "paper": (0.0, 0.1),
    "margin": (-0.1, 0.06),
}
_WEAR = ("clean solid ink", "slightly mottled ink", "worn speckled ink")
_REGISTER = ("tight registration", "slight misregistration", "visible misregistration")
_DOTS = ("fine halftone screen", "visible halftone screen", "coarse halftone screen")
_BOLD = ("vivid", "rich", "muted", "earthy", "neon", "pastel")
_LIGHT = ("even", "even", "side", "stark", "high key", "low key")

FAMILIES: dict[str, Family] = {
    "linocut": Family(
        linocut,
        ("linocut print", "expressionist relief print", "folk art linocut"),
        ("carved linoleum print", "relief ink on paper"),
        ("wear", _WEAR),
        ("gouges", ("clean flat areas", "visible gouge marks", "dense carved gouge marks")),
        {
            **_PLATE,
            "radius": (1.2, 2.6),
            "spacing": (3.0, 6.0),
            "threshold": (0.24, 0.5),
            "gouges": (0.3, 1.3),
            "carved": (0.0, 1.0),
            "second_block": (0.0, 1.0),
            "line_width": (1.0, 2.6),
            "line_softness": (0.1, 0.25),
            "contrast": (0.2, 0.34),
            "levelling": (0.7, 0.95),
            "exposure": (0.44, 0.58),
            "wobble": (0.2, 0.9),
        },
        ("grey", "rich", "earthy", "vivid"),
        ("even", "stark", "side"),
        ("fibre", "grain"),
    ),
    "woodblock": Family(
        woodblock,
        ("ukiyo-e woodblock print", "shin-hanga woodblock print"),
        ("water-based ink on washi", "Japanese woodblock print"),
        ("grain", ("smooth ink", "faint wood grain", "strong wood grain")),
        ("line_width", ("fine key-block lines", "even key-block lines", "bold key-block lines")),
        {
            **_PLATE,
            "radius": (1.0, 2.2),
            "bokashi": (0.0, 1.0),
            "bokashi_depth": (0.3, 0.9),
            "grain": (0.2, 2.0),
            "line_width": (0.7, 1.6),
            "line_softness": (0.15, 0.3),
            "palette": (0.7, 1.0),
            "palette_softness": (0.003, 0.008),
            "exposure": (0.56, 0.74),
            "wobble": (0.1, 0.6),
        },
        ("muted", "earthy", "natural", "pastel"),
        ("even", "even", "misty", "cool"),
        ("fibre", "laid"),
    ),
    "halftone": Family(
        halftone,
        ("vintage comic book printing", "pop art comic panel", "four-colour offset printing"),
        ("CMYK halftone print", "offset comic print"),
        ("pitch", _DOTS),
        ("line_width", ("thin ink outlines", "bold ink outlines", "thick ink outlines")),
        {
            **_PLATE,
            "flatness": (0.2, 1.0),
            "line": (-0.2, 1.0),
            "line_width": (0.9, 2.4),
            "line_softness": (0.12, 0.25),
            "saturation": (1.0, 1.7),
            "palette": (0.2, 0.6),
            "exposure": (0.56, 0.76),
        },
        ("vivid", "natural", "pastel", "muted"),
        ("even", "stark", "side"),
        ("grain", "fibre"),
    ),
    "newsprint": Family(
        newsprint,
        ("newspaper halftone reproduction", "punk zine photocopy", "two-colour newsprint"),
        ("black ink on newsprint", "photocopied halftone"),
        ("pitch", _DOTS),
        ("wear", ("clean impression", "uneven impression", "dirty worn impression")),
        {
            **_PLATE,
            "ruled": (0.0, 1.0),
            "gamma": (0.7, 1.3),
            "pitch": (2.4, 4.0),
            "line": (-0.2, 0.9),
            "line_width": (0.8, 1.8),
            "spot_colour": (0.0, 1.0),
            "exposure": (0.56, 0.76),
            "contrast": (0.2, 0.33),
            "turn": (0.3, 1.2),
        },
        ("grey", "earthy", "vivid"),
        _LIGHT,
        ("fibre", "grain", "speckle"),
    ),
    "risograph": Family(
        risograph,
        ("risograph print", "two-colour risograph illustration"),
        ("soy ink risograph", "spot-colour riso print"),
        ("misregister", _REGISTER),
        ("pitch", ("fine ink grain", "visible dot grain", "coarse dot grain")),
        {
            **_PLATE,
            "misregister": (0.3, 2.4),
            "grainy": (0.0, 1.0),
            "line": (-0.5, 0.9),
            "line_width": (0.8, 2.0),
            "exposure": (0.52, 0.72),
            "contrast": (0.2, 0.3),
        },
        ("vivid", "neon", "rich", "pastel"),
        ("even", "side", "stark"),
        ("grain", "fibre"),
    ),
    "screen_print": Family(
        screen_print,
        ("pop art screen print", "posterised silkscreen poster", "gig poster screen print"),
        ("silkscreen inks", "layered spot-colour screen print"),
        ("misregister", _REGISTER),
        ("radius", ("intricate flat shapes", "clear flat shapes", "broad flat shapes")),
        {
            **_PLATE,
            "radius": (1.0, 3.0),
            "spread": (0.6, 1.0),
            "line": (-0.8, 0.9),
            "line_width": (0.9, 2.2),
            "contrast": (0.18, 0.28),
        },
        _BOLD,
        _LIGHT,
        ("grain", "fibre"),
        dark_ground=0.3,
    ),
    "duotone_print": Family(
        duotone_print,
        ("duotone poster design", "gradient map photography", "modern duotone graphic"),
        ("two-ink duotone", "digital gradient map"),
        ("grain", ("clean smooth tones", "fine grain", "gritty grain")),
        ("curve", ("soft tonal transitions", "clear tonal transitions", "hard tonal transitions")),
        {"curve": (0.0, 1.0), "grain": (0.0, 0.6), "paper": (0.0, 0.04)},
        ("vivid", "neon", "rich", "pastel", "muted"),
        ("even", "side", "stark", "low key", "high key", "glowing"),
    ),
    "cyanotype": Family(
        cyanotype,
        ("cyanotype print", "sun print photogram"),
        ("Prussian blue cyanotype", "hand-coated cyanotype paper"),
        ("uneven", ("even coating", "slightly uneven coating", "streaky brushed coating")),
        ("brushed", ("full bleed image", "narrow rough border", "wide brushed border")),
        {"uneven": (0.2, 1.6), "toned": (0.0, 0.8), "brushed": (-0.04, 0.07), "paper": (0.02, 0.14)},
        ("grey",),
        _LIGHT,
        ("tooth", "fibre", "canvas"),
    ),
    "blueprint": Family(
        blueprint,
        ("architectural blueprint", "technical schematic drawing"),
        ("white lines on blueprint paper", "drafting plan"),
        ("hatch", ("outlines only", "sparse drafting hatches", "drafted hatching")),
        ("line_width", ("hairline drafting strokes", "even drafting strokes", "bold drafting strokes")),
        {
            "grid": (3.0, 8.0),
            "hatch": (-0.5, 1.0),
            "own_colour": (-1.0, 0.9),
            "line_width": (0.7, 1.8),
            "line_softness": (0.12, 0.3),
            "wobble": (0.0, 0.3),
            "paper": (0.0, 0.08),
        },
        ("rich", "muted", "vivid"),
        ("even",),
        ("grain", "laid"),
    ),
}
