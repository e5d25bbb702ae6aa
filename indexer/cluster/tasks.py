"""What runs on the machines of a cluster: functions from table to table. Ray is not imported here.

A row is one pickled value of our own making, which does not leave the cluster. Nothing here relies on the order of
rows, nor on a row passing once: what a machine had in hand when it went away is done again elsewhere.
"""

from __future__ import annotations

import pickle
import platform
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from indexer.batches import BatchEncoder, Pieces
from indexer.decode import decode_file, decode_file_with_parts
from indexer.intake import Intake
from indexer.outbox import Outbox
from indexer.pipeline import Pipeline
from indexer.planner import Wanted
from indexer.report import Report, Teller
from indexer.sources import Rules, Source, sources_of
from indexer.stages import Stage, timed
from indexer.workers import DecodeWorkers
from stylesearch import spool
from stylesearch.catalog import Catalog
from stylesearch.encoders import load_encoder
from stylesearch.encoders.base import Encoder
from stylesearch.errors import EncoderError, SpaceMismatchError, StyleSearchError, UsageError
from stylesearch.images import Preprocess
from stylesearch.records import Batch, FileStat, IndexedFile, Limits, Refusal, Space
from stylesearch.settings import Settings
from stylesearch.uris import printable

_COLUMN = "value"


@dataclass(frozen=True)
class Job:
    """What every task of a run has to know.

    Attributes:
        catalog: its URL, which must mean the same on every machine.
        space, space_id: what the encoder must make, and where it is written.
        preprocess: of the encoder.
        thumbnails: folder for them.
        settings: of the machine that started the run.
        roots: places that every machine must be able to read.
        samples: groups of paths; every machine must see at least one of each.
        wanted, file_seconds: see `indexer.run.index`.
    """

    catalog: str
    space: Space
    space_id: int
    preprocess: Preprocess
    thumbnails: Path
    settings: Settings
    roots: tuple[str, ...]
    samples: tuple[tuple[str, ...], ...]
    wanted: Wanted
    file_seconds: float

    def check(self) -> None:
        """Looks from this machine at what the run needs.

        Raises:
            UsageError: something cannot be seen from here.
            CatalogError: the catalog cannot be reached from here.
            MissingDependencyError: a package is needed here.
        """
        self.look()
        sources_of(self.roots, self.settings.limits, threading.Event())
        Catalog.open(self.catalog).close()

    def look(self) -> None:
        """Raises UsageError where a mount is not there, so that every file on it would count as missing."""
        for group in self.samples:
            if not any(Path(sample).exists() for sample in group):
                raise UsageError(f"There is nothing at '{printable(group[0])}' on {platform.node()}. Is it mounted?")


class Found(NamedTuple):
    """Things that one scan found."""

    scan_id: int
    items: Sequence[FileStat | Refusal]


class Picture(NamedTuple):
    """A good file. Until it is encoded, its `vector` is the prepared picture, uint8 (S, S, 3)."""

    scan_id: int
    file: IndexedFile


class Rest(NamedTuple):
    """What is written beside the pictures that have to be encoded."""

    scan_id: int
    batch: Batch


class Done(NamedTuple):
    """What a task did.

    Attributes:
        report: its share of the run's.
        vectors: how many it wrote.
        other_content: see `indexer.intake.Intake`.
    """

    report: Report
    vectors: int = 0
    other_content: int = 0


Row = Found | Picture | Rest | Done


def pack(rows: Iterable[Row]) -> pa.Table:
    """A table with one column, of bytes."""
    return pa.table({_COLUMN: pa.array([pickle.dumps(row, protocol=5) for row in rows], pa.large_binary())})


def unpack(table: pa.Table) -> list[Row]:
    """The inverse of `pack`."""
    return [pickle.loads(row) for row in table[_COLUMN].to_pylist()]  # noqa: S301 - our own, from within the cluster


def read(table: pa.Table, job: Job) -> pa.Table:
    """Plans, hashes and decodes: from `Found` to `Picture`, `Rest` and `Done`."""
    reader = _reader(job)
    return pack(row for found in unpack(table) if isinstance(found, Found) for row in reader.read(found))


class Encode:
    """Puts vectors in the place of prepared pictures. An actor: the encoder is loaded once."""

    def __init__(self, job: Job, batch_size: int) -> None:
        self._problem: StyleSearchError | None = None
        try:
            encoder = load_encoder(job.space.encoder, dtype=job.space.dtype)
            check_space(encoder, job.space)
            self._encoder = BatchEncoder(encoder, batch_size)
        except StyleSearchError as exc:
            self._problem = exc  # Ray would try for long to make an actor that cannot be made

    def __call__(self, table: pa.Table) -> pa.Table:
        """Encodes a batch: every `Picture` becomes one with a vector, or a refusal.

        Raises:
            SpaceMismatchError: the encoder makes other vectors on this machine than where the run was started.
            EncoderError: it cannot be loaded, or is broken.
        """
        if self._problem is not None:
            raise self._problem
        rows = unpack(table)
        pictures = [row for row in rows if isinstance(row, Picture)]
        others = [row for row in rows if not isinstance(row, Picture)]
        return pack([*self._encode(pictures), *others]) if pictures else table

    def _encode(self, pictures: Sequence[Picture]) -> Iterator[Row]:
        pixels = np.stack([picture.file.vector for picture in pictures if picture.file.vector is not None])
        vectors, seconds = timed(self._encoder.encode, pixels)
        report = Report()
        report.stages["encode"].add(seconds, len(pictures), sum(picture.file.stat.size for picture in pictures))
        for (scan_id, file), vector in zip(pictures, vectors, strict=True):
            if isinstance(vector, EncoderError):
                report.refused, report.encoded = report.refused + 1, report.encoded - 1
                refused = Refusal(file.stat, "unsupported", str(vector), file.sha256)
                yield Rest(scan_id, Batch([replace(file, vector=None)], [refused]))
            else:
                yield Picture(scan_id, replace(file, vector=vector))
        yield Done(report)


def check_space(encoder: Encoder, space: Space) -> None:
    """Raises SpaceMismatchError where an encoder does not make vectors of this space."""
    if encoder.space().key != space.key:
        raise SpaceMismatchError(
            f"The encoder makes vectors of {encoder.space()} here, and of {space} where the run was started. Install "
            "the same version on all machines: pip install -U stylesearch"
        )


def write(table: pa.Table, job: Job) -> pa.Table:
    """Writes what has come so far, in one transaction for each scan, and returns every `Done`."""
    report = Report()
    outbox = Outbox(_catalog(job.catalog), job.space_id, report.stages["write"])
    done: list[Row] = []
    vectors = 0
    for row in unpack(table):
        if isinstance(row, Picture):
            outbox.add_indexed(row.scan_id, row.file)
            vectors += 1
        elif isinstance(row, Rest):
            for file in row.batch.indexed:
                outbox.add_indexed(row.scan_id, file)
            for refusal in row.batch.refused:
                outbox.add_refused(row.scan_id, refusal)
            outbox.add_unchanged(row.scan_id, list(row.batch.unchanged))
        else:
            done.append(row)
    outbox.flush()
    return pack([*done, Done(report, vectors)])


class _Reader:
    """Runs the stages up to decoding on some files at a time. Lives as long as its process, with a decoder process."""

    def __init__(self, job: Job) -> None:
        job.check()  # the machine may have come later than the run
        self._job = job
        self._settings = replace(job.settings, workers=1)
        self._workers = DecodeWorkers(
            decode_file_with_parts if job.wanted.pages == "all" else decode_file,
            job.preprocess,
            job.settings.limits,
            job.thumbnails,
            count=1,
            seconds=job.file_seconds,
        )

    def read(self, found: Found) -> Iterator[Row]:
        self._job.look()
        catalog, stop, report = _catalog(self._job.catalog), threading.Event(), Report()
        held = _Held(catalog, self._job.space_id, Stage())
        given = {found.scan_id: _Given(found.items, self._job.settings.limits, stop)}
        intake = Intake(catalog, held, given, report, stop, Teller(given.values(), report, None), self._job.wanted)
        try:
            with Pipeline(self._workers, _Elsewhere(), held, report, stop, _nothing) as pipeline:
                intake.fill(pipeline, self._settings)
        finally:
            spool.clear()
        held.flush()
        for name in ("scan", "encode", "write"):  # are done, and timed, elsewhere
            report.stages[name] = Stage()
        yield from held.rows
        yield Done(report, other_content=intake.other_content)


class _Given(Source):
    """Things that a scan on another machine has found."""

    def __init__(self, items: Sequence[FileStat | Refusal], limits: Limits, stop: threading.Event) -> None:
        super().__init__("list:", Rules(), limits, stop)
        self._items = items

    def _found(self) -> Iterator[FileStat | Refusal]:
        yield from self._items


class _Elsewhere(BatchEncoder):
    """In the place of the encoder: the pictures go to another process to be encoded."""

    def __init__(self) -> None:
        self._pieces = Pieces(32)

    def encode(self, pixels: np.ndarray) -> list[np.ndarray | EncoderError]:
        return list(pixels)


class _Held(Outbox):
    """Keeps what would be written.

    Attributes:
        rows: what has been flushed.
    """

    def __init__(self, catalog: Catalog, space_id: int, stage: Stage) -> None:
        super().__init__(catalog, space_id, stage)
        self.rows: list[Picture | Rest] = []
        self._sent: dict[str, IndexedFile] = {}  # by sha256, without pictures

    def add_indexed(self, scan_id: int, file: IndexedFile) -> None:
        if file.vector is not None:
            self._sent[file.sha256] = replace(file, vector=None)
        elif not file.format and file.sha256 in self._sent:
            # The asset need not be in the catalog yet when this row is written.
            file = replace(self._sent[file.sha256], stat=file.stat)
        super().add_indexed(scan_id, file)

    def flush(self) -> None:
        for scan_id, contents in self._contents.items():
            self.rows += [Picture(scan_id, file) for file in contents.indexed if file.vector is not None]
            others = [file for file in contents.indexed if file.vector is None]
            self.rows.append(Rest(scan_id, Batch(others, contents.refused, contents.unchanged)))
        self._contents.clear()
        self._waiting = 0


@cache
def _reader(job: Job) -> _Reader:
    return _Reader(job)


@cache
def _catalog(url: str) -> Catalog:
    return Catalog.open(url)


def _nothing() -> None:
    pass
