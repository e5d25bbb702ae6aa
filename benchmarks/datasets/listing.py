"""From what a reader lists to a set that can be scored: what cannot be read or has two labels is left out by name."""

from __future__ import annotations

import hashlib
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from benchmarks.datasets.base import Problem, ProblemKind, Role, StyleSet, listed
from stylesearch.errors import ImageError, UsageError
from stylesearch.files import open_file, system_errors
from stylesearch.formats import SIGNATURE_BYTES, format_of
from stylesearch.records import Limits
from stylesearch.uris import path_of_uri, printable, uri_of_path

_LIMITS = Limits()
_PAIRS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Entry:
    """One picture that a reader lists.

    Attributes:
        name: how it is named in this set.
        style, content: labels; None where there is none.
        place: where its bytes lie, for the `Source`.
        role: whether it is a query, in the gallery, or both.
    """

    name: str
    style: str | None
    content: str | None
    place: int
    role: Role = "both"


class Source(Protocol):
    """Where bytes come from. Both methods raise ImageError, whose message does not name the picture."""

    def read(self, place: int) -> bytes:
        """All bytes of a picture; safe in threads."""

    def checksum(self, place: int) -> tuple[bytes, bytes]:
        """SHA-256 of the bytes (32 bytes), and the first `SIGNATURE_BYTES` of them."""


@dataclass(frozen=True)
class Listing:
    """What a reader finds, in a fixed order.

    Attributes:
        name: for the set, where the user gives none.
        entries: pictures.
        source: their bytes.
        left_out: what is no entry, and why.
        licence: of the pictures, where it is known.
    """

    name: str
    entries: Sequence[Entry]
    source: Source
    left_out: tuple[Problem, ...] = ()
    licence: str | None = None


class Files:
    """A source of files: a place is the index of a path (in the spelling of `uri_of_path`)."""

    def __init__(self, uris: Sequence[str]) -> None:
        self._uris = uris

    def read(self, place: int) -> bytes:
        """See `Source.read`."""
        with open_file(path_of_uri(self._uris[place]), _LIMITS) as file, system_errors():
            return file.read()

    def checksum(self, place: int) -> tuple[bytes, bytes]:
        """See `Source.checksum`; the file streams through the digest."""
        with open_file(path_of_uri(self._uris[place]), _LIMITS) as file, system_errors():
            head = file.read(SIGNATURE_BYTES)
            file.seek(0)
            return hashlib.file_digest(file, "sha256").digest(), head


def label(text: str) -> str:
    """A label from a file's name or a table: valid Unicode, and one spelling for letters with accents."""
    return unicodedata.normalize("NFC", uri_of_path(text))


def left_out(kind: ProblemKind, names: Sequence[str], why: str) -> Problem:
    """Pictures that are left out for one reason."""
    count = "1 picture is" if len(names) == 1 else f"{len(names):,} pictures are"
    return Problem(kind, f"{count} left out: {why} ({listed(names)}).", tuple(names))


def assembled(listing: Listing, source: str, progress: Callable[[int, int], None] | None = None) -> StyleSet:
    """The set of a listing, less what is unlabelled, unreadable by its first bytes, or there twice.

    Args:
        listing: what a reader found.
        source: the spec.
        progress: called with pictures read and their number.

    Raises:
        UsageError: nothing remains.
    """
    unlabelled = [entry.name for entry in listing.entries if not entry.style]
    problems = list(listing.left_out)
    if unlabelled:
        problems.append(left_out("unlabelled", unlabelled, "they have no style"))
    readable: list[Entry] = []
    checksums: list[bytes] = []
    refused: defaultdict[str, list[str]] = defaultdict(list)
    for done, entry in enumerate(listing.entries, start=1):
        if entry.style:
            try:
                checksum, head = listing.source.checksum(entry.place)
                _check_signature(head)
            except ImageError as exc:
                refused[str(exc)].append(entry.name)
            else:
                readable.append(entry)
                checksums.append(checksum)
        if progress:
            progress(done, len(listing.entries))
    problems += [left_out("unreadable", names, why.rstrip(".")) for why, names in refused.items()]
    kept, doubles = _without_doubles(readable, checksums)
    problems += doubles
    if not kept:
        found = " ".join(problem.message for problem in problems) or "Nothing is there."
        raise UsageError(f"'{printable(source)}' holds no picture that can be used. {found}")
    entries = [readable[row] for row in kept]
    return StyleSet(
        name=listing.name,
        source=source,
        styles=tuple(entry.style for entry in entries if entry.style),
        contents=tuple(entry.content or None for entry in entries),
        names=tuple(entry.name for entry in entries),
        roles=tuple(entry.role for entry in entries),
        checksums=tuple(checksums[row] for row in kept),
        read=listing.source.read,
        places=tuple(entry.place for entry in entries),
        left_out=tuple(problems),
        licence=listing.licence,
    )


def _check_signature(head: bytes) -> None:
    if not head:
        raise ImageError("empty", "The file is empty.")
    if format_of(head) is None:
        raise ImageError("not-an-image", "The content is of no image format that is known here.")


def _without_doubles(entries: Sequence[Entry], checksums: Sequence[bytes]) -> tuple[list[int], list[Problem]]:
    """Rows to keep, and what is left out because its bytes are there more than once."""
    rows_of: defaultdict[bytes, list[int]] = defaultdict(list)
    for row, checksum in enumerate(checksums):
        rows_of[checksum].append(row)
    again, conflicting = [], []
    for rows in rows_of.values():
        if len({entries[row].style for row in rows}) > 1:
            conflicting.append(rows)
        elif len(rows) > 1:
            again.append(rows)
    gone = {row for rows in conflicting for row in rows} | {row for rows in again for row in rows[1:]}
    problems = list(_doubles("duplicate", entries, again, 1, "the same bytes as another picture of their style"))
    problems += _doubles("conflicting_duplicate", entries, conflicting, 0, "the same bytes lie under several styles")
    return [row for row in range(len(entries)) if row not in gone], problems


def _doubles(
    kind: ProblemKind, entries: Sequence[Entry], groups: Sequence[Sequence[int]], first: int, why: str
) -> Iterator[Problem]:
    if not groups:
        return
    names = [entries[row].name for rows in groups for row in rows[first:]]
    pairs = [" = ".join(listed([entries[row].name]) for row in rows) for rows in groups[:_PAIRS_SHOWN]]
    more = f"; and {len(groups) - _PAIRS_SHOWN:,} more" if len(groups) > _PAIRS_SHOWN else ""
    count = "1 picture is" if len(names) == 1 else f"{len(names):,} pictures are"
    yield Problem(kind, f"{count} left out: {why} ({'; '.join(pairs)}{more}).", tuple(names))
