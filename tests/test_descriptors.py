"""The training-free baseline: colours and gradients, and nothing of where they lie."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from stylesearch import EncoderError, load_encoder
from stylesearch.encoders.descriptors import srgb_to_lab

ENCODER = load_encoder("descriptors:lab-gradient")


def noise(seed: int, colour: tuple[int, int, int], spread: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    grain = rng.normal(0, spread, (96, 120, 3)) + np.array(colour)
    return Image.fromarray(np.clip(grain, 0, 255).astype(np.uint8))


@pytest.mark.parametrize(
    ("srgb", "lab"),
    [  # reference values of the sRGB primaries under D65 (Lindbloom's calculator)
        ((255, 255, 255), (100.0, 0.0, 0.0)),
        ((255, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 255, 0), (87.73, -86.18, 83.18)),
        ((0, 0, 255), (32.30, 79.19, -107.86)),
        ((0, 0, 0), (0.0, 0.0, 0.0)),
    ],
)
def test_lab_of_primaries(srgb, lab):
    np.testing.assert_allclose(srgb_to_lab(np.array(srgb, np.uint8)), lab, atol=0.02)


def test_vectors_are_unit_float32_whatever_the_picture():
    pictures = [
        Image.new("RGB", (1, 1), "white"),
        Image.new("L", (500, 3)),
        Image.new("RGBA", (64, 64), (255, 0, 0, 0)),
        noise(0, (90, 120, 200), 30),
    ]
    vectors = ENCODER.embed_batch(pictures)
    assert vectors.shape == (4, ENCODER.dim) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_same_treatment_is_nearer_than_another_colour_or_grain():
    same, other, colour, grain = ENCODER.embed_batch(
        [
            noise(1, (90, 120, 200), 30),
            noise(2, (90, 120, 200), 30),
            noise(3, (200, 120, 60), 30),
            noise(4, (90, 120, 200), 5),
        ]
    )
    assert same @ other > max(same @ colour, same @ grain) + 0.1


def test_a_batch_gives_what_single_pictures_give():
    pictures = [noise(seed, (90, 120, 200), 20) for seed in range(3)]
    single = np.concatenate([ENCODER.embed_batch([picture]) for picture in pictures])
    np.testing.assert_array_equal(ENCODER.embed_batch(pictures), single)


def test_pictures_of_any_mode_are_seen_as_people_see_them():
    rgb = noise(5, (90, 120, 200), 30)
    transparent = Image.merge("RGBA", [*rgb.split(), Image.new("L", rgb.size)])
    grey = rgb.convert("L")
    sixteen_bits = Image.fromarray(np.asarray(grey, np.uint16) * 257)
    white, seen, expected, deep = ENCODER.embed_batch(
        [Image.new("RGB", rgb.size, "white"), transparent, grey, sixteen_bits]
    )
    np.testing.assert_array_equal(seen, white)
    np.testing.assert_array_equal(deep, expected)


def test_no_pictures_give_no_vectors():
    assert ENCODER.embed_batch([]).shape == (0, ENCODER.dim)


def test_wrong_pixels_are_refused_with_their_shape():
    with pytest.raises(EncoderError, match=r"uint8 pixels of shape \(N, 128, 128, 3\), not float64 \(1, 128, 128, 3\)"):
        ENCODER.embed_pixels(np.zeros((1, 128, 128, 3)))


def test_text_is_refused_by_an_encoder_without_a_text_tower():
    with pytest.raises(EncoderError, match="no text tower"):
        ENCODER.embed_texts(["ink wash"])
