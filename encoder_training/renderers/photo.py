"""Photographic looks: film stocks, studio, black and white, HDR, golden hour, infrared, instant film, grading."""

from __future__ import annotations

import torch
from torch import Tensor

from encoder_training.renderers.canvas import DARK, LIGHT, MAIN, Canvas
from encoder_training.renderers.filters import blur, lerp, luma, smoothstep
from encoder_training.renderers.style import Family


def _grain(canvas: Canvas, image: Tensor, coloured: float = 0.3) -> Tensor:
    """Film grain, strongest in the midtones."""
    scale = canvas["grain_size"]
    noise = torch.cat([canvas.texture("grain", scale, salt=salt) for salt in (21, 22, 23)], 1)
    mono = lerp(noise[:, :1], noise, coloured)
    tone = luma(image)
    return image + canvas["grain"] * mono * (0.25 + tone * (1 - tone) * 3)


def _curve(canvas: Canvas, image: Tensor) -> Tensor:
    """Toe and shoulder of film with split toning: shadows towards the dark colour, highlights towards the light one."""
    tone = luma(image)
    steep = lerp(image, smoothstep(0.0, 1.0, image), canvas["curve"])
    cast_dark = canvas.colour(DARK) - canvas.colour(DARK).mean(1, keepdim=True)
    cast_light = canvas.colour(LIGHT) - canvas.colour(LIGHT).mean(1, keepdim=True)
    toned = steep + canvas["split"] * (cast_dark * (1 - tone).square() + 0.8 * cast_light * tone)
    return lerp(toned, 0.08 + 0.84 * toned, canvas["fade"] * 8)


def film_photo(canvas: Canvas) -> Tensor:
    image = canvas.picture
    halation = (
        blur((luma(image) - 0.7).clamp_min(0), 4.0)
        * torch.tensor([1.0, 0.35, 0.15], device=canvas.device)[:, None, None]
    )
    image = lerp(image, blur(image, 1.0), canvas["softness"]) + canvas["halation"] * halation * 2
    return _grain(canvas, _curve(canvas, image))


def grading_preset(canvas: Canvas) -> Tensor:
    image = _curve(canvas, canvas.picture)
    crossed = torch.stack(
        [
            image[:, 0],
            lerp(image[:, 1], image[:, 2], canvas["cross"][:, 0] * 0.5),
            lerp(image[:, 2], image[:, 1], canvas["cross"][:, 0]),
        ],
        1,
    )
    return _grain(canvas, crossed, 0.0)


def studio_photo(canvas: Canvas) -> Tensor:
    subject = smoothstep(0.2, 0.7, blur(canvas.contents.subject, 1.5))
    pool = torch.exp(-(canvas.x.square() + (canvas.y + 0.1).square()) / canvas["pool"])
    backdrop = lerp(canvas.colour(MAIN) * 0.35, canvas.colour(LIGHT), pool * canvas["exposure"])
    image = lerp(canvas.picture, backdrop, canvas["isolate_subject"] * (1 - subject))
    return _grain(canvas, _curve(canvas, image * (1 + 0.25 * canvas.relief(3.0))))


def black_white_photo(canvas: Canvas) -> Tensor:
    picture = canvas.contents.pixels
    red, blue = canvas["red_filter"], canvas["blue_filter"]
    mix = (picture[:, :1] * red + picture[:, 1:2] + picture[:, 2:] * blue) / (1 + red + blue)
    tone = lerp(canvas.tone, mix + (canvas.tone.mean((2, 3), keepdim=True) - mix.mean((2, 3), keepdim=True)), 0.5)
    image = _curve(canvas, tone.expand(-1, 3, -1, -1))
    return _grain(canvas, lerp(luma(image).expand(-1, 3, -1, -1), image, canvas["toned"]), 0.0)


def hdr_photo(canvas: Canvas) -> Tensor:
    image = canvas.picture
    tone = luma(image)
    local = tone - blur(tone, 6.0)
    fine = tone - blur(tone, 1.2)
    gain = 1 + canvas["clarity"] * local * 2.2 + canvas["clarity"] * fine * 3.0
    mapped = lerp(image, image / (image + 0.35) * 1.3, 0.6) * gain
    grey = luma(mapped)
    return _grain(canvas, grey + (mapped - grey) * (1 + canvas["vibrance"]))


def golden_hour(canvas: Canvas) -> Tensor:
    sun_x, sun_y = (canvas.habit(31) - 0.5) * 1.1, -0.2 - 0.25 * canvas.habit(32)
    near = torch.exp(-((canvas.x - sun_x).square() + (canvas.y - sun_y).square()) / canvas["flare_size"])
    warm = torch.tensor([1.0, 0.68, 0.3], device=canvas.device)[:, None, None]
    image = canvas.picture * lerp(
        torch.ones_like(warm), torch.tensor([1.1, 0.92, 0.72], device=canvas.device)[:, None, None], canvas["gold"]
    )
    image = 1 - (1 - image.clamp(0, 1)) * (1 - (near * warm * canvas["flare"]).clamp(0, 1))
    return _grain(canvas, _curve(canvas, image))


def infrared_photo(canvas: Canvas) -> Tensor:
    picture = canvas.contents.pixels
    foliage = (picture[:, 1:2] - 0.5 * (picture[:, :1] + picture[:, 2:])).clamp(0, 1) * 3
    image = canvas.picture + foliage.clamp(0, 0.5) * lerp(
        torch.ones_like(canvas.colour(LIGHT)), canvas.palette[:, 4, :, None, None] * 1.2, canvas["false_colour"]
    )
    sky = smoothstep(0.0, 0.3, picture[:, 2:] - picture[:, :1])
    image = image * (1 - 0.55 * sky * canvas["dark_sky"])
    return _grain(
        canvas, _curve(canvas, 1 - (1 - image.clamp(0, 1)) * (1 - 0.5 * blur((image - 0.6).clamp(0, 1), 4.0))), 0.0
    )


def instant_photo(canvas: Canvas) -> Tensor:
    image = lerp(canvas.picture, blur(canvas.picture, 0.9), canvas["softness"])
    image = _grain(canvas, _curve(canvas, image))
    stain = canvas.texture("clouds", 0.4, salt=25)
    image = image + 0.04 * stain * torch.cat([canvas["stain"], canvas["stain"] * 0, -canvas["stain"]], 1)
    frame_x, frame_y = canvas.x.abs(), canvas.y + 0.045
    inside = smoothstep(0.462, 0.455, torch.maximum(frame_x * 1.06, frame_y.abs() * 1.13))
    return lerp(torch.full_like(image, 0.94) * (0.98 + 0.02 * canvas.colour(LIGHT)), image, inside)


def tilt_shift(canvas: Canvas) -> Tensor:
    image = canvas.picture
    away = ((canvas.y - 0.08 - 0.1 * (canvas.habit(33) - 0.5)).abs() - canvas["band"]).clamp_min(0)
    soft = lerp(image, blur(image, 2.5), smoothstep(0.0, 0.12, away))
    soft = lerp(soft, blur(image, 6.0), smoothstep(0.1, 0.35, away))
    grey = luma(soft)
    return _grain(canvas, _curve(canvas, grey + (soft - grey) * (1 + canvas["vibrance"])))


_FILM = {
    "palette": (0.05, 0.45),
    "grain": (0.005, 0.05),
    "grain_size": (1.1, 2.4),
    "curve": (0.0, 0.7),
    "split": (0.0, 0.7),
    "levelling": (0.3, 0.75),
    "fade": (0.0, 0.1),
    "vignette": (0.0, 0.35),
    "palette_softness": (0.02, 0.06),
}
_GRAINS = ("clean fine-grained surface", "fine film grain", "coarse film grain")
_LIGHTS = ("even", "even", "side", "low key", "high key", "misty", "glowing", "cool", "stark")
_MOODS = ("muted", "earthy", "natural", "rich", "vivid", "pastel")

FAMILIES: dict[str, Family] = {
    "film_photo": Family(
        film_photo,
        ("analogue film photography", "35mm film photography", "vintage film stock photography"),
        ("colour negative film", "expired colour film", "slide film"),
        ("grain", _GRAINS),
        ("softness", ("crisp focus", "gently soft focus", "dreamy soft focus")),
        {**_FILM, "softness": (0.0, 0.8), "halation": (0.0, 0.8)},
        _MOODS,
        _LIGHTS,
    ),
    "grading_preset": Family(
        grading_preset,
        ("cinematic colour grading", "moody editorial photography", "a social media photo filter"),
        ("graded digital photograph", "digital cinema still"),
        ("grain", _GRAINS),
        ("curve", ("faded flat contrast", "smooth contrast", "punchy contrast")),
        {**_FILM, "grain": (0.0, 0.04), "split": (0.4, 1.3), "cross": (-0.3, 0.7), "saturation": (0.4, 1.4)},
        _MOODS,
        _LIGHTS,
    ),
    "studio_photo": Family(
        studio_photo,
        ("studio product photography", "commercial studio photography"),
        ("digital studio photograph", "softbox photograph"),
        ("grain", ("flawless clean surface", "clean surface", "slight sensor noise")),
        ("pool", ("tight pool of light on the backdrop", "soft backdrop falloff", "seamless even backdrop")),
        {**_FILM, "grain": (0.0, 0.02), "pool": (0.06, 0.5), "isolate_subject": (0.4, 1.0), "split": (0.0, 0.3)},
        _MOODS,
        ("even", "side", "low key", "high key", "cool"),
    ),
    "black_white_photo": Family(
        black_white_photo,
        ("black and white photography", "monochrome documentary photography", "film noir photography"),
        ("silver gelatin print", "monochrome film"),
        ("grain", _GRAINS),
        ("curve", ("long soft tonal range", "balanced tonal range", "deep hard blacks")),
        {
            **_FILM,
            "grain": (0.01, 0.08),
            "red_filter": (0.0, 2.5),
            "blue_filter": (-0.2, 1.5),
            "toned": (0.0, 0.8),
            "split": (0.0, 0.5),
            "curve": (0.0, 1.0),
        },
        ("grey", "grey", "earthy"),
        _LIGHTS,
    ),
    "hdr_photo": Family(
        hdr_photo,
        ("HDR photography", "hyper-detailed tone-mapped photography"),
        ("tone-mapped photograph", "bracketed digital photograph"),
        ("clarity", ("enhanced local contrast", "gritty local contrast", "extreme haloed detail")),
        ("vibrance", ("restrained colour", "boosted colour", "hyper-saturated colour")),
        {**_FILM, "grain": (0.0, 0.04), "clarity": (0.5, 1.8), "vibrance": (0.0, 1.2)},
        _MOODS,
        ("even", "side", "stark", "cool", "glowing"),
    ),
    "golden_hour": Family(
        golden_hour,
        ("golden hour photography", "backlit sunset photography"),
        ("sunlit photograph", "warm natural light photograph"),
        ("grain", _GRAINS),
        ("flare", ("faint sun haze", "soft lens flare", "strong veiling flare")),
        {**_FILM, "gold": (0.4, 1.0), "flare": (0.3, 1.0), "flare_size": (0.06, 0.35), "warmth": (0.02, 0.05)},
        ("earthy", "natural", "vivid"),
        ("glowing",),
    ),
    "infrared_photo": Family(
        infrared_photo,
        ("infrared photography", "false-colour infrared photography"),
        ("infrared film", "converted infrared camera"),
        ("grain", _GRAINS),
        ("false_colour", ("ghostly white foliage", "tinted foliage", "vividly false-coloured foliage")),
        {**_FILM, "grain": (0.01, 0.06), "false_colour": (0.0, 1.0), "dark_sky": (0.3, 1.0), "palette": (0.3, 0.8)},
        ("grey", "vivid", "neon", "muted"),
        ("even", "high key", "stark"),
    ),
    "instant_photo": Family(
        instant_photo,
        ("instant film photography", "a faded instant snapshot"),
        ("instant film print", "peel-apart instant film"),
        ("stain", ("even emulsion", "faintly uneven emulsion", "blotchy emulsion")),
        ("softness", ("reasonably sharp focus", "soft focus", "hazy focus")),
        {
            **_FILM,
            "softness": (0.3, 1.0),
            "stain": (0.2, 1.5),
            "fade": (0.05, 0.12),
            "split": (0.2, 0.9),
            "contrast": (0.12, 0.19),
        },
        ("muted", "pastel", "earthy", "natural"),
        ("even", "glowing", "cool", "high key"),
    ),
    "tilt_shift": Family(
        tilt_shift,
        ("tilt-shift miniature photography", "toy-like miniature photography"),
        ("tilt-shift lens photograph", "selective focus photograph"),
        ("band", ("razor-thin focus band", "narrow focus band", "wide focus band")),
        ("vibrance", ("natural colour", "bright colour", "toy-like saturated colour")),
        {**_FILM, "grain": (0.0, 0.02), "band": (0.05, 0.2), "vibrance": (0.1, 0.9)},
        ("vivid", "natural", "pastel"),
        ("even", "high key", "side"),
    ),
}
