"""Memory of the indexer, which must not grow with the library, and the rate of a second run over an unchanged tree.

    python -m benchmarks.index_memory --files 10000 --files 100000

Generates JPEG files of different content, indexes them with the encoder, and indexes them again. Prints for each count
the peak of all processes together (shared pages once, on Linux) beyond what they take with the encoder loaded, and the
rate of the second run, the median of three. Exits with 1 where a peak is 1.5 GB or more, where the peaks of the
smallest and the largest count differ by more than 5 %, or where a second run is slower than 20,000 files a second.
"""

from __future__ import annotations

import argparse
import io
import statistics
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.drawn import draw
from benchmarks.speed.indexing import NoEncoder
from benchmarks.speed.memory import in_fresh_process, memory_now, peak_memory
from indexer.run import index
from stylesearch.catalog import Catalog, sqlite_url
from stylesearch.encoders import DEFAULT_ENCODER, load_encoder
from stylesearch.settings import Settings

MOST_BYTES = 1.5e9
MOST_GROWTH = 0.05
LEAST_RATE = 20_000.0

_DRAWN = 500  # pictures; the others are these with other bytes behind their end, which no decoder looks at


class Measured(NamedTuple):
    """Of one tree.

    Attributes:
        peak: bytes beyond the encoder, in the first run.
        first, second: files a second.
        second_peak: bytes beyond the encoder, in the second run.
    """

    peak: int
    first: float
    second: float
    second_peak: int


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, action="append", help="Repeat for several trees.")
    parser.add_argument("--side", type=int, default=320, help="Longer side of a picture in pixels.")
    parser.add_argument("--encoder", default=DEFAULT_ENCODER, help="'none' gives every picture the same vector.")
    arguments = parser.parse_args()
    measured = {}
    for count in sorted(set(arguments.files or (10_000, 100_000))):
        with tempfile.TemporaryDirectory() as folder:
            generate(Path(folder, "pictures"), count, arguments.side)
            measured[count] = one = in_fresh_process(measure, Path(folder), count, arguments.encoder)
        print(
            f"{count:9,} files: peak {one.peak / 1e6:,.0f} MB beyond the encoder, {one.first:,.0f} files/s; "
            f"second run {one.second:,.0f} files/s, peak {one.second_peak / 1e6:,.0f} MB",
            flush=True,
        )
    return verdict(measured)


def verdict(measured: dict[int, Measured]) -> int:
    """Prints what is not as it should be; the exit code."""
    peaks = {count: one.peak for count, one in measured.items()}
    failed = [f"{count:,} files take {peak / 1e6:,.0f} MB" for count, peak in peaks.items() if peak >= MOST_BYTES]
    failed += [
        f"a second run over {count:,} files deals with {one.second:,.0f} files/s"
        for count, one in measured.items()
        if one.second < LEAST_RATE
    ]
    growth = peaks[max(peaks)] / peaks[min(peaks)] - 1
    if growth > MOST_GROWTH:
        failed.append(f"the peak grows by {growth:.1%}")
    print("FAILED: " + "; ".join(failed) if failed else f"OK: the peak grows by {growth:.1%}")
    return 1 if failed else 0


def generate(folder: Path, count: int, side: int) -> None:
    """JPEG files of different content, in subfolders of 500."""
    drawn = []
    for number in range(min(count, _DRAWN)):
        buffer = io.BytesIO()
        draw(number, (side, side * 3 // 4)).save(buffer, "JPEG", quality=90)
        drawn.append(buffer.getvalue())
    for number in range(count):
        path = folder / f"{number // 500:05d}" / f"{number:07d}.jpg"
        if number % 500 == 0:
            path.parent.mkdir(parents=True)
        path.write_bytes(drawn[number % len(drawn)] + number.to_bytes(8, "little"))


def measure(folder: Path, count: int, name: str) -> Measured:
    """Indexes the pictures in this folder twice; in a process that has done nothing else."""
    encoder = load_encoder(DEFAULT_ENCODER if name == "none" else name)
    if name == "none":
        encoder = NoEncoder(encoder)
    side = encoder.preprocess.size
    encoder.embed_pixels(np.zeros((32, side, side, 3), np.uint8) + np.arange(32, dtype=np.uint8)[:, None, None, None])
    before = memory_now()
    settings = Settings.from_environment()
    with Catalog.open(sqlite_url(folder / "catalog.db")) as catalog:

        def run() -> float:
            report = index(catalog, encoder, [folder / "pictures"], thumbnails=folder / "thumbnails", settings=settings)
            assert report.done == count, report  # noqa: S101 - what is measured has happened
            return report.rate

        with peak_memory() as peak:
            first = run()
        with peak_memory() as second_peak:
            second = statistics.median(run() for _ in range(3))
    return Measured(peak[0] - before, first, second, second_peak[0] - before)


if __name__ == "__main__":
    sys.exit(main())
