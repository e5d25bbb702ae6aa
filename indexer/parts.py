"""Pages and key frames of files, each a picture of its own: `/a.pdf#page=2` beside `/a.pdf`, which is the first page.

A file whose parts are known is opened for none of them as long as it has not changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from indexer.pipeline import File
from indexer.plan import Cause, Plan, Task
from stylesearch.catalog import Catalog
from stylesearch.files import identity
from stylesearch.records import FileStat, Refusal


def parts_to_plan(catalog: Catalog, found: Sequence[FileStat | Refusal], todo: Plan, *, look: bool) -> list[FileStat]:
    """The known parts of those files that have not changed, as if the scan had found them.

    Args:
        catalog: is asked.
        found: what the scan found.
        todo: the plan for it. Files that nobody has looked into for parts are moved to its tasks.
        look: whether parts are wanted of such files.
    """
    same = set(todo.unchanged) | {task.stat.uri for task in todo.tasks if task.as_known}
    known = catalog.parts(list(same))
    stats = {item.uri: item for item in found if isinstance(item, FileStat) and item.uri in known}
    unknown = {uri for uri, parts in known.items() if parts is None}
    if look and unknown:
        assets = catalog.assets_at(todo.unchanged)
        todo.tasks.extend(
            Task(stats[uri], "undescribed", assets.get(uri), as_known=True) for uri in todo.unchanged if uri in unknown
        )
        todo.unchanged[:] = [uri for uri in todo.unchanged if uri not in unknown]
    return [
        replace(stats[uri], uri=f"{uri}#{part}") for uri, parts in known.items() if uri in stats for part in parts or ()
    ]


def files_of_parts(file: File, parts: Sequence[str]) -> Iterator[File]:
    """The parts of a file whose content is known, made one by one: there may be ten thousand."""
    # A file that was known may have been read for its parts, which were not.
    cause: Cause = file.cause if file.cause in ("changed", "same") else "new"
    for part in parts:
        stat = replace(file.stat, uri=f"{file.stat.uri}#{part}")
        yield File(file.scan_id, stat, cause, identity(file.sha256, part))
