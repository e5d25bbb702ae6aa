"""What automatic masks of the SAM family cost for pictures of 1,024 pixels; random weights, which cost the same.

    python -m benchmarks.sam_speed                              # MobileSAM and SAM ViT-B, one picture at a time
    python -m benchmarks.sam_speed --pictures 64 --rounds 5     # where there is a GPU

Prints medians, for the encoder of pictures alone and for the whole way to the mask of a subject.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.machine import machine
from stylesearch.encoders.compute import device_and_dtype
from stylesearch.masking import load_masker
from stylesearch.masking.prompted import PromptedMasker

SIDE = 1024


def random_checkpoints(folder: Path) -> dict[str, str]:
    """Writes random weights; returns the names of maskers that read them."""
    from transformers import SamConfig, SamModel, logging

    from stylesearch.masking.mobilesam import MobileSam

    logging.disable_progress_bar()
    torch.manual_seed(0)
    torch.save(MobileSam().state_dict(), folder / "mobile_sam.pt")
    SamModel(SamConfig()).save_pretrained(folder / "sam-vit-base")
    return {"MobileSAM": f"mobilesam:{folder / 'mobile_sam.pt'}", "SAM ViT-B": f"sam:{folder / 'sam-vit-base'}"}


def median_seconds(work: Callable[[], object], rounds: int) -> float:
    """After one round that is not counted."""
    seconds = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[1:])


def main(pictures: int = 1, rounds: int = 3, dtype: str = "bfloat16") -> None:
    """Prints seconds per picture."""
    pixels = np.random.default_rng(0).integers(0, 256, (pictures, SIDE, SIDE, 3), np.uint8)
    device, _ = device_and_dtype(dtype)
    images = torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float() / 255
    table = Table("masker", "encoder alone, s a picture", "mask, s a picture", "masks/s")
    with TemporaryDirectory() as folder:
        for title, name in random_checkpoints(Path(folder)).items():
            masker = cast(PromptedMasker, load_masker(name, dtype))

            def encode(masker: PromptedMasker = masker) -> None:
                with torch.inference_mode(), masker.autocast():
                    masker.features(images)

            alone = median_seconds(encode, rounds) / pictures
            whole = median_seconds(lambda masker=masker: masker.mask_pixels(pixels), rounds) / pictures  # type: ignore[misc]
            table.add_row(title, f"{alone:.3f}", f"{whole:.3f}", f"{1 / whole:.2f}")
    console = Console()
    console.print(table)
    console.print(f"{pictures} pictures of {SIDE} px, {dtype}; {', '.join(machine().values())}")


if __name__ == "__main__":
    typer.run(main)
