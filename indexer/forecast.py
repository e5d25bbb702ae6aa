"""What a run of the indexer would do and take: everything is looked at, a sample is measured, nothing is
written."""

from __future__ import annotations

import os
import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from indexer.absence import away
from indexer.plan import Task
from indexer.planner import Planner, Wanted, found_in_chunks
from indexer.report import Progress, Report
from indexer.run import index
from indexer.sources import Rules, Source, sources_of
from indexer.stages import Stage
from stylesearch.catalog import Catalog, sqlite_url
from stylesearch.encoders.base import Encoder
from stylesearch.files import uri_of
from stylesearch.records import FileStat, Limits, Refusal
from stylesearch.settings import Settings

SAMPLE = 64  # files that are measured: two batches
_NO_SPACE = 0  # the id of no space: in a new one, nothing has a vector


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a run would do. Counts are files.

    Attributes:
        new: paths that the library does not know; `moved_share` of them have content that it knows.
        changed: known paths with another size or time, and with `rehash` all others.
        again: known files that lack a vector in this space, metadata, or a list of their pages.
        retried: files that were refused and would be tried again.
        unchanged: files that would not be read.
        refused: what the scan itself finds to be no usable file.
        still_refused: files that were refused before and would not be read.
        others: no pictures.
        away: uris of roots that are away, whose pictures would be marked as missing.
        bytes: size of the files to read, as far as it is known.
        sampled: how many files were measured.
        refused_share, moved_share: of the measured files, 0 to 1.
        seconds: that the run would take, at least and at most: where the stages work side by side all the time, and
            where each waits for the others.
        disk_bytes: that catalog, thumbnails and vector index would grow by.
        interrupted: the walk was stopped before its end; there is more.
    """

    new: int
    changed: int
    again: int
    retried: int
    unchanged: int
    refused: int
    still_refused: int
    others: int
    away: tuple[str, ...]
    bytes: int
    sampled: int
    refused_share: float
    moved_share: float
    seconds: tuple[float, float]
    disk_bytes: int
    interrupted: bool

    @property
    def to_read(self) -> int:
        """Files that would be opened."""
        return self.new + self.changed + self.again + self.retried


def forecast(
    catalog: Catalog,
    encoder: Encoder,
    roots: Sequence[str | os.PathLike[str]],
    *,
    settings: Settings,
    rules: Rules | None = None,
    sources: Sequence[Source] = (),
    wanted: Wanted | None = None,
    batch_size: int = 32,
    progress: Callable[[Progress], None] | None = None,
    stop: threading.Event | None = None,
) -> Forecast:
    """Walks over everything, and indexes a random sample of what is to be read into a library that is thrown away.

    Args:
        catalog: is only read.
        encoder, roots, settings, rules, sources, batch_size, stop: as for `index`.
        wanted: which files would be read again.
        progress: called now and then while the sources are walked.

    Raises:
        What `index` raises.
    """
    wanted, stop = wanted or Wanted(), stop or threading.Event()
    absent = away(catalog, roots)
    there = [root for root in roots if uri_of(root) not in absent]
    walked = [*sources_of(there, settings.limits, stop, rules), *sources]
    start = time.monotonic()
    look = _Look(Planner(catalog, catalog.space_id(encoder.space()) or _NO_SPACE, wanted))
    for _, found in found_in_chunks(dict(enumerate(walked)), Stage()):
        look.add(found)
        if progress:
            progress(_progress(walked, look.done, time.monotonic() - start))
    interrupted = stop.is_set()
    scan_seconds = time.monotonic() - start
    with tempfile.TemporaryDirectory() as folder:
        measured = _measure(Path(folder), catalog, encoder, look.sample, settings, wanted, batch_size)
    counts, files = look.counts, look.to_read
    disk = round(measured.disk_per_file * files)
    return Forecast(
        new=counts["new"],
        changed=counts["changed"],
        again=counts["again"] + counts["undescribed"],
        retried=counts["retried"],
        unchanged=counts["unchanged"],
        refused=counts["refused"],
        still_refused=counts["still_refused"],
        others=sum(source.others for source in walked),
        away=tuple(absent),
        bytes=look.bytes,
        sampled=len(look.sample),
        refused_share=measured.refused_share,
        moved_share=measured.moved_share,
        seconds=(scan_seconds + measured.least * files, scan_seconds + measured.most * files),
        disk_bytes=disk,
        interrupted=interrupted,
    )


class _Look:
    """What was found: counts, and a random sample of what is to be read, each file as likely as any other."""

    def __init__(self, planner: Planner) -> None:
        self._planner = planner
        self._rng = random.Random(0)  # the same tree gives the same sample
        self.counts: Counter[str] = Counter()
        self.sample: list[FileStat] = []
        self.to_read = 0
        self.done = 0
        self.bytes = 0

    def add(self, found: Sequence[FileStat | Refusal]) -> None:
        self.done += len(found)
        for todo in self._planner.plans(found):
            self.counts["unchanged"] += len(todo.unchanged)
            self.counts["still_refused"] += len(todo.still_refused)
            self.counts["refused"] += len(todo.refused)
            for task in todo.tasks:
                self._add_task(task)

    def _add_task(self, task: Task) -> None:
        self.counts[task.cause] += 1
        self.bytes += max(0, task.stat.size)
        self.to_read += 1
        if len(self.sample) < SAMPLE:
            self.sample.append(task.stat)
        elif (place := self._rng.randrange(self.to_read)) < SAMPLE:
            self.sample[place] = task.stat


@dataclass(frozen=True, slots=True)
class _Measured:
    """Of the sample, for each of its files: seconds, at least and at most, and bytes on disk."""

    least: float = 0.0
    most: float = 0.0
    disk_per_file: float = 0.0
    refused_share: float = 0.0
    moved_share: float = 0.0


def _measure(
    folder: Path,
    catalog: Catalog,
    encoder: Encoder,
    sample: Sequence[FileStat],
    settings: Settings,
    wanted: Wanted,
    batch_size: int,
) -> _Measured:
    if not sample:
        return _Measured()
    url, thumbnails = sqlite_url(folder / "catalog.db"), folder / "thumbnails"
    Catalog.open(url).close()
    empty = _size(folder)
    with Catalog.open(url) as other:
        report = index(
            other,
            encoder,
            [],
            sources=[_Sample(sample, settings.limits)],
            thumbnails=thumbnails,
            settings=settings,
            batch_size=batch_size,
            pages=wanted.pages,
        )
        contents = [asset.sha256 for asset in other.list_assets(limit=100_000)]
    known = catalog.assets_by_hash(contents, catalog.space_id(encoder.space()) or _NO_SPACE)
    moved = sum(content.has_vector and content.described for content in known.values()) / max(1, len(contents))
    # What is known is hashed and no more.
    fresh, spent = 1 - moved, _seconds(report)
    seconds = {name: spent[name] * (1 if name in ("hash", "write") else fresh) for name in spent}
    index_bytes = 4 * encoder.dim * len(contents)
    return _Measured(
        least=max(seconds.values()) / len(sample),
        most=sum(seconds.values()) / len(sample),
        disk_per_file=fresh * (_size(folder) - empty + index_bytes) / len(sample),
        refused_share=report.refused / max(1, report.done),
        moved_share=moved,
    )


def _seconds(report: Report) -> dict[str, float]:
    stages = {name: report.stages[name] for name in ("hash", "decode", "encode", "write")}
    return {name: stage.seconds / stage.lanes for name, stage in stages.items()}


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _progress(sources: Sequence[Source], done: int, seconds: float) -> Progress:
    found = sum(source.files + source.refused for source in sources)
    return Progress(found, all(source.finished for source in sources), done, 0, 0, seconds)


class _Sample(Source):
    """Files that another source has found."""

    def __init__(self, files: Sequence[FileStat], limits: Limits) -> None:
        super().__init__("list:", Rules(), limits, threading.Event())
        self._files = files

    def _found(self) -> Iterator[FileStat | Refusal]:
        yield from self._files
