"""MegaStyle-FLUX's LoRA: FLUX.1-dev learns to draw a caption in the style of a picture beside it (arXiv 2604.08364).

    python -m encoder_training.experiments.megastyle_flux --model FLUX.1-dev --data DIR --out DIR

FLUX.1-dev is a folder in diffusers' layout, DIR holds train/*.parquet; without --data all pairs are rendered. The
published recipe (train.py and FLUX.1-dev.sh in Tencent/MegaStyle): 512 pixels, rank 128, learning rate 1e-4, 30,000
steps on eight GPUs, which `torchrun --nproc-per-node=8 -m` gives; `--accumulate 8` makes up for one GPU alone. The same
command continues. The result, `megastyle.safetensors`, is read by diffusers, DiffSynth and ComfyUI, and by

    stylesearch transfer --backend flux:mega@FLUX.1-dev ...

once it lies in FLUX.1-dev/mega/.

`python -m encoder_training.transfer.speed` prints what a step takes. Nothing is promised of the pictures: this file has
been run on random weights alone. `--smoke` does one step at 64 pixels and rank 4.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from encoder_training.data import read_parquet
from encoder_training.transfer.finetune import Finetuning, finetune
from encoder_training.transfer.flow import Beside, flow_loss, noise_levels
from encoder_training.transfer.frozen import FrozenFlux
from encoder_training.transfer.kohya import KohyaLora
from encoder_training.transfer.pairs import LabelledPairs, PairSource, RenderedPairs

TEXT_LENGTH = 512  # T5 tokens, FLUX.1-dev.sh's default


def main(arguments: Sequence[str] | None = None) -> Path:
    """Returns: the file with the LoRA."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="folder of FLUX.1-dev in diffusers' layout")
    parser.add_argument("--data", type=Path, help="folder with train/*.parquet")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints and the result")
    parser.add_argument("--steps", type=int, default=30_000, help="optimiser steps")
    parser.add_argument("--accumulate", type=int, default=1, help="pairs of each step and GPU")
    parser.add_argument("--smoke", action="store_true", help="one step, small pictures, small rank")
    chosen = parser.parse_args(arguments)
    size, rank, steps = (64, 4, 1) if chosen.smoke else (512, 128, chosen.steps)

    flux = FrozenFlux.load(chosen.model, "FluxPipeline")
    sources: list[PairSource] = [RenderedPairs(flux.device)]
    if chosen.data is not None:
        sets = [read_parquet(path) for path in sorted((chosen.data / "train").glob("*.parquet"))]
        sources += [LabelledPairs(pictures.split()[0]) for pictures in sets]
    torch.manual_seed(0)  # the same LoRA on every rank
    lora = KohyaLora(flux.pipe.transformer, rank).to(flux.device)
    noise = noise_levels()

    def loss(example: int) -> Tensor:
        random = np.random.default_rng([0, example])
        pair = sources[random.integers(len(sources))].draw(random, size)
        target, reference = flux.latents([pair.target, pair.reference]).chunk(2)
        beside = Beside(reference, column=target.shape[3] // 2)
        texts = flux.texts([pair.prompt], TEXT_LENGTH)
        drawn = torch.Generator().manual_seed(example)
        return flow_loss(flux.pipe.transformer, target, beside, texts, noise, drawn)

    run = Finetuning(
        list(lora.parameters()), loss, lora.save, "megastyle.safetensors", steps, accumulate=chosen.accumulate
    )
    return finetune(run, chosen.out)


if __name__ == "__main__":
    print(main())
