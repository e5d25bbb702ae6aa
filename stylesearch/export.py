"""The catalogue in files of other programs: CSV, JSON lines, Parquet, and XMP sidecars. Pictures are never touched."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Any

from stylesearch.catalog import Catalog
from stylesearch.errors import MissingDependencyError, UsageError
from stylesearch.files import uri_of
from stylesearch.metadata import xmp_sidecar
from stylesearch.palette import hex_of
from stylesearch.records import Details
from stylesearch.uris import printable

# Columns, and what they hold in Parquet.
COLUMNS = {
    "id": "int64",
    "sha256": "string",
    "paths": "list",
    "format": "string",
    "width": "int32",
    "height": "int32",
    "bytes": "int64",
    "title": "string",
    "description": "string",
    "creators": "list",
    "rights": "string",
    "licence": "string",
    "date": "string",
    "year": "int32",
    "software": "string",
    "source_type": "string",
    "generated": "bool",
    "generation": "string",
    "tags": "list",
    "palette": "list",
    "perceptual_hash": "string",
    "notes": "list",
}
_ROW_GROUP = 10_000

# Spreadsheets take a cell that begins so for a formula; metadata come from strangers.
_FORMULA = re.compile(r"[=+@\t\r]|-(?!\d)")
_LONGEST_NAME = 255  # bytes, of a file

# What a sidecar can hold beside tags.
_SAID = ("title", "description", "creators", "rights", "licence", "date", "source_type", "generation")


def spare_originals(catalog: Catalog, target: str | os.PathLike[str]) -> None:
    """Raises UsageError where writing this file would replace a picture, or an archive of pictures, of the library."""
    for path in (os.fspath(target), os.path.realpath(target)):
        if not Path(path).is_dir() and catalog.has_any(uri_of(path)):
            raise UsageError(f"'{printable(path)}' is one of the originals of the library. Write to another file.")


def as_record(details: Details) -> dict[str, Any]:
    """Everything that is known about an asset, as plain values by the names of `COLUMNS`."""
    asset, metadata, looks = details.asset, details.metadata, details.appearance
    return {
        "id": asset.id,
        "sha256": asset.sha256,
        "paths": [printable(path) for path in asset.paths],
        "format": asset.format,
        "width": asset.width,
        "height": asset.height,
        "bytes": asset.size,
        "title": metadata.title,
        "description": metadata.description,
        "creators": list(metadata.creators),
        "rights": metadata.rights,
        "licence": metadata.licence,
        "date": metadata.date,
        "year": metadata.year,
        "software": metadata.software,
        "source_type": metadata.source_type,
        "generated": metadata.generated,
        "generation": dict(metadata.generation),
        "tags": list(details.tags),
        "palette": [hex_of(colour) for colour in looks.palette] if looks else [],
        "perceptual_hash": f"{looks.perceptual_hash:016x}" if looks else None,
        "notes": list(metadata.notes),
    }


def export_table(details: Iterable[Details], path: str | os.PathLike[str]) -> int:
    """Writes a row for each asset, in one step, and holds only a few in memory at a time.

    Args:
        details: of the assets.
        path: its extension says how: ".csv", ".jsonl" or ".parquet". A file that is there is replaced.

    Returns:
        how many rows were written.

    Raises:
        UsageError: another extension, or a place that cannot be written.
        MissingDependencyError: Parquet, and pyarrow is not installed.
    """
    target = Path(path)
    writers: dict[str, Callable[[Iterator[dict[str, Any]], IO[bytes]], int]] = {
        ".csv": write_csv,
        ".jsonl": _write_json_lines,
        ".parquet": _write_parquet,
    }
    write = writers.get(target.suffix.lower())
    if write is None:
        raise UsageError(f"The export '{target}' must end in {', '.join(writers)}.")
    with in_one_step(target) as file:
        return write(map(as_record, details), file)


def export_sidecars(
    details: Iterable[Details], folder: str | os.PathLike[str], *, overwrite: bool = False
) -> tuple[int, int]:
    """Writes an XMP file for each location of each asset that has metadata or tags.

    Below the folder they lie as the pictures do below the root of the disk: that of `/scans/a.tif` is
    `FOLDER/scans/a.tif.xmp`. What lies inside an archive gets a folder that is named like the archive.

    Args:
        overwrite: replace files that are there.

    Returns:
        how many files were written, and how many were there and left as they are.

    Raises:
        UsageError: the folder cannot be written, or is the root of the disk, where they would lie beside the pictures.
    """
    if Path(folder).resolve() == Path(Path(folder).resolve().anchor):
        raise UsageError(f"Sidecars below '{folder}' would lie beside the pictures. Name a folder of their own.")
    written = left = 0
    for item in details:
        if not (item.tags or any(getattr(item.metadata, name) for name in _SAID)):
            continue
        packet = xmp_sidecar(item.metadata, item.tags)
        for path in item.asset.paths:
            target = sidecar_path(Path(folder), path)
            if target.exists() and not overwrite:
                left += 1
                continue
            with in_one_step(target, parents=True) as file:
                file.write(packet)
            written += 1
    return written, left


def sidecar_path(folder: Path, path: str) -> Path:
    """Where below the folder the sidecar of what lies at this path belongs. Never outside of the folder."""
    parts = [_safe(part) for part in re.split(r"[/#\\]", printable(path).replace("://", "/")) if part]
    *parents, name = parts
    if len(f"{name}.xmp".encode()) > _LONGEST_NAME:
        name = hashlib.sha256(path.encode("utf-8", "surrogateescape")).hexdigest()
    return folder.joinpath(*parents, f"{name}.xmp")


def _safe(part: str) -> str:
    part = part.replace(":", "%3A").replace("\0", "")
    return part.replace(".", "%2E") if part in (".", "..") else part


def write_csv(rows: Iterator[dict[str, Any]], file: IO[bytes], columns: Sequence[str] = tuple(COLUMNS)) -> int:
    """Writes a table that spreadsheets open without harm; returns how many rows."""
    text = io.TextIOWrapper(file, "utf-8-sig", newline="", write_through=True)  # the mark tells spreadsheets
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    count = 0
    for row in rows:
        writer.writerow({name: _cell(name, value) for name, value in row.items()})
        count += 1
    text.detach()
    return count


def _cell(name: str, value: Any) -> object:
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False) if value else ""
    if isinstance(value, list):  # no path has a line break: `printable` escapes it
        value = ("\n" if name in ("paths", "notes") else "; ").join(value)
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def _write_json_lines(rows: Iterator[dict[str, Any]], file: IO[bytes]) -> int:
    count = 0
    for row in rows:
        file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
        count += 1
    return count


def _write_parquet(rows: Iterator[dict[str, Any]], file: IO[bytes]) -> int:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as exc:
        raise MissingDependencyError("pyarrow", "parquet", "to write Parquet") from exc
    kinds = {"list": pa.list_(pa.string()), "bool": pa.bool_()}
    schema = pa.schema([(name, kinds.get(kind) or getattr(pa, kind)()) for name, kind in COLUMNS.items()])
    count = 0
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        while some := list(islice(rows, _ROW_GROUP)):
            for row in some:
                row["generation"] = json.dumps(row["generation"], ensure_ascii=False) if row["generation"] else None
            writer.write_table(pa.Table.from_pylist(some, schema))
            count += len(some)
    return count


@contextmanager
def in_one_step(target: Path, *, parents: bool = False) -> Iterator[IO[bytes]]:
    """A file that takes its place once it is complete. Raises UsageError where it cannot be written."""
    """A file to write, which takes its place once all of it is there.

    Raises:
        UsageError: it cannot be written.
    """
    partial = target.with_name(f".{uuid.uuid4().hex}.partial")
    try:
        if parents:
            target.parent.mkdir(parents=True, exist_ok=True)
        with open(partial, "w+b") as file:
            yield file
        os.replace(partial, target)
    except OSError as exc:
        raise UsageError(f"'{target}' cannot be written ({exc.strerror or exc}).") from exc
    finally:
        partial.unlink(missing_ok=True)
