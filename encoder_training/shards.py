"""Rendered pictures kept on disk: on a CPU drawing costs far more than training, so nothing is drawn twice."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import numpy as np
import torch

from encoder_training.data import RenderedSource

STYLES, IMAGES = 32, 4
"""Styles of a shard, each over the same contents."""


def draw_shards(folder: Path, count: int, size: int, photos: np.ndarray | None, workers: int = 1) -> None:
    """Writes the shards 00000.npz to `count` - 1 that `folder` lacks; every shard follows from its number alone.

    Args:
        folder: made if it is not there.
        count: how many shards there shall be, of 32 styles x 4 contents each.
        size: side of the pictures, pixels.
        photos: pictures that serve as contents in half of the shards, uint8 (N, size, size, 3); None: none do.
        workers: processes of one thread each.
    """
    folder.mkdir(parents=True, exist_ok=True)
    missing = [number for number in range(count) if not _path(folder, number).exists()]
    if not missing:
        return
    print(f"drawing {len(missing)} of {count} shards", flush=True)
    if workers < 2:
        for number in missing:
            _draw_shard(folder, number, size, photos)
        return
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, spawn, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        for done in as_completed([pool.submit(_draw_shard, folder, number, size, photos) for number in missing]):
            done.result()


def _path(folder: Path, number: int) -> Path:
    return folder / f"{number:05d}.npz"


def _draw_shard(folder: Path, number: int, size: int, photos: np.ndarray | None) -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    drawn = RenderedSource(device, photos).draw(np.random.default_rng(number), STYLES, IMAGES, size)
    path = _path(folder, number)
    contents = [f"{number}/{content}" for content in range(IMAGES)] * STYLES
    with path.with_suffix(".new").open("wb") as stream:
        np.savez(stream, images=drawn.pixels.cpu(), styles=drawn.keys, contents=contents, prompts=drawn.prompts)
    path.with_suffix(".new").replace(path)


def read_shards(folder: Path) -> Iterator[tuple[np.ndarray, list[str], list[str], list[str]]]:
    """Pictures, uint8 (N, S, S, 3), styles, contents and prompts of one shard after the other."""
    for path in sorted(folder.glob("?????.npz")):
        with np.load(path, allow_pickle=False) as file:
            styles, contents, prompts = (file[key].tolist() for key in ("styles", "contents", "prompts"))
            yield file["images"], styles, contents, prompts
