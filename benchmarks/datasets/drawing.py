"""Draws a rendered set into parquet files, in processes of one thread each, and goes on where a killed run stopped.

The bytes follow from the set's numbers alone: not from the number of processes, nor from what was drawn before. Each
style is drawn by one call over all contents, so that the batch a picture is drawn in is part of the protocol; pictures
are PPM files, whose bytes are their pixels, so that no version of a compressor shows in a checksum.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
import PIL
import torch

from benchmarks.datasets.rendered import VERSION, Progress, RenderedSet, contents_of, families_of, labels
from encoder_training import renderers
from stylesearch.errors import MissingDependencyError, StyleSearchError, UsageError

_BUILD_DIGITS = 12


def draw_shards(wanted: RenderedSet, folder: Path, workers: int, progress: Progress | None = None) -> list[Path]:
    """The files of the set, in order; those that are not there yet are drawn.

    Args:
        wanted: what to draw.
        folder: of all sets; this one gets a folder in it.
        workers: processes.
        progress: called with pictures drawn and their number.

    Raises:
        MissingDependencyError: pyarrow is not installed.
        UsageError: the folder cannot be written.
        StyleSearchError: a process died.
    """
    own = folder / f"{VERSION}-{wanted.families}-{wanted.contents}-{wanted.seed}-{wanted.size}px-{build()}"
    try:
        own.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise _unwritable(own, exc) from exc
    paths = [own / f"{styles.start:07d}-{styles.stop:07d}.parquet" for styles in wanted.shards]
    rows = [len(styles) * wanted.contents for styles in wanted.shards]
    missing = [number for number, path in enumerate(paths) if not _is_whole(path, rows[number])]
    done, total = sum(rows) - sum(rows[number] for number in missing), sum(rows)
    for number in _drawn(wanted, [(number, paths[number]) for number in missing], workers):
        done += rows[number]
        if progress:
            progress(done, total)
    return paths


def build() -> str:
    """What else decides pixels: the renderers' source, the libraries they compute with, and the processor's vectors.

    Pictures of two builds are never mixed in one set.
    """
    digest = hashlib.sha256()
    for path in sorted(Path(renderers.__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    versions = (torch.__version__, np.__version__, PIL.__version__, torch.backends.cpu.get_cpu_capability())
    digest.update("\n".join(versions).encode())
    return digest.hexdigest()[:_BUILD_DIGITS]


def draw_style(wanted: RenderedSet, style: int, contents: renderers.Contents) -> np.ndarray:
    """All pictures of a style: uint8 (contents, size, size, 3), sRGB."""
    families = families_of(wanted)
    hand = renderers.sample_style(wanted.style_seeds[style], [families[style % len(families)]])
    images = renderers.render([hand] * len(contents), contents, contents.seeds)
    return np.asarray((images * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy())


def _drawn(wanted: RenderedSet, missing: Sequence[tuple[int, Path]], workers: int) -> Iterator[int]:
    """Draws shards and yields their numbers as they are written."""
    if not missing:
        return
    pool = ProcessPoolExecutor(min(workers, len(missing)), multiprocessing.get_context("spawn"), _prepare_worker)
    try:
        tasks = {pool.submit(_draw_shard, wanted, number, path): number for number, path in missing}
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
    # The order of a sum depends on the number of threads, and with it the last bit of a picture.
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes of a terminal; the parent ends these
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _draw_shard(wanted: RenderedSet, number: int, path: Path) -> None:
    """Draws the styles of a shard and writes the file in one step."""
    import pyarrow
    import pyarrow.parquet

    contents = renderers.draw_contents([seed for seed, _ in contents_of(wanted)], wanted.size)
    styles = wanted.shards[number]
    header = f"P6\n{wanted.size} {wanted.size}\n255\n".encode()
    rows = labels(wanted, styles)
    pictures = (pixels for style in styles for pixels in draw_style(wanted, style, contents))
    table = pyarrow.Table.from_pylist(
        [
            {"image": {"bytes": header + pixels.tobytes(), "path": name}, "style": style, "content": content}
            for (style, content, name), pixels in zip(rows, pictures, strict=True)
        ]
    )
    partial = path.with_suffix(f".{os.getpid()}.partial")
    try:
        pyarrow.parquet.write_table(
            table, partial, compression="zstd", row_group_size=wanted.contents, write_page_checksum=True
        )
        os.replace(partial, path)
    except OSError as exc:
        raise _unwritable(path, exc) from exc
    finally:
        partial.unlink(missing_ok=True)


def _is_whole(path: Path, rows: int) -> bool:
    """Whether the file is there with its last bytes, which say how many rows it has."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as exc:
        raise MissingDependencyError("pyarrow", "train", "to keep the pictures that are drawn") from exc
    try:
        return bool(pyarrow.parquet.read_metadata(path).num_rows == rows)
    except (OSError, pyarrow.ArrowException):
        return False


def _unwritable(path: Path, error: OSError) -> UsageError:
    return UsageError(
        f"'{path}' cannot be written ({error.strerror or error}). Make room, or name another folder with: --cache DIR; "
        "the same command goes on where it stopped."
    )
