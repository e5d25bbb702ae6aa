"""`index`: brings a catalog up to what lies in some folders.

    sources (thread, ahead) -> plan -> hash (threads) -> decode (processes) -> encode (thread) -> write (this thread)

Every stage holds a bounded number of files, so that memory does not grow with the library. One transaction writes a
batch whole: a process that is killed at any instant has lost that batch at most, and the next run does it again.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from indexer.absence import away, finish_scans, miss
from indexer.batches import BatchEncoder
from indexer.decode import decode_file, decode_file_with_parts
from indexer.intake import Intake
from indexer.outbox import Outbox
from indexer.pipeline import Pipeline
from indexer.planner import Pages, Wanted
from indexer.regions import RegionBatchEncoder
from indexer.report import Progress, Report, Teller
from indexer.sources import CACHE_SIGNATURE, CACHE_TAG, Rules, Source, sources_of
from indexer.workers import DecodeWorkers
from stylesearch import spool
from stylesearch.catalog import Catalog
from stylesearch.encoders.base import Encoder
from stylesearch.errors import LibraryError
from stylesearch.files import uri_of
from stylesearch.masking.regions import RegionEncoder
from stylesearch.settings import Settings
from stylesearch.thumbnails import SHELVES, trim_thumbnails

FILE_SECONDS = 60.0  # what decoding one file may take; the largest allowed picture takes about 10

OTHER_CONTENT = (
    "{:,} files have other content than before, although their size and time are the same. Whether they are damaged, a "
    "backup can tell."
)


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
    rehash: bool = False,
    pages: Pages = "first",
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
        rehash: read files again whose size and time have not changed, and look whether their content has.
        pages: "all": the further pages of TIFF and PDF files and the key frames of videos are pictures of their own;
            "first": only of files where they are already.
        file_seconds: how long decoding one file may take.
        progress: called from this thread, about ten times a second at most.
        stop: once it is set, the batch in flight is finished and written, nothing is marked as gone, and the report
            says `interrupted`; see `indexer.interrupt`.

    Raises:
        UsageError: a root does not exist and the library knows nothing there, or it cannot be listed; nothing was
            changed.
        MissingDependencyError: a root needs a package.
        EncoderError: the encoder is broken, or has no memory for a single picture.
        CatalogError: the catalog refused. What was written before stays.
        LibraryError: a thumbnail cannot be written.
    """
    stop = stop or threading.Event()
    started = datetime.now(UTC)
    absent = away(catalog, roots)
    there = [root for root in roots if uri_of(root) not in absent]
    sources = [*sources_of(there, settings.limits, stop, rules), *sources]
    mark_as_cache(thumbnails)
    report = Report()
    report.stages["hash"].lanes = report.stages["decode"].lanes = settings.workers
    masker = encoder.masker if isinstance(encoder, RegionEncoder) else None
    masked_by = masker.fingerprint if masker else ""
    outbox = Outbox(catalog, catalog.ensure_space(encoder.space()), report.stages["write"], masked_by)
    scans = {catalog.begin_scan(source.root): source for source in sources}
    teller = Teller(scans.values(), report, progress)
    wanted = Wanted(retry_failed, reread_metadata, rehash, pages)
    intake = Intake(catalog, outbox, scans, report, stop, teller, wanted)
    decode = decode_file_with_parts if pages == "all" else decode_file
    workers = DecodeWorkers(
        partial(decode, masker=masker.preprocess) if masker else decode,
        encoder.preprocess,
        settings.limits,
        thumbnails.absolute(),
        count=settings.workers,
        seconds=file_seconds,
    )
    batches = _batches(encoder, batch_size, catalog)
    shelves = itertools.cycle(range(SHELVES))

    def written() -> None:
        trim_thumbnails(thumbnails, next(shelves), settings.thumbnail_bytes)
        teller.tell()

    try:
        with workers, Pipeline(workers, batches, outbox, report, stop, written) as pipeline:
            intake.fill(pipeline, settings)
        conclude(catalog, outbox, scans, absent, report, interrupted=stop.is_set())
    finally:
        spool.clear()
    if intake.other_content:
        report.warnings += (OTHER_CONTENT.format(intake.other_content),)
    report.seconds = teller.seconds
    teller.tell(now=True)
    catalog.add_run(started, datetime.now(UTC), report.to_json())
    return report


def _batches(encoder: Encoder, batch_size: int, catalog: Catalog) -> BatchEncoder:
    if isinstance(encoder, RegionEncoder):
        return RegionBatchEncoder(encoder, batch_size, catalog)
    return BatchEncoder(encoder, batch_size)


def conclude(
    catalog: Catalog,
    outbox: Outbox,
    scans: Mapping[int, Source],
    absent: Sequence[str],
    report: Report,
    *,
    interrupted: bool,
) -> None:
    """Writes what waits, marks what is missing or, unless the run was interrupted, gone, and completes the report."""
    outbox.flush()
    for root in absent:
        miss(catalog, catalog.begin_scan(root), root, report)
    report.interrupted = interrupted
    if not interrupted:
        finish_scans(catalog, outbox, scans, report)
    report.others = sum(source.others for source in scans.values())
    report.linked_folders = sum(source.linked_folders for source in scans.values())


def mark_as_cache(folder: Path) -> None:
    """Makes a folder for thumbnails, which scans leave out. Raises LibraryError."""
    tag = folder / CACHE_TAG
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not tag.exists():
            tag.write_bytes(
                CACHE_SIGNATURE + b"\n# Thumbnails, which StyleSearch makes from the pictures of a library.\n"
            )
    except OSError as exc:
        raise LibraryError(f"The folder of thumbnails '{folder}' cannot be written ({exc.strerror}).") from exc
