"""A LoRA on FLUX under the names of the original code (Black Forest Labs), as kohya's trainer writes them.

There the maps to query, key and value are one, as are those of a single block to them and to the hidden layer of its
MLP. diffusers has them apart. So that what is trained is what a file in these names can hold, one down-projection here
feeds all parts of such a map. `.alpha` is the rank: readers which scale by alpha / rank, as diffusers does, and readers
which overlook it, as DiffSynth does, then come to the same weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from stylesearch.errors import UsageError

_STREAMS = {
    "img": ("attn.to_q attn.to_k attn.to_v", "attn.to_out.0", "ff.net.0.proj", "ff.net.2", "norm1.linear"),
    "txt": (
        "attn.add_q_proj attn.add_k_proj attn.add_v_proj",
        "attn.to_add_out",
        "ff_context.net.0.proj",
        "ff_context.net.2",
        "norm1_context.linear",
    ),
}
_DOUBLE = {
    f"{stream}_{own}": tuple(parts.split())
    for stream, theirs in _STREAMS.items()
    for own, parts in zip(("attn_qkv", "attn_proj", "mlp_0", "mlp_2", "mod_lin"), theirs, strict=True)
}
_SINGLE = {
    "linear1": ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"),
    "linear2": ("proj_out",),
    "modulation_lin": ("norm.linear",),
}


def fused_maps(transformer: nn.Module) -> Iterator[tuple[str, tuple[nn.Linear, ...]]]:
    """The maps that MegaStyle-FLUX trains, all within its blocks: their names, and what they are in diffusers."""
    kinds = (("double", "transformer_blocks", _DOUBLE), ("single", "single_transformer_blocks", _SINGLE))
    for kind, own, maps in kinds:
        for number, block in enumerate(cast(nn.ModuleList, transformer.get_submodule(own))):
            for name, parts in maps.items():
                linears = tuple(cast(nn.Linear, block.get_submodule(part)) for part in parts)
                yield f"lora_unet_{kind}_blocks_{number}_{name}", linears


class FusedLora(nn.Module):
    """One down-projection (rank, width) and up-projections (sum of outs, rank) for linear maps of the same input."""

    def __init__(self, linears: tuple[nn.Linear, ...], rank: int) -> None:
        super().__init__()
        self.down = nn.Parameter(torch.empty(rank, linears[0].in_features))
        self.up = nn.Parameter(torch.zeros(sum(linear.out_features for linear in linears), rank))
        nn.init.kaiming_uniform_(self.down, a=5**0.5)  # as PEFT starts

    def forward(self, hidden: Tensor, rows: slice) -> Tensor:
        """What to add to the part of the map that gives `rows` of the output."""
        return (hidden.to(self.down) @ self.down.T @ self.up[rows].T).to(hidden.dtype)


class KohyaLora(nn.Module):
    """A LoRA on a FLUX transformer, which changes nothing until it is trained.

    Args:
        transformer: a `FluxTransformer2DModel` of any size; what it computes changes from here on.
        rank: 128 in MegaStyle-FLUX.
    """

    def __init__(self, transformer: nn.Module, rank: int = 128) -> None:
        super().__init__()
        self.rank = rank
        self.maps = nn.ModuleDict()
        for name, linears in fused_maps(transformer):
            self.maps[name] = fused = FusedLora(linears, rank)
            start = 0
            for linear in linears:
                linear.register_forward_hook(_adding(fused, slice(start, start := start + linear.out_features)))

    def fused(self) -> Iterator[tuple[str, FusedLora]]:
        """The LoRAs of all maps by their names."""
        for name, fused in self.maps.items():
            yield name, cast(FusedLora, fused)

    def save(self, path: Path) -> None:
        """Writes safetensors, float32."""
        state = {}
        for name, fused in self.fused():
            state[f"{name}.lora_down.weight"] = fused.down.detach().float().cpu().contiguous()
            state[f"{name}.lora_up.weight"] = fused.up.detach().float().cpu().contiguous()
            state[f"{name}.alpha"] = torch.tensor(float(self.rank))
        save_file(state, path)

    def load(self, path: Path) -> None:
        """Takes the weights of a file that `save` has written.

        Raises:
            UsageError: it is of another transformer or another rank.
        """
        state = load_file(path)
        own = {f"{name}.lora_down.weight": fused.down for name, fused in self.fused()}
        own |= {f"{name}.lora_up.weight": fused.up for name, fused in self.fused()}
        found = {key: tuple(value.shape) for key, value in state.items() if not key.endswith(".alpha")}
        if found != {key: tuple(value.shape) for key, value in own.items()}:
            raise UsageError(f"'{path}' holds no LoRA of rank {self.rank} for this transformer.")
        with torch.no_grad():
            for key, parameter in own.items():
                parameter.copy_(state[key])


def _adding(fused: FusedLora, rows: slice):  # type: ignore[no-untyped-def]
    def add(linear: nn.Module, taken: tuple[Tensor, ...], given: Tensor) -> Tensor:
        added: Tensor = fused(taken[0], rows)
        return given + added

    return add
