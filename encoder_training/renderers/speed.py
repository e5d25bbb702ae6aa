"""Images per second of every family.

python -m encoder_training.renderers.speed --size 128 --device cpu
python -m encoder_training.renderers.speed --size 224 --device cuda --batch 256
"""

from __future__ import annotations

import argparse
import sys
import time

import torch

from encoder_training.renderers import FAMILIES, draw_contents, render, sample_style


def seconds_per_image(family: str, batch: int, size: int, device: str) -> float:
    """CPU seconds of this process (wall seconds on a GPU) for one image of `family`, after one warm-up batch."""
    contents = draw_contents(range(min(batch, 16)), size, device).select([row % min(batch, 16) for row in range(batch)])
    styles = [sample_style(1 + row // 4, [family]) for row in range(batch)]
    render(styles, contents, range(batch))
    clock = time.process_time if device == "cpu" else time.perf_counter
    if device != "cpu":
        torch.cuda.synchronize()
    start = clock()
    render(styles, contents, range(batch))
    if device != "cpu":
        torch.cuda.synchronize()
    return (clock() - start) / batch


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the renderers.")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    seconds = {}
    for family in FAMILIES:
        seconds[family] = seconds_per_image(family, arguments.batch, arguments.size, arguments.device)
        sys.stdout.write(f"{family:20s}{1 / seconds[family]:10.0f} images/s\n")
        sys.stdout.flush()
    machine = "one CPU core" if arguments.device == "cpu" else torch.cuda.get_device_name()
    sys.stdout.write(
        f"{'mean family':20s}{len(seconds) / sum(seconds.values()):10.0f} images/s  "
        f"({arguments.size} px, batch {arguments.batch}, {machine})\n"
    )


if __name__ == "__main__":
    main()
