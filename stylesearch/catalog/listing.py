"""Ids that Python has found, as a query: one parameter however many there are."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import ARRAY, BigInteger, Connection, Select, func, literal, select


def listed(connection: Connection, ids: Sequence[int]) -> Select[int]:
    """A query that gives these ids."""
    if connection.dialect.name == "sqlite":
        return select(func.json_each(json.dumps(ids)).table_valued("value").c.value)
    return select(func.unnest(literal(list(ids), ARRAY(BigInteger))).column_valued("id"))
