"""Where a pipeline's weights lie while it runs, chosen by what the graphics card has free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch
    from diffusers import DiffusionPipeline

# Kept free for activations: what benchmarks/flux_speed.py prints as the peak above the weights stays well below it at
# 1024 pixels with one reference; the VAE works in tiles above that size.
RESERVE = 4 << 30


@dataclass(frozen=True)
class Placement:
    """How a pipeline is spread over a graphics card and the machine's memory.

    Attributes:
        mode: "resident": all of it on the device; "offload": the network at work is on the card, the others wait in
            memory; "layers": one layer at a time is on the card, which fits nearly any card and is slow.
        fp8: the transformer's weights are kept in float8 (e4m3) and widened layer by layer; half the memory, a little
            less exact.
    """

    mode: Literal["resident", "offload", "layers"]
    fp8: bool = False


def choose_placement(sizes: Mapping[str, int], free: int | None) -> Placement:
    """The fastest placement that fits; exact weights before float8, float8 before moving single layers.

    Args:
        sizes: bytes of each network, by its name in the pipeline; "transformer" is the one that float8 shrinks.
        free: bytes that the graphics card has free; None: there is no card.
    """
    if free is None:
        return Placement("resident")
    room = free - RESERVE
    shrunk = dict(sizes, transformer=sizes["transformer"] // 2)
    if sum(sizes.values()) <= room:
        return Placement("resident")
    if max(sizes.values()) <= room:
        return Placement("offload")
    if max(shrunk.values()) <= room:
        return Placement("offload", fp8=True)
    return Placement("layers")


def network_sizes(pipeline: DiffusionPipeline) -> dict[str, int]:
    """Bytes of the weights of each network of a pipeline, as they are loaded now."""
    return {
        name: sum(tensor.numel() * tensor.element_size() for tensor in (*part.parameters(), *part.buffers()))
        for name, part in pipeline.components.items()
        if hasattr(part, "parameters")
    }


def place(pipeline: DiffusionPipeline, placement: Placement, device: torch.device) -> None:
    """Moves a pipeline's networks, or has them moved as they are needed."""
    import torch

    if placement.fp8 and "transformer" in pipeline.components:
        pipeline.transformer.enable_layerwise_casting(
            storage_dtype=torch.float8_e4m3fn, compute_dtype=pipeline.transformer.dtype
        )
    if placement.mode == "resident":
        pipeline.to(device)
    elif placement.mode == "offload":
        pipeline.enable_model_cpu_offload(device=device)
    else:
        pipeline.enable_group_offload(onload_device=device, offload_type="leaf_level")
