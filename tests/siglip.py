"""Small SigLIP vision towers with random weights, made by transformers itself."""

from __future__ import annotations

from typing import Any

import torch
from transformers import SiglipVisionConfig, SiglipVisionModel


def tiny_siglip(seed: int = 0, **sizes: int) -> Any:
    """A `SiglipVisionModel` of random weights: 128 wide, 3 layers, 5 x 5 patches of 14 pixels."""
    torch.manual_seed(seed)
    standard: dict[str, Any] = {
        "hidden_size": 128,
        "intermediate_size": 192,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "image_size": 70,
        "patch_size": 14,
    }
    model = SiglipVisionModel(SiglipVisionConfig(**standard | sizes)).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # as made, biases are 0 and norms 1: a wrong use of them would not show
            parameter.copy_(0.1 * torch.randn_like(parameter) + (parameter.ndim == 1))
    return model


def published_layout(model: Any) -> dict[str, torch.Tensor]:
    """The tensors under the names that checkpoints of the time before transformers 5 have."""
    return {f"vision_model.{key.removeprefix('vision_model.')}": value for key, value in model.state_dict().items()}


def siglip_pixels(pixels: Any) -> torch.Tensor:
    """uint8 (N, S, S, 3) to what the model takes: float (N, 3, S, S) of -1 to 1."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
