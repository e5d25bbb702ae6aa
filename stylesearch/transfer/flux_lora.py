"""LoRA files on a FLUX transformer: three layouts, one scale, and a count of what was attached.

A LoRA adds `scale * up @ down` to a weight, with scale = alpha / rank. What goes wrong elsewhere goes wrong silently:
a file whose alpha its trainer never used becomes rank times too weak, and names that a library does not know attach
nothing. Here alpha is folded into `up` while reading, and a file that does not attach whole is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import torch
from diffusers import FluxKontextPipeline
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors import SafetensorError, safe_open

from stylesearch.errors import TransferError

if TYPE_CHECKING:
    from diffusers import FluxTransformer2DModel

State: TypeAlias = dict[str, torch.Tensor]
# "file": alpha / rank, as the file says; without an alpha, 1. "one": 1, whatever the file says, for files that are
# known to be trained so and whose alpha is only their exporter's.
Scale = Literal["file", "one"]
ADAPTER = "style"
_DOWN, _UP = (".lora_down.weight", ".lora_A.weight"), (".lora_up.weight", ".lora_B.weight")
_PEFT = "base_model.model."
_NAMED = 3  # names that an error lists


def attach_lora(transformer: FluxTransformer2DModel, path: Path, scale: Scale = "file") -> int:
    """Loads a LoRA onto a transformer as the adapter `ADAPTER`, at strength 1.

    Layouts: kohya / Black Forest Labs (`lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight`), diffusers
    (`transformer.transformer_blocks.0.attn.to_q.lora_A.weight`) and PEFT (`base_model.model.` before the same names,
    its alpha in `adapter_config.json` beside the file).

    Returns:
        how many of the transformer's linear layers it changes; never 0.

    Raises:
        TransferError: the file is damaged, of another layout, of another network, or does not attach whole.
    """
    state = _converted(read_lora(path, scale), path)
    wanted = {name: state[name + _DOWN[1]].shape[1] for name in (key.partition(".lora_")[0] for key in state)}
    layers = {name: layer for name, layer in transformer.named_modules() if isinstance(layer, torch.nn.Linear)}
    if unknown := sorted(set(wanted) - set(layers)):
        raise TransferError(
            f"The LoRA '{path}' changes {len(unknown)} of {len(wanted)} layers that this model does not have: "
            f"{', '.join(unknown[:_NAMED])}. It belongs to another model."
        )
    for name in sorted(wanted):
        shape = (state[name + _UP[1]].shape[0], wanted[name])
        if shape != (layers[name].out_features, layers[name].in_features):
            raise TransferError(
                f"The LoRA '{path}' is for a layer '{name}' of {shape[0]} x {shape[1]}; this model's is "
                f"{layers[name].out_features} x {layers[name].in_features}. It belongs to a model of another width."
            )
    transformer.load_lora_adapter(state, prefix=None, adapter_name=ADAPTER)
    attached = set(attached_layers(transformer))
    if attached != set(wanted):
        raise TransferError(
            f"The LoRA '{path}' holds {len(wanted)} layers, of which {len(attached & set(wanted))} were attached. "
            "It cannot be used with the installed diffusers and peft."
        )
    return len(attached)


def attached_layers(transformer: torch.nn.Module) -> dict[str, BaseTunerLayer]:
    """The layers that the adapter changes, by name."""
    return {
        name: layer
        for name, layer in transformer.named_modules()
        if isinstance(layer, BaseTunerLayer) and ADAPTER in layer.scaling
    }


def read_lora(path: Path, scale: Scale = "file") -> State:
    """Reads a file of low-rank weights and folds its scales into the `up` halves, in float32.

    Returns:
        tensors under the names of the file, without any `.alpha`: the change of a layer is up @ down.

    Raises:
        TransferError: the file cannot be read, or holds no LoRA in a layout that is known here.
    """
    try:
        with safe_open(path, framework="pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
            metadata = file.metadata() or {}
    except (OSError, SafetensorError) as exc:
        raise TransferError(f"The LoRA '{path}' cannot be read as safetensors ({exc}). Download it again.") from exc
    _refuse_others(state, path)
    alpha_of = _alphas(state, metadata, path)
    state = {name: tensor for name, tensor in state.items() if not name.endswith(".alpha")}
    for down in [name for name in state if name.endswith(_DOWN)]:
        stem, up = _halves(down)
        if up not in state:
            raise TransferError(f"The LoRA '{path}' holds '{down}' without '{up}'. Download it again.")
        rank, alpha = state[down].shape[0], alpha_of(stem)
        if scale == "file" and alpha is not None:
            state[up] = state[up].float() * (alpha / rank)
    return state


def _refuse_others(state: State, path: Path) -> None:
    if raw := next((name for name in state if ".lora_A.default." in name or name.startswith("blocks.")), None):
        raise TransferError(
            f"The LoRA '{path}' has DiffSynth's own names ('{raw}'), which would attach to nothing. "
            "Export it under the published ones: train with --align_to_opensource_format, or convert it with "
            "DiffSynth's FluxLoRAConverter.align_to_opensource_format."
        )
    if any("dora_scale" in name or ".lokr_" in name or ".hada_" in name for name in state):
        raise TransferError(f"'{path}' is a DoRA, LoKr or LoHa; only plain LoRA files can be used.")
    if not any(name.endswith(_DOWN) for name in state):
        raise TransferError(f"'{path}' holds no LoRA: none of its {len(state)} tensors ends in {' or '.join(_DOWN)}.")


def _halves(down: str) -> tuple[str, str]:
    mark = next(i for i, ending in enumerate(_DOWN) if down.endswith(ending))
    stem = down.removesuffix(_DOWN[mark])
    return stem, stem + _UP[mark]


def _alphas(state: State, metadata: dict[str, str], path: Path) -> Callable[[str], float | None]:
    """Alpha of a layer by its stem: from a tensor, the file's own metadata (diffusers), or PEFT's configuration."""
    tensors = {name.removesuffix(".alpha"): float(state[name]) for name in state if name.endswith(".alpha")}
    config = path.with_name("adapter_config.json")
    said: dict[str, Any] = {}
    try:
        if "lora_adapter_metadata" in metadata:
            said = json.loads(metadata["lora_adapter_metadata"])
        elif config.is_file() and any(name.startswith(_PEFT) for name in state):
            said = json.loads(config.read_text("utf-8"))
    except (OSError, ValueError) as exc:
        raise TransferError(f"What belongs to the LoRA '{path}' cannot be read ({exc}). Download it again.") from exc
    common = next((said[key] for key in ("transformer.lora_alpha", "lora_alpha") if key in said), None)
    pattern = said.get("transformer.alpha_pattern") or said.get("alpha_pattern") or {}

    def alpha_of(stem: str) -> float | None:
        if stem in tensors:
            return tensors[stem]
        if isinstance(pattern, dict):
            for name, value in pattern.items():
                if re.fullmatch(rf"(.*\.)?{name.removeprefix('^')}", stem):  # as PEFT compares them
                    return float(value)
        return None if common is None else float(common)

    return alpha_of


def _converted(state: State, path: Path) -> State:
    """The same under the names of diffusers' FluxTransformer2DModel, without a prefix."""
    if any(name.startswith(f"{_PEFT}{block}") for name in state for block in ("transformer_blocks", "single_transf")):
        state = {f"transformer.{name.removeprefix(_PEFT)}": tensor for name, tensor in state.items()}
    try:
        state = FluxKontextPipeline.lora_state_dict(state)
    except (AssertionError, KeyError, ValueError, IndexError, RuntimeError) as exc:  # the converter's ways to say no
        raise TransferError(
            f"The LoRA '{path}' does not have the layers of FLUX.1 (19 double and 38 single blocks of width 3072)."
        ) from exc
    if any(key.startswith("text_encoder") for key in state):
        raise TransferError(
            f"The LoRA '{path}' changes the text encoder too, which is not done here; without that half it would be "
            "another LoRA. Use one that was trained on the transformer alone."
        )
    found = {key.removeprefix("transformer."): tensor for key, tensor in state.items()}
    if strange := [key for key in found if not key.endswith((_DOWN[1], _UP[1]))]:
        raise TransferError(f"The LoRA '{path}' holds '{strange[0]}', which is no part of a plain LoRA for FLUX.1.")
    return found
