"""From what the sources find to what has to be decoded: plan, hash, and look up what is known of each content."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import islice

from indexer.ahead import run_ahead
from indexer.decode import Hashed, hash_file
from indexer.outbox import Outbox
from indexer.parts import files_of_parts
from indexer.pipeline import File, Pipeline
from indexer.plan import Plan
from indexer.planner import CHUNK, Planner, Wanted, found_in_chunks
from indexer.report import Report, Teller
from indexer.sources import Source
from indexer.stages import timed
from stylesearch.catalog import Catalog
from stylesearch.files import part_of
from stylesearch.records import FileStat, IndexedFile, KnownContent, Limits, Refusal
from stylesearch.settings import Settings

CHUNKS_AHEAD = 256  # how far the scan may run ahead: about 30 MB of names

_UNKNOWN = KnownContent(0, has_vector=False, described=False, parts=None)
_Hashing = Future[tuple[Hashed | Refusal, float]]


class Intake:
    """Finds the files that have to be read, hashes them, and hands those of unknown content on.

    Attributes:
        other_content: how many files of the size and time that are known have other content than before.
    """

    def __init__(
        self,
        catalog: Catalog,
        outbox: Outbox,
        sources: Mapping[int, Source],
        report: Report,
        stop: threading.Event,
        teller: Teller,
        wanted: Wanted,
    ) -> None:
        self._catalog = catalog
        self._outbox = outbox
        self._sources = sources
        self._report = report
        self._stop = stop
        self._teller = teller
        self._wanted = wanted
        self._planner = Planner(catalog, outbox.space_id, wanted)
        self.other_content = 0

    def fill(self, pipeline: Pipeline, settings: Settings) -> None:
        """Brings every file that was found to its end."""
        chunks = run_ahead(found_in_chunks(self._sources, self._report.stages["scan"]), CHUNKS_AHEAD)
        with closing(chunks), ThreadPoolExecutor(settings.workers, "hash") as threads:
            try:
                for files in self._hashed(self._plans(chunks), threads, settings.limits):
                    self._hand_on(files, pipeline)
                    self._hand_on_parts(pipeline)
                pipeline.finish()
                while pipeline.with_parts and not self._stop.is_set():
                    self._hand_on_parts(pipeline)
                    pipeline.finish()
            except BaseException:
                self._stop.set()  # or a source that waits for names to arrive would be waited for
                raise

    def _plans(self, chunks: Iterable[tuple[int, list[FileStat | Refusal]]]) -> Iterator[tuple[int, Plan]]:
        for scan_id, found in chunks:
            if self._stop.is_set():
                return
            parts = self._planner.parts
            with self._report.stages["plan"].at_work(len(found)):
                plans = self._planner.plans(found)
            self._report.parts += self._planner.parts - parts
            for todo in plans:
                self._outbox.add_unchanged(scan_id, todo.unchanged + todo.still_refused)
                self._report.unchanged += len(todo.unchanged)
                self._report.still_refused += len(todo.still_refused)
                for refusal in todo.refused:
                    self._refuse(scan_id, refusal)
                self._outbox.flush_if_full()
                self._teller.tell()
                yield scan_id, todo

    def _hashed(
        self, plans: Iterable[tuple[int, Plan]], threads: ThreadPoolExecutor, limits: Limits
    ) -> Iterator[list[File]]:
        """The readable files of each plan; while they are decoded, those of the next plan are hashed."""
        ahead: deque[tuple[int, Plan, list[_Hashing]]] = deque()
        for scan_id, todo in plans:
            ahead.append((scan_id, todo, [threads.submit(timed, hash_file, task.stat, limits) for task in todo.tasks]))
            if len(ahead) > 1:
                yield list(self._readable(*ahead.popleft()))
        while ahead:
            yield list(self._readable(*ahead.popleft()))

    def _readable(self, scan_id: int, todo: Plan, futures: Sequence[_Hashing]) -> Iterator[File]:
        for task, future in zip(todo.tasks, futures, strict=True):
            if self._stop.is_set():
                future.cancel()
                continue
            result, seconds = future.result()
            self._report.bytes += result.stat.size
            self._report.stages["hash"].add(seconds, 1, result.stat.size)
            if isinstance(result, Refusal):
                self._refuse(scan_id, result)
                continue
            yield File(
                scan_id,
                result.stat,
                task.cause,
                result.sha256,
                before=task.before,
                as_known=task.as_known,
                takes_parts=part_of(result.stat.uri) is None,
            )

    def _hand_on(self, files: Sequence[File], pipeline: Pipeline) -> None:
        """Files whose content has no vector yet go down the pipeline; the others get a location, and are done."""
        pipeline.written.clear()
        with self._report.stages["plan"].at_work():
            known = self._catalog.assets_by_hash([file.sha256 for file in files], self._outbox.space_id)
        for file in files:
            if self._stop.is_set():
                return
            content = known.get(file.sha256, _UNKNOWN)
            self._compare(file, content)
            file.has_vector, file.parts = content.has_vector, content.parts
            if self._is_complete(content) or file.sha256 in pipeline.written:
                # Format and size in pixels belong to the asset, which exists and is not written again.
                self._outbox.add_indexed(file.scan_id, IndexedFile(file.stat, file.sha256, "", 0, 0, None))
                self._report.count(file.cause, known_content=True)
                if file.takes_parts and (parts := pipeline.written.get(file.sha256, content.parts)):
                    pipeline.with_parts.append((file, parts))
            else:
                pipeline.admit(file)
        self._outbox.flush_if_full()
        self._teller.tell()

    def _hand_on_parts(self, pipeline: Pipeline) -> None:
        """The pages and key frames of files that have been dealt with."""
        while pipeline.with_parts and not self._stop.is_set():
            some = files_of_parts(*pipeline.with_parts.popleft())
            while files := list(islice(some, CHUNK)):
                self._report.parts += len(files)
                self._hand_on(files, pipeline)

    def _is_complete(self, content: KnownContent) -> bool:
        looked_into = content.parts is not None or self._wanted.pages == "first"
        return content.has_vector and content.described and looked_into and not self._wanted.reread_metadata

    def _compare(self, file: File, content: KnownContent) -> None:
        """Finds out whether a file that was read because it may have changed has changed."""
        if content.asset_id == file.before:
            if file.cause == "changed":
                file.cause = "same" if content.has_vector else "again"
            if file.as_known and content.parts is not None:
                file.takes_parts = False  # they are planned by themselves
        elif file.as_known and file.cause == "changed":
            self.other_content += 1

    def _refuse(self, scan_id: int, refusal: Refusal) -> None:
        self._outbox.add_refused(scan_id, refusal)
        self._report.refused += 1
