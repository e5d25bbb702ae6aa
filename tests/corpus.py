"""Odd files of every kind, each with what must become of it, written down by hand.

python tests/corpus.py FOLDER    writes them, to be looked at or indexed
"""

from __future__ import annotations

import gzip
import io
import os
import socket
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from odd_bytes import (
    encrypted_pdf,
    entity_svg,
    lossless_webp,
    minimal_pdf,
    png_chunk,
    resized,
    resized_codestream,
    tiff_declaring,
)
from pictures import png_bomb
from PIL import Image
from test_images_colour import cmyk_profile, profile, swapped_profile

from benchmarks.seeds import (
    SIZE,
    dng,
    encoded,
    heic,
    picture,
    psd,
    psd_resource,
    seed_files,
    svg,
    tiff,
    video,
)
from indexer.decode import decode_file

INDEXED = "indexed"
Odd = tuple[str, bytes, str]  # name, content, outcome: INDEXED or the reason of the refusal

# What is left of each seed, and what becomes of it there: t truncated, i indexed, because all of the (first) picture is
# there, n not an image, because too little is left to tell what it was.
SHARES = (0.02, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.97, 0.995)
TRUNCATED = {
    "baseline.jpg": "tttttttttt",
    "progressive.jpg": "tttttttttt",
    "cmyk.jpg": "tttttttttt",
    "stereo.mpo": "ttttiiiiii",
    "plain.png": "ttttttttti",
    "palette.png": "ttttttttti",
    "sixteen.png": "ttttttttti",
    "alpha.png": "ttttttttti",
    "lossy.webp": "tttttttttt",
    "lossless.webp": "nttttttttt",
    "animated.webp": "tttttttttt",
    "plain.gif": "tttttttttt",
    "animated.gif": "tttiiiiiii",
    "plain.bmp": "tttttttttt",
    "plain.ppm": "tttttttttt",
    "plain.tif": "tttttttttt",
    "lzw.tif": "tttttttttt",
    "cmyk.tif": "tttttttttt",
    "pages.tif": "tttiiiiiii",
    "sixteen.tif": "tttttttttt",
    "float.tif": "tttttttttt",
    "big.tif": "tttttttttt",
    "plain.avif": "tttttttttt",
    "boxed.jp2": "tttttttttt",
    "bare.j2k": "tttttttttt",
    "phone.heic": "tttttttttt",
    "layers.psd": "tttttttttt",
    "sixteen.psd": "tttttttttt",
    "large.psb": "tttttttttt",
    "drawing.svg": "nntttttttt",
    "packed.svgz": "nnnntttttt",
    "pages.pdf": "tttttttttt",
    "sensor.dng": "tttttttttt",
    "preview.dng": "ttttttiiii",  # the preview comes first
    "clip.mp4": "ttttttttti",
    "clip.mkv": "ttttiiiiii",
    "clip.webm": "ttttiiiiii",
    "clip.avi": "tttttiiiii",
}
_OUTCOMES = {"t": "truncated", "i": INDEXED, "n": "not-an-image"}


def odd_files() -> Iterator[Odd]:
    """Everything that is bytes and a name."""
    seeds = seed_files()
    assert set(seeds) == set(TRUNCATED)
    for name, data in seeds.items():
        yield f"whole/{name}", data, INDEXED
        for share, letter in zip(SHARES, TRUNCATED[name], strict=True):
            yield f"cut/{share}-{name}", data[: int(len(data) * share)], _OUTCOMES[letter]
    for folder, group in GROUPS.items():
        for name, data, outcome in group(seeds):
            yield f"{folder}/{name}", data, outcome


def named(seeds: dict[str, bytes]) -> Iterator[Odd]:
    """The content decides, and any name is a name."""
    jpeg, png = seeds["baseline.jpg"], seeds["plain.png"]
    for inside, name in [
        ("baseline.jpg", "jpeg.png"),
        ("plain.png", "png.jpg"),
        ("plain.tif", "tiff.gif"),
        ("lossy.webp", "webp.jpeg"),
        ("phone.heic", "heic.jpg"),
        ("plain.avif", "avif.heic"),
        ("layers.psd", "psd.tif"),
        ("drawing.svg", "svg.png"),
        ("packed.svgz", "svgz.svg"),
        ("pages.pdf", "pdf.jpg"),
        ("sensor.dng", "dng.tif"),
        ("clip.mp4", "mp4.jpg"),
        ("baseline.jpg", "jpeg.dng"),
        ("plain.png", "png.pdf"),
    ]:
        yield f"{name}", seeds[inside], INDEXED
    for name in (
        "UPPER.JPG",
        "MiXeD.JpG",
        "none",
        "dots.tar.jpg",
        "-rf.jpg",
        "'quotes' \".jpg",
        "100%25.jpg",
        "a#b?c.jpg",
    ):
        yield name, jpeg, INDEXED
    for name in (
        "\u5c71\u6c34.png",
        "\U0001f3a8.png",
        "\u202etxt.png",  # right to left
        "cafe\u0301.png",
        "caf\u00e9.png",
        "new\nline.png",
        "\x1b[2J.png",
        " spaces .png",
        "\xa0.png",
        os.fsdecode(b"caf\xe9.png"),
        os.fsdecode(b"\xff\xfe\x80.png"),
        "n" * 251 + ".png",
    ):
        yield name, png, INDEXED


def foreign(seeds: dict[str, bytes]) -> Iterator[Odd]:
    """What is no picture, under the name of one."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.png", seeds["plain.png"])
    for name, data in {
        "text.jpg": b"this is text\n",
        "begins-with-bm.bmp": b"BM is also how this sentence begins",
        "page.png": b"<!DOCTYPE html><html><body><svg></svg></body></html>",
        "feed.svg": b"<?xml version='1.0'?><rss><svg/></rss>",
        "zeros.jpg": bytes(50_000),
        "byte.jpg": b"\xff",
        "noise.png": np.random.default_rng(0).bytes(10_000),
        "archive.jpg": buffer.getvalue(),
        "text.svgz": gzip.compress(b"text", mtime=0),
        "program.gif": b"\x7fELF" + bytes(200),
        "wave.webp": b"RIFF\x24\0\0\0WAVEfmt " + bytes(24),
        "sound.mp4": b"\0\0\0\x18ftypM4A \0\0\0\0M4A mp42",
    }.items():
        yield name, data, "not-an-image"
    for name in ("empty.jpg", "empty.png", "empty.svg", "empty.pdf", "empty.dng", "empty.mp4"):
        yield name, b"", "empty"
    yield "known.jxl", b"\xff\x0a" + bytes(100), "unsupported"
    yield "known.exr", b"\x76\x2f\x31\x01" + bytes(100), "unsupported"
    yield "five-samples.tif", tiff(np.zeros((8, 8, 5), np.float32), photometric="rgb"), "unsupported"
    yield "encrypted.pdf", encrypted_pdf(), "unsupported"


def damaged(seeds: dict[str, bytes]) -> Iterator[Odd]:
    """Headers that promise a picture, and nonsense behind them."""
    noise = np.random.default_rng(1).bytes(4000)
    for name, start, stop in [
        ("baseline.jpg", 200, 600),
        ("plain.gif", 800, 860),
        ("plain.bmp", 28, 34),
        ("bare.j2k", 50, 400),
        ("plain.tif", 10, 100),
        ("lossless.webp", 20, 400),
        ("plain.avif", 50, 200),
        ("phone.heic", 40, 300),
        ("drawing.svg", 200, 240),
        ("layers.psd", 24, 26),
        ("sensor.dng", 10, 300),
    ]:
        data = seeds[name]
        yield f"noise-{name}", data[:start] + noise[: len(data[start:stop])] + data[stop:], "damaged"
    yield "no-index.mp4", seeds["clip.mp4"].replace(b"moov", b"junk"), "damaged"
    yield "noise.pdf", b"%PDF-1.7\n" + noise + b"%%EOF", "damaged"
    yield "noise.cr2", b"II*\0\x10\0\0\0CR\2\0" + noise, "truncated"  # its directory points beyond the end
    yield "noise.raf", b"FUJIFILMCCD-RAW " + noise, "unsupported"
    png = seeds["plain.png"]
    flipped = bytearray(png)
    flipped[len(png) // 2] ^= 1
    yield "flipped-bit.png", bytes(flipped), "damaged"
    yield "loop.tif", b"II*\0\x08\0\0\0\0\0\x08\0\0\0", "damaged"
    yield "nothing.pdf", minimal_pdf("[0 0 100 100]", pages=0), "damaged"
    yield "unclosed.svg", b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><g></svg>", "damaged"
    yield "external-entity.svg", entity_svg('SYSTEM "file:///etc/passwd"'), INDEXED  # drawn without it
    yield "junk-after.jpg", seeds["baseline.jpg"] + noise, INDEXED
    yield "junk-after.png", png + noise, INDEXED
    yield "junk-after.pdf", seeds["pages.pdf"] + b"\n" * 500, INDEXED


def bombs(seeds: dict[str, bytes]) -> Iterator[Odd]:
    """Small files that ask for much."""
    png = seeds["plain.png"]
    yield "pixels.png", png_bomb(20_000), "too-large"
    yield "wide.png", resized(png, 16, ">II", 2**31 - 1, 1), "too-large"
    yield "profile.png", png[:33] + png_chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(10**7))) + png[33:], "too-large"
    yield "text.png", png[:33] + png_chunk(b"zTXt", b"t\0\0" + zlib.compress(bytes(10**7))) + png[33:], "too-large"
    jpeg = seeds["baseline.jpg"]
    yield "declared.jpg", resized(jpeg, jpeg.index(b"\xff\xc0") + 5, ">HH", 65_500, 65_500), "too-large"
    yield "declared.gif", resized(seeds["plain.gif"], 6, "<HH", 65_535, 65_535), "too-large"
    yield "declared.bmp", resized(seeds["plain.bmp"], 18, "<ii", 100_000, 100_000), "too-large"
    yield "declared.ppm", b"P6 100000 100000 255\n", "too-large"
    yield "declared.jp2", resized(resized_codestream(seeds["boxed.jp2"]), 48, ">II", 10**6, 10**6), "too-large"
    yield "declared.j2k", resized_codestream(seeds["bare.j2k"]), "too-large"
    yield "declared.psd", resized(seeds["layers.psd"], 14, ">II", 30_000, 30_000), "too-large"
    yield "declared.psb", resized(seeds["large.psb"], 14, ">II", 300_000, 300_000), "too-large"
    yield "declared.tif", tiff_declaring(seeds["plain.tif"], 10**6), "too-large"
    yield "declared-float.tif", tiff_declaring(seeds["float.tif"], 10**6), "too-large"
    yield "declared.dng", tiff_declaring(seeds["sensor.dng"], 60_000), "too-large"
    for name in ("phone.heic", "plain.avif"):
        data = seeds[name]
        yield f"declared-{name}", resized(data, data.index(b"ispe") + 8, ">II", 60_000, 60_000), "too-large"
    yield "declared.webp", lossless_webp(16_384, 16_384), "too-large"
    yield "canvas.svg", svg("60000", "60000"), INDEXED  # drawn at the size that is needed
    yield "canvas.svgz", gzip.compress(svg("1e9", "1e9"), mtime=0), INDEXED
    yield "spaces.svgz", gzip.compress(svg(content=" " * 70_000_000), 1, mtime=0), "too-large"
    yield "deep.svg", svg(content="<g>" * 5000 + "</g>" * 5000), "damaged"
    yield "entities.svg", entity_svg('"' + "x" * 100 + '"', *(f"&e{number};" * 10 for number in range(9))), "damaged"
    uses = "".join(f'<g id="g{n + 1}">' + f'<use href="#g{n}"/>' * 10 + "</g>" for n in range(9))
    yield "uses.svg", svg(content=f'<g id="g0"><rect width="1" height="1"/></g>{uses}'), "damaged"
    yield "poster.pdf", minimal_pdf("[0 0 14400 14400]"), INDEXED
    yield "beyond-any-paper.pdf", minimal_pdf("[0 0 90000000 90000000]"), INDEXED
    yield "many-pages.tif", encoded(picture(), "TIFF", frames=60), INDEXED
    yield "many-frames.gif", encoded(picture(), "GIF", frames=60), INDEXED


def coloured(seeds: dict[str, bytes]) -> Iterator[Odd]:
    """CMYK, 16 bits, profiles good and bad, alpha, one bit."""
    rgb, cmyk = picture(), picture().convert("CMYK")
    deep = np.asarray(rgb).astype(np.uint16) * 257
    grey = profile(b"GRAY", {})
    for name, icc in {
        "swapped": swapped_profile(),
        "wrong-kind": cmyk_profile(),
        "broken": b"nonsense",
        "grey": grey,
    }.items():
        for kind, extension in {"JPEG": "jpg", "PNG": "png", "TIFF": "tif", "WEBP": "webp", "AVIF": "avif"}.items():
            yield f"{name}.{extension}", encoded(rgb, kind, icc_profile=icc), INDEXED
        yield f"{name}.psd", psd(np.asarray(rgb), resources=psd_resource(1039, icc)), INDEXED
    yield "cmyk-profile.jpg", encoded(cmyk, "JPEG", icc_profile=cmyk_profile()), INDEXED
    yield "cmyk-profile.tif", encoded(cmyk, "TIFF", icc_profile=cmyk_profile()), INDEXED
    yield "cmyk.psd", psd(255 - np.asarray(cmyk), mode=4), INDEXED
    yield "cmyk-sixteen.psd", psd((255 - np.asarray(cmyk)).astype(np.uint16) * 257, mode=4), INDEXED
    yield "sixteen-big-endian.tif", tiff(deep, photometric="rgb", byteorder=">"), INDEXED
    yield "sixteen-planes.tif", tiff(np.moveaxis(deep, -1, 0), photometric="rgb", planarconfig="separate"), INDEXED
    yield "sixteen-grey.tif", tiff(deep[..., 0]), INDEXED
    yield "white-is-zero.tif", tiff(deep[..., 0], photometric="miniswhite"), INDEXED
    yield "double.tif", tiff(np.asarray(rgb, np.float64) / 255, photometric="rgb"), INDEXED
    yield "not-a-number.tif", tiff(np.full((64, 96), np.nan, np.float32)), INDEXED
    yield "ten-bits.heic", heic(rgb.convert("RGB"), chroma=444), INDEXED
    for kind, extension in {"PNG": "png", "WEBP": "webp", "TIFF": "tif", "AVIF": "avif", "JPEG2000": "jp2"}.items():
        alpha = rgb.copy()
        alpha.putalpha(Image.linear_gradient("L").resize(SIZE))
        yield f"alpha.{extension}", encoded(alpha, kind), INDEXED
    yield "nothing-but-alpha.png", encoded(Image.new("RGBA", SIZE), "PNG"), INDEXED
    yield "alpha.heic", heic(Image.new("RGBA", SIZE, (255, 0, 0, 100))), INDEXED
    bits = rgb.convert("1")
    for kind, extension in {"PNG": "png", "BMP": "bmp", "PPM": "pbm", "TIFF": "tif"}.items():
        yield f"one-bit.{extension}", encoded(bits, kind), INDEXED


def turned(seeds: dict[str, bytes]) -> Iterator[Odd]:
    """EXIF orientation 1 to 8, and metadata that makes no sense."""
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[274] = orientation
        for kind, extension in {"JPEG": "jpg", "PNG": "png", "TIFF": "tif", "WEBP": "webp"}.items():
            yield f"{orientation}.{extension}", encoded(picture(orientation), kind, exif=exif), INDEXED
        if orientation in (1, 3, 6, 8):  # cameras are turned, not mirrored
            yield f"{orientation}.dng", dng(picture(orientation), orientation=orientation), INDEXED
    for name, exif_bytes in {"garbage": b"Exif\0\0garbage", "zeros": b"Exif\0\0" + bytes(40)}.items():
        for kind, extension in {"JPEG": "jpg", "PNG": "png", "WEBP": "webp"}.items():
            yield f"{name}.{extension}", encoded(picture(), kind, exif=exif_bytes), INDEXED


def shaped(seeds: dict[str, bytes]) -> Iterator[Odd]:
    """No pixels at all, one, or very many in a row."""
    yield "zero.png", resized(seeds["plain.png"], 16, ">II", 0, 0), "damaged"
    yield "zero.gif", resized(seeds["plain.gif"], 6, "<HH", 0, 0), INDEXED  # its frame is larger, as browsers show it
    yield "zero.bmp", resized(seeds["plain.bmp"], 18, "<ii", 0, 0), "damaged"
    yield "zero.ppm", b"P6 0 0 255\n", "damaged"
    yield "zero.psd", resized(seeds["layers.psd"], 14, ">II", 0, 0), "damaged"
    yield "zero.tif", tiff_declaring(seeds["plain.tif"], 0), "damaged"
    yield "zero.svg", svg("0", "0"), "damaged"
    jpeg = seeds["baseline.jpg"]
    yield "zero.jpg", resized(jpeg, jpeg.index(b"\xff\xc0") + 5, ">HH", 0, 0), "damaged"
    for size in ((100_000, 1), (1, 100_000), (1, 1)):
        image = Image.new("RGB", size, (200, 30, 60))
        shape = f"{size[0]}x{size[1]}"
        for kind, extension in {"PNG": "png", "TIFF": "tif", "BMP": "bmp", "PPM": "ppm"}.items():
            yield f"{shape}.{extension}", encoded(image, kind), INDEXED
        yield f"{shape}.svg", svg(str(size[0]), str(size[1])), INDEXED
        yield f"{shape}.pdf", minimal_pdf(f"[0 0 {size[0]} {size[1]}]"), INDEXED
    for kind, extension in {"JPEG": "jpg", "GIF": "gif"}.items():
        yield f"65500x1.{extension}", encoded(Image.new("RGB", (65_500, 1)), kind), INDEXED
    yield "16383x1.webp", encoded(Image.new("RGB", (16_383, 1)), "WEBP"), INDEXED
    yield "black.mp4", video("mp4", "libx264", lambda _: Image.new("RGB", SIZE)), INDEXED


GROUPS: dict[str, Callable[[dict[str, bytes]], Iterator[Odd]]] = {
    "names": named,
    "foreign": foreign,
    "damaged": damaged,
    "bombs": bombs,
    "colour": coloured,
    "turned": turned,
    "shapes": shaped,
}


def write_corpus(folder: Path) -> dict[str, str]:
    """Writes all odd files, and odd things that are no files; what must become of each, by path below the folder."""
    expected = {}
    for name, data, outcome in odd_files():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        assert name not in expected, name
        expected[name] = outcome
    things = folder / "things"
    things.mkdir()
    os.mkfifo(things / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(things)  # the path of a socket is short
        try:
            server.bind("socket.png")
        finally:
            os.chdir(here)
    (things / "dangling.png").symlink_to(things / "nowhere")
    (things / "circle.png").symlink_to(things / "circle.png")
    (things / "one.png").symlink_to(things / "other.png")
    (things / "other.png").symlink_to(things / "one.png")
    (things / "folder.png").mkdir()
    (things / "loop").symlink_to(folder)
    (things / "link.png").symlink_to(folder / "whole" / "plain.png")
    os.link(folder / "whole" / "plain.gif", things / "hard.gif")
    replaced = {
        "things/replaced-by-picture.png": INDEXED,
        "things/replaced-by-text.png": "not-an-image",
        "things/replaced-by-folder.png": "not-a-file",
        "things/replaced-by-nothing.png": "empty",
        "things/vanishing.png": "missing",
    }
    for name in replaced:
        (folder / name).write_bytes(picture_of(name))
    return (
        expected
        | replaced
        | {
            "things/pipe.jpg": "not-a-file",
            "things/socket.png": "not-a-file",
            "things/folder.png": "not-a-file",
            "things/dangling.png": "missing",
            "things/circle.png": "missing",
            "things/one.png": "missing",
            "things/other.png": "missing",
            "things/link.png": INDEXED,
            "things/hard.gif": INDEXED,
        }
    )


def picture_of(name: str) -> bytes:
    """A picture that no other file shows."""
    return encoded(picture(zlib.crc32(name.encode())), "PNG")


def replacing_decode(stat: Any, *rest: Any) -> Any:
    """Decodes, after the file has been replaced by what its name says: between hashing and decoding."""
    path = Path(stat.uri)
    if path.name == "replaced-by-picture.png":
        path.write_bytes(picture_of("another"))
    elif path.name == "replaced-by-text.png":
        path.write_text("no picture any more")
    elif path.name == "replaced-by-nothing.png":
        path.write_bytes(b"")
    elif path.name in ("replaced-by-folder.png", "vanishing.png"):
        path.unlink()
        if path.name == "replaced-by-folder.png":
            path.mkdir()
    return decode_file(stat, *rest)


if __name__ == "__main__":
    print(len(write_corpus(Path(sys.argv[1]))))
