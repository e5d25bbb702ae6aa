"""Vector indexes: nearest vectors by cosine, keyed by asset id, derived from the catalog."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from stylesearch.errors import SpaceMismatchError
from stylesearch.settings import IndexKind
from stylesearch.vectors.base import Neighbours, VectorIndex
from stylesearch.vectors.exact import ExactIndex
from stylesearch.vectors.faiss_index import FaissIndex
from stylesearch.vectors.flat import FlatIndex
from stylesearch.vectors.qdrant_index import QdrantIndex

__all__ = ["Neighbours", "VectorIndex", "open_index"]


def open_index(kind: IndexKind, path: Path, dim: int) -> VectorIndex:
    """The index that lies at `path`, or an empty one where nothing lies there.

    Args:
        kind: "exact", "faiss", or "auto" (FAISS where it is installed), which read the same file; "qdrant", which
            keeps a folder instead.
        path: file, or folder, of the index.
        dim: length of a vector of the space.

    Raises:
        VectorIndexError: the file is damaged, of another kind or version, or cannot be read.
        SpaceMismatchError: it holds vectors of another length.
        MissingDependencyError: FAISS or Qdrant is asked for and not installed.
    """
    if not path.exists():
        return new_index(kind, dim)
    index = _engine(kind).load(path)
    if index.dim != dim:
        raise SpaceMismatchError(
            f"The vector index '{path}' holds vectors of {index.dim} numbers; the library's encoder makes {dim}. "
            "Rebuild it with: stylesearch rebuild"
        )
    return index


def new_index(kind: IndexKind, dim: int) -> VectorIndex:
    """An empty index; arguments and errors as of `open_index`."""
    return _engine(kind)(dim)


def _engine(kind: IndexKind) -> type[FlatIndex] | type[QdrantIndex]:
    if kind == "auto":
        kind = "faiss" if find_spec("faiss") else "exact"
    engines: dict[IndexKind, type[FlatIndex] | type[QdrantIndex]] = {
        "exact": ExactIndex,
        "faiss": FaissIndex,
        "qdrant": QdrantIndex,
    }
    return engines[kind]
