"""Tags from a table that someone keeps beside the pictures: a CSV file, joined by path, content or file name."""

from __future__ import annotations

import csv
import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal, NamedTuple

from stylesearch.catalog import Catalog
from stylesearch.errors import UsageError
from stylesearch.files import uri_of
from stylesearch.metadata.text import KEYWORD, MOST_KEYWORDS, lines
from stylesearch.uris import divide_uri, path_of_uri

TagKey = Literal["path", "sha256", "name"]

_TOGETHER = 2_000  # rows that are looked up, and written, together
_MOST_CELL = 2**20  # characters


class TagRow(NamedTuple):
    """A line of the table."""

    line: int
    key: str
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TagReport:
    """What an import did, or would do.

    Attributes:
        rows: lines of the table that name a picture and at least one tag.
        matched: of them, those whose picture the library has.
        assets: pictures that were tagged.
        unmatched: lines whose picture the library does not have.
        ambiguous: lines whose name several pictures have; nothing was tagged for them.
    """

    rows: int
    matched: int
    assets: int
    unmatched: tuple[TagRow, ...]
    ambiguous: tuple[TagRow, ...]


def read_tags(
    path: str | os.PathLike[str], *, key: TagKey, key_column: str | None, tag_column: str, separator: str
) -> Iterator[TagRow]:
    """The lines of a CSV file with a header.

    Args:
        key: what the key column holds; it is called so where `key_column` names no other.
        key_column, tag_column: names in the header; case does not matter.
        separator: between the tags of one cell.

    Raises:
        UsageError: the file cannot be read, or lacks a column.
    """
    csv.field_size_limit(_MOST_CELL)
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            header = file.readline()
            file.seek(0)
            # A spreadsheet in a country with a decimal comma separates by semicolons.
            delimiter = max(",;\t", key=header.count)
            reader = csv.reader(file, delimiter=delimiter)
            names = [name.strip().casefold() for name in next(reader, [])]
            keys, tags = (_column(names, wanted, path) for wanted in (key_column or key, tag_column))
            for cells in reader:
                cells += [""] * (len(names) - len(cells))
                found = lines(cells[tags].split(separator), KEYWORD, MOST_KEYWORDS)
                if cells[keys].strip() and found:
                    yield TagRow(reader.line_num, cells[keys].strip(), found)
    except OSError as exc:
        raise UsageError(f"The table '{os.fspath(path)}' cannot be read ({exc.strerror}).") from exc
    except (UnicodeDecodeError, csv.Error) as exc:
        raise UsageError(f"The table '{os.fspath(path)}' is no CSV in UTF-8 ({exc}). Save it as that.") from exc


def import_tags(catalog: Catalog, rows: Iterable[TagRow], key: TagKey, *, dry_run: bool = False) -> TagReport:
    """Gives pictures the tags of a table, beside those that they have. A table that is imported again changes nothing.

    Args:
        key: what `TagRow.key` is: a path, absolute or from the current folder; the SHA-256 of a file; or the name of a
            file without its folders, where it is the only one of that name.
        dry_run: look everything up, and write nothing.
    """
    rows = iter(rows)
    count = matched = 0
    tagged: set[int] = set()
    unmatched: list[TagRow] = []
    ambiguous: list[TagRow] = []
    # No index of the catalog knows names alone: there is one look through all locations, for all lines.
    together = None if key == "name" else _TOGETHER
    while some := list(islice(rows, together)):
        tags: defaultdict[int, list[str]] = defaultdict(list)
        for row, found in zip(some, _found(catalog, some, key), strict=True):
            count += 1
            if not found:
                unmatched.append(row)
            elif len(found) > 1:
                ambiguous.append(row)
            else:
                matched += 1
                tags[next(iter(found))] += row.tags
        tagged.update(tags)
        if tags and not dry_run:
            catalog.add_tags(tags, "imported")
    return TagReport(count, matched, len(tagged), tuple(unmatched), tuple(ambiguous))


def _found(catalog: Catalog, rows: Sequence[TagRow], key: TagKey) -> Iterator[set[int]]:
    """The assets that each line names."""
    if key == "path":
        uris = [uri_of(row.key) for row in rows]
        at = catalog.assets_at(uris)
        return ({at[uri]} if uri in at else set() for uri in uris)
    if key == "sha256":
        digests = [row.key.lower() for row in rows]
        known = catalog.assets_by_hash(digests, space_id=0)
        return ({known[digest].asset_id} if digest in known else set() for digest in digests)
    named: dict[str, set[int]] = {_normal(row.key): set() for row in rows}
    for stretch in catalog.locations():
        for uri, asset_id in stretch:
            if (assets := named.get(_name_of(uri))) is not None:
                assets.add(asset_id)
    return (named[_normal(row.key)] for row in rows)


def _name_of(uri: str) -> str:
    base, inside = divide_uri(uri)
    members = [step.value for step in inside if step.key == "member"]
    return _normal((members[-1] if members else path_of_uri(base)).rpartition("/")[2])


def _normal(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _column(names: Sequence[str], wanted: str, path: str | os.PathLike[str]) -> int:
    if wanted.casefold() not in names:
        there = ", ".join(f"'{name}'" for name in names)
        raise UsageError(f"The table '{os.fspath(path)}' has no column '{wanted}'; it has {there or 'none'}.")
    return names.index(wanted.casefold())
