"""What FAISS builds over vectors so that a search need not compare all of them.

A structure only proposes candidates. Their cosines are summed again from the vectors themselves, so that its quantised
codes cost recall alone, and only where a neighbour is not among the candidates.

    hnsw     graph of neighbours over vectors of one byte a number (Malkov & Yashunin 2018, arXiv 1603.09320). With
             candidates rescored it finds as much as over float32, in a third of the memory.
    int8     all vectors at one byte a number, compared one by one: built in no time
    ivf-pq   inverted lists; a code of 4 bits for four numbers, scanned with SIMD (Andre, Kermarrec, Le Scouarnec 2017,
             arXiv 1704.07355). The smallest
    gpu      all vectors in float32 in the memory of graphics cards
"""

from __future__ import annotations

import importlib
import math
import secrets
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import numpy as np

from stylesearch.errors import MissingDependencyError, VectorIndexError
from stylesearch.vectors.table import BLOCK_ROWS, VectorTable

# Nodes that are added between two looks at whether the building is still wanted.
STEP = 8_192

# Vectors that codes and lists are learned from, at most.
SAMPLE = 200_000


class Recipe(ABC):
    """One way to build and to search, for N vectors of D numbers."""

    kind: str
    saved = True  # whether a file can hold it

    @abstractmethod
    def factory(self, count: int, dim: int) -> str:
        """What `faiss.index_factory` takes."""

    @abstractmethod
    def bytes(self, count: int, dim: int) -> int:
        """Memory that it takes, about."""

    @abstractmethod
    def fetch(self, wanted: int) -> int:
        """Candidates that must be rescored to find the `wanted` best."""

    @abstractmethod
    def cost(self, fetch: int, kept: int, count: int) -> float:
        """Time of a search with `kept` of `count` vectors allowed, in vectors compared exactly in the same time."""

    def least(self, dim: int) -> int:
        """Vectors that it takes to build one."""
        return 1

    def prepare(self, faiss: Any, index: Any) -> Any:
        """Called once with what the factory made."""
        return index

    def parameters(self, faiss: Any, index: Any, fetch: int, share: float, selector: Any) -> Any:
        """Search parameters; `share` of the vectors, in (0, 1], is allowed by `selector`, None where all are."""
        return faiss.SearchParameters(sel=selector) if selector is not None else None


class Graph(Recipe):
    """HNSW. Under a filter the walk passes through what is not allowed, so it must go further."""

    kind = "hnsw"
    links = 12  # a node, twice as many on the ground floor
    build = 160  # efConstruction: with 80, a few of a million are in parts of the graph that no walk finds
    walk = 96  # efSearch, at least; beyond `walked` nodes more in proportion, for there is more to be lost in
    walked = 1_000_000

    def factory(self, count: int, dim: int) -> str:
        return f"HNSW{self.links},SQ8"

    def bytes(self, count: int, dim: int) -> int:
        return count * (dim + 8 * self.links + 16)

    def fetch(self, wanted: int) -> int:
        return 2 * wanted + 16

    def cost(self, fetch: int, kept: int, count: int) -> float:
        return 10 * self._walk(fetch, kept / count, count)  # measured at 384 dimensions

    def _walk(self, fetch: int, share: float, count: int) -> int:
        return max(self.walk, self.walk * count // self.walked, int(fetch / share))

    def prepare(self, faiss: Any, index: Any) -> Any:
        index.hnsw.efConstruction = self.build
        return index

    def parameters(self, faiss: Any, index: Any, fetch: int, share: float, selector: Any) -> Any:
        chosen = {} if selector is None else {"sel": selector}
        return faiss.SearchParametersHNSW(efSearch=self._walk(fetch, share, index.ntotal), **chosen)


class Codes(Recipe):
    """Scalar quantiser of eight bits, all vectors compared."""

    kind = "int8"

    def factory(self, count: int, dim: int) -> str:
        return "SQ8"

    def bytes(self, count: int, dim: int) -> int:
        return count * dim

    def fetch(self, wanted: int) -> int:
        return 2 * wanted + 16

    def cost(self, fetch: int, kept: int, count: int) -> float:
        return 0.5 * kept + 2 * fetch + 500  # a quarter of the bytes to read, and then to decode


class Lists(Recipe):
    """IVF with product quantisation. Codes of 4 bits are coarse: many candidates are rescored."""

    kind = "ivf-pq"
    probes = 32  # lists that are read, at least

    def factory(self, count: int, dim: int) -> str:
        # 4 sqrt(N) lists: FAISS's guide to choosing an index. A list takes 39 vectors to learn, as its k-means warns.
        lists = self._lists(count)
        parts = max(part for part in range(1, max(2, dim // 4 + 1)) if dim % part == 0)
        return f"IVF{lists},PQ{parts}x4fs"

    def _lists(self, count: int) -> int:
        return max(1, min(round(4 * math.sqrt(count)), min(count, SAMPLE) // 39))

    def bytes(self, count: int, dim: int) -> int:
        return count * (dim // 8 + 8) + round(4 * math.sqrt(count)) * dim * 4

    def least(self, dim: int) -> int:
        return 39 * 16

    def fetch(self, wanted: int) -> int:
        return 40 * wanted + 200

    def cost(self, fetch: int, kept: int, count: int) -> float:
        read = min(1.0, self._probes(kept / count) / self._lists(count)) * count
        return 4 * min(fetch, kept) + 1_500 + (0.2 * read if kept < count else 0)  # a filter is asked for each code

    def _probes(self, share: float) -> int:
        return max(self.probes, int(0.2 * self.probes / share))

    def parameters(self, faiss: Any, index: Any, fetch: int, share: float, selector: Any) -> Any:
        chosen = {} if selector is None else {"sel": selector}
        return faiss.SearchParametersIVF(nprobe=min(self._probes(share), index.nlist), **chosen)


class Cards(Recipe):
    """Exact search on graphics cards, which know no filter and at most 2,048 answers."""

    kind = "gpu"
    saved = False

    def factory(self, count: int, dim: int) -> str:
        return "Flat"

    def bytes(self, count: int, dim: int) -> int:
        return 0  # of the memory of the machine

    def fetch(self, wanted: int) -> int:
        return wanted + 16

    def cost(self, fetch: int, kept: int, count: int) -> float:
        return float("inf") if kept < count or fetch > 2_048 else 0.02 * count

    def prepare(self, faiss: Any, index: Any) -> Any:
        return faiss.index_cpu_to_all_gpus(index)


RECIPES: dict[str, Recipe] = {recipe.kind: recipe for recipe in (Graph(), Codes(), Lists(), Cards())}


@dataclass(frozen=True)
class Structure:
    """A built structure, which nobody changes.

    Equal vectors share a node: a graph whose nodes have nothing but their own copies for neighbours falls apart, and
    archives are full of blank pages.

    Attributes:
        recipe: how it was built.
        index: of FAISS, with M nodes.
        entry_ids: int64 (R,), R >= M: asset ids by node, ascending within a node.
        starts: int64 (M + 1,): node n stands for entry_ids[starts[n]:starts[n + 1]].
        built: nodes when it was last built as a whole; later ones were added with what was learned then.
        token: 16 hexadecimal digits that no other structure has.
    """

    recipe: Recipe
    index: Any
    entry_ids: np.ndarray
    starts: np.ndarray
    built: int
    token: str

    def __len__(self) -> int:
        """Number of nodes."""
        return len(self.starts) - 1

    def search(self, queries: np.ndarray, fetch: int, share: float, nodes: np.ndarray | None) -> np.ndarray:
        """int64 (Q, F) nodes, -1 where there are no more, F <= fetch.

        Args:
            queries: float32 (Q, D).
            fetch: candidates for each.
            share: of the nodes that are allowed, in (0, 1].
            nodes: bool (M,), the nodes that are allowed; None: all.
        """
        import faiss

        bits = None if nodes is None else np.packbits(nodes, bitorder="little")  # must outlive the search
        selector = None if bits is None else faiss.IDSelectorBitmap(bits)  # type: ignore[call-arg, arg-type]  # its Python form
        parameters = self.recipe.parameters(faiss, self.index, fetch, share, selector)
        found: np.ndarray = self.index.search(queries, min(fetch, len(self)), params=parameters)[1]
        return found


class Abandoned(Exception):  # noqa: N818 - no error: the structure is not wanted any more
    """The building was stopped."""


def build(table: VectorTable, recipe: Recipe, stop: threading.Event) -> Structure:
    """A structure over all rows of a table.

    Raises:
        Abandoned: `stop` was set.
    """
    faiss = import_faiss()
    order, starts = _equal_rows(table.vectors, stop)
    first = order[starts[:-1]]
    index = faiss.index_factory(table.dim, recipe.factory(len(first), table.dim), faiss.METRIC_INNER_PRODUCT)
    step = max(1, len(first) // SAMPLE)
    index.train(table.vectors[first[::step]])
    index = recipe.prepare(faiss, index)
    for rows in _blocks(first, stop):
        index.add(table.vectors[rows])
    return Structure(recipe, index, table.ids[order], starts, len(first), secrets.token_hex(8))


def extend(structure: Structure, table: VectorTable, rows: np.ndarray, stop: threading.Event) -> Structure:
    """A copy of the structure that also covers `rows`, int64 (F,), of a table.

    Raises:
        Abandoned: `stop` was set.
    """
    import faiss

    # Not clone_index: the copy of an index that is mapped from a file cannot grow, and ends the process.
    index = faiss.deserialize_index(faiss.serialize_index(structure.index))
    order, starts = _equal_rows(table.vectors[rows], stop)
    order = rows[order]
    for block in _blocks(order[starts[:-1]], stop):
        index.add(table.vectors[block])
    entry_ids = np.concatenate([structure.entry_ids, table.ids[order]])
    starts = np.concatenate([structure.starts, structure.starts[-1] + starts[1:]])
    return Structure(structure.recipe, index, entry_ids, starts, structure.built, secrets.token_hex(8))


def _blocks(rows: np.ndarray, stop: threading.Event) -> Iterator[np.ndarray]:
    for start in range(0, len(rows), STEP):
        if stop.is_set():
            raise Abandoned
        yield rows[start : start + STEP]


def _equal_rows(vectors: np.ndarray, stop: threading.Event) -> tuple[np.ndarray, np.ndarray]:
    """Rows in groups of equal vectors: int64 (N,) rows, ascending within a group, and int64 (M + 1,) group starts.

    Groups are those of a hash of 64 bits. Were two vectors to share one by chance, the second would be found through
    the first; every row is scored by its own vector all the same.
    """
    factors = np.random.default_rng(0).integers(0, 2**63, vectors.shape[1], np.uint64) | np.uint64(1)
    keys = np.empty(len(vectors), np.uint64)
    for start in range(0, len(vectors), BLOCK_ROWS):
        if stop.is_set():
            raise Abandoned
        bits = np.ascontiguousarray(vectors[start : start + BLOCK_ROWS]).view(np.uint32)
        keys[start : start + BLOCK_ROWS] = bits.astype(np.uint64) @ factors  # modulo 2^64
    order = np.argsort(keys, kind="stable")
    ends = np.flatnonzero(np.diff(keys[order])) + 1
    firsts = np.concatenate([[0], ends]) if len(vectors) else np.empty(0, np.int64)
    sizes = np.diff(np.append(firsts, len(vectors)))
    by_row = np.argsort(order[firsts], kind="stable")
    firsts, sizes = firsts[by_row], sizes[by_row]
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return order[np.repeat(firsts - starts[:-1], sizes) + np.arange(len(vectors))], starts


def import_faiss() -> Any:
    """The module.

    Raises:
        MissingDependencyError: FAISS is not installed.
        VectorIndexError: two distributions of it are.
    """
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
