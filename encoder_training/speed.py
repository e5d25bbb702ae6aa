"""Encoding speed of a compact encoder on this machine, against the plain forward of the same network.

python -m encoder_training.speed --encoder compact:v3 --threads 2
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch

from stylesearch.encoders.compact import CompactEncoder
from stylesearch.encoders.compact_network import Compact
from stylesearch.errors import StyleSearchError


def images_per_second(
    embed: Callable[[np.ndarray], object], batch: int, side: int, seconds: float
) -> tuple[float, float]:
    """Encodes batches for a while.

    Args:
        embed: takes uint8 (batch, side, side, 3).
        seconds: how long to measure, after one batch to warm up.

    Returns:
        images per second of wall time, and per second of processor time. On a busy machine the second, times the number
        of threads, is what an idle one would do.
    """
    pixels = np.random.default_rng(0).integers(0, 256, (batch, side, side, 3), dtype=np.uint8)
    embed(pixels)
    wall, busy, done = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - wall < seconds:
        embed(pixels)
        done += batch
    return done / (time.perf_counter() - wall), done / (time.process_time() - busy)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", default="compact", help="a compact encoder")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seconds", type=float, default=10.0, help="how long to measure each row")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(chosen.threads)
    try:
        encoders = {f"encoder, {dtype}": CompactEncoder(chosen.encoder, dtype) for dtype in ("bfloat16", "float32")}
    except StyleSearchError as error:
        print(error, file=sys.stderr)
        return 1
    any_encoder = next(iter(encoders.values()))
    plain = Compact(any_encoder.config).eval()

    def forward(pixels: np.ndarray) -> object:
        with torch.inference_mode():
            return plain(torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255)

    rows: dict[str, Callable[[np.ndarray], object]] = {name: each.embed_pixels for name, each in encoders.items()}
    rows["plain forward of the network, float32"] = forward
    print(f"{any_encoder.name}, batch {chosen.batch}, {chosen.threads} threads\n")
    print("| | images/s | images per processor second |\n|---|---|---|")
    for name, embed in rows.items():
        wall, busy = images_per_second(embed, chosen.batch, any_encoder.preprocess.size, chosen.seconds)
        print(f"| {name} | {wall:.0f} | {busy:.0f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
