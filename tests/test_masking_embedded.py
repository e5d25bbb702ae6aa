"""The masker that ships: its files, and what it finds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from benchmarks.masking import overlap
from encoder_training.composites import draw_composites
from encoder_training.experiments.masker import SMOKE, export, main
from stylesearch.errors import EncoderError
from stylesearch.masking import DEFAULT_MASKER, load_masker
from stylesearch.masking.embedded import WEIGHTS, EmbeddedMasker
from stylesearch.masking.network import MaskNet

_MOST_BYTES = 4_000_000


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    export(MaskNet(SMOKE.config).eval(), "try", tmp_path)
    return tmp_path


def test_training_runs_from_nothing_to_a_masker_that_loads(tmp_path: Path) -> None:
    folder = main(["--out", str(tmp_path), "--tag", "smoke", "--smoke"])
    masker = EmbeddedMasker("masker:smoke", "float32", folder.parent)
    side = masker.preprocess.size
    assert masker.mask_pixels(np.zeros((3, side, side, 3), np.uint8)).values.shape == (3, side, side)


def test_pictures_in_a_batch_do_not_change_each_other(weights: Path) -> None:
    masker = EmbeddedMasker("masker:try", "float32", weights)
    side = masker.preprocess.size
    pixels = np.random.default_rng(0).integers(0, 256, (11, side, side, 3), np.uint8)
    together = masker.mask_pixels(pixels)
    alone = masker.mask_pixels(pixels[9:10])
    np.testing.assert_allclose(alone.values[0], together.values[9], atol=1e-5)
    np.testing.assert_allclose(alone.confidence[0], together.confidence[9], atol=1e-5)


def test_images_of_any_size_and_none_at_all(weights: Path) -> None:
    masker = EmbeddedMasker("masker:try", "float32", weights)
    side = masker.preprocess.size
    assert masker.mask_batch([Image.new("RGB", (50, 20)), Image.new("L", (7, 90))]).values.shape == (2, side, side)
    assert len(masker.mask_batch([])) == 0
    with pytest.raises(EncoderError, match=r"takes uint8 pixels of shape"):
        masker.mask_pixels(np.zeros((1, side, side), np.uint8))


def test_damaged_weights_are_not_used(weights: Path) -> None:
    file = weights / "masker-try" / "masker.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(EncoderError, match="are damaged"):
        EmbeddedMasker("masker:try", weights=weights)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"format": 9}, "format 9, this version reads 1"), (None, "cannot be read")],
)
def test_manifest_that_cannot_be_used(weights: Path, change: dict[str, int] | None, message: str) -> None:
    file = weights / "masker-try" / "manifest.json"
    file.write_text("{" if change is None else json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(EncoderError, match=message):
        EmbeddedMasker("masker:try", weights=weights)


def test_unknown_tag_names_those_that_are_there(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"There is: masker:try\."):
        EmbeddedMasker("masker:v9", weights=weights)
    with pytest.raises(EncoderError, match="no masker weights"):
        EmbeddedMasker("masker", weights=tmp_path / "masker-try")


def test_shipped_weights_are_small() -> None:
    folder = WEIGHTS / DEFAULT_MASKER.replace(":", "-")
    assert sum(path.stat().st_size for path in folder.iterdir()) <= _MOST_BYTES


def test_shipped_masker_finds_subjects_in_styles_it_has_never_seen() -> None:
    masker = load_masker()
    drawn = draw_composites(np.random.default_rng([7, 1]), 96, masker.preprocess.size, held_out=True, per_draw=2)
    masks = masker.mask_pixels(drawn.pixels)
    wanted = drawn.masks >= 128
    there = wanted.mean((1, 2)) > 0.02
    assert (~there).sum() >= 10  # enough for a share to mean something
    found = (masks.values >= 0.5) & masks.found[:, None, None]
    assert overlap(found, wanted)[there].mean() > 0.5
    assert masks.found[there].mean() > 0.7 and masks.usable[there].mean() > 0.5
    assert masks.found[~there].mean() < 0.5


def test_shipped_masker_sees_a_thing_on_a_plain_ground_and_none_in_noise() -> None:
    masker = load_masker()
    thing = Image.new("RGB", (300, 200), "#e8e0d0")
    ImageDraw.Draw(thing).ellipse((90, 40, 210, 160), fill="#a03020", outline="black", width=4)
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8))
    masks = masker.mask_batch([thing, noise])
    assert masks.usable.tolist() == [True, False]
    side = masker.preprocess.size
    assert masks.values[0, side // 2, side // 2] > 0.9
    assert masks.values[0, 4, 4] < 0.1
