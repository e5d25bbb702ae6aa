"""`index`: brings a catalog up to what lies in some folders.

    sources (thread, ahead) -> plan -> hash (threads) -> decode (processes) -> encode (thread) -> write (this thread)

Every stage holds a bounded number of files, so that memory does not grow with the library. One transaction writes a
batch whole: a process that is killed at any instant has lost that batch at most, and the next run does it again.
"""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from pathlib import Path

from indexer.ahead import run_ahead
from indexer.batches import BatchEncoder
from indexer.decode import Hashed, decode_file, hash_file
from indexer.outbox import Outbox
from indexer.pipeline import File, Pipeline
from indexer.plan import Plan, plan
from indexer.report import Progress, Report
from indexer.sources import CACHE_SIGNATURE, CACHE_TAG, Rules, Source, sources_of
from indexer.workers import DecodeWorkers
from stylesearch import spool
from stylesearch.catalog import Catalog
from stylesearch.encoders.base import Encoder
from stylesearch.errors import LibraryError
from stylesearch.records import FileStat, IndexedFile, KnownContent, Limits, Refusal, path_of_uri, printable
from stylesearch.settings import Settings
from stylesearch.thumbnails import SHELVES, trim_thumbnails

CHUNK = 256  # files that are looked up in the catalog, and hashed, together
CHUNKS_AHEAD = 256  # how far the scan may run ahead: about 30 MB of names
FILE_SECONDS = 60.0  # what decoding one file may take; the largest allowed picture takes about 10
TELL_SECONDS = 0.1  # between two calls of `progress`


def index(
    catalog: Catalog,
    encoder: Encoder,
    roots: Sequence[str | os.PathLike[str]],
    *,
    thumbnails: Path,
    settings: Settings,
    rules: Rules | None = None,
    sources: Sequence[Source] = (),
    batch_size: int = 32,
    retry_failed: bool = False,
    reread_metadata: bool = False,
    file_seconds: float = FILE_SECONDS,
    progress: Callable[[Progress], None] | None = None,
    stop: threading.Event | None = None,
) -> Report:
    """Indexes every picture at or below the roots that is not indexed yet, and marks as gone those that went.

    Args:
        catalog: is written to.
        encoder: fills its own space of the catalog.
        roots: folders, files, archives, and remote places (`s3://...`, a IIIF manifest), by path or uri.
        thumbnails: folder for them; named by content. Marked as a cache, which a scan of a folder above it leaves out.
        settings: worker processes and size caps.
        rules: what is looked at below the roots.
        sources: further ones, beside those of the roots.
        batch_size: pictures that are encoded together; halved where memory is short.
        retry_failed: try refused files again even if they have not changed.
        reread_metadata: read the metadata of files that have not changed again, which sees sidecars that have; nothing
            is encoded for it. Files that an older version indexed are read in any case.
        file_seconds: how long decoding one file may take.
        progress: called from this thread, about ten times a second at most.
        stop: once it is set, the batch in flight is finished and written, nothing is marked as gone, and the report
            says `interrupted`; see `indexer.interrupt`.

    Raises:
        UsageError: a root does not exist, or cannot be listed; nothing was changed.
        MissingDependencyError: a root needs a package.
        EncoderError: the encoder is broken, or has no memory for a single picture.
        CatalogError: the catalog refused. What was written before stays.
        LibraryError: a thumbnail cannot be written.
    """
    stop = stop or threading.Event()
    sources = [*sources_of(roots, settings.limits, stop, rules), *sources]
    _mark_as_cache(thumbnails)
    report = Report()
    outbox = Outbox(catalog, catalog.ensure_space(encoder.space()))
    run = _Run(catalog, outbox, {catalog.begin_scan(source.root): source for source in sources}, report, stop, progress)
    workers = DecodeWorkers(
        decode_file,
        encoder.preprocess,
        settings.limits,
        thumbnails.absolute(),
        count=settings.workers,
        seconds=file_seconds,
    )
    batches = BatchEncoder(encoder, batch_size)
    shelves = itertools.cycle(range(SHELVES))

    def written() -> None:
        trim_thumbnails(thumbnails, next(shelves), settings.thumbnail_bytes)
        run.tell()

    try:
        with workers, Pipeline(workers, batches, outbox, report, stop, written) as pipeline:
            run.fill(pipeline, settings, retry_failed=retry_failed, reread_metadata=reread_metadata)
        run.finish()
    finally:
        spool.clear()
    return report


class _Run:
    """One run: finds the files that have to be read, hashes them, and hands those of unknown content on."""

    def __init__(
        self,
        catalog: Catalog,
        outbox: Outbox,
        sources: dict[int, Source],
        report: Report,
        stop: threading.Event,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self._catalog = catalog
        self._outbox = outbox
        self._sources = sources
        self._report = report
        self._stop = stop
        self._progress = progress
        self._started = time.monotonic()
        self._told = 0.0
        self._reread_metadata = False

    def fill(self, pipeline: Pipeline, settings: Settings, *, retry_failed: bool, reread_metadata: bool) -> None:
        """Brings every file that was found to its end."""
        self._reread_metadata = reread_metadata
        chunks = run_ahead(_chunks(self._sources), CHUNKS_AHEAD)
        with closing(chunks), ThreadPoolExecutor(settings.workers, "hash") as threads:
            try:
                for files in self._hashed(self._plans(chunks, retry_failed), threads, settings.limits):
                    self._hand_on(files, pipeline)
                pipeline.finish()
            except BaseException:
                self._stop.set()  # or a source that waits for names to arrive would be waited for
                raise
        self._outbox.flush()

    def finish(self) -> None:
        """Marks what went, unless the run was stopped, and completes the report."""
        self._report.interrupted = self._stop.is_set()
        self._report.others = sum(source.others for source in self._sources.values())
        self._report.linked_folders = sum(source.linked_folders for source in self._sources.values())
        if not self._report.interrupted:
            for scan_id, source in self._sources.items():
                self._finish_scan(scan_id, source)
        self._report.seconds = time.monotonic() - self._started
        self.tell(now=True)

    def tell(self, *, now: bool = False) -> None:
        """Calls `progress`, where it was not called just before."""
        seconds = time.monotonic() - self._started
        if self._progress is None or (seconds - self._told < TELL_SECONDS and not now):
            return
        self._told = seconds
        sources, report = self._sources.values(), self._report
        self._progress(
            Progress(
                found=sum(source.files + source.refused for source in sources),
                scan_finished=all(source.finished for source in sources),
                done=report.done,
                encoded=report.encoded,
                refused=report.refused,
                seconds=seconds,
            )
        )

    def _plans(
        self, chunks: Iterable[tuple[int, list[FileStat | Refusal]]], retry_failed: bool
    ) -> Iterator[tuple[int, Plan]]:
        for scan_id, found in chunks:
            if self._stop.is_set():
                return
            uris = [item.stat.uri if isinstance(item, Refusal) else item.uri for item in found]
            known = self._catalog.known(uris, self._outbox.space_id)
            todo = plan(found, known, retry_failed=retry_failed, reread_metadata=self._reread_metadata)
            self._outbox.add_unchanged(scan_id, todo.unchanged + todo.still_refused)
            self._report.unchanged += len(todo.unchanged)
            self._report.still_refused += len(todo.still_refused)
            for refusal in todo.refused:
                self._refuse(scan_id, refusal)
            self._outbox.flush_if_full()
            self.tell()
            yield scan_id, todo

    def _hashed(
        self, plans: Iterable[tuple[int, Plan]], threads: ThreadPoolExecutor, limits: Limits
    ) -> Iterator[list[File]]:
        """The readable files of each plan; while they are decoded, those of the next plan are hashed."""
        ahead: deque[tuple[int, Plan, list[Future[Hashed | Refusal]]]] = deque()
        for scan_id, todo in plans:
            ahead.append((scan_id, todo, [threads.submit(hash_file, task.stat, limits) for task in todo.tasks]))
            if len(ahead) > 1:
                yield list(self._readable(*ahead.popleft()))
        while ahead:
            yield list(self._readable(*ahead.popleft()))

    def _readable(self, scan_id: int, todo: Plan, futures: Sequence[Future[Hashed | Refusal]]) -> Iterator[File]:
        for task, future in zip(todo.tasks, futures, strict=True):
            if self._stop.is_set():
                future.cancel()
                continue
            result = future.result()
            self._report.bytes += result.stat.size
            if isinstance(result, Refusal):
                self._refuse(scan_id, result)
            else:
                yield File(scan_id, result.stat, task.cause, result.sha256)

    def _hand_on(self, files: Sequence[File], pipeline: Pipeline) -> None:
        """Files whose content has no vector yet go down the pipeline; the others get a location, and are done."""
        pipeline.written.clear()
        known = self._catalog.assets_by_hash([file.sha256 for file in files], self._outbox.space_id)
        for file in files:
            if self._stop.is_set():
                return
            content = known.get(file.sha256, KnownContent(0, has_vector=False, described=False))
            file.has_vector = content.has_vector
            complete = content.has_vector and content.described and not self._reread_metadata
            if complete or file.sha256 in pipeline.written:
                # Format and size in pixels belong to the asset, which exists and is not written again.
                self._outbox.add_indexed(file.scan_id, IndexedFile(file.stat, file.sha256, "", 0, 0, None))
                self._report.count(file.cause, known_content=True)
            else:
                pipeline.admit(file)
        self._outbox.flush_if_full()
        self.tell()

    def _refuse(self, scan_id: int, refusal: Refusal) -> None:
        self._outbox.add_refused(scan_id, refusal)
        self._report.refused += 1

    def _finish_scan(self, scan_id: int, source: Source) -> None:
        spared = list(source.unreadable)
        if not source.files and self._catalog.has_any(source.root):
            # What a disk that is not mounted looks like.
            spared.append(source.root)
            self._report.warnings += (
                f"No picture was found under '{printable(path_of_uri(source.root))}', where the library knows some. "
                "They were not marked as gone: is the disk mounted? If they are gone for good: stylesearch forget PATH",
            )
        if source.nested:
            self._report.warnings += (
                f"{source.nested:,} archives inside archives were left out. Unpack the outer ones to index them.",
            )
        for uris in self._catalog.unseen(scan_id):
            # What the rules leave out is left as it is: nothing is known about it.
            self._outbox.add_unchanged(scan_id, [uri for uri in uris if not source.covers(uri)])
            self._outbox.flush()
        self._report.gone += self._catalog.finish_scan(scan_id, spared)


def _chunks(sources: dict[int, Source]) -> Generator[tuple[int, list[FileStat | Refusal]], None, None]:
    for scan_id, source in sources.items():
        found = iter(source)
        while chunk := list(islice(found, CHUNK)):
            yield scan_id, chunk


def _mark_as_cache(folder: Path) -> None:
    tag = folder / CACHE_TAG
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not tag.exists():
            tag.write_bytes(
                CACHE_SIGNATURE + b"\n# Thumbnails, which StyleSearch makes from the pictures of a library.\n"
            )
    except OSError as exc:
        raise LibraryError(f"The folder of thumbnails '{folder}' cannot be written ({exc.strerror}).") from exc
