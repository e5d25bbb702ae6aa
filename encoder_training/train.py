"""The training loop. An experiment (see `encoder_training.experiments`) says what; this page says how.

    torchrun --nproc-per-node=8 -m encoder_training.experiments.<name> --data DIR --out DIR

An interrupted run continues when it is started again with the same `--out`, and gives the losses it would have given.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.utils.data import DataLoader

from encoder_training.data import Batches, Share
from encoder_training.losses import SigLIPLoss, sscl
from encoder_training.losses.cached import cached_backward
from encoder_training.losses.gather import rank, world_size


@dataclass(frozen=True)
class Experiment:
    """Everything that decides a run.

    Attributes:
        image: images, float (N, 3, S, S) in [0, 1], to unit rows (N, D). All of it is trained.
        shares: sources, and how many styles of each are in a batch of one rank.
        steps: optimiser steps of the whole run.
        text: prompts to unit rows (P, D), trained unless its parameters are frozen; None: no image-text loss.
        evaluate: called on the averaged model every `evaluate_every` steps and at the end; gives numbers to log.
        images_per_style: K.
        crop: side of the training crops, pixels.
        learning_rate, weight_decay, warmup, clip: of AdamW with warm-up and cosine, and of the gradient's norm.
        temperature: of SSCL.
        text_weight: of the image-text loss beside SSCL.
        average: decay of the averaged weights (EMA).
        chunk: pictures per pass with cached gradients; None: the batch in one pass.
        save_every: steps between checkpoints.
        workers: processes that draw batches; 0: this one, as renderers on a GPU need.
        seed: of weights, batches and dropout.
    """

    image: Callable[[], nn.Module]
    shares: Sequence[Share]
    steps: int
    text: Callable[[], nn.Module] | None = None
    evaluate: Callable[[nn.Module, Path], dict[str, float]] | None = None
    images_per_style: int = 4
    crop: int = 128
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    warmup: int = 60
    clip: float = 1.0
    temperature: float = 0.07
    text_weight: float = 0.1
    average: float = 0.998
    chunk: int | None = None
    evaluate_every: int = 1000
    save_every: int = 200
    workers: int = 0
    seed: int = 0


@dataclass
class Averaged:
    """Exponential moving average of a model's weights, warmed up so that the start is forgotten."""

    model: nn.Module
    decay: float
    state: dict[str, Tensor] = field(init=False)

    def __post_init__(self) -> None:
        self.state = {key: value.detach().clone() for key, value in self.model.state_dict().items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        decay = min(self.decay, (step + 1) / (step + 10))
        for key, value in self.model.state_dict().items():
            own = self.state[key]
            if own.is_floating_point():
                own.lerp_(value, 1 - decay)
            else:
                own.copy_(value)

    @contextlib.contextmanager
    def swapped_in(self):  # type: ignore[no-untyped-def]
        """Inside, the model has the averaged weights and is in evaluation mode."""
        trained = {key: value.clone() for key, value in self.model.state_dict().items()}
        self.model.load_state_dict(self.state)
        self.model.eval()
        try:
            yield self.model
        finally:
            self.model.load_state_dict(trained)
            self.model.train()


def train(experiment: Experiment, out: Path) -> nn.Module:
    """Runs, or continues, an experiment.

    Args:
        experiment: what to run.
        out: folder for `metrics.jsonl`, `curve.png`, `checkpoint.pt` and what the evaluation writes.

    Returns:
        the image model with the averaged weights, in evaluation mode.
    """
    e = experiment
    if "RANK" in os.environ and not dist.is_initialized():
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    device = torch.device(f"cuda:{os.environ.get('LOCAL_RANK', 0)}" if torch.cuda.is_available() else "cpu")
    out.mkdir(parents=True, exist_ok=True)

    torch.manual_seed(e.seed)  # the same weights on every rank
    image = e.image().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    modules = nn.ModuleDict({"image": image})
    if e.text is not None:
        modules["text"], modules["siglip"] = e.text().to(device), SigLIPLoss().to(device)
    trained = [parameter for parameter in modules.parameters() if parameter.requires_grad]
    # Gains and biases are not decayed.
    groups = [{"params": [p for p in trained if p.ndim > 1], "weight_decay": e.weight_decay}]
    groups += [{"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=e.learning_rate, betas=(0.9, 0.98))
    averaged = Averaged(image, e.average)

    start, path = 0, out / "checkpoint.pt"
    if path.exists():
        saved = torch.load(path, map_location=device, weights_only=True)
        modules.load_state_dict(saved["modules"])
        optimiser.load_state_dict(saved["optimiser"])
        averaged.state, start = saved["averaged"], saved["step"]
        forget_after(out / "metrics.jsonl", start)

    batches = Batches(e.shares, e.images_per_style, e.crop, e.seed, rank())
    loader = DataLoader(batches, batch_size=None, sampler=range(start, e.steps), num_workers=e.workers)
    modules.train()
    began = time.perf_counter()
    for step, batch in zip(range(start, e.steps), loader, strict=True):
        # Dropout, too, follows from the step and the rank, so a resumed run repeats it.
        torch.manual_seed((e.seed << 32) + step * world_size() + rank())
        warm = min(1.0, (step + 1) / e.warmup)
        for group in optimiser.param_groups:
            group["lr"] = e.learning_rate * warm * (1 + math.cos(math.pi * step / e.steps)) / 2
        pixels = batch.pixels.to(device).permute(0, 3, 1, 2).float().div(255)
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        styles = batch.styles.to(device)

        def loss_of(embeddings: Tensor, styles: Tensor = styles, prompts: list[str] = batch.prompts) -> Tensor:
            loss = sscl(embeddings, styles, e.temperature)
            if e.text is None:
                return loss
            # One prompt per style: K equal prompts would count each negative K times.
            first = {int(style): row for row, style in reversed(list(enumerate(styles.tolist())))}
            rows = sorted(first.values())
            texts = modules["text"]([prompts[row] for row in rows])
            pairs: Tensor = modules["siglip"](embeddings, styles, texts, styles[rows])
            return loss + e.text_weight * pairs

        optimiser.zero_grad(set_to_none=True)
        with torch.autocast(device.type, torch.bfloat16):
            if e.chunk is None:
                loss = loss_of(image(pixels))
                loss.backward()  # type: ignore[no-untyped-call]
                loss = loss.detach()
            else:
                loss = cached_backward(image, pixels, loss_of, e.chunk)
        mean_over_ranks([loss, *(p.grad for p in trained if p.grad is not None)])
        norm = nn.utils.clip_grad_norm_(trained, e.clip)
        optimiser.step()
        averaged.update(step)

        if rank() == 0:
            seconds = time.perf_counter() - began
            rate = (step + 1 - start) * len(styles) * world_size() / seconds
            record = {"step": step, "loss": loss.item(), "gradient": norm.item(), "images_per_second": round(rate, 1)}
            log(out / "metrics.jsonl", record)
            done = step + 1
            if done % e.save_every == 0 or done == e.steps:
                _save(path, modules, optimiser, averaged, done)
            if e.evaluate is not None and (done % e.evaluate_every == 0 or done == e.steps):
                with averaged.swapped_in() as model, torch.inference_mode():
                    log(out / "metrics.jsonl", {"step": step, **e.evaluate(model, out)})
                draw_curve(out / "metrics.jsonl", out / "curve.png")

    image.load_state_dict(averaged.state)
    image.eval()
    return image  # type: ignore[no-any-return]


def mean_over_ranks(tensors: Sequence[Tensor]) -> None:
    """Replaces tensors by their means over all ranks, in place."""
    if world_size() > 1:
        for tensor in tensors:
            dist.all_reduce(tensor)
            tensor /= world_size()


def _save(path: Path, modules: nn.Module, optimiser: torch.optim.Optimizer, averaged: Averaged, step: int) -> None:
    saved = {"modules": modules.state_dict(), "optimiser": optimiser.state_dict(), "averaged": averaged.state}
    # Written beside and then moved: a kill in between leaves the previous checkpoint whole.
    torch.save({**saved, "step": step}, path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)


def log(path: Path, record: dict[str, float]) -> None:
    """Appends a record, with its "step", to a file of JSON lines."""
    with path.open("a") as stream:
        stream.write(json.dumps(record) + "\n")


def forget_after(path: Path, step: int) -> None:
    """Drops what a killed run logged after its last checkpoint, because it is about to be done again."""
    if path.exists():
        lines = [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
        path.write_text("".join(line for line in lines if json.loads(line)["step"] < step))


def draw_curve(metrics: Path, picture: Path) -> None:
    """Draws the loss, and every evaluated number that is a share, over the steps."""
    import matplotlib.pyplot as plt

    records = [json.loads(line) for line in metrics.read_text().splitlines()]
    losses = [(record["step"], record["loss"]) for record in records if "loss" in record]
    scores = [record for record in records if "loss" not in record]
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
    left.plot(*zip(*losses, strict=True), linewidth=0.7)
    left.set(xlabel="step", ylabel="loss")
    for name in sorted({key for record in scores for key in record if key != "step"}):
        points = [(record["step"], record[name]) for record in scores if name in record]
        right.plot(*zip(*points, strict=True), marker=".", label=name)
    right.set(xlabel="step", ylabel="per cent")
    if scores:
        right.legend(fontsize=7)
    figure.savefig(picture)
    plt.close(figure)
