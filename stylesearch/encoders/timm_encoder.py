"""`timm:*`: the pooled features of any image backbone of timm, with the pixels that its weights were trained on.

    timm:vit_base_patch16_dinov3.lvd1689m         published weights; downloaded once, needs a network the first time
    timm:resnet50                                 the weights that timm prefers for the architecture
    timm:resnet50.a1_in1k@/models/mine.pth        a checkpoint of your own in timm's layout, prepared like the tag's

Weights load strictly, but for a classifier, which is left out.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast, get_args

import torch

from stylesearch.encoders.checkpoints import checkpoint_file, fill, read_state
from stylesearch.encoders.compute import TorchEncoder
from stylesearch.errors import EncoderError, MissingDependencyError
from stylesearch.images import Filter, FitMode, Preprocess

_FIT_MODES: dict[str, FitMode] = {"center": "crop", "squash": "squash"}


class TimmEncoder(TorchEncoder):
    """A timm model without its classifier.

    Args:
        name: as in the module's docstring.
        dtype: see `device_and_dtype`.

    Raises:
        EncoderError: no such architecture, tag or file; a checkpoint of another model; no network; a backbone whose
            input is not one square RGB picture or whose output is not one vector.
        MissingDependencyError: timm is not installed.
    """

    def __init__(self, name: str, dtype: str | None = None) -> None:
        model_name, at, local = name.partition(":")[2].partition("@")
        path = checkpoint_file(name, local) if at else None
        with _timm_errors(name):
            model_name = _known(model_name, weights=path is None)
            state = _published_state(model_name) if path is None else read_state(path)
            model = _without_classifier(model_name, state, path or model_name)
            preprocess, mean, std = _pixels(name, model)
            # The stored name holds the tag: the one that timm prefers may be another in its next version.
            name = f"timm:{model_name}" if path is None else f"timm:{model_name}@{path}"
            super().__init__(name, model, preprocess, mean, std, dtype, identity=(model_name.partition(".")[0],))


def _known(model_name: str, *, weights: bool) -> str:
    """The name with its tag, where the architecture has any."""
    import timm

    architecture, _, tag = model_name.partition(".")
    if not timm.is_model(architecture):
        near = difflib.get_close_matches(architecture, timm.list_models(), n=3)
        raise EncoderError(
            f"timm has no architecture '{architecture}'; "
            + (f"near it: {', '.join(near)}." if near else "`timm.list_models()` lists them.")
        )
    tags = [full.partition(".")[2] for full in timm.list_pretrained(f"{architecture}.*")]
    if tag and tag not in tags:
        raise EncoderError(f"timm's '{architecture}' has no weights '{tag}'; there are: {', '.join(tags) or 'none'}.")
    if weights and not tags:
        raise EncoderError(
            f"timm publishes no weights for '{architecture}'. Name a file of yours: timm:{architecture}@PATH"
        )
    preferred: str = tag or (timm.get_pretrained_cfg(architecture).tag or "" if tags else "")
    return f"{architecture}.{preferred}" if preferred else architecture


def _published_state(model_name: str) -> dict[str, torch.Tensor]:
    """The published tensors, classifier and all: only so does timm itself load them strictly."""
    import timm

    config = timm.get_pretrained_cfg(model_name)
    try:
        return dict(timm.create_model(model_name, pretrained=True).state_dict())
    except Exception as exc:  # whatever the hub, its client and the file in its cache bring out
        source = f"hf download {config.hf_hub_id} model.safetensors" if config.hf_hub_id else config.url
        raise EncoderError(
            f"The weights of 'timm:{model_name}' cannot be had: {_first_line(exc)} Without a network, download them "
            f"elsewhere ({source}) and name the file: timm:{model_name}@PATH"
        ) from exc


def _without_classifier(model_name: str, state: dict[str, torch.Tensor], source: Path | str) -> torch.nn.Module:
    import timm

    # Not on the device "meta": some models compute buffers that their state dict does not hold.
    model: torch.nn.Module = timm.create_model(model_name, num_classes=0)
    with torch.device("meta"):
        classifier = timm.create_model(model_name, num_classes=1).state_dict().keys() - model.state_dict().keys()
    return fill(model, {key: tensor for key, tensor in state.items() if key not in classifier}, source)


def _pixels(name: str, model: torch.nn.Module) -> tuple[Preprocess, tuple[float, ...], tuple[float, ...]]:
    """How timm's own evaluation prepares a picture for these weights; see timm.data.transforms_factory."""
    from timm.data import resolve_data_config

    config: dict[str, Any] = resolve_data_config(model=model)
    channels, height, width = config["input_size"]
    if channels != 3 or height != width:
        raise EncoderError(
            f"'{name}' takes {channels} x {height} x {width} numbers; only square RGB pictures are offered."
        )
    mode, resampling = config["crop_mode"], config["interpolation"]
    if mode not in _FIT_MODES or resampling not in get_args(Filter):
        raise EncoderError(
            f"'{name}' fits pictures by '{mode}' and '{resampling}'; offered are: {', '.join(_FIT_MODES)}, and "
            f"{', '.join(get_args(Filter))}."
        )
    share = height / math.floor(height / config["crop_pct"])
    return (
        Preprocess(height, _FIT_MODES[mode], cast(Filter, resampling), share),
        tuple(config["mean"]),
        tuple(config["std"]),
    )


@contextmanager
def _timm_errors(name: str) -> Iterator[None]:
    """The border to timm: whatever it raises becomes an EncoderError."""
    try:
        yield
    except EncoderError:
        raise
    except ModuleNotFoundError as exc:
        raise MissingDependencyError(exc.name or "timm", "openclip", f"for the encoder '{name}'") from exc
    except Exception as exc:  # bare RuntimeError, AssertionError, KeyError alike
        raise EncoderError(f"'{name}' cannot be loaded: {_first_line(exc)}") from exc


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return f"{(text.splitlines()[0] if text else type(error).__name__).rstrip('.')}."
