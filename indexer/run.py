"""`index`: brings a catalog up to what lies in some folders.

    scan (thread, ahead) -> plan -> hash (threads) -> decode (processes) -> encode (thread) -> write (this thread)

Every stage holds a bounded number of files, so that memory does not grow with the library. One transaction writes a
batch whole: a process that is killed at any instant has lost that batch at most, and the next run does it again.
"""

from __future__ import annotations

import glob
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
from indexer.scan import CACHE_SIGNATURE, CACHE_TAG, Scan, scans_of
from indexer.workers import DecodeWorkers
from stylesearch.catalog import Catalog
from stylesearch.encoders.base import Encoder
from stylesearch.errors import LibraryError
from stylesearch.records import FileStat, IndexedFile, Limits, Refusal, path_of_uri, printable
from stylesearch.settings import Settings

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
    batch_size: int = 32,
    retry_failed: bool = False,
    file_seconds: float = FILE_SECONDS,
    progress: Callable[[Progress], None] | None = None,
    stop: threading.Event | None = None,
) -> Report:
    """Indexes every picture at or below the roots that is not indexed yet, and marks as gone those that went.

    Args:
        catalog: is written to.
        encoder: fills its own space of the catalog.
        roots: folders and files.
        thumbnails: folder for them; named by content. Marked as a cache, which a scan of a folder above it leaves out.
        settings: worker processes and size caps.
        batch_size: pictures that are encoded together; halved where memory is short.
        retry_failed: try refused files again even if they have not changed.
        file_seconds: how long decoding one file may take.
        progress: called from this thread, about ten times a second at most.
        stop: once it is set, the batch in flight is finished and written, nothing is marked as gone, and the report
            says `interrupted`; see `indexer.interrupt`.

    Raises:
        UsageError: a root does not exist; nothing was changed.
        EncoderError: the encoder is broken, or has no memory for a single picture.
        CatalogError: the catalog refused. What was written before stays.
        LibraryError: a thumbnail cannot be written.
    """
    stop = stop or threading.Event()
    scans = scans_of(roots, settings.limits, stop)
    _mark_as_cache(thumbnails)
    report = Report()
    outbox = Outbox(catalog, catalog.ensure_space(encoder.space()))
    run = _Run(catalog, outbox, {catalog.begin_scan(scan.root): scan for scan in scans}, report, stop, progress)
    workers = DecodeWorkers(
        decode_file,
        encoder.preprocess,
        settings.limits,
        thumbnails.absolute(),
        count=settings.workers,
        seconds=file_seconds,
    )
    batches = BatchEncoder(encoder, batch_size)
    with workers, Pipeline(workers, batches, outbox, report, stop, run.tell) as pipeline:
        run.fill(pipeline, settings, retry_failed=retry_failed)
    run.finish()
    return report


class _Run:
    """One run: finds the files that have to be read, hashes them, and hands those of unknown content on."""

    def __init__(
        self,
        catalog: Catalog,
        outbox: Outbox,
        scans: dict[int, Scan],
        report: Report,
        stop: threading.Event,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self._catalog = catalog
        self._outbox = outbox
        self._scans = scans
        self._report = report
        self._stop = stop
        self._progress = progress
        self._started = time.monotonic()
        self._told = 0.0

    def fill(self, pipeline: Pipeline, settings: Settings, *, retry_failed: bool) -> None:
        """Brings every file that was found to its end."""
        chunks = run_ahead(_chunks(self._scans), CHUNKS_AHEAD)
        with closing(chunks), ThreadPoolExecutor(settings.workers, "hash") as threads:
            for files in self._hashed(self._plans(chunks, retry_failed), threads, settings.limits):
                self._hand_on(files, pipeline)
            pipeline.finish()
        self._outbox.flush()

    def finish(self) -> None:
        """Marks what went, unless the run was stopped, and completes the report."""
        self._report.interrupted = self._stop.is_set()
        self._report.others = sum(scan.others for scan in self._scans.values())
        self._report.linked_folders = sum(scan.linked_folders for scan in self._scans.values())
        if not self._report.interrupted:
            for scan_id, scan in self._scans.items():
                self._finish_scan(scan_id, scan)
        self._report.seconds = time.monotonic() - self._started
        self.tell(now=True)

    def tell(self, *, now: bool = False) -> None:
        """Calls `progress`, where it was not called just before."""
        seconds = time.monotonic() - self._started
        if self._progress is None or (seconds - self._told < TELL_SECONDS and not now):
            return
        self._told = seconds
        scans, report = self._scans.values(), self._report
        self._progress(
            Progress(
                found=sum(scan.files + scan.refused for scan in scans),
                scan_finished=all(scan.finished for scan in scans),
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
            todo = plan(found, self._catalog.known(uris, self._outbox.space_id), retry_failed=retry_failed)
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
            _, has_vector = known.get(file.sha256, (None, False))
            if has_vector or file.sha256 in pipeline.written:
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

    def _finish_scan(self, scan_id: int, scan: Scan) -> None:
        spared = list(scan.unreadable)
        if not scan.files and self._had_pictures(scan.root):
            # What a disk that is not mounted looks like.
            spared.append(scan.root)
            self._report.warnings += (
                f"No picture was found under '{printable(scan.paths[0])}', where the library knows some. They were not "
                "marked as gone: is the disk mounted? If they are gone for good: stylesearch forget PATH",
            )
        self._report.gone += self._catalog.finish_scan(scan_id, spared)

    def _had_pictures(self, root: str) -> bool:
        below = glob.escape(path_of_uri(root).rstrip("/")) + "/**"
        return bool(self._catalog.list_assets(limit=1, paths=[below]))


def _chunks(scans: dict[int, Scan]) -> Generator[tuple[int, list[FileStat | Refusal]], None, None]:
    for scan_id, scan in scans.items():
        found = iter(scan)
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
