"""Plans for what the sources find, from what the catalog knows. The catalog is asked, never written."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from indexer.parts import parts_to_plan
from indexer.plan import Plan, plan
from indexer.sources import Source
from indexer.stages import Stage
from stylesearch.catalog import Catalog
from stylesearch.records import FileStat, Refusal

CHUNK = 256  # files that are looked up in the catalog, and hashed, together

Pages = Literal["first", "all"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which files are read again, and what of them; see `indexer.run.index`."""

    retry_failed: bool = False
    reread_metadata: bool = False
    rehash: bool = False
    pages: Pages = "first"


class Planner:
    """Compares what was found with the catalog.

    Attributes:
        parts: how many pages and key frames of unchanged files it has planned.
    """

    def __init__(self, catalog: Catalog, space_id: int, wanted: Wanted) -> None:
        self._catalog = catalog
        self._space_id = space_id
        self._wanted = wanted
        self._knows_parts = wanted.pages == "all" or catalog.has_parts()
        self.parts = 0

    def plans(self, found: Sequence[FileStat | Refusal]) -> list[Plan]:
        """The plan for what was found, and those for the known parts of files among it that have not changed."""
        first = self._plan(found)
        if not self._knows_parts:
            return [first]
        parts = parts_to_plan(self._catalog, found, first, look=self._wanted.pages == "all")
        self.parts += len(parts)
        return [first, *(self._plan(parts[start : start + CHUNK]) for start in range(0, len(parts), CHUNK))]

    def _plan(self, found: Sequence[FileStat | Refusal]) -> Plan:
        uris = [item.stat.uri if isinstance(item, Refusal) else item.uri for item in found]
        return plan(
            found,
            self._catalog.known(uris, self._space_id),
            retry_failed=self._wanted.retry_failed,
            reread_metadata=self._wanted.reread_metadata,
            rehash=self._wanted.rehash,
        )


def found_in_chunks(
    sources: Mapping[int, Source], stage: Stage
) -> Generator[tuple[int, list[FileStat | Refusal]], None, None]:
    """What the sources find, `CHUNK` at a time, each with the key of its source.

    Args:
        sources: one after the other.
        stage: counts the work of walking.
    """
    for key, source in sources.items():
        found = iter(source)
        while True:
            with stage.at_work():
                chunk = list(islice(found, CHUNK))
            if not chunk:
                break
            stage.count += len(chunk)
            yield key, chunk
