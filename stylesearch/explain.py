"""Why one picture is like another in style: where in both of them, and in what.

Everything here is a pure function over pictures and an encoder; `Library.explain` finds the pictures.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from stylesearch.encoders.base import Encoder
from stylesearch.errors import UsageError
from stylesearch.images import fit, shown_box
from stylesearch.query import Box
from stylesearch.traits import Likeness, likeness_of, traits_of

# Shades of a map of even parts differ by rounding and grain alone; below this range of cosines they stay close.
_LEAST_RANGE = 0.25

_HALF_SHEET, _MARGIN = 1024, 24  # pixels, of a heat map that is written

# From unlike to alike, red, green, blue: black body colours, whose lightness grows evenly, so that they can be told
# apart by everybody and in print. Five colours of matplotlib's "inferno" (van der Walt and Smith, CC0).
_COLOURS = np.array([(0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164)], np.float32)


@dataclass(frozen=True, slots=True)
class Heat:
    """How alike the parts of one picture are to the style of another.

    Attributes:
        cosines: float32 (gh, gw) in [-1, 1]: of each part, the mean over all parts of the other picture.
        box: which part of the picture the grid covers: left, top, right and bottom edge as shares of width and height.
            An encoder that sees the middle of a picture alone leaves the rest without a cosine.
    """

    cosines: np.ndarray
    box: Box


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a picture is like a reference, or is not.

    Attributes:
        cosine: of the two whole pictures, in [-1, 1], as a search gives it.
        traits: how alike they are in colour, tone, texture and line, each from 0 to 1.
        heat: where in the picture the reference's style is.
        reference_heat: where in the reference the picture's style is.
        low, high: cosines that are shown as cold and as hot, the same for both; `high` is how alike parts of the
            reference are to each other.
    """

    cosine: float
    traits: Likeness
    heat: Heat
    reference_heat: Heat
    low: float
    high: float

    def shades(self, heat: Heat) -> np.ndarray:
        """One of the two maps for the eye: float32 (gh, gw), 0 cold to 1 hot."""
        return np.clip((heat.cosines - self.low) / (self.high - self.low), 0, 1).astype(np.float32)


def explain(encoder: Encoder, reference: Image.Image, picture: Image.Image) -> Explanation:
    """Compares two pictures as a whole, part by part, and trait by trait.

    Args:
        encoder: whose parts are compared; see `Encoder.patches_pixels` for what that costs.
        reference, picture: mode RGB, upright, sRGB, of any size.

    Raises:
        EncoderError: the encoder gave numbers that are not finite.
    """
    pixels = np.stack([fit(one, encoder.preprocess) for one in (reference, picture)])
    whole = encoder.embed_pixels(pixels)
    parts = encoder.patches_pixels(pixels)
    rows, columns, dim = parts.shape[1:]
    theirs, ours = parts.reshape(2, rows * columns, dim)
    across, within = ours @ theirs.T, theirs @ theirs.T
    heat, reference_heat = across.mean(1), across.mean(0)
    high = float(within.mean())
    low = min(float(heat.min()), float(reference_heat.min()), high - _LEAST_RANGE)
    return Explanation(
        cosine=float(np.clip(whole[0] @ whole[1], -1, 1)),
        traits=likeness_of(traits_of(reference), traits_of(picture)),
        heat=Heat(heat.reshape(rows, columns), shown_box(encoder.preprocess, *picture.size)),
        reference_heat=Heat(reference_heat.reshape(rows, columns), shown_box(encoder.preprocess, *reference.size)),
        low=low,
        high=high,
    )


def heat_colours(shades: np.ndarray, scale: int = 1) -> Image.Image:
    """A heat map to be laid over the picture.

    Args:
        shades: float (gh, gw), 0 cold to 1 hot.
        scale: pixels along a part's side; between the middles of parts, shades are blended.

    Returns:
        mode RGB, gw * scale by gh * scale pixels.
    """
    rows, columns = shades.shape
    smooth = Image.fromarray(shades.astype(np.float32)).resize(
        (columns * scale, rows * scale), Image.Resampling.BICUBIC if scale > 1 else Image.Resampling.NEAREST
    )
    position = np.clip(np.asarray(smooth), 0, 1)[..., None] * (len(_COLOURS) - 1)
    below = np.minimum(position.astype(np.intp), len(_COLOURS) - 2)
    first, second = _COLOURS[below[..., 0]], _COLOURS[below[..., 0] + 1]
    return Image.fromarray(np.round(first + (second - first) * (position - below)).astype(np.uint8))


def heat_over(picture: Image.Image, shades: np.ndarray, box: Box, strength: float = 0.6) -> Image.Image:
    """A picture with its heat map over it.

    Args:
        picture: mode RGB.
        shades: as for `heat_colours`.
        box: `Heat.box`.
        strength: how much of what is seen is heat, 0 to 1.

    Returns:
        mode RGB, of the picture's size.
    """
    left, top, right, bottom = (round(share * length) for share, length in zip(box, picture.size * 2, strict=True))
    colours = heat_colours(shades, 16).resize((max(1, right - left), max(1, bottom - top)), Image.Resampling.BICUBIC)
    layer = picture.copy()
    layer.paste(colours, (left, top))
    return Image.blend(picture, layer, strength)


def write_heat(
    explanation: Explanation, reference: Image.Image, picture: Image.Image, path: str | os.PathLike[str]
) -> None:
    """Writes the reference and, right of it, the picture, each with its heat map over it.

    Args:
        reference, picture: that were compared; mode RGB.
        path: ".png", ".jpg" or ".webp".

    Raises:
        UsageError: another kind of file, or a folder that cannot be written.
    """
    target = Path(path)
    if target.suffix.lower() not in (".png", ".jpg", ".jpeg", ".webp"):
        raise UsageError(f"The heat map '{target}' must end in .png, .jpg or .webp.")
    sheet = Image.new("RGB", (2 * _HALF_SHEET, _HALF_SHEET), "white")
    for left, one, heat in ((0, reference, explanation.reference_heat), (_HALF_SHEET, picture, explanation.heat)):
        scale = (_HALF_SHEET - _MARGIN) / max(one.size)
        size = (max(1, round(one.width * scale)), max(1, round(one.height * scale)))
        small = one.resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0)
        at = (left + (_HALF_SHEET - size[0]) // 2, (_HALF_SHEET - size[1]) // 2)
        sheet.paste(heat_over(small, explanation.shades(heat), heat.box), at)
    try:
        sheet.save(target)
    except OSError as exc:
        raise UsageError(f"The heat map '{target}' cannot be written ({exc.strerror or exc}).") from exc
