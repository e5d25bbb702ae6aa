"""Flow matching on FLUX with the tokens of further pictures beside those that are to be learnt.

    x = (1 - sigma) z + sigma e        the model sees x, the clean tokens of the other picture, the text and sigma
    loss = w(sigma) |v(x) - (e - z)|^2    over the tokens of x alone

Rectified flow (Esser et al., arXiv 2403.03206, section 3), with the levels of noise and the weights of
`FlowMatchScheduler` in DiffSynth-Studio, with which MegaStyle-FLUX is trained.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from diffusers import FluxTransformer2DModel
from torch import Tensor

from stylesearch.transfer.flux_pipeline import positions

LEVELS = 1000
SHIFT = 3.0
_LEAST = 0.003 / 1.002  # sigma of the last level, before the shift


@dataclass(frozen=True)
class Noise:
    """Levels of noise: sigmas float32 (LEVELS,) from 1 down, and how much each counts, of mean 1."""

    sigmas: Tensor
    weights: Tensor


def noise_levels(shift: float = SHIFT) -> Noise:
    """The levels that a step draws from evenly; `shift` moves them towards noise, which larger pictures need."""
    even = torch.linspace(1, _LEAST, LEVELS)
    sigmas = shift * even / (1 + (shift - 1) * even)
    bell = torch.exp(-2 * (sigmas - 0.5) ** 2)
    bell = bell - bell.min()
    return Noise(sigmas, bell * (LEVELS / bell.sum()))


@dataclass(frozen=True)
class Texts:
    """Encoded prompts: T5's tokens, float (B, L, D), and CLIP's pooled vectors, float (B, P)."""

    tokens: Tensor
    pooled: Tensor


def pack(latents: Tensor) -> Tensor:
    """Latents (B, C, H, W) of a VAE, H and W even, to FLUX's tokens (B, H W / 4, 4 C): squares of 2 x 2, row by row."""
    batch, channels, height, width = latents.shape
    squares = latents.reshape(batch, channels, height // 2, 2, width // 2, 2).permute(0, 2, 4, 1, 3, 5)
    return squares.reshape(batch, height * width // 4, 4 * channels)


@dataclass(frozen=True)
class Beside:
    """A picture that the model sees beside the noise.

    Attributes:
        latents: of the picture, clean, float (B, C, H, W).
        time, column: where its first token stands. MegaStyle-FLUX puts its reference one width to the right of what is
            learnt; FLUX Kontext puts what it edits at time 1.
    """

    latents: Tensor
    time: int = 0
    column: int = 0


def flow_loss(
    transformer: FluxTransformer2DModel,
    clean: Tensor,
    beside: Beside,
    texts: Texts,
    noise: Noise,
    random: torch.Generator,
    *,
    guidance: float = 1.0,
) -> Tensor:
    """The flow matching loss of some pictures, at levels and with noise drawn from `random`.

    Args:
        transformer: of any size.
        clean: latents of the pictures to be learnt, float (B, C, H, W).
        beside: of the same batch.
        texts: of the same batch.
        random: on the CPU, so that a run gives the same numbers on every device.
        guidance: for guidance-distilled models; 1 in training, as MegaStyle has it.

    Returns:
        scalar.
    """
    batch, _, height, width = clean.shape
    target = pack(clean).float()
    level = torch.randint(LEVELS, (batch,), generator=random)
    sigma = noise.sigmas[level].to(target.device)
    drawn = torch.randn(target.shape, generator=random).to(target.device)
    noisy = torch.lerp(target, drawn, sigma[:, None, None])
    rows, columns = beside.latents.shape[2] // 2, beside.latents.shape[3] // 2
    places = [positions(height // 2, width // 2), positions(rows, columns, beside.time, column=beside.column)]
    ids = torch.cat(places).to(target.device)
    predicted = transformer(
        hidden_states=torch.cat([noisy, pack(beside.latents).float()], 1).to(transformer.dtype),
        timestep=sigma,
        guidance=torch.full_like(sigma, guidance) if transformer.config.guidance_embeds else None,
        encoder_hidden_states=texts.tokens.to(transformer.dtype),
        pooled_projections=texts.pooled.to(transformer.dtype),
        txt_ids=ids.new_zeros(texts.tokens.shape[1], 3),
        img_ids=ids,
        return_dict=False,
    )[0][:, : target.shape[1]]
    errors: Tensor = (predicted.float() - (drawn - target)).square().mean((1, 2))
    weighed: Tensor = (errors * noise.weights[level].to(errors)).mean()
    return weighed
