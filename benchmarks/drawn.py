"""Files to measure the indexer with: drawn pictures, and broken ones of every kind."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw


def draw_files(folder: Path, count: int, size: tuple[int, int] = (320, 240)) -> None:
    """`count` different JPEG files, in subfolders of 500."""
    for number in range(count):
        path = folder / f"{number // 500:04d}" / f"{number:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        draw(number, size).save(path, quality=90)


def draw(seed: int, size: tuple[int, int]) -> Image.Image:
    """Ellipses in random colours; differs with the seed."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", size, tuple(rng.integers(0, 256, 3).tolist()))
    pen = ImageDraw.Draw(image)
    for _ in range(20):
        x, y = int(rng.integers(0, size[0])), int(rng.integers(0, size[1]))
        pen.ellipse([(x, y), (x + size[0] // 4, y + size[1] // 4)], fill=tuple(rng.integers(0, 256, 3).tolist()))
    return image


def write_bad_files(folder: Path) -> int:
    """About thirty things that are named like pictures and cannot be used; returns how many."""
    png, jpeg, tiff = (_encoded(kind) for kind in ("PNG", "JPEG", "TIFF"))
    files = {
        "empty.jpg": b"",
        "empty.png": b"",
        "text.jpg": b"this is text\n",
        "byte.jpg": b"\xff",
        "page.png": b"<html><body>404</body></html>",
        "zeros.jpg": bytes(100_000),
        "noise.png": np.random.default_rng(0).bytes(10_000),
        "header.jpg": b"\xff\xd8\xff\xe0" + bytes(200),
        "bomb.png": png_bomb(50_000),
        "wide.png": png[:16] + struct.pack(">II", 2**31 - 1, 1) + png[24:],
        "broken.tif": tiff[:8] + b"\xff" * 1000,
        "loop.tif": b"II*\0\x08\0\0\0\0\0\x08\0\0\0",
        "phone.heic": b"\0\0\0\x18ftypheic" + bytes(100),
        "page.psd": b"8BPS\0\1" + bytes(100),
        os.fsdecode(b"caf\xe9.png"): png[:1000],
    }
    for part in range(1, 6):
        files[f"cut{part}.jpg"] = jpeg[: len(jpeg) * part // 6]
        files[f"cut{part}.png"] = png[: len(png) * part // 6]
    files["cut.tif"] = tiff[: len(tiff) // 2]
    for name, data in files.items():
        (folder / name).write_bytes(data)
    (folder / "dangling.png").symlink_to(folder / "nowhere")
    (folder / "circle.png").symlink_to(folder / "circle.png")
    (folder / "folder.png").mkdir()
    os.mkfifo(folder / "pipe.jpg")
    others = 4
    if os.geteuid() != 0:  # permissions do not stop root
        (folder / "locked.png").write_bytes(png)
        (folder / "locked.png").chmod(0)
        others += 1
    return len(files) + others


def png_bomb(side: int) -> bytes:
    """A well-formed PNG of side x side black pixels of 1 bit: for 50,000 that is 2.5 gigapixels in 300 kB."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows, row = zlib.compressobj(9), bytes(1 + (side + 7) // 8)
    data = b"".join(rows.compress(row) for _ in range(side)) + rows.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def _encoded(kind: str) -> bytes:
    buffer = io.BytesIO()
    draw(999, (400, 300)).save(buffer, kind)
    return buffer.getvalue()
