"""Exact search by FAISS over the same table, with no second copy of the vectors."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from itertools import pairwise
from typing import Any

import numpy as np

from stylesearch.errors import MissingDependencyError, VectorIndexError
from stylesearch.vectors.flat import FlatIndex, cut
from stylesearch.vectors.table import VectorTable

# Rows fetched beyond those wanted, so that ties at the cut are seen at the first attempt.
SPARE = 16

# Below this, handing rows to another thread costs more than it saves: 25 MB at 384 dimensions take about 3 ms to read.
ROWS_PER_THREAD = 16_384


class FaissIndex(FlatIndex):
    """The search of `faiss.IndexFlatIP`.

    It runs on as many threads as the caller allows OpenMP (`OMP_NUM_THREADS`, `faiss.omp_set_num_threads`).

    Raises:
        MissingDependencyError: FAISS is not installed.
        VectorIndexError: two distributions of it are.
    """

    kind = "faiss"

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self._faiss = _import_faiss()
        self._threads = ThreadPoolExecutor(thread_name_prefix="faiss")  # starts none before it is used

    def _candidates(
        self, table: VectorTable, queries: np.ndarray, wanted: int, mask: np.ndarray | None, population: int
    ) -> Iterator[np.ndarray]:
        bitmap = None if mask is None else np.packbits(mask, bitorder="little")
        first = min(wanted + max(SPARE, wanted // 8), population)
        for i, (scores, rows) in enumerate(zip(*self._nearest(table, queries, first, bitmap), strict=True)):
            fetched = first
            lowest = cut(scores[wanted - 1], table.dim)
            while fetched < population and scores[-1] >= lowest:  # more of the tie may lie beyond
                fetched = min(4 * fetched, population)
                scores, rows = (found[0] for found in self._nearest(table, queries[i : i + 1], fetched, bitmap))
                lowest = cut(scores[wanted - 1], table.dim)
            yield rows[scores >= lowest]

    def _nearest(
        self, table: VectorTable, queries: np.ndarray, k: int, bitmap: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Scores float32 (Q, k), best first, and rows int64 (Q, k); there must be k rows to choose from."""
        # FAISS gives each query one thread, so a single one would leave the other cores idle: they share its rows.
        threads = min(self._faiss.omp_get_max_threads(), len(table) // ROWS_PER_THREAD)
        if len(queries) > 1 or bitmap is not None or threads < 2:
            return self._scan(table.vectors, queries, k, bitmap)
        bounds = np.linspace(0, len(table), threads + 1).astype(int).tolist()
        blocks = [table.vectors[start:stop] for start, stop in pairwise(bounds)]
        found = list(self._threads.map(lambda block: self._scan(block, queries, min(k, len(block))), blocks))
        scores = np.concatenate([scores for scores, _ in found], axis=1)
        rows = np.concatenate([rows + start for (_, rows), start in zip(found, bounds, strict=False)], axis=1)
        best = np.argsort(-scores[0], kind="stable")[:k]
        return scores[:, best], rows[:, best]

    def _scan(
        self, vectors: np.ndarray, queries: np.ndarray, k: int, bitmap: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        faiss, pointer = self._faiss, self._faiss.swig_ptr
        scores = np.empty((len(queries), k), np.float32)
        rows = np.empty((len(queries), k), np.int64)
        selector = None if bitmap is None else faiss.IDSelectorBitmap(bitmap)
        # IndexFlatIP.search is this call on vectors that the index owns. Here the table owns them.
        faiss.knn_inner_product(
            pointer(queries), pointer(vectors), vectors.shape[1], len(queries), len(vectors), k,
            pointer(scores), pointer(rows), selector,
        )  # fmt: skip
        return scores, rows


def _import_faiss() -> Any:
    installed = [name for name in ("faiss-cpu", "faiss-gpu", "faiss-gpu-cu12") if _is_installed(name)]
    if len(installed) > 1:
        raise VectorIndexError(
            f"{' and '.join(repr(name) for name in installed)} are both installed and have overwritten each other's "
            f"module 'faiss'. Keep one: pip uninstall --yes {' '.join(installed)} && pip install 'stylesearch[faiss]'"
        )
    try:
        return importlib.import_module("faiss")
    except ImportError as exc:
        raise MissingDependencyError("faiss-cpu", "faiss", "for the vector index 'faiss'") from exc


def _is_installed(distribution: str) -> bool:
    try:
        metadata.distribution(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True
