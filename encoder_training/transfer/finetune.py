"""The training loop of what is laid onto a frozen model. An experiment says what; this page says how.

    torchrun --nproc-per-node=8 -m encoder_training.experiments.<name> --model FOLDER --data DIR --out DIR

An interrupted run continues when it is started again with the same `--out`, and gives the losses it would have given.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn

from encoder_training.losses.gather import rank, world_size
from encoder_training.train import forget_after, log, mean_over_ranks


@dataclass(frozen=True)
class Finetuning:
    """Everything that decides a run.

    Attributes:
        parameters: what is trained, in the same order in every run.
        loss: of an example number, which decides all that is drawn for it.
        export: writes what has been learnt to a path.
        file: name of that path in the folder of the run.
        steps: optimiser steps of the whole run.
        accumulate: examples, or batches of them, for each step and rank.
        learning_rate, weight_decay, warmup, clip: of AdamW, constant after the warm-up, and of the gradient's norm.
        save_every: steps between checkpoints.
    """

    parameters: Iterable[nn.Parameter]
    loss: Callable[[int], Tensor]
    export: Callable[[Path], None]
    file: str
    steps: int
    accumulate: int = 1
    learning_rate: float = 1e-4  # MegaStyle: FLUX.1-dev.sh
    weight_decay: float = 0.01
    warmup: int = 100
    clip: float = 1.0
    save_every: int = 500


def finetune(run: Finetuning, out: Path) -> Path:
    """Runs, or continues, a finetuning.

    Args:
        run: what to do.
        out: folder for `metrics.jsonl`, `checkpoint.pt` and the result.

    Returns:
        the file with the result.
    """
    if "RANK" in os.environ and not dist.is_initialized():
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    out.mkdir(parents=True, exist_ok=True)
    trained = list(run.parameters)
    device = trained[0].device
    optimiser = torch.optim.AdamW(trained, lr=run.learning_rate, weight_decay=run.weight_decay)
    start, path = 0, out / "checkpoint.pt"
    if path.exists():
        saved = torch.load(path, map_location=device, weights_only=True)
        with torch.no_grad():
            for parameter, value in zip(trained, saved["trained"], strict=True):
                parameter.copy_(value)
        optimiser.load_state_dict(saved["optimiser"])
        start = saved["step"]
        forget_after(out / "metrics.jsonl", start)

    began = time.perf_counter()
    for step in range(start, run.steps):
        for group in optimiser.param_groups:
            group["lr"] = run.learning_rate * min(1.0, (step + 1) / run.warmup)
        optimiser.zero_grad(set_to_none=True)
        total = torch.zeros((), device=device)
        for part in range(run.accumulate):
            example = (step * run.accumulate + part) * world_size() + rank()
            with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
                loss = run.loss(example) / run.accumulate
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        for parameter in trained:  # an expert that no example has chosen, on any rank or on this one
            parameter.grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        mean_over_ranks([total, *(parameter.grad for parameter in trained if parameter.grad is not None)])
        norm = nn.utils.clip_grad_norm_(trained, run.clip)
        optimiser.step()

        done = step + 1
        if rank() == 0:
            seconds = (time.perf_counter() - began) / (done - start)
            record = {"step": step, "loss": total.item(), "gradient": norm.item(), "seconds": round(seconds, 3)}
            log(out / "metrics.jsonl", record)
            if done % run.save_every == 0 or done == run.steps:
                saved = {"trained": [parameter.detach() for parameter in trained], "step": done}
                # Written beside and then moved: a kill in between leaves the previous checkpoint whole.
                torch.save({**saved, "optimiser": optimiser.state_dict()}, path.with_suffix(".new"))
                path.with_suffix(".new").replace(path)
                run.export(out / run.file)
    return out / run.file
