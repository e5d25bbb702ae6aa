"""SAM, SAM 2 and SAM-HQ from folders of random weights, as transformers saves them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from stylesearch.errors import EncoderError
from stylesearch.masking import load_masker

SIDE = 128


def _decoding() -> dict[str, object]:
    return {
        "prompt_encoder_config": {"hidden_size": 32, "image_size": SIDE, "patch_size": 16},
        "mask_decoder_config": {
            "hidden_size": 32,
            "mlp_dim": 32,
            "num_attention_heads": 2,
            "iou_head_hidden_dim": 32,
            "vit_dim": 16,
        },
    }


def _sam(kind: str) -> Callable[[], transformers.PreTrainedModel]:
    def make() -> transformers.PreTrainedModel:
        vision = {
            "hidden_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": SIDE,
            "output_channels": 32,
            "num_pos_feats": 16,
            "mlp_dim": 16,
            "window_size": 2,
            "global_attn_indexes": [1],
        }
        config = getattr(transformers, f"{kind}Config")(vision_config=vision, **_decoding())
        return getattr(transformers, f"{kind}Model")(config)

    return make


def _sam2() -> transformers.PreTrainedModel:
    vision = {
        "backbone_config": {
            "hidden_size": 8,
            "image_size": [SIDE, SIDE],
            "blocks_per_stage": [1, 1, 1, 1],
            "embed_dim_per_stage": [8, 16, 32, 64],
            "num_attention_heads_per_stage": [1, 1, 1, 1],
            "window_size_per_stage": [4, 4, 4, 4],
            "window_positional_embedding_background_size": [4, 4],
            "global_attention_blocks": [],
        },
        "backbone_channel_list": [64, 32, 16, 8],
        "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
        "fpn_hidden_size": 32,
        "image_size": SIDE,
    }
    model_type = {"model_type": "sam2_hiera_det_model"}
    vision["backbone_config"] |= model_type  # type: ignore[operator]
    return transformers.Sam2Model(transformers.Sam2Config(vision_config=vision, **_decoding()))


MODELS = {"sam": _sam("Sam"), "sam-hq": _sam("SamHQ"), "sam2": _sam2}


@pytest.fixture(params=MODELS)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    torch.manual_seed(0)
    MODELS[request.param]().save_pretrained(tmp_path)
    return request.param, tmp_path


def test_masks_of_a_folder(folder: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    # Random weights doubt all of their masks; what is tested is that they are asked for and put together.
    monkeypatch.setattr("stylesearch.masking.proposals._LEAST_IOU", -1)
    monkeypatch.setattr("stylesearch.masking.proposals._LEAST_STABILITY", 0)
    monkeypatch.setattr("stylesearch.masking.proposals._SHARES", (0, 1))
    monkeypatch.setattr("stylesearch.masking.proposals._MOST_BORDER", 1)
    family, path = folder
    masker = load_masker(f"{family}:{path}", "float32")
    pixels = np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 3), np.uint8)
    masks = masker.mask_pixels(pixels)
    assert masks.values.shape == (2, SIDE, SIDE)
    assert (masks.values.reshape(2, -1).std(1) > 0).all()
    again = masker.mask_pixels(pixels[1:])
    np.testing.assert_allclose(again.values[0], masks.values[1], atol=1e-5)
    assert masker.name == f"{family}:{path}"
    assert masker.fingerprint != load_masker(f"{family}:{path}", "bfloat16").fingerprint


def testanswers_are_those_of_the_model_itself(folder: tuple[str, Path]) -> None:
    family, path = folder
    masker = load_masker(f"{family}:{path}", "float32")
    model = type(MODELS[family]()).from_pretrained(path).eval()
    images = torch.randn(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    points = torch.tensor([[20.0, 30.0], [90.0, 64.0]])
    with torch.inference_mode():
        wanted = model(
            pixel_values=images,
            input_points=points[None, :, None],
            input_labels=torch.ones(1, 2, 1, dtype=torch.int32),
            multimask_output=True,
        )
        logits, sure = masker.answers(masker.features(images), points)  # type: ignore[attr-defined]
    torch.testing.assert_close(logits, wanted.pred_masks[0].flatten(0, 1), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(sure, wanted.iou_scores[0].flatten(), atol=1e-4, rtol=1e-4)


def test_weights_that_lack_something_are_refused(folder: tuple[str, Path]) -> None:
    family, path = folder
    file = path / "model.safetensors"
    state = load_file(file)
    lost = next(key for key in sorted(state) if "mask_decoder" in key)
    save_file({key: value for key, value in state.items() if key != lost}, file, {"format": "pt"})
    with pytest.raises(EncoderError, match=lost):
        load_masker(f"{family}:{path}")


def test_no_model_there(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"no config\.json"):
        load_masker(f"sam:{tmp_path}")
    with pytest.raises(EncoderError, match="A name begins with one of: masker, mobilesam, sam, sam2, sam-hq"):
        load_masker("saliency:x")
