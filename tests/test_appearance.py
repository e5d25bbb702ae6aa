"""Palettes and perceptual hashes."""

from __future__ import annotations

import colorsys
import itertools

import numpy as np
import pytest
from pictures import draw, encode
from PIL import Image

from stylesearch.appearance import SIDE, appearance_of, hamming, perceptual_hash
from stylesearch.duplicates import DISTANCE
from stylesearch.images import read_image
from stylesearch.palette import MOST_COLOURS, hex_of, oklab_of_srgb, palette_of, srgb_of_oklab
from stylesearch.records import Colour


def test_oklab_of_known_colours() -> None:
    """White, and the primaries of sRGB as CSS Color 4 gives them in OKLab."""
    expected = {
        (255, 255, 255): (1.0, 0.0, 0.0),
        (0, 0, 0): (0.0, 0.0, 0.0),
        (255, 0, 0): (0.62796, 0.22486, 0.12585),
        (0, 255, 0): (0.86644, -0.23389, 0.17950),
        (0, 0, 255): (0.45201, -0.03246, -0.31153),
    }
    np.testing.assert_allclose(oklab_of_srgb(np.array(list(expected))), list(expected.values()), atol=1e-4)


def test_oklab_and_back() -> None:
    rgb = np.array(list(itertools.product(range(0, 256, 15), repeat=3)), np.uint8)
    np.testing.assert_array_equal(srgb_of_oklab(oklab_of_srgb(rgb)), rgb)
    assert srgb_of_oklab(np.array([0.6, 0.4, 0.4])).tolist()[2] == 0, "what sRGB cannot show is cut"


def test_a_palette_of_known_colours() -> None:
    colours = [tuple(round(255 * level) for level in colorsys.hsv_to_rgb(hue / 6, 1, 0.9)) for hue in range(6)]
    pixels = np.concatenate([np.full((16 * (6 - place), 96, 3), rgb, np.uint8) for place, rgb in enumerate(colours)])
    palette = palette_of(pixels)
    assert [hex_of(colour) for colour in palette] == ["#{:02x}{:02x}{:02x}".format(*rgb) for rgb in colours]
    np.testing.assert_allclose([colour.share for colour in palette], np.arange(6, 0, -1) / 21, atol=1e-6)


def test_a_flat_picture_has_one_colour_and_a_busy_one_at_most_eight() -> None:
    assert palette_of(np.full((5, 7, 3), 200, np.uint8)) == (Colour(*palette_of(np.full((1, 1, 3), 200, np.uint8))[0]),)
    noise = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)
    assert len(palette_of(noise)) == MOST_COLOURS
    assert sum(colour.share for colour in palette_of(noise)) == pytest.approx(1)


def test_colours_that_nobody_tells_apart_are_one() -> None:
    pixels = np.full((10, 10, 3), 100, np.uint8)
    pixels[:5] = 104
    (colour,) = palette_of(pixels)
    assert hex_of(colour) == "#666666"


def test_palettes_agree_with_plain_k_means() -> None:
    """Lloyd's algorithm over every single pixel, from the same centres, ends in the same colours."""
    pixels = np.asarray(draw(4, (96, 64)))
    palette = palette_of(pixels)
    points, centres = oklab_of_srgb(pixels.reshape(-1, 3)), np.array([colour[:3] for colour in palette])
    for _ in range(5):
        nearest = np.array([np.argmin([np.sum((point - centre) ** 2) for centre in centres]) for point in points])
        centres = np.stack([points[nearest == number].mean(0) for number in range(len(centres))])
    np.testing.assert_allclose([colour[:3] for colour in palette], centres, atol=0.01)


def test_the_same_picture_looks_the_same_at_every_size() -> None:
    large = draw(3, (1200, 800))
    whole, small = appearance_of(large), appearance_of(large.resize((300, 200), Image.Resampling.BOX))
    assert hex_of(whole.palette[0])[:2] == hex_of(small.palette[0])[:2]
    assert bits(whole.perceptual_hash, small.perceptual_hash) <= 2
    assert appearance_of(large) == whole, "and the same every time"
    for size in ((1, 1), (1, 4_000), (4_000, 1), (SIDE, SIDE)):
        assert len(appearance_of(Image.new("RGB", size, "red")).palette) == 1


def bits(one: int, other: int) -> int:
    return (one ^ other).bit_count()


def cropped(picture: Image.Image, share: float) -> Image.Image:
    width, height = picture.size
    left, top = round(width * share), round(height * share)
    return picture.crop((left, top, width - left, height - top))


COPIES = {
    "half": lambda picture: picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.LANCZOS),
    "jpeg": lambda picture: read_image(encode(picture, "JPEG", quality=20)),
    "crop": lambda picture: cropped(picture, 0.01),
    "bright": lambda picture: picture.point(lambda level: min(255, round(level * 1.15))),
}


def icon(seed: int) -> Image.Image:
    """A symmetric shape on white: most frequencies are nothing but rounding."""
    half = draw(seed, (48, 96)).convert("L").point(lambda level: 0 if level < 100 else 255).convert("RGB")
    picture = Image.new("RGB", (128, 128), "white")
    picture.paste(half, (16, 16))
    picture.paste(half.transpose(Image.Transpose.FLIP_LEFT_RIGHT), (64, 16))
    return picture


@pytest.mark.parametrize("copy", COPIES)
@pytest.mark.parametrize("drawing", [lambda seed: draw(seed, (480, 320)), icon], ids=["picture", "icon"])
def test_hashes_survive_what_copies_go_through(copy: str, drawing) -> None:
    originals = [drawing(seed) for seed in range(60)]
    distances = [bits(perceptual_hash(one), perceptual_hash(COPIES[copy](one))) for one in originals]
    assert np.mean(np.array(distances) <= DISTANCE) >= 0.95, sorted(distances)[-5:]


def test_different_pictures_have_different_hashes() -> None:
    hashes = np.array([perceptual_hash(draw(seed, (160, 100))) for seed in range(200)], np.uint64)
    distances = hamming(hashes[:, None], hashes[None])[np.triu_indices(200, 1)]
    assert np.mean(distances <= DISTANCE) < 1e-3
    assert 24 < np.mean(distances) < 40, "as good as independent bits"


@pytest.mark.parametrize("with_numpy_2", [True, False])
def test_bits_are_counted(with_numpy_2: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not with_numpy_2:
        monkeypatch.delattr(np, "bitwise_count")
    values = np.random.default_rng(0).integers(0, 2**64, (3, 5), np.uint64)
    expected = [[(int(value) ^ 5).bit_count() for value in row] for row in values]
    assert hamming(values, np.array(5, np.uint64)).tolist() == expected
