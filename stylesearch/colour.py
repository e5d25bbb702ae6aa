"""From any Pillow mode to 8-bit sRGB over white: bit depth, palette, alpha, CMYK, Lab and ICC profiles."""

from __future__ import annotations

import io
from functools import lru_cache
from itertools import product

import numpy as np
from PIL import Image, ImageCms

_SRGB = ImageCms.createProfile("sRGB")
_BITS, _PHOTOMETRIC = 258, 262  # TIFF tags BitsPerSample, PhotometricInterpretation
_MODE_OF_SPACE = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}


def to_srgb(image: Image.Image) -> Image.Image:
    """Converts a loaded picture; transparent parts turn white, as on paper.

    A profile that is broken, or that does not describe the picture's kind of colour, is ignored: the pixels are good.

    Returns:
        A new picture of mode RGB with an empty `info`, so that saving it embeds no profile of another picture.
    """
    profile = image.info.get("icc_profile")
    image = _eight_bits(image)
    alpha = None
    if image.has_transparency_data:
        image = image.convert("LA" if image.mode in ("1", "L", "LA", "La") else "RGBA")
        alpha = image.getchannel("A")
        image = image.convert(image.mode[:-1])
    elif image.mode == "1":
        image = image.convert("L")
    elif image.mode not in _MODE_OF_SPACE.values():
        image = image.convert("RGB")
    picture = _managed(image, profile)
    if alpha is not None:
        white = Image.new("RGB", picture.size, "white")
        white.paste(picture, mask=alpha)
        picture = white
    picture.info = {}
    return picture


def scaled_by_range(values: np.ndarray) -> np.ndarray:
    """Brings numbers of unknown meaning to 8 bits.

    Values that all lie in [0, 1] are taken for intensities as they are; others are stretched so that the smallest turns
    black and the largest white. Not-a-number turns black.

    Args:
        values: float or integer, any shape.

    Returns:
        uint8, the same shape.
    """
    values = values.astype(np.float32)
    finite = np.isfinite(values)
    values[~finite] = values[finite].min() if finite.any() else 0
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    if low < 0 or high > 1:
        values -= low
        values /= (high - low) or 1
    values *= 255
    scaled: np.ndarray = np.rint(values).astype(np.uint8)
    return scaled


def _eight_bits(image: Image.Image) -> Image.Image:
    # Pillow's own conversions clip these modes at 255 instead of scaling them.
    if image.mode.startswith("I;16"):
        # High bytes, which is also how Pillow reads 16 bits per channel of colour. A TIFF may use fewer bits.
        tags = getattr(image, "tag_v2", {})
        bits = tags.get(_BITS, (16,))[0]
        values = (np.asarray(image) >> (bits - 8)).clip(0, 255).astype(np.uint8)
        if tags.get(_PHOTOMETRIC) == 0:  # white is zero
            values = 255 - values
    elif image.mode == "I" and image.format == "PPM":
        values = (np.asarray(image) >> 8).astype(np.uint8)  # Pillow brings every maximum to 65535
    elif image.mode in ("I", "F"):
        values = scaled_by_range(np.asarray(image))
    else:
        _shorten_key(image)
        return image
    grey = Image.fromarray(values)
    if "transparency" in image.info and image.mode.startswith("I;16"):
        grey.info["transparency"] = image.info["transparency"] >> 8
    return grey


def _shorten_key(image: Image.Image) -> None:
    # The transparent colour of a PNG with 16 bits per channel has 16 bits too; Pillow has kept the high bytes only.
    key = image.info.get("transparency")
    if image.mode == "RGB" and isinstance(key, tuple) and max(key) > 255:
        image.info["transparency"] = tuple(part >> 8 for part in key)


def _managed(image: Image.Image, profile: bytes | None) -> Image.Image:
    found = _transform(profile) if profile else None
    if found:
        mode, transform = found
        if image.mode == mode or (image.mode, mode) == ("L", "RGB"):
            return transform.apply(image.convert(mode))
    return image.convert("RGB")


@lru_cache(maxsize=8)
def _transform(profile: bytes) -> tuple[str, ImageCms.ImageCmsTransform] | None:
    """The mode that a profile describes and the way from it to sRGB; None where there is none, or nothing to do."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = _MODE_OF_SPACE[source.profile.xcolor_space.strip()]
        transform = ImageCms.buildTransform(
            source,
            _SRGB,
            mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (OSError, KeyError, ImageCms.PyCMSError):
        return None
    # Most profiles are sRGB itself under one of its many names. Leaving those out is faster and loses nothing.
    if mode == "RGB":
        levels = range(0, 256, 51)
        cube = np.array(list(product(levels, levels, levels)), np.uint8)[None]
        if np.abs(np.asarray(transform.apply(Image.fromarray(cube))).astype(int) - cube).max() <= 1:
            return None
    return mode, transform
