"""Wet media: oil, impasto, broken colour, points, gouache, watercolour, ink wash, digital paint."""

from __future__ import annotations

import torch
from torch import Tensor

from encoder_training.renderers.canvas import DARK, GROUND_COLOUR, Canvas
from encoder_training.renderers.filters import along, blur, kuwahara, lerp, luma, smoothstep, warp
from encoder_training.renderers.strokes import dabs
from encoder_training.renderers.style import Family

_SIZES = ("fine small brushstrokes", "medium brushstrokes", "broad sweeping brushstrokes")


def _hand(canvas: Canvas, amount: Tensor | float) -> Tensor:
    """Direction of the brush (N, 2, S, S): along the edges where there are some, else the style's own slant."""
    direction, coherence = canvas.flow
    slant = (canvas.habit(11) - 0.5) * 3.1 + canvas.texture("clouds", 0.5, salt=12) * 0.5
    own = torch.cat([slant.cos(), slant.sin()], 1)
    aligned = direction * torch.sign((direction * own).sum(1, keepdim=True) + 1e-6)
    mixed = lerp(own, aligned, (coherence * amount).clamp(0, 1))
    return mixed / (mixed.square().sum(1, keepdim=True) + 1e-4).sqrt()


def _painted(canvas: Canvas, scale: float = 1.0, bristle: Tensor | float = 0.5, fine: bool = True) -> Tensor:
    """Two layers of dabs over a smooth underpainting; the upper layer only where there is detail."""
    source = kuwahara(canvas.picture, 1.5)
    direction = _hand(canvas, 1.0)
    cells = canvas["strokes"].reshape(-1) * scale
    broad = dabs(
        canvas.seeds,
        source,
        direction,
        cells,
        canvas["stroke_length"],
        0.85,
        variation=canvas["broken"],
        bristle=bristle,
        salt=1,
    )
    image = lerp(blur(source, 1.5), broad.colour, broad.cover)
    height = broad.height
    if fine:
        detail = smoothstep(0.02, 0.10, blur((luma(canvas.picture) - blur(luma(canvas.picture), 3.0)).abs(), 1.2))
        small = dabs(
            canvas.seeds,
            source,
            direction,
            cells * 1.9,
            1.4,
            0.75,
            near=True,
            variation=canvas["broken"] * 0.6,
            bristle=bristle,
            size=detail,
            salt=2,
        )
        image, height = lerp(image, small.colour, small.cover), lerp(height, small.height, small.cover * 0.7)
    return image * (1 + canvas["impasto"] * canvas.shading(height * 0.5))


def oil(canvas: Canvas) -> Tensor:
    image = _painted(canvas)
    return canvas.outlined(image)


def impressionist(canvas: Canvas) -> Tensor:
    return canvas.outlined(_painted(canvas, bristle=0.3))


def impasto(canvas: Canvas) -> Tensor:
    source = kuwahara(canvas.picture, canvas["radius"])
    direction = _hand(canvas, 1.0)
    marks = dabs(
        canvas.seeds,
        source,
        direction,
        canvas["strokes"].reshape(-1),
        canvas["stroke_length"],
        0.9,
        variation=canvas["broken"],
        bristle=0.9,
        edge=0.2,
        salt=1,
    )
    image = lerp(source, marks.colour, marks.cover)
    image = image * (1 + canvas["impasto"] * canvas.shading(marks.height * 0.8))
    return canvas.outlined(lerp(image, canvas.picture, 0.15))


def pointillism(canvas: Canvas) -> Tensor:
    source = canvas.picture + canvas.texture("grain", 0.5, salt=7) * 0.02
    cells = canvas["strokes"].reshape(-1)
    lower = dabs(
        canvas.seeds,
        source,
        _hand(canvas, 0.0),
        cells * 0.8,
        1.35,
        1.35,
        round_ends=True,
        near=True,
        variation=canvas["broken"],
        edge=0.25,
        salt=1,
    )
    hue_shift = torch.cat([canvas["divide"], canvas["divide"] * 0, -canvas["divide"]], 1)
    upper = dabs(
        canvas.seeds,
        source + hue_shift * canvas.texture("grain", 0.35, salt=8),
        _hand(canvas, 0.0),
        cells,
        0.9,
        0.9,
        round_ends=True,
        near=True,
        variation=canvas["broken"],
        edge=0.25,
        salt=3,
    )
    ground = lerp(canvas.colour(GROUND_COLOUR), lower.colour, lower.cover)
    return lerp(ground, upper.colour, upper.cover)


def gouache(canvas: Canvas) -> Tensor:
    calm = kuwahara(lerp(canvas.picture, canvas.flat, 0.5), canvas["radius"])
    matte = dabs(
        canvas.seeds,
        calm,
        _hand(canvas, 0.7),
        canvas["strokes"].reshape(-1),
        1.9,
        0.9,
        variation=canvas["broken"],
        bristle=0.2,
        salt=1,
    )
    image = lerp(calm, matte.colour, 0.6 * matte.cover)
    dry = smoothstep(0.6, 1.6, canvas.texture("streak", 2.0, canvas.habit(5) * 3.1, salt=6))
    return canvas.outlined(image * (1 + 0.05 * dry * canvas["dry"]))


def watercolour(canvas: Canvas) -> Tensor:
    shift = (
        torch.cat([canvas.texture("clouds", 1.2, salt=1), canvas.texture("clouds", 1.2, salt=2)], 1) * canvas["bleed"]
    )
    picture = warp(kuwahara(lerp(canvas.picture, canvas.flat, 0.35), canvas["radius"]), shift)
    wet = blur(picture, canvas["bleed"] * 1.1)
    washes = lerp(picture, wet, 0.5)
    pool = (blur(luma(washes), 3.5) - blur(luma(washes), 0.7)).clamp(0, 1)
    density = (
        1
        + canvas["pooling"] * pool * 5
        + canvas["granulation"] * canvas.texture("tooth", 1.6, salt=3) * 0.35
        + 0.14 * canvas["bloom"] * canvas.texture("clouds", 0.9, salt=4)
    )
    pigment = (washes / canvas.colour(GROUND_COLOUR).clamp_min(0.05)).clamp(0.03, 1)
    image = canvas.colour(GROUND_COLOUR) * pigment.pow(density.clamp(0.2, 3) * canvas["dilution"])
    return canvas.outlined(image)


def ink_wash(canvas: Canvas) -> Tensor:
    tone = luma(kuwahara(canvas.picture, 2.0))
    spread = warp(
        tone,
        torch.cat([canvas.texture("clouds", 1.0, salt=1), canvas.texture("clouds", 1.0, salt=2)], 1) * canvas["bleed"],
    )
    steps = canvas["washes"]
    wash = lerp(spread, (spread * steps).round() / steps, 0.55)
    wash = lerp(
        blur(wash, 0.8), blur(wash, canvas["bleed"] * 2), canvas.texture("clouds", 1.0, salt=3).clamp(0, 1) * 0.7
    )
    ink = (1 - wash).clamp(0, 1).pow(canvas["dilution"])
    ink = ink * (1 + 0.2 * canvas.texture("tooth", 1.6, salt=4) * canvas["granulation"])
    dry = smoothstep(-0.6, 0.6, canvas.texture("streak", 1.2, canvas.habit(5) * 3.1, salt=5) + 0.5)
    ink = torch.maximum(ink, canvas.lines() * canvas["line"] * lerp(1.0, dry, canvas["dry"]))
    tinted = lerp(canvas.colour(GROUND_COLOUR), canvas.colour(DARK) * 0.6, ink.clamp(0, 1))
    return lerp(tinted, tinted * (0.4 + canvas.picture), canvas["colour"].clamp_min(0))


def digital_painting(canvas: Canvas) -> Tensor:
    soft = kuwahara(canvas.picture, canvas["radius"])
    direction = _hand(canvas, 1.0)
    brushed = dabs(
        canvas.seeds,
        soft,
        direction,
        canvas["strokes"].reshape(-1),
        2.1,
        0.95,
        variation=canvas["broken"],
        bristle=0.15,
        edge=0.7,
        salt=1,
    )
    focus = blur(canvas.contents.subject, 3.0)
    image = lerp(
        lerp(soft, brushed.colour, 0.75 * brushed.cover), along(canvas.picture, direction, 1.2, 2), 0.25 + 0.5 * focus
    )
    rim = (canvas.shading(blur(canvas.contents.subject, 1.2)) * 1.5).clamp(0, 1)
    return canvas.outlined(image + canvas["rim"] * rim * canvas.palette[:, 5, :, None, None] * 0.6)


_WET = ("soft wet washes", "granulating washes", "heavily granulated washes")

FAMILIES: dict[str, Family] = {
    "oil": Family(
        oil,
        ("classical oil painting", "realist oil painting", "traditional oil portraiture"),
        ("oil on canvas", "oil paint on linen"),
        ("impasto", ("smooth blended surface", "visible canvas weave", "ridged paint surface")),
        ("strokes", ("broad confident brushstrokes", "medium layered brushstrokes", "fine careful brushstrokes")),
        {
            "strokes": (24, 60),
            "stroke_length": (1.3, 2.1),
            "broken": (0.0, 0.12),
            "impasto": (0.02, 0.14),
            "paper": (0.0, 0.08),
            "palette": (0.3, 0.75),
        },
        ("muted", "earthy", "rich", "natural"),
        ("even", "side", "low key", "misty", "glowing", "spotlit"),
        ("canvas",),
    ),
    "impasto": Family(
        impasto,
        ("expressive impasto painting", "post-impressionist painting", "palette knife painting"),
        ("thick oil paint", "heavy-body acrylic"),
        ("impasto", ("raised paint ridges", "thick sculpted paint", "heavy crusted impasto")),
        ("strokes", ("huge swirling brushstrokes", "bold swirling brushstrokes", "short choppy brushstrokes")),
        {
            "strokes": (14, 28),
            "stroke_length": (1.4, 2.1),
            "broken": (0.06, 0.28),
            "impasto": (0.18, 0.5),
            "radius": (1.5, 3.5),
            "palette": (0.4, 0.9),
            "saturation": (0.9, 1.6),
        },
        ("vivid", "rich", "earthy", "natural"),
        ("even", "side", "glowing", "stark", "low key"),
        ("canvas",),
    ),
    "impressionist": Family(
        impressionist,
        ("impressionist painting", "plein air painting"),
        ("oil on canvas", "loose oil paint"),
        ("broken", ("softly blended colour", "flickering broken colour", "vibrating broken colour")),
        ("strokes", ("loose broad dabs", "quick short dabs", "tiny flickering dabs")),
        {
            "strokes": (16, 34),
            "stroke_length": (1.1, 1.8),
            "broken": (0.12, 0.35),
            "impasto": (0.02, 0.15),
            "saturation": (0.9, 1.4),
            "paper": (0.0, 0.08),
            "contrast": (0.12, 0.2),
        },
        ("pastel", "vivid", "natural", "muted"),
        ("even", "high key", "misty", "glowing", "cool"),
        ("canvas",),
    ),
    "pointillism": Family(
        pointillism,
        ("pointillism", "neo-impressionist divisionism"),
        ("dots of pure paint", "stippled oil paint"),
        ("divide", ("harmonious coloured dots", "contrasting coloured dots", "sharply divided complementary dots")),
        ("strokes", ("large round dots", "regular round dots", "minute dots of colour")),
        {
            "strokes": (30, 56),
            "broken": (0.1, 0.35),
            "divide": (0.03, 0.16),
            "saturation": (0.9, 1.5),
            "levelling": (0.5, 0.8),
        },
        ("vivid", "pastel", "natural"),
        ("even", "high key", "glowing", "cool"),
    ),
    "gouache": Family(
        gouache,
        ("gouache illustration", "mid-century gouache painting"),
        ("opaque gouache", "matte gouache paint"),
        ("dry", ("velvety matte surface", "chalky matte surface", "dry-brushed matte surface")),
        ("radius", ("crisp small shapes", "flat layered shapes", "broad simplified shapes")),
        {
            "radius": (1.2, 3.5),
            "strokes": (14, 34),
            "broken": (0.02, 0.12),
            "dry": (0.2, 1.0),
            "paper": (0.02, 0.14),
            "palette": (0.5, 1.0),
            "palette_softness": (0.004, 0.012),
        },
        ("muted", "pastel", "earthy", "vivid"),
        ("even", "even", "high key", "cool"),
        ("tooth", "grain"),
    ),
    "watercolour": Family(
        watercolour,
        ("loose watercolour painting", "botanical watercolour", "wet-in-wet watercolour"),
        ("transparent watercolour", "watercolour washes"),
        ("granulation", _WET),
        ("bleed", ("controlled crisp edges", "softly bleeding edges", "freely running edges")),
        {
            "bleed": (0.4, 2.2),
            "radius": (1.0, 2.4),
            "pooling": (0.2, 1.0),
            "granulation": (0.05, 0.5),
            "bloom": (0.2, 1.0),
            "dilution": (0.55, 1.0),
            "line": (-0.6, 0.8),
            "line_width": (0.5, 1.0),
            "paper": (0.03, 0.18),
            "margin": (-0.06, 0.09),
            "isolate": (-0.5, 0.9),
            "exposure": (0.62, 0.82),
            "palette": (0.3, 0.85),
            "wobble": (0.2, 1.0),
        },
        ("pastel", "muted", "natural", "earthy", "vivid"),
        ("even", "misty", "cool", "even"),
        ("tooth", "tooth", "canvas", "fibre"),
    ),
    "ink_wash": Family(
        ink_wash,
        ("East Asian ink wash painting", "sumi-e", "monochrome ink painting"),
        ("diluted ink", "brush and black ink"),
        ("granulation", ("smooth grey washes", "granular grey washes", "coarse mottled washes")),
        ("line_width", ("fine calligraphic lines", "fluent brush lines", "bold wet brush lines")),
        {
            "bleed": (0.4, 2.0),
            "washes": (3, 7),
            "dilution": (0.9, 1.9),
            "granulation": (0.1, 0.8),
            "dry": (0.0, 1.0),
            "colour": (-0.4, 0.5),
            "line": (0.5, 1.0),
            "line_width": (0.8, 2.6),
            "paper": (0.02, 0.15),
            "margin": (-0.05, 0.08),
            "isolate": (-0.6, 0.8),
            "wobble": (0.3, 1.3),
            "exposure": (0.55, 0.8),
            "contrast": (0.18, 0.3),
        },
        ("grey", "grey", "muted", "earthy"),
        ("even", "misty", "stark"),
        ("fibre", "grain", "laid"),
    ),
    "digital_painting": Family(
        digital_painting,
        ("fantasy concept art", "digital matte painting", "painterly game art"),
        ("digital painting", "digital brushwork"),
        ("strokes", ("soft airbrushed transitions", "painterly texture", "textured digital brushes")),
        ("radius", ("polished fine detail", "loosely blocked shapes", "broad blocked-in shapes")),
        {
            "radius": (1.0, 3.0),
            "strokes": (12, 34),
            "broken": (0.0, 0.08),
            "rim": (0.0, 0.9),
            "vignette": (0.1, 0.5),
            "glow": (0.0, 0.6),
            "contrast": (0.17, 0.27),
        },
        ("rich", "vivid", "natural", "muted", "neon"),
        ("even", "side", "low key", "misty", "glowing", "spotlit", "cool"),
    ),
}
