"""What filters look at, as payload of Qdrant's points, and filters as the engine's own.

The two packages that speak to Qdrant, `qdrant_edge` in this process and `qdrant_client.models` for a server, call their
classes and arguments alike, so that one condition becomes the same filter in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from stylesearch.records import Facts
from stylesearch.vectors.base import Condition

KEYWORDS = ("format", "tags", "creators", "licences", "software")
"""Keys of words that are indexed: looked up, or searched for parts."""

NUMBERS, PATHS = ("year", "generated"), ("uris",)


def payload_of(facts: Facts) -> dict[str, Any]:
    """As the engine stores it; what there is none of is left out. qdrant-edge 0.9 never matches a Boolean."""
    found: dict[str, Any] = {"format": facts.format, "generated": int(facts.generated), "uris": list(facts.uris)}
    found |= {key: list(getattr(facts, key)) for key in KEYWORDS[1:] if getattr(facts, key)}
    return found if facts.year is None else found | {"year": facts.year}


def filter_terms(models: Any, conditions: Sequence[Condition]) -> list[Any]:
    """What all must be so, for `Filter(must=...)`.

    Args:
        models: the module `qdrant_edge` or `qdrant_client.models`.
    """
    return [_term(models, condition) for condition in conditions]


def _term(models: Any, condition: Condition) -> Any:
    field = partial(models.FieldCondition, key=condition.key)
    if condition.between is not None:
        least, most = condition.between
        numbers = getattr(models, "RangeFloat", None) or models.Range
        return field(range=numbers(gte=least, lte=most))
    ways = [field(match=models.MatchAny(any=list(condition.equals)))] if condition.equals else []
    ways += [field(match=models.MatchSubstring(substring=part)) for part in condition.contains]
    ways += [field(match=models.MatchPrefix(prefix=start)) for start in condition.begins]
    return ways[0] if len(ways) == 1 else models.Filter(should=ways)
