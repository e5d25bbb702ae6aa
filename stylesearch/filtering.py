"""Filters as conditions on facts, for vector indexes that filter by themselves."""

from __future__ import annotations

from dataclasses import fields

from stylesearch.catalog.globs import prefixes_of_glob
from stylesearch.catalog.terms import folded
from stylesearch.query import Filters
from stylesearch.vectors.base import Condition

_WORDS = ("creators", "licences", "software")
_KNOWN = {"paths", "formats", "tags", *_WORDS, "years", "generated"}


def conditions_of(filters: Filters) -> tuple[Condition, ...] | None:
    """What `Catalog.asset_ids` says of these filters; None where facts do not say it, as of a glob with a star."""
    defaults = {field.name: field.default for field in fields(Filters)}
    if any(getattr(filters, name) != default for name, default in defaults.items() if name not in _KNOWN):
        return None
    conditions = []
    if filters.paths:
        prefixes = [prefixes_of_glob(pattern) for pattern in filters.paths]
        if any(found is None for found in prefixes):
            return None
        equals = tuple(found.exact for found in prefixes if found is not None and found.exact is not None)
        begins = tuple(start for found in prefixes if found is not None for start in found.begins)
        conditions.append(Condition("uris", equals=equals, begins=begins))
    if filters.formats:
        conditions.append(Condition("format", equals=tuple(filters.formats)))
    if filters.tags:
        conditions.append(Condition("tags", equals=tuple(map(folded, filters.tags))))
    words = {name: tuple(map(folded, getattr(filters, name))) for name in _WORDS}
    conditions += [Condition(name, contains=given) for name, given in words.items() if given]
    if filters.years != (None, None):
        conditions.append(Condition("year", between=filters.years))
    if filters.generated is not None:
        conditions.append(Condition("generated", between=(int(filters.generated),) * 2))
    return tuple(conditions)
