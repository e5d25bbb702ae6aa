"""Encoders of a region: their vectors, their spaces, and pictures in which nothing stands out."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import FakeEncoder
from PIL import Image

from stylesearch.encoders import load_encoder
from stylesearch.encoders.base import Encoder
from stylesearch.encoders.descriptors import LabGradientEncoder
from stylesearch.errors import EncoderError, UsageError
from stylesearch.images import Preprocess, fit, shown_box
from stylesearch.masking.base import Masker, Masks
from stylesearch.masking.keeping import kept
from stylesearch.masking.regions import ALPHAS, DEFAULT_USE, USES, RegionEncoder, mixed, region_encoder, resized
from stylesearch.records import Region

RED = (230, 20, 20)


class RedMasker(Masker):
    """What is red stands out."""

    name = "fake:red"
    fingerprint = "5ed"
    preprocess = Preprocess(64)

    def _mask(self, pixels: np.ndarray) -> Masks:
        reds = (pixels[..., 0] > 180) & (pixels[..., 1] < 90)
        return Masks(reds.astype(np.float32), (reds.mean((1, 2)) > 0.01).astype(np.float32))


class CropEncoder(LabGradientEncoder):
    """Sees the middle square."""

    preprocess = Preprocess(64, "crop")


def grainy(seed: int, size: tuple[int, int] = (128, 128), level: float = 120) -> Image.Image:
    noise = np.random.default_rng(seed).normal(level, 25, (size[1], size[0], 1))
    return Image.fromarray(np.clip(noise + np.array([-40, 0, 60]), 0, 255).astype(np.uint8))


def with_subject(picture: Image.Image, box: tuple[int, int, int, int] = (40, 30, 100, 110)) -> Image.Image:
    copy = picture.copy()
    copy.paste(RED, box)
    return copy


def region(encoder: Encoder, name: str = "background", use: str | None = None) -> RegionEncoder:
    made = region_encoder(encoder, RedMasker(), name, use)  # type: ignore[arg-type]
    assert isinstance(made, RegionEncoder)
    return made


def test_the_whole_is_the_encoder_itself() -> None:
    encoder = FakeEncoder()
    assert region_encoder(encoder, RedMasker(), "whole") is encoder


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("name", ["background", "subject"])
def test_vectors_are_those_of_the_formula(name: Region, use: str) -> None:
    inner = load_encoder("descriptors:lab-gradient")
    images = [with_subject(grainy(1)), with_subject(grainy(2), (10, 10, 60, 120))]
    pixels = np.stack([fit(image, inner.preprocess) for image in images])
    masks = RedMasker().mask_batch(images)
    found = region(inner, name, use).embed_with(pixels, masks)
    keep = resized(masks.values if name == "subject" else 1 - masks.values, 128)
    whole = inner.embed_pixels(pixels)
    if use == "subtract":
        left = (keep[..., None] * 255 + (1 - keep[..., None]) * pixels).round().astype(np.uint8)
        alone = whole - inner.embed_pixels(left)
    else:
        alone = inner.embed_masked(pixels, keep)  # these descriptors have no places: fill and pool are one
    alpha = ALPHAS[use]
    expected = alpha * whole + (1 - alpha) * alone
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert found.shape == (2, inner.dim) and found.dtype == np.float32
    np.testing.assert_allclose((found * expected).sum(1), 1, atol=1e-5)


def test_at_alpha_1_the_whole_is_left() -> None:
    whole = np.eye(3, dtype=np.float32)
    np.testing.assert_allclose(mixed(whole, whole[::-1], 1), whole)
    np.testing.assert_allclose(mixed(whole, whole[::-1], 0.5)[0], np.array([1, 0, 1]) / 2**0.5, atol=1e-6)


@pytest.mark.parametrize("encoder", ["compact:v3", "descriptors:lab-gradient"])
def test_the_background_is_found_behind_any_subject(encoder: str) -> None:
    inner = load_encoder(encoder)
    flat = Image.new("RGB", (128, 128), (235, 215, 120))
    pictures = [with_subject(grainy(1)), grainy(2), with_subject(flat)]
    by_background, by_all = (one.embed_batch(pictures) for one in (region(inner), inner))
    same, other = by_background[0] @ by_background[1:].T
    assert same > by_all[0] @ by_all[1] and other < by_all[0] @ by_all[2]


@pytest.mark.parametrize("use", USES)
def test_where_nothing_stands_out_it_is_the_whole_picture(use: str) -> None:
    inner = load_encoder("descriptors:lab-gradient")
    images = [grainy(1), with_subject(grainy(1)), Image.new("RGB", (128, 128), RED)]
    vectors, wholes = region(inner, use=use).embed_batch(images), inner.embed_batch(images)
    np.testing.assert_array_equal(vectors[[0, 2]], wholes[[0, 2]])  # no subject; nothing but a subject
    assert not np.allclose(vectors[1], wholes[1], atol=1e-3)


def test_pictures_and_prepared_pictures_give_nearly_the_same() -> None:
    inner = load_encoder("descriptors:lab-gradient")
    images = [with_subject(grainy(seed)) for seed in range(3)]
    encoder = region(inner)
    prepared = encoder.embed_pixels(np.stack([fit(image, inner.preprocess) for image in images]))
    assert ((prepared * encoder.embed_batch(images)).sum(1) > 0.99).all()
    assert encoder.embed_batch([]).shape == (0, inner.dim)
    assert encoder.embed_pixels(np.empty((0, 128, 128, 3), np.uint8)).shape == (0, inner.dim)
    with pytest.raises(EncoderError, match="uint8 pixels of shape"):
        encoder.embed_pixels(np.zeros((1, 5, 5, 3), np.uint8))


def test_masks_of_the_whole_picture_follow_an_encoder_that_sees_its_middle() -> None:
    picture = with_subject(grainy(4, (240, 120)), (100, 20, 160, 100))
    encoder = region(CropEncoder())
    masks = RedMasker().mask_batch([picture])
    pixels = fit(picture, encoder.preprocess)[None]
    there = resized(masks.values, 64, [shown_box(encoder.preprocess, 240, 120)])[0] > 0.5
    reds = RedMasker().mask_pixels(pixels).values[0] > 0.5
    assert (there & reds).sum() / (there | reds).sum() > 0.9
    np.testing.assert_allclose(
        encoder.embed_with(pixels, masks, [(240, 120)]), encoder.embed_batch([picture]), atol=1e-6
    )
    assert not np.allclose(encoder.embed_with(pixels, masks), encoder.embed_batch([picture]), atol=1e-3)


def test_masks_are_0_beyond_a_padded_picture() -> None:
    wide = resized(np.ones((1, 32, 32), np.float32), 64, [shown_box(Preprocess(64, "pad"), 200, 100)])[0]
    assert wide[:15].max() == wide[-15:].max() == 0
    assert wide[18:-18].min() == 1


def test_every_region_masker_and_use_has_a_space_of_its_own() -> None:
    inner, other = FakeEncoder(), RedMasker()
    other.fingerprint = "b1ue"
    made = [region_encoder(inner, RedMasker(), name, use) for name in ("background", "subject") for use in USES]
    made.append(region_encoder(inner, other, "background"))
    keys = {one.space().key for one in made} | {inner.space().key}
    assert len(keys) == len(made) + 1
    space = region(inner).space()
    assert (space.name, space.encoder, space.dim) == ("fake:grid.4@background", "fake:grid.4", 48)
    assert region(inner).space("background") == space
    assert region(inner).fingerprint == region(inner, use=DEFAULT_USE).fingerprint
    with pytest.raises(UsageError, match="of the region 'background', not of 'subject'"):
        region(inner).space("subject")


def test_an_unknown_use_says_what_there_is() -> None:
    with pytest.raises(UsageError, match="no use of a mask 'erase'; there are: pool, subtract, fill"):
        region_encoder(FakeEncoder(), RedMasker(), "background", "erase")


@pytest.mark.parametrize("use", USES)
def test_what_a_person_marks_counts_alone(use: str) -> None:
    inner = load_encoder("descriptors:lab-gradient")
    keep = np.zeros((1, 128, 128), np.float32)
    keep[:, 64:] = 1
    first, second = (fit(grainy(seed), inner.preprocess)[None] for seed in (1, 2))
    below = np.concatenate([second[:, :64], first[:, 64:]], 1)
    encoder = region(inner, use=use)
    np.testing.assert_allclose(encoder.embed_masked(below, keep), encoder.embed_masked(first, keep), atol=1e-6)


def test_the_rest_is_the_encoders_own() -> None:
    inner = load_encoder("compact:v3")
    encoder = region(inner)
    assert encoder.licence == inner.licence and encoder.preprocess == inner.preprocess
    np.testing.assert_array_equal(encoder.embed_texts(["ink wash"]), inner.embed_texts(["ink wash"]))
    pixels = fit(with_subject(grainy(1)), inner.preprocess)[None]
    np.testing.assert_array_equal(encoder.patches_pixels(pixels), inner.patches_pixels(pixels))


def test_a_mask_that_cannot_decide_is_of_no_use() -> None:
    values = np.zeros((4, 80, 80), np.float32)
    values[:, 20:60, 20:60] = 1
    for mask, (rows, doubt) in zip(values, [(9, 0.5), (5, 0.5), (9, 0.9), (80, 0.1)], strict=True):
        mask[:rows] = np.where(mask[:rows] == 0, doubt, mask[:rows])
    masks = Masks(values, np.ones(4, np.float32))
    assert masks.found.all() and masks.usable.tolist() == [False, True, True, True]
    assert [mask.usable for mask in kept(masks)] == masks.usable.tolist()
    encoder = LabGradientEncoder()
    pixels = np.stack([fit(with_subject(grainy(seed)), encoder.preprocess) for seed in range(4)])
    whole, alone = encoder.embed_pixels(pixels), region(encoder).embed_with(pixels, masks)
    assert (whole == alone).all(axis=1).tolist() == [True, False, False, False]


def test_what_lies_on_white_counts_as_a_whole() -> None:
    on_white, on_blue = (Image.new("RGB", (128, 128), ground) for ground in ("white", (90, 120, 200)))
    pictures = [with_subject(one) for one in (on_white, on_blue, Image.new("RGB", (128, 128), (250, 248, 246)))]
    masks = RedMasker().mask_batch(pictures)
    assert masks.found.all() and masks.usable.tolist() == [False, True, False]
    assert [mask.usable for mask in kept(masks)] == [False, True, False]
    print_with_margin = Image.new("RGB", (128, 128), "white")
    print_with_margin.paste((90, 120, 200), (12, 12, 116, 116))
    assert RedMasker().mask_batch([with_subject(print_with_margin)]).usable.all()
    encoder = LabGradientEncoder()
    whole, alone = encoder.embed_batch(pictures), region(encoder).embed_batch(pictures)
    assert (whole == alone).all(axis=1).tolist() == [True, False, True]
    shown = np.asarray(
        with_subject(on_white, (0, 30, 100, 110))
    )  # it is no ground any more where the subject leaves it
    assert RedMasker().mask_batch([Image.fromarray(shown)]).usable.all()
