"""Draws a rendered set into a cache of parquet files, in processes, and goes on where a killed run stopped.

The pictures follow from the set's numbers alone: not from the number of processes, nor from what was drawn before.
They are PPM files, whose bytes are their pixels, so that no version of a compressor shows in a checksum.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import platformdirs

from benchmarks.datasets.listing import Entry, Listing
from benchmarks.datasets.rendered import VERSION, RenderedSet, labels
from benchmarks.datasets.shards import Shards, require_pyarrow, rows_of
from stylesearch.errors import StyleSearchError, UsageError

Progress = Callable[[int, int], None]

_PINNED = {"ATEN_CPU_CAPABILITY": "avx2", "MKL_CBWR": "COMPATIBLE", "OMP_NUM_THREADS": "1"}
"""Another vector width, code path of MKL or number of threads sums in another order: a picture in two would differ in
some values by one level of 255. PyTorch and MKL read these when they compute for the first time."""


def draw_rendered(
    wanted: RenderedSet, cache: Path | None = None, workers: int = 1, progress: Progress | None = None
) -> Listing:
    """Draws what is not in the cache yet, and lists all of it.

    Args:
        wanted: what to draw.
        cache: folder of drawn sets; by default one in the user's cache folder.
        workers: processes that draw, with one thread each.
        progress: called with pictures drawn and their number.

    Raises:
        MissingDependencyError: pyarrow is not installed.
        UsageError: the cache cannot be written.
        StyleSearchError: a process that draws died.
    """
    require_pyarrow()
    from benchmarks.datasets.rendering import build  # imports torch

    expected = build()
    own = (cache or platformdirs.user_cache_path("stylesearch") / "rendered") / (
        f"{VERSION}-{wanted.families}-{wanted.contents}-{wanted.seed}-{wanted.size}px-{expected}"
    )
    try:
        own.mkdir(parents=True, exist_ok=True)
        paths = {styles: own / f"{styles.start:07d}-{styles.stop:07d}.parquet" for styles in wanted.shards}
        missing = [
            (wanted, styles, path, expected)
            for styles, path in paths.items()
            if rows_of(path) != len(styles) * wanted.contents
        ]
        total = wanted.styles * wanted.contents
        done = total - sum(len(styles) for _, styles, _, _ in missing) * wanted.contents
        for styles in _drawn(missing, workers):
            done += len(styles) * wanted.contents
            if progress:
                progress(done, total)
    except OSError as exc:
        raise UsageError(
            f"'{own}' cannot be written ({exc.strerror or exc}). Make room, or name another folder with: --cache DIR; "
            "the same command goes on where it stopped."
        ) from exc
    rows = labels(wanted, range(wanted.styles))
    entries = [Entry(name, style, content, place) for place, (style, content, name) in enumerate(rows)]
    title = f"rendered-{wanted.styles}x{wanted.contents}"
    return Listing(title, entries, Shards(list(paths.values())), licence="Apache-2.0")


def _drawn(missing: Sequence[tuple[RenderedSet, range, Path, str]], workers: int) -> Iterator[range]:
    """Draws shards and yields their styles as they are written."""
    if not missing:
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(workers, len(missing)), context, _prepare_worker)
    try:
        tasks = {pool.submit(_draw_shard, *arguments): arguments[1] for arguments in missing}
        for task in as_completed(tasks):
            task.result()
            yield tasks[task]
    except BrokenProcessPool as exc:
        raise StyleSearchError(
            f"A process that draws died ({exc}). Is there memory left? The same command goes on where it stopped."
        ) from exc
    finally:
        pool.shutdown(cancel_futures=True)


def _prepare_worker() -> None:
    os.environ.update(_PINNED)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes of a terminal; the parent ends these
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import torch

    torch.set_num_threads(1)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _draw_shard(wanted: RenderedSet, styles: range, path: Path, expected: str) -> None:
    from benchmarks.datasets.rendering import draw_shard  # imports torch, which reads what is pinned

    draw_shard(wanted, styles, path, expected)
