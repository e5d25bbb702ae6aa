"""Pictures that the tests draw, whole and broken."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image, ImageDraw


def draw(seed: int = 0, size: tuple[int, int] = (120, 80)) -> Image.Image:
    """A picture of flat ellipses with no symmetry; differs with the seed."""
    rng = np.random.default_rng(seed)
    width, height = size
    image = Image.new("RGB", size, tuple(rng.integers(0, 256, 3).tolist()))
    pen = ImageDraw.Draw(image)
    for _ in range(12):
        x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
        pen.ellipse([x, y, x + width // 3, y + height // 4], fill=tuple(rng.integers(0, 256, 3).tolist()))
    return image


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    """The picture as a file of this format."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_bomb(side: int = 50_000) -> bytes:
    """A well-formed PNG of side x side black pixels (1 bit each): 2.5 gigapixels in about 300 kB."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows, row = zlib.compressobj(9), bytes(1 + side // 8)
    data = b"".join(rows.compress(row * 100) for _ in range(side // 100)) + rows.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def assert_same_picture(one: Image.Image | np.ndarray, other: Image.Image | np.ndarray) -> None:
    """Asserts that two computed pictures (RGB, or uint8 arrays of any shape) are equal as far as arithmetic can be.

    Sums in float32 come out a last bit apart where memory is aligned otherwise, on other processors and thread counts.
    What was rounded to levels of 0 to 255 afterwards may then be one level off, in few places: here in 0.1 %.
    """
    levels = np.abs(np.asarray(one, np.int16) - np.asarray(other, np.int16))
    assert levels.max() <= 1, f"up to {levels.max()} levels apart"
    assert (levels > 0).mean() <= 0.001, f"{(levels > 0).mean():.2%} of the values differ"


def difference(one: Image.Image, other: Image.Image) -> float:
    """Mean absolute difference of two RGB pictures in levels of 0 to 255; their sizes must agree."""
    assert one.size == other.size and one.mode == other.mode == "RGB"
    return float(np.abs(np.asarray(one, np.int16) - np.asarray(other, np.int16)).mean())
