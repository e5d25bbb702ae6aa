"""Bytes become an upright picture, or an ImageError that says why not."""

import io
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from pictures import difference, draw, encode, png_bomb
from PIL import Image

from stylesearch.errors import ImageError
from stylesearch.formats import EXTENSIONS, SIGNATURE_BYTES, format_of
from stylesearch.images import Preprocess, fit, load_pixels, read_image, thumbnail
from stylesearch.records import Limits

PREPROCESS = Preprocess(32)

# format, options of the writer, how far the decoded picture may lie from the drawn one (lossy formats)
WRITERS: list[tuple[str, dict[str, Any], float]] = [
    ("JPEG", {"quality": 95}, 6),
    ("JPEG", {"progressive": True, "quality": 95}, 6),
    ("PNG", {}, 0),
    ("PNG", {"interlace": 1}, 0),
    ("WEBP", {"quality": 95}, 6),
    ("WEBP", {"lossless": True}, 0),
    ("GIF", {}, 2),
    ("BMP", {}, 0),
    ("TIFF", {}, 0),
    ("TIFF", {"compression": "tiff_lzw"}, 0),
    ("TIFF", {"compression": "tiff_deflate", "big_tiff": True}, 0),
    ("AVIF", {"quality": 95}, 6),
    ("JPEG2000", {}, 0),
    ("PPM", {}, 0),
]


def reason(data: bytes, limits: Limits | None = None) -> str:
    with pytest.raises(ImageError) as caught:
        read_image(data, limits=limits or Limits())
    return caught.value.reason


@pytest.mark.parametrize(("kind", "options", "tolerance"), WRITERS)
def test_formats_are_told_by_content(kind: str, options: dict[str, Any], tolerance: float, tmp_path: Path) -> None:
    path = tmp_path / "picture.misleading"
    path.write_bytes(encode(draw(), kind, **options))
    assert difference(read_image(path), draw()) <= tolerance
    decoded = load_pixels(path.read_bytes(), PREPROCESS)
    assert (decoded.format, decoded.width, decoded.height) == (kind, 120, 80)
    assert decoded.pixels.shape == (32, 32, 3) and decoded.pixels.dtype == np.uint8


@pytest.mark.parametrize(("kind", "options"), [writer[:2] for writer in WRITERS])
@pytest.mark.parametrize("kept", [0.05, 0.2, 0.5, 0.8, 0.97])
def test_truncated_files_are_refused(kind: str, options: dict[str, Any], kept: float) -> None:
    data = encode(draw(), kind, **options)
    # Where the header itself is cut, some decoders cannot tell whether bytes are missing or wrong.
    vague = kept == 0.05
    assert reason(data[: int(len(data) * kept)]) in ({"truncated", "damaged"} if vague else {"truncated"})


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_upright(kind: str, orientation: int) -> None:
    upright = draw()
    transpose = Image.Transpose
    stored = {  # what a camera held that way has written: the inverse of the turn that the tag asks for
        2: transpose.FLIP_LEFT_RIGHT,
        3: transpose.ROTATE_180,
        4: transpose.FLIP_TOP_BOTTOM,
        5: transpose.TRANSPOSE,
        6: transpose.ROTATE_90,
        7: transpose.TRANSVERSE,
        8: transpose.ROTATE_270,
    }
    image = upright.transpose(stored[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[274] = orientation
    options = {"lossless": True} if kind == "WEBP" else {"quality": 95, "subsampling": 0} if kind == "JPEG" else {}
    data = encode(image, kind, exif=exif, **options)
    assert difference(read_image(data), upright) < 4
    decoded = load_pixels(data, PREPROCESS)
    assert (decoded.width, decoded.height) == upright.size == decoded.picture.size


def test_large_jpeg_is_drafted_and_reports_its_whole_upright_size() -> None:
    upright = draw(size=(2400, 1600))
    exif = Image.Exif()
    exif[274] = 6
    data = encode(upright.transpose(Image.Transpose.ROTATE_90), "JPEG", quality=95, exif=exif)
    decoded = load_pixels(data, PREPROCESS)
    assert (decoded.width, decoded.height) == (2400, 1600)
    assert decoded.picture.size == (1200, 800)  # half: a quarter would leave the short side under 512
    assert np.abs(decoded.pixels.astype(int) - fit(upright, PREPROCESS)).mean() < 3
    assert load_pixels(data, Preprocess(448)).picture.size == (2400, 1600)  # half would be under 2 x 448
    assert read_image(data).size == (2400, 1600)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("exif", [b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0" + bytes(40)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_bad_metadata_does_not_cost_the_picture(exif: bytes, kind: str) -> None:
    assert read_image(encode(draw(), kind, exif=exif)).size == (120, 80)


def test_unknown_orientation_is_ignored() -> None:
    exif = Image.Exif()
    exif[274] = 77
    assert difference(read_image(encode(draw(), "PNG", exif=exif)), draw()) == 0


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF", "MPO", "AVIF"])
def test_first_frame_of_many(kind: str) -> None:
    frames = [draw(seed) for seed in range(3)]
    options = {"quality": 95} if kind in ("WEBP", "MPO", "AVIF") else {}
    data = encode(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert difference(read_image(data), frames[0]) < 6


def test_empty_text_and_foreign_content() -> None:
    assert reason(b"") == "empty"
    assert reason(b"this is text, whatever its name says") == "not-an-image"
    assert reason(b"BM is also how this sentence begins, of course") == "not-an-image"
    assert reason(b"\xff\x0a" + bytes(100)) == "unsupported"  # JPEG XL
    assert reason(b"\x76\x2f\x31\x01" + bytes(100)) == "unsupported"  # OpenEXR
    assert reason(b"\xff\xd8\xff\xe0" + bytes(500)) in ("damaged", "truncated")
    assert reason(b"II*\0" + b"\xff" * 200) in ("damaged", "truncated")


def test_bombs_are_refused_by_their_header() -> None:
    bomb = png_bomb()
    assert len(bomb) < 400_000
    assert reason(bomb) == "too-large"
    assert reason(encode(draw(), "PNG"), Limits(max_pixels=9_599)) == "too-large"
    assert reason(encode(draw(), "PNG"), Limits(max_bytes=100)) == "too-large"
    assert read_image(encode(draw(), "PNG"), limits=Limits(max_pixels=9_600)).size == (120, 80)


def test_tiff_declaring_more_than_the_cap_is_refused() -> None:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.zeros((40, 40, 3), np.float32), photometric="rgb")
    assert reason(buffer.getvalue(), Limits(max_pixels=1_599)) == "too-large"


def test_pictures_without_pixels_are_refused() -> None:
    assert reason(b"P6 0 0 255\n") == "damaged"
    png = bytearray(encode(draw(), "PNG"))
    png[16:24] = struct.pack(">II", 0, 0)
    assert reason(bytes(png)) == "damaged"


def test_limits_of_pillow_belong_to_the_application() -> None:
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = 10
    try:
        assert read_image(encode(draw(), "PNG")).size == (120, 80)
        assert Image.MAX_IMAGE_PIXELS == 10
    finally:
        Image.MAX_IMAGE_PIXELS = before


@pytest.mark.parametrize("size", [(1, 1), (100_000, 1), (1, 3000)])
def test_extreme_shapes(size: tuple[int, int]) -> None:
    data = encode(Image.new("RGB", size, (200, 30, 60)), "PNG")
    decoded = load_pixels(data, Preprocess(32, mode="squash"))
    assert (decoded.pixels == (200, 30, 60)).all()
    small = Image.open(io.BytesIO(thumbnail(decoded.picture)))
    assert max(small.size) == min(320, max(size)) and min(small.size) >= 1


def test_thumbnail_keeps_the_shape() -> None:
    small = Image.open(io.BytesIO(thumbnail(draw(size=(1600, 800)))))
    assert (small.format, small.size) == ("WEBP", (320, 160))
    assert difference(small.convert("RGB"), draw(size=(1600, 800)).resize((320, 160))) < 8


def test_paths_that_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "link.png").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    expected = {"pipe.jpg": "not-a-file", "folder.png": "not-a-file", "link.png": "missing", "loop.png": "missing"}
    for name, word in expected.items():
        with pytest.raises(ImageError, match=name) as caught:
            read_image(tmp_path / name)
        assert caught.value.reason == word


def test_errors_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.png")
    path.write_bytes(b"")
    with pytest.raises(ImageError, match=r"caf\\xe9.png': The file is empty"):
        read_image(path)


def test_signatures_are_within_the_bytes_that_are_looked_at() -> None:
    for kind, options, _ in WRITERS:
        data = encode(draw(), kind, **options)
        assert format_of(data[:SIGNATURE_BYTES]) == kind
    assert format_of(b"") is None
    assert {".jpg", ".heic"} <= EXTENSIONS
    assert all(extension == extension.lower() and extension.startswith(".") for extension in EXTENSIONS)
