"""Sequence numbers: who gives them out, and to what.

An index catches up by asking for the numbers above the last one it has seen, so a number must never
become visible after a higher one. A database SEQUENCE cannot promise that: a transaction that took 7 may commit after
one that took 8, and an index that saw 8 would never ask for 7. Here the numbers are a row of the table `counters`, and
every transaction that writes begins by locking it (`lock`): the order of commits is the order of numbers. Writers
take turns that way, as they do on SQLite anyhow; so two of them can neither deadlock nor insert one content twice.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence

from sqlalchemy import BigInteger, ColumnElement, Connection, and_, func, insert, literal, select, true, update

from stylesearch.catalog.selection import chunks
from stylesearch.catalog.tables import CounterRow, HistoryRow, LocationRow, VectorRow

_IS_SEQUENCE = CounterRow.name == "sequence"


def lock(connection: Connection) -> None:
    """Waits until no other transaction writes, and gives the catalog a new state.

    On SQLite BEGIN IMMEDIATE has waited already. The state is drawn and not counted: a catalog that was restored from a
    backup, and has been written to since, is never taken for the one that it was before.
    """
    drawn = secrets.randbits(63)
    connection.execute(update(CounterRow).where(CounterRow.name == "state").values(value=drawn))


def last_number(connection: Connection) -> int:
    return connection.scalars(select(CounterRow.value).where(_IS_SEQUENCE)).one()


def take_numbers(connection: Connection, count: int) -> int:
    """The first of `count` fresh sequence numbers, which are marked in the history."""
    taken = update(CounterRow).where(_IS_SEQUENCE).values(value=CounterRow.value + count).returning(CounterRow.value)
    last = connection.execute(taken).scalar_one()
    connection.execute(insert(HistoryRow), {"sequence": last, "token": secrets.token_hex(8)})
    return last - count + 1


def settle(connection: Connection, asset_ids: Iterable[int]) -> None:
    """Restores the rule, for these assets, that a vector is live exactly while its asset has a present location."""
    for some in chunks(sorted(set(asset_ids))):
        query = select(LocationRow.asset_id).where(LocationRow.asset_id.in_(some), LocationRow.present)
        present = set(connection.scalars(query))
        _turn(connection, [asset_id for asset_id in some if asset_id in present], live=True)
        _turn(connection, [asset_id for asset_id in some if asset_id not in present], live=False)


def tell_again(connection: Connection, asset_ids: Iterable[int], number: int | None = None) -> None:
    """Gives the live vectors of these assets a fresh number, in all spaces: what filters look at may have changed.

    Args:
        number: those with a higher one have got it just now; None: none has.
    """
    older = true() if number is None else VectorRow.sequence <= number
    for some in chunks(sorted(set(asset_ids))):
        _renumber(connection, some, and_(VectorRow.live, older), live=True)


def _turn(connection: Connection, asset_ids: Sequence[int], live: bool) -> None:
    """Gives the vectors of these assets that are not in this state a fresh number in it, in all spaces."""
    _renumber(connection, asset_ids, VectorRow.live.is_(not live), live=live)


def _renumber(connection: Connection, asset_ids: Sequence[int], which: ColumnElement[bool], live: bool) -> None:
    place = func.row_number().over(order_by=(VectorRow.asset_id, VectorRow.space_id)).label("place")
    turning = (
        select(VectorRow.asset_id, VectorRow.space_id, place).where(VectorRow.asset_id.in_(asset_ids), which).subquery()
    )
    last = literal(last_number(connection), BigInteger)
    turned = connection.execute(
        update(VectorRow)
        .where(VectorRow.asset_id == turning.c.asset_id, VectorRow.space_id == turning.c.space_id)
        .where(VectorRow.asset_id.in_(asset_ids))  # says the same again: PostgreSQL would read the whole table
        .values(live=live, sequence=last + turning.c.place)
    ).rowcount
    if turned:
        take_numbers(connection, turned)
