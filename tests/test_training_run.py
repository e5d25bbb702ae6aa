"""The trainer: a killed run continues as if nothing had happened, on one process or two, and smoke runs work."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RUN = """
import sys, time
from pathlib import Path
import numpy as np, torch
from torch import nn
from torch.nn.functional import normalize
from encoder_training.data import Drawn, Share
from encoder_training.train import Experiment, train

class Stripes:
    name = "stripes"
    def draw(self, random, styles, images, size):
        time.sleep(float(sys.argv[2]))
        chosen = random.integers(0, 50, styles)
        each = np.repeat(chosen, images)
        pixels = random.integers(0, 60, (len(each), size, size, 3)) + 3 * each[:, None, None, None]
        return Drawn(torch.from_numpy(pixels.astype(np.uint8)), [f"s/{i}" for i in each], [f"stripe {i}" for i in each])

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        convolution = [nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.Dropout(0.2)]
        self.layers = nn.Sequential(*convolution, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 8))
    def forward(self, images):
        return normalize(self.layers(images).float(), dim=1)

train(Experiment(image=Net, shares=[Share(Stripes(), 6)], steps=30, crop=24, images_per_style=2, warmup=5, save_every=4,
                 chunk=int(sys.argv[3]) or None), Path(sys.argv[1]))
"""


def command(out: Path, script: Path, pause: float = 0, chunk: int = 0, ranks: int = 1) -> list[str]:
    torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"] if ranks > 1 else []
    return [sys.executable, *torchrun, str(script), str(out), str(pause), str(chunk)]


def losses(out: Path) -> list[tuple[int, float]]:
    records = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [(record["step"], record["loss"]) for record in records]


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "run.py"
    path.write_text(RUN)
    return path


ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def run(arguments: list[str]) -> None:
    done = subprocess.run(arguments, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_kill_and_resume_gives_the_curve_of_one_run(script: Path, tmp_path: Path) -> None:
    run(command(tmp_path / "whole", script))
    killed = subprocess.Popen(command(tmp_path / "killed", script, pause=0.2), env=ENVIRONMENT)
    checkpoint = tmp_path / "killed" / "checkpoint.pt"
    while not checkpoint.exists() or len(losses(tmp_path / "killed")) % 4 == 0:
        assert killed.poll() is None, "the run ended before it could be killed"
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert 4 <= len(losses(tmp_path / "killed")) < 30
    run(command(tmp_path / "killed", script))
    assert losses(tmp_path / "killed") == losses(tmp_path / "whole")
    assert (tmp_path / "killed" / "curve.png").exists() is (tmp_path / "whole" / "curve.png").exists()


def test_cached_gradients_and_two_ranks_train(script: Path, tmp_path: Path) -> None:
    run(command(tmp_path / "two", script, chunk=4, ranks=2))
    curve = [loss for _, loss in losses(tmp_path / "two")]
    assert len(curve) == 30
    assert sum(curve[-5:]) < sum(curve[:5])
