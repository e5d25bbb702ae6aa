"""Totals that are read and not counted: rows of `counters`, which every transaction that changes them keeps right.

What a batch does to one asset depends on all of its locations, so nothing is added up on the way: the few assets that a
transaction touches are counted before and after it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import ColumnElement, Connection, and_, case, delete, func, insert, not_, select, update

from stylesearch.catalog.selection import chunks, is_described
from stylesearch.catalog.tables import AppearanceRow, AssetTermRow, CounterRow, LocationRow, RefusalRow, TermRow
from stylesearch.catalog.terms import TAG
from stylesearch.records import APPEARANCE_VERSION, Counts

_OF_ASSETS = ("locations", "gone", "missing", "assets", "undescribed", "tagged")
_NAMES = (*_OF_ASSETS, "refused")

# The version is a part of the names: where another one works out what pictures look like, all are counted again.
_ROWS = {name: f"{name} {APPEARANCE_VERSION}" for name in _NAMES}

_MANY = 50_000  # assets; where more are touched, everything is counted once and not some of it twice


def read(connection: Connection) -> Counts:
    """The totals. They are counted where no transaction has kept them yet, as in a catalog of an older version."""
    kept = _kept(connection)
    return Counts(**(counted(connection) if kept is None else kept))


def counted(connection: Connection) -> dict[str, int]:
    """All of them, by going through the whole catalog."""
    refused = connection.scalars(select(func.count()).select_from(RefusalRow)).one()
    return {**dict.fromkeys(_NAMES, 0), **_tally(connection, None), "refused": refused}


def ensure(connection: Connection) -> None:
    """Counts where no transaction has kept the totals yet; to be called before anything is changed."""
    if _kept(connection) is None:
        count_again(connection)


def count_again(connection: Connection) -> None:
    """Sets the totals to what is there."""
    connection.execute(delete(CounterRow).where(CounterRow.name.in_(_ROWS.values())))
    rows = [{"name": _ROWS[name], "value": value} for name, value in counted(connection).items()]
    connection.execute(insert(CounterRow), rows)


def differing(connection: Connection) -> list[str]:
    """The names of totals that are not what is there."""
    kept = _kept(connection)
    there = {} if kept is None else counted(connection)
    return [name for name, value in there.items() if kept and kept[name] != value]


def add(connection: Connection, **changes: int) -> None:
    """Changes totals by so many, after what they count has changed."""
    for name, change in changes.items():
        if change:
            row = update(CounterRow).where(CounterRow.name == _ROWS[name])
            connection.execute(row.values(value=CounterRow.value + change))


@contextmanager
def following(connection: Connection, asset_ids: Iterable[int]) -> Iterator[None]:
    """Keeps the totals right through what the block does to locations, tags and appearances of these assets."""
    touched = sorted(set(asset_ids))
    if not touched:
        yield
    elif len(touched) > _MANY:
        yield
        count_again(connection)
    else:
        before = _tally(connection, touched)
        yield
        after = _tally(connection, touched)
        after.subtract(before)
        add(connection, **after)


def _kept(connection: Connection) -> dict[str, int] | None:
    rows = connection.execute(select(CounterRow.name, CounterRow.value).where(CounterRow.name.in_(_ROWS.values())))
    values: dict[str, int] = dict(rows.all())
    return {name: values[row] for name, row in _ROWS.items()} if len(values) == len(_ROWS) else None


def _tally(connection: Connection, asset_ids: Sequence[int] | None) -> Counter[str]:
    """The totals of these assets, or of all; refused files are no assets."""
    tally: Counter[str] = Counter()
    for some in [None] if asset_ids is None else chunks(asset_ids):
        of_some = () if some is None else (LocationRow.asset_id.in_(some),)
        counts = connection.execute(_PLACED.where(*of_some)).one()
        tagged = connection.scalars(_TAGGED.where(*of_some)).one()
        tally.update(dict(zip(_OF_ASSETS, (*counts, tagged), strict=True)))
    return tally


def _how_many(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count(case((condition, 1)))


def _different(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count(case((condition, LocationRow.asset_id)).distinct())


_PRESENT = and_(LocationRow.present)
_PLACED = select(
    _how_many(_PRESENT),
    _how_many(not_(LocationRow.present)),
    _how_many(and_(LocationRow.present, LocationRow.missing_since.is_not(None))),
    _different(_PRESENT),
    _different(and_(LocationRow.present, AppearanceRow.asset_id.is_(None))),
).outerjoin(AppearanceRow, is_described(LocationRow.asset_id))
# Not with a condition on the kind: PostgreSQL, until it knows its tables, would go through every tag there is.
_TAGGED = (
    select(_different(TermRow.kind == TAG))
    .join(AssetTermRow, AssetTermRow.asset_id == LocationRow.asset_id)
    .join(TermRow, TermRow.id == AssetTermRow.term_id)
    .where(LocationRow.present)
)
