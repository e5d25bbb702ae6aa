"""Files of structures, beside that of the table: NAME.TOKEN.faiss.

    bytes                   content
    as FAISS needs          the index, as `faiss.write_index` writes it
    entries * 8             asset ids by node, int64, little endian
    (nodes + 1) * 8         starts of the nodes, int64, little endian
    256                     JSON object padded with spaces: format, version, kind, token, entries, nodes, built
    32                      SHA-256 of everything before

A structure never changes, so its file is written once; the table's file names the structure that belongs to it, and
which of its entries are alive.
"""

from __future__ import annotations

import glob
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from stylesearch.vectors.files import DIGEST_BYTES, damaged, digest_of, put_in_place, refused
from stylesearch.vectors.structures import RECIPES, Structure, import_faiss

FORMAT = "stylesearch-structure"
VERSION = 1
TRAILER_BYTES = 256


def write_structure(path: Path, structure: Structure) -> None:
    """Writes the file for the table's file `path`, where there is none; raises VectorIndexError as `write_table`."""
    target = _target(path, structure.token)
    if target.exists():
        return
    faiss = import_faiss()
    trailer = {"format": FORMAT, "version": VERSION, "kind": structure.recipe.kind, "token": structure.token}
    trailer |= {"entries": len(structure.entry_ids), "nodes": len(structure), "built": structure.built}
    with put_in_place(target) as partial:
        try:
            faiss.write_index(structure.index, str(partial))
        except RuntimeError as exc:
            raise OSError(0, str(exc).rpartition("\n")[2]) from exc
        with open(partial, "r+b") as file:
            file.seek(0, os.SEEK_END)
            file.write(structure.entry_ids.astype("<i8", copy=False).data)
            file.write(structure.starts.astype("<i8", copy=False).data)
            file.write(json.dumps(trailer).encode().ljust(TRAILER_BYTES))
            end = file.tell()
            file.seek(0)
            digest = digest_of(file, end)
            file.seek(end)
            file.write(digest)


def read_structure(path: Path, token: str) -> Structure:
    """The structure of that token, mapped into memory.

    Raises VectorIndexError where the file is missing, damaged or of another version.
    """
    faiss = import_faiss()
    target = _target(path, token)
    try:
        with open(target, "rb") as file:
            end = os.fstat(file.fileno()).st_size - DIGEST_BYTES
            if end < TRAILER_BYTES or digest_of(file, end) != file.read():
                raise damaged(target, "its checksum does not match")
            file.seek(end - TRAILER_BYTES)
            trailer = _parse(target, file.read(TRAILER_BYTES), token)
            entries, nodes = trailer["entries"], trailer["nodes"]
            first = end - TRAILER_BYTES - 8 * (entries + nodes + 1)
            entry_ids, starts = _mapped(file, first, entries), _mapped(file, first + 8 * entries, nodes + 1)
        index = faiss.read_index(str(target), faiss.IO_FLAG_MMAP_IFC)
    except OSError as exc:
        raise refused(target, "read", exc) from exc
    except RuntimeError as exc:  # of FAISS
        raise damaged(target, "FAISS cannot read it") from exc
    return Structure(RECIPES[trailer["kind"]], index, entry_ids, starts, trailer["built"], token)


def _mapped(file: BinaryIO, start: int, count: int) -> np.ndarray:
    mapped = np.memmap(file, "<i8", "r", start, (count,)) if count else np.empty(0, "<i8")
    return np.asarray(mapped).astype(np.int64, copy=False)


def sweep_structures(path: Path, token: str) -> None:
    """Removes the structures of the table's file `path` but the one with that token. Who has one open keeps it."""
    for other in path.parent.glob(f"{glob.escape(path.name)}.*.faiss"):
        if other != _target(path, token):
            with suppress(OSError):  # another process was first; or it stays, which harms nobody
                other.unlink()


def _target(path: Path, token: str) -> Path:
    return path.with_name(f"{path.name}.{token}.faiss")


def _parse(target: Path, trailer: bytes, token: str) -> dict[str, Any]:
    try:
        values: dict[str, Any] = json.loads(trailer)
        known = (values["format"], values["version"], values["token"]) == (FORMAT, VERSION, token)
        if not known or values["kind"] not in RECIPES:
            raise damaged(target, "it is of another version")
        return values
    except (ValueError, TypeError, KeyError) as exc:
        raise damaged(target, "its last lines make no sense") from exc
