"""A sample library: procedural styles x contents, written as files: something real to index, with no download."""

from __future__ import annotations

import multiprocessing
import re
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from stylesearch.errors import UsageError

FORMATS = ("jpg", "png", "webp")
_FAMILY_STEP = 11  # walks over all families in an order that mixes media
_SEED_STRIDE = 100_003  # keeps the styles of one sample seed apart from those of the next


def draw_sample_library(folder: Path, *, styles: int, contents: int, size: int, seed: int) -> Iterator[Path]:
    """Draws `styles` x `contents` pictures as `folder/STYLE/CONTENT.ext` and yields each path once it is written.

    The same arguments give the same pictures. Families take turns, so that even a few styles differ widely.

    Args:
        folder: made if it does not exist; must be empty, so that nobody's files are mixed with drawn ones.
        styles, contents: how many of each, at least 1.
        size: side of a picture in pixels, at least 32.
        seed: other seeds give other styles and contents.

    Raises:
        UsageError: a number out of range, or a folder that holds something or cannot be written.
    """
    if min(styles, contents) < 1 or size < 32:
        raise UsageError(f"{styles} styles x {contents} contents at {size} pixels: it takes at least 1 x 1 at 32.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        occupied = any(folder.iterdir())
    except OSError as exc:
        raise UsageError(f"'{folder}' cannot be used ({exc.strerror}).") from exc
    if occupied:
        raise UsageError(f"'{folder}' is not empty. Name a folder that is empty or does not exist.")
    yield from _draw(folder, styles, contents, size, seed)


def _draw(folder: Path, styles: int, contents: int, size: int, seed: int) -> Iterator[Path]:
    # One style a task and one thread a process: renderers are many small operations, which threads only slow down.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(initializer=_use_one_thread, mp_context=context) as pool:
        tasks = [pool.submit(_draw_style, folder, number, contents, size, seed) for number in range(styles)]
        for task in tasks:
            yield from task.result()


def _use_one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def _draw_style(folder: Path, number: int, contents: int, size: int, seed: int) -> list[Path]:
    from PIL import Image

    from encoder_training.renderers import FAMILIES, draw_contents, render, sample_style

    content_seeds = range(seed * _SEED_STRIDE, seed * _SEED_STRIDE + contents)
    scenes = draw_contents(content_seeds, size)
    style = sample_style(seed * _SEED_STRIDE + number, families=[FAMILIES[number * _FAMILY_STEP % len(FAMILIES)]])
    drawn = render([style] * contents, scenes, content_seeds)
    pixels = (drawn * 255 + 0.5).byte().permute(0, 2, 3, 1).cpu().numpy()
    target = folder / _file_name(style.name)
    target.mkdir()
    paths = []
    for row, caption in enumerate(scenes.captions):
        path = target / f"{row:02}-{_file_name(caption)}.{FORMATS[(number + row) % len(FORMATS)]}"
        Image.fromarray(pixels[row]).save(path, quality=92)
        paths.append(path)
    return paths


def _file_name(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60]
