"""LoRA files on a FLUX transformer: every layout at its right strength, and a plain refusal of all else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tiny_flux
import torch
from diffusers import FluxPipeline, FluxTransformer2DModel
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file

from stylesearch.errors import TransferError
from stylesearch.transfer.flux_lora import ADAPTER, attach_lora, attached_layers

RANK = 8
FULL = 3072  # of FLUX.1, which the names of its publisher stand for: 24 heads of 128
# Layer of the transformer, its name in files of Black Forest Labs, and the rows of the fused matrix that it is.
FUSED = [
    ("transformer_blocks.0.attn.to_q", "double_blocks_0_img_attn_qkv", slice(0, FULL)),
    ("transformer_blocks.0.attn.to_k", "double_blocks_0_img_attn_qkv", slice(FULL, 2 * FULL)),
    ("transformer_blocks.0.attn.to_v", "double_blocks_0_img_attn_qkv", slice(2 * FULL, 3 * FULL)),
    ("transformer_blocks.0.attn.add_q_proj", "double_blocks_0_txt_attn_qkv", slice(0, FULL)),
    ("transformer_blocks.0.attn.add_k_proj", "double_blocks_0_txt_attn_qkv", slice(FULL, 2 * FULL)),
    ("transformer_blocks.0.attn.add_v_proj", "double_blocks_0_txt_attn_qkv", slice(2 * FULL, 3 * FULL)),
    ("transformer_blocks.0.attn.to_out.0", "double_blocks_0_img_attn_proj", slice(None)),
    ("transformer_blocks.0.attn.to_add_out", "double_blocks_0_txt_attn_proj", slice(None)),
    ("transformer_blocks.0.ff.net.0.proj", "double_blocks_0_img_mlp_0", slice(None)),
    ("transformer_blocks.0.ff.net.2", "double_blocks_0_img_mlp_2", slice(None)),
    ("transformer_blocks.0.ff_context.net.0.proj", "double_blocks_0_txt_mlp_0", slice(None)),
    ("transformer_blocks.0.ff_context.net.2", "double_blocks_0_txt_mlp_2", slice(None)),
    ("transformer_blocks.0.norm1.linear", "double_blocks_0_img_mod_lin", slice(None)),
    ("transformer_blocks.0.norm1_context.linear", "double_blocks_0_txt_mod_lin", slice(None)),
    ("single_transformer_blocks.0.attn.to_q", "single_blocks_0_linear1", slice(0, FULL)),
    ("single_transformer_blocks.0.attn.to_k", "single_blocks_0_linear1", slice(FULL, 2 * FULL)),
    ("single_transformer_blocks.0.attn.to_v", "single_blocks_0_linear1", slice(2 * FULL, 3 * FULL)),
    ("single_transformer_blocks.0.proj_mlp", "single_blocks_0_linear1", slice(3 * FULL, 7 * FULL)),
    ("single_transformer_blocks.0.proj_out", "single_blocks_0_linear2", slice(None)),
    ("single_transformer_blocks.0.norm.linear", "single_blocks_0_modulation_lin", slice(None)),
]


def full_width() -> FluxTransformer2DModel:
    """FLUX.1's own widths, one block of each kind; its weights are never read, so no memory is touched."""
    with torch.device("meta"):
        network = tiny_flux.transformer(blocks=1, heads=24, head=128)
    return network.to_empty(device="cpu")


def published(network: FluxTransformer2DModel, alpha: float) -> dict[str, torch.Tensor]:
    """A LoRA under the names of kohya and Black Forest Labs, on every layer of the blocks."""
    torch.manual_seed(0)
    rows: dict[str, int] = {}
    columns: dict[str, int] = {}
    for layer, name, _ in FUSED:
        linear = network.get_submodule(layer)
        rows[name] = rows.get(name, 0) + linear.out_features
        columns[name] = linear.in_features
    state = {}
    for name in rows:
        state[f"lora_unet_{name}.lora_down.weight"] = torch.randn(RANK, columns[name]) / 10
        state[f"lora_unet_{name}.lora_up.weight"] = torch.randn(rows[name], RANK) / 10
        state[f"lora_unet_{name}.alpha"] = torch.tensor(alpha)
    return state


def added(network: FluxTransformer2DModel, name: str, columns: slice = slice(None)) -> torch.Tensor:
    """What a layer adds to its weight (columns of it), as the network computes it."""
    layer = attached_layers(network)[name]
    down, up = layer.lora_A[ADAPTER].weight.detach(), layer.lora_B[ADAPTER].weight.detach()
    change: torch.Tensor = layer.scaling[ADAPTER] * up @ down[:, columns]
    return change


def saved(tmp_path: Path, state: dict[str, torch.Tensor], metadata: dict[str, str] | None = None) -> Path:
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, tmp_path / "style.safetensors", metadata)
    return tmp_path / "style.safetensors"


@pytest.mark.parametrize(
    ("alpha", "scale", "strength"), [(4.0, "file", 4 / RANK), (1.0, "one", 1.0), (RANK, "one", 1.0)]
)
def test_published_names_attach_to_every_layer_at_the_right_strength(tmp_path, alpha, scale, strength) -> None:
    network = full_width()
    state = published(network, alpha)
    assert attach_lora(network, saved(tmp_path, state), scale) == len(FUSED)
    some = slice(0, 64)
    for layer, name, rows in FUSED:
        up, down = state[f"lora_unet_{name}.lora_up.weight"][rows], state[f"lora_unet_{name}.lora_down.weight"]
        torch.testing.assert_close(added(network, layer, some), strength * up @ down[:, some], rtol=0, atol=1e-6)


def test_alpha_1_of_an_exporter_would_make_a_file_rank_times_too_weak(tmp_path: Path) -> None:
    strengths = []
    for scale in ("file", "one"):
        network = full_width()
        attach_lora(network, saved(tmp_path, published(network, alpha=1.0)), scale)
        strengths.append(added(network, FUSED[0][0], slice(0, 64)).norm())
    assert strengths[1] / strengths[0] == pytest.approx(RANK, rel=1e-5)


@pytest.mark.parametrize("alpha", [None, 2.0])
@pytest.mark.parametrize("where", ["tensors", "metadata"])
def test_the_layout_of_diffusers(tmp_path: Path, alpha: float | None, where: str) -> None:
    network = tiny_flux.transformer()
    state = tiny_flux.lora_state(network, RANK)
    names = [key.removesuffix(".lora_A.weight") for key in state if key.endswith("lora_A.weight")]
    written, metadata = dict(state), None
    if alpha is not None and where == "tensors":
        written |= {f"{name}.alpha": torch.tensor(alpha) for name in names}
    elif alpha is not None:
        metadata = {"lora_adapter_metadata": json.dumps({"transformer.r": RANK, "transformer.lora_alpha": alpha})}
    assert attach_lora(network, saved(tmp_path, written, metadata)) == len(names) > 5
    strength = 1 if alpha is None else alpha / RANK
    for name in names:
        wanted = strength * state[f"{name}.lora_B.weight"] @ state[f"{name}.lora_A.weight"]
        torch.testing.assert_close(added(network, name.removeprefix("transformer.")), wanted, rtol=0, atol=1e-6)


def test_the_layout_of_peft_as_peft_writes_it(tmp_path: Path) -> None:
    torch.manual_seed(0)
    trained = get_peft_model(
        tiny_flux.transformer(),
        LoraConfig(
            r=RANK,
            lora_alpha=2,
            target_modules=["to_q", "proj_mlp"],
            alpha_pattern={"proj_mlp": 16},
            rank_pattern={"transformer_blocks.1.attn.to_q": 4},
            init_lora_weights=False,
        ),
    )
    trained.save_pretrained(tmp_path)
    network = tiny_flux.transformer()
    count = attach_lora(network, tmp_path / "adapter_model.safetensors")
    theirs = {
        name.removeprefix("base_model.model."): layer.get_delta_weight("default").detach()
        for name, layer in trained.named_modules()
        if hasattr(layer, "get_delta_weight") and layer.r
    }
    assert count == len(theirs) > 5
    for name, delta in theirs.items():
        torch.testing.assert_close(added(network, name), delta, rtol=0, atol=1e-6)


def test_layers_of_different_ranks_keep_their_strength(tmp_path: Path) -> None:
    network = tiny_flux.transformer()
    state = tiny_flux.lora_state(network, 4, ("attn.to_q",)) | tiny_flux.lora_state(network, 2, ("attn.to_k",))
    attach_lora(network, saved(tmp_path, state))
    for name in attached_layers(network):
        wanted = state[f"transformer.{name}.lora_B.weight"] @ state[f"transformer.{name}.lora_A.weight"]
        torch.testing.assert_close(added(network, name), wanted, rtol=0, atol=1e-6)


def one(name: str, out: int = tiny_flux.WIDTH, into: int = tiny_flux.WIDTH) -> dict[str, torch.Tensor]:
    return {f"{name}.lora_A.weight": torch.ones(2, into), f"{name}.lora_B.weight": torch.ones(out, 2)}


REFUSED = {
    "raw names of DiffSynth": (
        {
            "blocks.0.attn.a_to_qkv.lora_A.default.weight": torch.ones(2, 32),
            "blocks.0.attn.a_to_qkv.lora_B.default.weight": torch.ones(96, 2),
        },
        "DiffSynth's own names .*attach to nothing.*align_to_opensource_format",
    ),
    "another width, published names": (
        {
            "lora_unet_single_blocks_0_linear1.lora_down.weight": torch.ones(2, 32),
            "lora_unet_single_blocks_0_linear1.lora_up.weight": torch.ones(7 * 32, 2),
        },
        "does not have the layers of FLUX.1",
    ),
    "another width": (one("transformer.transformer_blocks.0.attn.to_q", 48), "48 x 32; this model's is 32 x 32"),
    "one layer too many": (
        one("transformer.transformer_blocks.0.attn.to_q") | one("transformer.transformer_blocks.7.attn.to_q"),
        "1 of 2 layers that this model does not have: transformer_blocks.7",
    ),
    "another model": (one("unet.down_blocks.0.attentions.0.to_q"), "this model does not have: unet.down_blocks"),
    "half a LoRA": (
        {"transformer.transformer_blocks.0.attn.to_q.lora_A.weight": torch.ones(2, 32)},
        "without 'transformer.transformer_blocks.0.attn.to_q.lora_B.weight'",
    ),
    "text encoder": (
        one("transformer.transformer_blocks.0.attn.to_q") | one("text_encoder.layers.0.q_proj"),
        "changes the text encoder too",
    ),
    "DoRA": (one("x") | {"x.dora_scale": torch.ones(3)}, "DoRA, LoKr or LoHa"),
    "no LoRA": ({"weight": torch.ones(3)}, "holds no LoRA: none of its 1 tensors"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_that_would_not_attach_whole_is_refused(tmp_path: Path, case: str) -> None:
    state, words = REFUSED[case]
    network = tiny_flux.transformer()
    with pytest.raises(TransferError, match=words):
        attach_lora(network, saved(tmp_path, state))
    assert not attached_layers(network)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = saved(tmp_path, one("transformer.transformer_blocks.0.attn.to_q"))
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(TransferError, match=r"style\.safetensors' cannot be read as safetensors"):
        attach_lora(tiny_flux.transformer(), path)


def test_what_diffusers_saves_is_read(tmp_path: Path) -> None:
    network = tiny_flux.transformer()
    layers = {key.removeprefix("transformer."): value for key, value in tiny_flux.lora_state(network).items()}
    FluxPipeline.save_lora_weights(tmp_path, transformer_lora_layers=layers)
    assert attach_lora(network, tmp_path / "pytorch_lora_weights.safetensors") == len(layers) // 2
