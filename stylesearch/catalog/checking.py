"""What a catalog promises and its database does not enforce, checked and mended.

A vector is as long as its space says and finite; it is live exactly while its asset has a present location; no number
is above the counter; a mask can be read. SQLite, whose file can be damaged by other programs and by disks, is asked to
check itself, too.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    delete,
    exists,
    func,
    insert,
    not_,
    or_,
    select,
    text,
    update,
)

from stylesearch.catalog import numbering, totals
from stylesearch.catalog.catalog import Catalog
from stylesearch.catalog.masks import damaged_masks, drop_masks
from stylesearch.catalog.tables import Base, CounterRow, HistoryRow, LocationRow, SpaceRow, VectorRow

_MANY = 20_000  # vectors that are looked at together

# What SQLite says of its own indexes, which are made from the tables.
_OF_AN_INDEX = ("missing from index", "entries in index")


@dataclass(frozen=True)
class Fault:
    """Something that is not as it should be.

    Attributes:
        problem: a short fixed word.
        count: of things that have it.
        message: for people.
        cure: mends it; None: nothing here can.
    """

    problem: str
    count: int
    message: str
    cure: Callable[[], object] | None = None


def faults(catalog: Catalog) -> Iterator[Fault]:
    """Goes through a whole catalog; each fault can be mended as soon as it is known."""
    with catalog.reading() as connection:
        said = _damage(connection)
    if said:
        of_indexes = all(any(words in sentence for words in _OF_AN_INDEX) for sentence in said)
        yield Fault(
            "damaged",
            len(said),
            f"The database is damaged: {said[0]}."
            + ("" if of_indexes else " Restore it: stylesearch restore PATH --yes"),
            _curing(catalog, _make_indexes_anew) if of_indexes else None,
        )
    with catalog.reading() as connection:
        rows = _dangling(connection)
    if rows:
        tables = ", ".join(f"{len(numbers):,} in {table}" for table, numbers in rows.items())
        message = f"Rows point to others that are not there: {tables}."
        yield Fault("dangling", sum(map(len, rows.values())), message, _curing(catalog, _drop_dangling))
    with catalog.reading() as connection:
        lag = _counter_lag(connection)
    if lag:
        message = "Sequence numbers were given out beyond the counter, and would be given again."
        yield Fault("counter", lag, message, _curing(catalog, _raise_counter))
    with catalog.reading() as connection:
        ids = _unsettled(connection)
    if ids:
        message = f"{len(ids):,} pictures can be found without having a file, or have one and cannot be found."
        yield Fault(
            "unsettled", len(ids), message, _curing(catalog, lambda connection: numbering.settle(connection, ids))
        )
    with catalog.reading() as connection:
        names = totals.differing(connection)
    if names:
        message = f"Totals are not what is there: {', '.join(names)}."
        yield Fault("totals", len(names), message, _curing(catalog, totals.count_again))
    with catalog.reading() as connection:
        spaces = connection.execute(select(SpaceRow.id, SpaceRow.dim, SpaceRow.encoder)).all()
        bad = {(row.id, row.encoder): _bad_vectors(connection, row.id, row.dim) for row in spaces}
    for (space_id, encoder), wrong in bad.items():
        if wrong:
            yield Fault(
                "vectors",
                len(wrong),
                f"{len(wrong):,} vectors of '{encoder}' have another length than their space, or are not finite. Once "
                "they are dropped, the pictures are encoded again by: stylesearch index PATH",
                _curing(catalog, partial(_drop_vectors, space_id=space_id, asset_ids=wrong)),
            )
    with catalog.reading() as connection:
        damaged = damaged_masks(connection)
    if damaged:
        yield Fault(
            "masks",
            len(damaged),
            f"{len(damaged):,} masks cannot be read. Once they are dropped, with the vectors of regions that hang on "
            "them, they are made again by: stylesearch index PATH",
            _curing(catalog, partial(_drop_masks, asset_ids=damaged)),
        )


def _curing(catalog: Catalog, cure: Callable[[Connection], object]) -> Callable[[], object]:
    def run() -> None:
        with catalog.writing() as connection:
            cure(connection)

    return run


def _damage(connection: Connection) -> list[str]:
    """What SQLite finds wrong with its own file, at most 20 sentences; PostgreSQL has programs of its own for that."""
    if connection.dialect.name != "sqlite":
        return []
    found = [str(said) for (said,) in connection.exec_driver_sql("PRAGMA integrity_check(20)")]
    return [] if found == ["ok"] else found


def _make_indexes_anew(connection: Connection) -> None:
    """Makes the database's own indexes anew from the tables."""
    connection.exec_driver_sql("REINDEX")


def _dangling(connection: Connection) -> dict[str, list[int]]:
    """Rows that point to a row that is not there: their numbers, by table. PostgreSQL lets none arise."""
    if connection.dialect.name != "sqlite":
        return {}
    rows: dict[str, list[int]] = {}
    for table, number, *_ in connection.exec_driver_sql("PRAGMA foreign_key_check"):
        if number is not None:
            rows.setdefault(table, []).append(number)
    return rows


def _drop_dangling(connection: Connection) -> None:
    """Deletes such rows, and those that then point to nothing."""
    connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
    while rows := _dangling(connection):
        for table, numbers in rows.items():
            for start in range(0, len(numbers), 5_000):
                those = ", ".join(str(int(number)) for number in numbers[start : start + 5_000])
                name = Base.metadata.tables[table].name
                connection.execute(text(f"DELETE FROM {name} WHERE rowid IN ({those})"))  # noqa: S608 - own names
    totals.count_again(connection)
    _forget_history(connection)


def _bad_vectors(connection: Connection, space_id: int, dim: int) -> list[int]:
    """Ids of assets whose vector in a space has another length, or is not finite and of unit length."""
    query = select(VectorRow.asset_id, VectorRow.data).where(VectorRow.space_id == space_id)
    found: list[int] = []
    with connection.execute(query.execution_options(yield_per=_MANY)) as rows:
        for some in rows.partitions():
            right = [(asset_id, data) for asset_id, data in some if len(data) == 2 * dim]
            found += [asset_id for asset_id, data in some if len(data) != 2 * dim]
            block = np.frombuffer(b"".join(data for _, data in right), "<f2").reshape(-1, dim).astype(np.float32)
            unit = np.abs(np.linalg.norm(block, axis=1) - 1) < 1e-2  # false for NaN, too
            found += [right[row][0] for row in np.flatnonzero(~unit)]
    return found


def _drop_vectors(connection: Connection, space_id: int, asset_ids: Sequence[int]) -> None:
    """Deletes vectors, so that the next run of the indexer encodes the pictures again."""
    those = VectorRow.space_id == space_id, VectorRow.asset_id.in_(asset_ids)
    connection.execute(delete(VectorRow).where(*those))
    _forget_history(connection)


def _drop_masks(connection: Connection, asset_ids: Sequence[int]) -> None:
    drop_masks(connection, asset_ids)
    _forget_history(connection)


def _unsettled(connection: Connection) -> list[int]:
    """Ids of assets that have a vector which is live without a present location, or the other way round."""
    present = exists().where(LocationRow.asset_id == VectorRow.asset_id, LocationRow.present)
    wrong = or_(and_(VectorRow.live, not_(present)), and_(not_(VectorRow.live), present))
    return list(connection.scalars(select(VectorRow.asset_id).distinct().where(wrong)))


def _counter_lag(connection: Connection) -> int:
    """By how much the highest number is above the counter; 0 where it is not."""
    highest = connection.scalar(select(func.max(VectorRow.sequence))) or 0
    return max(0, highest - connection.scalars(select(CounterRow.value).where(_IS_SEQUENCE)).one())


def _raise_counter(connection: Connection) -> None:
    """Sets the counter to the highest number."""
    highest = connection.scalar(select(func.max(VectorRow.sequence)))
    connection.execute(update(CounterRow).where(_IS_SEQUENCE).values(value=highest))
    _forget_history(connection)


def _forget_history(connection: Connection) -> None:
    """Has every index made anew: it cannot be told what was mended."""
    last = connection.scalars(select(CounterRow.value).where(_IS_SEQUENCE)).one()
    connection.execute(delete(HistoryRow))
    if last:
        connection.execute(insert(HistoryRow), {"sequence": last, "token": secrets.token_hex(8)})


_IS_SEQUENCE: ColumnElement[bool] = CounterRow.name == "sequence"
