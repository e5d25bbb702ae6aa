"""What StyleExpert loads, and what it gives FLUX.1 Kontext."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from PIL import ImageOps

from stylesearch.encoders import load_encoder
from stylesearch.encoders.base import Encoder
from stylesearch.encoders.checkpoints import read_state
from stylesearch.encoders.styleexpert import SIGLIP
from stylesearch.errors import EncoderError, MissingDependencyError, TransferError
from stylesearch.transfer.flux_pipeline import Guide
from stylesearch.transfer.flux_recipes import Recipe
from stylesearch.transfer.styleexpert_experts import TEXT_LENGTH, StyleExperts, style_latents

if TYPE_CHECKING:
    from stylesearch.transfer.base import TransferRequest

PART = "styleexpert"
_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")
_ADVICE = (
    "Download them: hf download HH-LG/StyleExpert --local-dir '{part}'; "
    f"hf download google/{SIGLIP} --local-dir '{{part}}/weights/{SIGLIP}'"
)


class StyleExpert(Recipe):
    """StyleExpert (arXiv 2603.16649): the content stands beside the noise at time 1, the references choose experts.

    Of several references the routers see the mean of their style latents, by weight: routers are linear, so each map's
    choice follows the mean of its logits. The strength scales what the experts add.
    """

    base = ("FluxKontextPipeline",)

    def __init__(self, folder: Path, dtype: torch.dtype) -> None:
        super().__init__(folder, dtype)
        experts, encoder = _files(folder / PART)
        self.experts = StyleExperts.load(self.pipe.transformer, experts)
        self.encoder = _encoder(self.experts, encoder)
        self.added[PART] = [file for file in (experts, encoder) if file is not None]

    def inputs(self, request: TransferRequest, width: int, height: int) -> dict[str, Any]:
        """The content at the size of the result; from here on the experts are those of the references."""
        latents = style_latents(self.encoder, [reference.picture for reference in request.references])
        weights = torch.tensor([reference.weight for reference in request.references])
        self.experts.route((weights @ latents / weights.sum())[None], request.strength)
        assert request.content is not None  # noqa: S101 - the backend needs one and has checked
        content = ImageOps.fit(request.content, (width, height))
        self.pipe.guides = [Guide(content, time=1, row=0, column=0)]
        prompt = request.prompt or self.experts.mixing.prompt
        tokens, pooled, _ = self.pipe.encode_prompt(prompt, None, max_sequence_length=TEXT_LENGTH)
        return self._guided(width, height, tokens, pooled)


def _files(part: Path) -> tuple[Path, Path | None]:
    """The file with the experts and, if there is one, that with the style encoder, told apart by their tensors."""
    files = [file for file in sorted(part.rglob("*")) if file.suffix in _SUFFIXES and SIGLIP not in file.parts]
    experts, encoders = [], []
    for file in files:
        try:
            names = list(read_state(file))
        except EncoderError as exc:
            raise TransferError(str(exc)) from exc
        if any(".lora_layer." in name for name in names):
            experts.append(file)
        elif any("embedding_linears." in name for name in names):
            encoders.append(file)
    for found, what in ((experts, "mixtures of experts"), (encoders, "style encoders")):
        if len(found) > 1:
            raise TransferError(f"There are {len(found)} {what} in '{part}' ({', '.join(map(str, found))}); keep one.")
    if not experts:
        raise TransferError(f"There is no mixture of experts in '{part}'. {_ADVICE.format(part=part)}")
    return experts[0], encoders[0] if encoders else None


def _encoder(experts: StyleExperts, file: Path | None) -> Encoder:
    """The encoder whose latents the routers have learnt from."""
    name = experts.mixing.encoder or (f"styleexpert:{file}" if file else "")
    if not name:
        raise TransferError("The experts lack the style encoder of StyleExpert, whose latents choose among them.")
    try:
        encoder = load_encoder(name)
    except (EncoderError, MissingDependencyError) as exc:
        raise TransferError(f"The experts need the encoder '{name}', which cannot be loaded: {exc}") from exc
    if encoder.dim != experts.style_dim:
        raise TransferError(
            f"The experts take a style latent of {experts.style_dim} numbers; '{name}' gives {encoder.dim}."
        )
    return encoder
