"""One picture as sRGB, Display P3, 16 bits and CMYK: the encoder sees the same picture each time."""

from __future__ import annotations

import io
import itertools
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image
from test_images_colour import profile, xyz

from benchmarks.drawn import draw
from benchmarks.seeds import encoded, heic, psd, psd_resource
from stylesearch.encoders import load_encoder
from stylesearch.images import load_pixels, read_image

# Columns are the primaries as XYZ under D50: sRGB (ICC's own table) and Display P3 (as Apple's profile has them).
SRGB = np.array([(0.4361, 0.3851, 0.1431), (0.2225, 0.7169, 0.0606), (0.0139, 0.0971, 0.7141)])
P3 = np.array([(0.5151, 0.2920, 0.1571), (0.2412, 0.6922, 0.0666), (-0.0011, 0.0419, 0.7841)])
WHITE = SRGB.sum(1)

# What a full layer of cyan, magenta, yellow and black lets through of red, green and blue light: impure, as inks are.
# Layers multiply (Beer-Lambert), so three inks and a share of black can be solved for exactly.
INKS = np.array([(0.08, 0.62, 0.80), (0.75, 0.10, 0.50), (0.95, 0.85, 0.12), (0.05, 0.05, 0.05)])
POINTS = 11  # of the profile's table along each ink


def decoded(coded: np.ndarray) -> np.ndarray:
    """sRGB values in [0, 1] to light (IEC 61966-2-1)."""
    return np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)


def coded(light: np.ndarray) -> np.ndarray:
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def bytes_of(values: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)


def display_p3() -> bytes:
    names = (b"rXYZ", b"gXYZ", b"bXYZ")
    colorants = {name: xyz(*column) for name, column in zip(names, P3.T, strict=True)}
    # sRGB's curve as a parametric one (ICC.1:2010, table 68, function 3).
    numbers = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    curve = b"para" + bytes(4) + struct.pack(">HH5i", 3, 0, *(round(number * 65536) for number in numbers))
    return profile(b"RGB ", {b"wtpt": xyz(*WHITE)} | colorants | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve))


def separated(light: np.ndarray) -> np.ndarray:
    """Light of sRGB primaries (H, W, 3) to inks (H, W, 4) in [0, 1]."""
    density = -np.log(light)
    black = 0.3 * density.min(-1, keepdims=True) / -np.log(INKS[3, 0])
    colours = (density - black * -np.log(INKS[3])) @ np.linalg.inv(-np.log(INKS[:3]))
    return np.concatenate([colours, black], -1)


def ink_profile() -> bytes:
    """The same inks as a table from CMYK to Lab (ICC.1:2001, lut16Type)."""
    grid = np.stack(np.meshgrid(*[np.linspace(0, 1, POINTS)] * 4, indexing="ij"), -1).reshape(-1, 4)
    light = np.exp(grid @ np.log(INKS))
    ratio = light @ SRGB.T / WHITE
    f = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)  # CIE 15
    lab = np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], -1)
    points = np.rint(lab * (652.8, 256, 256) + (0, 32768, 32768)).clip(0, 65535).astype(">u2")
    line = struct.pack(">HH", 0, 65535)
    matrix = struct.pack(">9i", *(65536 if i % 4 == 0 else 0 for i in range(9)))
    table = b"mft2" + bytes(4) + bytes([4, 3, POINTS, 0]) + matrix + struct.pack(">HH", 2, 2)
    table += line * 4 + points.tobytes() + line * 3
    return profile(b"CMYK", {b"wtpt": xyz(*WHITE), b"A2B0": table}, connection=b"Lab ")


def original() -> np.ndarray:
    """float (384, 512, 3) in sRGB, of colours that the inks can print."""
    rng = np.random.default_rng(0)
    flat = np.asarray(draw(3, (512, 384)), np.float64) / 255
    shade = np.linspace(0.75, 1, 512)[None, :, None]
    grain = rng.normal(0, 0.02, (384, 512, 1))
    light = decoded(np.clip(0.42 + 0.5 * flat * shade + grain, 0.38, 0.95))
    inks = separated(light).clip(0, 1)  # what lies outside of the inks' gamut is brought to its edge, for all versions
    return coded(np.exp(inks @ np.log(INKS)))


def versions() -> dict[str, bytes]:
    values = original()
    light = decoded(values)
    p3 = coded(light @ SRGB.T @ np.linalg.inv(P3).T)
    ink = bytes_of(separated(light))
    icc, inks = display_p3(), ink_profile()
    deep = io.BytesIO()
    tifffile.imwrite(deep, np.rint(values * 65535).astype(np.uint16), photometric="rgb")
    deep_p3 = io.BytesIO()
    tags = [(34675, 7, len(icc), icc, True)]
    tifffile.imwrite(deep_p3, np.rint(p3 * 65535).astype(np.uint16), photometric="rgb", extratags=tags)
    telephone = Image.fromarray(bytes_of(p3))
    telephone.info["icc_profile"] = icc
    return {
        "sRGB PNG": encoded(Image.fromarray(bytes_of(values)), "PNG"),
        "sRGB JPEG": encoded(Image.fromarray(bytes_of(values)), "JPEG", quality=98, subsampling=0),
        "P3 PNG": encoded(Image.fromarray(bytes_of(p3)), "PNG", icc_profile=icc),
        "P3 JPEG": encoded(Image.fromarray(bytes_of(p3)), "JPEG", quality=98, subsampling=0, icc_profile=icc),
        "P3 HEIC": heic(telephone, quality=95, chroma=444),
        "16-bit TIFF": deep.getvalue(),
        "16-bit P3 TIFF": deep_p3.getvalue(),
        "float TIFF": float_tiff(values),
        "CMYK TIFF": encoded(Image.fromarray(ink, "CMYK"), "TIFF", icc_profile=inks),
        "CMYK JPEG": encoded(Image.fromarray(ink, "CMYK"), "JPEG", quality=98, subsampling=0, icc_profile=inks),
        "CMYK PSD": psd(255 - ink, mode=4, resources=psd_resource(1039, inks)),
    }


def float_tiff(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values.astype(np.float32), photometric="rgb")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return versions()


def test_every_version_embeds_alike(files: dict[str, bytes]) -> None:
    encoder = load_encoder("compact:v3")
    pixels = np.stack([load_pixels(data, encoder.preprocess).pixels for data in files.values()])
    vectors = encoder.embed_pixels(pixels)
    cosines = vectors @ vectors.T
    worst = {
        f"{one} and {other}": float(cosines[i, j])
        for (i, one), (j, other) in itertools.combinations(enumerate(files), 2)
        if cosines[i, j] < 0.99
    }
    assert worst == {}


def test_every_version_shows_the_same_pixels(files: dict[str, bytes]) -> None:
    expected = bytes_of(original()).astype(int)
    for name, data in files.items():
        error = np.abs(np.asarray(read_image(data)).astype(int) - expected).mean()
        assert error < 4, name


def test_without_its_profile_a_picture_is_another(files: dict[str, bytes]) -> None:
    expected = bytes_of(original()).astype(int)
    for name in ("P3 PNG", "CMYK TIFF"):
        with Image.open(io.BytesIO(files[name])) as image:
            bare = np.asarray(image.convert("RGB")).astype(int)
        assert np.abs(bare - expected).mean() > 4, name
