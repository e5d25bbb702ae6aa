"""Shell globs over the paths of a catalog.

Matching is done here and not in the database: SQLite and PostgreSQL have different regular expressions, and a filter
must mean the same on both. (`glob.translate` exists from Python 3.13 only.)
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_PART = re.compile(r"\[[!^]?\]?[^\]/]*\]|\*+|[\s\S]")
_RANGE = re.compile(r"([\s\S])(?:-([\s\S]))?")


def compile_globs(patterns: Sequence[str]) -> re.Pattern[str]:
    """One regular expression, for `fullmatch`, that accepts a path where any of the patterns does.

    `*`, `?` and `[...]` stay within one folder, `**` as a whole segment stands for any number of folders, and
    `folder/**` for everything below the folder. A pattern without a leading `/` matches at any depth. Case matters.
    """
    return re.compile("|".join(f"(?:{_translated(pattern)})" for pattern in patterns))


def folder_of_glob(pattern: str) -> str | None:
    """The folder below which all matches lie, without its last `/`; None where they may lie anywhere."""
    if not pattern.startswith("/"):
        return None
    literal = re.split(r"[*?\[]", pattern, maxsplit=1)[0]
    return literal[: literal.rindex("/")]


def _translated(pattern: str) -> str:
    *folders, last = pattern.split("/")
    parts = ["" if pattern.startswith("/") else r"(?:[\s\S]*/)?"]
    parts += [r"(?:[^/]+/)*" if folder == "**" else _segment(folder) + "/" for folder in folders]
    parts.append(r"[\s\S]+" if last == "**" else _segment(last))
    return "".join(parts)


def _segment(segment: str) -> str:
    parts = []
    for part in _PART.findall(segment):
        if part.startswith("*"):
            parts.append("[^/]*")
        elif part == "?":
            parts.append("[^/]")
        elif len(part) > 1:
            parts.append(_bracket(part[1:-1]))
        else:
            parts.append(re.escape(part))
    return "".join(parts)


def _bracket(body: str) -> str:
    negated = body[:1] in ("!", "^")
    ranges = _RANGE.findall(body[negated:])
    members = "".join(
        f"{re.escape(low)}-{re.escape(high)}" if high else re.escape(low)
        for low, high in ranges
        if not high or low <= high
    )
    if not members:  # only ranges that run backwards
        return "[^/]" if negated else r"(?!)"
    return f"(?!/)[{'^' if negated else ''}{members}]"
