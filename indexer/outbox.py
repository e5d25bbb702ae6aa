"""What is ready to be written to the catalog."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from indexer.stages import Stage
from stylesearch.catalog import Catalog
from stylesearch.records import Batch, IndexedFile, Refusal

# Files that cost no encoding are written at the latest when so many wait.
_FULL = 2_000


@dataclass(slots=True)
class _Contents:
    indexed: list[IndexedFile] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)


class Outbox:
    """Collects results by scan and writes them, one transaction for each scan (nearly always one).

    Attributes:
        space_id: the space that vectors are written to.

    Args:
        stage: counts the work of writing.
        masker: fingerprint of the one that made the masks.
    """

    def __init__(self, catalog: Catalog, space_id: int, stage: Stage, masker: str = "") -> None:
        self._catalog = catalog
        self.space_id = space_id
        self._masker = masker
        self._stage = stage
        self._contents: defaultdict[int, _Contents] = defaultdict(_Contents)
        self._waiting = 0

    def add_indexed(self, scan_id: int, file: IndexedFile) -> None:
        self._contents[scan_id].indexed.append(file)
        self._waiting += 1

    def add_refused(self, scan_id: int, refusal: Refusal) -> None:
        self._contents[scan_id].refused.append(refusal)
        self._waiting += 1

    def add_unchanged(self, scan_id: int, uris: list[str]) -> None:
        self._contents[scan_id].unchanged += uris
        self._waiting += len(uris)

    def flush_if_full(self) -> None:
        if self._waiting >= _FULL:
            self.flush()

    def flush(self) -> None:
        """Writes everything that waits."""
        with self._stage.at_work(self._waiting):
            for scan_id, contents in self._contents.items():
                batch = Batch(contents.indexed, contents.refused, contents.unchanged, self._masker)
                self._catalog.write(self.space_id, scan_id, batch)
        self._contents.clear()
        self._waiting = 0
