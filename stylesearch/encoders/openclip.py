"""`openclip:*`: any model of open_clip, SigLIP above all, by published tag, checkpoint file or folder.

    openclip:ViT-B-16-SigLIP/webli                  a published tag; downloaded once, needs a network the first time
    openclip:ViT-B-16-SigLIP@/models/mine.safetensors    an architecture of open_clip and a whole checkpoint of it
    openclip:@/models/mine                          a folder with `open_clip_config.json` and weights, as
                                                    `open_clip.push_to_hf_hub` writes it

Weights load strictly: a checkpoint that lacks a tensor, or has one too many, is refused rather than filled with noise.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import Any, cast

import numpy as np

from stylesearch.encoders.compute import TorchEncoder
from stylesearch.encoders.fill import fill_in, is_kept
from stylesearch.encoders.places import pool_kept
from stylesearch.errors import EncoderError, MissingDependencyError
from stylesearch.images import Filter, FitMode, Preprocess

EXAMPLE = "openclip:ViT-B-16-SigLIP/webli"
_FIT_MODES: dict[str, FitMode] = {"squash": "squash", "shortest": "crop", "longest": "pad"}


class OpenClipEncoder(TorchEncoder):
    """The image tower (and, for texts, the text tower) of an open_clip model.

    Args:
        name: as in the module's docstring.
        dtype: see `device_and_dtype`.

    Raises:
        EncoderError: no such architecture, tag, file or folder; a checkpoint of another model; no network.
        MissingDependencyError: open_clip is not installed.
    """

    def __init__(self, name: str, dtype: str | None = None) -> None:
        architecture, tag, local = _parse(name)
        if local is not None:
            name = f"openclip:{architecture}@{local}"  # means the same in every folder
        with _open_clip_errors(name):
            self._model, config, self._tokenizer_name = _load(architecture, tag, local)
        size = config["size"]
        preprocess = Preprocess(
            size=size if isinstance(size, int) else size[0],
            mode=_FIT_MODES[config["resize_mode"]],
            filter=cast(Filter, config["interpolation"]),
        )
        super().__init__(name, self._model.visual, preprocess, tuple(config["mean"]), tuple(config["std"]), dtype)

    def _embed_parts(self, pixels: np.ndarray) -> np.ndarray:
        tower = _SiglipOf.found(self._model.visual)
        return super()._embed_parts(pixels) if tower is None else self._run(tower.parts, pixels)

    def _embed_masked(self, pixels: np.ndarray, keep: np.ndarray) -> np.ndarray:
        tower, filled, kept = _SiglipOf.found(self._model.visual), fill_in(pixels, keep), is_kept(keep)
        if tower is None:
            return self._embed(filled)
        return self._run(lambda batch, here: pool_kept(tower.pool, tower.tokens(batch), here), filled, kept)

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """See `Encoder.embed_texts`; the tokenizer of a published SigLIP is downloaded at the first call."""
        import open_clip
        import torch

        with _open_clip_errors(self.name), torch.inference_mode():
            tokens = open_clip.get_tokenizer(self._tokenizer_name)(list(texts)).to(self._device)
            self._model.to(self._device)
            return self._unit(self._model.encode_text(tokens).float().cpu().numpy())


@dataclass(frozen=True, slots=True)
class _SiglipOf:
    """The image tower of a SigLIP in open_clip, taken apart as `SiglipTower` is."""

    visual: Any

    @classmethod
    def found(cls, visual: Any) -> _SiglipOf | None:
        """None for other towers, which have no attention pool."""
        return None if getattr(getattr(visual, "trunk", None), "attn_pool", None) is None else cls(visual)

    def tokens(self, pixels: Any) -> Any:
        """(N, grid * grid, width), those of patches alone."""
        trunk = self.visual.trunk
        return trunk.forward_features(pixels)[:, trunk.num_prefix_tokens :]

    def pool(self, tokens: Any) -> Any:
        """(N, D) of tokens (N, T, width), whatever their number."""
        trunk = self.visual.trunk
        return self.visual.head(trunk.head(trunk.fc_norm(trunk.attn_pool(tokens))))

    def parts(self, pixels: Any) -> Any:
        """Each token pooled alone, as `SiglipTower.parts` has it."""
        tokens = self.tokens(pixels)
        side = isqrt(tokens.shape[1])
        return self.pool(tokens.flatten(0, 1)[:, None]).unflatten(0, (len(tokens), side, side))


def _parse(name: str) -> tuple[str, str | None, Path | None]:
    """Architecture, published tag or None, checkpoint file or model folder or None."""
    rest = name.removeprefix("openclip:")
    architecture, at, local = rest.partition("@")
    if at:
        path = Path(local).expanduser().absolute()
        if architecture and not path.is_file():
            raise EncoderError(f"'{name}': there is no checkpoint file at '{path}'.")
        if not architecture and not path.is_dir():
            raise EncoderError(f"'{name}': there is no model folder at '{path}'.")
        return architecture, None, path
    architecture, slash, tag = rest.partition("/")
    if not (architecture and slash and tag):
        raise EncoderError(f"'{name}' names no weights. Write ARCHITECTURE/TAG, for example '{EXAMPLE}'.")
    return architecture, tag, None


def _load(architecture: str, tag: str | None, local: Path | None) -> tuple[Any, dict[str, Any], str]:
    """The model with its weights, its preprocessing, and the name that `open_clip.get_tokenizer` takes."""
    import open_clip

    if not architecture:
        source = f"local-dir:{local}"
        model = open_clip.create_model(source, require_pretrained=True)
        return model, open_clip.get_model_preprocess_cfg(model), source
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    if architecture not in open_clip.list_models():
        raise EncoderError(f"open_clip has no architecture '{architecture}'; `open_clip.list_models()` lists them.")
    if tag is not None and tag not in tags:
        raise EncoderError(f"'{architecture}' has no weights '{tag}'; there are: {', '.join(tags) or 'none'}.")
    if local is None:
        model = open_clip.create_model(architecture, pretrained=tag, require_pretrained=True)
        return model, open_clip.get_model_preprocess_cfg(model), architecture
    if not tags:
        raise EncoderError(
            f"open_clip does not say how '{architecture}' wants its pixels. Put its checkpoint in a folder with an "
            "open_clip_config.json and name that: openclip:@FOLDER"
        )
    # A bare checkpoint does not say how its pixels were prepared, and open_clip's own default is OpenAI's CLIP, which
    # is wrong for SigLIP: take what the published weights of the same architecture use.
    model = open_clip.create_model(architecture, pretrained=str(local), require_pretrained=True)
    defaults = open_clip.get_model_preprocess_cfg(model)
    published = open_clip.get_pretrained_cfg(architecture, tags[0])
    return (
        model,
        {**defaults, **{key: published[key] for key in defaults if published.get(key) is not None}},
        architecture,
    )


@contextmanager
def _open_clip_errors(name: str) -> Iterator[None]:
    """The border to open_clip, timm and the model hub: whatever they raise becomes an EncoderError."""
    try:
        yield
    except EncoderError:
        raise
    except ModuleNotFoundError as exc:
        raise MissingDependencyError(exc.name or "open_clip_torch", "openclip", f"for the encoder '{name}'") from exc
    except Exception as exc:  # they raise bare RuntimeError, KeyError, OSError and pickle's own errors alike
        raise EncoderError(f"'{name}' cannot be loaded: {str(exc).strip().splitlines()[0]}") from exc
