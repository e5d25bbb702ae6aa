"""MegaStyle and CSD: checkpoints of random weights in the published layouts, against the reference networks."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from pictures import draw
from safetensors.torch import save_file
from siglip import published_layout, siglip_pixels, tiny_siglip

from stylesearch.encoders import load_encoder
from stylesearch.encoders.checkpoints import read_state
from stylesearch.encoders.siglip import SiglipSizes
from stylesearch.errors import EncoderError

State = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def siglip() -> Any:
    return tiny_siglip()


@pytest.fixture(scope="module")
def clip() -> Any:
    """OpenAI's visual tower as open_clip builds it: 128 wide, 2 layers, 3 x 3 patches of 14 pixels, 24 numbers out."""
    torch.manual_seed(1)
    tower = open_clip.transformer.VisionTransformer(
        image_size=42,
        patch_size=14,
        width=128,
        layers=2,
        heads=2,
        mlp_ratio=4,
        output_dim=24,
        act_layer=open_clip.transformer.QuickGELU,
    )
    with torch.no_grad():
        for parameter in tower.parameters():
            parameter.copy_(0.1 * torch.randn_like(parameter) + (parameter.ndim == 1))
    return tower.eval()


def csd_layout(clip: Any) -> State:
    """What `CSD_CLIP` of CSD/model.py makes of CLIP's tower."""
    state = {f"backbone.{key}": value.clone() for key, value in clip.state_dict().items() if key != "proj"}
    return {**state, "last_layer_style": clip.proj.detach().clone(), "last_layer_content": torch.randn(128, 24)}


def pixels(side: int, count: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def unit(vectors: torch.Tensor) -> np.ndarray:
    return torch.nn.functional.normalize(vectors, dim=1).numpy()


def saved(state: Any, path: Path) -> Path:
    torch.save(state, path)
    return path


def test_megastyle_gives_what_transformers_gives(siglip: Any, tmp_path: Path) -> None:
    path = saved({"model": published_layout(siglip)}, tmp_path / "megastyle_encoder.pth")
    encoder = load_encoder(f"megastyle:{path}", dtype="float32")
    with torch.inference_mode():
        expected = siglip(siglip_pixels(pixels(70))).pooler_output
    np.testing.assert_allclose(encoder.embed_pixels(pixels(70)), unit(expected), atol=1e-4)
    assert (encoder.dim, encoder.preprocess.version) == (128, "v1-squash-bicubic-70")
    assert encoder.licence is not None and "no commercial use" in encoder.licence


def test_a_part_of_megastyle_is_its_token_pooled_alone(siglip: Any, tmp_path: Path) -> None:
    path = saved({"model": published_layout(siglip)}, tmp_path / "megastyle_encoder.pth")
    parts = load_encoder(f"megastyle:{path}", dtype="float32").patches_pixels(pixels(70))
    with torch.inference_mode():
        tokens = siglip(siglip_pixels(pixels(70))).last_hidden_state
        head = siglip.head if hasattr(siglip, "head") else siglip.vision_model.head
        expected = head(tokens[2, 13][None, None])  # row 2, column 3 of 5
    assert parts.shape == (3, 5, 5, 128)
    np.testing.assert_allclose(parts[2, 2, 3], unit(expected)[0], atol=1e-4)


def test_csd_gives_what_open_clip_gives(clip: Any, tmp_path: Path) -> None:
    path = saved(csd_layout(clip), tmp_path / "csd.pth")
    encoder = load_encoder(f"csd:{path}", dtype="float32")
    mean, std = (
        torch.tensor(values).view(1, 3, 1, 1)
        for values in (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
    )
    batch = torch.from_numpy(pixels(42)).permute(0, 3, 1, 2) / 255
    with torch.inference_mode():
        expected = clip((batch - mean) / std)
    np.testing.assert_allclose(encoder.embed_pixels(pixels(42)), unit(expected), atol=1e-4)
    assert (encoder.dim, encoder.preprocess.version) == (24, "v1-crop-bicubic-42")


def test_csd_reads_the_training_checkpoint_that_is_published(clip: Any, tmp_path: Path) -> None:
    plain = load_encoder(f"csd:{saved(csd_layout(clip), tmp_path / 'plain.pth')}")
    whole = {
        "model_state_dict": {f"module.{key}": value for key, value in csd_layout(clip).items()},
        "opt_bb": {"state": {}, "param_groups": [{"lr": np.float64(0.1)}]},
        "iter": 80_000,
        "args": argparse.Namespace(arch="vit_large"),
        "fp16_scaler": None,
    }
    assert load_encoder(f"csd:{saved(whole, tmp_path / 'whole.pth')}").fingerprint == plain.fingerprint
    # Written with NumPy 1, whose scalars had another name; a file of before torch 1.6 is plain bytes to replace it in.
    torch.save(whole, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    old = (tmp_path / "old.pth").read_bytes().replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    (tmp_path / "old.pth").write_bytes(old)
    assert b"numpy.core.multiarray" in old
    assert load_encoder(f"csd:{tmp_path}/old.pth").fingerprint == plain.fingerprint


def _half(state: State) -> State:
    return {key: value.bfloat16().float() for key, value in state.items()}


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda state, path: torch.save({"state_dict": state}, path), id="state_dict"),
        pytest.param(lambda state, path: torch.save({f"module.{k}": v for k, v in state.items()}, path), id="parallel"),
        pytest.param(
            lambda state, path: torch.save(state, path, _use_new_zipfile_serialization=False), id="before 1.6"
        ),
        pytest.param(lambda state, path: torch.save({k: v.bfloat16() for k, v in state.items()}, path), id="bfloat16"),
        pytest.param(
            lambda state, path: torch.save({k.removeprefix("vision_model."): v for k, v in state.items()}, path),
            id="transformers 5",
        ),
        pytest.param(
            lambda state, path: torch.save(
                {
                    **state,
                    "vision_model.embeddings.position_ids": torch.arange(25)[None],
                    "text_model.head.bias": torch.ones(3),
                    "logit_scale": torch.ones(1),
                    "logit_bias": torch.ones(1),
                },
                path,
            ),
            id="with its text tower",
        ),
    ],
)
def test_ways_to_write_the_same_weights(siglip: Any, tmp_path: Path, write: Callable[[State, Path], None]) -> None:
    state = _half(published_layout(siglip))
    save_file(state, str(tmp_path / "plain.safetensors"))
    write(state, tmp_path / "other.pt")
    plain = load_encoder(f"megastyle:{tmp_path}/plain.safetensors")
    assert load_encoder(f"megastyle:{tmp_path}/other.pt").fingerprint == plain.fingerprint


def test_sizes_of_the_published_towers() -> None:
    def sizes(width: int, patch: int, grid: int, inner: int) -> SiglipSizes:
        state = {
            "embeddings.patch_embedding.weight": torch.empty(width, 3, patch, patch, device="meta"),
            "embeddings.position_embedding.weight": torch.empty(grid**2, width, device="meta"),
            "encoder.layers.0.mlp.fc1.weight": torch.empty(inner, width, device="meta"),
        }
        return SiglipSizes.of(state, Path("x"))

    so400m = sizes(1152, 14, 27, 4304)
    assert (so400m.heads, so400m.image_size) == (16, 384), "27 patches of 14 pixels see 378 of the 384"
    assert (sizes(768, 16, 14, 3072).heads, sizes(768, 16, 14, 3072).image_size) == (12, 224)
    assert (sizes(1024, 16, 24, 4096).heads, sizes(1024, 16, 24, 4096).image_size) == (16, 384)


def test_name_is_absolute_and_loads_again(siglip: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(published_layout(siglip), tmp_path / "weights.pth")
    monkeypatch.chdir(tmp_path)
    encoder = load_encoder("megastyle:weights.pth")
    monkeypatch.chdir("/")
    assert encoder.name == f"megastyle:{tmp_path}/weights.pth"
    assert load_encoder(encoder.name, dtype=encoder.dtype).space() == encoder.space()


def test_dtype_changes_the_space_and_hardly_the_vectors(siglip: Any, tmp_path: Path) -> None:
    path = saved(published_layout(siglip), tmp_path / "weights.pth")
    exact, fast = (load_encoder(f"megastyle:{path}", dtype=dtype) for dtype in ("float32", "bfloat16"))
    assert exact.fingerprint != fast.fingerprint
    pictures = [draw(seed) for seed in range(3)]
    assert (exact.embed_batch(pictures) * fast.embed_batch(pictures)).sum(axis=1).min() > 0.999


@pytest.mark.parametrize("family", ["megastyle", "csd"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("missing", r"1 missing \(.*layer_norm1.bias|1 missing \(.*ln_1.bias"),
        ("extra", r"12 unexpected \(extra.0, .*extra.9 and 2 more\)"),
        ("shape", r"1 of another shape or kind \(.*\(129,\) float32 instead of \(128,\)\)"),
        ("kind", r"1 of another shape or kind \(.*\(128,\) int8 instead of"),
        ("layer", r"missing \(.*1\."),
    ],
)
def test_tensors_that_do_not_fit_are_named(
    siglip: Any, clip: Any, tmp_path: Path, family: str, change: str, message: str
) -> None:
    state = published_layout(siglip) if family == "megastyle" else csd_layout(clip)
    layers, norm = ("encoder.layers", "layer_norm1.bias") if family == "megastyle" else ("resblocks", "ln_1.bias")
    victim = next(key for key in state if key.endswith(f"{layers}.0.{norm}"))
    if change == "missing":
        del state[victim]
    elif change == "extra":
        state |= {f"extra.{number}": torch.zeros(1) for number in range(12)}
    elif change == "layer":
        state = {key.replace(f"{layers}.1.", f"{layers}.7."): value for key, value in state.items()}
    else:
        state[victim] = torch.zeros(129) if change == "shape" else torch.zeros(128, dtype=torch.int8)
    with pytest.raises(EncoderError, match=message):
        load_encoder(f"{family}:{saved(state, tmp_path / 'weights.pth')}")


class Program:
    """Unpickled without care, it would run."""

    def __reduce__(self) -> tuple[Callable[[str], Any], tuple[str]]:
        return pytest.fail, ("a pickle was run",)


@pytest.mark.parametrize("content", [b"", b"\x80\x04rubbish", {"x": Program()}, {"x": 1}, [1, 2], {}])
@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_what_is_no_checkpoint_is_refused(tmp_path: Path, content: Any, suffix: str) -> None:
    path = tmp_path / f"weights.{suffix}"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(EncoderError, match=r"weights.*(cannot be read|no state dict)"):
        read_state(path)


def test_weights_of_another_family_are_refused(siglip: Any, clip: Any, tmp_path: Path) -> None:
    mega = saved(published_layout(siglip), tmp_path / "mega.pth")
    csd = saved(csd_layout(clip), tmp_path / "csd.pth")
    with pytest.raises(EncoderError, match=r"no vision tower of SigLIP: 3 missing .*there instead"):
        load_encoder(f"megastyle:{csd}")
    with pytest.raises(EncoderError, match="no CSD model: 4 missing"):
        load_encoder(f"csd:{mega}")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("megastyle:", "names no file. Write megastyle:PATH"),
        ("csd", "names no file. Write csd:PATH"),
        ("csd:/nowhere.pth", "no checkpoint file at '/nowhere.pth'"),
        ("megastyle:/", "no checkpoint file at '/model.safetensors'"),
    ],
)
def test_names_without_a_file_say_what_is_missing(name: str, message: str) -> None:
    with pytest.raises(EncoderError, match=message):
        load_encoder(name)


def test_licences_are_known_without_the_weights() -> None:
    from stylesearch.encoders.licences import licence_of

    assert licence_of("styleexpert:/x") == "CC BY-NC 4.0, no commercial use"
    assert licence_of("openclip:ViT-B-16-SigLIP/webli") is None
    assert load_encoder("compact:v3").licence == "Apache-2.0"
