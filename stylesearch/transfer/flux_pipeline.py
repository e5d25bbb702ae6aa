"""FLUX.1 with pictures beside the noise: which tokens there are, where they stand and how much they count.

FLUX attends over one sequence, [text | noise | pictures]. A rotary position (time, row, column) tells its image tokens
apart, so a picture is placed by its ids alone and the order within the sequence does not matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from diffusers import FluxKontextPipeline

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class Guide:
    """A picture that the noise can look at.

    Attributes:
        picture: mode RGB; its sides are multiples of the pipeline's `grid`.
        time, row, column: where its first token stands, in tokens.
        odds: how much it is looked at: attention pays to its tokens as if each were there that many times. 1: as the
            model was trained; 0: it is not seen.
    """

    picture: Image
    time: int
    row: int
    column: int
    odds: float = 1.0


def positions(rows: int, columns: int, time: int = 0, row: int = 0, column: int = 0) -> torch.Tensor:
    """Ids of the tokens of a picture, float32 (rows * columns, 3): time, row, column; rows first.

    Float32, because bfloat16 has no whole numbers between 256 and 258 and wide pictures reach beyond.
    """
    ids = torch.zeros(rows, columns, 3)
    ids[..., 0] = time
    ids[..., 1] = row + torch.arange(rows)[:, None]
    ids[..., 2] = column + torch.arange(columns)[None, :]
    return ids.reshape(rows * columns, 3)


def attention_bias(length: int, spans: Sequence[tuple[int, int, float]]) -> torch.Tensor | None:
    """What to add to every query's logits so that some tokens count more or less.

    exp(logit + log odds) = odds * exp(logit): a token with odds 2 is attended to like two such tokens.

    Args:
        length: of the whole sequence, in tokens.
        spans: first token, number of tokens and odds, at least 0.

    Returns:
        float32 (1, 1, 1, length), the same for all queries; None where all odds are 1, so that the fast kernels without
        a mask are used.
    """
    if all(odds == 1 for _, _, odds in spans):
        return None
    bias = torch.zeros(1, 1, 1, length)
    for start, count, odds in spans:
        bias[..., start : start + count] = torch.tensor(odds).log()
    return bias


class GuidedFluxPipeline(FluxKontextPipeline):  # type: ignore[misc]  # diffusers has no types
    """FLUX.1 whose noise sees `guides`, each at its own size and position.

    Without guides it is text to image, as FluxPipeline: the kinds of FLUX.1 transfer differ only in what they give to
    this one. Its parent knows one picture, at time 1, whose size it changes to one of its own (about a megapixel)
    unless told not to; here sizes are the caller's.

    Attributes:
        guides: of the calls to come.
    """

    guides: Sequence[Guide] = ()

    @property
    def grid(self) -> int:
        """Pixels a side that one token stands for."""
        return int(self.vae_scale_factor) * 2

    def tokens(self, picture: Image) -> int:
        """How many tokens a picture takes."""
        return (picture.width // self.grid) * (picture.height // self.grid)

    def prepare_latents(
        self,
        image: torch.Tensor | None,
        batch_size: int,
        num_channels_latents: int,
        height: int,
        width: int,
        dtype: torch.dtype,
        device: torch.device,
        generator: torch.Generator | None = None,
        latents: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor, torch.Tensor | None]:
        """The noise with its ids, the clean latents of the guides with theirs; called before the first step.

        Returns:
            noise (1, N, C), guides (1, M, C) or None, ids float32 (N, 3) and (M, 3) or None. The parent puts the guides
            behind the noise before every step, clean each time, and keeps the prediction of the noise alone.
        """
        noise, _, _, _ = super().prepare_latents(
            image, batch_size, num_channels_latents, height, width, dtype, device, generator, latents
        )
        ids = positions(height // self.grid, width // self.grid).to(device)
        if not self.guides:
            return noise, None, ids, None
        packed, places = [], []
        for guide in self.guides:
            pixels = self.image_processor.preprocess(guide.picture).to(device=device, dtype=self.vae.dtype)
            latent = self._encode_vae_image(pixels, generator).to(dtype)
            rows, columns = latent.shape[2] // 2, latent.shape[3] // 2
            packed.append(self._pack_latents(latent, 1, num_channels_latents, rows * 2, columns * 2))
            places.append(positions(rows, columns, guide.time, guide.row, guide.column).to(device))
        return noise, torch.cat(packed, dim=1), ids, torch.cat(places)

    def attention_options(
        self, width: int, height: int, prompt_embeds: torch.Tensor, text_spans: Sequence[tuple[int, int, float]] = ()
    ) -> dict[str, Any]:
        """`joint_attention_kwargs` that give the guides, and spans of the text, their odds.

        Args:
            prompt_embeds: (1, T, D), what stands before the image tokens.
            text_spans: first token within it, number of tokens, odds.
        """
        spans = list(text_spans)
        start = prompt_embeds.shape[1] + (width // self.grid) * (height // self.grid)
        for guide in self.guides:
            spans.append((start, self.tokens(guide.picture), guide.odds))
            start += spans[-1][1]
        bias = attention_bias(start, spans)
        return {} if bias is None else {"attention_mask": bias.to(prompt_embeds.device, prompt_embeds.dtype)}
