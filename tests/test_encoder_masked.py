"""Parts of any shape: what is left out of a picture leaves no trace in its vector."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from siglip import published_layout, siglip_pixels, tiny_siglip
from torch import nn

from stylesearch.encoders import load_encoder
from stylesearch.encoders.base import Encoder
from stylesearch.encoders.fill import fill_in, is_kept
from stylesearch.encoders.places import Places, pool_kept
from stylesearch.encoders.statistics import Lab, Statistics
from stylesearch.errors import EncoderError


def pictures(side: int, count: int = 3, seed: int = 0) -> np.ndarray:
    """Smooth colours and grain."""
    rng = np.random.default_rng(seed)
    coarse = torch.from_numpy(rng.random((count, 3, 6, 6), np.float32))
    smooth = nn.functional.interpolate(coarse, (side, side), mode="bicubic").clamp(0, 1)
    grainy = smooth.permute(0, 2, 3, 1).numpy() * 200 + rng.normal(25, 10, (count, side, side, 1))
    return np.clip(grainy, 0, 255).astype(np.uint8)


def left_half(side: int, count: int = 3) -> np.ndarray:
    keep = np.zeros((count, side, side), np.float32)
    keep[:, :, : side // 2] = 1
    return keep


@pytest.fixture(
    scope="module",
    params=["compact:v3", "descriptors:lab-gradient", "megastyle", "openclip", "openclip without a pool"],
)
def encoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    folder = tmp_path_factory.mktemp("weights")
    if request.param == "megastyle":
        torch.save(published_layout(tiny_siglip()), folder / "siglip.pth")
        return load_encoder(f"megastyle:{folder / 'siglip.pth'}", dtype="float32")
    if request.param.startswith("openclip"):
        pytest.importorskip("open_clip")
        open_clip_folder(folder, "map" if request.param == "openclip" else "avg")
        return load_encoder(f"openclip:@{folder}", dtype="float32")
    return load_encoder(request.param, dtype="float32")


def open_clip_folder(folder: Path, pool: str) -> None:
    import open_clip
    from safetensors.torch import save_file

    torch.manual_seed(0)
    tower = {"image_size": 160, "timm_model_name": "test_vit", "timm_model_pretrained": False, "timm_proj": "none"}
    text = {"context_length": 16, "vocab_size": 512, "width": 32, "heads": 2, "layers": 1}
    sizes = {"embed_dim": 64, "custom_text": True, "vision_cfg": {**tower, "timm_pool": pool}, "text_cfg": text}
    pixels = {"size": 160, "mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "squash"}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": sizes, "preprocess_cfg": pixels}))
    state = open_clip.create_model(f"local-dir:{folder}").state_dict()
    save_file({key: value.contiguous() for key, value in state.items()}, str(folder / "open_clip_model.safetensors"))


def test_what_is_left_out_has_no_say(encoder: Encoder) -> None:
    side = encoder.preprocess.size
    keep, first, second = left_half(side), pictures(side), pictures(side, seed=1)
    other = np.where(keep[..., None] == 1, first, second)
    vectors = encoder.embed_masked(first, keep)
    assert vectors.shape == (3, encoder.dim) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(encoder.embed_masked(other, keep), vectors, atol=1e-5)
    kept_apart = encoder.embed_masked(other, 1 - keep)
    assert (np.abs(kept_apart - vectors).max(1) > 1e-3).all()


def test_the_whole_kept_is_the_whole(encoder: Encoder) -> None:
    side = encoder.preprocess.size
    whole = encoder.embed_pixels(pictures(side))
    for keep in (1, 0):  # of nothing there is no style
        masked = encoder.embed_masked(pictures(side), np.full((3, side, side), keep, np.float32))
        np.testing.assert_allclose(masked, whole, atol=1e-5)
    assert encoder.embed_masked(pictures(side)[:0], left_half(side)[:0]).shape == (0, encoder.dim)


def test_each_of_many_pictures_keeps_its_own_mask(encoder: Encoder) -> None:
    side = encoder.preprocess.size
    many, keep = pictures(side, 11), np.zeros((11, side, side), np.float32)
    for number in range(11):
        keep[number, :, : side // 2 + number * side // 30] = 1
    together = encoder.embed_masked(many, keep)
    alone = [encoder.embed_masked(many[row : row + 1], keep[row : row + 1])[0] for row in range(11)]
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_masks_that_do_not_fit_are_refused() -> None:
    encoder = load_encoder("descriptors:lab-gradient")
    with pytest.raises(EncoderError, match=r"masks of shape \(3, 128, 128\).*not \(2, 128, 128\)"):
        encoder.embed_masked(pictures(128), left_half(128, 2))


def test_tokens_that_are_left_out_are_in_no_pool(tmp_path: Path) -> None:
    siglip = tiny_siglip()
    torch.save(published_layout(siglip), tmp_path / "siglip.pth")
    encoder = load_encoder(f"megastyle:{tmp_path / 'siglip.pth'}", dtype="float32")
    keep = np.zeros((3, 70, 70), np.float32)
    keep[:, :, :45] = 1  # three columns of five tokens
    with torch.inference_mode():
        tokens = siglip(siglip_pixels(fill_in(pictures(70), keep))).last_hidden_state
        head = siglip.head if hasattr(siglip, "head") else siglip.vision_model.head
        pooled = head(tokens.unflatten(1, (5, 5))[:, :, :3].flatten(1, 2))
    expected = nn.functional.normalize(pooled, dim=1).numpy()
    np.testing.assert_allclose(encoder.embed_masked(pictures(70), keep), expected, atol=1e-4)


def test_where_no_token_is_kept_all_are_pooled() -> None:
    tokens, nowhere = torch.rand(1, 25, 4), np.zeros((1, 70, 70), bool)
    torch.testing.assert_close(pool_kept(lambda some: some.mean(1), tokens, nowhere), tokens.mean(1))


def test_statistics_of_a_texture_are_those_of_half_of_it() -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (1, 3, 192, 192)).astype(np.float32) / 255
    kept = torch.zeros(192, 192, dtype=torch.bool)
    kept[:, :96] = True
    with torch.inference_mode():
        lab = Lab()(torch.from_numpy(picture))
        whole, half = Statistics()(lab), Statistics()(lab, Places(kept))
    assert whole.shape == half.shape
    assert 0 < (whole - half).abs().mean() < 0.05


def test_kept_places_are_those_half_kept_or_more() -> None:
    keep = np.zeros((1, 8, 8), np.float32)
    keep[:, :, :5] = 1
    kept = is_kept(keep)
    assert kept[0, 0].tolist() == [True] * 4 + [False] * 4
    values = torch.arange(64.0).reshape(1, 1, 8, 8)
    assert Places(torch.from_numpy(kept[0]))(values).flatten().tolist() == values[..., :4].flatten().tolist()
