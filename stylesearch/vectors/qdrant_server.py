"""Search by a Qdrant server, or a cluster of them, that many machines share."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import numpy as np

from stylesearch.errors import (
    MissingDependencyError,
    SpaceMismatchError,
    StyleSearchError,
    UsageError,
    VectorIndexError,
)
from stylesearch.records import Changes
from stylesearch.vectors.qdrant_search import (
    BUILD,
    HEADER,
    LINKS,
    OVERSAMPLING,
    STYLE,
    WALK,
    Points,
    QdrantSearch,
    graph_from_kilobytes,
)
from stylesearch.vectors.table import last_words

FORMAT = "stylesearch-qdrant-server"
VERSION = 1

BATCH = 500  # points of a request: 0.8 MB at 384 dimensions
TIMEOUT = 60  # seconds that a request may take


@dataclass(frozen=True)
class Server:
    """Where the vectors of a library are kept, and how.

    Attributes:
        url: scheme, host and port.
        name: of the library there; each space is a collection NAME-SPACE.
        key: API key; "": none.
        grpc: port of gRPC, which carries vectors as bytes; 0: REST only.
        shards: parts that a collection is split into, on different nodes of a cluster.
        replicas: nodes that hold each part.
        write_consistency: replicas that must have taken a change before it counts.
        on_disk: keep the vectors on disk, and only their codes in memory.
    """

    url: str
    name: str
    key: str = ""
    grpc: int = 0
    shards: int = 1
    replicas: int = 1
    write_consistency: int = 1
    on_disk: bool = False

    @classmethod
    def parse(cls, place: str, key: str) -> Server:
        """From "http://HOST:PORT/NAME?shards=2&replicas=2&write_consistency=2&on_disk=1&grpc=6334".

        Raises UsageError where an option is unknown or no number.
        """
        parts = urlsplit(place)
        options: dict[str, int] = {}
        for option, value in parse_qsl(parts.query, keep_blank_values=True):
            if option not in ("grpc", "shards", "replicas", "write_consistency", "on_disk") or not value.isdecimal():
                raise UsageError(
                    f"A Qdrant server has no option '{option}={value}'. There are, each with a whole number: grpc "
                    "(a port), shards, replicas, write_consistency, on_disk (0 or 1)."
                )
            options[option] = int(value)
        on_disk = bool(options.pop("on_disk", 0))
        url = f"{parts.scheme}://{parts.hostname}:{parts.port or 6333}"
        return cls(url, parts.path.strip("/"), key, on_disk=on_disk, **options)


class QdrantServerIndex(QdrantSearch):
    """A collection on a server: what one process adds, all others find.

    A change is on the server when `apply` returns; `save` has nothing to do. The point `HEADER` says how far the
    catalog has been followed. A process that is killed within `apply` leaves it behind what is there, and the stretch
    is applied again. Where two processes apply the same stretch, the outcome is the same.

    Args:
        server: where.
        space: name of the space, which becomes part of the collection's.
        dim: length of a vector.
        client: a `QdrantClient` to use instead of a new one.

    Raises:
        MissingDependencyError: qdrant-client is not installed.
        VectorIndexError: the server cannot be reached, refuses the key, or has no room.
    """

    kind = "qdrant server"

    def __init__(self, server: Server, space: str, dim: int, *, exact: bool = False, client: Any = None) -> None:
        super().__init__(dim, exact=exact)
        self._models = _import_client().models
        self._server, self._collection = server, f"{server.name}-{space}"
        self._client = client or _connect(server)

    @classmethod
    def new(cls, server: Server, space: str, dim: int, *, exact: bool = False, client: Any = None) -> Self:
        """An empty index: a collection of that name is deleted, and made anew."""
        index = cls(server, space, dim, exact=exact, client=client)
        with index._engine_errors():
            index._client.delete_collection(index._collection)
            index._create()
        return index

    @classmethod
    def open(cls, server: Server, space: str, dim: int, *, exact: bool = False, client: Any = None) -> Self:
        """What the server holds; an empty index where it has no such collection.

        Raises:
            SpaceMismatchError: it holds vectors of another length.
        """
        index = cls(server, space, dim, exact=exact, client=client)
        with index._engine_errors():
            if not index._client.collection_exists(index._collection):
                index._create()
                return index
            held = index._client.get_collection(index._collection).config.params.vectors
            size = held[STYLE].size if isinstance(held, dict) and STYLE in held else None
            if size is None:
                raise VectorIndexError(
                    f"The collection '{index._collection}' on '{server.url}' was not made by StyleSearch. Choose "
                    f"another name: qdrant+{server.url}/NAME"
                )
            if size != dim:
                raise SpaceMismatchError(
                    f"The collection '{index._collection}' on '{server.url}' holds vectors of {size} numbers; the "
                    f"library's encoder makes {dim}. Rebuild it with: stylesearch rebuild"
                )
            index._take_over()
        return index

    def _create(self) -> None:
        models, server = self._models, self._server
        threshold = graph_from_kilobytes(self._dim)
        quantiser = models.ScalarQuantizationConfig(type=models.ScalarType.INT8, always_ram=True)
        self._client.create_collection(
            self._collection,
            {STYLE: models.VectorParams(size=self._dim, distance=models.Distance.DOT, on_disk=server.on_disk)},
            shard_number=server.shards,
            replication_factor=server.replicas,
            write_consistency_factor=server.write_consistency,
            hnsw_config=models.HnswConfigDiff(m=LINKS, ef_construct=BUILD, full_scan_threshold=threshold),
            optimizers_config=models.OptimizersConfigDiff(indexing_threshold=threshold),
            quantization_config=models.ScalarQuantization(scalar=quantiser),
        )
        self._write_header(0, "")

    def _write_header(self, sequence: int, history: str) -> None:
        header = {"format": FORMAT, "version": VERSION, "sequence": sequence, "history": history}
        point = self._models.PointStruct(id=HEADER, vector={}, payload=header)
        self._client.upsert(self._collection, [point], wait=True, ordering=self._models.WriteOrdering.STRONG)
        self._sequence, self._history = sequence, history

    def _take_over(self) -> None:
        """What another process may have done meanwhile."""
        models = self._models
        points = self._client.retrieve(self._collection, [HEADER], with_payload=True, with_vectors=False)
        header = (points[0].payload if points else None) or {}
        if header.get("format") != FORMAT or header.get("version") != VERSION:
            header = {"sequence": 0, "history": ""}  # the process that made the collection was killed: begin anew
        self._sequence, self._history = header["sequence"], header["history"]
        held = models.Filter(must=[models.HasVectorCondition(has_vector=STYLE)])
        self._count = self._client.count(self._collection, count_filter=held, exact=True).count

    def apply(self, changes: Changes) -> None:
        models = self._models
        with self._lock, self._engine_errors():
            dead, ids, vectors = last_words(changes, self._dim)
            self._take_over()
            if changes.sequence <= self._sequence:
                return
            if len(dead):
                self._client.delete(self._collection, models.PointIdsList(points=dead.tolist()), wait=True)
            for start in range(0, len(ids), BATCH):
                rows = slice(start, start + BATCH)
                batch = models.Batch(ids=ids[rows].tolist(), vectors={STYLE: vectors[rows].tolist()})
                self._client.upsert(self._collection, batch, wait=start + BATCH >= len(ids))
            self._write_header(changes.sequence, changes.history)
            self._take_over()

    def _query(self, query: np.ndarray, limit: int, among: np.ndarray | None, exact: bool) -> Points:
        models = self._models
        held: list[Any] = [models.HasVectorCondition(has_vector=STYLE)] if among is None and exact else []
        held += [] if among is None else [models.HasIdCondition(has_id=among.tolist())]
        rescoring = models.QuantizationSearchParams(rescore=True, oversampling=OVERSAMPLING)
        points = self._client.query_points(
            self._collection,
            query=query.tolist(),
            using=STYLE,
            query_filter=models.Filter(must=held) if held else None,
            search_params=models.SearchParams(exact=exact, hnsw_ef=max(WALK, limit), quantization=rescoring),
            limit=limit,
            with_payload=False,
            with_vectors=[STYLE],
        ).points
        return Points(
            np.array([point.id for point in points], np.int64),
            np.array([point.score for point in points], np.float32),
            np.array([point.vector[STYLE] for point in points], np.float32).reshape(-1, self._dim),
        )

    def snapshot(self) -> str:
        """Makes a snapshot of the collection on the server; returns its name there."""
        with self._lock, self._engine_errors():
            return str(self._client.create_snapshot(self._collection, wait=True).name)

    def save(self, path: object = None) -> None:
        """Nothing to do: the server has it all."""

    @classmethod
    def load(cls, path: object) -> Self:
        raise UsageError(f"'{path}' is no index of a server; see QdrantServerIndex.open.")

    def close(self) -> None:
        self._client.close()

    def _engine_errors(self) -> AbstractContextManager[None]:
        return _server_errors(self._server)


def _connect(server: Server) -> Any:
    if server.key and server.url.startswith("http://") and urlsplit(server.url).hostname not in _LOOPBACK:
        raise UsageError(
            f"'{server.url}' would carry the API key unencrypted over the network. Write: qdrant+https://..., "
            "or reach the server through a tunnel."
        )
    with _server_errors(server):
        return _import_client().QdrantClient(
            url=server.url,
            api_key=server.key or None,
            prefer_grpc=bool(server.grpc),
            grpc_port=server.grpc or 6334,
            timeout=TIMEOUT,
            check_compatibility=False,
        )


_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@contextmanager
def _server_errors(server: Server) -> Iterator[None]:
    """What the client raises, as VectorIndexError."""
    exceptions = importlib.import_module("qdrant_client.http.exceptions")
    grpc = importlib.import_module("grpc")
    try:
        yield
    except StyleSearchError:
        raise
    except exceptions.UnexpectedResponse as exc:
        text = exc.content.decode(errors="replace")[:300]
        raise _refused(server, exc.status_code in (401, 403), f"{exc.status_code}: {text}") from exc
    except exceptions.ResponseHandlingException as exc:
        raise _unreachable(server, str(exc)) from exc
    except grpc.RpcError as exc:
        code = exc.code()
        if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
            raise _unreachable(server, str(exc.details())) from exc
        denied = code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)
        raise _refused(server, denied, str(exc.details())) from exc


def _unreachable(server: Server, why: str) -> VectorIndexError:
    return VectorIndexError(
        f"The Qdrant server '{server.url}' cannot be reached ({why}). Start it, or check the address in library.json; "
        "the catalog still holds every vector."
    )


def _refused(server: Server, denied: bool, why: str) -> VectorIndexError:
    if denied:
        return VectorIndexError(
            f"The Qdrant server '{server.url}' refuses the API key. Set the right one in STYLESEARCH_QDRANT_API_KEY."
        )
    return VectorIndexError(f"The Qdrant server '{server.url}' refuses ({why}).")


def _import_client() -> Any:
    try:
        return importlib.import_module("qdrant_client")
    except ImportError as exc:
        raise MissingDependencyError("qdrant-client", "qdrant-server", "for a vector index on a Qdrant server") from exc
