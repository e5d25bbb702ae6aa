"""Shell globs over the paths of a catalog.

Matching is done here and not in the database: SQLite and PostgreSQL have different regular expressions, and a filter
must mean the same on both. (`glob.translate` exists from Python 3.13 only.)
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from stylesearch.uris import uri_of_path

_PART = re.compile(r"\[[!^]?\]?[^\]/]*\]|\*+|[\s\S]")
_RANGE = re.compile(r"([\s\S])(?:-([\s\S]))?")


def compile_globs(patterns: Sequence[str]) -> re.Pattern[str]:
    """One regular expression, for `fullmatch` of a path in NFC, that accepts it where any of the patterns does.

    `*`, `?` and `[...]` stay within one folder, `**` as a whole segment stands for any number of folders, and
    `folder/**` for everything below the folder. A pattern without a leading `/` matches at any depth. One without a
    wildcard, or with a `/` at its end, also stands for everything below. Case matters; how an accent is put together
    does not.

    Matching takes time that grows with the length of path and pattern, not exponentially: what follows a star is
    looked for once, from the left, which finds a match where there is one.
    """
    return re.compile("|".join(f"(?:{_translated(pattern)})" for pattern in patterns))


def folder_of_glob(pattern: str) -> str | None:
    """The folder below which all matches lie, without its last `/`; None where they may lie anywhere."""
    if not pattern.startswith("/"):
        return None
    # Up to the first character that can be spelt in two ways: the database knows nothing of NFC.
    literal = re.split(r"[*?\[]|[^\x00-\x7f]", pattern, maxsplit=1)[0]
    return literal[: literal.rindex("/")]


class Prefixes(NamedTuple):
    """All that a glob accepts: the path `exact`, None: none, and those that begin so. In NFC."""

    exact: str | None
    begins: tuple[str, ...]


def prefixes_of_glob(pattern: str) -> Prefixes | None:
    """What a pattern says that is a path, or everything below a folder; None for any other."""
    literal = unicodedata.normalize("NFC", uri_of_path(pattern))
    below = literal.endswith(("/", "/**"))
    literal = literal.removesuffix("**").rstrip("/")
    # A `#` in a name may also stand for the one before what lies inside a file.
    if not literal.startswith("/") or any(special in literal for special in ("*", "?", "[", uri_of_path("#"))):
        return None
    return Prefixes(None, (literal + "/",)) if below else Prefixes(literal, (literal + "/", literal + "#"))


def _translated(pattern: str) -> str:
    pattern = unicodedata.normalize("NFC", pattern.removeprefix("./"))
    literal = not any(part[0] in "*?" or len(part) > 1 for part in _PART.findall(pattern))
    if pattern.endswith("/"):
        pattern = pattern.rstrip("/") + "/**"
    segments = pattern.split("/") if pattern.startswith("/") else ["**", *pattern.split("/")]
    first, *runs = [[_segment(segment) for segment in run] for run in _split(segments, "**")]
    if not runs:
        return "/".join(first) + (r"(?:[/#][\s\S]+)?" if literal else "")
    parts = ["".join(segment + "/" for segment in first)]
    parts += [f"(?>(?:[^/]*/)*?{''.join(segment + '/' for segment in run)})" for run in runs[:-1] if run]
    if runs[-1]:
        parts.append("(?:[^/]*/)*" + "/".join(runs[-1]) + (r"(?:[/#][\s\S]+)?" if literal else ""))
    else:
        parts.append(r"[\s\S]+")
    return "".join(parts)


def _segment(segment: str) -> str:
    head, *chunks = ["".join(map(_one, chunk)) for chunk in _split(_PART.findall(segment), "*")]
    if not chunks:
        return head
    return head + "".join(f"(?>[^/]*?{chunk})" for chunk in chunks[:-1] if chunk) + "[^/]*" + chunks[-1]


def _split(items: Sequence[str], stars: str) -> list[list[str]]:
    """The items between those that are the wildcard."""
    runs: list[list[str]] = [[]]
    for item in items:
        if item == stars or (stars == "*" and item.startswith("*")):
            runs.append([])
        else:
            runs[-1].append(item)
    return runs


def _one(part: str) -> str:
    if part == "?":
        return "[^/]"
    if part == uri_of_path("#"):
        return f"[#{part}]"  # of a file's name, or before what lies inside it
    return _bracket(part[1:-1]) if len(part) > 1 else re.escape(part)


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
