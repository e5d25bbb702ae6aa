"""Formats beyond Pillow's: the picture that comes out is the one that went in, whole or in parts, within the caps."""

from __future__ import annotations

import base64
import gzip
import io
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from odd_bytes import encrypted_pdf, entity_svg, minimal_pdf
from pictures import difference, draw
from PIL import Image
from test_images_colour import swapped_profile

from benchmarks.seeds import dng, encoded, heic, pdf, picture, psd, psd_resource, seed_files, svg, video
from stylesearch.decoders import VECTOR_SIDE
from stylesearch.errors import ImageError
from stylesearch.formats import BY_NAME, EXTENSIONS, SIGNATURE_BYTES, TABLE, format_of
from stylesearch.images import Decoded, Preprocess, load_pixels, parts_of, read_image, thumbnail
from stylesearch.records import Limits

PREPROCESS = Preprocess(32)
SVG = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="100" height="50">'


def load(data: bytes, part: str | None = None, limits: Limits | None = None) -> Decoded:
    return load_pixels(data, PREPROCESS, limits or Limits(), part=part)


def refused(data: bytes, part: str | None = None, limits: Limits | None = None) -> ImageError:
    with pytest.raises(ImageError) as caught:
        load(data, part, limits)
    return caught.value


def test_seeds_are_told_by_content_and_decoded() -> None:
    kinds = {extension: row.name for row in TABLE for extension in row.extensions}
    seen = set()
    for name, data in seed_files().items():
        kind = kinds[Path(name).suffix]
        decoded = load(data)
        assert decoded.format == kind and decoded.pixels.shape == (32, 32, 3), name
        small = Image.open(io.BytesIO(thumbnail(decoded.picture)))
        assert abs(small.width / small.height - decoded.width / decoded.height) < 0.05, name
        seen.add(kind)
    assert seen == {row.name for row in TABLE if row.decoder}


def test_table_is_complete() -> None:
    assert all(extension == extension.lower() and extension.startswith(".") for extension in EXTENSIONS)
    assert len(EXTENSIONS) == sum(len(row.extensions) for row in TABLE)
    assert all(row.installed for row in TABLE if row.decoder)
    assert format_of(b"") is None and format_of(b"\x1f\x8b\x08\xff\xff") is None


def test_long_comment_before_an_svg() -> None:
    text = svg().replace(b"drawn by hand", b"-" + b"drawn by hand " * 200)
    assert format_of(text[:SIGNATURE_BYTES]) == "SVG"
    assert format_of(gzip.compress(text)[:SIGNATURE_BYTES]) == "SVG"
    assert format_of(b"<svgx>") is None and format_of(b"<!DOCTYPE html><svg>") is None


@pytest.mark.parametrize("row", [row for row in TABLE if row.package], ids=lambda row: row.name)
def test_missing_package_is_told_with_its_extra(row, monkeypatch: pytest.MonkeyPatch) -> None:
    assert row.package
    data = next(data for name, data in seed_files().items() if Path(name).suffix in row.extensions)
    monkeypatch.setitem(sys.modules, row.package.module, None)
    monkeypatch.delitem(sys.modules, f"stylesearch.decoders.{row.decoder}", raising=False)
    error = refused(data)
    assert error.reason == "unsupported" and f"pip install 'stylesearch[{row.package.extra}]'" in str(error)


# HEIC


def test_heic() -> None:
    assert difference(load(heic(draw(), quality=-1, chroma=444)).picture, draw()) < 2
    turned = heic(draw().transpose(Image.Transpose.ROTATE_90), quality=95)
    assert (load(turned).width, load(turned).height) == (80, 120)
    assert refused(heic(draw()), limits=Limits(max_pixels=9_599)).reason == "too-large"
    assert refused(heic(draw()), "page=2").reason == "missing"


def test_heic_profile_and_alpha() -> None:
    image = draw()
    image.info["icc_profile"] = swapped_profile()
    expected = Image.merge("RGB", [draw().getchannel(band) for band in "GRB"])
    assert difference(load(heic(image, quality=95, chroma=444)).picture, expected) < 4
    clear = Image.new("RGBA", (64, 64), (10, 20, 30, 0))
    assert np.asarray(load(heic(clear)).picture).min() > 250


# PSD


@pytest.mark.parametrize("version", [1, 2])
def test_psd_depths(version: int) -> None:
    values = np.asarray(draw())
    assert difference(load(psd(values, version=version)).picture, draw()) == 0
    assert difference(load(psd(values.astype(np.uint16) * 257, version=version)).picture, draw()) < 1
    assert refused(psd(values, version=version), limits=Limits(max_pixels=9_599)).reason == "too-large"


def test_psd_profile_cmyk_and_layers() -> None:
    values = np.asarray(draw())
    swapped = load(psd(values, resources=psd_resource(1039, swapped_profile()))).picture
    assert difference(swapped, Image.merge("RGB", [draw().getchannel(band) for band in "GRB"])) < 3
    ink = np.asarray(draw().convert("CMYK"))
    assert difference(load(psd(255 - ink, mode=4)).picture, draw()) < 1
    assert difference(load(seed_files()["layers.psd"]).picture, picture()) == 0


def test_psd_without_composite_is_blended_from_its_layers() -> None:
    absent = psd_resource(1057, struct.pack(">IB", 1, 0) + bytes(12))  # VersionInfo: no real merged data
    flat = psd(np.zeros((8, 8, 3), np.uint8), resources=absent)
    assert load(flat).width == 8  # no layers either: white


# SVG


def test_svg_is_drawn_at_the_size_that_encoders_need() -> None:
    for width, height in [("100", "50"), ("60000", "30000"), ("10cm", "5cm")]:
        decoded = load(svg(width, height))
        assert (decoded.width, decoded.height) == (VECTOR_SIDE, VECTOR_SIDE // 2)
    assert difference(load(gzip.compress(svg())).picture, load(svg()).picture) == 0
    assert load(svg()).picture.getpixel((5, 5)) == (0x22, 0x55, 0xAA)


def test_svg_loads_nothing_from_outside(tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    Image.new("RGB", (50, 50), (0, 255, 0)).save(secret)
    nested = f'{SVG}<image href="{secret}" width="100" height="50"/></svg>'.encode()
    coded = base64.b64encode(nested).decode()
    contents = [
        f'<image href="{secret}" width="100" height="50"/>',
        f'<image xlink:href="file://{secret}" width="100" height="50"/>',
        f'<image href=" {secret}" width="100" height="50"/>',
        f'<filter id="f"><feImage href="{secret}"/></filter><rect width="100" height="50" filter="url(#f)"/>',
        f'<image href="data:image/svg+xml;base64,{coded}" width="100" height="50"/>',
        f'<style>image {{ href: url({secret}) }}</style><image width="100" height="50"/>',
    ]
    for content in contents:
        colours = {colour for _, colour in read_image(f"{SVG}{content}</svg>".encode()).getcolors(10**6) or []}
        assert (0, 255, 0) not in colours, content
    entity = f'<!DOCTYPE svg [<!ENTITY p "{secret}">]>{SVG}<image href="&p;" width="100" height="50"/></svg>'
    assert (0, 255, 0) not in {colour for _, colour in read_image(entity.encode()).getcolors(10**6) or []}
    inside = base64.b64encode(secret.read_bytes()).decode()
    own = f'{SVG}<image href="data:image/png;base64,{inside}" width="50" height="50"/></svg>'
    assert (0, 255, 0) in {colour for _, colour in read_image(own.encode()).getcolors(10**6) or []}


def test_svg_that_never_ends_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stylesearch.decoders.svg.SECONDS", 0.01)
    assert refused(svg()).reason == "timeout"


def test_svg_entities_are_bounded() -> None:
    assert refused(entity_svg('"xxxxxxxxxx"', *(f"&e{number};" * 10 for number in range(9)))).reason == "damaged"


# PDF


def test_pdf_pages() -> None:
    data = pdf(3)
    assert parts_of(data) == ["page=2", "page=3"]
    for part, seed in [(None, 0), ("page=2", 1), ("page=3", 2)]:
        drawn = load(data, part).picture
        assert max(drawn.size) == VECTOR_SIDE
        assert difference(drawn.resize((96, 64), Image.Resampling.BOX), picture(seed)) < 14
    for part in ("page=4", "page=0", "page=-1", "page=x", "t=1.000", "page=99999999999999"):
        assert refused(data, part).reason == "missing", part


def test_pdf_of_any_size_is_drawn_small() -> None:
    for box in ("[0 0 14400 14400]", "[0 0 3 3]", "[-10 -10 90 90]"):
        assert load(minimal_pdf(box)).picture.size == (VECTOR_SIDE, VECTOR_SIDE)
    red = load(minimal_pdf("[0 0 100 100]")).picture
    assert (red.getpixel((10, VECTOR_SIDE - 10)), red.getpixel((10, 10))) == ((255, 0, 0), (255, 255, 255))


def test_pdf_with_a_password() -> None:
    error = refused(encrypted_pdf())
    assert error.reason == "unsupported" and "password" in str(error)


# TIFF


def test_tiff_pages() -> None:
    data = encoded(picture(), "TIFF", frames=3)
    assert parts_of(data) == ["page=2", "page=3"]
    for part, seed in [(None, 0), ("page=2", 1), ("page=3", 2)]:
        assert difference(load(data, part).picture, picture(seed)) == 0
    assert refused(data, "page=4").reason == "missing"
    assert parts_of(encoded(picture(), "GIF", frames=3)) == parts_of(encoded(picture(), "PNG")) == []


def test_pages_that_only_tifffile_reads() -> None:
    buffer = io.BytesIO()
    pages = np.stack([np.asarray(picture(seed), np.float32) / 255 for seed in range(2)])
    tifffile.imwrite(buffer, pages, photometric="rgb")
    assert parts_of(buffer.getvalue()) == ["page=2"]
    assert difference(load(buffer.getvalue(), "page=2").picture, picture(1)) == 0


def test_smaller_versions_and_masks_are_no_pages() -> None:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        writer.write(np.asarray(picture()), photometric="rgb")
        writer.write(np.asarray(picture().resize((48, 32))), photometric="rgb", subfiletype=1)
        writer.write(np.asarray(picture(1)), photometric="rgb")
        writer.write(np.zeros((64, 96), bool), subfiletype=4)
    assert parts_of(buffer.getvalue()) == ["page=3"]


# Camera raw


def test_raw_sensor_data() -> None:
    image = draw(0, (600, 400))
    decoded = load(dng(image))
    assert (decoded.format, decoded.width, decoded.height) == ("RAW", 600, 400)
    assert difference(decoded.picture, image.resize((300, 200), Image.Resampling.BOX)) < 4
    assert refused(dng(image), limits=Limits(max_pixels=239_999)).reason == "too-large"


@pytest.mark.parametrize(("orientation", "turn"), [(3, "ROTATE_180"), (6, "ROTATE_90"), (8, "ROTATE_270")])
def test_raw_is_turned_upright(orientation: int, turn: str) -> None:
    upright = draw(0, (800, 560))
    stored = upright.transpose(Image.Transpose[turn])
    decoded = load(dng(stored, orientation=orientation))
    assert (decoded.width, decoded.height) == (800, 560)
    assert difference(decoded.picture, upright.resize((400, 280), Image.Resampling.BOX)) < 4
    decoded = load(dng(stored, preview=stored, orientation=orientation))
    assert (decoded.width, decoded.height) == (800, 560)
    assert difference(decoded.picture, upright) < 4


def test_raw_preview_comes_first_unless_it_is_a_thumbnail() -> None:
    sensor, preview = draw(0, (768, 512)), draw(1, (768, 512))
    assert difference(load(dng(sensor, preview=preview)).picture, preview) < 4
    small = load(dng(sensor, preview=preview.resize((192, 128)))).picture
    assert difference(small, sensor.resize((384, 256), Image.Resampling.BOX)) < 4


# Video


FILMS = [("mp4", "libx264"), ("mov", "mpeg4"), ("matroska", "libvpx"), ("webm", "libvpx-vp9"), ("avi", "mpeg4")]


@pytest.mark.parametrize(("container", "codec"), FILMS)
def test_video_key_frames(container: str, codec: str) -> None:
    size = (320, 192)
    data = video(container, codec, lambda scene: draw(scene, size), scenes=4)
    assert difference(load(data).picture, draw(0, size)) < 14
    assert parts_of(data) == ["t=1.000", "t=2.000", "t=3.000"]
    for scene, part in enumerate(parts_of(data), 1):
        errors = [difference(load(data, part).picture, draw(other, size)) for other in range(4)]
        assert errors.index(min(errors)) == scene
    for part in ("t=0.500", "t=99.000", "t=nan", "t=", "page=2"):
        assert refused(data, part).reason == "missing", part
    assert refused(data, limits=Limits(max_pixels=61_439)).reason == "too-large"


def test_video_begins_with_what_shows_something() -> None:
    data = video("mp4", "libx264", lambda scene: Image.new("RGB", (96, 64)) if scene == 0 else picture(scene))
    assert difference(load(data).picture, picture(1)) < 14
    assert parts_of(data) == ["t=2.000"]


def test_video_that_is_turned() -> None:
    upright = draw(0, (192, 320))
    data = video("mp4", "libx264", lambda _: upright.transpose(Image.Transpose.ROTATE_90), scenes=1)
    matrix = data.index(b"tkhd") + 44
    one, unit = 0x10000, 0x40000000
    turned = struct.pack(">9i", 0, one, 0, -one, 0, 0, 0, 0, unit)  # clockwise by 90 degrees, as telephones write it
    data = data[:matrix] + turned + data[matrix + 36 :]
    decoded = load(data)
    assert (decoded.width, decoded.height) == (192, 320)
    assert difference(decoded.picture, upright) < 14


def test_many_scenes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stylesearch.decoders.video.MAX_KEY_FRAMES", 3)
    data = video("mp4", "libx264", scenes=9)
    parts = parts_of(data)
    assert len(parts) == 3 and parts[0] == "t=1.000" and parts[-1] == "t=8.000"


def test_parts_of_what_cannot_be_read() -> None:
    for data, word in [(b"", "empty"), (b"text", "not-an-image"), (pdf(2)[:2000], "truncated")]:
        with pytest.raises(ImageError) as caught:
            parts_of(data)
        assert caught.value.reason == word
    with pytest.raises(ImageError, match=BY_NAME["JPEG XL"].name):
        parts_of(b"\xff\x0a" + bytes(50)) or load(b"\xff\x0a" + bytes(50))
