"""Search by Qdrant's engine in this process (qdrant-edge), over vectors that it keeps in a folder."""

from __future__ import annotations

import importlib
import os
import shutil
import tempfile
import uuid
import weakref
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import numpy as np

from stylesearch.errors import MissingDependencyError, StyleSearchError, VectorIndexError
from stylesearch.vectors.base import Allowed
from stylesearch.vectors.files import damaged, refused
from stylesearch.vectors.qdrant_files import Sums, check_room, seal, unseal
from stylesearch.vectors.qdrant_payload import KEYWORDS, NUMBERS, PATHS, filter_terms
from stylesearch.vectors.qdrant_search import (
    BUILD,
    HEADER,
    KEY,
    LINKS,
    STYLE,
    Payload,
    Points,
    QdrantSearch,
    graph_from_kilobytes,
    walk,
)

FORMAT = "stylesearch-qdrant"
VERSION = 3

# What the system says, in the words of the engine, where it does not let something be written.
_REFUSALS = ("Permission denied", "Read-only file system", "No space left on device", "File too large")


class QdrantIndex(QdrantSearch):
    """Vectors on disk in a folder, which one process has open at a time.

    Every change is on its way to disk when `apply` returns, and `save` to the index's own folder completes it; a new
    index lies in a temporary folder until it is saved. An index whose process was killed within `apply` opens empty, to
    be filled again: what it holds then belongs to no moment of the catalog.

    Up to `GRAPH_FROM` vectors, and with `exact` beyond, ids and cosines are those of `FlatIndex`, bit for bit. Beyond,
    a graph over codes of one byte a number is walked once `optimize` has built it.

    Raises:
        MissingDependencyError: qdrant-edge-py is not installed.
    """

    kind = "qdrant"
    _batch = 1_000

    def __init__(self, dim: int, *, exact: bool = False) -> None:
        super().__init__(dim, exact=exact)
        self._qdrant, self._indexed = _import_qdrant(), False
        folder = Path(tempfile.mkdtemp(prefix="stylesearch-qdrant-"))
        self._live_in(folder / "shard", _create(self._qdrant, folder / "shard", dim), None)
        self._write_header(whole=True)

    def _live_in(self, folder: Path, shard: Any, sums: Sums | None) -> None:
        """Has the shard open; `sums` are those of its folder when it was opened, None for a temporary one."""
        self._folder, self._shard = folder, shard
        self._leave = weakref.finalize(self, _leave, shard, folder, sums)

    def _begin(self, count: int, *, described: bool) -> None:
        check_room(self._folder, count, self._dim)
        self._write_header(whole=False)
        if described and not self._indexed:
            _index_payload(self._qdrant, self._shard)
            self._indexed = True

    def _complete(self, sequence: int, history: str) -> None:
        self._count = _count(self._qdrant, self._shard)
        self._sequence, self._history = sequence, history
        self._write_header(whole=True)

    def _remove(self, ids: np.ndarray) -> None:
        self._shard.update(self._qdrant.UpdateOperation.delete_points(ids.tolist()))

    def _held(self, ids: np.ndarray) -> dict[int, np.ndarray]:
        points = self._shard.retrieve(ids.tolist(), with_payload=False, with_vector=True)
        return {point.id: np.array(point.vector[STYLE], np.float32) for point in points}

    def _write(
        self, ids: np.ndarray, vectors: np.ndarray, payloads: Sequence[Payload | None], present: AbstractSet[int]
    ) -> None:
        rows = zip(ids.tolist(), vectors, payloads, strict=True)
        points = [self._qdrant.Point(asset_id, {STYLE: vector}, payload) for asset_id, vector, payload in rows]
        self._shard.update(self._qdrant.UpdateOperation.upsert_points(points))

    def _describe(self, ids: Sequence[int], payloads: Sequence[Payload | None]) -> None:
        for asset_id, payload in zip(ids, payloads, strict=True):
            if payload is not None:
                self._shard.update(self._qdrant.UpdateOperation.overwrite_payload([asset_id], payload))

    def _write_header(self, *, whole: bool) -> None:
        header = {"format": FORMAT, "version": VERSION, "dim": self._dim, "count": self._count, "whole": whole}
        header |= {"indexed": self._indexed, "sequence": self._sequence, "history": self._history}
        self._shard.update(self._qdrant.UpdateOperation.upsert_points([self._qdrant.Point(HEADER, {}, {KEY: header})]))

    def _query(self, query: np.ndarray, limit: int, among: Allowed, exact: bool) -> Points:
        qdrant = self._qdrant
        terms = filter_terms(qdrant, among) if isinstance(among, tuple) else []
        if isinstance(among, np.ndarray):
            terms = [qdrant.HasIdCondition(set(among.tolist()))]
        request = qdrant.QueryRequest(
            limit=limit,
            query=qdrant.Query.Nearest(query, using=STYLE),
            filter=qdrant.Filter(must=terms) if terms else None,
            with_vector=True,
            params=qdrant.SearchParams(exact=exact, **walk(qdrant, limit, among)),
        )
        points = self._shard.query(request)
        return Points(
            np.array([point.id for point in points], np.int64),
            np.array([point.score for point in points], np.float32),
            np.array([point.vector[STYLE] for point in points], np.float32).reshape(-1, self._dim),
        )

    def _engine_errors(self) -> AbstractContextManager[None]:
        return _errors_at(self._folder)

    def optimize(self) -> None:
        """Builds the graph where there are enough vectors, and gives up the room of those that were removed."""
        with self._lock, self._engine_errors():
            self._shard.optimize()

    def close(self) -> None:
        with self._lock:
            self._leave()

    def save(self, path: Path) -> None:
        """Completes what is on disk; an index that lies elsewhere moves to `path`, in the place of what was there.

        Raises VectorIndexError where the operating system refuses; what lay at `path` is then still whole.
        """
        with self._lock, _errors_at(path):
            self._shard.flush()
            if path != self._folder:
                _copy(self._folder, path)
                self._leave()
                self._live_in(path, self._qdrant.EdgeShard.load(str(path)), {})

    @classmethod
    def load(cls, path: Path, *, exact: bool = False) -> Self:
        index = cls.__new__(cls)
        QdrantSearch.__init__(index, 0, exact=exact)
        index._qdrant = qdrant = _import_qdrant()
        with _errors_at(path):
            sums = unseal(path)
            shard = qdrant.EdgeShard.load(str(path))
            header, count = _read_header(shard, path), _count(qdrant, shard)
            if header["whole"] and header["count"] != count:
                raise damaged(path, f"{count} vectors where {header['count']} are due")
            if not header["whole"]:
                shard.close()
                shutil.rmtree(path)
                shard = _create(qdrant, path, header["dim"])
                header |= {"sequence": 0, "history": "", "count": 0, "indexed": False}
            index._live_in(path, shard, sums)
            index._sequence, index._history = header["sequence"], header["history"]
            index._count, index._dim, index._indexed = header["count"], header["dim"], header["indexed"]
            if not header["whole"]:
                index._write_header(whole=True)
        return index


def _create(qdrant: Any, folder: Path, dim: int) -> Any:
    folder.mkdir(parents=True)
    threshold = graph_from_kilobytes(dim)
    config = qdrant.EdgeConfig(
        vectors={STYLE: qdrant.EdgeVectorParams(dim, qdrant.Distance.Dot)},
        hnsw_config=qdrant.HnswIndexConfig(LINKS, BUILD, threshold),
        quantization_config=qdrant.ScalarQuantizationConfig(qdrant.ScalarType.Int8, always_ram=True),
        optimizers=qdrant.EdgeOptimizersConfig(default_segment_number=1, indexing_threshold=threshold),
    )
    return qdrant.EdgeShard.create(str(folder), config)


def _index_payload(qdrant: Any, shard: Any) -> None:
    kinds = dict.fromkeys(KEYWORDS, qdrant.PayloadSchemaType.Keyword)
    kinds |= dict.fromkeys(NUMBERS, qdrant.PayloadSchemaType.Integer)
    # Of all that is kept of a picture its paths take the most: they stay on disk.
    kinds |= dict.fromkeys(PATHS, qdrant.KeywordIndexParams(on_disk=True, prefix=True))
    for key, kind in kinds.items():
        shard.update(qdrant.UpdateOperation.create_field_index(key, kind))


def _count(qdrant: Any, shard: Any) -> int:
    """Points that hold a vector."""
    held = qdrant.Filter(must=[qdrant.HasVectorCondition(STYLE)])
    return int(shard.count(qdrant.CountRequest(filter=held, exact=True)))


def _read_header(shard: Any, path: Path) -> dict[str, Any]:
    points = shard.retrieve([HEADER], with_payload=True, with_vector=False)
    header: dict[str, Any] = ((points[0].payload if points else None) or {}).get(KEY, {})
    if header.get("format") != FORMAT:
        raise damaged(path, "its header is missing")
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
        # The engine makes files of its log ahead of time, under such names, and renames them whenever they are done.
        shutil.copytree(source, partial, ignore=shutil.ignore_patterns("tmp-*"))
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


def _leave(shard: Any, folder: Path, sums: Sums | None) -> None:
    shard.close()
    if sums is None:
        shutil.rmtree(folder.parent, ignore_errors=True)
        return
    with suppress(OSError, VectorIndexError):  # without checksums it can be opened all the same
        seal(folder, sums)


@contextmanager
def _errors_at(path: Path) -> Iterator[None]:
    """What the engine and the operating system raise, as VectorIndexError."""
    try:
        yield
    except StyleSearchError:
        raise
    except OSError as exc:
        raise refused(path, "written", exc) from exc
    except BaseException as exc:
        # The engine raises bare Exceptions, and on files that make no sense the PanicException of PyO3, which is none.
        if not isinstance(exc, Exception) and type(exc).__name__ != "PanicException":
            raise
        why = str(exc).partition("\n")[0]
        if "WouldBlock" in str(exc):
            raise VectorIndexError(
                f"The vector index '{path}' is open in another process, and Qdrant's engine allows one at a time. "
                "Close the other one, or make a library with: stylesearch init FOLDER --index faiss"
            ) from exc
        if refusal := next((words for words in _REFUSALS if words in str(exc)), None):
            raise refused(path, "written", OSError(0, refusal)) from exc
        raise damaged(path, why) from exc


def _import_qdrant() -> Any:
    try:
        return importlib.import_module("qdrant_edge")
    except ImportError as exc:
        raise MissingDependencyError("qdrant-edge-py", "qdrant", "for the vector index 'qdrant'") from exc
