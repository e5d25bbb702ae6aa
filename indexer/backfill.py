"""Fills a space with pictures that the library has already, such as that of an encoder that was added later."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from indexer.sources import Rules, Source
from stylesearch.catalog import Catalog
from stylesearch.errors import ImageError
from stylesearch.files import stat_uri
from stylesearch.records import FileStat, Limits, Refusal


class Unencoded(Source):
    """One file of each picture that has no vector in a space. What cannot be found now is passed over: only a scan of
    its folder can tell that it is gone.

    Args:
        space_id: of the space in the catalog.
    """

    def __init__(self, catalog: Catalog, space_id: int, limits: Limits, stop: threading.Event) -> None:
        super().__init__("unencoded:", Rules(), limits, stop)
        self._catalog = catalog
        self._space_id = space_id

    def _found(self) -> Iterator[FileStat | Refusal]:
        for uris in self._catalog.unencoded(self._space_id):
            for uri in uris:
                if self.stop.is_set():
                    return
                try:
                    yield stat_uri(uri, self.limits)
                except ImageError:
                    self.others += 1
