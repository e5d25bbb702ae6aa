"""From files with unknown content to rows: decode in processes, encode in batches, write; several batches overlap."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Self

from indexer.batches import BatchEncoder, Encoded
from indexer.decode import Prepared
from indexer.outbox import Outbox
from indexer.plan import Cause
from indexer.report import Report
from indexer.stages import timed
from indexer.workers import DecodeWorkers, Pending
from stylesearch.errors import EncoderError
from stylesearch.records import FileStat, IndexedFile, Refusal

_BATCHES_ENCODING = 2  # one in the encoder, one ready for it


@dataclass(eq=False, slots=True)
class File:
    """A file on its way.

    Attributes:
        scan_id: the scan that found it.
        stat: the file when it was hashed.
        cause: why it is read.
        sha256: its content, when it was hashed.
        before: the asset that it was when it was last read.
        as_known: its size and time are those that are known.
        has_vector: the catalog has its vector: it is decoded for what describes it, and not encoded.
        parts: further pages or key frames that its content is known to have; None: unknown.
        takes_parts: they are found through this file, and not planned by themselves.
        twins: files with the same content, which wait for what becomes of this one.
    """

    scan_id: int
    stat: FileStat
    cause: Cause
    sha256: str
    before: int | None = None
    as_known: bool = False
    has_vector: bool = False
    parts: tuple[str, ...] | None = ()
    takes_parts: bool = False
    twins: list[File] = field(default_factory=list)


_Batch = list[tuple[File, Prepared]]
_Encoding = Future[tuple[list[Encoded], float]]


class Pipeline:
    """Takes files one by one and writes them in batches. Call it from one thread, and use it in a `with` statement.

    Attributes:
        written: contents written since it was last cleared, and their parts.
        with_parts: files that have been dealt with, and their parts, which are to be admitted next.
    """

    def __init__(
        self,
        workers: DecodeWorkers,
        encoder: BatchEncoder,
        outbox: Outbox,
        report: Report,
        stop: threading.Event,
        on_written: Callable[[], None],
    ) -> None:
        self._workers = workers
        self._encoder = encoder
        self._outbox = outbox
        self._report = report
        self._stop = stop
        self._on_written = on_written
        self._batch_size = encoder.limit
        # Enough to keep the workers busy while this thread waits for the catalog or the encoder.
        self._window = self._batch_size + 4 * workers.count
        self._under_way: dict[str, File] = {}  # by sha256
        self._decoding: deque[tuple[File, Pending]] = deque()
        self._batch: _Batch = []
        self._encoding: deque[tuple[_Batch, _Encoding]] = deque()
        self._encode_thread = ThreadPoolExecutor(1, "encode")
        self.written: dict[str, tuple[str, ...]] = {}
        self.with_parts: deque[tuple[File, tuple[str, ...]]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._encode_thread.shutdown()

    def admit(self, file: File) -> None:
        """Takes a file; returns once there is room for the next one."""
        first = self._under_way.setdefault(file.sha256, file)
        if first is not file:
            first.twins.append(file)
            return
        self._decoding.append((file, self._workers.submit(file.stat)))
        while len(self._decoding) > self._window or (self._decoding and self._decoding[0][1].wait(0)):
            if not self._take_decoded():
                return

    def finish(self) -> None:
        """Writes what was admitted; after a stop, only what has been decoded by then."""
        while True:
            # Also after the first batch: a file that changed while it was read leaves its twins to be decoded.
            while self._decoding and self._take_decoded():
                pass
            self._send_batch()
            if not self._encoding:
                return
            self._store(*self._encoding.popleft())

    def _take_decoded(self) -> bool:
        """Waits for the oldest file in the workers; False: stopped before it was there, and given up."""
        file, pending = self._decoding[0]
        while not pending.wait(0.2):
            if self._stop.is_set():
                self._decoding.clear()
                return False
        self._decoding.popleft()
        result = pending.result()
        self._report.stages["decode"].add(pending.seconds, 1, max(0, result.stat.size))
        if isinstance(result, Refusal) and result.reason in ("crashed", "timeout"):
            result = replace(result, sha256=file.sha256)  # the worker could not say
        if result.sha256 != file.sha256:
            self._release_twins(file)  # it has changed, or gone, since it was hashed
        if isinstance(result, Refusal):
            self._refuse(file, result)
        elif file.has_vector and result.sha256 == file.sha256:
            self._keep(file, result)
            self._outbox.flush_if_full()
        else:
            self._batch.append((file, result))
            if len(self._batch) >= self._batch_size:
                self._send_batch()
        return True

    def _release_twins(self, file: File) -> None:
        if file.twins:
            first, *first.twins = file.twins
            file.twins = []
            self._under_way[first.sha256] = first
            self._decoding.append((first, self._workers.submit(first.stat)))

    def _refuse(self, file: File, refusal: Refusal) -> None:
        self._outbox.add_refused(file.scan_id, refusal)
        for twin in file.twins:
            self._outbox.add_refused(twin.scan_id, replace(refusal, stat=twin.stat))
        self._report.refused += 1 + len(file.twins)
        self._forget(file)

    def _forget(self, file: File) -> None:
        if self._under_way.get(file.sha256) is file:
            del self._under_way[file.sha256]

    def _send_batch(self) -> None:
        if not self._batch:
            return
        pictures = [prepared for _, prepared in self._batch]
        self._encoding.append((self._batch, self._encode_thread.submit(timed, self._encoder.encode_pictures, pictures)))
        self._batch = []
        while len(self._encoding) > _BATCHES_ENCODING:
            self._store(*self._encoding.popleft())

    def _store(self, batch: _Batch, encoding: _Encoding) -> None:
        answers, seconds = encoding.result()
        self._report.stages["encode"].add(seconds, len(batch), sum(prepared.stat.size for _, prepared in batch))
        for (file, prepared), encoded in zip(batch, answers, strict=True):
            self._keep(file, prepared, encoded)
            self._report.masked += encoded.is_new
            if not isinstance(encoded.vector, EncoderError):
                self._report.encoded += 1
                self._report.without_subject += encoded.mask is not None and not encoded.mask.usable
        self._outbox.flush()
        self._on_written()

    def _keep(self, file: File, prepared: Prepared, encoded: Encoded | None = None) -> None:
        """Hands a good file, and those of the same content, to the outbox; one that the encoder has refused is in the
        library all the same, without a vector."""
        vector, refusal = None if encoded is None else encoded.vector, None
        if isinstance(vector, EncoderError):
            refusal = Refusal(prepared.stat, "unsupported", str(vector), prepared.sha256)
            vector = None
        good = IndexedFile(
            prepared.stat,
            prepared.sha256,
            prepared.format,
            prepared.width,
            prepared.height,
            vector,
            prepared.metadata,
            prepared.appearance,
            prepared.parts,
            encoded.mask if encoded is not None and encoded.is_new else None,
        )
        for one in (file, *file.twins):
            first = one is file
            stat = prepared.stat if first else one.stat
            self._outbox.add_indexed(one.scan_id, good if first else replace(good, stat=stat, vector=None, mask=None))
            if refusal is None:
                self._report.count(one.cause, known_content=vector is None or not first)
            else:
                self._outbox.add_refused(one.scan_id, replace(refusal, stat=stat))
                self._report.refused += 1
        parts = prepared.parts if prepared.parts is not None else file.parts or ()
        if parts:
            self.with_parts += [(one, parts) for one in (file, *file.twins) if one.takes_parts]
        self.written[file.sha256] = parts
        self._forget(file)
