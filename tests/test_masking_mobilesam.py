"""MobileSAM from a checkpoint with the names and shapes of the published `mobile_sam.pt`, and random weights."""

from __future__ import annotations

import ast
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from stylesearch.errors import EncoderError
from stylesearch.masking import load_masker
from stylesearch.masking.mobilesam import MobileSamMasker

# Names and shapes of all tensors of the published file.
LAYOUT = Path(__file__).parent / "mobile_sam_layout.txt"

# What ChaoningZhang/MobileSAM's own code (build_sam_vit_t) gave for these weights, picture and points.
POINTS = torch.tensor([[300.0, 200.0], [512.0, 700.0]])
FEATURES = [0.0951249822974205, 0.08881630003452301, 0.0816384106874466]  # [0, :3, 10, 20]
LOGITS = [0.018849564716219902, 0.006563006900250912, -0.0247011911123991, 0.020404012873768806]  # [:4, 100, 130]
IOU = [-0.16268913, -0.18915325, -0.17557747, -0.15390020, -0.24544277, -0.09302495]


def tensor_for(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    if name.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.int64)
    drawn = torch.randn(shape, generator=torch.Generator().manual_seed(zlib.crc32(name.encode()))) * 0.05
    if name.endswith("running_var"):
        return drawn.abs() + 0.5
    return drawn + 1 if ("norm" in name and name.endswith("weight")) or name.endswith("bn.weight") else drawn


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    lines = (line.partition(" ") for line in LAYOUT.read_text().splitlines())
    return {name: tensor_for(name, ast.literal_eval(shape)) for name, _, shape in lines}


@pytest.fixture(scope="module")
def masker(state: dict[str, torch.Tensor], tmp_path_factory: pytest.TempPathFactory) -> MobileSamMasker:
    path = tmp_path_factory.mktemp("mobilesam") / "mobile_sam.pt"
    torch.save(state, path)
    return MobileSamMasker(f"mobilesam:{path}", "float32")


def test_network_is_that_of_the_published_code(masker: MobileSamMasker) -> None:
    image = torch.randn(1, 3, 1024, 1024, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        features = masker.features(image)
        logits, sure = masker.answers(features, POINTS)
    assert features.shape == (1, 256, 64, 64)
    assert logits.shape == (6, 256, 256)
    np.testing.assert_allclose(features[0, :3, 10, 20], FEATURES, atol=1e-4)
    np.testing.assert_allclose(logits[:4, 100, 130], LOGITS, atol=1e-4)
    np.testing.assert_allclose(sure, IOU, atol=1e-4)


def test_masks_of_a_picture(masker: MobileSamMasker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stylesearch.masking.proposals._LEAST_IOU", -1)  # random weights doubt all of their masks
    monkeypatch.setattr("stylesearch.masking.proposals._LEAST_STABILITY", 0)
    monkeypatch.setattr(masker, "_points", POINTS)
    masks = masker.mask_pixels(np.random.default_rng(0).integers(0, 256, (1, 1024, 1024, 3), np.uint8))
    assert masks.values.shape == (1, 1024, 1024)
    assert masks.confidence.shape == (1,)


def test_checkpoint_with_a_gap_is_refused_by_name(state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    name = "mask_decoder.iou_token.weight"
    torch.save({key: value for key, value in state.items() if key != name}, tmp_path / "gap.pt")
    with pytest.raises(EncoderError, match=r"sam\.mask_decoder\.iou_token\.weight"):
        load_masker(f"mobilesam:{tmp_path / 'gap.pt'}")


def test_no_checkpoint_there(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="there is no checkpoint file"):
        load_masker(f"mobilesam:{tmp_path / 'mobile_sam.pt'}")
