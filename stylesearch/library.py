"""`Library`: the one handle that the command line, the pages and notebooks hold."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
from PIL.Image import Image

from stylesearch.catalog import Catalog
from stylesearch.encoders import DEFAULT_ENCODER, load_encoder
from stylesearch.encoders.base import Encoder
from stylesearch.errors import ImageError, LibraryError, UsageError
from stylesearch.files import read_bytes
from stylesearch.images import load_pixels, read_image
from stylesearch.images import thumbnail as thumbnail_of
from stylesearch.records import Asset, Counts, Hit, Limits, Query, Reference, Refusal, Space, StyleText
from stylesearch.search import as_unit_vector, combine, to_hits
from stylesearch.settings import LIBRARY_FILE, IndexKind, LibrarySettings, Settings
from stylesearch.vectors import VectorIndex, new_index, open_index

# An index that lags the catalog by more than this is saved once it has caught up: reading the changes again at every
# start would cost more than writing the file once.
SAVE_AFTER = 5_000


@dataclass(frozen=True)
class Status:
    """What `stylesearch status` shows.

    Attributes:
        folder: the library's folder.
        space: the space that searches run in.
        index: engine of the vector index, "exact" or "faiss".
        searchable: vectors in the index once it has caught up.
        counts: totals of the catalog.
    """

    folder: Path
    space: Space
    index: str
    searchable: int
    counts: Counts


class LoadedReference(NamedTuple):
    """A picture that came as bytes, made ready once so that it can be searched with again and again.

    Attributes:
        source: for a `Query`: the id of the asset where the library holds the same file, else its vector.
        thumbnail: a small WebP file.
    """

    source: int | np.ndarray
    thumbnail: bytes


class Library:
    """A searchable collection: a catalog, an encoder, a vector index and thumbnails.

    Make one with `Library.create`, open one with `Library.open`; both can be used in a `with` statement. Searching is
    safe from several threads.

    Attributes:
        folder: where `library.json`, the index and the thumbnails lie.
        settings: what was decided when the library was made.
        catalog: the truth; everything else can be rebuilt from it and the files.
    """

    def __init__(self, folder: Path, settings: LibrarySettings, limits: Limits) -> None:
        self.folder = folder
        self.settings = settings
        self._limits = limits
        self.catalog = Catalog.open(settings.catalog or f"sqlite:///{(folder / 'catalog.db').absolute()}")
        self._lock = threading.Lock()  # one thread catches up; an index bears being searched meanwhile
        self._index: VectorIndex | None = None
        self._unsaved = 0

    @classmethod
    def create(
        cls,
        folder: str | os.PathLike[str],
        *,
        encoder: str | None = None,
        catalog: str | None = None,
        index: IndexKind = "auto",
    ) -> Library:
        """Makes a new, empty library.

        Args:
            folder: made if it does not exist.
            encoder: name of the encoder that fills it; None: the default.
            catalog: SQLAlchemy URL ("postgresql://..."); None: SQLite in the folder.
            index: vector engine; see `LibrarySettings`.

        Raises:
            LibraryError: there is a library already, or the folder cannot be written.
            EncoderError: the encoder cannot be loaded.
            CatalogError: the catalog cannot be opened.
        """
        folder = Path(folder)
        if (folder / LIBRARY_FILE).exists():
            raise LibraryError(f"There is a library at '{folder}' already. Add files with: stylesearch index PATH")
        loaded = load_encoder(encoder or DEFAULT_ENCODER)
        settings = LibrarySettings(encoder=loaded.name, dtype=loaded.dtype, catalog=catalog, index=index)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "index").mkdir(exist_ok=True)
            (folder / "thumbnails").mkdir(exist_ok=True)
        except OSError as exc:
            raise LibraryError(f"No library can be made at '{folder}' ({exc.strerror}).") from exc
        library = cls(folder, settings, Settings.from_environment().limits)
        settings.write(folder)  # last, so that a failed start leaves no library behind
        return library

    @classmethod
    def open(cls, folder: str | os.PathLike[str] | None = None) -> Library:
        """Opens a library.

        Args:
            folder: None: the one that `STYLESEARCH_LIBRARY` names, or `stylesearch-library` here.

        Raises:
            LibraryError: there is none, or it is of another version.
            CatalogError: its catalog cannot be opened.
        """
        environment = Settings.from_environment()
        folder = environment.library if folder is None else Path(folder)
        return cls(folder, LibrarySettings.read(folder), environment.limits)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Releases the catalog; the index file is left as last saved and catches up when it is opened again."""
        self.catalog.close()

    @cached_property
    def encoder(self) -> Encoder:
        """The library's encoder, in the dtype that filled it, loaded at first use."""
        return load_encoder(self.settings.encoder, dtype=self.settings.dtype)

    @cached_property
    def space(self) -> Space:
        """The space that searches run in."""
        return self.encoder.space()

    @property
    def thumbnails(self) -> Path:
        """Folder of thumbnails, named by content."""
        return self.folder / "thumbnails"

    def thumbnail(self, asset: Asset) -> Path:
        """Where the asset's thumbnail (WebP) lies."""
        return self.thumbnails / asset.sha256[:2] / f"{asset.sha256}.webp"

    def search(self, query: Query) -> list[Hit]:
        """Finds what shares the style of the query's references.

        Returns:
            at most `query.k` hits, best first; equal cosines by ascending asset id.

        Raises:
            ImageError: a reference cannot be read as an image.
            UsageError: a reference is no asset of this library, or references cancel out.
            SpaceMismatchError: a vector is not of this library's space.
            EncoderError: a text, and an encoder without a text tower.
        """
        positives, negatives = query.positives(), query.negatives()
        vectors, own_ids = self._resolve(positives + negatives)
        weights = [reference.weight for reference in positives + negatives]
        split = len(positives)
        vector = combine(vectors[:split], weights[:split], vectors[split:], weights[split:])
        left_out = own_ids if query.exclude_references else set()
        filtered = bool(query.paths or query.formats)
        allowed = self.catalog.asset_ids(query.paths, query.formats) if filtered else None
        with self._lock:
            index = self._caught_up()
        neighbours = index.search(vector[None], max(1, min(query.k + len(left_out), len(index))), allowed)
        found = neighbours.ids[0][neighbours.ids[0] >= 0].tolist()
        return to_hits(neighbours, self.catalog.assets(found), left_out, query.k)

    def load_reference(self, data: bytes, *, name: str | None = None) -> LoadedReference:
        """Encodes a picture that is not (or not known to be) a file here, such as one dropped on a page.

        Args:
            data: bytes of an image file.
            name: what to call the picture in errors.

        Raises:
            ImageError: it cannot be read as an image.
        """
        decoded = load_pixels(data, self.encoder.preprocess, self._limits, name=name)
        digest = hashlib.sha256(data).hexdigest()
        asset_id, has_vector = self.catalog.assets_by_hash([digest], self._space_id).get(digest, (0, False))
        source = asset_id if has_vector else self.encoder.embed_pixels(decoded.pixels[None])[0]
        return LoadedReference(source, thumbnail_of(decoded.picture))

    def assets(self, ids: Sequence[int]) -> dict[int, Asset]:
        """The assets by id; unknown ids are left out."""
        return self.catalog.assets(ids)

    def browse(self, limit: int, *, paths: Sequence[str] = (), formats: Sequence[str] = ()) -> list[Asset]:
        """Pictures of the library in a mixed order, for looking around without a search.

        The order is the same at every call, so that a larger `limit` goes on where a smaller one ended.

        Args:
            limit: at most so many.
            paths, formats: filters as in `Query`.
        """
        ids = self.catalog.asset_ids(paths, formats)
        # Pictures of one folder have neighbouring ids; Knuth's multiplicative hash (TAOCP 6.4) scatters them.
        chosen = ids[np.argsort(ids * 2_654_435_761 % 2**32)][:limit].tolist()
        assets = self.catalog.assets(chosen)
        return [assets[asset_id] for asset_id in chosen if asset_id in assets]

    def picture(self, asset: Asset) -> Image:
        """Reads an asset's picture from the first of its files that still holds it.

        Returns:
            Mode RGB, upright, sRGB, at full resolution.

        Raises:
            ImageError: "missing" where every file is gone or has changed.
        """
        for path in asset.paths:
            try:
                data = read_bytes(path, self._limits)
            except ImageError:
                continue
            if hashlib.sha256(data).hexdigest() == asset.sha256:
                return read_image(data, limits=self._limits)
        raise ImageError("missing", f"No file of asset {asset.id} holds its picture any more. Index its folder again.")

    def refresh(self) -> int:
        """Brings the vector index up to the catalog and saves it; returns how many vectors it holds."""
        with self._lock:
            index = self._caught_up()
            self._save(index)
            return len(index)

    def rebuild(self) -> int:
        """Makes the vector index anew from the catalog, encoding nothing; returns how many vectors it holds."""
        with self._lock:
            self._index = new_index(self.settings.index, self.space.dim)
            index = self._caught_up()
            self._save(index)
            return len(index)

    def status(self) -> Status:
        """Totals, after the index has caught up."""
        with self._lock:
            index = self._caught_up()
            return Status(self.folder, self.space, index.kind, len(index), self.catalog.counts())

    def refusals(self) -> list[Refusal]:
        """Every file that could not be used, with its reason."""
        return self.catalog.refusals()

    @cached_property
    def _space_id(self) -> int:
        return self.catalog.ensure_space(self.space)

    @property
    def _index_path(self) -> Path:
        return self.folder / "index" / f"{self.space.key}.vectors"

    def _caught_up(self) -> VectorIndex:
        if self._index is None:
            self._index = open_index(self.settings.index, self._index_path, self.space.dim)
        if self._index.history != self.catalog.history(self._index.sequence):
            # The catalog was restored from a backup, or exchanged: the index knows things that never happened.
            self._index = new_index(self.settings.index, self.space.dim)
        for changes in self.catalog.changes(self._space_id, after=self._index.sequence):
            self._index.apply(changes)
            self._unsaved += len(changes.asset_ids)
        if self._unsaved >= SAVE_AFTER:
            self._save(self._index)
        return self._index

    def _save(self, index: VectorIndex) -> None:
        index.save(self._index_path)
        self._unsaved = 0

    def _resolve(self, references: Sequence[Reference]) -> tuple[np.ndarray, set[int]]:
        """Vectors float32 (N, D) of the references in order, and the ids of those that are assets of this library."""
        vectors = np.empty((len(references), self.space.dim), np.float32)
        own: set[int] = set()
        pixels: dict[int, np.ndarray] = {}
        digests: list[str] = []
        for row, (source, _) in enumerate(references):
            if isinstance(source, StyleText):
                vectors[row] = self.encoder.embed_texts([str(source)])[0]
            elif isinstance(source, np.ndarray):
                vectors[row] = as_unit_vector(source, self.space)
            elif isinstance(source, (int, np.integer)):
                vectors[row] = self._vector_of_asset(int(source))
                own.add(int(source))
            elif isinstance(source, (str, os.PathLike)):
                data = read_bytes(source, self._limits)
                pixels[row] = load_pixels(data, self.encoder.preprocess, self._limits, name=os.fspath(source)).pixels
                digests.append(hashlib.sha256(data).hexdigest())
            else:
                vectors[row] = self.encoder.embed_batch([source])[0]
        if pixels:
            vectors[list(pixels)] = self.encoder.embed_pixels(np.stack(list(pixels.values())))
            own.update(asset_id for asset_id, _ in self.catalog.assets_by_hash(digests, self._space_id).values())
        return vectors, own

    def _vector_of_asset(self, asset_id: int) -> np.ndarray:
        ids, vectors = self.catalog.vectors(self._space_id, [asset_id])
        if not len(ids):
            raise UsageError(
                f"There is no asset {asset_id} in the library '{self.folder}', or none with a vector of "
                f"{self.space.encoder}. See the ids with: stylesearch search --json"
            )
        vector: np.ndarray = vectors[0]
        return vector
