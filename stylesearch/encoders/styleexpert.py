"""`styleexpert:PATH`: the style encoder of StyleExpert (arXiv 2603.16649), hidden states of a frozen SigLIP projected.

    styleexpert:/models/style_encoder.safetensors                      SigLIP in the folder beside it,
                                                                       /models/siglip-so400m-patch14-384
    styleexpert:/models/style_encoder.safetensors@/models/siglip       SigLIP at a path of its own

The layout is that of `SigLIPMultiFeatProjModel` in HVision-NKU/StyleExpert, src/siglip_layers.py, as its infer_core.py
builds it: for each of the hidden states -2, -11 and -20, a linear map over the 729 tokens to 8 with SiLU, layer
normalisation and a linear map of 1,152 numbers to 128. The 3 x 8 x 128 results are the style vector that its router
takes; here they are compared by cosine, which is what that encoder is trained with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL.Image import Image
from torch import nn
from torch.nn import functional

from stylesearch.encoders.checkpoints import checkpoint_file, fill, read_state
from stylesearch.encoders.compute import TorchEncoder
from stylesearch.encoders.siglip import PIXEL_MEAN, PIXEL_STD, SiglipTower, load_siglip_tower
from stylesearch.errors import EncoderError
from stylesearch.images import Preprocess, fit

SIGLIP = "siglip-so400m-patch14-384"


class StyleExpertEncoder(TorchEncoder):
    """StyleExpert's projections over a SigLIP.

    Args:
        name: as in the module's docstring; neither path may contain "@".
        dtype: see `device_and_dtype`.

    Raises:
        EncoderError: a file is missing, is of another network, or the two do not fit each other.
    """

    def __init__(self, name: str, dtype: str | None = None) -> None:
        own, _, siglip = name.partition(":")[2].partition("@")
        path = checkpoint_file(name, own)
        siglip_path = _siglip_file(name, path, siglip)
        tower, sizes = load_siglip_tower(read_state(siglip_path), siglip_path)
        prefix = "proj_model."
        state = {key.removeprefix(prefix): tensor for key, tensor in read_state(path).items()}
        layers = _layers(state, path)
        if reach := [layer for layer in layers if not -sizes.depth - 1 <= layer <= sizes.depth]:
            raise EncoderError(
                f"'{path}' takes the hidden states {reach} of a SigLIP, and '{siglip_path}' has {sizes.depth} layers."
            )
        with torch.device("meta"):
            projections = MultiLayerProjections(layers, state, tokens=sizes.grid**2, width=sizes.width)
        super().__init__(
            f"styleexpert:{path}@{siglip_path}",
            _StyleExpert(tower, fill(projections, state, path)),
            Preprocess(sizes.image_size, "squash", "bicubic"),
            PIXEL_MEAN,
            PIXEL_STD,
            dtype,
            identity=(sizes, layers),
        )

    def style_latents(self, images: Sequence[Image]) -> np.ndarray:
        """What StyleExpert's router takes: the vectors as they are, not of unit length.

        Returns:
            float32 (N, D) for N images of any size and mode.
        """
        return self._embed(np.stack([fit(image, self.preprocess) for image in images]))


class MultiLayerProjections(nn.Module):
    """Projections of some layers' tokens, side by side, under StyleExpert's tensor names.

    Args:
        layers: indices of hidden states, in the order in which their vectors are joined.
        state: the checkpoint; it tells how many tokens and numbers a layer is projected to, and whether a last linear
            map over all of them follows.
        tokens, width: of the SigLIP tower.
    """

    def __init__(self, layers: tuple[int, ...], state: Mapping[str, torch.Tensor], tokens: int, width: int) -> None:
        super().__init__()
        self.layers = layers
        kept, out = (len(state.get(f"{part}.bias", ())) for part in _names(layers[0]))
        self.embedding_linears = nn.ModuleDict({f"{n}": nn.Sequential(nn.Linear(tokens, kept)) for n in layers})
        self.layer_norms = nn.ModuleDict({f"{n}": nn.LayerNorm(width) for n in layers})
        self.projections = nn.ModuleDict({f"{n}": nn.Linear(width, out) for n in layers})
        self.post_projection: nn.Linear | None = None
        if "post_projection.bias" in state:
            self.post_projection = nn.Linear(len(layers) * kept * out, len(state["post_projection.bias"]))

    def forward(self, hidden: Mapping[int, torch.Tensor]) -> torch.Tensor:
        """Args: hidden states (N, tokens, width) by index. Returns: (N, layers x kept tokens x numbers)."""
        projected = []
        for layer in self.layers:
            kept = functional.silu(self.embedding_linears[str(layer)](hidden[layer].transpose(1, 2))).transpose(1, 2)
            projected.append(self.projections[str(layer)](self.layer_norms[str(layer)](kept)))
        style = torch.cat(projected, dim=1).flatten(1)
        return style if self.post_projection is None else self.post_projection(style)


class _StyleExpert(nn.Module):
    def __init__(self, tower: SiglipTower, projections: MultiLayerProjections) -> None:
        super().__init__()
        self.tower, self.projections = tower, projections

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        style: torch.Tensor = self.projections(self.tower.hidden_states(pixels, self.projections.layers))
        return style


def _names(layer: int) -> tuple[str, str]:
    return f"embedding_linears.{layer}.0", f"projections.{layer}"


def _layers(state: Mapping[str, torch.Tensor], source: Path) -> tuple[int, ...]:
    """Indices of the hidden states, the last layer first: the published order, which safetensors files do not keep."""
    found = {key.split(".")[1] for key in state if key.startswith(("embedding_linears.", "projections."))}
    try:
        layers = tuple(sorted((int(index) for index in found), reverse=True))
    except ValueError:
        layers = ()
    if not layers:
        raise EncoderError(
            f"'{source}' holds no style encoder of StyleExpert: its tensors are named like "
            f"'embedding_linears.-2.0.weight' and 'projections.-2.weight', here like {', '.join(list(state)[:3])}."
        )
    return layers


def _siglip_file(name: str, own: Path, given: str) -> Path:
    beside = own.parent / SIGLIP
    if given or beside.exists():
        return checkpoint_file(name, given or str(beside))
    raise EncoderError(
        f"'{name}' needs the SigLIP that StyleExpert reads, and there is no folder '{beside}'. Download it: "
        f"hf download google/{SIGLIP} --local-dir '{beside}'; or name yours: styleexpert:{own}@SIGLIP"
    )
