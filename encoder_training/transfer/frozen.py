"""What stays as it is while a LoRA or experts are trained: a FLUX model from a folder in diffusers' layout."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from encoder_training.transfer.flow import Texts
from stylesearch.encoders.compute import device_and_dtype
from stylesearch.errors import TransferError, UsageError


@dataclass(frozen=True)
class FrozenFlux:
    """A pipeline of diffusers whose networks only compute.

    Attributes:
        pipe: a `FluxPipeline` or `FluxKontextPipeline`.
        device: where it computes.
    """

    pipe: Any
    device: torch.device

    @classmethod
    def load(cls, folder: Path, wanted: str, dtype: str | None = None) -> FrozenFlux:
        """Loads a folder.

        Args:
            wanted: the pipeline that its `model_index.json` must name.
            dtype: see `device_and_dtype`.

        Raises:
            UsageError: the folder holds no model, or another one.
            TransferError: it cannot be loaded.
        """
        import diffusers

        try:
            named = json.loads((folder / "model_index.json").read_text("utf-8"))["_class_name"]
        except (OSError, ValueError, KeyError) as exc:
            raise UsageError(f"There is no model in diffusers' layout at '{folder}'.") from exc
        if named != wanted:
            raise UsageError(f"The model at '{folder}' is a '{named}'; this needs a '{wanted}'.")
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)))
        device, torch_dtype = device_and_dtype(dtype)
        try:
            pipe = getattr(diffusers, wanted).from_pretrained(
                folder, dtype=torch_dtype, local_files_only=True, use_safetensors=True
            )
        except (OSError, ValueError, RuntimeError) as exc:
            raise TransferError(f"The model at '{folder}' cannot be loaded ({exc}).") from exc
        for part in pipe.components.values():
            if isinstance(part, torch.nn.Module):
                part.requires_grad_(False)
        pipe.to(device)
        pipe.transformer.enable_gradient_checkpointing()
        return cls(pipe, device)

    @torch.no_grad()
    def latents(self, pictures: Sequence[Tensor]) -> Tensor:
        """Pictures uint8 (S, S, 3) to latents (B, C, S / 8, S / 8): the mean, shifted and scaled as the VAE says."""
        vae = self.pipe.vae
        pixels = torch.stack(list(pictures)).to(self.device).permute(0, 3, 1, 2).to(vae.dtype) / 127.5 - 1
        mean: Tensor = vae.encode(pixels).latent_dist.mode()
        latents: Tensor = (mean - vae.config.shift_factor) * vae.config.scaling_factor
        return latents

    @torch.no_grad()
    def texts(self, prompts: Sequence[str], length: int) -> Texts:
        """Encodes prompts, with `length` tokens of T5."""
        tokens, pooled, _ = self.pipe.encode_prompt(list(prompts), None, max_sequence_length=length)
        return Texts(tokens, pooled)
