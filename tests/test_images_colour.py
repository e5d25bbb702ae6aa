"""Colour, bit depth and transparency end in 8-bit sRGB over white."""

import io
import struct
from typing import Any

import numpy as np
import pytest
import tifffile
from pictures import difference, draw, encode
from PIL import Image, ImageCms

from stylesearch.colour import scaled_by_range, to_srgb
from stylesearch.errors import ImageError
from stylesearch.images import read_image

RAMP = np.linspace(0, 255, 256).astype(np.uint8)[None].repeat(8, 0)  # uint8 (8, 256): every grey


def profile(space: bytes, tags: dict[bytes, bytes], connection: bytes = b"XYZ ") -> bytes:
    """An ICC profile (ICC.1:2001-04) with these tags."""
    table, body, start = b"", b"", 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        data += bytes(-len(data) % 4)
        table += struct.pack(">4sII", name, start + len(body), len(data))
        body += data
    white = struct.pack(">III", 0xF6D6, 0x10000, 0xD32D)  # D50
    kind = b"prtr" if space == b"CMYK" else b"mntr"
    head = struct.pack(">I4sI4s4s4s12s4s", start + len(body), b"", 0x02400000, kind, space, connection, b"", b"acsp")
    head = head.ljust(68, b"\0") + white
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def xyz(x: float, y: float, z: float) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">iii", *(round(value * 65536) for value in (x, y, z)))


def gamma(exponent: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(exponent * 256))


def swapped_profile() -> bytes:
    """sRGB's primaries (D50, ICC's own table) with red and green exchanged, at gamma 2.2."""
    curve = {name: gamma(2.2) for name in (b"rTRC", b"gTRC", b"bTRC")}
    red, green, blue = xyz(0.4361, 0.2225, 0.0139), xyz(0.3851, 0.7169, 0.0971), xyz(0.1431, 0.0606, 0.7141)
    return profile(b"RGB ", {b"wtpt": xyz(0.9642, 1, 0.8249), b"rXYZ": green, b"gXYZ": red, b"bXYZ": blue} | curve)


def cmyk_profile() -> bytes:
    """Paper is white; full ink of any kind is the same mid grey (L* = 50). A table of 2 x 2 x 2 x 2 points."""
    identity = bytes(range(256))
    points = bytes([255, 128, 128]) + bytes([128, 128, 128]) * 15
    matrix = struct.pack(">9i", *(65536 if i % 4 == 0 else 0 for i in range(9)))
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + matrix + identity * 4 + points + identity * 3
    return profile(b"CMYK", {b"wtpt": xyz(0.9642, 1, 0.8249), b"A2B0": table}, connection=b"Lab ")


def tiff(values: np.ndarray, **options: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, **options)
    return buffer.getvalue()


def grey(values: np.ndarray) -> Image.Image:
    return Image.fromarray(values.astype(np.uint8)).convert("RGB")


def test_rgb_profile_is_applied() -> None:
    expected = Image.merge("RGB", [draw().getchannel(band) for band in "GRB"])
    for kind in ("PNG", "TIFF", "WEBP"):
        options = {"lossless": True} if kind == "WEBP" else {}
        image = read_image(encode(draw(), kind, icc_profile=swapped_profile(), **options))
        assert difference(image, expected) < 3  # gamma 2.2 is not quite sRGB's curve
        assert "icc_profile" not in image.info  # saving it must not apply the profile twice


def test_srgb_profile_changes_nothing() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert difference(read_image(encode(draw(), "PNG", icc_profile=srgb)), draw()) == 0


def test_grey_profile_is_applied() -> None:
    linear = profile(b"GRAY", {b"wtpt": xyz(0.9642, 1, 0.8249), b"kTRC": gamma(1.0)})
    image = read_image(encode(Image.fromarray(RAMP), "PNG", icc_profile=linear))
    light = RAMP / 255
    expected = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055) * 255  # IEC 61966-2-1
    assert difference(image, grey(np.rint(expected))) < 1


def test_cmyk_profile_is_applied() -> None:
    ink = np.zeros((8, 16, 4), np.uint8)
    ink[:, 8:, 0] = 255  # cyan
    for kind in ("TIFF", "JPEG"):
        image = np.asarray(read_image(encode(Image.fromarray(ink, "CMYK"), kind, icc_profile=cmyk_profile())))
        assert image[:, :6].min() > 250
        assert np.abs(image[:, 10:].astype(int) - 119).max() <= 3  # L* = 50 is 119 in sRGB, and has no hue


def test_cmyk_without_profile() -> None:
    ink = np.zeros((8, 8, 4), np.uint8)
    ink[..., 1:3] = 255  # magenta and yellow make red; JPEG stores it inverted, as Adobe does
    for kind in ("TIFF", "JPEG"):
        image = np.asarray(read_image(encode(Image.fromarray(ink, "CMYK"), kind)))
        assert np.abs(image.astype(int) - (255, 0, 0)).max() <= 2


def test_lab() -> None:
    lab = ImageCms.profileToProfile(
        draw(), ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    assert lab is not None
    assert difference(read_image(encode(lab, "TIFF")), draw()) < 4


@pytest.mark.parametrize(
    "broken", [b"nonsense", swapped_profile()[:200], b"\xff" * 3000, cmyk_profile()], ids=["text", "cut", "ff", "cmyk"]
)
def test_useless_profile_is_ignored(broken: bytes) -> None:
    assert difference(read_image(encode(draw(), "PNG", icc_profile=broken)), draw()) == 0


def test_grey_picture_with_rgb_profile() -> None:
    image = read_image(encode(Image.fromarray(RAMP), "PNG", icc_profile=swapped_profile()))
    assert difference(image, grey(RAMP)) < 3


@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_sixteen_bits_are_scaled_and_not_clipped(byteorder: str) -> None:
    deep = RAMP.astype(np.uint16) * 257
    colour = np.asarray(draw()).astype(np.uint16) * 257
    assert difference(read_image(tiff(deep, byteorder=byteorder)), grey(RAMP)) == 0
    assert difference(read_image(tiff(deep, byteorder=byteorder, photometric="miniswhite")), grey(255 - RAMP)) == 0
    assert difference(read_image(tiff(colour, byteorder=byteorder, photometric="rgb")), draw()) == 0
    planes = np.moveaxis(colour, -1, 0)
    separate = tiff(planes, byteorder=byteorder, photometric="rgb", planarconfig="separate")
    assert difference(read_image(separate), draw()) == 0


def test_sixteen_bits_in_png_and_pgm() -> None:
    deep = RAMP.astype(np.uint16) * 257
    assert difference(read_image(encode(Image.fromarray(deep), "PNG")), grey(RAMP)) == 0
    assert difference(read_image(b"P5 256 8 65535\n" + deep.astype(">u2").tobytes()), grey(RAMP)) == 0
    shallow = b"P5 256 8 1023\n" + (RAMP.astype(np.uint16) * 4 + 2).astype(">u2").tobytes()
    assert difference(read_image(shallow), grey(RAMP)) < 1


def test_float_tiff() -> None:
    unit = np.asarray(draw(), np.float32) / 255
    assert difference(read_image(tiff(unit, photometric="rgb")), draw()) == 0
    assert difference(read_image(tiff(unit.astype(np.float16), photometric="rgb")), draw()) < 1
    assert difference(read_image(tiff(RAMP / np.float32(255))), grey(RAMP)) == 0
    assert difference(read_image(tiff(RAMP.astype(np.float32) * 40 - 3000)), grey(RAMP)) < 1  # by range


def test_wide_integers_are_scaled_by_range() -> None:
    assert difference(read_image(tiff(RAMP.astype(np.int32) * 1000 - 7)), grey(RAMP)) < 1
    assert difference(read_image(tiff(RAMP.astype(np.int16) * 128)), grey(RAMP)) < 1
    colour = np.asarray(draw()).astype(np.uint32)
    low, high = colour.min(), colour.max()
    expected = Image.fromarray(np.rint((colour - low) / (high - low) * 255).astype(np.uint8))
    assert difference(read_image(tiff(colour, photometric="rgb")), expected) < 1


def test_scaling_by_range_survives_what_is_not_a_number() -> None:
    values = np.array([np.nan, -1, 0, 1, np.inf], np.float32)
    assert scaled_by_range(values).tolist() == [0, 0, 128, 255, 0]
    assert scaled_by_range(np.full(3, np.nan)).tolist() == [0, 0, 0]
    assert scaled_by_range(np.full(3, 7)).tolist() == [0, 0, 0]


def test_one_bit_and_palette() -> None:
    bits = draw().convert("1")
    for kind, options in [("PNG", {}), ("TIFF", {"compression": "group4"}), ("BMP", {}), ("PPM", {})]:
        assert difference(read_image(encode(bits, kind, **options)), bits.convert("RGB")) == 0
    palette = draw().quantize(9)
    for kind in ("PNG", "GIF", "BMP", "TIFF"):
        assert difference(read_image(encode(palette, kind)), palette.convert("RGB")) == 0


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_transparency_turns_white(kind: str) -> None:
    alpha = Image.new("L", (120, 80), 0)
    alpha.paste(255, (0, 0, 40, 80))
    alpha.paste(128, (40, 0, 80, 80))
    image = draw()
    image.putalpha(alpha)
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    white = Image.new("RGB", image.size, "white")
    expected = Image.composite(draw(), white, alpha)
    assert difference(read_image(encode(image, kind, **options)), expected) < 1


def test_transparent_grey_palette_and_key_colours() -> None:
    grey_alpha = Image.merge("LA", [Image.new("L", (8, 8), 10), Image.new("L", (8, 8), 0)])
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, 200, 0, 0])
    keyed: list[tuple[Image.Image, dict[str, Any]]] = [
        (grey_alpha, {}),
        (palette, {"transparency": 1}),
        (Image.new("L", (8, 8), 77), {"transparency": 77}),
        (Image.new("RGB", (8, 8), (1, 2, 3)), {"transparency": (1, 2, 3)}),
        (Image.new("1", (8, 8), 0), {"transparency": 0}),
        (Image.fromarray(np.full((8, 8), 5000, np.uint16)), {"transparency": 5000}),
    ]
    for image, options in keyed:
        assert (np.asarray(read_image(encode(image, "PNG", **options))) == 255).all(), image.mode
    assert (np.asarray(read_image(encode(palette, "GIF", transparency=1))) == 255).all()


def test_profile_is_applied_before_blending() -> None:
    image = Image.new("RGBA", (8, 8), (255, 0, 0, 128))
    pixel = np.asarray(read_image(encode(image, "PNG", icc_profile=swapped_profile())))[0, 0]
    assert np.abs(pixel.astype(int) - (127, 255, 127)).max() <= 3


def test_given_picture_is_left_alone() -> None:
    image = draw().quantize(5)
    image.info["icc_profile"] = swapped_profile()
    before = image.tobytes()
    assert to_srgb(image).mode == "RGB"
    assert image.tobytes() == before and "icc_profile" in image.info


def test_unreadable_samples_are_named() -> None:
    with pytest.raises(ImageError, match="5 samples per pixel") as caught:
        read_image(tiff(np.zeros((8, 8, 5), np.float32), photometric="rgb"))
    assert caught.value.reason == "unsupported"
