"""Dry and drawn media: pencil, charcoal, pastel, crayon, pen, stipple, engraving, chalk, sketches."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from encoder_training.renderers.canvas import ACCENT_COLOUR, DARK, GROUND_COLOUR, LIGHT, MAIN, Canvas
from encoder_training.renderers.filters import along, blur, kuwahara, lerp, luma, smoothstep, warp
from encoder_training.renderers.strokes import dabs
from encoder_training.renderers.style import Family


def hatching(canvas: Canvas, dark: Tensor, angle: Tensor, spacing: Tensor, wander: float, salt: int) -> Tensor:
    """Parallel strokes (N, 1, S, S), wide where `dark` (N, 1, S, S) is 1; `spacing` in points, `angle` in radians."""
    across = (canvas.x * angle.cos() + canvas.y * angle.sin()) * 128 / spacing
    across = across + wander * canvas.texture("clouds", 1.0, salt=salt)
    wave = (torch.cos(across * 2 * math.pi) + 1) / 2
    soft = (0.9 / spacing * 128 / canvas.size).clamp(0.15, 0.6)
    level = 1 - dark * 1.15
    return smoothstep(level - soft, level + soft, wave) * smoothstep(0.02, 0.12, dark)


def _hatched(canvas: Canvas, dark: Tensor, layers: int = 3, wander: float = 0.6) -> Tensor:
    """Layers of hatching, each turned and starting at a darker tone."""
    total = torch.zeros_like(dark)
    for layer in range(layers):
        turn = canvas["angle"] + layer * canvas["cross"]
        share = ((dark - layer * 0.22) / (1 - layer * 0.22)).clamp(0, 1)
        total = 1 - (1 - total) * (1 - hatching(canvas, share, turn, canvas["spacing"], wander, 50 + layer))
    return total


def _dark(canvas: Canvas, tone: Tensor | None = None) -> Tensor:
    """How dark the medium must get, (N, 1, S, S) in [0, 1]: the lightest third or so stays paper."""
    light = canvas.tone if tone is None else tone
    mean, spread = light.mean((2, 3), keepdim=True), light.std((2, 3), keepdim=True)
    return smoothstep(mean + spread * 1.1 + 0.04, mean - spread * 2.1 - 0.06, light).pow(canvas["gamma"])


def _on_ground(canvas: Canvas, ink: Tensor, colour: Tensor | None = None) -> Tensor:
    """Marks (N, 1, S, S) in [0, 1] of the dark colour, or of `colour`, on the ground colour."""
    return lerp(canvas.colour(GROUND_COLOUR), canvas.colour(DARK) * 0.75 if colour is None else colour, ink.clamp(0, 1))


def _tooth(canvas: Canvas, low: float = -0.8, high: float = 1.0, salt: int = 60) -> Tensor:
    """Where the paper's tooth takes the dry medium, (N, 1, S, S) in [0, 1]."""
    return smoothstep(low, high, canvas.texture("tooth", canvas["paper_scale"] * 2.4, salt=salt))


def pencil(canvas: Canvas) -> Tensor:
    dark = _dark(canvas)
    strokes = _hatched(canvas, dark)
    shaded = lerp(strokes, dark, canvas["smudge"])
    lines = canvas.lines() * canvas["line"]
    graphite = torch.maximum(shaded * canvas["pressure"], lines * 0.9) * lerp(1.0, _tooth(canvas), 0.55)
    return _on_ground(canvas, graphite)


def coloured_pencil(canvas: Canvas) -> Tensor:
    dark = (1.0 - luma(canvas.flat)).clamp(0, 1) * 0.6 + 0.4
    strokes = hatching(canvas, dark, canvas["angle"], canvas["spacing"], 0.8, 51)
    crossed = hatching(canvas, dark * 0.8, canvas["angle"] + canvas["cross"], canvas["spacing"] * 1.2, 0.8, 52)
    cover = (
        lerp(0.55, 1.0, 0.7 * strokes + 0.4 * crossed) * lerp(0.45, 1.0, _tooth(canvas)) * canvas["pressure"]
    ).clamp(0, 1)
    image = lerp(canvas.colour(GROUND_COLOUR), lerp(canvas.picture, canvas.flat, 0.4) * 0.92, cover)
    return canvas.outlined(image)


def charcoal(canvas: Canvas) -> Tensor:
    dark = _dark(canvas, luma(kuwahara(canvas.picture, 1.6)))
    smeared = along(
        dark,
        torch.cat([canvas["angle"].cos(), canvas["angle"].sin()], 1).expand(-1, -1, canvas.size, canvas.size),
        canvas["smudge"] * 4,
        3,
    )
    grain = _tooth(canvas, -1.2, 0.9)
    lines = canvas.lines() * canvas["line"]
    ink = torch.maximum(smeared * lerp(grain, 1.0, smeared.square() * 0.8), lines * lerp(grain, 1.0, 0.3))
    lifted = smoothstep(0.75, 0.95, canvas.tone) * canvas["heighten"]
    return lerp(_on_ground(canvas, ink * canvas["pressure"]), canvas.colour(LIGHT), lifted * grain * 0.8)


def pastel(canvas: Canvas) -> Tensor:
    source = kuwahara(canvas.picture, 2.0)
    slant = canvas["angle"].expand(-1, 1, canvas.size, canvas.size) + 0.4 * canvas.texture("clouds", 0.6, salt=9)
    marks = dabs(
        canvas.seeds,
        source,
        torch.cat([slant.cos(), slant.sin()], 1),
        canvas["strokes"].reshape(-1),
        2.0,
        0.75,
        variation=canvas["broken"],
        bristle=0.0,
        edge=0.6,
        salt=4,
    )
    chalk = lerp(0.35, 1.0, _tooth(canvas, -1.1, 0.5)) * canvas["pressure"]
    ground = lerp(canvas.colour(GROUND_COLOUR), canvas.colour(MAIN) * 0.6, canvas["toned_ground"])
    return canvas.outlined(lerp(ground, lerp(source, marks.colour, marks.cover), chalk.clamp(0, 1)))


def crayon(canvas: Canvas) -> Tensor:
    wax = warp(canvas.flat, canvas.jitter)
    scribble = hatching(canvas, torch.full_like(canvas.tone, 0.62), canvas["angle"], canvas["spacing"], 1.4, 53)
    cover = lerp(scribble, 1.0, 0.35) * lerp(0.2, 1.0, _tooth(canvas, -0.9, 0.4)) * smoothstep(0.99, 0.7, luma(wax))
    lines = canvas.lines() * lerp(0.3, 1.0, _tooth(canvas, -0.9, 0.4, 61))
    return lerp(lerp(canvas.colour(GROUND_COLOUR), wax, cover.clamp(0, 1)), canvas.colour(DARK), lines * canvas["line"])


def ink_pen(canvas: Canvas) -> Tensor:
    dark = _dark(canvas)
    strokes = _hatched(canvas, dark, 3, 0.35)
    solid = smoothstep(0.9, 0.95, dark)
    ink = torch.maximum(torch.maximum(strokes, solid * canvas["blacks"].round()), canvas.lines())
    tinted = lerp(canvas.colour(GROUND_COLOUR), canvas.flat, canvas["wash"].clamp_min(0))
    return lerp(tinted, canvas.colour(DARK) * 0.5, smoothstep(0.25, 0.75, ink))


def stipple(canvas: Canvas) -> Tensor:
    dark = _dark(canvas)
    right = torch.cat([torch.ones_like(dark), torch.zeros_like(dark)], 1)
    ink = torch.zeros_like(dark)
    for layer in range(2):
        size = (((dark - 0.35 * layer) / (1 - 0.35 * layer)).clamp(0, 1)).sqrt()
        dots = dabs(
            canvas.seeds,
            torch.zeros_like(canvas.picture),
            right,
            canvas["dots"].reshape(-1) * (1 + 0.13 * layer),
            canvas["dot"],
            canvas["dot"],
            round_ends=True,
            near=True,
            size=size,
            edge=0.3,
            salt=70 + layer,
        )
        ink = torch.maximum(ink, dots.cover)
    ink = torch.maximum(ink, canvas.lines() * canvas["line"])
    tinted = lerp(canvas.colour(GROUND_COLOUR), canvas.flat, canvas["wash"].clamp_min(0))
    return lerp(tinted, canvas.colour(DARK) * 0.6, ink)


def engraving(canvas: Canvas) -> Tensor:
    tone = luma(kuwahara(canvas.picture, 1.2))
    dark = _dark(canvas, tone)
    swell = blur(tone, 4.0) * canvas["swell"]
    cosine, sine = canvas["angle"].cos() * 0.35, (1 - (canvas["angle"].cos() * 0.35).square()).sqrt()
    ink = torch.zeros_like(dark)
    for layer, (along_x, along_y) in enumerate(((cosine, sine), (sine, -cosine))):
        phase = (canvas.x * along_x + canvas.y * along_y) * 128 / canvas["spacing"] + swell
        wave = (torch.cos(phase * 2 * math.pi) + 1) / 2
        share = dark if layer == 0 else ((dark - 0.5) * 2).clamp(0, 1)
        ink = torch.maximum(
            ink, smoothstep(1.05 - share - 0.3, 1.05 - share + 0.3, wave) * smoothstep(0.03, 0.15, share)
        )
    return _on_ground(canvas, torch.maximum(ink, canvas.lines() * canvas["line"]))


def chalkboard(canvas: Canvas) -> Tensor:
    board = canvas.colour(GROUND_COLOUR) * (1 + 0.10 * canvas.texture("clouds", 0.6, salt=5)) + 0.03 * canvas.texture(
        "streak", 0.7, canvas["angle"], salt=6
    ).clamp_min(0)
    chalk = lerp(torch.full_like(canvas.flat, 0.95), canvas.flat.clamp_min(0.25) * 1.15, canvas["coloured"])
    fill = hatching(canvas, smoothstep(0.35, 0.95, canvas.tone) * 0.8, canvas["angle"], canvas["spacing"], 0.9, 54)
    dust = blur(fill, 1.2) * 0.25
    marks = torch.maximum(torch.maximum(fill * canvas["fill"], dust), canvas.lines()) * lerp(
        0.25, 1.0, _tooth(canvas, -0.9, 0.6)
    )
    return lerp(board, chalk, marks.clamp(0, 1))


def contour_sketch(canvas: Canvas) -> Tensor:
    first = canvas.lines()
    again = warp(
        canvas.lines(canvas["line_width"] * 0.7),
        torch.cat([canvas.texture("clouds", 1.0, salt=7), canvas.texture("clouds", 1.0, salt=8)], 1) * canvas["loose"],
    )
    ink = torch.maximum(first, again * 0.7)
    off = warp(
        lerp(canvas.flat, canvas.colour(GROUND_COLOUR), 1 - smoothstep(0.3, 0.7, blur(canvas.contents.subject, 2.0))),
        torch.cat([canvas["offset"], -canvas["offset"]], 1).expand(-1, -1, canvas.size, canvas.size),
    )
    image = lerp(canvas.colour(GROUND_COLOUR), off, canvas["wash"].clamp_min(0))
    dark_spot = smoothstep(0.3, 0.22, canvas.tone) * canvas["blacks"].round()
    ink_colour = torch.where(canvas["blacks"] > 0.8, canvas.colour(ACCENT_COLOUR) * 0.8, canvas.colour(DARK) * 0.6)
    return lerp(image, ink_colour, torch.maximum(ink, dark_spot * 0.9))


_HATCH = {"angle": (-1.4, 1.4), "cross": (0.5, 1.6), "spacing": (2.6, 5.0), "gamma": (0.8, 1.6), "wobble": (0.1, 1.0)}
_PAPER = {"paper": (0.0, 0.12), "margin": (-0.08, 0.08), "isolate": (-1.0, 1.0)}
_LINES = ("delicate thin lines", "confident lines", "heavy dark lines")
_LIGHT = ("even", "even", "side", "high key", "stark", "misty")
_DRY = ("tooth", "grain", "laid", "fibre")

FAMILIES: dict[str, Family] = {
    "pencil": Family(
        pencil,
        ("graphite pencil drawing", "academic pencil study", "sketchbook pencil drawing"),
        ("graphite pencil", "soft lead pencil"),
        ("smudge", ("crisp hatched shading", "hatched and softly blended shading", "smooth blended shading")),
        ("spacing", ("fine close hatching", "even parallel hatching", "loose open hatching")),
        {
            **_HATCH,
            **_PAPER,
            "smudge": (0.0, 0.8),
            "pressure": (0.6, 1.0),
            "line": (0.3, 1.0),
            "line_width": (0.5, 1.3),
            "line_softness": (0.4, 0.8),
            "exposure": (0.55, 0.78),
        },
        ("grey", "grey", "earthy"),
        _LIGHT,
        _DRY,
    ),
    "coloured_pencil": Family(
        coloured_pencil,
        ("coloured pencil illustration", "children's book pencil illustration"),
        ("coloured pencil", "wax pencil"),
        ("pressure", ("light grainy layering", "layered pencil grain", "heavily burnished pencil")),
        ("spacing", ("fine close strokes", "visible parallel strokes", "loose scribbled strokes")),
        {
            **_HATCH,
            **_PAPER,
            "pressure": (0.65, 1.1),
            "line": (-0.4, 0.9),
            "line_width": (0.6, 1.4),
            "line_softness": (0.5, 0.9),
            "exposure": (0.6, 0.8),
        },
        ("pastel", "vivid", "natural", "muted"),
        _LIGHT,
        _DRY,
    ),
    "charcoal": Family(
        charcoal,
        ("charcoal drawing", "expressive charcoal study"),
        ("vine charcoal", "compressed charcoal"),
        ("smudge", ("grainy unsmudged marks", "smudged tone", "heavily smeared tone")),
        ("line_width", ("thin charcoal lines", "broad charcoal lines", "thick black charcoal lines")),
        {
            **_PAPER,
            "angle": (-1.4, 1.4),
            "gamma": (0.7, 1.5),
            "smudge": (0.0, 1.0),
            "pressure": (0.75, 1.0),
            "heighten": (0.0, 0.9),
            "line": (0.4, 1.0),
            "line_width": (0.9, 2.8),
            "line_softness": (0.5, 1.0),
            "wobble": (0.2, 1.2),
            "paper_scale": (0.7, 1.3),
        },
        ("grey", "grey", "earthy", "muted"),
        ("side", "low key", "stark", "even"),
        _DRY,
    ),
    "pastel": Family(
        pastel,
        ("soft pastel drawing", "dry pastel landscape"),
        ("soft chalk pastel", "oil pastel"),
        ("pressure", ("dusty open grain", "velvety grain", "dense velvety pigment")),
        ("strokes", ("broad side-of-stick strokes", "directional strokes", "short feathered strokes")),
        {
            "angle": (-1.4, 1.4),
            "strokes": (16, 36),
            "broken": (0.04, 0.22),
            "pressure": (0.7, 1.15),
            "toned_ground": (0.0, 1.0),
            "paper": (0.0, 0.1),
            "line": (-0.6, 0.7),
            "line_softness": (0.5, 1.0),
            "paper_scale": (0.7, 1.3),
        },
        ("pastel", "vivid", "muted", "rich"),
        ("even", "misty", "glowing", "high key", "side"),
        ("tooth", "laid"),
    ),
    "crayon": Family(
        crayon,
        ("child-like wax crayon drawing", "naive crayon illustration"),
        ("wax crayon", "thick wax crayons"),
        ("paper_scale", ("coarse waxy grain", "waxy grain", "fine waxy grain")),
        ("line_width", ("thin crayon outlines", "wobbly crayon outlines", "fat crayon outlines")),
        {
            "angle": (-1.4, 1.4),
            "spacing": (2.8, 6.0),
            "line": (0.5, 1.0),
            "line_width": (1.2, 3.2),
            "line_softness": (0.4, 0.9),
            "wobble": (0.8, 2.0),
            "paper": (0.0, 0.1),
            "paper_scale": (0.5, 1.1),
            "palette": (0.5, 1.0),
            "exposure": (0.6, 0.8),
            "saturation": (1.0, 1.6),
        },
        ("vivid", "pastel", "natural"),
        ("even", "high key"),
        ("tooth", "grain"),
    ),
    "ink_pen": Family(
        ink_pen,
        ("pen and ink illustration", "cross-hatched ink drawing", "editorial pen illustration"),
        ("black ink pen", "fine liner and ink"),
        ("wash", ("pure line on paper", "line with pale tint", "line with colour wash")),
        ("spacing", ("dense fine cross-hatching", "even cross-hatching", "open bold hatching")),
        {
            **_HATCH,
            "gamma": (0.7, 1.3),
            "blacks": (0.0, 1.0),
            "wash": (-1.0, 0.8),
            "line_width": (0.6, 1.8),
            "line_softness": (0.15, 0.35),
            "margin": (-0.1, 0.08),
            "isolate": (-1.0, 1.0),
            "contrast": (0.2, 0.32),
            "paper": (0.0, 0.06),
        },
        ("grey", "muted", "earthy", "vivid"),
        ("even", "side", "stark"),
        ("grain", "laid"),
    ),
    "stipple": Family(
        stipple,
        ("stippled ink illustration", "scientific stipple drawing"),
        ("ink dots", "technical pen dots"),
        ("wash", ("plain paper between dots", "pale tinted ground", "coloured ground")),
        ("dots", ("coarse dots", "medium dots", "fine dense dots")),
        {
            "gamma": (0.8, 1.5),
            "dots": (46, 88),
            "dot": (0.95, 1.3),
            "wash": (-1.2, 0.7),
            "line": (0.0, 1.0),
            "line_width": (0.5, 1.2),
            "contrast": (0.2, 0.32),
            "isolate": (-1.0, 1.0),
        },
        ("grey", "muted", "earthy", "vivid"),
        ("even", "side", "stark"),
        dark_ground=0.0,
    ),
    "engraving": Family(
        engraving,
        ("antique engraving", "banknote engraving", "nineteenth-century book engraving"),
        ("engraved copper plate", "steel engraving"),
        ("swell", ("straight ruled lines", "gently curved lines", "strongly contoured lines")),
        ("spacing", ("very fine parallel lines", "fine parallel lines", "open parallel lines")),
        {
            "angle": (-1.4, 1.4),
            "spacing": (2.4, 4.2),
            "gamma": (0.7, 1.3),
            "swell": (0.0, 5.0),
            "line": (0.4, 1.0),
            "line_width": (0.5, 1.2),
            "line_softness": (0.2, 0.4),
            "paper": (0.0, 0.1),
            "margin": (-0.1, 0.07),
            "contrast": (0.2, 0.32),
        },
        ("grey", "earthy", "muted", "rich"),
        ("even", "side", "stark"),
        ("laid", "fibre", "grain"),
    ),
    "chalkboard": Family(
        chalkboard,
        ("chalk drawing on a blackboard", "chalkboard lettering art"),
        ("white chalk", "coloured chalk"),
        ("coloured", ("dusty white marks", "slightly tinted dusty marks", "dusty coloured marks")),
        ("line_width", ("thin chalk lines", "chalk lines", "thick chalk lines")),
        {
            "angle": (-1.4, 1.4),
            "spacing": (2.8, 5.5),
            "coloured": (-0.5, 1.0),
            "fill": (0.2, 0.9),
            "line_width": (1.0, 2.6),
            "line_softness": (0.5, 0.9),
            "wobble": (0.3, 1.3),
            "paper_scale": (0.7, 1.3),
        },
        ("muted", "grey", "vivid", "natural"),
        ("even", "side"),
        dark_ground=1.0,
    ),
    "contour_sketch": Family(
        contour_sketch,
        ("loose line and wash sketch", "fashion line illustration", "urban sketching"),
        ("brush pen and flat tint", "fountain pen and wash"),
        ("wash", ("bare white paper", "offset pale tint", "offset colour shapes")),
        ("line_width", _LINES),
        {
            **_PAPER,
            "loose": (0.2, 1.6),
            "offset": (-3.0, 3.0),
            "wash": (-0.6, 1.0),
            "blacks": (0.0, 1.0),
            "line_width": (0.6, 2.4),
            "line_softness": (0.15, 0.5),
            "wobble": (0.4, 1.8),
            "exposure": (0.6, 0.82),
            "palette": (0.6, 1.0),
        },
        ("pastel", "vivid", "muted", "natural"),
        ("even", "high key"),
        _DRY,
    ),
}
