"""Real open_clip checkpoints with random weights: the loading code is the one that published weights go through."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stylesearch.encoders import load_encoder
from stylesearch.encoders.compute import has_amx
from stylesearch.errors import EncoderError
from stylesearch.images import fit

open_clip = pytest.importorskip("open_clip")
torch = pytest.importorskip("torch")

# SigLIP's own architecture (timm tower, attention pool, no projection), at the size of timm's own test model.
TINY_SIGLIP = {
    "embed_dim": 64,
    "init_logit_bias": -10,
    "custom_text": True,
    "vision_cfg": {
        "image_size": 160,
        "timm_model_name": "test_vit",
        "timm_model_pretrained": False,
        "timm_pool": "map",
        "timm_proj": "none",
    },
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}
SIGLIP_PIXELS = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "squash"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from safetensors.torch import save_file

    path = tmp_path_factory.mktemp("tiny-siglip")
    torch.manual_seed(0)
    config = {"model_cfg": TINY_SIGLIP, "preprocess_cfg": {"size": 160, **SIGLIP_PIXELS}}
    (path / "open_clip_config.json").write_text(json.dumps(config))
    model = open_clip.create_model(f"local-dir:{path}")
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, str(path / "open_clip_model.safetensors"))
    return path


@pytest.fixture
def pictures() -> list[Image.Image]:
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)) for _ in range(5)]


def test_folder_gives_what_open_clip_gives(folder: Path, pictures: list[Image.Image]) -> None:
    encoder = load_encoder(f"openclip:@{folder}")
    vectors = encoder.embed_batch(pictures)
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    with torch.inference_mode():
        expected = model.eval().encode_image(torch.stack([transform(picture) for picture in pictures]), normalize=True)
    cosines = (vectors * expected.numpy()).sum(axis=1)
    assert vectors.shape == (5, 64) and vectors.dtype == np.float32
    assert cosines.min() >= (0.999 if has_amx() else 0.99999), "bfloat16 on AMX rounds; float32 must not"


def test_dtype_is_part_of_the_space(folder: Path) -> None:
    encoder = load_encoder(f"openclip:@{folder}")
    assert encoder.dtype == encoder.space().dtype == ("bfloat16" if has_amx() else "float32")
    assert encoder.preprocess.version == "v1-squash-bicubic-160"


def test_texts_are_encoded(folder: Path) -> None:
    vectors = load_encoder(f"openclip:@{folder}").embed_texts(["ink wash, muted", "neon"])
    assert vectors.shape == (2, 64)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_checkpoint_file_takes_the_pixels_of_published_siglip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    # The published configuration, made thin, so that the checkpoint of this architecture is small.
    from open_clip import factory

    monkeypatch.setitem(factory._MODEL_CONFIGS, "ViT-B-16-SigLIP", TINY_SIGLIP)
    encoder = load_encoder(f"openclip:ViT-B-16-SigLIP@{folder / 'open_clip_model.safetensors'}")
    assert (encoder.preprocess.mode, encoder.preprocess.filter) == ("squash", "bicubic")


def test_fingerprint_follows_the_weights(folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "open_clip_model.safetensors")
    tensors["visual.trunk.patch_embed.proj.bias"] += 1e-3
    (tmp_path / "open_clip_config.json").write_bytes((folder / "open_clip_config.json").read_bytes())
    save_file(tensors, str(tmp_path / "open_clip_model.safetensors"))
    changed = load_encoder(f"openclip:@{tmp_path}")
    assert changed.fingerprint != load_encoder(f"openclip:@{folder}").fingerprint


@pytest.mark.parametrize("damage", ["missing tensor", "extra tensor", "no weights", "not a checkpoint"])
def test_wrong_checkpoint_is_refused(folder: Path, tmp_path: Path, damage: str) -> None:
    from safetensors.torch import load_file, save_file

    (tmp_path / "open_clip_config.json").write_bytes((folder / "open_clip_config.json").read_bytes())
    weights = tmp_path / "open_clip_model.safetensors"
    tensors = load_file(folder / "open_clip_model.safetensors")
    if damage == "missing tensor":
        del tensors["visual.trunk.patch_embed.proj.bias"]
    if damage == "extra tensor":
        tensors["visual.extra"] = torch.zeros(1)
    if damage == "not a checkpoint":
        weights.write_bytes(b"\x80\x04rubbish")
    elif damage != "no weights":
        save_file(tensors, str(weights))
    with pytest.raises(EncoderError, match="cannot be loaded"):
        load_encoder(f"openclip:@{tmp_path}")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("openclip:ViT-B-16-SigLIP", "names no weights"),
        ("openclip:ViT-B-16-SigLIP/weblii", "there are: webli"),
        ("openclip:ViT-B-17/webli", "no architecture 'ViT-B-17'"),
        ("openclip:ViT-B-16-SigLIP@/nowhere.pt", "no checkpoint file"),
        ("openclip:@/nowhere", "no model folder"),
        ("openclop:x", "begins with one of"),
        ("descriptors:x", "lab-gradient"),
    ],
)
def test_unknown_names_say_what_is_allowed(name: str, message: str) -> None:
    with pytest.raises(EncoderError, match=message):
        load_encoder(name)


def test_a_part_is_its_token_pooled_alone(folder: Path, pictures: list[Image.Image]) -> None:
    encoder = load_encoder(f"openclip:@{folder}", dtype="float32")
    pixels = np.stack([fit(picture, encoder.preprocess) for picture in pictures[:2]])
    parts = encoder.patches_pixels(pixels)
    assert parts.shape == (2, 10, 10, 64)
    trunk = open_clip.create_model(f"local-dir:{folder}").eval().visual.trunk
    with torch.inference_mode():
        tokens = trunk.forward_features(torch.from_numpy(pixels).permute(0, 3, 1, 2) / 127.5 - 1)
        expected = trunk.attn_pool(tokens[1, 1 + 37][None, None])[0].numpy()  # after the class token, row 3, column 7
    np.testing.assert_allclose(parts[1, 3, 7], expected / np.linalg.norm(expected), atol=1e-4)
