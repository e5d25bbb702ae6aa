"""From one vector engine to another: the catalog has every vector, so nothing is encoded again."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from stylesearch.errors import UsageError, VectorIndexError
from stylesearch.library import Library
from stylesearch.settings import IndexChoice, Settings
from stylesearch.spaces import catch_up
from stylesearch.vectors import VectorIndex, drop_index, index_files, index_place, new_index, open_index

# Vectors after which the new index is put on disk, for a move that is interrupted to go on from there.
SAVE_EVERY = 500_000


@dataclass(frozen=True)
class IndexState:
    """What `stylesearch vectors status` shows of a space.

    Attributes:
        space: its name.
        index: the engine, as the library was told.
        layout: how it searches at this moment.
        vectors: in the index once it has caught up.
        place: where it is kept.
        bytes: of its files; 0 on a server.
    """

    space: str
    index: str
    layout: str
    vectors: int
    place: str
    bytes: int


def states(library: Library) -> list[IndexState]:
    """The vector index of each space, after it has caught up."""
    found = []
    choice = IndexChoice.parse(library.settings.index)
    for space in library.spaces:
        searching = library.searching(space.name)
        index = searching.index()
        place = _server_of(library.settings.index) or str(searching.index_path)
        size = 0 if choice.engine == "server" else sum(map(_size, index_files(searching.index_path)))
        found.append(IndexState(space.name, library.settings.index, index.layout, len(index), place, size))
    return found


def move_vectors(
    library: Library, source: str, target: str, progress: Callable[[str, int], None] | None = None
) -> dict[str, int]:
    """Fills another engine for every space, then makes it the library's.

    A move that was interrupted goes on where the new index was last saved. Until it is complete, searches find the old
    one. Nobody needs to stop: what is indexed meanwhile is caught up by the next search. Programs that have the library
    open go on with the engine that they opened.

    Args:
        library: is closed for searching in the old engine; open it again.
        source: the engine it has, as `IndexChoice.parse` takes it.
        target: the one it shall have.
        progress: called with the name of a space and the vectors that its new index holds.

    Returns:
        vectors by the name of the space.

    Raises:
        UsageError: the library has another engine than `source`, or has `target` already.
        VectorIndexError: the new engine refuses, or holds another number of vectors at the end.
    """
    old, new = library.settings.index, IndexChoice.parse(target)
    if IndexChoice.parse(source) != IndexChoice.parse(old):
        raise UsageError(f"The library keeps its vectors in '{old}', not in '{source}'.")
    if new == IndexChoice.parse(old):
        raise UsageError(f"The library keeps its vectors in '{old}' already. Make them anew with: stylesearch rebuild")
    environment, moved = Settings.from_environment(), {}
    names = {space.name: library.folder / "index" / f"{space.key}.vectors" for space in library.spaces}
    for space in library.spaces:
        tell = _teller(progress, space.name)
        moved[space.name] = _fill(library, space.name, target, names[space.name], environment, tell)
    for name in names:
        library.searching(name).close()
    library.settings = replace(library.settings, index=target)
    library.settings.write(library.folder)
    for path in names.values():
        if (_server_of(old), index_place(old, path)) != (_server_of(target), index_place(target, path)):
            with suppress(VectorIndexError):  # what stays takes room, no more
                drop_index(old, path, environment)
    return moved


def _server_of(kind: str) -> str:
    """Address and collection, without options; "" for an engine in this process."""
    choice = IndexChoice.parse(kind)
    return choice.place.partition("?")[0] if choice.engine == "server" else ""


def _teller(progress: Callable[[str, int], None] | None, name: str) -> Callable[[int], None]:
    return lambda count: None if progress is None else progress(name, count)


def _fill(
    library: Library, name: str, target: str, path: Path, environment: Settings, tell: Callable[[int], None]
) -> int:
    searching, place = library.searching(name), index_place(target, path)
    dim, held = searching.space.dim, searching.index()
    expected = (held.sequence, len(held))  # now: the two may share a file
    with closing(_opened(library, target, path, dim, environment)) as index:
        index.save(place)  # from here on it lies where a move that is interrupted finds it
        unsaved = 0
        for changes in catch_up(index, library.catalog, searching.id):
            unsaved += len(changes.asset_ids)
            if unsaved >= SAVE_EVERY:
                index.save(place)
                unsaved = 0
            tell(len(index))
        index.optimize()
        index.save(place)
        count, sequence = len(index), index.sequence
    if expected[0] == sequence and expected[1] != count:
        raise VectorIndexError(
            f"'{target}' holds {count:,} vectors of '{name}' where {expected[1]:,} are due. The library goes on with "
            f"'{library.settings.index}'; try again."
        )
    return count


def _opened(library: Library, target: str, path: Path, dim: int, environment: Settings) -> VectorIndex:
    index = open_index(target, path, dim, environment)
    if index.history == library.catalog.history(index.sequence):
        return index
    index.close()  # it was made from another catalog
    return new_index(target, dim, environment, path)


def _size(path: Path) -> int:
    try:
        # Blocks, not lengths: Qdrant's files have holes.
        return 512 * path.stat().st_blocks if path.is_file() else 0
    except OSError:  # swept meanwhile
        return 0
