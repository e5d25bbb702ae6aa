"""The spaces of a library: which it has, and where searches run."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from stylesearch.catalog import Boards, Catalog, FacetCounts, SavedSearches, sqlite_url
from stylesearch.charting import AtlasStore
from stylesearch.encoders import load_encoder
from stylesearch.encoders.base import Encoder
from stylesearch.errors import UsageError
from stylesearch.masking.regions import RegionEncoder
from stylesearch.records import REGIONS, Asset, Region, Space
from stylesearch.settings import LibrarySettings, MaskerChoice, Settings
from stylesearch.spaces import SearchSpace, choose_masker, encoder_of, in_region


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
                    self.catalog, space, self.settings, self.folder, self._environment
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
        encoder = self.installed_encoder(space.name)
        made = encoder.space(space.region)
        if made.key != space.key:
            others = tuple(made if other == space else other for other in self.settings.others)
            masker = self.settings.masker
            if isinstance(encoder, RegionEncoder) and masker is not None:
                masker = replace(masker, fingerprint=encoder.masker.fingerprint)
            self._decide(space=made if self.space == space else self.space, others=others, masker=masker)
        return encoder

    def installed_encoder(self, name: str | None = None) -> Encoder:
        """The encoder of a space as it is installed now, whatever filled the space; nothing is changed.

        Args:
            name: `Space.name`; None: of the space that searches run in.

        Raises:
            UsageError: the library has no space of this name.
            EncoderError: it cannot be loaded.
        """
        return encoder_of(self.space if name is None else self._named(name), self.settings.masker)

    def add_space(
        self, encoder: str | None = None, *, region: str = "whole", masker: str | None = None, use: str | None = None
    ) -> Space:
        """Adds the space of another encoder or region; the next runs of `index` fill it, and encode nothing else again.

        Args:
            encoder: its name; None: that of `space`.
            region: one of `stylesearch.records.REGIONS`.
            masker, use: of the library's first region; see `Library.create`.

        Raises:
            UsageError: the library has it already, there is no such region, or the library's regions are told apart by
                another masker or use.
            EncoderError: the encoder or the masker cannot be loaded.
        """
        encoder = encoder or self.space.encoder
        # In the dtype of its other regions, so that what is known of the one is true of the other.
        known = [space for space in self.spaces if space.encoder == encoder]
        loaded = load_encoder(encoder, dtype=known[0].dtype if known else None)
        choice = self.settings.masker
        (wanted,) = regions_of([region])
        if wanted == "whole" and (masker or use):
            raise UsageError("A masker is for a region. Name one: stylesearch space add --region background")
        if wanted != "whole" and choice is None:
            choice = choose_masker(masker, use, loaded.dtype)
        elif choice is not None and (masker not in (None, choice.name) or use not in (None, choice.use)):
            raise UsageError(
                f"The regions of this library are told apart by '{choice.name}' and its use '{choice.use}', for all of "
                "them. Make another library for another one: stylesearch init FOLDER --masker NAME"
            )
        space = in_region(loaded, wanted, choice).space(wanted)
        if space.name in (one.name for one in self.spaces):
            raise UsageError(f"The library has the space '{space.name}' already. Fill it with: stylesearch index PATH")
        self._decide(space=self.space, others=(*self.settings.others, space), masker=choice)
        return space

    def space_of(self, region: str, encoder: str | None = None) -> Space:
        """The space of a region.

        Args:
            region: one of `stylesearch.records.REGIONS`.
            encoder: whose; None: that of `space`.

        Raises:
            UsageError: there is no such region, or the library has no space of it.
        """
        (wanted,) = regions_of([region])
        encoder = encoder or self.space.encoder
        for space in self.spaces:
            if (space.encoder, space.region) == (encoder, wanted):
                return space
        there = ", ".join(f"'{space.region}'" for space in self.spaces if space.encoder == encoder) or "none"
        raise UsageError(
            f"The library has no space of '{encoder}' for the region '{region}'; its regions there: {there}. "
            f"Add it with: stylesearch space add {encoder} --region {region}"
        )

    @property
    def regions(self) -> tuple[Region, ...]:
        """The regions that can be searched with the encoder of `space`, in the order of `REGIONS`."""
        there = {space.region for space in self.spaces if space.encoder == self.space.encoder}
        return tuple(region for region in REGIONS if region in there)

    def use_space(self, name: str) -> Space:
        """Makes one of the spaces the one that searches run in.

        Raises:
            UsageError: the library has no space of this name.
        """
        space = self._named(name)
        others = tuple(other for other in self.spaces if other != space)
        self._decide(space=space, others=others, masker=self.settings.masker)
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
        others = tuple(other for other in self.settings.others if other != space)
        masked = any(one.region != "whole" for one in (self.space, *others))
        self._decide(space=self.space, others=others, masker=self.settings.masker if masked else None)
        if not masked:
            self.catalog.drop_other_masks(None)
        return count

    def count_without_subject(self, name: str) -> int:
        """In how many pictures of a space nothing stands out, so that the whole of them counts; 0 where whole pictures
        are what is searched.

        Raises:
            UsageError: the library has no space of this name.
        """
        searching, masker = self.searching(name), self.settings.masker
        if masker is None or searching.space.region == "whole":
            return 0
        return self.catalog.count_without_subject(masker.fingerprint, searching.id)

    def filled_spaces(self) -> list[tuple[Space, int]]:
        """The spaces of the library, that of searches first, and how many vectors each has."""
        return [(space, self.catalog.vector_count(self.searching(space.name).id)) for space in self.spaces]

    def _named(self, name: str) -> Space:
        for space in self.spaces:
            if space.name == name:
                return space
        names = ", ".join(f"'{space.name}'" for space in self.spaces)
        raise UsageError(f"The library has no space '{name}'; it has {names}. Add one with: stylesearch space add NAME")

    def _decide(self, space: Space, others: tuple[Space, ...], masker: MaskerChoice | None) -> None:
        settings = replace(self.settings, space=space, others=others, masker=masker)
        settings.write(self.folder)
        self.settings = settings


def regions_of(names: Sequence[str]) -> list[Region]:
    """The regions of these names, in their order.

    Raises:
        UsageError: there is no such region, or one is named twice or none at all.
    """
    there = ", ".join(REGIONS)
    for name in names:
        if name not in REGIONS:
            raise UsageError(f"There is no region '{name}'; there are: {there}.")
    if not names or len(set(names)) < len(names):
        raise UsageError(f"The regions '{','.join(names)}' are to be named once each. There are: {there}.")
    return [region for name in names for region in REGIONS if region == name]
