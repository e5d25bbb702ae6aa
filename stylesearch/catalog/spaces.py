"""What the catalog knows of spaces, their vectors, and what happened to these."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast

import numpy as np
from sqlalchemy import URL, Connection, Engine, exists, func, not_, select

from stylesearch.catalog import pruning, writing
from stylesearch.catalog.database import Database
from stylesearch.catalog.engine import outlasts_restart
from stylesearch.catalog.packing import unpack
from stylesearch.catalog.selection import chunks, possible
from stylesearch.catalog.tables import HistoryRow, LocationRow, SpaceRow, VectorRow
from stylesearch.errors import CatalogError
from stylesearch.records import Changes, Region, Space


class Spaces(Database):
    """Spaces and the vectors in them."""

    def __init__(self, engine: Engine, url: URL) -> None:
        super().__init__(engine, url)
        self._dims: dict[int, int] = {}

    @outlasts_restart
    def ensure_space(self, space: Space) -> int:
        """The id of the space in this catalog, which is added where it is new."""
        space_id = self.space_id(space)
        if space_id is None:
            with self.writing() as connection:
                writing.add_space(connection, space)
                space_id = connection.scalars(select(SpaceRow.id).where(SpaceRow.key == space.key)).one()
        return space_id

    def space_id(self, space: Space) -> int | None:
        """The id of the space in this catalog; None where it is new."""
        with self.reading() as connection:
            return connection.scalar(select(SpaceRow.id).where(SpaceRow.key == space.key))

    def spaces(self) -> list[Space]:
        """The spaces that hold vectors of present assets, in the order in which they were added."""
        filled = exists().where(VectorRow.space_id == SpaceRow.id, VectorRow.live)
        with self.reading() as connection:
            return [
                Space(row.encoder, row.fingerprint, row.dim, row.dtype, row.preprocessing, cast(Region, row.region))
                for row in connection.execute(select(SpaceRow.__table__).where(filled).order_by(SpaceRow.id))
            ]

    def vector_count(self, space_id: int) -> int:
        """How many vectors a space holds, those of pictures that are gone, too."""
        with self.reading() as connection:
            return connection.scalars(select(func.count()).where(VectorRow.space_id == space_id)).one()

    def unencoded(self, space_id: int, limit: int = 5_000) -> Iterator[list[str]]:
        """The uri of one file of each picture without a vector in a space, in stretches; files whose disk is away are
        left out. Between two stretches they may be encoded."""
        encoded = exists().where(VectorRow.asset_id == LocationRow.asset_id, VectorRow.space_id == space_id)
        reachable = LocationRow.present, LocationRow.missing_since.is_(None)
        query = select(LocationRow.asset_id, func.min(LocationRow.uri)).where(*reachable, not_(encoded))
        query = query.group_by(LocationRow.asset_id).order_by(LocationRow.asset_id).limit(limit)
        last = 0
        while True:
            with self.reading() as connection:
                rows = connection.execute(query.where(LocationRow.asset_id > last)).all()
            if not rows:
                return
            last = rows[-1][0]
            yield [uri for _, uri in rows]

    def live_ids(self, space_id: int) -> np.ndarray:
        """Sorted int64 ids of the assets with a present location and a vector in a space."""
        query = select(VectorRow.asset_id).where(VectorRow.space_id == space_id, VectorRow.live)
        with self.reading() as connection:
            rows = connection.scalars(query.order_by(VectorRow.asset_id).execution_options(yield_per=50_000))
            return np.fromiter(rows, np.int64)

    def drop_vectors(self, space_id: int) -> int:
        """Deletes the vectors of a space, a few thousand in each transaction; returns how many there were.

        Whoever keeps an index of the space drops it: it is not told.
        """
        dropped = 0
        while True:
            with self.writing() as connection:
                some = pruning.drop_vectors(connection, space_id)
            if not some:
                return dropped
            dropped += some

    def history(self, sequence: int) -> str:
        """The token of the transaction that gave out this sequence number; "" where none did.

        An index whose own token for its number differs was made from another catalog, or from what came after the
        backup that this one was restored from.
        """
        with self.reading() as connection:
            return _history(connection, sequence)

    def changes(self, space_id: int, after: int, limit: int = 50_000) -> Iterator[Changes]:
        """What happened in a space since sequence number `after`, in stretches of at most `limit` rows.

        An asset that changed several times appears once, at its latest number. No transaction is held open between
        two stretches.
        """
        dim = self._dim(space_id)
        columns = select(VectorRow.asset_id, VectorRow.data, VectorRow.live, VectorRow.sequence)
        while True:
            query = columns.where(VectorRow.space_id == space_id, VectorRow.sequence > after)
            with self.reading() as connection:
                rows = connection.execute(query.order_by(VectorRow.sequence).limit(limit)).all()
                history = _history(connection, rows[-1].sequence) if rows else ""
            if rows:
                ids, data, live, sequence = zip(*rows, strict=True)
                after = sequence[-1]
                yield Changes(np.array(ids, np.int64), unpack(data, dim), np.array(live, bool), after, history)
            if len(rows) < limit:
                return

    def vectors(self, space_id: int, asset_ids: Iterable[int]) -> tuple[np.ndarray, np.ndarray]:
        """The vectors of those of these assets that have one, present or gone.

        Returns:
            int64 (N,), ascending asset ids; float32 (N, D), rows of unit length.
        """
        dim = self._dim(space_id)
        ids: list[int] = []
        data: list[bytes] = []
        query = select(VectorRow.asset_id, VectorRow.data).where(VectorRow.space_id == space_id)
        with self.reading() as connection:
            for some in chunks(sorted(set(possible(asset_ids)))):
                wanted = query.where(VectorRow.asset_id.in_(some)).order_by(VectorRow.asset_id)
                for asset_id, packed in connection.execute(wanted):
                    ids.append(asset_id)
                    data.append(packed)
        return np.array(ids, np.int64), unpack(data, dim)

    def _dim(self, space_id: int) -> int:
        if space_id not in self._dims:
            with self.reading() as connection:
                dim = connection.scalar(select(SpaceRow.dim).where(SpaceRow.id == space_id))
            if dim is None:
                raise CatalogError(f"The catalog has no space with the id '{space_id}'.")
            self._dims[space_id] = dim
        return self._dims[space_id]


def _history(connection: Connection, sequence: int) -> str:
    if sequence == 0:
        return ""
    query = select(HistoryRow.token).where(HistoryRow.sequence >= sequence).order_by(HistoryRow.sequence).limit(1)
    return connection.scalar(query) or ""
