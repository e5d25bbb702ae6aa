"""Many rows at once: what PostgreSQL is told by COPY, and SQLite by one statement that it runs for each row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, insert

from stylesearch.catalog.tables import Base

_FEW = 8  # rows; to begin and end a COPY takes as long as to insert so many


def insert_rows(connection: Connection, table: type[Base], rows: Sequence[Mapping[str, object]]) -> None:
    """Adds rows, which all have the same columns and are not there yet."""
    if not rows:
        return
    if connection.dialect.name == "sqlite" or len(rows) <= _FEW:
        connection.execute(insert(table), rows)
        return
    columns = list(rows[0])
    quoted = ", ".join(f'"{name}"' for name in columns)
    driver = connection.connection.driver_connection
    assert driver is not None  # noqa: S101 - the transaction has one
    with driver.cursor() as cursor, cursor.copy(f'COPY "{table.__tablename__}" ({quoted}) FROM STDIN') as copy:
        for row in rows:
            copy.write_row([row[name] for name in columns])
