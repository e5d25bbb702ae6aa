"""Vectors of two ways to make pixels must not meet: whoever changes the pixels raises `images.DECODER_VERSION`."""

from __future__ import annotations

import numpy as np

from benchmarks.seeds import seed_files
from stylesearch.images import DECODER_VERSION, Preprocess, load_pixels

# RGB of the quarters of each seed, row by row, in the version of the decoders that is named. Where this fails after a
# change of ours, raise the version, so that libraries notice that they were filled in another way, and write down the
# new pixels; after an update of a decoder library, see first how far they have moved.
VERSION = 1
PIXELS = {
    "sixteen.png": "b2b2b2 b3b3b3 b0b0b0 a3a3a3",
    "alpha.png": "e7dacf e5e2d2 c69c83 bf948d",
    "drawing.svg": "909055 4a5986 7f8361 784b57",
    "packed.svgz": "909055 4a5986 7f8361 784b57",
    "sensor.dng": "c18e6d c19b6d be7e53 af7b66",
    "preview.dng": "b6876a b59368 b27753 a57261",
}
ALL_OTHERS = "b28469 b39167 b0734f a3705e"
TOLERANCE = 4  # levels: lossy formats, and libraries of other versions and processors


def test_pixels_are_those_of_the_version() -> None:
    moved = {}
    for name, data in seed_files().items():
        expected = np.frombuffer(bytes.fromhex(PIXELS.get(name, ALL_OTHERS)), np.uint8).reshape(2, 2, 3)
        pixels = load_pixels(data, Preprocess(2)).pixels
        if np.abs(pixels.astype(int) - expected).max() > TOLERANCE:
            moved[name] = pixels.tobytes().hex(" ", 3)
    assert not moved
    assert DECODER_VERSION == VERSION
