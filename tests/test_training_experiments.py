"""Every experiment runs one step, and what it writes is an encoder."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from encoder_training import evaluate
from encoder_training.data import is_validation
from encoder_training.experiments import compact, compact_gpu, random_weights, siglip, statistics
from stylesearch.encoders import load_encoder
from stylesearch.encoders.compact import CompactEncoder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two parquet files of five styles x three pictures, one style of each held out."""
    folder, random = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    (folder / "train").mkdir()
    for name in ("icon_sets", "paintings"):
        named = [f"{name}-{i}" for i in range(100)]
        held_out = next(style for style in named if is_validation(style))
        styles = [*[style for style in named if not is_validation(style)][:4], held_out]
        rows = [(style, content) for style in styles for content in ("cat", "dog", "sun")]
        images = []
        for _ in rows:
            stream = io.BytesIO()
            Image.fromarray(random.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(stream, "PNG")
            images.append({"bytes": stream.getvalue(), "path": None})
        columns = {"image": images, "style": [s for s, _ in rows], "content": [c for _, c in rows]}
        pq.write_table(pa.table(columns), folder / "train" / f"{name}.parquet")
    return folder


@pytest.mark.parametrize("settings", [compact.CPU, compact_gpu.GPU])
def test_compact(settings: compact.Settings, data: Path, tmp_path: Path) -> None:
    folder = compact.main(settings, ["--data", str(data), "--out", str(tmp_path), "--tag", "smoke", "--smoke"])
    encoder = CompactEncoder("compact:smoke", "float32", tmp_path)
    assert encoder.embed_pixels(np.zeros((2, 128, 128, 3), np.uint8)).shape == (2, 18)
    assert encoder.embed_texts(["0 1"]).shape == (1, 18)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert {entry["name"] for entry in manifest["training_data"]} == {"icon_sets", "paintings", "rendered"}
    assert json.loads((tmp_path / "trunk" / "metrics.jsonl").read_text())["loss"] > 0


def test_compact_goes_on_from_what_was_exported(data: Path, tmp_path: Path) -> None:
    arguments = ["--data", str(data), "--smoke", "--out"]
    first = compact.main(compact.CPU, [*arguments, str(tmp_path / "first"), "--tag", "first"])
    given = ["--start", str(first), "--steps"]
    kept = compact.main(compact.CPU, [*arguments, str(tmp_path / "kept"), "--tag", "kept", *given, "0"])
    trained = compact.main(compact.CPU, [*arguments, str(tmp_path / "on"), "--tag", "on", *given, "1"])
    trunks = [
        {name: tensor for name, tensor in load_file(folder / "image.safetensors").items() if "image.trunk" in name}
        for folder in (first, kept, trained)
    ]
    assert trunks[0] and all(torch.equal(tensor, trunks[1][name]) for name, tensor in trunks[0].items())
    assert any(not torch.equal(tensor, trunks[2][name]) for name, tensor in trunks[0].items())


def test_statistics(data: Path, tmp_path: Path) -> None:
    arguments = ["--data", str(data), "--out", str(tmp_path), "--tag", "statistics", "--smoke"]
    compact.main(statistics.STATISTICS, arguments)
    encoder = CompactEncoder("compact:statistics", "float32", tmp_path)
    assert encoder.embed_pixels(np.zeros((2, 128, 128, 3), np.uint8)).shape == (2, 6)
    scoring = ["--data", str(data), "--encoder", encoder.name, "--weights", str(tmp_path), "--record"]
    assert evaluate.main(scoring) == 0
    assert "paintings" in json.loads((encoder.folder / "manifest.json").read_text())["scores"]
    assert CompactEncoder("compact:statistics", "float32", tmp_path).fingerprint == encoder.fingerprint


def test_random_weights(tmp_path: Path) -> None:
    random_weights.main(["--out", str(tmp_path)])
    assert CompactEncoder("compact:random", "float32", tmp_path).dim == 448


def test_siglip(data: Path, tmp_path: Path) -> None:
    open_clip = pytest.importorskip("open_clip")
    from safetensors.torch import save_file

    # SigLIP's architecture at the size of timm's own test model, with random weights.
    vision = {"image_size": 160, "timm_model_name": "test_vit", "timm_pool": "map", "timm_proj": "none"}
    text = {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
    config = {"embed_dim": 64, "init_logit_bias": -10, "custom_text": True, "vision_cfg": vision, "text_cfg": text}
    pixels = {"size": 160, "mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "squash"}
    source = tmp_path / "tiny"
    source.mkdir()
    (source / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": pixels}))
    torch.manual_seed(0)
    before = open_clip.create_model(f"local-dir:{source}").state_dict()
    save_file({key: value.contiguous() for key, value in before.items()}, source / "open_clip_model.safetensors")

    folder = siglip.main(["--model", f"@{source}", "--data", str(data), "--out", str(tmp_path / "out"), "--smoke"])

    assert load_encoder(f"openclip:@{folder}").embed_pixels(np.zeros((1, 160, 160, 3), np.uint8)).shape == (1, 64)
    after = open_clip.create_model(f"local-dir:{folder}").state_dict()
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert changed and all(key.startswith("visual.") for key in changed)
