"""From what the sources find to what has to be decoded: plan, hash, and look up what is known of each content."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from indexer.ahead import run_ahead
from indexer.decode import Hashed, hash_file, part_of
from indexer.outbox import Outbox
from indexer.parts import files_of_parts, parts_to_plan
from indexer.pipeline import File, Pipeline
from indexer.plan import Plan, plan
from indexer.report import Report, Teller
from indexer.sources import Source
from indexer.stages import Stage, timed
from stylesearch.catalog import Catalog
from stylesearch.records import FileStat, IndexedFile, KnownContent, Limits, Refusal
from stylesearch.settings import Settings

CHUNK = 256  # files that are looked up in the catalog, and hashed, together
CHUNKS_AHEAD = 256  # how far the scan may run ahead: about 30 MB of names

Pages = Literal["first", "all"]

_UNKNOWN = KnownContent(0, has_vector=False, described=False, parts=None)
_Hashing = Future[tuple[Hashed | Refusal, float]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which files are read again, and what of them; see `indexer.run.index`."""

    retry_failed: bool = False
    reread_metadata: bool = False
    rehash: bool = False
    pages: Pages = "first"


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
        self._knows_parts = wanted.pages == "all" or catalog.has_parts()
        self.other_content = 0

    def fill(self, pipeline: Pipeline, settings: Settings) -> None:
        """Brings every file that was found to its end."""
        chunks = run_ahead(_chunks(self._sources, self._report.stages["scan"]), CHUNKS_AHEAD)
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
            with self._report.stages["plan"].at_work(len(found)):
                plans = [self._plan(found)]
                if self._knows_parts:
                    look = self._wanted.pages == "all"
                    parts = parts_to_plan(self._catalog, found, plans[0], look=look)
                    self._report.parts += len(parts)
                    plans += [self._plan(parts[start : start + CHUNK]) for start in range(0, len(parts), CHUNK)]
            for todo in plans:
                self._outbox.add_unchanged(scan_id, todo.unchanged + todo.still_refused)
                self._report.unchanged += len(todo.unchanged)
                self._report.still_refused += len(todo.still_refused)
                for refusal in todo.refused:
                    self._refuse(scan_id, refusal)
                self._outbox.flush_if_full()
                self._teller.tell()
                yield scan_id, todo

    def _plan(self, found: Sequence[FileStat | Refusal]) -> Plan:
        uris = [item.stat.uri if isinstance(item, Refusal) else item.uri for item in found]
        return plan(
            found,
            self._catalog.known(uris, self._outbox.space_id),
            retry_failed=self._wanted.retry_failed,
            reread_metadata=self._wanted.reread_metadata,
            rehash=self._wanted.rehash,
        )

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


def _chunks(sources: Mapping[int, Source], stage: Stage) -> Generator[tuple[int, list[FileStat | Refusal]], None, None]:
    for scan_id, source in sources.items():
        found = iter(source)
        while True:
            with stage.at_work():
                chunk = list(islice(found, CHUNK))
            if not chunk:
                break
            stage.count += len(chunk)
            yield scan_id, chunk
