"""`Library`: the one handle that the command line, the pages and notebooks hold."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from PIL.Image import Image, Resampling

from stylesearch.atlas import Atlas
from stylesearch.boards import BoardExport
from stylesearch.calibration import Calibration, calibrate
from stylesearch.catalog import Boards, Catalog, FacetCounts, SavedSearches, absolute_url, sqlite_url
from stylesearch.charting import AtlasStore, Progress
from stylesearch.disk import DiskUse, disk_use
from stylesearch.duplicates import (
    DISTANCE,
    LEAST_COSINE,
    SIMILAR_COSINE,
    DuplicateFinder,
    DuplicateGroup,
    DuplicateKind,
    Looks,
)
from stylesearch.encoders import DEFAULT_ENCODER, load_encoder, reads_texts
from stylesearch.encoders.base import Encoder
from stylesearch.errors import ImageError, LibraryError, UsageError
from stylesearch.explain import Explanation, explain
from stylesearch.export import export_sidecars, export_table, spare_originals
from stylesearch.facets import Facets
from stylesearch.files import identity, is_there, part_of, read_bytes, uri_of
from stylesearch.folding import fold
from stylesearch.images import thumbnail as thumbnail_of
from stylesearch.metadata.text import KEYWORD, MOST_KEYWORDS, lines
from stylesearch.query import Crop, Filters, PictureSource, Query
from stylesearch.records import Asset, Counts, Details, Hit, Refusal, Run, Space, printable
from stylesearch.references import LoadedReference, read_asset, read_source
from stylesearch.running import RunningIndex, read_running
from stylesearch.search import combine, to_hits
from stylesearch.settings import LIBRARY_FILE, IndexKind, LibrarySettings, Settings
from stylesearch.spaces import SearchSpace
from stylesearch.tagging import TagKey, TagReport, import_tags, read_tags
from stylesearch.thumbnails import has_thumbnail, thumbnail_path, trim_thumbnails, write_thumbnail

_PAGE = 1_000  # assets whose details are read together
_REMEMBERED = 5_000  # assets that were hits lately
_ENCODED = 32  # pictures that are encoded together


@dataclass(frozen=True)
class Status:
    """What `stylesearch status` shows.

    Attributes:
        folder: the library's folder.
        space: the space that searches run in.
        index: engine of the vector index, "exact", "faiss" or "qdrant".
        searchable: vectors in the index once it has caught up.
        counts: totals of the catalog.
    """

    folder: Path
    space: Space
    index: str
    searchable: int
    counts: Counts


class Library:
    """A searchable collection: a catalog, an encoder, a vector index and thumbnails.

    Make one with `Library.create`, open one with `Library.open`; both can be used in a `with` statement. Searching is
    safe from several threads.

    Attributes:
        folder: where `library.json`, the index and the thumbnails lie.
        settings: what was decided when the library was made.
        catalog: the truth; everything else can be rebuilt from it and the files.
        boards: pictures that people have put together.
        saved_searches: searches of the page that somebody keeps.
    """

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
            catalog: SQLAlchemy URL ("postgresql://..."); None: SQLite in the folder. A relative path of SQLite counts
                from the current folder, now and for good.
            index: vector engine; see `LibrarySettings`.

        Raises:
            LibraryError: there is a library already, or the folder cannot be written.
            EncoderError: the encoder cannot be loaded.
            CatalogError: the catalog cannot be opened.
        """
        folder = Path(folder).expanduser().absolute()  # the current folder may change while the library is open
        if (folder / LIBRARY_FILE).exists():
            raise LibraryError(f"There is a library at '{folder}' already. Add files with: stylesearch index PATH")
        loaded = load_encoder(encoder or DEFAULT_ENCODER)
        settings = LibrarySettings(loaded.space(), catalog and absolute_url(catalog), index)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "index").mkdir(exist_ok=True)
            (folder / "thumbnails").mkdir(exist_ok=True)
        except OSError as exc:
            raise LibraryError(f"No library can be made at '{folder}' ({exc.strerror}).") from exc
        library = cls(folder, settings, Settings.from_environment())
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
        folder = Path(environment.library if folder is None else folder).expanduser().absolute()
        return cls(folder, LibrarySettings.read(folder), environment)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Releases the catalog and the indexes, whose files are left as last saved."""
        for searching in self._opened.values():
            searching.close()
        self.catalog.close()

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

    def _save_indexes(self, anew: bool) -> int:
        counts = {space: len(self.searching(space.name).saved(anew=anew)) for space in self.spaces}
        return counts[self.space]

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

    @property
    def thumbnails(self) -> Path:
        """Folder of thumbnails, named by content."""
        return self.folder / "thumbnails"

    def thumbnail(self, asset: Asset) -> Path:
        """Where the asset's thumbnail (WebP) lies, or would."""
        return thumbnail_path(self.thumbnails, asset.sha256)

    def ensure_thumbnail(self, asset: Asset) -> Path | None:
        """Where the asset's thumbnail lies; one that is missing is made from the picture.

        Returns:
            None where there is none and every file of the asset is gone.

        Raises:
            LibraryError: it cannot be written.
        """
        path = self.thumbnail(asset)
        if not has_thumbnail(path):
            try:
                picture = self.picture(asset)
            except ImageError:
                return None
            trim_thumbnails(self.thumbnails, int(asset.sha256[:2], 16), self._environment.thumbnail_bytes)
            write_thumbnail(path, thumbnail_of(picture))
        return path

    def search(self, query: Query, *, space: str | None = None, min_score: float | None = None) -> list[Hit]:
        """Finds what shares the style of the query's references.

        Args:
            query: what to look for; vectors in it are of the space.
            space: name of the space to search in; None: `self.space`.
            min_score: leave out hits with a lower `Hit.score`, from 0 to 1, so that there may be none; None: no scores.

        Returns:
            at most `query.k` hits, best first; equal cosines by ascending asset id.

        Raises:
            ImageError: a reference cannot be read as an image.
            UsageError: a reference is no asset of this library, references cancel out, there is no such space,
                or scores are asked for and not calibrated.
            SpaceMismatchError: a vector is not of this library's space, or the encoder is not the one that filled it.
            EncoderError: a text, and an encoder without a text tower.
        """
        positives, negatives = query.positives(), query.negatives()
        searching = self.searching(space)
        index = searching.index()
        if not len(index):
            searching.check_filled()
        vectors, own_ids = searching.references.read(positives + negatives)
        weights = [reference.weight for reference in positives + negatives]
        split = len(positives)
        vector = combine(vectors[:split], weights[:split], vectors[split:], weights[split:])
        left_out = own_ids if query.exclude_references else set()
        allowed = searching.allowed(query)
        neighbours = index.search(vector[None], max(1, min(query.k + len(left_out), len(index))), allowed)
        found = neighbours.ids[0][neighbours.ids[0] >= 0].tolist()
        hits = to_hits(neighbours, self._located(found, searching.state), left_out, query.k)
        if min_score is None or not hits:
            return hits
        scores = searching.scores(vector, own_ids, [hit.asset.id for hit in hits])
        scored = [replace(hit, score=score) for hit, score in zip(hits, scores.tolist(), strict=True)]
        return [hit for hit in scored if hit.score is not None and hit.score >= min_score]

    def fold(self, hits: Sequence[Hit]) -> list[list[Hit]]:
        """Hits that look the same, put together under the best of them; see `stylesearch.folding`."""
        by_id = {hit.asset.id: hit for hit in hits}
        looks = Looks(*self.catalog.perceptual_hashes(list(by_id)))
        groups = fold(list(by_id), looks, partial(self.catalog.vectors, self.searching().id))
        return [[by_id[asset_id] for asset_id in group] for group in groups]

    def explain(self, reference: PictureSource | Crop, asset_id: int) -> Explanation:
        """Why a picture of the library is like a reference in style, or is not: where, and in what.

        Args:
            reference: path, picture, asset id, or a part of one of these.
            asset_id: of the picture.

        Raises:
            UsageError: no such asset.
            ImageError: one of the two cannot be read, or all of its files are gone.
            SpaceMismatchError: the encoder is not the one that filled the library.
        """
        return explain(self.encoder, self.read(reference), self.read(asset_id))

    def read(self, source: PictureSource | Crop) -> Image:
        """The picture that a reference stands for: mode RGB, upright, sRGB.

        Raises:
            UsageError: no such asset.
            ImageError: it cannot be read, or all files of the asset are gone.
        """
        return read_source(source, self.catalog, self._environment.limits)

    def places(self, asset: Asset, limit: int) -> list[tuple[str, bool | None]]:
        """The first paths of an asset, and whether a file lies there now; None where only a server could tell."""
        return [(path, is_there(uri_of(path), self._environment.limits)) for path in asset.paths[:limit]]

    @property
    def reads_texts(self) -> bool:
        """Whether a search can ask for a style in words."""
        return reads_texts(self.space.encoder)

    @property
    def calibrated(self) -> bool:
        """Whether hits have scores, so that `min_score` can be asked for."""
        return self.searching().calibrated

    def _located(self, ids: Sequence[int], state: int | None) -> Mapping[int, Asset]:
        """The assets by id, remembered while the catalog is in this state."""
        known_state, known = self._remembered
        if known_state != state or len(known) > _REMEMBERED:
            known = {}
        if missing := [asset_id for asset_id in ids if asset_id not in known]:
            known.update(self.catalog.assets(missing))
            self._remembered = state, known
        return known

    def calibrate(self, pictures: int = 400, *, space: str | None = None) -> Calibration:
        """Finds out what the scores of a space mean in this library, from the two halves of some of its pictures, and
        keeps that; see `stylesearch.calibration`. Do it again where the library has come to hold other pictures.

        Args:
            pictures: how many, at most.
            space: its name; None: `self.space`.

        Raises:
            UsageError: too few pictures can be read, or there is no such space.
        """
        searching = self.searching(space)
        index = searching.index()
        side = searching.encoder.preprocess.size
        read: dict[int, Image] = {}
        after = ""
        while len(read) < pictures and (some := self.browse(pictures, after=after)):
            after = some[-1].sha256
            known = set(self.catalog.vectors(searching.id, [asset.id for asset in some])[0].tolist())
            for asset in some[: pictures - len(read)]:
                with suppress(ImageError):
                    if asset.id in known:
                        picture = self.picture(asset)
                        # Hundreds of them are held, and the encoder sees no more than this.
                        picture.thumbnail((2 * side, 2 * side), Resampling.LANCZOS)
                        read[asset.id] = picture
        made = calibrate(list(read), list(read.values()), self._encode(searching), index, searching.space.key)
        made.write(searching.calibration_path)
        return made

    def _encode(self, searching: SearchSpace) -> Callable[[Sequence[Image]], np.ndarray]:
        def encode(images: Sequence[Image]) -> np.ndarray:
            starts = range(0, len(images), _ENCODED)
            return np.concatenate([searching.encoder.embed_batch(images[at : at + _ENCODED]) for at in starts])

        return encode

    def load_reference(self, data: bytes, *, name: str | None = None) -> LoadedReference:
        """Encodes a picture that is not (or not known to be) a file here, such as one dropped on a page.

        Args:
            data: bytes of an image file.
            name: what to call the picture in errors.

        Raises:
            ImageError: it cannot be read as an image.
            SpaceMismatchError: the encoder is not the one that filled the library.
        """
        return self.searching().references.load(data, name)

    def assets(self, ids: Sequence[int]) -> dict[int, Asset]:
        """The assets by id; unknown ids are left out."""
        return self.catalog.assets(ids)

    def browse(self, limit: int, *, after: str = "", **filters: Any) -> list[Asset]:
        """Pictures of the library in a mixed order, for looking around without a search.

        The order is the same at every call, so that a larger `limit` goes on where a smaller one ended.

        Args:
            limit: at most so many.
            after: go on after the picture with this `Asset.sha256`.
            filters: those of `Query`, such as `paths` and `formats`.
        """
        return self.catalog.sample(limit, after, Filters(**filters))

    def facets(self, filters: Filters | None = None) -> Facets:
        """How many pictures have each format, size, colour, tag and so on; remembered until something is written."""
        return self._facets.of(filters or Filters())

    def details(self, filters: Filters | None = None) -> Iterator[Details]:
        """Everything that is known about the assets that have a file, by ascending id; few are held in memory."""
        after = 0
        while assets := self.catalog.list_assets(after, _PAGE, filters or Filters()):
            after = assets[-1].id
            yield from self.catalog.details([asset.id for asset in assets]).values()

    def find(self, source: str | os.PathLike[str] | int) -> Details:
        """Everything that is known about one asset.

        Args:
            source: its id; a path of it; or any file of the same content.

        Raises:
            UsageError: the library does not have it.
            ImageError: it does not have the path, and no file can be read there.
        """
        asset_id: int | None
        if isinstance(source, int):
            asset_id = source
        else:
            uri = uri_of(source)
            asset_id = self.catalog.assets_at([uri]).get(uri)
            if asset_id is None:
                data = read_bytes(source, self._environment.limits)
                digest = identity(hashlib.sha256(data).hexdigest(), part_of(uri))
                known = self.catalog.assets_by_hash([digest], self.searching().id).get(digest)
                asset_id = known.asset_id if known else None
        found = self.catalog.details([] if asset_id is None else [asset_id])
        if not found:
            what = f"asset {source}" if isinstance(source, int) else f"'{printable(os.fspath(source))}'"
            raise UsageError(f"The library does not have {what}. Add pictures with: stylesearch index PATH")
        return next(iter(found.values()))

    def tag(self, asset_ids: Sequence[int], *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> None:
        """Gives assets tags, and takes tags away that people gave; those that stand in the files stay.

        Raises:
            UsageError: an unknown asset, or a tag that is empty.
        """
        for asset_id in sorted(set(asset_ids) - self.catalog.assets(asset_ids).keys()):
            raise UsageError(f"There is no asset {asset_id} in this library.")
        names = lines(add, KEYWORD, MOST_KEYWORDS)
        if add and not names:
            raise UsageError("A tag is empty; name it.")
        if names:
            self.catalog.add_tags(dict.fromkeys(asset_ids, names), "user")
        if remove:
            self.catalog.remove_tags(asset_ids, remove)

    def atlas(self, progress: Progress = lambda share, doing: None, *, anew: bool = False) -> Atlas:
        """The map of the library by style. Drawing takes seconds, or minutes where there are 100,000 pictures; a map
        that is drawn already is brought up to date, which does not, until a quarter of the library is another.

        Args:
            progress: told how far the work has come, from 0 to 1, and what is being done, several times a second. It
                stops the work by raising: the exception goes through, and nothing is written.
            anew: draw it, whatever there is.

        Raises:
            MissingDependencyError: the extra `atlas` is not installed.
            LibraryError: it could not be drawn.
        """
        return self._atlas_store().draw(progress, anew=anew)

    def drawn_atlas(self) -> Atlas | None:
        """The map as it was drawn last, with what has come since; None where it has yet to be drawn. Never slow."""
        return self._atlas_store().drawn()

    def _atlas_store(self) -> AtlasStore:
        searching = self.searching()
        with self._lock:
            path = self.folder / "index" / f"{searching.space.key}.atlas"
            return self._atlases.setdefault(searching.space.key, AtlasStore(self.catalog, searching, path))

    def duplicates(
        self,
        kinds: Sequence[DuplicateKind] = ("exact", "near"),
        *,
        distance: int = DISTANCE,
        least_cosine: float = LEAST_COSINE,
        similar_cosine: float = SIMILAR_COSINE,
    ) -> Iterator[DuplicateGroup]:
        """Pictures that are there more than once, kind by kind in the order given.

        Args:
            kinds: "exact": the same bytes at several paths; "near": the same to the eye; "similar": other pictures of
                the same style, which are looked for with one search for each asset.
            distance: bits, at most, in which the perceptual hashes of near duplicates differ, 0 to 11.
            least_cosine: of the vectors of near duplicates.
            similar_cosine: of the vectors of similar ones.

        Raises:
            UsageError: an unknown kind, or a number out of range.
        """
        searching = self.searching()
        finder = DuplicateFinder(self.catalog, searching.id, searching.index(), distance, least_cosine, similar_cosine)
        return finder.find(kinds)

    def export(self, path: str | os.PathLike[str], filters: Filters | None = None) -> int:
        """Writes the catalogue to a CSV, JSON lines or Parquet file, but over none of the originals; see
        `stylesearch.export.export_table`."""
        spare_originals(self.catalog, path)
        return export_table(self.details(filters), path)

    def board_export(self, board_id: int) -> BoardExport:
        """A board, ready to be written as a ZIP of its originals, a contact sheet and the like."""
        board = self.boards.get(board_id)
        details = self.catalog.details([item.asset.id for item in board.items])
        spare = partial(spare_originals, self.catalog)
        return BoardExport(board, details, self.picture, self.ensure_thumbnail, spare, self._environment.limits)

    def export_sidecars(
        self, folder: str | os.PathLike[str], filters: Filters | None = None, *, overwrite: bool = False
    ) -> tuple[int, int]:
        """Writes XMP sidecars below a folder; see `stylesearch.export.export_sidecars`."""
        return export_sidecars(self.details(filters), folder, overwrite=overwrite)

    def import_tags(
        self,
        path: str | os.PathLike[str],
        *,
        key: TagKey = "path",
        key_column: str | None = None,
        tag_column: str = "tags",
        separator: str = ";",
        dry_run: bool = False,
    ) -> TagReport:
        """Gives pictures the tags of a CSV file; see `stylesearch.tagging`."""
        rows = read_tags(path, key=key, key_column=key_column, tag_column=tag_column, separator=separator)
        return import_tags(self.catalog, rows, key, dry_run=dry_run)

    def picture(self, asset: Asset) -> Image:
        """Reads an asset's picture from the first of its files that still holds it.

        Returns:
            Mode RGB, upright, sRGB, at full resolution.

        Raises:
            ImageError: "missing" where every file is gone or has changed.
        """
        return read_asset(asset, self._environment.limits)

    def refresh(self) -> int:
        """Brings the vector indexes up to the catalog and saves them; returns how many vectors `space` holds."""
        return self._save_indexes(anew=False)

    def rebuild(self) -> int:
        """Makes the vector indexes anew from the catalog, encoding nothing; returns how many vectors `space` holds."""
        return self._save_indexes(anew=True)

    def status(self) -> Status:
        """Totals, after the index has caught up."""
        index = self.searching().index()
        return Status(self.folder, self.space, index.kind, len(index), self.catalog.counts())

    def forget(self, path: str | os.PathLike[str]) -> int:
        """Marks every file at or below a path as gone, whether it is there or not; returns how many there were.

        For a folder that was renamed, emptied or taken away, which no run of the indexer can tell from a disk that is
        not mounted. No file is touched, and what is indexed again comes back without being encoded.
        """
        return self.catalog.forget(uri_of(path).rstrip("/") or "/")

    def refusals(self, limit: int | None = None) -> list[Refusal]:
        """The files that could not be used, with their reasons, by path; at most so many, or all."""
        return self.catalog.refusals(limit)

    def running(self) -> RunningIndex | None:
        """How far a run of the indexer has come that goes on now, in whatever process."""
        return read_running(self.folder)

    def last_run(self) -> Run | None:
        """The latest run of the indexer that came to its end."""
        return self.catalog.last_run()

    def filled_spaces(self) -> list[tuple[Space, int]]:
        """The spaces of the library, that of searches first, and how many vectors each has."""
        return [(space, self.catalog.vector_count(self.searching(space.name).id)) for space in self.spaces]

    def disk_use(self) -> DiskUse:
        """What the library takes on disk."""
        return disk_use(self.folder)
