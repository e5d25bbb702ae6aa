"""Pictures a second from files to a searchable library, and of its stages alone on the same files.

A pipeline cannot be faster than its slowest stage, nor, where stages share the cores, than all of them one after the
other; the rates alone say which of the two holds it back. The files have been read once before, so that they come from
the page cache and no disk is measured.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.drawn import draw_files
from benchmarks.speed.peers import PEERS, run_peer
from benchmarks.speed.result import Part, Row
from indexer.decode import Prepared, decode_file
from indexer.run import FILE_SECONDS, index
from indexer.sources import sources_of
from indexer.workers import DecodeWorkers, Pending
from stylesearch.catalog import Catalog, sqlite_url
from stylesearch.encoders import load_encoder
from stylesearch.encoders.base import Encoder
from stylesearch.errors import StyleSearchError, UsageError
from stylesearch.records import FileStat
from stylesearch.settings import Settings
from stylesearch.uris import path_of_uri

if TYPE_CHECKING:
    from benchmarks.speed import Config

BATCH = 32  # pictures that are encoded together, as `index` does it
DECODING, ENCODING, INDEX, WITHOUT_ENCODER = (
    "decoding alone", "encoding alone", "index", "index, all but the encoder",
)  # fmt: skip
KEPT = 8 * BATCH  # prepared pictures that encoding alone is measured on, over and over: 39 MB at 224 x 224


class NoEncoder(Encoder):
    """Gives every picture the same vector, at once: what is left of indexing is everything else."""

    name = "benchmark:none"
    fingerprint = "0" * 64
    dtype = "float32"

    def __init__(self, like: Encoder) -> None:
        self.dim = like.dim
        self.preprocess = like.preprocess

    def _embed(self, pixels: np.ndarray) -> np.ndarray:
        return np.ones((len(pixels), self.dim), np.float32)


def measure(config: Config, tell: Callable[[str], None]) -> Part:
    """Rates of the whole and of its parts; with `config.peers`, of other programs on the same files."""
    encoder = load_encoder(config.encoder)
    settings = Settings.from_environment()
    with tempfile.TemporaryDirectory() as folder, pictures(config, Path(folder), tell) as (root, files):
        count = len(files)
        rounds = [
            _round(config, root, files, encoder, settings, Path(folder, str(number)), tell)
            for number in range(config.repeats)
        ]
        seconds = {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
        rows = [Row(name, _rates(count, seconds[name])) for name in seconds]
        slower, in_turn = max(seconds[DECODING], seconds[ENCODING]), seconds[DECODING] + seconds[ENCODING]
        rows[list(seconds).index(INDEX)].values["of the slower alone"] = slower / seconds[INDEX]
        rows[list(seconds).index(INDEX)].values["of both in turn"] = in_turn / seconds[INDEX]
        absent = []
        for peer in PEERS:
            side = f"{peer.name} {peer.version}, {peer.does}"
            if not config.peers:
                absent.append(f"{side}. Ask for it with: --peers")
                continue
            tell(side)
            try:
                rows.append(Row(side, _rates(*run_peer(peer, root, settings.workers))))
            except StyleSearchError as exc:
                absent.append(f"{side}. {exc}")
    setting = (
        f"{count:,} pictures, {config.encoder}, {settings.workers} decoder processes, a thumbnail of each picture; "
        f"medians of {config.repeats}"
    )
    return Part("indexing", setting, tuple(rows), tuple(absent))


def _round(
    config: Config,
    root: Path,
    files: list[FileStat],
    encoder: Encoder,
    settings: Settings,
    folder: Path,
    tell: Callable[[str], None],
) -> dict[str, float]:
    """Seconds of each side, by its name."""
    folder.mkdir()
    tell(DECODING)
    decoding, prepared = _decode(files, encoder, settings, folder / "thumbnails")
    if not prepared:
        raise UsageError(f"No picture below '{root}' can be read, so there is nothing to measure.")
    tell(ENCODING)
    seconds = {DECODING: decoding, ENCODING: _encode(encoder, prepared, len(files))}
    for side, used in ((INDEX, encoder), (WITHOUT_ENCODER, NoEncoder(encoder))):
        tell(side)
        seconds[side] = _index(root, files, used, settings, folder / side)
    return seconds


@contextmanager
def pictures(config: Config, folder: Path, tell: Callable[[str], None]) -> Iterator[tuple[Path, list[FileStat]]]:
    """The folder of pictures and the files in it, all read once; drawn below `folder` where the user has named none.

    Raises:
        UsageError: there is no picture.
    """
    root = config.pictures
    if root is None:
        tell(f"drawing {config.count:,} pictures")
        root = folder / "pictures"
        draw_files(root, config.count, (config.side, config.side * 3 // 4))
    else:
        root = _linked(root, config.count, folder / "pictures")
    files = _files(root)
    if not files:
        raise UsageError(f"There is no picture below '{config.pictures}'. Name a folder of pictures.")
    for file in files:
        Path(path_of_uri(file.uri)).read_bytes()
    yield root, files


def _linked(source: Path, count: int, target: Path) -> Path:
    """A folder with links to the first `count` pictures of another, so that every side sees just these."""
    target.mkdir()
    for number, file in enumerate(_files(source)[:count]):
        path = Path(path_of_uri(file.uri))
        (target / f"{number:07d}{path.suffix}").symlink_to(path)
    return target


def _files(root: Path) -> list[FileStat]:
    (scan,) = sources_of([root], Settings.from_environment().limits, threading.Event())
    return [found for found in scan if isinstance(found, FileStat)]


def _index(root: Path, files: list[FileStat], encoder: Encoder, settings: Settings, folder: Path) -> float:
    """Seconds of one run of the indexer into an empty catalog."""
    folder.mkdir()
    with Catalog.open(sqlite_url(folder / "catalog.db")) as catalog:
        report = index(catalog, encoder, [root], thumbnails=folder / "thumbnails", settings=settings, batch_size=BATCH)
    if report.done != len(files):
        raise StyleSearchError(f"The indexer dealt with {report.done} of {len(files)} pictures; were files changed?")
    return report.seconds


def _decode(
    files: list[FileStat], encoder: Encoder, settings: Settings, thumbnails: Path
) -> tuple[float, list[np.ndarray]]:
    """Seconds to read, hash, decode and shrink all files in worker processes, and the pixels of the first ones."""
    kept: list[np.ndarray] = []
    workers = DecodeWorkers(
        decode_file, encoder.preprocess, settings.limits, thumbnails, count=settings.workers, seconds=FILE_SECONDS
    )
    thumbnails.mkdir()
    start = time.perf_counter()
    with workers:
        under_way: deque[Pending] = deque()
        for file in [*files, *([None] * (BATCH + 4 * settings.workers))]:  # the window of the indexer
            if file is not None:
                under_way.append(workers.submit(file))
            if under_way and (file is None or len(under_way) > BATCH + 4 * settings.workers):
                result = under_way.popleft().result()
                if isinstance(result, Prepared) and len(kept) < KEPT:
                    kept.append(result.pixels)
        seconds = time.perf_counter() - start
    return seconds, kept


def _encode(encoder: Encoder, prepared: list[np.ndarray], count: int) -> float:
    """Seconds to encode `count` pictures that are in memory."""
    batches = [np.stack(prepared[at : at + BATCH]) for at in range(0, len(prepared), BATCH)]
    encoder.embed_pixels(batches[0])  # the first time takes longer
    done, start, turn = 0, time.perf_counter(), 0
    while done < count:
        batch = batches[turn % len(batches)][: count - done]
        encoder.embed_pixels(batch)
        done, turn = done + len(batch), turn + 1
    return time.perf_counter() - start


def _rates(count: int, seconds: float) -> dict[str, float]:
    return {"pictures": count, "pictures/s": count / seconds, "s": seconds}
