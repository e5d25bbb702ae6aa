"""What pictures beside the noise cost FLUX: seconds and memory of a step, next to what its arithmetic alone takes.

    python -m benchmarks.flux_speed                  # FLUX.1's transformer, 12 billion random weights: 24 GB
    python -m benchmarks.flux_speed --size 1024
    python -m benchmarks.flux_speed --fp8            # weights kept in float8, widened layer by layer: 12 GB
    python -m benchmarks.flux_speed --tiny           # a small network, anywhere: does the command work

The limit is measured, too: the rate of the best of some large matrix products in the same dtype on the same device. A
step's operations are counted by torch on a network without weights; one multiplication and addition are two.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import Any

import torch
import typer
from diffusers import FluxTransformer2DModel
from rich.console import Console
from rich.table import Column, Table
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.machine import machine
from stylesearch.encoders.compute import device_and_dtype
from stylesearch.transfer.flux_memory import RESERVE
from stylesearch.transfer.flux_pipeline import attention_bias, positions

GRID = 16  # pixels a side of a token
WORDS, SIGLIP = 512, 729  # tokens of T5; of one reference of Redux (SigLIP at 384 pixels, patches of 14)
WARM, ROUNDS = 2, 8
TINY: dict[str, Any] = {"num_layers": 1, "num_single_layers": 1, "attention_head_dim": 16, "num_attention_heads": 2}
GIB = 1 << 30


@dataclass(frozen=True)
class Case:
    """What a step looks at.

    Attributes:
        pictures: beside the noise, at its size.
        words: tokens before the noise.
        odds: of the pictures; other than 1 they need a mask, and with it another kernel.
    """

    name: str
    pictures: int = 0
    words: int = WORDS
    odds: float = 1.0


CASES = (
    Case("no reference"),
    Case("MegaStyle", pictures=1),
    Case("MegaStyle, strength 0.7", pictures=1, odds=0.7),
    Case("Redux, 1 reference", words=WORDS + SIGLIP),
    Case("Redux, 4 references", words=WORDS + 4 * SIGLIP),
    Case("Kontext, content + 1", pictures=2),
    Case("Kontext, content + 3", pictures=4),
)


def network(device: torch.device, dtype: torch.dtype, tiny: bool) -> FluxTransformer2DModel:
    """FLUX.1's transformer, made on the device itself: 12 billion weights would take minutes elsewhere."""
    shape = {**TINY, "axes_dims_rope": (4, 6, 6)} if tiny else {}
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with device:
            made: FluxTransformer2DModel = FluxTransformer2DModel(guidance_embeds=True, **shape)
    finally:
        torch.set_default_dtype(before)
    return made.eval().requires_grad_(False)


def inputs(
    case: Case, size: int, model: FluxTransformer2DModel, dtype: torch.dtype, device: torch.device
) -> dict[str, Any]:
    """Arguments of one step at batch 1: noise, pictures and words as random tokens."""
    side = size // GRID
    tokens, config = side * side, model.config
    ids = [positions(side, side), *(positions(side, side, column=side * (i + 1)) for i in range(case.pictures))]
    length = case.words + tokens * (1 + case.pictures)
    bias = attention_bias(length, [(case.words + tokens, tokens * case.pictures, case.odds)])
    with device:
        return {
            "hidden_states": torch.randn(1, tokens * (1 + case.pictures), config.in_channels, dtype=dtype),
            "encoder_hidden_states": torch.randn(1, case.words, config.joint_attention_dim, dtype=dtype),
            "pooled_projections": torch.randn(1, config.pooled_projection_dim, dtype=dtype),
            "timestep": torch.full((1,), 0.5, dtype=dtype),
            "guidance": torch.full((1,), 3.5),
            "txt_ids": torch.zeros(case.words, 3),
            "img_ids": torch.cat(ids).to(device),
            "joint_attention_kwargs": {} if bias is None else {"attention_mask": bias.to(device, dtype)},
            "return_dict": False,
        }


def operations(hollow: FluxTransformer2DModel, given: dict[str, Any]) -> int:
    """Floating-point operations of one step, counted on a network on the device "meta", which computes nothing."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        hollow(**given)
    return int(counter.get_total_flops())


def median_seconds(run: Any, device: torch.device) -> float:
    """Median time of a call, the device waited for."""
    taken = []
    for _ in range(WARM + ROUNDS):
        began = time.perf_counter()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken[WARM:])


def limit(device: torch.device, dtype: torch.dtype, tiny: bool) -> float:
    """Operations a second of the best of some matrix products of FLUX's shapes."""
    sides = [(256, 256, 256)] if tiny else [(8192, 8192, 8192), (4096, 3072, 12288), (2560, 3072, 21504)]
    rates = []
    for m, k, n in sides:
        a, b = (torch.randn(shape, dtype=dtype, device=device) for shape in ((m, k), (k, n)))
        rates.append(2 * m * k * n / median_seconds(lambda a=a, b=b: a @ b, device))
    return max(rates)


def main(size: int = 512, fp8: bool = False, tiny: bool = False) -> None:
    """Prints one row a case: tokens, seconds a step, memory above the weights, operations, and the limit."""
    device, dtype = device_and_dtype(None)
    if device.type != "cuda" and not tiny:
        raise SystemExit("There is no graphics card here; a small network runs anywhere: --tiny")
    rate = limit(device, dtype, tiny)
    nowhere = torch.device("meta")
    model, hollow = network(device, dtype, tiny), network(nowhere, dtype, tiny)
    if fp8:
        model.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=dtype)
    weights = sum(tensor.numel() * tensor.element_size() for tensor in (*model.parameters(), *model.buffers()))
    table = Table(
        Column("step", no_wrap=True), "tokens", "s", "times", "GiB", "TFLOP", "TFLOP/s", "of limit", "limit s"
    )
    first = 0.0
    for case in CASES:
        given = inputs(case, size, model, dtype, device)
        if device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(device)
        with torch.no_grad():
            seconds = median_seconds(lambda given=given: model(**given), device)
        peak = torch.cuda.max_memory_allocated(device) - weights if device.type == "cuda" else 0
        first, count = first or seconds, operations(hollow, inputs(case, size, hollow, dtype, nowhere))
        table.add_row(
            case.name,
            str(given["hidden_states"].shape[1] + case.words),
            f"{seconds:.4f}",
            f"{seconds / first:.2f}",
            f"{peak / GIB:.2f}" if peak else "-",
            f"{count / 1e12:.3g}",
            f"{count / seconds / 1e12:.3g}",
            f"{100 * count / seconds / rate:.0f} %",
            f"{count / rate:.4f}",
        )
    console = Console(highlight=False, width=120)
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else machine()["processor"]
    console.print(
        f"{where}, {str(dtype).removeprefix('torch.')}{', weights in float8' if fp8 else ''}; {size} x {size} pixels; "
        f"weights {weights / GIB:.1f} GiB; limit {rate / 1e12:.3g} TFLOP/s, measured"
    )
    console.print(table)
    console.print("GiB: of the peak, above the weights. of limit: share of the rate of large matrix products.")
    console.print(f"Kept free for activations when weights are placed: {RESERVE / GIB:.0f} GiB.")


if __name__ == "__main__":
    typer.run(main)
