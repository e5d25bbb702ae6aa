"""Vector indexes: nearest vectors by cosine, keyed by asset id, derived from the catalog."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from stylesearch.errors import SpaceMismatchError
from stylesearch.settings import IndexChoice, Settings
from stylesearch.vectors.base import Neighbours, VectorIndex
from stylesearch.vectors.exact import ExactIndex
from stylesearch.vectors.faiss_index import FaissIndex
from stylesearch.vectors.qdrant_index import QdrantIndex

__all__ = ["Neighbours", "VectorIndex", "new_index", "open_index"]


class _Engine(NamedTuple):
    new: Callable[[int], VectorIndex]
    load: Callable[[Path], VectorIndex]
    path: Path


def open_index(kind: str, path: Path, dim: int, environment: Settings | None = None) -> VectorIndex:
    """The index that lies at `path`, or an empty one where nothing lies there.

    Args:
        kind: as `IndexChoice.parse` takes it. "exact" and all of FAISS read the same file; Qdrant keeps a folder.
        path: file, or folder, of the index, unless `kind` names another.
        dim: length of a vector of the space.
        environment: what the user decided; None: the defaults.

    Raises:
        UsageError: there is no such kind.
        VectorIndexError: the file is damaged, of another kind or version, or cannot be read.
        SpaceMismatchError: it holds vectors of another length.
        MissingDependencyError: FAISS or Qdrant is asked for and not installed.
    """
    engine = _engine(kind, path, environment)
    if not engine.path.exists():
        return engine.new(dim)
    index = engine.load(engine.path)
    if index.dim != dim:
        raise SpaceMismatchError(
            f"The vector index '{engine.path}' holds vectors of {index.dim} numbers; the library's encoder makes "
            f"{dim}. Rebuild it with: stylesearch rebuild"
        )
    return index


def new_index(kind: str, dim: int, environment: Settings | None = None) -> VectorIndex:
    """An empty index; arguments and errors as of `open_index`."""
    return _engine(kind, Path(), environment).new(dim)


def _engine(kind: str, path: Path, environment: Settings | None) -> _Engine:
    choice = IndexChoice.parse(kind)
    if choice.engine == "qdrant":
        return _Engine(QdrantIndex, QdrantIndex.load, path)
    if choice.engine == "exact" or (choice.engine == "auto" and not find_spec("faiss")):
        return _Engine(ExactIndex, ExactIndex.load, path)
    memory = environment.index_memory if environment else Settings.index_memory
    return _Engine(
        lambda dim: FaissIndex(dim, choice.structure, memory),
        lambda path: FaissIndex.load(path, structure=choice.structure, memory=memory),
        path,
    )
