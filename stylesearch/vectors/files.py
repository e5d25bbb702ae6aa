"""The file of a vector table: one line of JSON, the raw arrays, a SHA-256 digest.

    bytes               content
    256                 JSON object padded with spaces, ended by a newline: format, version, kind, dim, count, sequence,
                        history, structure, entries
    count * dim * 4     vectors, float32, little endian, row after row
    count * 8           asset ids, int64, little endian
    entries / 8         a bit for each entry of the structure: whether it is alive
    32                  SHA-256 of everything before

`kind` names the structure that the file holds. "flat" is the table itself, and every engine but Qdrant
reads it; `structure` is the token of the structure of FAISS that belongs to it, "" where there is none.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from stylesearch.errors import VectorIndexError
from stylesearch.vectors.table import VectorTable

FORMAT = "stylesearch-vectors"
VERSION = 2
KIND = "flat"
HEADER_BYTES = 256
DIGEST_BYTES = hashlib.sha256().digest_size

# A partial file that has not been written to for so long was left behind by a process that was killed.
ABANDONED_SECONDS = 3600

_BLOCK_BYTES = 1 << 22


def write_table(path: Path, table: VectorTable, structure: str = "", alive: np.ndarray | None = None) -> None:
    """Writes `table` beside `path` and puts it in its place in one step.

    Args:
        path: of the file.
        table: what to write.
        structure: token of the structure that belongs to it, see `stylesearch.vectors.structure_files`; "": none.
        alive: bool (R,): which of the structure's entries are no tombstones.

    Raises VectorIndexError where the operating system refuses; what lay at `path` is then still there.
    """
    header = {"format": FORMAT, "version": VERSION, "kind": KIND}
    header |= {"dim": table.dim, "count": len(table), "sequence": table.sequence, "history": table.history}
    header |= {"structure": structure, "entries": 0 if alive is None else len(alive)}
    parts = (
        json.dumps(header).encode().ljust(HEADER_BYTES - 1) + b"\n",
        table.vectors.astype("<f4", copy=False).reshape(-1).data,
        table.ids.astype("<i8", copy=False).data,
        b"" if alive is None else np.packbits(alive).data,
    )
    digest = hashlib.sha256()
    with put_in_place(path) as partial, open(partial, "xb") as file:
        for part in parts:
            digest.update(part)
            file.write(part)
        file.write(digest.digest())


@contextmanager
def put_in_place(path: Path) -> Iterator[Path]:
    """A name for a file that replaces `path` when the block ends, all of it being on disk.

    Raises VectorIndexError where the operating system refuses; what lay at `path` is then still there.
    """
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}.partial")  # unique: two processes may save at once
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        yield partial
        with open(partial, "rb") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as exc:
        with suppress(OSError):
            partial.unlink()
        raise refused(path, "written", exc) from exc


def read_table(path: Path) -> tuple[VectorTable, str, np.ndarray]:
    """What `write_table` wrote: the table, the structure's token, bool (R,) which of its entries are alive.

    The vectors are mapped into memory: the system reads them when they are used, and processes share them. Whoever
    replaces the file does not disturb them.

    Raises VectorIndexError where the file is damaged, of another kind or version, or cannot be read.
    """
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            header = _parse(path, file.read(HEADER_BYTES))
            dim, count, entries = header["dim"], header["count"], header["entries"]
            end = HEADER_BYTES + count * (dim * 4 + 8) + -(-entries // 8)
            if size != end + DIGEST_BYTES:
                raise damaged(path, f"{size} bytes where {end + DIGEST_BYTES} are due")
            if digest_of(file, end) != file.read(DIGEST_BYTES):
                raise damaged(path, "its checksum does not match")
            vectors = np.empty((0, dim), "<f4")
            if count:
                vectors = np.asarray(np.memmap(file, "<f4", "r", HEADER_BYTES, (count, dim)))
            file.seek(HEADER_BYTES + count * dim * 4)
            ids = np.fromfile(file, "<i8", count).astype(np.int64, copy=False)
            alive = np.unpackbits(np.fromfile(file, np.uint8, -(-entries // 8)), count=entries).astype(bool)
    except OSError as exc:
        raise refused(path, "read", exc) from exc
    vectors = vectors.astype(np.float32, copy=False)
    table = VectorTable(ids, vectors, count, header["sequence"], header["history"])
    return table, header["structure"], alive


def digest_of(file: BinaryIO, end: int) -> bytes:
    """SHA-256 of the first `end` bytes, read in blocks; the file is left right behind them."""
    digest, buffer = hashlib.sha256(), memoryview(bytearray(_BLOCK_BYTES))
    file.seek(0)
    while end > 0 and (count := file.readinto(buffer[: min(end, _BLOCK_BYTES)])):  # type: ignore[attr-defined]
        digest.update(buffer[:count])
        end -= count
    return digest.digest()


def _parse(path: Path, head: bytes) -> dict[str, Any]:
    try:
        header: dict[str, Any] = json.loads(head)
        name, version, kind = header["format"], header["version"], header["kind"]
        if name == FORMAT and (version not in (1, VERSION) or kind != KIND):
            raise VectorIndexError(
                f"The vector index '{path}' is of kind '{kind}' and version {version}; this StyleSearch reads kind "
                f"'{KIND}' and version {VERSION}. Rebuild it with: stylesearch rebuild"
            )
        if version == 1:  # knew none
            header |= {"structure": "", "entries": 0}
        numbers = [header[key] for key in ("dim", "count", "sequence", "entries")]
        texts = [header[key] for key in ("history", "structure")]
    except (ValueError, TypeError, KeyError) as exc:
        raise damaged(path, "its header cannot be read") from exc
    right = all(type(number) is int and number >= 0 for number in numbers) and all(type(t) is str for t in texts)
    if name != FORMAT or not right or not all(letter in "0123456789abcdef" for letter in header["structure"]):
        raise damaged(path, "its header makes no sense")
    return header


def damaged(path: Path, why: str) -> VectorIndexError:
    """What to raise where a file makes no sense."""
    return VectorIndexError(f"The vector index '{path}' is damaged ({why}). Rebuild it with: stylesearch rebuild")


def refused(path: Path, what: str, exc: OSError) -> VectorIndexError:
    """What to raise where the operating system did not let a file be "read" or "written"."""
    if what == "read":
        return VectorIndexError(f"The vector index '{path}' cannot be read ({exc.strerror}).")
    return VectorIndexError(
        f"The vector index '{path}' cannot be written ({exc.strerror}). The catalog still holds every vector; "
        "make room or allow writing there, then: stylesearch rebuild"
    )


def _sweep(path: Path) -> None:
    for partial in path.parent.glob(f"{glob.escape(path.name)}.*.partial"):
        try:
            if time.time() - partial.stat().st_mtime > ABANDONED_SECONDS:
                partial.unlink()
        except FileNotFoundError:  # another process finished, or swept, first
            continue
