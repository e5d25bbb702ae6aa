"""Why a picture is like another: where, and in what."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import FakeEncoder
from PIL import Image, ImageFilter
from studio import STYLES, draw

from stylesearch import EncoderError
from stylesearch.encoders import load_encoder
from stylesearch.encoders.descriptors import srgb_to_lab
from stylesearch.explain import explain, heat_colours, heat_over
from stylesearch.images import Preprocess, fit, shown_box
from stylesearch.traits import Likeness, likeness_of, traits_of

ENCODERS = ("compact:v3", "descriptors:lab-gradient")


def large(style: str, shape: str, seed: int) -> Image.Image:
    return draw(style, shape, seed).resize((480, 360))


def collage(left: str, right: str) -> Image.Image:
    """One drawing whose halves are in two styles."""
    picture = large(left, "bars", 3)
    picture.paste(large(right, "bars", 4).crop((240, 0, 480, 360)), (240, 0))
    return picture


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize(("left", "right"), [("ink", "riso"), ("moss", "ink"), ("night", "moss")])
def test_heat_is_where_the_style_is(encoder, left, right):
    found = explain(load_encoder(encoder), large(right, "disc", 7), collage(left, right))
    heat = found.heat.cosines
    assert heat.shape == found.reference_heat.cosines.shape and heat.dtype == np.float32
    assert heat[:, :3].max() < heat[:, -3:].min() - 0.15
    shades = found.shades(found.heat)
    assert shades.min() >= 0 and shades.max() <= 1
    assert shades[:, -3:].mean() > 0.6 > 0.3 > shades[:, :3].mean()


@pytest.mark.parametrize("encoder", ENCODERS)
def test_the_same_style_everywhere_is_hot_everywhere(encoder):
    found = explain(load_encoder(encoder), large("moss", "disc", 1), large("moss", "disc", 2))
    assert found.cosine > 0.9
    assert min(found.shades(found.heat).mean(), found.shades(found.reference_heat).mean()) > 0.8


def test_heat_is_the_mean_over_the_parts_of_the_other_picture():
    encoder = FakeEncoder()
    reference, picture = large("ink", "disc", 1), collage("ink", "riso")
    found = explain(encoder, reference, picture)
    theirs, ours = encoder.patches_pixels(np.stack([fit(one, encoder.preprocess) for one in (reference, picture)]))
    for row in range(9):
        for column in range(9):
            mean = np.mean([ours[row, column] @ theirs[y, x] for y in range(9) for x in range(9)])
            assert found.heat.cosines[row, column] == pytest.approx(mean, abs=1e-5)


def test_parts_are_unit_vectors_of_the_windows_around_them():
    encoder = load_encoder("descriptors:lab-gradient")
    square = fit(collage("ink", "moss"), encoder.preprocess)
    parts = encoder.patches_pixels(square[None])
    assert parts.shape == (1, 9, 9, encoder.dim) and parts.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(parts, axis=-1), 1, atol=1e-5)
    np.testing.assert_array_equal(parts[0, 0], parts[0, 1])  # the outermost window holds both rows
    middle = Image.fromarray(square[43:85, 43:85]).resize((48, 48), Image.Resampling.BICUBIC)
    expected = encoder._embed(np.asarray(middle)[None])[0]
    assert parts[0, 4, 4] @ (expected / np.linalg.norm(expected)) > 0.999
    with pytest.raises(EncoderError, match="uint8 pixels of shape"):
        encoder.patches_pixels(square[None].astype(float))


@pytest.mark.parametrize(
    "preprocess",
    [Preprocess(64), Preprocess(64, "crop"), Preprocess(64, "pad"), Preprocess(64, "crop", "bicubic", 0.8)],
    ids=lambda one: one.version,
)
def test_the_grid_lies_where_the_encoder_looked(preprocess):
    left, top, right, bottom = shown_box(preprocess, 300, 200)
    picture = Image.new("RGB", (300, 200))
    picture.paste("white", (120, 90, 160, 130))
    square = fit(picture, preprocess)[..., 0] > 128
    seen = np.argwhere(square)
    if preprocess.mode == "pad":  # its bars are white
        seen = seen[(seen[:, 0] > 11) & (seen[:, 0] < 52)]
    y, x = seen.mean(0) + 0.5
    assert left + x / 64 * (right - left) == pytest.approx(140 / 300, abs=0.01)
    assert top + y / 64 * (bottom - top) == pytest.approx(110 / 200, abs=0.02)


def test_hot_parts_are_light_and_lie_over_their_place():
    shades = np.zeros((9, 9), np.float32)
    shades[:, 6:] = 1
    small = np.asarray(heat_colours(shades), int)
    assert small.shape == (9, 9, 3) and small[0, 8].sum() > 600 > 20 > small[0, 0].sum()
    over = np.asarray(heat_over(Image.new("RGB", (90, 60), "gray"), shades, (0, 0, 1, 1)), int).sum(2)
    assert over.shape == (60, 90) and over[:, 75:].min() > over[:, :50].max() + 200


def recoloured(picture: Image.Image) -> Image.Image:
    """Every hue turned by a third, lightness and strength of colour kept."""
    return of_lab(picture, lambda lab: np.dstack([lab[..., 0], turned(lab[..., 1:])]))


def turned(plane: np.ndarray) -> np.ndarray:
    angle = 2 * np.pi / 3
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return plane @ turn.T


def lightened(picture: Image.Image) -> Image.Image:
    """The same in pale: shades from 45 to 85 of 100, colours kept."""
    return of_lab(picture, lambda lab: np.dstack([45 + 0.4 * lab[..., 0], lab[..., 1:]]))


def of_lab(picture: Image.Image, change) -> Image.Image:
    lab = change(srgb_to_lab(np.asarray(picture))).astype(float)
    y = (lab[..., 0] + 16) / 116
    f = np.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], -1)
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * [0.95047, 1.0, 1.08883]
    linear = xyz @ np.array([[3.2404542, -0.9692660, 0.0556434], [-1.5371385, 1.8760108, -0.2040259],
                             [-0.4985314, 0.0415560, 1.0572252]])  # fmt: skip
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 0) ** (1 / 2.4) - 0.055)
    return Image.fromarray(np.clip(np.round(encoded * 255), 0, 255).astype(np.uint8))


def muted(seed: int = 0) -> Image.Image:
    """Soft patches of colour with strokes; its colours stay within sRGB when they are turned."""
    rng = np.random.default_rng(seed)
    ground = Image.fromarray(rng.integers(60, 180, (6, 8, 3), dtype=np.uint8)).resize(
        (400, 300), Image.Resampling.BICUBIC
    )
    strokes = np.asarray(draw("ink", "bars", seed).resize((400, 300)).convert("L"))[..., None] > 128
    return Image.fromarray(np.where(strokes, np.asarray(ground), np.asarray(ground) // 2 + 20).astype(np.uint8))


def grainy(picture: Image.Image) -> Image.Image:
    grain = np.random.default_rng(1).normal(0, 14, (picture.height, picture.width, 1))
    return Image.fromarray(np.clip(np.asarray(picture) + grain, 0, 255).astype(np.uint8))


def hatched(picture: Image.Image) -> Image.Image:
    """Its shapes as many narrow strokes; colours and shades stay."""
    return Image.fromarray(np.asarray(picture)[:, (np.arange(picture.width) * 2) % picture.width])


def compared(change) -> Likeness:
    return likeness_of(traits_of(muted()), traits_of(change(muted())))


def test_a_copy_is_alike_in_everything():
    assert likeness_of(traits_of(muted()), traits_of(muted())) == Likeness(1, 1, 1, 1)
    assert min(compared(lambda picture: picture.resize((300, 225)))) > 0.8
    mirrored = compared(lambda picture: picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    assert min(mirrored) > 0.9


@pytest.mark.parametrize(("trait", "change"), [("colour", recoloured), ("tone", lightened), ("texture", grainy)])
def test_each_trait_stands_alone(trait, change):
    found = compared(change)._asdict()
    lowered = found.pop(trait)
    assert lowered < 0.75
    assert min(found.values()) > lowered + 0.15


def test_strokes_are_line():
    found = compared(hatched)
    assert found.line < 0.6 and found.line < found.texture and found.colour > 0.95 and found.tone > 0.95


def test_likeness_is_the_same_both_ways_and_in_range():
    measured = [traits_of(large(style, "disc", 1)) for style in STYLES]
    measured += [traits_of(Image.new("RGB", (5, 300), "white")), traits_of(Image.new("RGB", (1, 1)))]
    for one in measured:
        for other in measured:
            there, back = likeness_of(one, other), likeness_of(other, one)
            assert there == pytest.approx(back)
            assert all(0 <= value <= 1 for value in there)


def test_blur_is_texture_rather_than_colour():
    found = compared(lambda picture: grainy(picture).filter(ImageFilter.GaussianBlur(3)))
    assert found.colour > 0.9 and found.texture < found.colour
