"""The file of a vector table: one line of JSON, the raw arrays, a SHA-256 digest.

    bytes               content
    256                 JSON object padded with spaces, ended by a newline: format, version, kind, dim, count, sequence,
                        history
    count * dim * 4     vectors, float32, little endian, row after row
    count * 8           asset ids, int64, little endian
    32                  SHA-256 of everything before

`kind` names the structure that the file holds. "flat" is the table itself, and every exact engine reads it.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import time
import uuid
from contextlib import suppress
from pathlib import Path

import numpy as np

from stylesearch.errors import VectorIndexError
from stylesearch.vectors.table import VectorTable

FORMAT = "stylesearch-vectors"
VERSION = 1
KIND = "flat"
HEADER_BYTES = 256
DIGEST_BYTES = hashlib.sha256().digest_size

# A partial file that has not been written to for so long was left behind by a process that was killed.
ABANDONED_SECONDS = 3600


def write_table(path: Path, table: VectorTable) -> None:
    """Writes `table` beside `path` and puts it in its place in one step.

    Raises VectorIndexError where the operating system refuses; what lay at `path` is then still there.
    """
    header = {"format": FORMAT, "version": VERSION, "kind": KIND}
    header |= {"dim": table.dim, "count": len(table), "sequence": table.sequence, "history": table.history}
    parts = (
        json.dumps(header).encode().ljust(HEADER_BYTES - 1) + b"\n",
        table.vectors.astype("<f4", copy=False).reshape(-1).data,
        table.ids.astype("<i8", copy=False).data,
    )
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}.partial")  # unique: two processes may save at once
    digest = hashlib.sha256()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        with open(partial, "xb") as file:
            for part in parts:
                digest.update(part)
                file.write(part)
            file.write(digest.digest())
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as exc:
        with suppress(OSError):
            partial.unlink()
        raise VectorIndexError(
            f"The vector index '{path}' cannot be written ({exc.strerror}). The catalog still holds every vector; "
            "make room or allow writing there, then: stylesearch rebuild"
        ) from exc


def read_table(path: Path) -> VectorTable:
    """The table that `write_table` wrote.

    Raises VectorIndexError where the file is damaged, of another kind or version, or cannot be read.
    """
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            head = file.read(HEADER_BYTES)
            dim, count, sequence, history = _parse(path, head)
            expected = HEADER_BYTES + count * (dim * 4 + 8) + DIGEST_BYTES
            if size != expected:
                raise _damaged(path, f"{size} bytes where {expected} are due")
            vectors = np.fromfile(file, "<f4", count * dim)
            ids = np.fromfile(file, "<i8", count)
            stored = file.read(DIGEST_BYTES)
    except OSError as exc:
        raise VectorIndexError(f"The vector index '{path}' cannot be read ({exc.strerror}).") from exc
    digest = hashlib.sha256(head)
    digest.update(vectors.data)
    digest.update(ids.data)
    if digest.digest() != stored:
        raise _damaged(path, "its checksum does not match")
    rows = vectors.astype(np.float32, copy=False).reshape(count, dim)
    return VectorTable(ids.astype(np.int64, copy=False), rows, count, sequence, history)


def _parse(path: Path, head: bytes) -> tuple[int, int, int, str]:
    try:
        header = json.loads(head)
        name, version, kind = header["format"], header["version"], header["kind"]
        numbers = header["dim"], header["count"], header["sequence"]
        history = header["history"]
    except (ValueError, TypeError, KeyError) as exc:
        raise _damaged(path, "its header cannot be read") from exc
    if name != FORMAT or not all(type(number) is int and number >= 0 for number in numbers) or type(history) is not str:
        raise _damaged(path, "its header makes no sense")
    if (version, kind) != (VERSION, KIND):
        raise VectorIndexError(
            f"The vector index '{path}' is of kind '{kind}' and version {version}; this StyleSearch reads kind "
            f"'{KIND}' and version {VERSION}. Rebuild it with: stylesearch rebuild"
        )
    return *numbers, history


def _damaged(path: Path, why: str) -> VectorIndexError:
    return VectorIndexError(f"The vector index '{path}' is damaged ({why}). Rebuild it with: stylesearch rebuild")


def _sweep(path: Path) -> None:
    for partial in path.parent.glob(f"{glob.escape(path.name)}.*.partial"):
        try:
            if time.time() - partial.stat().st_mtime > ABANDONED_SECONDS:
                partial.unlink()
        except FileNotFoundError:  # another process finished, or swept, first
            continue
