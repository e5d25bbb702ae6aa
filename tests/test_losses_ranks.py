"""Two processes with half a batch each get the loss and the gradient of one process with all of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import torch
from torch.nn.functional import normalize

ROOT = Path(__file__).parents[1]
WORKER = """
import sys
import torch, torch.distributed as dist, torch.nn.functional as F
from encoder_training.losses import SigLIPLoss, sscl, two_batch_infonce
from encoder_training.losses.cached import cached_backward
from encoder_training.losses.gather import rank, world_size

dist.init_process_group("gloo")
data, results = torch.load(sys.argv[1], weights_only=True), {}
share = len(data["x"]) // world_size()
x, y, styles, other_styles, texts = (data[k][rank() * share : (rank() + 1) * share]
                                     for k in ("x", "y", "styles", "other_styles", "texts"))
for name in ("sscl", "cached", "siglip", "infonce"):
    class Unit(torch.nn.Linear):
        def forward(self, inputs): return F.normalize(super().forward(inputs), dim=1)
    model = Unit(12, 8).double()
    model.load_state_dict(data["model"])
    if name == "cached":
        loss = cached_backward(model, x, lambda z: sscl(z, styles), chunk=2)
    else:
        if name == "sscl":
            loss = sscl(model(x), styles)
        elif name == "siglip":
            loss = SigLIPLoss().double()(model(x), styles, texts, styles)
        else:
            loss = two_batch_infonce(model(x), styles, model(y), other_styles)
        loss.backward()
        loss = loss.detach()
    for key, tensor in {"loss": loss, "weight": model.weight.grad, "bias": model.bias.grad}.items():
        dist.all_reduce(tensor)
        results[f"{name} {key}"] = tensor / world_size()
if rank() == 0:
    torch.save(results, sys.argv[2])
dist.destroy_process_group()
"""


def launch(ranks: int, folder: Path) -> dict[str, torch.Tensor]:
    script, out = folder / "worker.py", folder / f"out{ranks}.pt"
    script.write_text(WORKER)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, str(script), str(folder / "data.pt"), str(out)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    results: dict[str, torch.Tensor] = torch.load(out, weights_only=True)
    return results


def test_two_ranks_equal_one(tmp_path: Path) -> None:
    torch.manual_seed(0)
    data = {
        "x": torch.randn(12, 12).double(),
        "y": torch.randn(12, 12).double(),
        # The ranks hold different numbers of anchors with a positive.
        "styles": torch.tensor([0, 0, 1, 1, 2, 2, 0, 5, 6, 7, 8, 1]),
        "other_styles": torch.tensor([0, 0, 0, 1, 9, 9, 9, 9, 5, 9, 2, 2]),
        "texts": normalize(torch.randn(12, 8).double(), dim=1),
        "model": torch.nn.Linear(12, 8).double().state_dict(),
    }
    torch.save(data, tmp_path / "data.pt")
    one, two = launch(1, tmp_path), launch(2, tmp_path)
    assert len(one) == 12
    for key, value in one.items():
        torch.testing.assert_close(two[key], value, rtol=0, atol=1e-5, msg=key)
