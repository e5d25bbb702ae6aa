"""Projections in closed form and by SSCL, and what words mean, on made-up features of which the answer is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from encoder_training.captions import captioned, read_captions
from encoder_training.data import LabelledPictures
from encoder_training.discriminant import discriminant, principal_axes
from encoder_training.head import FeatureSet, fit_projection
from encoder_training.wording import Worded, learn_words
from stylesearch.encoders.compact_network import Projection

STYLES, EACH, WIDTH = 30, 8, 40


def features(seed: int) -> tuple[np.ndarray, list[str], list[str]]:
    """Style along the last five features and faint; content along the first five and loud; noise elsewhere."""
    random = np.random.default_rng(seed)
    values = random.normal(0, 0.3, (STYLES * EACH, WIDTH)).astype(np.float32)
    styles, contents = np.repeat(np.arange(STYLES), EACH), np.tile(np.arange(EACH), STYLES)
    values[:, -5:] += random.normal(0, 1.2, (STYLES, 5))[styles]
    values[:, :5] += 4 * np.random.default_rng(99).normal(0, 1, (EACH, 5))[contents]
    return values, [f"style-{seed}-{style}" for style in styles], [str(content) for content in contents]


def set_of(seed: int) -> FeatureSet:
    values, styles, contents = features(seed)
    return FeatureSet("made", {"part": values}, styles, contents, styles, 1.0)


def right(vectors: np.ndarray) -> float:
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -2)
    return float((cosines.argmax(1) // EACH == np.arange(len(vectors)) // EACH).mean())


def test_a_discriminant_leaves_content_alone() -> None:
    values, styles, _ = features(0)
    basis = principal_axes([values], [1.0], WIDTH)
    labels = torch.from_numpy(np.unique(styles, return_inverse=True)[1])
    axes = basis.axes @ discriminant(basis(values), labels, torch.ones(len(values)), 5)
    weight = (axes * basis.scale[:, None]).square().sum(1)
    assert weight[-5:].min() > 20 * weight[:5].max()


def test_a_projection_finds_styles_it_has_not_seen() -> None:
    torch.manual_seed(0)
    projection = Projection(WIDTH, 8)
    fit_projection(projection, "part", [set_of(0), set_of(1)], steps=30)
    unseen = features(2)[0]
    plain = torch.nn.functional.normalize(torch.from_numpy(unseen), dim=1).numpy()
    with torch.inference_mode():
        found = projection(torch.from_numpy(unseen)).numpy()
    assert right(plain) < 0.2 and right(found) > 0.6


def test_a_word_means_what_its_pictures_have_in_common() -> None:
    eye = np.eye(6, dtype=np.float32)
    embeddings = np.stack([eye[0] + eye[1], eye[0] + eye[2], eye[3], eye[4]])
    prompts = ["in the style of one, warm ink", "in the style of two, warm chalk", "in the style of three", "four"]
    words = learn_words([Worded(["a", "b", "c", "d"], prompts, embeddings, 1.0)], None)
    warm, cold = words(["warm", "three"]).numpy()
    assert warm.argmax() == 0 and cold.argmax() == 3
    assert words.unknown("Warm in the style of nobody") == ["in", "the", "style", "of", "nobody"]


def test_captions_are_added_to_prompts(tmp_path: Path) -> None:
    file = tmp_path / "captions.txt"
    file.write_text("# what they look like\n\nink, line art: moebius *-outline\ncomic: moebius\n")
    pictures = LabelledPictures("some", [b""] * 3, ["moebius", "fa-outline", "other"], ["x"] * 3, ["m", "f", "o"])
    assert captioned(pictures, read_captions(file)).prompts == ["m, ink, line art, comic", "f, ink, line art", "o"]
    file.write_text("no colon\n")
    with pytest.raises(ValueError, match="without a colon"):
        read_captions(file)
    assert {"oil painting", "line icon"} <= {phrase for phrases in read_captions().values() for phrase in phrases}
