"""What each kind of FLUX transfer loads, and what it gives its pipeline."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from diffusers import DiffusionPipeline, FlowMatchEulerDiscreteScheduler, Flux2KleinPipeline, FluxPriorReduxPipeline
from PIL import Image

from stylesearch.errors import TransferError
from stylesearch.transfer.flux_arrangement import beside, instruction, laid_out, shared_odds
from stylesearch.transfer.flux_lora import ADAPTER, attach_lora
from stylesearch.transfer.flux_pipeline import Guide, GuidedFluxPipeline, attention_bias

if TYPE_CHECKING:
    from stylesearch.transfer.base import TransferRequest


class Recipe(ABC):
    """A loaded kind.

    Attributes:
        base: the pipelines that the folder's `model_index.json` may name.
        pipelines: all that hold weights, the one that makes the pictures first.
        added: what the kind adds to the model of the folder: name of the part, files of its weights.
        steps: of the sampler, where the request does not say.
    """

    base: ClassVar[tuple[str, ...]] = ("FluxPipeline",)
    pipeline_class: ClassVar[type[DiffusionPipeline]] = GuidedFluxPipeline
    steps = 28  # FLUX.1-dev's model card
    guidance = 3.5

    def __init__(self, folder: Path, dtype: torch.dtype) -> None:
        """Raises TransferError where the folder holds another model, or not all of it."""
        named = _read_index(folder)
        if named not in self.base:
            raise TransferError(
                f"The model at '{folder}' is a '{named}'; this kind needs a {' or a '.join(self.base)}."
            )
        self.folder = folder
        self.pipe = self.pipeline_class.from_pretrained(
            str(folder), dtype=dtype, local_files_only=True, use_safetensors=True
        )
        # Of pictures above the size that the VAE was trained on (1024 pixels); smaller ones come out as without.
        self.pipe.vae.enable_tiling()
        self.pipelines: list[DiffusionPipeline] = [self.pipe]
        self.added: dict[str, list[Path]] = {}

    @abstractmethod
    def inputs(self, request: TransferRequest, width: int, height: int) -> dict[str, Any]:
        """Arguments of the pipeline for all pictures of a request, but for their size, steps and noise.

        Args:
            width, height: of the result, multiples of the pipeline's grid.
        """

    def _texts(self, prompt: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Tokens of T5 (1, 512, D) and the pooled vector of CLIP (1, P)."""
        tokens, pooled, _ = self.pipe.encode_prompt(prompt, None, max_sequence_length=512)
        return tokens, pooled

    def _guided(
        self, width: int, height: int, tokens: torch.Tensor, pooled: torch.Tensor, **options: Any
    ) -> dict[str, Any]:
        return {
            "max_area": width * height,  # or Kontext's pipeline makes a megapixel of every size
            "prompt_embeds": tokens,
            "pooled_prompt_embeds": pooled,
            "guidance_scale": self.guidance,
            "joint_attention_kwargs": options,
        }

    def _only_file(self, part: str) -> Path:
        files = sorted((self.folder / part).glob("*.safetensors"))
        if len(files) != 1:
            raise TransferError(
                f"There are {len(files)} files '*.safetensors' in '{self.folder / part}'; there must be exactly one."
            )
        self.added[part] = files
        return files[0]


class Mega(Recipe):
    """MegaStyle-FLUX (arXiv 2604.08364): the reference stands to the right of the noise, as if it were its other half.

    From its public code (flux_image_mega.py): the reference is stretched to the size of the result, its tokens stand
    one width further right, at time 0, clean at every step; 30 steps, guidance 3.5, schedule shifted by 3.
    """

    steps = 30

    def __init__(self, folder: Path, dtype: torch.dtype) -> None:
        super().__init__(folder, dtype)
        # Trained with alpha = rank, so its scale is 1; some of its exporters write alpha 1 all the same.
        attach_lora(self.pipe.transformer, self._only_file("mega"), scale="one")
        self.pipe.scheduler = FlowMatchEulerDiscreteScheduler.from_config(
            self.pipe.scheduler.config, shift=3.0, use_dynamic_shifting=False
        )

    def inputs(self, request: TransferRequest, width: int, height: int) -> dict[str, Any]:
        """The reference as a guide, its odds the strength."""
        picture = request.references[0].picture.resize((width, height), Image.Resampling.BICUBIC)
        self.pipe.guides = [Guide(picture, time=0, row=0, column=width // self.pipe.grid, odds=request.strength)]
        tokens, pooled = self._texts(request.prompt)
        return self._guided(width, height, tokens, pooled, **self.pipe.attention_options(width, height, tokens))


class Redux(Recipe):
    """FLUX.1 Redux: SigLIP's tokens of each reference, mapped into those of T5, stand behind the words.

    Each reference keeps its own tokens; weights and strength are odds of attention. (The pipeline of diffusers adds the
    scaled tokens up instead, words included, so that two references double the prompt.)
    """

    def __init__(self, folder: Path, dtype: torch.dtype) -> None:
        super().__init__(folder, dtype)
        _needed(folder / "redux" / "model_index.json", "FLUX.1-Redux-dev")
        self.prior = FluxPriorReduxPipeline.from_pretrained(
            str(folder / "redux"), dtype=dtype, local_files_only=True, use_safetensors=True
        )
        self.pipelines.append(self.prior)
        self.added["redux"] = sorted((folder / "redux").rglob("*.safetensors"))

    def inputs(self, request: TransferRequest, width: int, height: int) -> dict[str, Any]:
        """Words, then the tokens of each reference."""
        words, pooled = self._texts(request.prompt)
        parts, spans = [words], []
        for reference, odds in zip(request.references, shared_odds(request), strict=True):
            seen = self.prior.encode_image(reference.picture, self.prior._execution_device, 1)
            parts.append(self.prior.image_embedder(seen).image_embeds.to(words))
            spans.append((sum(part.shape[1] for part in parts[:-1]), parts[-1].shape[1], odds))
        tokens = torch.cat(parts, dim=1)
        options = self.pipe.attention_options(width, height, tokens, spans)
        return self._guided(width, height, tokens, pooled, **options)


class Kontext(Recipe):
    """FLUX.1 Kontext (arXiv 2506.15742): content and references stand beside the noise at time 1.

    The model was trained with one such picture. Several are laid out without overlap, each below or to the right of the
    others, which is how ComfyUI gives them to it ("offset").
    """

    base = ("FluxKontextPipeline",)

    def inputs(self, request: TransferRequest, width: int, height: int) -> dict[str, Any]:
        """The content at the size of the result, the references at their own shapes and at most that area."""
        pictures = beside(request, width, height, self.pipe.grid)
        places = laid_out(
            [(picture.width // self.pipe.grid, picture.height // self.pipe.grid) for picture, _ in pictures]
        )
        self.pipe.guides = [
            Guide(picture, time=1, row=row, column=column, odds=odds)
            for (picture, odds), (column, row) in zip(pictures, places, strict=True)
        ]
        tokens, pooled = self._texts(instruction(request))
        return self._guided(width, height, tokens, pooled, **self.pipe.attention_options(width, height, tokens))


class IPAdapter(Recipe):
    """IP-Adapter for FLUX.1: CLIP's vector of the references, their weighted mean, in attention of its own."""

    def __init__(self, folder: Path, dtype: torch.dtype) -> None:
        super().__init__(folder, dtype)
        file, encoder = self._only_file("ip-adapter"), folder / "ip-adapter" / "image_encoder"
        _needed(encoder / "config.json", "the CLIP image encoder that the adapter was trained with")
        self.pipe.load_ip_adapter(
            str(file.parent),
            weight_name=file.name,
            image_encoder_pretrained_model_name_or_path=str(encoder),
            image_encoder_dtype=dtype,
            local_files_only=True,
        )
        self.added["ip-adapter"] += sorted(encoder.rglob("*.safetensors"))

    def inputs(self, request: TransferRequest, width: int, height: int) -> dict[str, Any]:
        """Words, and one vector for all references; the strength scales what it adds."""
        pipe = self.pipe
        pipe.set_ip_adapter_scale(request.strength)
        seen = pipe.encode_image([ref.picture for ref in request.references], pipe._execution_device, 1)
        weights = torch.tensor([ref.weight for ref in request.references]).to(seen)
        mean = (seen * weights[:, None]).sum(dim=0) / weights.sum()
        tokens, pooled = self._texts(request.prompt)
        vector = mean.view(1, 1, -1)
        # The other is for classifier-free guidance, which is not used; left out, the pipeline would encode a black one.
        images = {"ip_adapter_image_embeds": [vector], "negative_ip_adapter_image_embeds": [torch.zeros_like(vector)]}
        return {**self._guided(width, height, tokens, pooled), **images}


class PlainLora(Recipe):
    """FLUX.1 with a LoRA, at the scale that its file says."""

    def __init__(self, folder: Path, dtype: torch.dtype) -> None:
        super().__init__(folder, dtype)
        attach_lora(self.pipe.transformer, self._only_file("lora"))

    def inputs(self, request: TransferRequest, width: int, height: int) -> dict[str, Any]:
        """Words; the strength is the adapter's."""
        self.pipe.set_adapters(ADAPTER, request.strength)
        return self._guided(width, height, *self._texts(request.prompt))


class Klein(Recipe):
    """FLUX.2 [klein]: content and references stand beside the noise at times 10, 20, ..., as it was trained."""

    base = ("Flux2KleinPipeline",)
    pipeline_class = Flux2KleinPipeline

    def __init__(self, folder: Path, dtype: torch.dtype) -> None:
        super().__init__(folder, dtype)
        distilled = bool(self.pipe.config.is_distilled)  # the base models are the others
        self.steps, self.guidance = (4, 1.0) if distilled else (50, 4.0)

    def inputs(self, request: TransferRequest, width: int, height: int) -> dict[str, Any]:
        """Content first; sizes as for Kontext."""
        grid = self.pipe.vae_scale_factor * 2
        pictures = beside(request, width, height, grid)
        tokens, _ = self.pipe.encode_prompt(instruction(request))
        spans, start = [], tokens.shape[1] + (width // grid) * (height // grid)
        for picture, odds in pictures:
            spans.append((start, (picture.width // grid) * (picture.height // grid), odds))
            start += spans[-1][1]
        bias = attention_bias(start, spans)
        options = {} if bias is None else {"attention_mask": bias.to(tokens.device, tokens.dtype)}
        return {
            "image": [picture for picture, _ in pictures],
            "prompt_embeds": tokens,
            "guidance_scale": self.guidance,
            "attention_kwargs": options,
        }


RECIPES: dict[str, type[Recipe]] = {
    "mega": Mega,
    "redux": Redux,
    "kontext": Kontext,
    "ip-adapter": IPAdapter,
    "lora": PlainLora,
    "klein": Klein,
}


def _needed(path: Path, what: str) -> None:
    """Looked for here, because diffusers takes a folder that is not there for a name on a hub."""
    if not path.is_file():
        raise TransferError(f"There is no '{path}'. Put {what} into '{path.parent}'.")


def _read_index(folder: Path) -> str:
    try:
        return str(json.loads((folder / "model_index.json").read_text("utf-8"))["_class_name"])
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise TransferError(
            f"'{folder / 'model_index.json'}' cannot be read ({exc}). Download the model again."
        ) from exc
