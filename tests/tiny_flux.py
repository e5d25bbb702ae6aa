"""Models of the FLUX family with random weights, small enough for a test, saved in diffusers' layout."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderKLFlux2,
    FlowMatchEulerDiscreteScheduler,
    Flux2KleinPipeline,
    Flux2Transformer2DModel,
    FluxKontextPipeline,
    FluxPipeline,
    FluxPriorReduxPipeline,
    FluxTransformer2DModel,
    ReduxImageEncoder,
)
from safetensors.torch import save_file
from transformers import (
    CLIPImageProcessor,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    Qwen2Tokenizer,
    Qwen3Config,
    Qwen3ForCausalLM,
    SiglipImageProcessor,
    SiglipVisionConfig,
    SiglipVisionModel,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

from stylesearch.transfer.flux_backend import FluxBackend

WIDTH = 32  # of the transformer: 2 heads of 16
TEXT, POOLED, VISION = 24, 16, 20
LETTERS = "abcdefghijklmnopqrstuvwxyz ,.'"


def transformer(blocks: int = 2, heads: int = 2, head: int = 16) -> FluxTransformer2DModel:
    """A FLUX.1 transformer; `blocks` of each kind."""
    return FluxTransformer2DModel(
        in_channels=16,
        num_layers=blocks,
        num_single_layers=blocks,
        attention_head_dim=head,
        num_attention_heads=heads,
        joint_attention_dim=TEXT,
        pooled_projection_dim=POOLED,
        axes_dims_rope=[head // 4, head * 3 // 8, head * 3 // 8],
        guidance_embeds=True,
    )


def save_flux(folder: Path, pipeline: type[FluxPipeline] | type[FluxKontextPipeline] = FluxPipeline) -> Path:
    """A whole FLUX.1, texts and tokenizers too."""
    torch.manual_seed(0)
    letters = {letter + end: 2 * i + (end != "") for i, letter in enumerate(LETTERS) for end in ("", "</w>")}
    clip_words = {**letters, "<|startoftext|>": len(letters), "<|endoftext|>": len(letters) + 1}
    t5_words = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -1.0), *((letter, -2.0) for letter in LETTERS)]
    clip = CLIPTextConfig(
        vocab_size=len(clip_words),
        hidden_size=POOLED,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        bos_token_id=len(letters),
        eos_token_id=len(letters) + 1,
    )
    t5 = T5Config(vocab_size=200, d_model=TEXT, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
    pipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True),
        vae=_vae(),
        text_encoder=CLIPTextModel(clip),
        tokenizer=CLIPTokenizer(vocab=clip_words, merges=[], model_max_length=77),
        text_encoder_2=T5EncoderModel(t5),
        tokenizer_2=T5Tokenizer(vocab=t5_words, model_max_length=512),
        transformer=transformer(),
    ).save_pretrained(folder)
    return folder


def save_all(folder: Path) -> Path:
    """FLUX.1 with all that the kinds add to it."""
    save_flux(folder)
    save_redux(folder / "redux")
    save_ip_adapter(folder / "ip-adapter")
    for kind in ("mega", "lora"):
        (folder / kind).mkdir()
        save_file(lora_state(transformer()), folder / kind / "style.safetensors")
    return folder


def open_backend(kind: str, folder: Path, dtype: str = "float32") -> FluxBackend:
    """The backend of a kind in a dtype that is the same on every machine."""
    return FluxBackend(kind, folder, dtype)


def save_redux(folder: Path) -> Path:
    """FLUX.1 Redux's own part."""
    torch.manual_seed(1)
    vision = SiglipVisionConfig(
        hidden_size=VISION,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=32,
        patch_size=8,
    )
    FluxPriorReduxPipeline(
        image_encoder=SiglipVisionModel(vision),
        feature_extractor=SiglipImageProcessor(size={"height": 32, "width": 32}),
        image_embedder=ReduxImageEncoder(redux_dim=VISION, txt_in_features=TEXT),
    ).save_pretrained(folder)
    return folder


def save_ip_adapter(folder: Path, blocks: int = 2) -> Path:
    """An IP-Adapter in XLabs' layout, and its CLIP."""
    torch.manual_seed(2)
    vision = CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=32,
        patch_size=8,
        projection_dim=VISION,
    )
    CLIPVisionModelWithProjection(vision).save_pretrained(folder / "image_encoder")
    CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=32).save_pretrained(folder / "image_encoder")
    state = {
        "ip_adapter_proj_model.proj.weight": torch.randn(4 * TEXT, VISION),
        "ip_adapter_proj_model.proj.bias": torch.randn(4 * TEXT),
        "ip_adapter_proj_model.norm.weight": torch.ones(TEXT),
        "ip_adapter_proj_model.norm.bias": torch.zeros(TEXT),
    }
    for block in range(blocks):
        for half in "kv":
            stem = f"double_blocks.{block}.processor.ip_adapter_double_stream_{half}_proj"
            state |= {f"{stem}.weight": torch.randn(WIDTH, TEXT), f"{stem}.bias": torch.randn(WIDTH)}
    save_file(state, folder / "ip_adapter.safetensors")
    return folder


def save_klein(folder: Path) -> Path:
    """FLUX.2 [klein], distilled."""
    torch.manual_seed(3)
    words = {letter: i for i, letter in enumerate([*LETTERS.replace(" ", "Ġ"), "<|endoftext|>"])}
    tokenizer = Qwen2Tokenizer(vocab=words, merges=[])
    tokenizer.chat_template = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
    qwen = Qwen3Config(
        vocab_size=len(words),
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=28,  # the pipeline reads layers 9, 18 and 27
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=4,
    )
    vae = AutoencoderKLFlux2(
        block_out_channels=(4, 4, 4, 4),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=2,
        sample_size=32,
    )
    network = Flux2Transformer2DModel(
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=24,
        timestep_guidance_channels=16,
        axes_dims_rope=[4, 4, 4, 4],
        guidance_embeds=False,
    )
    Flux2KleinPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=vae,
        text_encoder=Qwen3ForCausalLM(qwen),
        tokenizer=tokenizer,
        transformer=network,
        is_distilled=True,
    ).save_pretrained(folder)
    return folder


def lora_state(
    network: torch.nn.Module, rank: int = 4, names: tuple[str, ...] = ("attn.to_q", "proj_mlp")
) -> dict[str, torch.Tensor]:
    """A LoRA in diffusers' layout on the layers whose names end so."""
    state = {}
    for name, layer in network.named_modules():
        if isinstance(layer, torch.nn.Linear) and name.endswith(names):
            state[f"transformer.{name}.lora_A.weight"] = torch.randn(rank, layer.in_features)
            state[f"transformer.{name}.lora_B.weight"] = torch.randn(layer.out_features, rank)
    return state


def _vae() -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(4, 4, 4, 4),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=2,
        sample_size=1024,
        use_quant_conv=False,
        use_post_quant_conv=False,
        shift_factor=0.1159,
        scaling_factor=0.3611,
    )
