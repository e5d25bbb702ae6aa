"""What a training step of full-size FLUX.1 takes: seconds and memory, next to the arithmetic limit.

    python -m encoder_training.transfer.speed                     # on a GPU: LoRA of rank 128, then 16 experts
    python -m encoder_training.transfer.speed --size tiny         # anywhere, to see that it runs

Random weights, bfloat16, one example, gradient checkpointing; encoding pictures and texts is not counted. The limit is
the time for the multiplications alone at the given speed of the hardware (`--tflops`, dense bfloat16).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Any

import torch
from diffusers import FluxTransformer2DModel
from torch import Tensor, nn

from encoder_training.transfer.flow import Beside, Texts, flow_loss, noise_levels
from encoder_training.transfer.kohya import KohyaLora
from stylesearch.transfer.styleexpert_experts import Mixing, StyleExperts

SIZES: dict[str, dict[str, Any]] = {
    "full": {"guidance_embeds": True},  # the defaults are FLUX.1-dev's
    "tiny": {
        "num_layers": 1,
        "num_single_layers": 1,
        "attention_head_dim": 16,
        "num_attention_heads": 2,
        "joint_attention_dim": 16,
        "pooled_projection_dim": 8,
        "axes_dims_rope": (4, 4, 8),
        "guidance_embeds": True,
    },
}
STYLE_DIM = 3072  # of StyleExpert's encoder
TEXT = 512
_PASSES = 3  # over all weights: forward, again for the checkpoints, and backward to the activations
_OPS = 2  # of a multiplication and its sum


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints a line for each way of training."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="full", help="of the transformer")
    parser.add_argument("--pixels", type=int, default=512, help="side of the pictures")
    parser.add_argument("--steps", type=int, default=10, help="steps that are timed, after two that are not")
    parser.add_argument("--tflops", type=float, default=989.0, help="of the hardware; 989: H100 and H200")
    chosen = parser.parse_args(arguments)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    for what in ("lora", "experts"):
        flux = _random_flux(SIZES[chosen.size], device)
        if what == "lora":
            trained = list(KohyaLora(flux, 128 if chosen.size == "full" else 4).to(device).parameters())
            experts = None
        else:
            experts = StyleExperts.fresh(flux, STYLE_DIM, Mixing())
            trained = list(experts.parameters())
        seconds = _seconds_per_step(flux, trained, experts, chosen.pixels, chosen.steps, device)
        weights = sum(parameter.numel() for parameter in flux.parameters()) - sum(p.numel() for p in trained) * (
            what == "experts"
        )
        tokens = TEXT + 2 * (chosen.pixels // 16) ** 2
        limit = _PASSES * _OPS * weights * tokens / (chosen.tflops * 1e12)
        peak = torch.cuda.max_memory_allocated() / 2**30 if device.type == "cuda" else float("nan")
        print(
            f"{what}: {weights / 1e9:.2f} G weights, {sum(p.numel() for p in trained) / 1e6:.0f} M trained, "
            f"{tokens} tokens: {seconds:.3f} s/step, limit {limit:.3f} s ({limit / seconds:.0%}), peak {peak:.1f} GiB"
        )
        del flux, trained, experts
        if device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()


def _random_flux(config: dict[str, Any], device: torch.device) -> FluxTransformer2DModel:
    with torch.device("meta"):
        flux = FluxTransformer2DModel(**config).to(torch.bfloat16)
    flux.to_empty(device=device).requires_grad_(False)
    for parameter in flux.parameters():
        parameter.normal_(0, 0.02)
    flux.enable_gradient_checkpointing()
    return flux.train()


def _seconds_per_step(
    flux: FluxTransformer2DModel,
    trained: list[nn.Parameter],
    experts: StyleExperts | None,
    pixels: int,
    steps: int,
    device: torch.device,
) -> float:
    side, config = pixels // 8, flux.config
    target, other = (torch.randn(1, config.in_channels // 4, side, side, device=device) for _ in range(2))
    texts = Texts(
        torch.randn(1, TEXT, config.joint_attention_dim, device=device),
        torch.randn(1, config.pooled_projection_dim, device=device),
    )
    beside, noise = Beside(other, column=side // 2), noise_levels()
    optimiser = torch.optim.AdamW(trained, lr=1e-4)
    began = 0.0
    for step in range(steps + 2):
        if step == 2:
            _wait(device)
            began = time.perf_counter()
        if experts is not None:
            experts.route(torch.randn(1, STYLE_DIM, device=device))
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast(device.type, torch.bfloat16):
            loss: Tensor = flow_loss(flux, target, beside, texts, noise, torch.Generator().manual_seed(step))
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    _wait(device)
    return (time.perf_counter() - began) / steps


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
