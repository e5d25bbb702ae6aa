"""timm's own small test models with random weights, through the code that published weights go through."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from pictures import draw
from PIL import Image
from safetensors.torch import save_file

from stylesearch.encoders import load_encoder
from stylesearch.encoders.compute import TorchEncoder
from stylesearch.errors import EncoderError
from stylesearch.images import Preprocess, fit


def random_model(name: str, **options: Any) -> torch.nn.Module:
    """With its classifier, and with buffers of batch normalisation that are not the ones it is made with."""
    torch.manual_seed(0)
    model: torch.nn.Module = timm.create_model(name, **options).eval()
    with torch.no_grad():
        for key, tensor in model.state_dict().items():
            if key.endswith("running_mean"):
                tensor.normal_()
            if key.endswith("running_var"):
                tensor.uniform_(0.5, 2)
    return model


def timm_vectors(model: Any, pictures: list[Image.Image], name: str) -> np.ndarray:
    """What timm's own evaluation pipeline and features give, as unit vectors."""
    transform = timm.data.create_transform(**timm.data.resolve_data_config(model=timm.create_model(name)))
    batch = torch.stack([transform(picture) for picture in pictures])
    with torch.inference_mode():
        features = model.forward_head(model.forward_features(batch), pre_logits=True)
    return torch.nn.functional.normalize(features, dim=1).numpy()


@pytest.mark.parametrize("name", ["test_vit", "test_resnet", "test_efficientnet"])
@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_checkpoint_gives_what_timm_gives(tmp_path: Path, name: str, suffix: str) -> None:
    model, path = random_model(name), tmp_path / f"weights.{suffix}"
    if suffix == "pth":
        torch.save({"state_dict": model.state_dict(), "arch": name, "epoch": 3}, path)
    else:
        save_file(model.state_dict(), str(path))
    encoder = load_encoder(f"timm:{name}@{path}", dtype="float32")
    # Of the size at which timm resizes not at all, so that only cropping is compared, and not two ways to interpolate.
    side = round(encoder.preprocess.size / encoder.preprocess.share)
    pictures = [draw(seed, (side, side)) for seed in range(3)]
    np.testing.assert_allclose(encoder.embed_batch(pictures), timm_vectors(model, pictures, name), atol=1e-4)
    wide = [draw(seed, (300, 200)) for seed in range(3)]
    assert (encoder.embed_batch(wide) * timm_vectors(model, wide, name)).sum(axis=1).min() > 0.999
    assert encoder.name.startswith(f"timm:{name}.r160_in1k@/"), "the tag is part of the name"
    assert load_encoder(encoder.name, dtype="float32").space() == encoder.space()


def test_share_of_the_sides() -> None:
    rows = np.tile(np.arange(256, dtype=np.uint8)[:, None, None], (1, 400, 3))
    square = fit(Image.fromarray(rows), Preprocess(224, "crop", "bicubic", 224 / 256))
    np.testing.assert_array_equal(square[:, 0, 0], np.arange(16, 240))
    whole = fit(Image.fromarray(rows), Preprocess(224, "squash", "bicubic", 224 / 256))
    np.testing.assert_array_equal(whole[:, 0, 0], np.arange(16, 240))
    assert Preprocess(224, "crop", "bicubic", 224 / 256).version == "v1-crop-bicubic-224-0.8750"
    assert Preprocess(224, "crop").version == "v1-crop-bicubic-224", "spaces of before keep their names"


def test_classifier_of_any_size_is_left_out_and_nothing_else(tmp_path: Path) -> None:
    model, path = random_model("test_vit", num_classes=7), tmp_path / "weights.pth"
    torch.save(model.state_dict(), path)
    assert load_encoder(f"timm:test_vit@{path}").dim == 64
    damaged = {key: value for key, value in model.state_dict().items() if key != "norm.bias"} | {"heads": torch.ones(1)}
    torch.save(damaged, tmp_path / "damaged.pth")
    with pytest.raises(
        EncoderError, match=r"damaged.pth' does not fit .* 1 missing \(norm.bias\); 1 unexpected \(heads\)"
    ):
        load_encoder(f"timm:test_vit@{tmp_path}/damaged.pth")


def test_fingerprint_knows_what_tensors_do_not_show() -> None:
    def fingerprint(architecture: str) -> str:
        size, mean, std = Preprocess(2), (0.0,) * 3, (1.0,) * 3
        return TorchEncoder("x:y", torch.nn.Flatten(), size, mean, std, identity=(architecture,)).fingerprint

    assert fingerprint("vit_clip") == fingerprint("vit_clip") != fingerprint("vit_clip_quickgelu")


def test_maps_instead_of_vectors_are_refused() -> None:
    with pytest.raises(EncoderError, match=r"x:y gives an array of shape \(3, 2, 2\) for a picture"):
        TorchEncoder("x:y", torch.nn.Identity(), Preprocess(2), (0.0,) * 3, (1.0,) * 3)


def test_published_weights_load_strictly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # What the hub would have put into the cache: timm's own loading then runs as it does with a network.
    file = tmp_path / "model.safetensors"
    model = random_model("test_vit")
    save_file(model.state_dict(), str(file))
    monkeypatch.setattr("timm.models._hub.hf_hub_download", lambda *_, **__: str(file))
    encoder = load_encoder("timm:test_vit", dtype="float32")
    assert encoder.name == "timm:test_vit.r160_in1k"
    pictures = [draw(seed, (168, 168)) for seed in range(3)]
    np.testing.assert_allclose(encoder.embed_batch(pictures), timm_vectors(model, pictures, "test_vit"), atol=1e-4)
    save_file({key: value for key, value in model.state_dict().items() if key != "norm.bias"}, str(file))
    with pytest.raises(EncoderError, match="cannot be had"):
        load_encoder("timm:test_vit", dtype="bfloat16")


def test_without_a_network_the_error_says_how_to_get_the_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(EncoderError, match=r"hf download timm/test_vit2.r160_in1k model.safetensors\) .*@PATH"):
        load_encoder("timm:test_vit2")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("timm:resnet51", "no architecture 'resnet51'; near it: .*resnet50"),
        ("timm:", "no architecture ''"),
        ("timm:test_vit.in99k", "no weights 'in99k'; there are: r160_in1k"),
        ("timm:test_vit@/nowhere.pth", "no checkpoint file at '/nowhere.pth'"),
        ("timm:vit_base_patch16_224_miil_in21k_x", "no architecture"),
    ],
)
def test_unknown_names_say_what_there_is(name: str, message: str) -> None:
    with pytest.raises(EncoderError, match=message):
        load_encoder(name)


def test_inputs_that_are_not_square_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save(random_model("test_vit").state_dict(), tmp_path / "weights.pth")
    monkeypatch.setattr("timm.data.resolve_data_config", lambda **_: {"input_size": (3, 1024, 768)})
    with pytest.raises(EncoderError, match="3 x 1024 x 768 numbers; only square"):
        load_encoder(f"timm:test_vit@{tmp_path}/weights.pth")
