"""StyleExpert: its projections written out by hand over transformers' own hidden states."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from siglip import published_layout, siglip_pixels, tiny_siglip

from stylesearch.encoders import load_encoder
from stylesearch.encoders.styleexpert import StyleExpertEncoder
from stylesearch.errors import EncoderError

TOKENS, WIDTH, KEPT, OUT = 25, 128, 4, 6
DEPTH = 11
LAYERS = (-2, -3, -11)  # published: -2, -11, -20. A safetensors file has them in the order of text: -11, -2, -3

State = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def siglip() -> Any:
    return tiny_siglip(num_hidden_layers=DEPTH)


@pytest.fixture
def folder(siglip: Any, tmp_path: Path) -> Path:
    """Where SigLIP lies as it is published."""
    siglip_folder = tmp_path / "siglip-so400m-patch14-384"
    siglip_folder.mkdir()
    save_file(published_layout(siglip), str(siglip_folder / "model.safetensors"))
    return tmp_path


def projections(layers: tuple[int, ...] = LAYERS) -> State:
    """The tensors of `SigLIPMultiFeatProjModel`."""
    random = torch.Generator().manual_seed(2)
    shapes = {
        "embedding_linears.{}.0.weight": (KEPT, TOKENS),
        "embedding_linears.{}.0.bias": (KEPT,),
        "layer_norms.{}.weight": (WIDTH,),
        "layer_norms.{}.bias": (WIDTH,),
        "projections.{}.weight": (OUT, WIDTH),
        "projections.{}.bias": (OUT,),
    }
    return {
        name.format(layer): 0.3 * torch.randn(shape, generator=random)
        for layer in layers
        for name, shape in shapes.items()
    }


def by_hand(siglip: Any, state: State, pixels: np.ndarray) -> torch.Tensor:
    """(N, layers x KEPT x OUT): a loop over pictures, layers and kept tokens."""
    with torch.inference_mode():
        hidden = siglip(siglip_pixels(pixels), output_hidden_states=True).hidden_states
    rows = []
    for picture in range(len(pixels)):
        row = []
        for layer in LAYERS:
            tokens = hidden[layer][picture]
            for kept in range(KEPT):
                weights, bias = (state[f"embedding_linears.{layer}.0.{part}"][kept] for part in ("weight", "bias"))
                token = weights @ tokens + bias
                token = token * torch.sigmoid(token)
                token = (token - token.mean()) / (token.var(unbiased=False) + 1e-5).sqrt()
                token = token * state[f"layer_norms.{layer}.weight"] + state[f"layer_norms.{layer}.bias"]
                row.append(state[f"projections.{layer}.weight"] @ token + state[f"projections.{layer}.bias"])
        rows.append(torch.cat(row))
    return torch.stack(rows)


def unit(vectors: torch.Tensor) -> np.ndarray:
    return torch.nn.functional.normalize(vectors, dim=1).numpy()


@pytest.mark.parametrize("last", [False, True], ids=["as published", "with a last projection"])
def test_styleexpert_gives_what_its_formula_gives(siglip: Any, folder: Path, last: bool) -> None:
    state, pixels = projections(), np.random.default_rng(0).integers(0, 256, (3, 70, 70, 3), dtype=np.uint8)
    expected = by_hand(siglip, state, pixels)
    if last:
        weight, bias = torch.randn(10, len(LAYERS) * KEPT * OUT), torch.randn(10)
        state |= {"post_projection.weight": weight, "post_projection.bias": bias}
        expected = expected @ weight.T + bias
    save_file(state, str(folder / "style_encoder.safetensors"))
    encoder = load_encoder(f"styleexpert:{folder}/style_encoder.safetensors", dtype="float32")
    np.testing.assert_allclose(encoder.embed_pixels(pixels), unit(expected), atol=1e-4)
    assert isinstance(encoder, StyleExpertEncoder)
    np.testing.assert_allclose(encoder.style_latents([Image.fromarray(one) for one in pixels]), expected, atol=1e-4)
    assert encoder.licence is not None and "NC" in encoder.licence


def test_training_checkpoint_and_a_siglip_elsewhere(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    save_file(projections(), str(folder / "style_encoder.safetensors"))
    beside = load_encoder(f"styleexpert:{folder}/style_encoder.safetensors")
    path = tmp_path_factory.mktemp("elsewhere") / "checkpoint.pt"
    torch.save({"model_state_dict": {f"proj_model.{key}": value for key, value in projections().items()}}, path)
    apart = load_encoder(f"styleexpert:{path}@{folder}/siglip-so400m-patch14-384")
    assert apart.fingerprint == beside.fingerprint
    assert apart.name == f"styleexpert:{path}@{folder}/siglip-so400m-patch14-384/model.safetensors"
    assert load_encoder(beside.name).space() == beside.space()


def test_errors_say_what_is_wrong(siglip: Any, folder: Path) -> None:
    def refused(state: State, message: str) -> None:
        torch.save(state, folder / "style.pth")
        with pytest.raises(EncoderError, match=message):
            load_encoder(f"styleexpert:{folder}/style.pth")

    refused(
        {k: v for k, v in projections().items() if k != "layer_norms.-3.bias"}, r"1 missing \(layer_norms.-3.bias\)"
    )
    refused(projections() | {"projections.-3.1.bias": torch.ones(OUT)}, r"1 unexpected \(projections.-3.1.bias\)")
    refused(projections((-2, -20)), r"hidden states \[-20\] .* has 11 layers")
    refused(published_layout(siglip), "no style encoder of StyleExpert")
    refused(projections() | {"embedding_linears.-2.0.weight": torch.ones(KEPT, 729)}, r"\(4, 729\) .* \(4, 25\)")


def test_siglip_is_named_when_it_is_missing(tmp_path: Path) -> None:
    save_file(projections(), str(tmp_path / "style.safetensors"))
    with pytest.raises(EncoderError, match="hf download google/siglip-so400m-patch14-384"):
        load_encoder(f"styleexpert:{tmp_path}/style.safetensors")
