"""Exact search by Qdrant's engine in this process (qdrant-edge), over vectors that it keeps in a folder."""

from __future__ import annotations

import importlib
import os
import shutil
import tempfile
import threading
import uuid
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np

from stylesearch.errors import MissingDependencyError, StyleSearchError, UsageError, VectorIndexError
from stylesearch.records import Changes
from stylesearch.vectors.base import Neighbours, VectorIndex
from stylesearch.vectors.flat import cut
from stylesearch.vectors.table import cosines_of, last_words, unit_rows

FORMAT = "stylesearch-qdrant"
VERSION = 1
STYLE = "style"  # name of the vector of a point

# The point that says what the index holds. Asset ids are int64, so none is ever so large.
HEADER = 2**63

BATCH = 1_000  # points that are written together

# Points fetched beyond those wanted, so that ties at the cut are seen at the first attempt.
SPARE = 16


class QdrantIndex(VectorIndex):
    """Vectors on disk in a folder, which one process has open at a time.

    Every change is on its way to disk when `apply` returns, and `save` to the index's own folder completes it; a new
    index lies in a temporary folder until it is saved. An index whose process was killed within `apply` opens empty, to
    be filled again: what it holds then belongs to no moment of the catalog.

    The engine proposes candidates in float32; their cosines are summed and ranked as those of `FlatIndex` are, so ids
    and cosines are the same, bit for bit. One thread at a time searches or changes it.

    Raises:
        MissingDependencyError: qdrant-edge-py is not installed.
    """

    kind = "qdrant"

    def __init__(self, dim: int) -> None:
        self._qdrant = _import_qdrant()
        self._lock = threading.Lock()
        self._sequence, self._history, self._count, self._dim = 0, "", 0, dim
        folder = Path(tempfile.mkdtemp(prefix="stylesearch-qdrant-"))
        self._live_in(folder / "shard", _create(self._qdrant, folder / "shard", dim), temporary=True)
        self._write_header(whole=True)

    def _live_in(self, folder: Path, shard: Any, *, temporary: bool) -> None:
        self._folder, self._shard = folder, shard
        self._leave = weakref.finalize(self, _leave, shard, folder.parent if temporary else None)

    @property
    def dim(self) -> int:
        return self._dim

    @property
    def sequence(self) -> int:
        return self._sequence

    @property
    def history(self) -> str:
        return self._history

    def __len__(self) -> int:
        return self._count

    def apply(self, changes: Changes) -> None:
        qdrant = self._qdrant
        with self._lock, _engine_errors(self._folder):
            if changes.sequence <= self._sequence:
                return
            dead, ids, vectors = last_words(changes, self._dim)
            self._write_header(whole=False)
            if len(dead):
                self._shard.update(qdrant.UpdateOperation.delete_points(dead.tolist()))
            for start in range(0, len(ids), BATCH):
                rows = zip(ids[start : start + BATCH].tolist(), vectors[start : start + BATCH], strict=True)
                points = [qdrant.Point(asset_id, {STYLE: vector}) for asset_id, vector in rows]
                self._shard.update(qdrant.UpdateOperation.upsert_points(points))
            self._count = _count(qdrant, self._shard)
            self._sequence, self._history = changes.sequence, changes.history
            self._write_header(whole=True)

    def _write_header(self, *, whole: bool) -> None:
        header = {"format": FORMAT, "version": VERSION, "dim": self._dim, "count": self._count, "whole": whole}
        header |= {"sequence": self._sequence, "history": self._history}
        self._shard.update(self._qdrant.UpdateOperation.upsert_points([self._qdrant.Point(HEADER, {}, header)]))

    def search(self, queries: np.ndarray, k: int, allowed: np.ndarray | None = None) -> Neighbours:
        if k < 1:
            raise UsageError(f"k is {k}; it must be at least 1.")
        queries = unit_rows(queries, self._dim, "The query")
        ids = np.full((len(queries), k), -1, np.int64)
        cosines = np.full((len(queries), k), -np.inf, np.float32)
        among = None if allowed is None else self._filter(allowed)
        with self._lock, _engine_errors(self._folder):
            wanted = min(k, self._count)
            for i, query in enumerate(queries if wanted and (allowed is None or len(allowed)) else ()):
                found, vectors = self._candidates(query, wanted, among)
                scores = cosines_of(query, vectors)
                best = np.lexsort((found, -scores))[:wanted]
                ids[i, : len(best)], cosines[i, : len(best)] = found[best], scores[best]
        return Neighbours(ids, cosines)

    def _filter(self, allowed: np.ndarray) -> Any:
        known = set(allowed[allowed >= 0].tolist())  # the engine's ids are unsigned
        return self._qdrant.Filter(must=[self._qdrant.HasIdCondition(known)])

    def _candidates(self, query: np.ndarray, wanted: int, among: Any) -> tuple[np.ndarray, np.ndarray]:
        """int64 (R,) ids and float32 (R, D) vectors of all points that may be among the `wanted` best."""
        qdrant, limit = self._qdrant, wanted + max(SPARE, wanted // 8)
        while True:
            request = qdrant.QueryRequest(
                limit=limit,
                query=qdrant.Query.Nearest(query, using=STYLE),
                filter=among,
                with_vector=True,
                params=qdrant.SearchParams(exact=True),
            )
            points = self._shard.query(request)
            scores = np.array([point.score for point in points], np.float32)
            if len(points) < limit or scores[-1] < cut(scores[wanted - 1], self._dim):
                break
            limit *= 4  # more of the tie may lie beyond
        vectors = np.array([point.vector[STYLE] for point in points], np.float32).reshape(-1, self._dim)
        return np.array([point.id for point in points], np.int64), vectors

    def save(self, path: Path) -> None:
        """Completes what is on disk; an index that lies elsewhere moves to `path`, in the place of what was there.

        Raises VectorIndexError where the operating system refuses; what lay at `path` is then still whole.
        """
        with self._lock, _engine_errors(path):
            self._shard.optimize()  # gives up the room of vectors that were removed; builds no graph
            self._shard.flush()
            if path != self._folder:
                _copy(self._folder, path)
                self._leave()
                self._live_in(path, self._qdrant.EdgeShard.load(str(path)), temporary=False)

    @classmethod
    def load(cls, path: Path) -> Self:
        index = cls.__new__(cls)
        index._qdrant = qdrant = _import_qdrant()
        index._lock = threading.Lock()
        with _engine_errors(path):
            shard = qdrant.EdgeShard.load(str(path))
            header, count = _read_header(shard, path), _count(qdrant, shard)
            if header["whole"] and header["count"] != count:
                raise _damaged(path, f"{count} vectors where {header['count']} are due")
            if not header["whole"]:
                shard.close()
                shutil.rmtree(path)
                shard = _create(qdrant, path, header["dim"])
                header |= {"sequence": 0, "history": "", "count": 0}
        index._live_in(path, shard, temporary=False)
        index._sequence, index._history = header["sequence"], header["history"]
        index._count, index._dim = header["count"], header["dim"]
        index._write_header(whole=True)
        return index


def _create(qdrant: Any, folder: Path, dim: int) -> Any:
    folder.mkdir(parents=True)
    config = qdrant.EdgeConfig(
        vectors={STYLE: qdrant.EdgeVectorParams(dim, qdrant.Distance.Dot)},
        optimizers=qdrant.EdgeOptimizersConfig(indexing_threshold=0),  # exact search needs no graph
    )
    return qdrant.EdgeShard.create(str(folder), config)


def _count(qdrant: Any, shard: Any) -> int:
    """Points that hold a vector."""
    held = qdrant.Filter(must=[qdrant.HasVectorCondition(STYLE)])
    return int(shard.count(qdrant.CountRequest(filter=held, exact=True)))


def _read_header(shard: Any, path: Path) -> dict[str, Any]:
    points = shard.retrieve([HEADER], with_payload=True, with_vector=False)
    header: dict[str, Any] = (points[0].payload if points else None) or {}
    if header.get("format") != FORMAT:
        raise _damaged(path, "its header is missing")
    if header["version"] != VERSION:
        raise VectorIndexError(
            f"The vector index '{path}' is of version {header['version']}; this StyleSearch reads version {VERSION}. "
            "Rebuild it with: stylesearch rebuild"
        )
    return header


def _copy(source: Path, target: Path) -> None:
    name = f"{target.name}.{uuid.uuid4().hex}"  # unique: two processes may save at once
    partial, old = target.with_name(f"{name}.partial"), target.with_name(f"{name}.old")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, partial)
        if target.exists():
            os.replace(target, old)
        os.replace(partial, target)
    except OSError:
        shutil.rmtree(partial, ignore_errors=True)
        if old.exists() and not target.exists():
            os.replace(old, target)
        raise
    if old.is_dir():
        shutil.rmtree(old)
    else:
        old.unlink(missing_ok=True)


def _leave(shard: Any, temporary: Path | None) -> None:
    shard.close()
    if temporary is not None:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _engine_errors(path: Path) -> Iterator[None]:
    """What the engine and the operating system raise, as VectorIndexError."""
    try:
        yield
    except StyleSearchError:
        raise
    except OSError as exc:
        raise VectorIndexError(
            f"The vector index '{path}' cannot be written ({exc.strerror}). The catalog still holds every vector; "
            "make room or allow writing there, then: stylesearch rebuild"
        ) from exc
    except BaseException as exc:
        # The engine raises bare Exceptions, and on files that make no sense the PanicException of PyO3, which is none.
        if not isinstance(exc, Exception) and type(exc).__name__ != "PanicException":
            raise
        if "WouldBlock" in str(exc):
            raise VectorIndexError(
                f"The vector index '{path}' is open in another process, and Qdrant's engine allows one at a time. "
                "Close the other one, or make a library with: stylesearch init FOLDER --index faiss"
            ) from exc
        raise _damaged(path, str(exc).partition("\n")[0]) from exc


def _damaged(path: Path, why: str) -> VectorIndexError:
    return VectorIndexError(f"The vector index '{path}' is damaged ({why}). Rebuild it with: stylesearch rebuild")


def _import_qdrant() -> Any:
    try:
        return importlib.import_module("qdrant_edge")
    except ImportError as exc:
        raise MissingDependencyError("qdrant-edge-py", "qdrant", "for the vector index 'qdrant'") from exc
