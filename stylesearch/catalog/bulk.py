"""Many rows at once: what PostgreSQL is told by COPY, and SQLite by one statement that it runs for each row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, func, insert, select

from stylesearch.catalog.tables import AssetRow, Base, TermRow

FEW_ROWS = 8  # rows; to begin and end a COPY takes as long as to insert so many


def insert_with_ids(
    connection: Connection, table: type[AssetRow | TermRow], rows: Sequence[Mapping[str, object]]
) -> list[int]:
    """Adds rows, as `insert_rows` does, to a table that counts its ids up; returns those of the new rows."""
    if not rows:
        return []
    if connection.dialect.name == "sqlite":
        added = insert(table).returning(table.id, sort_by_parameter_order=True)
        return list(connection.scalars(added, rows))
    drawn = func.nextval(func.pg_get_serial_sequence(table.__tablename__, "id"))
    numbers = func.generate_series(1, len(rows)).table_valued("number")
    ids = list(connection.scalars(select(drawn).select_from(numbers)))
    insert_rows(connection, table, [{**row, "id": number} for row, number in zip(rows, ids, strict=True)])
    return ids


def insert_rows(connection: Connection, table: type[Base], rows: Sequence[Mapping[str, object]]) -> None:
    """Adds rows, which all have the same columns and are not there yet."""
    if not rows:
        return
    if connection.dialect.name == "sqlite" or len(rows) <= FEW_ROWS:
        connection.execute(insert(table), rows)
        return
    columns = list(rows[0])
    quoted = ", ".join(f'"{name}"' for name in columns)
    driver = connection.connection.driver_connection
    assert driver is not None  # noqa: S101 - the transaction has one
    with driver.cursor() as cursor, cursor.copy(f'COPY "{table.__tablename__}" ({quoted}) FROM STDIN') as copy:
        for row in rows:
            copy.write_row([row[name] for name in columns])
