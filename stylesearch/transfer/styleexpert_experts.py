"""A mixture of LoRA experts on the linear maps of a FLUX transformer (StyleExpert, arXiv 2603.16649, section 3.3).

    y = W x + alpha / r * (B_s A_s x  +  sum over the k chosen experts of g_i B_i A_i x)

Each map has a shared expert s, experts of its own and a router of its own: a linear map from the style latent, not from
the hidden state, to one logit an expert. The k largest are chosen and g is the softmax over them. Where nothing but the
style decides, the choice is made once a request and not at every step.

The experts hang on the maps they belong to, under the tensor names of the published weights: the map
`transformer_blocks.0.attn.to_q` has `transformer_blocks.0.attn.to_q.lora_layer.loraA`. The map itself stays what it
was, so quantised maps, LoRAs loaded by diffusers and CPU offload go together with them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from PIL.Image import Image
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from stylesearch.encoders.base import Encoder
from stylesearch.encoders.checkpoints import read_state
from stylesearch.encoders.styleexpert import StyleExpertEncoder
from stylesearch.errors import EncoderError, TransferError

# The attention and feed-forward maps of `FluxTransformer2DModel`, of both streams.
_TARGETS = re.compile(
    r"(transformer_blocks\.\d+\.(attn\.(to_[qkv]|to_out\.0|add_[qkv]_proj|to_add_out)|ff(_context)?\.net\.(0\.proj|2))"
    r"|single_transformer_blocks\.\d+\.(attn\.to_[qkv]|proj_mlp|proj_out))"
)
_CHILD = "lora_layer"
_METADATA = "stylesearch.styleexpert"
_NAMED = 5  # names that an error lists
TEXT_LENGTH = 128
"""Tokens of T5 that the published code gives a prompt (infer_core.py)."""


@dataclass(frozen=True)
class Mixing:
    """How the experts of a file are put together; its tensors tell the rest.

    Attributes:
        top_k: experts chosen for a style, beside the shared one.
        alpha: LoRA's scale, divided by the rank.
        released: compute what src/moe.py in HVision-NKU/StyleExpert computes instead of the formula above: it pads the
            gates with a zero behind while the shared expert stands in front, so the shared expert gets the first gate,
            each chosen one that of the next, and the last chosen none. Weights trained that way need it.
        encoder: name of the encoder whose style latent the routers have learnt from; "": StyleExpert's own.
        prompt: for requests that have none.
    """

    top_k: int = 2
    alpha: float = 16.0
    released: bool = False
    encoder: str = ""
    prompt: str = ""


class LoraExperts(nn.Module):
    """The experts of one linear map. They add nothing at first: the up-projections are zero.

    Args:
        width, out: numbers that the linear map takes and gives.
        style_dim: length of the style latent.
        experts: how many there are to choose from.
        rank, shared_rank: of each of them, and of the shared one.
    """

    def __init__(self, width: int, out: int, style_dim: int, experts: int, rank: int, shared_rank: int) -> None:
        super().__init__()
        # Published initialisation: src/moe.py, reset_parameters.
        self.loraA = nn.Parameter(torch.randn(experts, rank, width) / rank)
        self.loraB = nn.Parameter(torch.zeros(experts, out, rank))
        self.shared_A = nn.Parameter(torch.randn(1, shared_rank, width) / shared_rank)
        self.shared_B = nn.Parameter(torch.zeros(1, out, shared_rank))
        self.cond_gate = nn.Linear(style_dim, experts, bias=False)
        self._routing: tuple[Tensor, Tensor] | None = None

    @property
    def chosen(self) -> Tensor:
        """The experts that the last style was sent to, int64 (B, k), the one with the largest gate first.

        Raises:
            TransferError: no style has been given yet.
        """
        return self._routed()[0]

    def route(self, styles: Tensor, mixing: Mixing, strength: float = 1.0) -> None:
        """Chooses the experts for style latents, float (B, style_dim), from here to the next call.

        strength: 0 to 1, of all that the experts add.
        """
        weight = self.cond_gate.weight
        # Offloaded layer by layer the weight is nowhere until it is used; its dtype may be one for keeping only.
        device = None if weight.is_meta else weight.device
        logits = self.cond_gate(styles.to(device, self.loraA.dtype))
        gates, chosen = logits.topk(min(mixing.top_k, logits.shape[-1]), dim=-1)
        gates = gates.softmax(-1)
        if mixing.released:
            shares = torch.cat([gates, gates.new_zeros(len(gates), 1)], 1)
        else:
            shares = torch.cat([gates.new_ones(len(gates), 1), gates], 1)
        shared_rank, rank = self.shared_A.shape[1], self.loraA.shape[1]
        columns = torch.cat([shares[:, :1].repeat(1, shared_rank), shares[:, 1:].repeat_interleave(rank, 1)], 1)
        self._routing = chosen, strength * mixing.alpha / rank * columns

    def forward(self, hidden: Tensor) -> Tensor:
        """Args: what the linear map takes, float (B, ..., width); B is 1 or that of the styles, which may be 1.

        Returns: what to add to its output, float (B, ..., out).
        """
        chosen, shares = (each.to(hidden.device) for each in self._routed())
        flat = hidden.to(self.loraA.dtype).reshape(len(hidden), -1, hidden.shape[-1])
        # The chosen experts side by side are one LoRA of rank shared_rank + k * rank.
        down = torch.cat([self.shared_A.expand(len(chosen), -1, -1), self.loraA[chosen].flatten(1, 2)], 1)
        up = self.loraB[chosen].permute(0, 2, 1, 3).flatten(2)
        up = torch.cat([self.shared_B.expand(len(chosen), -1, -1), up], 2)
        added = (flat @ down.mT * shares[:, None]) @ up.mT
        return added.reshape(*hidden.shape[:-1], -1).to(hidden.dtype)

    def _routed(self) -> tuple[Tensor, Tensor]:
        if self._routing is None:
            raise TransferError("The experts have been given no style; StyleExperts.route does that.")
        return self._routing


class StyleExperts:
    """The experts on one transformer.

    Args:
        transformer: a `FluxTransformer2DModel` of any size.
        layers: experts by the name of the linear map that they belong to; moved to its device.
        mixing: how they are put together.

    Raises:
        TransferError: the transformer has no such linear maps, theirs are of another size, or it has experts already.
    """

    def __init__(self, transformer: nn.Module, layers: Mapping[str, LoraExperts], mixing: Mixing) -> None:
        self.mixing = mixing
        self.layers = dict(layers)
        self._maps = _linear_maps(transformer, layers)
        self._hooks: list[RemovableHandle] = []
        for name, experts in self.layers.items():
            linear = self._maps[name]
            linear.add_module(_CHILD, experts.to(linear.weight.device))
            self._hooks.append(linear.register_forward_hook(_add))

    @classmethod
    def fresh(
        cls,
        transformer: nn.Module,
        style_dim: int,
        mixing: Mixing,
        *,
        experts: int = 16,
        rank: int = 8,
    ) -> StyleExperts:
        """New experts, which change nothing yet, on every attention and feed-forward map.

        The defaults are those of the published code (infer_core.py).
        """
        layers = {
            name: LoraExperts(module.in_features, module.out_features, style_dim, experts, rank, rank)
            for name, module in transformer.named_modules()
            if isinstance(module, nn.Linear) and _TARGETS.fullmatch(name)
        }
        return cls(transformer, layers, mixing)

    @classmethod
    def load(cls, transformer: nn.Module, path: Path) -> StyleExperts:
        """Lays the experts of a file, published or saved here, onto a transformer, in the dtype of the transformer.

        Raises:
            TransferError: the file cannot be read, or does not fit the transformer.
        """
        mixing, state = read_experts(path)
        dtype = next(transformer.parameters()).dtype
        layers = {}
        for name, tensors in _by_map(state, path).items():
            with torch.device("meta"):
                experts = _experts_of(tensors, f"{path}: {name}")
            experts.load_state_dict({key: value.to(dtype) for key, value in tensors.items()}, assign=True)
            layers[name] = experts.requires_grad_(False)
        return cls(transformer, layers, mixing)

    def save(self, path: Path) -> None:
        """Writes safetensors under the published names, with `mixing` in its metadata."""
        state = {
            f"{name}.{_CHILD}.{key}": value.detach().cpu().contiguous()
            for name, experts in self.layers.items()
            for key, value in experts.state_dict().items()
        }
        save_file(state, path, {_METADATA: json.dumps(asdict(self.mixing))})

    @property
    def style_dim(self) -> int:
        """Length of the style latents that the routers take."""
        return next(iter(self.layers.values())).cond_gate.in_features

    def route(self, styles: Tensor, strength: float = 1.0) -> None:
        """Sends everything from here on to the experts of some styles.

        Args:
            styles: float (B, style_dim), one for each picture of a batch, or one for all of them.
            strength: 0 to 1, of all that the experts add; 0: the transformer as it was.

        Raises:
            TransferError: latents of another length.
        """
        if styles.shape[-1] != self.style_dim:
            raise TransferError(
                f"The routers of these experts take a style latent of {self.style_dim} numbers, not of "
                f"{styles.shape[-1]}. They belong to the encoder '{self.mixing.encoder or 'of StyleExpert'}'."
            )
        for experts in self.layers.values():
            experts.route(styles, self.mixing, strength)

    def parameters(self) -> Iterable[nn.Parameter]:
        """All weights of all experts and routers."""
        return (parameter for experts in self.layers.values() for parameter in experts.parameters())

    def remove(self) -> None:
        """Leaves the transformer as it was before."""
        for hook in self._hooks:
            hook.remove()
        for linear in self._maps.values():
            delattr(linear, _CHILD)


def style_latents(encoder: Encoder, pictures: Sequence[Image]) -> Tensor:
    """What the routers are given, float32 (N, D).

    StyleExpert's own encoder gives its vectors as they are; those of any other are unit vectors, scaled so that their
    numbers are about 1, which a linear map wants to see.
    """
    if isinstance(encoder, StyleExpertEncoder):
        return torch.from_numpy(encoder.style_latents(pictures))
    return torch.from_numpy(encoder.embed_batch(pictures)).mul(encoder.dim**0.5)


def read_experts(path: Path) -> tuple[Mixing, dict[str, Tensor]]:
    """The tensors of a file of experts; published files say nothing of how to mix, so they are mixed as released.

    Raises:
        TransferError: the file cannot be read.
    """
    mixing = Mixing(released=True)
    try:
        state = read_state(path)
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as file:
                written = (file.metadata() or {}).get(_METADATA)
            if written is not None:
                mixing = Mixing(**json.loads(written))
    except (EncoderError, OSError, SafetensorError) as exc:
        raise TransferError(str(exc)) from exc
    except (TypeError, ValueError) as exc:
        raise TransferError(f"'{path}' says in '{_METADATA}' how to mix its experts, and it is not readable.") from exc
    return mixing, state


def _add(linear: nn.Module, taken: tuple[Tensor, ...], given: Tensor) -> Tensor:
    added: Tensor = linear.get_submodule(_CHILD)(taken[0])
    return given + added


def _linear_maps(transformer: nn.Module, layers: Mapping[str, LoraExperts]) -> dict[str, nn.Linear]:
    modules = dict(transformer.named_modules())
    maps = {name: module for name in layers if isinstance(module := modules.get(name), nn.Linear)}
    if missing := [name for name in layers if name not in maps]:
        raise TransferError(
            f"The experts belong to another transformer: this one lacks {len(missing)} of the {len(layers)} linear "
            f"maps that they are for ({', '.join(missing[:_NAMED])})."
        )
    if not layers:
        raise TransferError("The transformer has none of the linear maps of FLUX's attention and feed-forward layers.")
    wrong = [
        f"{name} is {linear.in_features} to {linear.out_features}"
        for name, linear in maps.items()
        if (layers[name].loraA.shape[2], layers[name].loraB.shape[1]) != (linear.in_features, linear.out_features)
    ]
    if wrong:
        raise TransferError(
            f"The experts are of another size than {len(wrong)} of the linear maps that they are for "
            f"({'; '.join(wrong[:_NAMED])})."
        )
    if taken := [name for name, linear in maps.items() if hasattr(linear, _CHILD)]:
        raise TransferError(f"The transformer has experts already, as on '{taken[0]}'; remove them first.")
    return maps


def _by_map(state: Mapping[str, Tensor], path: Path) -> dict[str, dict[str, Tensor]]:
    """Tensors grouped by the linear map that they belong to, under their own names."""
    grouped: dict[str, dict[str, Tensor]] = {}
    for key, tensor in state.items():
        name, found, own = key.partition(f".{_CHILD}.")
        if not found:
            raise TransferError(
                f"'{path}' holds no experts of StyleExpert: its tensors are named like "
                f"'transformer_blocks.0.attn.to_q.{_CHILD}.loraA', and one of them is '{key}'."
            )
        grouped.setdefault(name, {})[own] = tensor
    return grouped


def _experts_of(tensors: Mapping[str, Tensor], source: str) -> LoraExperts:
    """Experts of the sizes that the tensors show."""
    try:
        experts, rank, width = tensors["loraA"].shape
        _, out, shared_rank = tensors["shared_B"].shape
        built = LoraExperts(width, out, tensors["cond_gate.weight"].shape[1], experts, rank, shared_rank)
    except (KeyError, ValueError, IndexError) as exc:
        raise TransferError(f"'{source}': not the tensors of a mixture of experts: {', '.join(tensors)}.") from exc
    expected = {key: tuple(value.shape) for key, value in built.state_dict().items()}
    if expected != {key: tuple(value.shape) for key, value in tensors.items()}:
        shapes = ", ".join(f"{key} {tuple(value.shape)}" for key, value in tensors.items())
        raise TransferError(f"'{source}': tensors that do not fit each other: {shapes}.")
    return built
