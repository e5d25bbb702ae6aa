"""One space of a library, to search in: its encoder, and its vector index, which follows the catalog."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np

from stylesearch.calibration import Calibration
from stylesearch.catalog import Catalog
from stylesearch.catalog.facts import read_facts
from stylesearch.encoders import DEFAULT_ENCODER, load_encoder
from stylesearch.encoders.base import Encoder
from stylesearch.errors import EncoderError, SpaceMismatchError, UsageError, VectorIndexError
from stylesearch.filtering import conditions_of
from stylesearch.masking import load_masker
from stylesearch.masking.regions import DEFAULT_USE, USES, region_encoder
from stylesearch.query import Filters
from stylesearch.records import Changes, Region, Space
from stylesearch.references import ReferenceReader
from stylesearch.scores import LocalScaling, csls
from stylesearch.settings import LibrarySettings, MaskerChoice, Settings
from stylesearch.vectors import Allowed, VectorIndex, drop_index, index_place, new_index, open_index
from stylesearch.vectors.table import cosines_of

# An index that lags the catalog by more than this is saved once it has caught up: reading the changes again at every
# start would cost more than writing the file once.
SAVE_AFTER = 5_000

_log = logging.getLogger(__name__)


def encoder_of(space: Space, masker: MaskerChoice | None) -> Encoder:
    """The encoder of a space as it is installed now, which may make another space.

    Args:
        masker: of the library.

    Raises:
        EncoderError: it, or the masker, cannot be loaded.
    """
    try:
        encoder = load_encoder(space.encoder, dtype=space.dtype)
    except EncoderError as exc:
        raise EncoderError(
            f"{exc} Where it is gone for good, let the library move on to another encoder: stylesearch space add "
            f"{DEFAULT_ENCODER}; stylesearch space fill; stylesearch space use {DEFAULT_ENCODER}; stylesearch space "
            f"drop {space.name} --yes"
        ) from exc
    return in_region(encoder, space.region, masker)


def in_region(encoder: Encoder, region: Region, masker: MaskerChoice | None) -> Encoder:
    """The encoder of a region, from that of whole pictures. Raises EncoderError where the masker cannot be loaded."""
    if masker is None or region == "whole":
        return encoder
    return region_encoder(encoder, load_masker(masker.name, masker.dtype), region, masker.use)


def choose_masker(name: str | None, use: str | None, dtype: str) -> MaskerChoice:
    """A masker for a library; None: the default.

    Raises:
        UsageError: no such use of a mask.
        EncoderError: no such masker, or it cannot be loaded.
    """
    if use is not None and use not in USES:
        raise UsageError(f"There is no use of a mask '{use}'; there are: {', '.join(USES)}.")
    loaded = load_masker(name, dtype)
    return MaskerChoice(loaded.name, loaded.fingerprint, dtype, use or DEFAULT_USE)


class SearchSpace:
    """Where a library searches. Threads may share it.

    Attributes:
        space: which vectors.
        index_path: where the vector index is kept.
        calibration_path: where it is kept what scores mean.

    Args:
        settings: of the library.
        folder: of the library.
    """

    def __init__(
        self, catalog: Catalog, space: Space, settings: LibrarySettings, folder: Path, environment: Settings
    ) -> None:
        self.space = space
        kind = settings.index
        self.index_path = index_place(kind, folder / "index" / f"{space.key}.vectors")
        self.calibration_path = folder / "index" / f"{space.key}.calibration.json"
        self._catalog = catalog
        self._kind = kind
        self._masker = settings.masker
        self._folder = folder
        self._environment = environment
        self._lock = threading.Lock()  # one thread catches up; an index bears being searched meanwhile
        self._index: VectorIndex | None = None
        self._unsaved = 0
        self._scaling = LocalScaling()
        self._state: int | None = None  # of the catalog, when the index had caught up with it

    @cached_property
    def id(self) -> int:
        """The id of the space in the catalog."""
        return self._catalog.ensure_space(self.space)

    @cached_property
    def encoder(self) -> Encoder:
        """The encoder that filled the space, in its dtype, loaded at first use.

        Raises:
            SpaceMismatchError: its weights, those of the masker, or the decoder, are not those that filled the space.
            EncoderError: it cannot be loaded.
        """
        encoder = encoder_of(self.space, self._masker)
        made = encoder.space(self.space.region)
        if made.key != self.space.key:
            raise self._mismatch(
                f"The library holds vectors of {_named(self.space)}; what is installed makes those of {_named(made)}, "
                "and the two cannot be compared."
            )
        return encoder

    @property
    def references(self) -> ReferenceReader:
        """What turns references into vectors of the space."""
        return ReferenceReader(self._catalog, self.space, self.id, lambda: self.encoder, self._environment.limits)

    def index(self) -> VectorIndex:
        """The vector index, after it has caught up with the catalog.

        Raises:
            VectorIndexError: its file is damaged or cannot be read.
        """
        with self._lock:
            return self._caught_up()

    def is_of_another_history(self) -> bool:
        """Whether the index, as it was saved, was made from another catalog than this one, or from what it held before
        it was restored.

        Raises:
            VectorIndexError: its file is damaged or cannot be read.
        """
        with self._lock:
            index = self._opened()
            return index.history != self._catalog.history(index.sequence)

    def saved(self, *, anew: bool = False) -> VectorIndex:
        """The vector index, caught up, made fast, and saved; `anew`: made from the catalog alone."""
        with self._lock:
            if anew:
                if self._index is not None:
                    self._index.close()
                self._index = new_index(self._kind, self.space.dim, self._environment, self.index_path)
                self._state = None
            index = self._caught_up()
            index.optimize()
            self._save(index)
            return index

    @property
    def state(self) -> int | None:
        """The state of the catalog that `index` has last caught up with; see `Catalog.state`."""
        return self._state

    def close(self) -> None:
        """Releases the index; its file is left as last saved, and catches up when it is opened again."""
        with self._lock:
            if self._index is not None:
                self._index.close()
            self._index, self._unsaved = None, 0

    def drop_index(self) -> None:
        """Deletes the vector index, on a server too; it is made again from the catalog when it is needed.

        Raises:
            VectorIndexError: the operating system, or the server, refuses.
        """
        self.close()
        with self._lock:
            drop_index(self._kind, self.index_path, self._environment)

    def allowed(self, filters: Filters) -> Allowed:
        """Which assets meet the filters, as the vector index takes it; None: there is no filter."""
        if not filters.filtering:
            return None
        conditions = conditions_of(filters) if self.index().takes_facts else None
        return self._catalog.asset_ids(filters) if conditions is None else conditions

    def scores(self, query: np.ndarray, own: AbstractSet[int], ids: Sequence[int]) -> np.ndarray:
        """How likely pictures share the style of a query: float64 (N,) in [0, 1].

        Args:
            query: float32 (D,), unit length.
            own: ids of assets that are references of the query, and so no neighbours of it.
            ids: N asset ids.

        Raises:
            UsageError: the space is not calibrated.
        """
        calibration = Calibration.read(self.calibration_path, self.space.key)
        known, vectors = self._catalog.vectors(self.id, ids)
        order = np.argsort(np.array(ids))
        with self._lock:
            index = self._caught_up()
            around = self._scaling.around(query[None], index, [own])
            terms = self._scaling.terms(known.tolist(), vectors, index)
        cosines = cosines_of(query, vectors)
        result = np.empty(len(ids))
        result[order] = calibration.probability(csls(cosines[None], around, terms)[0])
        return result

    @property
    def calibrated(self) -> bool:
        """Whether `scores` can be asked for."""
        with suppress(UsageError):
            return bool(Calibration.read(self.calibration_path, self.space.key))
        return False

    def check_filled(self) -> None:
        """Raises SpaceMismatchError where the catalog holds vectors, and none of them is of this space."""
        filled = self._catalog.spaces()
        if filled and self.space.key not in (space.key for space in filled):
            raise self._mismatch(
                f"The library searches among vectors of {_named(self.space)}, of which there are none; its catalog "
                f"holds those of {' and '.join(map(_named, filled))}."
            )

    def _opened(self) -> VectorIndex:
        if self._index is None:
            self._index = open_index(self._kind, self.index_path, self.space.dim, self._environment)
        return self._index

    def _caught_up(self) -> VectorIndex:
        state = self._catalog.state()
        if self._index is not None and state == self._state:
            return self._index
        self._index = self._opened()
        if self._index.history != self._catalog.history(self._index.sequence):
            # The catalog was restored from a backup, or exchanged: the index knows things that never happened.
            self._scaling = LocalScaling()
            self._index = new_index(self._kind, self.space.dim, self._environment, self.index_path)
        for changes in catch_up(self._index, self._catalog, self.id):
            self._scaling.follow(changes)
            self._unsaved += len(changes.asset_ids)
        if self._unsaved >= SAVE_AFTER:
            try:
                self._save(self._index)
            except VectorIndexError as exc:  # it is as good in memory
                self._unsaved = 0
                _log.warning("%s", exc)
        self._state = state
        return self._index

    def _save(self, index: VectorIndex) -> None:
        index.save(self.index_path)
        self._unsaved = 0

    def _mismatch(self, what: str) -> SpaceMismatchError:
        return SpaceMismatchError(
            f"{what} Encode the pictures again: stylesearch index PATH --library '{self._folder}'"
        )


def catch_up(index: VectorIndex, catalog: Catalog, space_id: int) -> Iterator[Changes]:
    """Applies to an index what has changed in the catalog since; yields each stretch that it has applied."""
    for changes in catalog.changes(space_id, after=index.sequence):
        if index.takes_facts:
            # Read later than the changes, facts may be newer: what made them so comes in a later stretch.
            changes = replace(changes, facts=read_facts(catalog, changes.asset_ids[changes.live].tolist()))
        index.apply(changes)
        yield changes


def _named(space: Space) -> str:
    return f"'{space.name}' (build {space.fingerprint[:8]}, {space.dtype}, {space.preprocessing})"
