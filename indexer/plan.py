"""What has to be done, from what was found and what is known. Nothing here touches a file or the catalog."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from stylesearch.records import FileStat, KnownFile, Refusal

# Why a file is read: never seen; seen with another size or time, or distrusted on request; seen, but without a vector
# in this space; with one, but without metadata, appearance or a list of its pages, or read for those on request;
# refused before and tried again on request. "same" is what a file turns out to be that has the content it had.
Cause = Literal["new", "changed", "again", "undescribed", "retried", "same"]


class Task(NamedTuple):
    """A file to read.

    Attributes:
        stat: the file as it was found.
        cause: why.
        before: the asset that it was when it was last read.
        as_known: size and time are those that are known.
    """

    stat: FileStat
    cause: Cause
    before: int | None = None
    as_known: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """Attributes:
    tasks: files to read.
    unchanged: uris of files that are indexed and have not changed.
    still_refused: uris of files that were refused before and have not changed.
    refused: what the scan itself found to be no usable file, and the catalog does not know of yet.
    """

    tasks: list[Task] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    still_refused: list[str] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)


def plan(
    found: Sequence[FileStat | Refusal],
    known: Mapping[str, KnownFile],
    *,
    retry_failed: bool = False,
    reread_metadata: bool = False,
    rehash: bool = False,
) -> Plan:
    """Sorts what a scan found.

    A file with the size and the modification time that are known is not read again. Renamed and copied files look new
    here; their content tells them apart later.

    Args:
        found: from the scan, each uri once.
        known: by uri, at least those of `found` that the catalog knows.
        retry_failed: read refused files again even if they have not changed.
        reread_metadata: read indexed files again even if they have not changed.
        rehash: read all files again, because size and time may deceive.
    """
    result = Plan()
    for item in found:
        stat = item.stat if isinstance(item, Refusal) else item
        before = known.get(stat.uri)
        same = before is not None and _is_same(before.stat, stat)
        was_refused = before is not None and before.asset_id is None
        if same and was_refused and not retry_failed:
            result.still_refused.append(stat.uri)
        elif isinstance(item, Refusal):
            result.refused.append(item)
        elif before is None:
            result.tasks.append(Task(stat, "new"))
        elif not same:
            result.tasks.append(Task(stat, "changed", before.asset_id))
        elif was_refused:
            result.tasks.append(Task(stat, "retried"))
        elif not before.has_vector:
            result.tasks.append(Task(stat, "again", before.asset_id, as_known=True))
        elif reread_metadata or not before.described:
            result.tasks.append(Task(stat, "undescribed", before.asset_id, as_known=True))
        elif rehash:
            result.tasks.append(Task(stat, "changed", before.asset_id, as_known=True))
        else:
            result.unchanged.append(stat.uri)
    return result


def _is_same(before: FileStat, now: FileStat) -> bool:
    return before.mtime_ns == now.mtime_ns and now.size in (before.size, -1)
