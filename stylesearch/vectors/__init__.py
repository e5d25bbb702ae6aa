"""Vector indexes: nearest vectors by cosine, keyed by asset id, derived from the catalog."""

from __future__ import annotations

import glob
import shutil
from importlib.util import find_spec
from pathlib import Path

from stylesearch.errors import SpaceMismatchError, VectorIndexError
from stylesearch.records import Limits
from stylesearch.settings import IndexChoice, Settings
from stylesearch.vectors.base import Allowed, Neighbours, VectorIndex
from stylesearch.vectors.exact import ExactIndex
from stylesearch.vectors.faiss_index import FaissIndex
from stylesearch.vectors.qdrant_connection import Server
from stylesearch.vectors.qdrant_index import QdrantIndex
from stylesearch.vectors.qdrant_server import QdrantServerIndex

__all__ = [
    "Allowed",
    "Neighbours",
    "VectorIndex",
    "drop_index",
    "index_files",
    "index_place",
    "new_index",
    "open_index",
]


def index_place(kind: str, path: Path) -> Path:
    """Where the index is kept that is called `path`: Qdrant keeps a folder, beside it or where "qdrant:FOLDER" says."""
    choice = IndexChoice.parse(kind)
    if choice.engine != "qdrant":
        return path
    return (Path(choice.place).expanduser().absolute() if choice.place else path.parent) / f"{path.stem}.qdrant"


def open_index(kind: str, path: Path, dim: int, environment: Settings | None = None) -> VectorIndex:
    """The index that is kept at `index_place`, or on a server, or an empty one where there is none yet.

    Args:
        kind: as `IndexChoice.parse` takes it. "exact" and all of FAISS read the same file; Qdrant keeps a folder.
        path: file, or folder, of the index. Its stem is the name of the space, on a server too.
        dim: length of a vector of the space.
        environment: what the user decided; None: the defaults.

    Raises:
        UsageError: there is no such kind.
        VectorIndexError: the file is damaged, of another kind or version, or cannot be read; or the server fails.
        SpaceMismatchError: it holds vectors of another length.
        MissingDependencyError: FAISS or Qdrant is asked for and not installed.
    """
    choice, environment = IndexChoice.parse(kind), environment or _DEFAULTS
    if choice.engine == "server":
        return QdrantServerIndex.open(Server.parse(choice.place, environment.qdrant_api_key), path.stem, dim)
    path = index_place(kind, path)
    if not path.exists():
        return new_index(kind, dim, environment, path)
    index: VectorIndex
    if choice.engine == "qdrant":
        index = QdrantIndex.load(path)
    elif _without_faiss(choice):
        index = ExactIndex.load(path)
    else:
        index = FaissIndex.load(path, structure=choice.structure, memory=environment.index_memory)
    if index.dim != dim:
        index.close()
        raise SpaceMismatchError(
            f"The vector index '{path}' holds vectors of {index.dim} numbers; the library's encoder makes {dim}. "
            "Rebuild it with: stylesearch rebuild"
        )
    return index


def new_index(
    kind: str, dim: int, environment: Settings | None = None, path: Path = Path("unnamed.vectors")
) -> VectorIndex:
    """An empty index, of which nothing lies at `path` before it is saved; on a server, what was there is deleted.

    Arguments and errors as of `open_index`.
    """
    choice, environment = IndexChoice.parse(kind), environment or _DEFAULTS
    if choice.engine == "server":
        return QdrantServerIndex.new(Server.parse(choice.place, environment.qdrant_api_key), path.stem, dim)
    if choice.engine == "qdrant":
        return QdrantIndex(dim)
    if _without_faiss(choice):
        return ExactIndex(dim)
    return FaissIndex(dim, choice.structure, environment.index_memory)


def index_files(path: Path) -> list[Path]:
    """The files of an index that is kept at `path`, of an engine in this process."""
    beside = path.parent.glob(f"{glob.escape(path.name)}.*.faiss")
    return [*(path.rglob("*") if path.is_dir() else [path] if path.exists() else []), *beside]


def drop_index(kind: str, path: Path, environment: Settings | None = None) -> None:
    """Deletes what `open_index` would open, where there is anything. Nobody may have it open.

    Raises:
        VectorIndexError: the operating system, or the server, refuses.
    """
    choice, environment = IndexChoice.parse(kind), environment or _DEFAULTS
    if choice.engine == "server":
        index = QdrantServerIndex(Server.parse(choice.place, environment.qdrant_api_key), path.stem, 0)
        index.drop()
        index.close()
        return
    path = index_place(kind, path)
    try:
        if path.is_dir():
            shutil.rmtree(path)
        for file in index_files(path):
            file.unlink(missing_ok=True)
    except OSError as exc:
        raise VectorIndexError(f"The vector index '{path}' cannot be deleted ({exc.strerror}).") from exc


def _without_faiss(choice: IndexChoice) -> bool:
    return choice.engine == "exact" or (choice.engine == "auto" and not find_spec("faiss"))


_DEFAULTS = Settings(Path(), 1, Limits())
