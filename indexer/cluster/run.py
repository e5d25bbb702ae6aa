"""`index_on_cluster`: what `indexer.run.index` does, with many machines."""

from __future__ import annotations

import itertools
import os
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from indexer.absence import away
from indexer.ahead import run_ahead
from indexer.cluster.machines import alive, check_machines, joined, own_errors
from indexer.outbox import Outbox
from indexer.planner import Pages, Wanted
from indexer.report import Progress, Report, Teller
from indexer.run import FILE_SECONDS, OTHER_CONTENT, conclude, mark_as_cache
from indexer.sources import CACHE_TAG, Rules, Source, sources_of
from stylesearch.catalog import Catalog
from stylesearch.encoders.base import Encoder
from stylesearch.errors import StyleSearchError, UsageError
from stylesearch.files import is_remote, uri_of
from stylesearch.masking.regions import RegionEncoder
from stylesearch.settings import Settings
from stylesearch.thumbnails import SHELVES, trim_thumbnails
from stylesearch.uris import divide_uri, path_of_uri

if TYPE_CHECKING:
    import pyarrow as pa

    from indexer.cluster.tasks import Done, Job

FILES_IN_HAND = 128  # that one task reads; 20 MB of prepared pictures
FILES_WITH_PAGES_IN_HAND = 4  # whose pages are prepared together
ROUND = 1_000_000  # files that are handed to Ray together: about 200 MB here. Actors start anew for each round
WRITTEN_TOGETHER = 256
READER_MEMORY = 2**30  # bytes that Ray sets aside for each task that reads, with its decoder process

_SUMMED = ("new", "changed", "moved", "again", "described", "unchanged", "refused", "still_refused", "parts", "encoded")


@dataclass(frozen=True)
class Cluster:
    """Which cluster, and how it is shared among the stages.

    Attributes:
        address: `HOST:PORT` of the head of a Ray cluster; None: the one that this machine belongs to.
        encoders: at most so many encoders work at the same time; None: as many as the GPUs allow, or one for each four
            cores where no GPU is asked for. All other cores read and decode.
        gpus: for each encoder; a fraction lets several share one.
    """

    address: str | None = None
    encoders: int | None = None
    gpus: float = 0.0

    @classmethod
    def parse(cls, text: str, encoders: int | None = None, gpus: float = 0.0) -> Cluster:
        """From `ray` or `ray=HOST:PORT`. Raises UsageError."""
        kind, _, address = text.partition("=")
        if kind != "ray":
            raise UsageError(f"There is no cluster '{text}'. Use ray, or ray=HOST:PORT.")
        return cls(address or None, encoders, gpus)


def index_on_cluster(
    cluster: Cluster,
    catalog_url: str | None,
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
    rehash: bool = False,
    pages: Pages = "first",
    file_seconds: float = FILE_SECONDS,
    round_size: int = ROUND,
    progress: Callable[[Progress], None] | None = None,
    stop: threading.Event | None = None,
) -> Report:
    """Indexes as `indexer.run.index` does; files are read, encoded and written by all machines of a cluster.

    A machine that goes away costs the time for what it had in hand. Where the run ends early, the same call goes on:
    what is in the catalog is not done again. Nothing is marked as gone unless every file has come to its end.

    Args:
        cluster: which one.
        catalog_url: of `catalog`; on PostgreSQL, and the same on every machine.
        encoder: what the others must have, too.
        thumbnails: folder for them, on a mount that every machine sees under this path.
        round_size: files that are handed to the cluster together.
        others: as there.

    Raises:
        UsageError: the catalog is on SQLite; the encoder is that of a region; there is no cluster; or a machine cannot
            see what it needs. Nothing was changed.
        MissingDependencyError: Ray is not installed.
        StyleSearchError: whatever `index` raises, on any machine; or the cluster gave up. What was written stays.
    """
    url = _shared(catalog_url)
    if isinstance(encoder, RegionEncoder):
        raise UsageError(
            f"Many machines encode whole pictures, and searches run in the region '{encoder.region}'. Let them run in "
            "whole pictures first: stylesearch space use NAME; the regions are then filled by this machine."
        )
    stop = stop or threading.Event()
    started = datetime.now(UTC)
    absent = away(catalog, roots)
    there = [path_of_uri(uri_of(root)) for root in roots if uri_of(root) not in absent]
    sources = [*sources_of(there, settings.limits, stop, rules), *sources]
    mark_as_cache(thumbnails)
    with joined(cluster.address):
        from indexer.cluster.tasks import Job

        report = Report()
        outbox = Outbox(catalog, catalog.ensure_space(encoder.space()), report.stages["write"])
        job = Job(
            catalog=url,
            space=encoder.space(),
            space_id=outbox.space_id,
            preprocess=encoder.preprocess,
            thumbnails=thumbnails.absolute(),
            settings=settings,
            roots=tuple(there),
            samples=((str(thumbnails.absolute() / CACHE_TAG),), *_samples(there)),
            wanted=Wanted(retry_failed, reread_metadata, rehash, pages),
            file_seconds=file_seconds,
        )
        check_machines(job)
        machines = alive()
        scans = {catalog.begin_scan(source.root): source for source in sources}
        teller = Teller(scans.values(), report, progress)
        work = _Work(cluster, job, batch_size, report, teller, stop)
        work.fill(scans, round_size)
        if (lost := machines - alive()) > 0:
            report.warnings += (f"{lost} of {machines} machines went away; the others did what they had in hand.",)
    conclude(catalog, outbox, scans, absent, report, interrupted=stop.is_set())
    if work.other_content:
        report.warnings += (OTHER_CONTENT.format(work.other_content),)
    report.seconds = teller.seconds
    teller.tell(now=True)
    catalog.add_run(started, datetime.now(UTC), report.to_json())
    return report


class _Work:
    """Hands files to the cluster, round by round, and counts what comes back.

    Attributes:
        other_content: see `indexer.intake.Intake`.
    """

    def __init__(
        self, cluster: Cluster, job: Job, batch_size: int, report: Report, teller: Teller, stop: threading.Event
    ) -> None:
        self._job = job
        self._batch_size = batch_size
        self._report = report
        self._teller = teller
        self._stop = stop
        self._gpus = cluster.gpus
        self._encoders, readers = _shares(cluster)
        self._vectors = 0
        self.other_content = 0
        self._shelves = itertools.cycle(range(SHELVES))
        report.stages["encode"].lanes = self._encoders
        for name in ("plan", "hash", "decode"):
            report.stages[name].lanes = readers

    def fill(self, scans: Mapping[int, Source], round_size: int) -> None:
        """Brings every file that was found to its end.

        Raises:
            StyleSearchError: not every picture that was encoded has been written.
        """
        chunk = FILES_WITH_PAGES_IN_HAND if self._job.wanted.pages == "all" else FILES_IN_HAND
        found = run_ahead(self._tables(scans, chunk), round_size // chunk)
        with closing(found):
            try:
                while not self._stop.is_set() and (some := list(islice(found, max(1, round_size // chunk)))):
                    with own_errors():
                        self._round(some)
            except BaseException:
                self._stop.set()  # or a source that waits for names to arrive would be waited for
                raise
        if self._vectors != self._report.encoded and not self._stop.is_set():
            raise StyleSearchError(
                f"Of {self._report.encoded:,} vectors, {self._vectors:,} were written. Run the same command again: it "
                "does what is missing."
            )

    def _tables(self, scans: Mapping[int, Source], size: int) -> Iterator[pa.Table]:
        from indexer.cluster.tasks import Found, pack

        stage = self._report.stages["scan"]
        for scan_id, source in scans.items():
            items = iter(source)
            while True:
                with stage.at_work():
                    some = list(islice(items, size))
                if not some:
                    break
                stage.count += len(some)
                yield pack([Found(scan_id, some)])

    def _round(self, tables: Sequence[pa.Table]) -> None:
        import ray.data

        from indexer.cluster.tasks import Done, Encode, read, unpack, write

        given: dict[str, Any] = {"batch_format": "pyarrow"}
        encoding = {"num_gpus": self._gpus} if self._gpus else {}
        data = (
            ray.data.from_arrow(list(tables))
            # Without the difference in memory Ray would make one stage of reading and encoding.
            .map_batches(read, **given, batch_size=1, num_cpus=1, memory=READER_MEMORY, fn_args=(self._job,))
            .map_batches(
                Encode,
                **given,
                **encoding,
                batch_size=self._batch_size,
                num_cpus=1,
                compute=ray.data.ActorPoolStrategy(min_size=1, max_size=self._encoders),
                fn_constructor_args=(self._job, self._batch_size),
            )
            # The catalog lets one transaction write at a time; while it commits, the next one is prepared.
            .map_batches(
                write, **given, batch_size=WRITTEN_TOGETHER, num_cpus=0.25, concurrency=2, fn_args=(self._job,)
            )
        )
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The maximum number of concurrent tasks", UserWarning)  # of a small run
            for table in data.iter_batches(batch_size=None, batch_format="pyarrow"):
                self._count(row for row in unpack(table) if isinstance(row, Done))
                if self._stop.is_set():
                    return

    def _count(self, done: Iterable[Done]) -> None:
        for part, vectors, other_content in done:
            self._vectors += vectors
            self.other_content += other_content
            self._report.bytes += part.bytes
            for name in _SUMMED:
                setattr(self._report, name, getattr(self._report, name) + getattr(part, name))
            for name, stage in part.stages.items():
                self._report.stages[name].add(stage.seconds, stage.count, stage.bytes)
        trim_thumbnails(self._job.thumbnails, next(self._shelves), self._job.settings.thumbnail_bytes)
        self._teller.tell()


def _shared(url: str | None) -> str:
    """The URL of a catalog that many machines can write to."""
    if url is None or not url.startswith("postgresql"):
        raise UsageError(
            "Many machines need a catalog on PostgreSQL; this library keeps its own in a file, which one machine may "
            "write. Make a library with one: stylesearch init FOLDER --catalog postgresql://USER@HOST/DATABASE"
        )
    return url


def _samples(roots: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Some of what lies in each folder: an empty folder is what a mount looks like where it is not mounted."""
    for root in roots:
        path = Path(path_of_uri(divide_uri(uri_of(root))[0]))
        if not is_remote(root) and path.is_dir():
            with os.scandir(path) as entries:
                if some := tuple(entry.path for entry in islice(entries, 8)):
                    yield some


def _shares(cluster: Cluster) -> tuple[int, int]:
    """How many encoders there are at most, and how many files are read at a time."""
    import ray

    there = ray.cluster_resources()
    cores, gpus = int(there.get("CPU", 0)), there.get("GPU", 0.0)
    if cluster.gpus > gpus:
        raise UsageError(f"The cluster has {gpus:g} GPUs; {cluster.gpus:g} for each encoder cannot be had.")
    wanted = cluster.encoders or (int(gpus / cluster.gpus) if cluster.gpus else max(1, cores // 4))
    encoders = min(wanted, cores - 1)
    if encoders < 1:
        raise UsageError(f"The cluster has {cores} cores; two are needed, one to read and one to encode.")
    return encoders, cores - encoders
