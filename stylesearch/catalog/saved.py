"""`SavedSearches`: searches of the page that somebody keeps, each under a name that everybody sees."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import delete, func, insert, select, update

from stylesearch.catalog.database import Database
from stylesearch.catalog.tables import SavedSearchRow
from stylesearch.errors import UsageError
from stylesearch.metadata.text import line
from stylesearch.records import SavedSearch

LONGEST_NAME = 200  # characters
_LONGEST_ADDRESS = 8_000
_MOST = 1_000


class SavedSearches:
    """The saved searches of a catalog; each method is one transaction."""

    def __init__(self, catalog: Database) -> None:
        self._catalog = catalog

    def all(self) -> list[SavedSearch]:
        """By name."""
        columns = SavedSearchRow.id, SavedSearchRow.name, SavedSearchRow.address, SavedSearchRow.created_at
        with self._catalog.reading() as connection:
            found = [SavedSearch(*row) for row in connection.execute(select(*columns))]
        return sorted(found, key=lambda search: search.name.casefold())

    def save(self, name: str, address: str) -> None:
        """Keeps a search; one of the same name is replaced.

        Args:
            name: one line.
            address: the part of the page's address after the question mark.

        Raises:
            UsageError: the name is empty, there is nothing to keep, or there are too many.
        """
        kept = line(name, LONGEST_NAME)
        if kept is None:
            raise UsageError("A saved search needs a name.")
        if not address or len(address) > _LONGEST_ADDRESS:
            raise UsageError("There is nothing to save: choose references or filters first.")
        with self._catalog.writing() as connection:
            changed = update(SavedSearchRow).where(SavedSearchRow.name == kept).values(address=address)
            if connection.execute(changed).rowcount:
                return
            if connection.scalars(select(func.count()).select_from(SavedSearchRow)).one() >= _MOST:
                raise UsageError(f"There are {_MOST:,} saved searches already; delete some that nobody needs.")
            row = {"name": kept, "address": address, "created_at": datetime.now(UTC)}
            connection.execute(insert(SavedSearchRow), row)

    def delete(self, search_id: int) -> None:
        """Lets go of a saved search, if it is there."""
        if 0 < search_id < 2**63:
            with self._catalog.writing() as connection:
                connection.execute(delete(SavedSearchRow).where(SavedSearchRow.id == search_id))
