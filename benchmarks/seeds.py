"""One small good file of every format and variant, made by the libraries themselves: what odd files are made from."""

from __future__ import annotations

import gzip
import io
import struct
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.drawn import draw

SIZE = (96, 64)  # width and height of every seed


def seed_files() -> dict[str, bytes]:
    """Contents by file name. Needs the packages of the extra `formats`."""
    rgb = picture()
    deep = np.asarray(rgb).astype(np.uint16) * 257
    alpha = rgb.copy()
    alpha.putalpha(Image.linear_gradient("L").resize(SIZE))
    return {
        "baseline.jpg": encoded(rgb, "JPEG", quality=90),
        "progressive.jpg": encoded(rgb, "JPEG", progressive=True),
        "cmyk.jpg": encoded(rgb.convert("CMYK"), "JPEG"),
        "stereo.mpo": encoded(rgb, "MPO", frames=3),
        "plain.png": encoded(rgb, "PNG"),
        "palette.png": encoded(rgb.quantize(16), "PNG"),
        "sixteen.png": encoded(Image.fromarray(deep[..., 0]), "PNG"),
        "alpha.png": encoded(alpha, "PNG"),
        "lossy.webp": encoded(rgb, "WEBP"),
        "lossless.webp": encoded(rgb, "WEBP", lossless=True),
        "animated.webp": encoded(rgb, "WEBP", frames=3),
        "plain.gif": encoded(rgb, "GIF"),
        "animated.gif": encoded(rgb, "GIF", frames=3),
        "plain.bmp": encoded(rgb, "BMP"),
        "plain.ppm": encoded(rgb, "PPM"),
        "plain.tif": encoded(rgb, "TIFF"),
        "lzw.tif": encoded(rgb, "TIFF", compression="tiff_lzw"),
        "cmyk.tif": encoded(rgb.convert("CMYK"), "TIFF"),
        "pages.tif": encoded(rgb, "TIFF", frames=3),
        "sixteen.tif": tiff(deep, photometric="rgb"),
        "float.tif": tiff(np.asarray(rgb, np.float32) / 255, photometric="rgb", compression="deflate"),
        "big.tif": tiff(np.asarray(rgb), photometric="rgb", bigtiff=True),
        "plain.avif": encoded(rgb, "AVIF"),
        "boxed.jp2": encoded(rgb, "JPEG2000"),
        "bare.j2k": encoded(rgb, "JPEG2000", no_jp2=True),
        "phone.heic": heic(rgb),
        "layers.psd": layered_psd(rgb),
        "sixteen.psd": psd(deep),
        "large.psb": psd(np.asarray(rgb), version=2),
        "drawing.svg": svg(),
        "packed.svgz": gzip.compress(svg(), mtime=0),
        "pages.pdf": pdf(3),
        "sensor.dng": dng(rgb),
        "preview.dng": dng(rgb, preview=draw(0, (768, 512))),
        "clip.mp4": video("mp4", "libx264"),
        "clip.mkv": video("matroska", "libvpx"),
        "clip.webm": video("webm", "libvpx-vp9"),
        "clip.avi": video("avi", "mpeg4"),
    }


def picture(seed: int = 0) -> Image.Image:
    """What the seeds show."""
    return draw(seed, SIZE)


def encoded(image: Image.Image, kind: str, *, frames: int = 1, **options: Any) -> bytes:
    """The picture as Pillow writes it, with others after it where more frames are wanted."""
    buffer = io.BytesIO()
    if frames > 1:
        options |= {"save_all": True, "append_images": [picture(seed) for seed in range(1, frames)]}
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def pdf(pages: int) -> bytes:
    """A document of one picture a page."""
    epoch = time.gmtime(0)
    return encoded(picture(), "PDF", frames=pages, creationDate=epoch, modDate=epoch)


def tiff(values: np.ndarray, **options: Any) -> bytes:
    """An array as tifffile writes it."""
    import tifffile

    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, metadata=None, software=False, **options)
    return buffer.getvalue()


def heic(image: Image.Image, **options: Any) -> bytes:
    """The picture as libheif writes it."""
    import pillow_heif

    buffer = io.BytesIO()
    pillow_heif.from_pillow(image).save(buffer, **{"quality": 90} | options)
    return buffer.getvalue()


def psd(values: np.ndarray, *, version: int = 1, mode: int = 3, resources: bytes = b"") -> bytes:
    """A flat Photoshop file (version 2: PSB), uncompressed.

    Args:
        values: uint8 or uint16 (H, W, C). CMYK (mode 4) counts from full ink, 0, to none.
        mode: 3 for RGB, 4 for CMYK.
        resources: image resource blocks, such as `psd_resource` gives.
    """
    height, width, channels = values.shape
    header = struct.pack(">4sH6xHIIHH", b"8BPS", version, channels, height, width, values.itemsize * 8, mode)
    sections = bytes(4) + struct.pack(">I", len(resources)) + resources + bytes(4 * version)
    planes = np.moveaxis(values, -1, 0).astype(values.dtype.newbyteorder(">")).tobytes()
    return header + sections + b"\0\0" + planes


def psd_resource(number: int, data: bytes) -> bytes:
    """An image resource block; 1039 is the ICC profile."""
    return b"8BIM" + struct.pack(">HHI", number, 0, len(data)) + data + bytes(len(data) % 2)


def layered_psd(image: Image.Image) -> bytes:
    """A Photoshop file of one layer and its composite, as psd-tools writes it."""
    from psd_tools import PSDImage

    file = PSDImage.new("RGB", image.size)
    file.create_pixel_layer(image, name="drawing", top=0, left=0)
    buffer = io.BytesIO()
    file.save(buffer)
    return buffer.getvalue()


def svg(width: str = "96", height: str = "64", content: str = "") -> bytes:
    """A drawing of a few shapes, and what else it shall contain."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<!-- drawn by hand -->\n'
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="{width}" '
        f'height="{height}" viewBox="0 0 96 64">'
        '<rect width="96" height="64" fill="#2255aa"/><circle cx="30" cy="30" r="20" fill="#ffcc00"/>'
        f'<path d="M50 60 L90 60 L70 10 Z" fill="#aa3322"/>{content}</svg>\n'
    ).encode()


def dng(image: Image.Image, *, preview: Image.Image | None = None, orientation: int = 1) -> bytes:
    """A camera raw file: what a sensor under a Bayer filter (RGGB) would have seen, 16 bits.

    Args:
        image: of even width and height.
        preview: stored in the first directory, as cameras do.
        orientation: EXIF orientation of both.
    """
    import tifffile

    coded = np.asarray(image, np.float64) / 255
    linear = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)  # IEC 61966-2-1
    mosaic = linear[..., 1].copy()
    mosaic[0::2, 0::2] = linear[0::2, 0::2, 0]
    mosaic[1::2, 1::2] = linear[1::2, 1::2, 2]
    # The camera's colours are sRGB's: ColorMatrix1 is XYZ (D65) to linear sRGB, IEC 61966-2-1.
    matrix = (3.2405, -1.5371, -0.4985, -0.9693, 1.8760, 0.0416, 0.0556, -0.2040, 1.0572)
    rationals = tuple(part for value in matrix for part in (round(value * 10_000), 10_000))
    camera = [
        (271, "s", 0, "Drawn", True),
        (272, "s", 0, "Drawn", True),
        (274, "H", 1, orientation, True),
        (50706, "B", 4, bytes([1, 4, 0, 0]), True),  # DNGVersion
        (50708, "s", 0, "Drawn", True),  # UniqueCameraModel
        (50721, 10, 9, rationals, True),  # ColorMatrix1
        (50728, 5, 3, (1, 1, 1, 1, 1, 1), True),  # AsShotNeutral
        (50778, "H", 1, 21, True),  # CalibrationIlluminant1: D65
    ]
    sensor = [
        (33421, "H", 2, (2, 2), True),  # CFARepeatPatternDim
        (33422, "B", 4, bytes([0, 1, 1, 2]), True),  # CFAPattern
        (50714, "H", 1, 0, True),  # BlackLevel
        (50717, "H", 1, 65535, True),  # WhiteLevel
    ]
    values = np.rint(mosaic * 65535).astype(np.uint16)
    options = {"photometric": 32803, "metadata": None, "software": False}
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        if preview is None:
            writer.write(values, extratags=camera + sensor, **options)
        else:
            jpeg = encoded(preview, "JPEG", quality=95)
            jpeg += bytes(-len(jpeg) % 3)
            # tifffile encodes no JPEG. Its bytes go in as if they were pixels, and the tags are set right afterwards.
            first: dict[str, Any] = options | {"photometric": "rgb", "subifds": 1, "subfiletype": 1}
            writer.write(np.frombuffer(jpeg, np.uint8).reshape(1, -1, 3), extratags=camera, **first)
            writer.write(values, extratags=sensor, **options)
    if preview is not None:
        size = {"ImageWidth": preview.width, "ImageLength": preview.height, "RowsPerStrip": preview.height}
        buffer.seek(0)
        with tifffile.TiffFile(buffer, mode="r+") as file:
            for name, value in (size | {"Compression": 7, "PhotometricInterpretation": 6}).items():
                file.pages.first.tags[name].overwrite(value)
            return buffer.getvalue()
    return buffer.getvalue()


def video(container: str, codec: str, scene: Callable[[int], Image.Image] = picture, scenes: int = 3) -> bytes:
    """A film of one second for each scene, at 5 frames and one key frame or more a second."""
    import av

    size = scene(0).size
    buffer = io.BytesIO()
    # Without the time and a random name in the file.
    with av.open(buffer, "w", format=container, options={"fflags": "+bitexact"}) as file:
        stream: Any = file.add_stream(codec, rate=5)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = *size, "yuv420p", 5
        stream.thread_count = 1
        for number in range(scenes * 5):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(np.asarray(scene(number // 5)))))
        file.mux(stream.encode())
    return buffer.getvalue()
