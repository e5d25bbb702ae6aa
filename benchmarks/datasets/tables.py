"""Pictures that a CSV table names, with their style and maybe content and split."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from benchmarks.datasets.base import Problem, Role
from benchmarks.datasets.folders import read_movements
from benchmarks.datasets.listing import Entry, Files, Listing, label, left_out
from stylesearch.errors import UsageError
from stylesearch.uris import printable, uri_of_path

WIKIART_TABLE = "wikiart.csv"

_ROLES: dict[str, Role] = {"query": "query", "gallery": "gallery", "database": "gallery", "both": "both", "": "both"}


def read_wikiart(folder: Path) -> Listing:
    """WikiArt with the artist as the style: by `wikiart.csv` as CSD's code reads it, else by the files' names.

    CSD (arXiv 2404.01292; learn2phoenix/CSD, data/wikiart.py) takes the columns `path`, `artist` and `split`, which is
    "query" or "database". Here, paths are relative to the folder.

    Raises:
        UsageError: as for `read_table`, or the folder cannot be listed.
    """
    if (folder / WIKIART_TABLE).exists():
        return read_table(folder / WIKIART_TABLE, style_columns=("artist",), name=folder.name)
    return read_movements(folder)


def read_table(path: Path, *, style_columns: Sequence[str] = ("style", "artist"), name: str | None = None) -> Listing:
    """A table with the columns `path`, `style` (or `artist`), and maybe `content` and `split`.

    Args:
        path: UTF-8, with a line of column names. Files are looked for beside it, and nowhere outside of its folder.
        style_columns: names of the column with the style; the first that is there counts.
        name: of the set; by default that of the file.

    Raises:
        UsageError: the table cannot be read, lacks a column, or has a split that is unknown.
    """
    columns, rows = _rows(path)
    missing = [] if "path" in columns else ["path"]
    style_column = next((column for column in style_columns if column in columns), None)
    if missing or style_column is None:
        lacking = missing[0] if missing else "' or '".join(style_columns)
        needed = f"path, {' or '.join(style_columns)}, and may have content and split"
        raise UsageError(
            f"'{printable(str(path))}' has no column '{lacking}'. Its first line must name the columns: {needed}. "
            f"It has: {printable(', '.join(columns))}."
        )
    entries: list[Entry] = []
    files: list[str] = []
    outside: list[str] = []
    for line, row in rows:
        inside = _inside(path.parent, row["path"])
        if inside is None:
            outside.append(f"{uri_of_path(row['path'])} (line {line})")
            continue
        role = _role(row.get("split", ""), path, line)
        content = label(row.get("content", "")) or None
        entries.append(Entry(uri_of_path(inside), label(row[style_column]), content, len(files), role))
        files.append(uri_of_path(str(path.parent / inside)))
    problems: tuple[Problem, ...] = ()
    if outside:
        problems = (left_out("outside", outside, f"no path inside '{printable(str(path.parent))}'"),)
    return Listing(name or path.stem, entries, Files(files), problems)


def _rows(path: Path) -> tuple[list[str], Iterator[tuple[int, Mapping[str, str]]]]:
    # Bytes that are not UTF-8 are kept as they are: they may name a file whose name is not UTF-8 either.
    try:
        text = path.read_text(encoding="utf-8-sig", errors="surrogateescape")
    except OSError as exc:
        raise UsageError(f"'{printable(str(path))}' cannot be read ({exc.strerror}).") from exc
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        columns = [column.strip().lower() for column in next(reader, [])]
    except csv.Error as exc:
        raise _bad_table(path, exc) from exc

    def rows() -> Iterator[tuple[int, Mapping[str, str]]]:
        try:
            for cells in reader:
                if cells:
                    # Cells that a short line lacks are empty.
                    padded = [*(cell.strip() for cell in cells), *[""] * (len(columns) - len(cells))]
                    yield reader.line_num, dict(zip(columns, padded, strict=False))
        except csv.Error as exc:
            raise _bad_table(path, exc) from exc

    return columns, rows()


def _bad_table(path: Path, error: csv.Error) -> UsageError:
    return UsageError(f"'{printable(str(path))}' is no table of comma-separated values ({error}).")


def _inside(folder: Path, text: str) -> str | None:
    """The path relative to `folder`; None where it leads out of it, or nowhere. Links inside are the user's own."""
    given = PurePosixPath(text)
    if given.is_absolute() and given.is_relative_to(folder.as_posix()):
        given = given.relative_to(folder.as_posix())
    if not given.parts or given.is_absolute() or ".." in given.parts or "\0" in text:
        return None
    return given.as_posix()


def _role(text: str, path: Path, line: int) -> Role:
    try:
        return _ROLES[text.lower()]
    except KeyError:
        allowed = ", ".join(f"'{role}'" for role in _ROLES if role)
        raise UsageError(
            f"'{printable(str(path))}', line {line}: the split is '{printable(text)}'; it must be {allowed} or empty. "
            "Leave out lines of other splits."
        ) from None
