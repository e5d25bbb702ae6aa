"""`compact`: what is exported is what is loaded; damaged, foreign and missing weights are refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from encoder_training.export import TrainingData, export
from encoder_training.renderers import draw_contents, render, sample_style
from stylesearch.encoders import load_encoder
from stylesearch.encoders.compact import WEIGHTS, CompactEncoder
from stylesearch.encoders.compact_network import Compact, CompactConfig
from stylesearch.encoders.lite import Conv
from stylesearch.encoders.packaged import packaged
from stylesearch.encoders.style_words import StyleWords
from stylesearch.errors import EncoderError, UsageError

TINY = CompactConfig(
    image_size=128,
    moments_dim=6,
    correlations_dim=6,
    statistics_dim=6,
)


def towers(config: CompactConfig = TINY) -> tuple[Compact, StyleWords]:
    torch.manual_seed(0)
    tower = Compact(config)
    for module in tower.modules():  # signals as large as training leaves them
        if isinstance(module, Conv):
            nn.init.kaiming_normal_(module.weight)
    random = torch.Generator().manual_seed(0)
    vectors = torch.randn(4, config.dim, generator=random)
    near, nearness = torch.tensor([[1, 0, 0]]), torch.tensor([[0.5, 0.25, 0]])
    words = StyleWords(["ink", "wash", "ink wash", "neon"], vectors, ["washing"], near, nearness)
    return tower.eval(), words


def pictures(count: int = 5, side: int = 128) -> np.ndarray:
    """Smooth coloured pictures; pure noise has no style."""
    coarse = torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    smooth = nn.functional.interpolate(coarse, (side, side), mode="bicubic").clamp(0, 1)
    return (smooth * 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    tower, texts = towers()
    export(tower, texts, "tiny", tmp_path, [TrainingData("drawn", 3, "CC0-1.0", "here")], {"note": 1})
    return tmp_path


def test_what_was_exported_is_loaded(weights: Path) -> None:
    encoder = CompactEncoder("compact:tiny", "float32", weights)
    tower, texts = towers()
    pixels = pictures()
    with torch.inference_mode():
        expected = tower(torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255).numpy()
        expected_texts = texts(["ink wash, muted", "neon"]).numpy()
    vectors = encoder.embed_pixels(pixels)
    assert vectors.shape == (5, 18) and vectors.dtype == np.float32
    # float16 on disk
    np.testing.assert_allclose((vectors * expected).sum(1), 1, atol=1e-3)
    np.testing.assert_allclose((encoder.embed_texts(["ink wash, muted", "neon"]) * expected_texts).sum(1), 1, atol=1e-3)


def test_a_vector_does_not_depend_on_its_batch(weights: Path) -> None:
    encoder = CompactEncoder("compact:tiny", "float32", weights)
    pixels = pictures(7)
    alone = np.concatenate([encoder.embed_pixels(pixel[None]) for pixel in pixels])
    np.testing.assert_allclose(encoder.embed_pixels(pixels), alone, atol=1e-5)


def test_bfloat16_is_another_fingerprint_and_nearly_the_same_vector(weights: Path) -> None:
    full, half = (CompactEncoder("compact:tiny", dtype, weights) for dtype in ("float32", "bfloat16"))
    assert full.fingerprint != half.fingerprint
    cosines = (full.embed_pixels(pictures()) * half.embed_pixels(pictures())).sum(1)
    assert cosines.min() > 0.99


def test_without_a_tag_it_is_the_newest(weights: Path) -> None:
    assert CompactEncoder("compact", "float32", weights).name == "compact:tiny"
    for tag in ("v3", "v10", "v9"):
        (weights / f"compact-{tag}").mkdir()
    assert packaged("encoder", "compact", weights).name == "compact-v10", "and not v9"
    assert packaged("encoder", "compact:v3", weights).name == "compact-v3"


def test_words_that_nobody_has_taught_are_said_to_be_unknown(weights: Path) -> None:
    encoder = CompactEncoder("compact:tiny", "float32", weights)
    assert encoder.unknown_words("Ink-wash, with washing") == ["with"]
    assert encoder.unknown_words("🖌️") == ["🖌️"] and encoder.unknown_words(" ") == []
    np.testing.assert_allclose(encoder.embed_texts(["ink, zzz"]), encoder.embed_texts(["ink"]), atol=1e-6)
    for text in ("水墨", "", "🖌️"):
        with pytest.raises(EncoderError, match=f"knows no word of '{text}'"):
            encoder.embed_texts(["ink", text])
    assert encoder.embed_texts([]).shape == (0, 18)


def test_what_words_mean_written_out() -> None:
    words = towers()[1]
    ink, wash, both, _ = words.vectors
    for text, meant in (
        ("Ink wash", ink + wash + both),
        ("wash ink", ink + wash),
        ("washing", 0.5 * wash + 0.25 * ink),
    ):
        torch.testing.assert_close(words([text])[0], nn.functional.normalize(meant, dim=0))
    again = StyleWords.read(words.state_dict())
    assert again.unknown("ink washing nothing") == ["nothing"]
    with pytest.raises(ValueError, match="4 terms have 3 vectors"):
        StyleWords.read({**words.state_dict(), "vectors": words.vectors[:3]})


def test_damage_is_refused(weights: Path) -> None:
    path = weights / "compact-tiny" / "image.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    with pytest.raises(EncoderError, match=r"image\.safetensors' are damaged"):
        CompactEncoder("compact:tiny", None, weights)
    path.unlink()
    with pytest.raises(EncoderError, match="cannot be read"):
        CompactEncoder("compact:tiny", None, weights)


def test_another_format_or_network_is_refused(weights: Path) -> None:
    path = weights / "compact-tiny" / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({**manifest, "network": {**manifest["network"], "moments_dim": 7}}))
    with pytest.raises(EncoderError, match="do not fit the network"):
        CompactEncoder("compact:tiny", None, weights)
    for network, said in (({"fisher_dim": 96}, "fisher_dim"), ({"moments_share": 0.9}, "Shares of the parts")):
        path.write_text(json.dumps({**manifest, "network": {**manifest["network"], **network}}))
        with pytest.raises(EncoderError, match=f"manifest of .* is none: .*{said}"):
            CompactEncoder("compact:tiny", None, weights)
    path.write_text(json.dumps({**manifest, "format": 99}))
    with pytest.raises(EncoderError, match="format 99"):
        CompactEncoder("compact:tiny", None, weights)
    path.write_text("{")
    with pytest.raises(EncoderError, match="manifest"):
        CompactEncoder("compact:tiny", None, weights)


def test_an_unknown_tag_lists_what_there_is(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="There is: compact:tiny"):
        CompactEncoder("compact:other", None, weights)
    (tmp_path / "empty").mkdir()
    with pytest.raises(EncoderError, match="no encoder weights"):
        CompactEncoder("compact", None, tmp_path / "empty")


def test_export_refuses_what_a_package_cannot_carry(tmp_path: Path) -> None:
    tower, texts = towers(CompactConfig(**{**TINY.to_json(), "correlations_dim": 1500}))
    with pytest.raises(UsageError, match="dimensions"):
        export(tower, texts, "huge", tmp_path, [], {})
    tower, texts = towers()
    dict(tower.named_parameters())["projections.moments.linear.weight"].data[0, 0] = 1e6
    with pytest.raises(UsageError, match=r"image\.projections\.moments\.linear\.weight"):
        export(tower, texts, "infinite", tmp_path, [], {})
    assert not list(tmp_path.glob("compact-*"))


def test_the_shipped_weights_are_complete_small_and_say_where_they_come_from() -> None:
    folder = WEIGHTS / "compact-v3"
    manifest = json.loads((folder / "manifest.json").read_text())
    sizes = [(folder / entry["name"]).stat().st_size for entry in manifest["files"]]
    assert sizes == [entry["bytes"] for entry in manifest["files"]]
    assert sum(sizes) <= 24_000_000 and max(sizes) <= 16_000_000
    assert manifest["licence"] and all(entry["licence"] for entry in manifest["training_data"])
    encoder = load_encoder("compact:v3")
    assert (encoder.dim, encoder.preprocess.size) == (manifest["dimension"], manifest["image_size"])


def test_the_shipped_encoder_finds_styles_in_place_of_contents() -> None:
    styles = [sample_style(seed) for seed in range(900, 906)]
    contents = draw_contents([1, 2, 3, 4], 256)
    each = [style for style in styles for _ in range(4)]
    pixels = render(each, contents.select([0, 1, 2, 3] * 6), [1, 2, 3, 4] * 6)
    vectors = load_encoder("compact:v3").embed_pixels((pixels * 255).byte().permute(0, 2, 3, 1).numpy())
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -1)
    found = np.arange(24)[:, None] // 4 == np.argsort(-cosines, axis=1)[:, :1] // 4
    assert found.mean() > 0.8  # chance is 3 in 23
