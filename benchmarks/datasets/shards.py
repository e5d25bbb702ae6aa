"""Pictures in parquet files of MegaStyle's layout, read row by row and never held in memory together.

MegaStyle-1.4M (arXiv 2604.08364) is published as parquet with the columns `image` (struct with `bytes`), `style` and
`content`.
"""

from __future__ import annotations

import hashlib
import os
import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.datasets.listing import Entry, Listing
from stylesearch.errors import ImageError, MissingDependencyError, UsageError
from stylesearch.formats import SIGNATURE_BYTES
from stylesearch.records import Limits
from stylesearch.uris import printable

_LIMITS = Limits()
_BATCH = 16  # rows that are read together
_KEPT = 4  # batches: threads ask for rows a little out of order
_BUFFER = 1 << 20  # bytes


def read_shards(paths: Sequence[Path]) -> Listing:
    """Lists the rows of all files as one set; the pictures stay on disk.

    Args:
        paths: at least one file; their order is the order of the set.

    Raises:
        MissingDependencyError: pyarrow is not installed.
        UsageError: a file cannot be read, or lacks a column.
    """
    shards = Shards(paths)
    root = os.path.commonpath([path.parent for path in paths])
    entries = []
    for path, first in zip(paths, shards.first_rows, strict=True):
        prefix = "" if len(paths) == 1 else f"{path.relative_to(root).as_posix()} "
        styles, contents = _labels(path)
        entries += [
            Entry(f"{prefix}row {row}", style, content, first + row)
            for row, (style, content) in enumerate(zip(styles, contents, strict=True))
        ]
    name = paths[0].stem if len(paths) == 1 else Path(root).name
    return Listing(name, entries, shards)


def require_pyarrow() -> None:
    """Raises MissingDependencyError where it is not installed."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as exc:
        raise MissingDependencyError("pyarrow", "bench", "for sets in parquet files, and for rendered ones") from exc


def rows_of(path: Path) -> int | None:
    """How many rows a file has, by its last bytes; None where it is not there, or not whole."""
    if not path.exists():
        return None
    try:
        with _open(path) as file:
            return int(file.metadata.num_rows)
    except UsageError:
        return None


@dataclass
class _Cursor:
    """A row group that is being read, and the number of its next batch."""

    group: int
    batches: Iterator[Any]
    number: int = 0


class Shards:
    """A source of parquet files: a place is the number of a row, counted over all files.

    Memory is bounded by some batches of pictures, or a page of the file where that is more, whatever the sizes of files
    and row groups. Rows in ascending order are read once; one that lies behind costs its row group from the start.

    Attributes:
        first_rows: of each file, the place of its first row.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._groups: list[tuple[int, int]] = []  # (file, row group in it)
        self._starts: list[int] = []  # of each group, the place of its first row
        self.first_rows: list[int] = []
        rows = 0
        for number, path in enumerate(paths):
            self.first_rows.append(rows)
            with _open(path) as file:
                _check_columns(file, path)
                for group in range(file.metadata.num_row_groups):
                    self._groups.append((number, group))
                    self._starts.append(rows)
                    rows += file.metadata.row_group(group).num_rows
        self._lock = threading.Lock()
        self._batches: OrderedDict[tuple[int, int], list[bytes | None]] = OrderedDict()
        self._cursor: _Cursor | None = None

    def read(self, place: int) -> bytes:
        """See `listing.Source.read`."""
        group = bisect_right(self._starts, place) - 1
        number, row = divmod(place - self._starts[group], _BATCH)
        with self._lock:
            data = self._batch(group, number)[row]
        if data is None:
            raise ImageError("missing", "The row holds no bytes.")
        if len(data) > _LIMITS.max_bytes:
            raise ImageError("too-large", f"The row has {len(data):,} bytes; the cap is {_LIMITS.max_bytes:,}.")
        return data

    def checksum(self, place: int) -> tuple[bytes, bytes]:
        """See `listing.Source.checksum`."""
        data = self.read(place)
        return hashlib.sha256(data).digest(), data[:SIGNATURE_BYTES]

    def _batch(self, group: int, number: int) -> list[bytes | None]:
        if (group, number) in self._batches:
            self._batches.move_to_end((group, number))
            return self._batches[group, number]
        cursor = self._cursor
        if cursor is None or cursor.group != group or cursor.number > number:
            cursor = self._cursor = _Cursor(group, self._read_group(group))
        batch: Any = None
        while cursor.number <= number:
            batch = next(cursor.batches)
            cursor.number += 1
        column = batch.column(0)
        self._batches[group, number] = found = [image and image["bytes"] for image in column.to_pylist()]
        if len(self._batches) > _KEPT:
            self._batches.popitem(last=False)
        return found

    def _read_group(self, group: int) -> Iterator[Any]:
        shard, number = self._groups[group]
        with _open(self._paths[shard]) as file:
            yield from file.iter_batches(_BATCH, row_groups=[number], columns=["image.bytes"], use_threads=False)


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    """The file for reading; the one place where what pyarrow raises becomes ours."""
    require_pyarrow()
    import pyarrow
    import pyarrow.parquet

    try:
        # Without pre_buffer=False, or without a buffer, all pictures of a row group are in memory at once.
        with pyarrow.parquet.ParquetFile(
            path, pre_buffer=False, buffer_size=_BUFFER, page_checksum_verification=True
        ) as file:
            yield file
    except (pyarrow.ArrowException, OSError) as exc:
        raise UsageError(f"'{printable(str(path))}' cannot be read as parquet ({_line(exc)}).") from exc


def _line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".")


def _check_columns(file: Any, path: Path) -> None:
    import pyarrow

    schema = file.schema_arrow
    needs = "it needs image (struct with bytes), style and content."
    if missing := [name for name in ("image", "style", "content") if name not in schema.names]:
        raise UsageError(f"'{printable(str(path))}' has no column '{missing[0]}'; {needs}")
    image = schema.field("image").type
    if not pyarrow.types.is_struct(image) or image.get_field_index("bytes") < 0:
        raise UsageError(f"'{printable(str(path))}' has a column 'image' of the type {image}; {needs}")


def _labels(path: Path) -> tuple[list[str | None], list[str | None]]:
    """Styles and contents of a file, each label once in memory."""
    import pyarrow

    once: dict[str, str] = {}
    with _open(path) as file:
        table = file.read(columns=["style", "content"])
        columns = []
        for name in ("style", "content"):
            kind = table.schema.field(name).type
            if pyarrow.types.is_dictionary(kind):
                kind = kind.value_type
            if not (
                pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind) or pyarrow.types.is_integer(kind)
            ):
                raise UsageError(f"'{printable(str(path))}' has a column '{name}' of the type {kind}; it must be text.")
            found = (None if value is None else str(value) for value in table[name].to_pylist())
            columns.append([value and once.setdefault(value, value) for value in found])
    return columns[0], columns[1]
