"""What a run does not find any more: gone for good, or on a disk that is away for a while."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from indexer.outbox import Outbox
from indexer.report import Report
from indexer.sources import Source
from stylesearch.catalog import Catalog
from stylesearch.files import is_remote, uri_of
from stylesearch.uris import divide_uri, path_of_uri, printable


def away(catalog: Catalog, roots: Sequence[str | os.PathLike[str]]) -> list[str]:
    """Uris of those roots on this machine where nothing is, and where the library knows pictures."""
    uris = [uri_of(root) for root in roots]
    local = [uri for uri in uris if not is_remote(uri)]
    return [uri for uri in local if not Path(path_of_uri(divide_uri(uri)[0])).exists() and catalog.has_any(uri)]


def miss(catalog: Catalog, scan_id: int, root: str, report: Report) -> None:
    """Marks everything at a root that is away as missing."""
    count = catalog.miss_scan(scan_id)
    report.missing += count
    report.warnings += (
        f"No picture was found under '{printable(path_of_uri(root))}', where the library knows {count:,}. They stay in "
        "the library, marked as missing: is the disk mounted? If they are gone for good: stylesearch forget PATH",
    )


def finish_scans(catalog: Catalog, outbox: Outbox, sources: Mapping[int, Source], report: Report) -> None:
    """Marks as gone what each source should have found and has not.

    Args:
        catalog: is written to.
        outbox: of the run, empty.
        sources: walked to their end, by scan.
        report: is completed.
    """
    for scan_id, source in sources.items():
        if _looks_away(catalog, scan_id, source):
            miss(catalog, scan_id, source.root, report)
            continue
        if source.nested:
            report.warnings += (
                f"{source.nested:,} archives inside archives were left out. Unpack the outer ones to index them.",
            )
        for folder in _unmounted(catalog, source.empty):
            miss(catalog, catalog.begin_scan(folder), folder, report)
        for uris in catalog.unseen(scan_id):
            # What the rules leave out is left as it is: nothing is known about it.
            outbox.add_unchanged(scan_id, [uri for uri in uris if not source.covers(uri)])
            outbox.flush()
        with report.stages["write"].at_work():
            report.gone += catalog.finish_scan(scan_id, source.unreadable)


def _looks_away(catalog: Catalog, scan_id: int, source: Source) -> bool:
    """Whether a source has found nothing where it should have found something, as where a disk is not mounted."""
    if source.files or source.unreadable:
        return False
    return any(source.covers(uri) for uris in catalog.unseen(scan_id) for uri in uris)


def _unmounted(catalog: Catalog, folders: Sequence[str]) -> list[str]:
    """Those of some empty folders where the library knows pictures that it has not found elsewhere: a folder whose
    pictures were moved away is empty for good."""
    known = [folder for folder in folders if catalog.has_any(folder)]
    below = tuple(f"{path_of_uri(folder)}/" for folder in known)

    def holds_more(folder: str) -> bool:
        for some in catalog.fixity(folder):
            contents = catalog.assets_by_hash([sha256 for _, sha256 in some], space_id=0).values()
            assets = catalog.assets([content.asset_id for content in contents])
            if any(all(path.startswith(below) for path in asset.paths) for asset in assets.values()):
                return True
        return False

    return [folder for folder in known if holds_more(folder)]
