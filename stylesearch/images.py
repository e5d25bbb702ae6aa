"""The frontier where bytes become pixels: one decoder and one resampling, for indexing and for querying alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

# Version of everything below that changes pixels. It is part of every space: raise it with any such change.
DECODER_VERSION = 1

FitMode = Literal["squash", "crop", "pad"]
Filter = Literal["bilinear", "bicubic", "lanczos"]


@dataclass(frozen=True, slots=True)
class Preprocess:
    """How a picture is brought to the square that an encoder takes.

    Attributes:
        size: side of the square in pixels.
        mode: "squash" ignores the aspect ratio (SigLIP), "crop" keeps the centre square (CLIP), "pad" keeps all of the
            picture and fills with white.
        filter: Pillow's resampling filter, antialiased.
    """

    size: int
    mode: FitMode = "squash"
    filter: Filter = "bicubic"

    @property
    def version(self) -> str:
        """Names the decoder, fit and filter; part of the space."""
        return f"v{DECODER_VERSION}-{self.mode}-{self.filter}-{self.size}"


def fit(image: Image.Image, preprocess: Preprocess) -> np.ndarray:
    """Brings an upright picture to the encoder's square.

    Returns:
        uint8 (S, S, 3), sRGB.
    """
    image = image.convert("RGB")
    side, (width, height) = preprocess.size, image.size
    resample = Image.Resampling[preprocess.filter.upper()]
    if preprocess.mode == "squash":
        return np.asarray(image.resize((side, side), resample))
    if preprocess.mode == "crop":
        short = min(width, height)
        left, top = (width - short) / 2, (height - short) / 2
        return np.asarray(image.resize((side, side), resample, box=(left, top, left + short, top + short)))
    scale = side / max(width, height)
    inner = image.resize((max(1, round(width * scale)), max(1, round(height * scale))), resample)
    canvas = Image.new("RGB", (side, side), "white")
    canvas.paste(inner, ((side - inner.width) // 2, (side - inner.height) // 2))
    return np.asarray(canvas)
