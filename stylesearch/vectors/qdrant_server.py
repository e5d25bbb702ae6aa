"""Search by a Qdrant server, or a cluster of them, that many machines share."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager
from typing import Any, Self

import numpy as np

from stylesearch.errors import SpaceMismatchError, UsageError, VectorIndexError
from stylesearch.vectors.base import Allowed
from stylesearch.vectors.qdrant_connection import Server, connect, import_client, server_errors
from stylesearch.vectors.qdrant_payload import KEYWORDS, NUMBERS, PATHS, filter_terms
from stylesearch.vectors.qdrant_search import (
    BUILD,
    HEADER,
    KEY,
    LINKS,
    Payload,
    Points,
    QdrantSearch,
    graph_from_kilobytes,
    walk,
)

FORMAT = "stylesearch-qdrant-server"
VERSION = 2


class QdrantServerIndex(QdrantSearch):
    """The vectors of a space on a server: what one process adds, all others find.

    A library is a collection, an asset a point of it, and each space a named vector of the points: what filters look at
    is kept once. A change is on the server when `apply` returns; `save` has nothing to do. The payload of the point
    `HEADER` says for each space how far the catalog has been followed. A process that is killed within `apply` leaves
    it behind what is there, and the stretch is applied again. Where two processes apply the same stretch, the outcome
    is the same.

    Args:
        server: where.
        space: name of the space, and so of the vector.
        dim: length of a vector.
        client: a `QdrantClient` to use instead of a new one.

    Raises:
        MissingDependencyError: qdrant-client is not installed.
        VectorIndexError: the server cannot be reached, refuses the key, or has no room.
    """

    kind = "qdrant server"
    _batch = 500  # 0.8 MB at 384 dimensions

    def __init__(self, server: Server, space: str, dim: int, *, exact: bool = False, client: Any = None) -> None:
        super().__init__(dim, exact=exact)
        self._models = import_client().models
        self._server, self._collection, self._space = server, server.name, space
        self._client = client or connect(server)

    @classmethod
    def new(cls, server: Server, space: str, dim: int, *, exact: bool = False, client: Any = None) -> Self:
        """An empty index: what the server holds of the space is deleted."""
        index = cls(server, space, dim, exact=exact, client=client)
        with index._engine_errors():
            index._drop()
            index._begin_space()
        return index

    @classmethod
    def open(cls, server: Server, space: str, dim: int, *, exact: bool = False, client: Any = None) -> Self:
        """What the server holds; an empty index where it has nothing of the space.

        Raises:
            SpaceMismatchError: it holds vectors of another length.
        """
        index = cls(server, space, dim, exact=exact, client=client)
        with index._engine_errors():
            size = index._sizes().get(space)
            if size is None:
                index._begin_space()
            elif size != dim:
                raise SpaceMismatchError(
                    f"The collection '{server.name}' on '{server.url}' holds vectors of {size} numbers for '{space}'; "
                    f"the library's encoder makes {dim}. Rebuild it with: stylesearch rebuild"
                )
            index._follow_others()
        return index

    def drop(self) -> None:
        """Deletes what the server holds of the space, and the collection with the last of them."""
        with self._lock, self._engine_errors():
            self._drop()

    def _sizes(self) -> dict[str, int]:
        """The length of a vector by the name of each space; raises VectorIndexError for a collection of others."""
        if not self._client.collection_exists(self._collection):
            return {}
        held = self._client.get_collection(self._collection).config.params.vectors
        header = self._header()
        empty = header is None and not self._client.count(self._collection, exact=True).count  # its maker was killed
        if not isinstance(held, dict) or not (empty or (header or {}).get("format") == FORMAT):
            raise VectorIndexError(
                f"The collection '{self._collection}' on '{self._server.url}' was not made by this version of "
                f"StyleSearch. Choose another name: stylesearch vectors move FROM qdrant+{self._server.url}/NAME"
            )
        return {name: parameters.size for name, parameters in held.items()}

    def _header(self) -> dict[str, Any] | None:
        points = self._client.retrieve(self._collection, [HEADER], with_payload=True, with_vectors=False)
        return (points[0].payload or {}).get(KEY) if points else None

    def _begin_space(self) -> None:
        models, server = self._models, self._server
        if not self._client.collection_exists(self._collection):
            threshold = graph_from_kilobytes(self._dim)
            quantiser = models.ScalarQuantizationConfig(type=models.ScalarType.INT8, always_ram=True)
            vector = models.VectorParams(size=self._dim, distance=models.Distance.DOT, on_disk=server.on_disk)
            self._client.create_collection(
                self._collection,
                {self._space: vector},
                shard_number=server.shards,
                replication_factor=server.replicas,
                write_consistency_factor=server.write_consistency,
                hnsw_config=models.HnswConfigDiff(m=LINKS, ef_construct=BUILD, full_scan_threshold=threshold),
                optimizers_config=models.OptimizersConfigDiff(indexing_threshold=threshold),
                quantization_config=models.ScalarQuantization(scalar=quantiser),
            )
            kinds: dict[str, Any] = dict.fromkeys(KEYWORDS, models.PayloadSchemaType.KEYWORD)
            kinds |= dict.fromkeys(NUMBERS, models.PayloadSchemaType.INTEGER)
            # Of all that is kept of a picture its paths take the most: they stay on disk.
            paths = models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, on_disk=True, prefix=True)
            for key, kind in (kinds | dict.fromkeys(PATHS, paths)).items():
                self._client.create_payload_index(self._collection, key, kind)
        elif self._space not in self._sizes():
            dense = models.DenseVectorConfig(size=self._dim, distance=models.Distance.DOT)
            self._client.create_vector_name(self._collection, self._space, models.DenseVectorNameConfig(dense=dense))
        header = {"format": FORMAT, "version": VERSION}
        self._client.upsert(
            self._collection,
            [models.PointStruct(id=HEADER, vector={}, payload={KEY: header})],
            wait=True,
            ordering=models.WriteOrdering.STRONG,
            update_mode=models.UpdateMode.INSERT_ONLY,
        )
        self._complete(0, "")

    def _drop(self) -> None:
        models, names = self._models, self._sizes()
        if self._space not in names:
            return
        others = [name for name in names if name != self._space]
        if not others:
            self._client.delete_collection(self._collection)
            return
        self._client.delete_payload(self._collection, [f"{KEY}.{self._space}"], [HEADER], wait=True)
        self._client.delete_vector_name(self._collection, self._space)
        self._forget([models.HasVectorCondition(has_vector=name) for name in others], [])

    def _forget(self, held: list[Any], among: list[Any]) -> None:
        """Deletes the points for which `among` holds, and nothing of `held`."""
        models = self._models
        header = models.HasIdCondition(has_id=[HEADER])
        empty = models.Filter(must=among, must_not=[*held, header])
        self._client.delete(self._collection, models.FilterSelector(filter=empty), wait=True)

    def _complete(self, sequence: int, history: str) -> None:
        followed = {self._space: {"sequence": sequence, "history": history}}
        self._client.set_payload(
            self._collection, followed, [HEADER], key=KEY, wait=True, ordering=self._models.WriteOrdering.STRONG
        )
        self._follow_others()

    def _follow_others(self) -> int:
        followed = (self._header() or {}).get(self._space)
        if followed is None:  # the process that began the space was killed: fill it from the start
            followed = {"sequence": 0, "history": ""}
        self._sequence, self._history = followed["sequence"], followed["history"]
        held = self._models.Filter(must=[self._models.HasVectorCondition(has_vector=self._space)])
        self._count = self._client.count(self._collection, count_filter=held, exact=True).count
        return self._sequence

    def _remove(self, ids: np.ndarray) -> None:
        models = self._models
        those = models.HasIdCondition(has_id=ids.tolist())
        # By a filter: the server refuses a list in which a point is missing.
        holding = models.Filter(must=[those, models.HasVectorCondition(has_vector=self._space)])
        self._client.delete_vectors(self._collection, [self._space], models.FilterSelector(filter=holding), wait=True)
        self._forget([models.HasVectorCondition(has_vector=name) for name in self._sizes()], [those])

    def _held(self, ids: np.ndarray) -> dict[int, np.ndarray]:
        points = self._client.retrieve(self._collection, ids.tolist(), with_payload=False, with_vectors=[self._space])
        return {
            point.id: np.array(point.vector[self._space], np.float32)
            for point in points
            if point.vector and self._space in point.vector
        }

    def _write(
        self, ids: np.ndarray, vectors: np.ndarray, payloads: Sequence[Payload | None], present: AbstractSet[int]
    ) -> None:
        # An upsert would drop what the points hold of other spaces. So those that there are not are inserted; to the
        # others, and to those that another process has inserted meanwhile, the vectors are added.
        models, points, new = self._models, ids.tolist(), vectors.tolist()
        batch = models.Batch(ids=points, vectors={self._space: new}, payloads=[given or {} for given in payloads])
        self._client.upsert(self._collection, batch, wait=True, update_mode=models.UpdateMode.INSERT_ONLY)
        without = models.Filter(
            must=[models.HasIdCondition(has_id=points)], must_not=[models.HasVectorCondition(has_vector=self._space)]
        )
        lacking, _ = self._client.scroll(self._collection, without, limit=len(points), with_payload=False)
        behind = {int(point.id) for point in lacking} | present
        late = [row for row, asset_id in enumerate(points) if asset_id in behind]
        if late:
            found = [models.PointVectors(id=points[i], vector={self._space: new[i]}) for i in late]
            self._client.update_vectors(self._collection, found, wait=True)
            self._describe([points[i] for i in late], [payloads[i] for i in late])

    def _describe(self, ids: Sequence[int], payloads: Sequence[Payload | None]) -> None:
        models = self._models
        found = [
            models.OverwritePayloadOperation(overwrite_payload=models.SetPayload(payload=payload, points=[asset_id]))
            for asset_id, payload in zip(ids, payloads, strict=True)
            if payload is not None
        ]
        if found:
            self._client.batch_update_points(self._collection, found, wait=True)

    def _query(self, query: np.ndarray, limit: int, among: Allowed, exact: bool) -> Points:
        models = self._models
        terms = filter_terms(models, among) if isinstance(among, tuple) else []
        if isinstance(among, np.ndarray):
            terms = [models.HasIdCondition(has_id=among.tolist())]
        if exact:  # of the points that are compared one by one, some hold vectors of other spaces alone
            terms.append(models.HasVectorCondition(has_vector=self._space))
        points = self._client.query_points(
            self._collection,
            query=query.tolist(),
            using=self._space,
            query_filter=models.Filter(must=terms) if terms else None,
            search_params=models.SearchParams(exact=exact, **walk(models, limit, among)),
            limit=limit,
            with_payload=False,
            with_vectors=[self._space],
        ).points
        return Points(
            np.array([point.id for point in points], np.int64),
            np.array([point.score for point in points], np.float32),
            np.array([point.vector[self._space] for point in points], np.float32).reshape(-1, self._dim),
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
        return server_errors(self._server)
