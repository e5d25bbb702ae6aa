"""StyleExpert's mixture of LoRA experts on FLUX.1 Kontext (arXiv 2603.16649): a content redrawn in a picture's style.

    python -m encoder_training.experiments.styleexpert_flux --model FLUX.1-Kontext-dev --encoder ENCODER \\
        --triplets FILE.parquet --out DIR

ENCODER is any encoder of stylesearch, such as `compact:v3` or `styleexpert:PATH`: the routers learn from its vectors.
FILE holds triplets (`encoder_training.transfer.pairs.TripletFile`); without it all are rendered. 16 experts of rank 8,
two of which are chosen for a style, beside a shared one, as published; the paper trains on several GPUs (`torchrun
--nproc-per-node=8 -m`). The same command continues. The result, `experts.safetensors`, is used by

    stylesearch transfer --backend styleexpert@FLUX.1-Kontext-dev ...

once it lies in FLUX.1-Kontext-dev/styleexpert/.

`python -m encoder_training.transfer.speed` prints what a step takes. Nothing is promised of the pictures: this file has
been run on random weights alone. `--smoke` does one step at 64 pixels with small experts.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from encoder_training.transfer.finetune import Finetuning, finetune
from encoder_training.transfer.flow import Beside, flow_loss, noise_levels
from encoder_training.transfer.frozen import FrozenFlux
from encoder_training.transfer.pairs import RenderedTriplets, TripletFile, TripletSource
from stylesearch.encoders import load_encoder
from stylesearch.transfer.styleexpert_experts import TEXT_LENGTH, Mixing, StyleExperts, style_latents

PROMPT = "Redraw the image in another style, keeping its content."


def main(arguments: Sequence[str] | None = None) -> Path:
    """Returns: the file with the experts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="folder of FLUX.1-Kontext-dev in diffusers' layout")
    parser.add_argument("--encoder", default=None, help="whose vectors the routers see (default: compact:v3)")
    parser.add_argument("--triplets", type=Path, help="Parquet file of content, style and stylised")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints and the result")
    parser.add_argument("--steps", type=int, default=30_000, help="optimiser steps")
    parser.add_argument("--accumulate", type=int, default=1, help="triplets of each step and GPU")
    parser.add_argument("--smoke", action="store_true", help="one step, small pictures, small experts")
    chosen = parser.parse_args(arguments)
    size, experts, rank, steps = (64, 4, 2, 1) if chosen.smoke else (512, 16, 8, chosen.steps)

    flux = FrozenFlux.load(chosen.model, "FluxKontextPipeline")
    encoder = load_encoder(chosen.encoder)
    source: TripletSource = RenderedTriplets(flux.device) if chosen.triplets is None else TripletFile(chosen.triplets)
    torch.manual_seed(0)  # the same experts on every rank
    mixing = Mixing(encoder=encoder.name, prompt=PROMPT)
    mixture = StyleExperts.fresh(flux.pipe.transformer, encoder.dim, mixing, experts=experts, rank=rank)
    noise, texts = noise_levels(), flux.texts([PROMPT], TEXT_LENGTH)

    def loss(example: int) -> Tensor:
        triplet = source.draw(np.random.default_rng([0, example]), size)
        mixture.route(style_latents(encoder, [Image.fromarray(triplet.style.numpy())]))
        stylised, content = flux.latents([triplet.stylised, triplet.content]).chunk(2)
        drawn = torch.Generator().manual_seed(example)
        return flow_loss(flux.pipe.transformer, stylised, Beside(content, time=1), texts, noise, drawn)

    run = Finetuning(
        list(mixture.parameters()), loss, mixture.save, "experts.safetensors", steps, accumulate=chosen.accumulate
    )
    return finetune(run, chosen.out)


if __name__ == "__main__":
    print(main())
