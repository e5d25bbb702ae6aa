"""What it costs to describe a picture, and to find near duplicates among many.

    python -m benchmarks.describing                       # 100,000 assets
    python -m benchmarks.describing --assets 1000000

The pictures are drawn in more colours than most have, and carry EXIF and XMP; times of single pictures are processor
time. The hashes are drawn at random; every tenth is a copy of another one that differs in three bits, so that there is
something to find.
"""

from __future__ import annotations

import io
import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
import typer
from PIL import Image

from benchmarks.machine import machine
from stylesearch.appearance import SIDE, appearance_of, perceptual_hash
from stylesearch.duplicates import DISTANCE, LEAST_COSINE, Looks, near_groups
from stylesearch.images import thumbnail
from stylesearch.metadata import read_metadata, xmp_sidecar
from stylesearch.palette import palette_of
from stylesearch.records import Metadata

PICTURES = 20
SIZE = (1024, 768)  # what a JPEG of two megapixels is decoded at
SAID = Metadata(title="A title", creators=("Somebody",), licence="CC BY 4.0", date="1972-05-03", software="A program")


def main(assets: int = 100_000, rounds: int = 5, seed: int = 0) -> None:
    """Prints medians."""
    print(machine())
    pictures = [_drawn(seed + number) for number in range(PICTURES)]
    files = [_jpeg(picture) for picture in pictures]
    small = [np.asarray(picture.resize((SIDE, SIDE * 3 // 4))) for picture in pictures]
    steps: dict[str, Callable[[int], object]] = {
        "metadata": lambda number: read_metadata(files[number], "JPEG"),
        "palette and hash": lambda number: appearance_of(pictures[number]),
        "  palette alone": lambda number: palette_of(small[number]),
        "  hash alone": lambda number: perceptual_hash(Image.fromarray(small[number])),
        "thumbnail, to compare": lambda number: thumbnail(pictures[number]),
    }
    for name, step in steps.items():
        print(f"{name:24} {1e3 * _median(step, rounds):6.2f} ms per picture")
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 2**64, assets, np.uint64)
    hashes[: assets // 10] = hashes[assets // 2 : assets // 2 + assets // 10] ^ np.uint64(0b111)
    looks = Looks(np.arange(assets), hashes, np.full((assets, 2), 500, np.int32))
    started = time.perf_counter()
    groups = sum(1 for _ in near_groups(looks, _same_vectors, DISTANCE, LEAST_COSINE))
    print(f"near duplicates of {assets:,} assets: {groups:,} groups in {time.perf_counter() - started:.1f} s")


def _drawn(seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    noise = Image.fromarray(rng.integers(0, 256, (48, 64, 3), np.uint8))
    return noise.resize(SIZE, Image.Resampling.BICUBIC)


def _jpeg(picture: Image.Image) -> bytes:
    exif = Image.Exif()
    exif[315], exif[33432] = "Somebody", "(c) Somebody"
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", exif=exif, xmp=xmp_sidecar(SAID, ["one", "two"]))
    return buffer.getvalue()


def _median(step: Callable[[int], object], rounds: int) -> float:
    seconds = []
    for number in list(range(PICTURES)) * rounds:
        started = time.process_time()
        step(number)
        seconds.append(time.process_time() - started)
    return statistics.median(seconds)


def _same_vectors(ids: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    # Unit vectors of a common length; what they are makes no difference to the time.
    return np.array(sorted(ids), np.int64), np.full((len(ids), 512), 512**-0.5, np.float32)


if __name__ == "__main__":
    typer.run(main)
