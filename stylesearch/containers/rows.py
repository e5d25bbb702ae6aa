"""Parquet files with a column of pictures, as MegaStyle-1.4M and most image sets of Hugging Face are published.

The column is a struct with a field `bytes`; a row is named by its number, from 0. Row groups are read forwards, a few
rows at a time, so that memory does not depend on their size.
"""

from __future__ import annotations

import io
import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

from stylesearch.containers.base import Container, Member, not_inside
from stylesearch.errors import ImageError, MissingDependencyError
from stylesearch.files import too_many_bytes
from stylesearch.records import Limits

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH = 16  # rows that are read together
_BATCHES_KEPT = 8  # threads ask for rows a little out of order


class ParquetContainer(Container):
    """A Parquet file; stays open while it is read."""

    key: ClassVar[str] = "row"

    def __init__(self, open_self: Callable[[], BinaryIO], identity: str, limits: Limits) -> None:
        super().__init__(open_self, identity, limits)
        try:
            import pyarrow as pa
        except ImportError as exc:
            missing = MissingDependencyError("pyarrow", "parquet", "to read Parquet files")
            raise ImageError("unsupported", str(missing)) from exc
        self._error: type[Exception] = pa.ArrowException
        self._lock = threading.Lock()
        self._parquet: Any = None
        self._file: BinaryIO | None = None
        self._kept: OrderedDict[int, pa.Array] = OrderedDict()  # batches by their first row
        try:
            metadata = self._opened().metadata
            self._column = _picture_column(self._opened().schema_arrow)
        except (pa.ArrowException, OSError) as exc:
            raise ImageError("damaged", f"The Parquet file cannot be read ({exc}).") from exc
        finally:
            self.close()
        self._starts = [0]  # first row of each group, and the number of all
        for group in range(metadata.num_row_groups):
            self._starts.append(self._starts[-1] + metadata.row_group(group).num_rows)

    def members(self) -> Iterator[Member]:
        for row in range(self._starts[-1]):
            yield Member(str(row), -1)

    def open(self, name: str, *, many: bool) -> BinaryIO:
        if not name.isdecimal() or int(name) >= self._starts[-1]:
            raise not_inside(name)
        row = int(name)
        with self._lock:
            try:
                value = self._value(row)
            except (self._error, OSError) as exc:
                raise ImageError("damaged", f"The Parquet file cannot be read here ({exc}).") from exc
        if not value.is_valid:
            raise ImageError("empty", "The row holds no picture.")
        if (size := len(value.as_buffer())) > self._limits.max_bytes:
            raise too_many_bytes(size, self._limits)
        return io.BytesIO(value.as_py())

    def close(self) -> None:
        with self._lock:
            if self._file is not None:
                self._file.close()
            self._parquet, self._file, self._group, self._next = None, None, -1, 0
            self._batches: Iterator[pa.RecordBatch] = iter(())
            self._kept.clear()

    def _opened(self) -> Any:
        if self._parquet is None:
            import pyarrow.parquet as pq

            # Buffered and not read ahead: one page of a column at a time, and not the whole column of a row group.
            self._file = self._open_self()
            self._parquet = pq.ParquetFile(self._file, pre_buffer=False, buffer_size=2**20)
        return self._parquet

    def _value(self, row: int) -> Any:
        while True:
            for first, pictures in self._kept.items():
                if first <= row < first + len(pictures):
                    self._kept.move_to_end(first)
                    return pictures[row - first]
            group = bisect_right(self._starts, row) - 1
            if group != self._group or row < self._next:
                self._group, self._next = group, self._starts[group]
                self._batches = self._opened().iter_batches(
                    _BATCH, row_groups=[group], columns=[f"{self._column}.bytes"]
                )
            if (batch := next(self._batches, None)) is None:
                raise ImageError("damaged", "The row group has fewer rows than the Parquet file says.")
            pictures = batch.column(0).field("bytes")
            self._kept[self._next] = pictures
            self._next += len(pictures)
            while len(self._kept) > _BATCHES_KEPT:
                self._kept.popitem(last=False)


def _picture_column(schema: pa.Schema) -> str:
    """The column `image`, or the first one of the same make."""
    import pyarrow as pa

    names = [
        field.name
        for field in schema
        if pa.types.is_struct(field.type)
        and (place := field.type.get_field_index("bytes")) >= 0
        and (pa.types.is_binary(field.type.field(place).type) or pa.types.is_large_binary(field.type.field(place).type))
    ]
    if not names:
        raise ImageError("not-an-image", "The Parquet file has no column of pictures (a struct with a field 'bytes').")
    return "image" if "image" in names else str(names[0])
