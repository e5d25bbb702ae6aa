"""The spaces of a library: which it has, and where searches run."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

from stylesearch.catalog import Boards, Catalog, FacetCounts, SavedSearches, sqlite_url
from stylesearch.charting import AtlasStore
from stylesearch.encoders import load_encoder
from stylesearch.encoders.base import Encoder
from stylesearch.errors import UsageError
from stylesearch.records import Asset, Space
from stylesearch.settings import LibrarySettings, Settings
from stylesearch.spaces import SearchSpace


class LibrarySpaces:
    """The catalog of a library, and its spaces, each opened at first use; a part of `Library`, which says what the
    attributes are."""

    def __init__(self, folder: Path, settings: LibrarySettings, environment: Settings) -> None:
        self.folder = folder
        self.settings = settings
        self._environment = environment
        self.catalog = Catalog.open(settings.catalog or sqlite_url(folder / "catalog.db"))
        self.boards = Boards(self.catalog)
        self.saved_searches = SavedSearches(self.catalog)
        self._facets = FacetCounts(self.catalog)
        self._lock = threading.Lock()
        self._opened: dict[str, SearchSpace] = {}  # by key of the space
        self._atlases: dict[str, AtlasStore] = {}  # likewise
        self._remembered: tuple[int | None, dict[int, Asset]] = None, {}  # assets, and the state that they are of

    @property
    def space(self) -> Space:
        """The space that searches run in where none is named; known without loading the encoder."""
        return self.settings.space

    @property
    def spaces(self) -> tuple[Space, ...]:
        """The spaces that `index` fills, that of searches first."""
        return (self.settings.space, *self.settings.others)

    @property
    def encoder(self) -> Encoder:
        """The encoder of `space`; see `SearchSpace.encoder`."""
        return self.searching().encoder

    def searching(self, name: str | None = None) -> SearchSpace:
        """One of the library's spaces, opened.

        Args:
            name: `Space.name`; None: the one that searches run in.

        Raises:
            UsageError: the library has no space of this name.
        """
        space = self.space if name is None else self._named(name)
        with self._lock:
            if space.key not in self._opened:
                self._opened[space.key] = SearchSpace(
                    self.catalog, space, self.settings.index, self.folder, self._environment
                )
            return self._opened[space.key]

    def encoder_for_indexing(self, name: str | None = None) -> Encoder:
        """The encoder of a space as it is installed now.

        Where that makes another space than the one the library was filled in, the library moves on to the new space,
        for good: searches find what has been indexed again, as after a first run.

        Args:
            name: `Space.name`; None: of the space that searches run in.

        Raises:
            UsageError: the library has no space of this name.
            EncoderError: it cannot be loaded.
            LibraryError: the move cannot be written down.
        """
        space = self.space if name is None else self._named(name)
        encoder = load_encoder(space.encoder, dtype=space.dtype)
        made = encoder.space(space.region)
        if made.key != space.key:
            others = tuple(made if other == space else other for other in self.settings.others)
            self._decide(space=made if self.space == space else self.space, others=others)
        return encoder

    def add_space(self, encoder: str) -> Space:
        """Adds the space of another encoder; the next runs of `index` fill it, and encode nothing else again.

        Raises:
            UsageError: the library has it already.
            EncoderError: the encoder cannot be loaded.
        """
        space = load_encoder(encoder).space()
        if space.name in (one.name for one in self.spaces):
            raise UsageError(f"The library has the space '{space.name}' already. Fill it with: stylesearch index PATH")
        self._decide(space=self.space, others=(*self.settings.others, space))
        return space

    def use_space(self, name: str) -> Space:
        """Makes one of the spaces the one that searches run in.

        Raises:
            UsageError: the library has no space of this name.
        """
        space = self._named(name)
        self._decide(space=space, others=tuple(other for other in self.spaces if other != space))
        return space

    def clear_space(self, name: str) -> int:
        """Deletes the vectors of a space, so that the next run of `index` encodes the pictures again.

        Returns:
            how many there were.

        Raises:
            UsageError: the library has no space of this name.
        """
        searching = self.searching(name)
        count = self.catalog.drop_vectors(searching.id)
        searching.drop_index()
        return count

    def drop_space(self, name: str) -> int:
        """Takes a space out of the library, with its vectors.

        Returns:
            how many there were.

        Raises:
            UsageError: the library has no space of this name, or searches run in it.
        """
        space = self._named(name)
        if space == self.space:
            raise UsageError(f"Searches run in '{name}'. Let them run in another one first: stylesearch space use NAME")
        count = self.clear_space(name)
        self._decide(space=self.space, others=tuple(other for other in self.settings.others if other != space))
        return count

    def filled_spaces(self) -> list[tuple[Space, int]]:
        """The spaces of the library, that of searches first, and how many vectors each has."""
        return [(space, self.catalog.vector_count(self.searching(space.name).id)) for space in self.spaces]

    def _named(self, name: str) -> Space:
        for space in self.spaces:
            if space.name == name:
                return space
        names = ", ".join(f"'{space.name}'" for space in self.spaces)
        raise UsageError(f"The library has no space '{name}'; it has {names}. Add one with: stylesearch space add NAME")

    def _decide(self, space: Space, others: tuple[Space, ...]) -> None:
        settings = replace(self.settings, space=space, others=others)
        settings.write(self.folder)
        self.settings = settings
