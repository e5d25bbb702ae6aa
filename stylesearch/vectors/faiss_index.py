"""Search through structures of FAISS, chosen by size and memory, over the same table and file as exact search."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import numpy as np

from stylesearch.errors import VectorIndexError
from stylesearch.records import Changes
from stylesearch.vectors.base import Above, Allowed, VectorIndex
from stylesearch.vectors.cover import Cover
from stylesearch.vectors.exact import ExactIndex
from stylesearch.vectors.files import read_table, write_table
from stylesearch.vectors.flat import FlatIndex, cut
from stylesearch.vectors.structure_files import read_structure, sweep_structures, write_structure
from stylesearch.vectors.structures import RECIPES, Abandoned, Recipe, Structure, build, extend, import_faiss
from stylesearch.vectors.table import VectorTable

FLAT_BELOW = 20_000  # vectors that are compared one by one in about a millisecond
CODES_BELOW = 50_000  # codes that are, and they are built in no time, where a graph takes seconds

# Rows that a structure may not know, as a number and as a share of the table: each search compares them one by one.
FRESH, FRESH_SHARE = 5_000, 0.02

# Tombstones that are borne, as a share of a structure's entries.
TOMBSTONE_SHARE = 0.2

# Rows below which NumPy's copy costs less than FAISS's look at a bitmap (measured at 384 dimensions, one query).
BITMAP_ROWS = 2_000

_log = logging.getLogger(__name__)


class FaissIndex(ExactIndex):
    """Exact search while that is fast, then approximate search with exact cosines.

    Each search takes the cheaper of two ways: candidates from a structure, or, as under a narrow filter, all allowed
    vectors. Vectors that were added since the structure was built are compared one by one; where they, or the
    tombstones of removed ones, become many, a search starts a thread that builds the next structure. `optimize` waits
    for it. Structures work on as many threads as the caller allows OpenMP (`OMP_NUM_THREADS`).

    Args:
        dim: length of a vector.
        structure: "flat" (always exact), "hnsw", "int8", "ivf-pq", "gpu"; None: chosen by size and memory.
        memory: bytes that a structure may take where it is chosen.

    Raises:
        MissingDependencyError: FAISS is not installed.
        VectorIndexError: two distributions of it are.
    """

    kind = "faiss"

    def __init__(self, dim: int, structure: str | None = None, memory: int = 1 << 62) -> None:
        super().__init__(dim)
        self._faiss = import_faiss()
        self._wish, self._memory = structure, memory
        self._cover: Cover | None = None
        self._touched: list[np.ndarray] | None = None  # ids that changed since a building began
        self._building = threading.Lock()
        self._stop = threading.Event()
        self._builder: threading.Thread | None = None
        self._abandon: Any = weakref.finalize(self, self._stop.set)

    @property
    def layout(self) -> str:
        cover = self._cover
        if cover is None:
            return "exact"
        known = len(self._table) - len(cover.fresh)
        return f"{cover.structure.recipe.kind} over {known:,} of {len(self._table):,}"

    def apply(self, changes: Changes) -> None:
        with self._changing:
            if changes.sequence <= self._table.sequence:
                return
            changes = self._table.news(changes)
            table = self._table.after(changes)
            if self._touched is not None:
                self._touched.append(changes.asset_ids)
            if self._cover is not None:
                self._cover = self._cover.after(table, changes.asset_ids)
            self._table = table

    def _candidates(
        self, table: VectorTable, queries: np.ndarray, wanted: int, mask: np.ndarray | None, population: int
    ) -> Iterator[np.ndarray]:
        cover = self._cover
        if self._is_due(table, cover):
            self._build_in_background()
        if cover is None or cover.table is not table or not self._pays(cover, wanted, population):
            yield from self._exact_candidates(table, queries, wanted, mask, population)
            return
        structure = cover.structure
        fetch, share = structure.recipe.fetch(wanted), population / len(table)
        nodes = structure.search(queries, fetch, share, cover.nodes(mask))
        fresh = cover.fresh if mask is None else cover.fresh[mask[cover.fresh]]
        for i, query in enumerate(queries):
            rows = cover.rows_of(nodes[i], mask, wanted)
            rows = np.append(rows, _best_of(table, query, fresh, wanted))
            if len(rows) < wanted:  # a filter that keeps a far corner: the walk never came there
                yield from self._exact_candidates(table, queries[i : i + 1], wanted, mask, population)
            else:
                yield rows

    def _pays(self, cover: Cover, wanted: int, population: int) -> bool:
        recipe, known = cover.structure.recipe, len(cover.table) - len(cover.fresh)
        fetch = recipe.fetch(wanted)
        return 2 * fetch < known and recipe.cost(fetch, population, len(cover.table)) < population

    def _exact_candidates(
        self, table: VectorTable, queries: np.ndarray, wanted: int, mask: np.ndarray | None, population: int
    ) -> Iterator[np.ndarray]:
        # One query among some rows: FAISS reads them in place, where NumPy would copy them. For the rest NumPy is
        # as fast with one query, and several times as fast with many (matrix products).
        if mask is None or len(queries) > 1 or population < BITMAP_ROWS:
            yield from super()._candidates(table, queries, wanted, mask, population)
            return
        bitmap, fetched = np.packbits(mask, bitorder="little"), min(wanted + max(16, wanted // 8), population)
        while True:
            scores, rows = self._scan(table.vectors, queries, fetched, bitmap)
            lowest = cut(scores[wanted - 1], table.dim)
            if fetched == population or scores[-1] < lowest:
                yield rows[scores >= lowest]
                return
            fetched = min(4 * fetched, population)  # more of the tie may lie beyond

    def _scan(
        self, vectors: np.ndarray, query: np.ndarray, k: int, bitmap: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        faiss, pointer = self._faiss, self._faiss.swig_ptr
        scores, rows = np.empty(k, np.float32), np.empty(k, np.int64)
        # IndexFlatIP.search is this call on vectors that the index owns. Here the table owns them.
        faiss.knn_inner_product(
            pointer(query), pointer(vectors), vectors.shape[1], 1, len(vectors), k,
            pointer(scores), pointer(rows), faiss.IDSelectorBitmap(bitmap),
        )  # fmt: skip
        return scores, rows

    def _recipe(self, table: VectorTable) -> Recipe | None:
        """What a table of that size should have."""
        count, dim = len(table), table.dim
        if self._wish == "flat" or (self._wish is None and count < FLAT_BELOW):
            return None
        if self._wish is not None:
            chosen = self._wish
        elif self._faiss.get_num_gpus():
            chosen = "gpu"
        elif count < CODES_BELOW:
            chosen = "int8"
        else:
            chosen = "hnsw" if RECIPES["hnsw"].bytes(count, dim) <= self._memory else "ivf-pq"
        recipe = RECIPES[chosen]
        return recipe if count >= recipe.least(dim) else None

    def _is_due(self, table: VectorTable, cover: Cover | None) -> bool:
        recipe = self._recipe(table)
        if recipe is None:
            return False
        if cover is None or cover.structure.recipe is not recipe:
            return len(table) > FRESH
        return len(cover.fresh) > max(FRESH, FRESH_SHARE * len(table)) or self._is_old(cover)

    def _is_old(self, cover: Cover) -> bool:
        return cover.tombstones > TOMBSTONE_SHARE * len(cover.rows)

    def _build_in_background(self) -> None:
        with self._changing:
            if self._builder is None or not self._builder.is_alive():
                # A daemon, so that a program that ends stops it rather than waits for it.
                self._builder = threading.Thread(target=_build_for, args=[weakref.ref(self), self._stop], daemon=True)
                self._abandon.detach()
                self._abandon = weakref.finalize(self, _end, self._stop, self._builder)  # also when Python ends
                self._builder.start()

    def _build(self) -> None:
        """Builds what is due; raises Abandoned where the index is closed meanwhile."""
        with self._building:
            with self._changing:
                table, cover, recipe = self._table, self._cover, self._recipe(self._table)
                if recipe is None or not self._is_due(table, cover):
                    return
                self._touched = []
            try:
                structure = self._next_structure(table, cover, recipe)
                with self._changing:
                    touched = np.concatenate([np.empty(0, np.int64), *self._touched])
                    alive = ~np.isin(structure.entry_ids, touched)
                    if cover is not None and len(structure.entry_ids) > len(table):  # extended, tombstones and all
                        alive[: len(cover.rows)] &= cover.alive
                    self._cover = Cover.over(structure, alive, self._table)
            finally:
                self._touched = None

    def _next_structure(self, table: VectorTable, cover: Cover | None, recipe: Recipe) -> Structure:
        if cover is not None and cover.structure.recipe is recipe and recipe.saved and not self._is_old(cover):
            small = len(cover.structure) + len(cover.fresh) <= 2 * cover.structure.built
            if small:
                return extend(cover.structure, table, cover.fresh, self._stop)
        return build(table, recipe, self._stop)

    def above(self, query: np.ndarray, least: float, allowed: Allowed = None) -> Above:
        return (FlatIndex if self._cover is None else VectorIndex).above(self, query, least, allowed)

    def optimize(self) -> None:
        with suppress(Abandoned):
            while self._is_due(self._table, self._cover):
                self._build()

    def close(self) -> None:
        self._abandon()

    def save(self, path: Path) -> None:
        with self._changing:
            table, cover = self._table, self._cover
        if cover is None or not cover.structure.recipe.saved:
            write_table(path, table)
            sweep_structures(path, "")
            return
        write_structure(path, cover.structure)
        write_table(path, table, cover.structure.token, cover.alive)
        sweep_structures(path, cover.structure.token)

    @classmethod
    def load(cls, path: Path, **options: Any) -> Self:
        table, token, alive = read_table(path)
        structure = None
        for last in (False, True):
            try:
                structure = read_structure(path, token) if token else None
                break
            except VectorIndexError as exc:
                if last:  # it can be built again, and until then search is exact
                    _log.warning("%s", exc)
                else:  # another process may have saved in between, and swept it
                    table, token, alive = read_table(path)
        index = cls(table.dim, **options)
        index._table = table
        if structure is not None and len(structure.entry_ids) == len(alive):
            index._cover = Cover.over(structure, alive, table)
        return index


def _best_of(table: VectorTable, query: np.ndarray, rows: np.ndarray, wanted: int) -> np.ndarray:
    """Those of `rows` that may be among the `wanted` best."""
    if len(rows) <= wanted:
        return rows
    run = int(rows[-1] - rows[0]) + 1 == len(rows)  # without gaps they need not be copied
    scores = table.vectors[rows[0] : rows[-1] + 1] @ query if run else table.vectors[rows] @ query
    worst = np.partition(scores, len(rows) - wanted)[len(rows) - wanted]
    near: np.ndarray = rows[scores >= cut(worst, table.dim)]
    return near


def _build_for(index: weakref.ref[FaissIndex], stop: threading.Event) -> None:
    alive = index()
    if alive is not None:
        try:
            alive._build()
        except Abandoned:
            return


def _end(stop: threading.Event, builder: threading.Thread) -> None:
    stop.set()
    if builder is not threading.current_thread():
        builder.join()
