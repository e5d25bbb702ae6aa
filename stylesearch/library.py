"""`Library`: the one handle that the command line, the pages and notebooks hold."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from stylesearch.catalog import absolute_url
from stylesearch.disk import DiskUse, disk_use
from stylesearch.encoders import DEFAULT_ENCODER, load_encoder
from stylesearch.errors import LibraryError, UsageError
from stylesearch.files import uri_of
from stylesearch.library_search import LibrarySearch
from stylesearch.library_spaces import regions_of
from stylesearch.records import Counts, Refusal, Run, Space
from stylesearch.running import RunningIndex, read_running
from stylesearch.settings import LIBRARY_FILE, IndexKind, LibrarySettings, Settings
from stylesearch.spaces import choose_masker, in_region


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


class Library(LibrarySearch):
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

    @classmethod
    def create(
        cls,
        folder: str | os.PathLike[str],
        *,
        encoder: str | None = None,
        catalog: str | None = None,
        index: IndexKind = "auto",
        regions: Sequence[str] = ("whole",),
        masker: str | None = None,
        use: str | None = None,
    ) -> Library:
        """Makes a new, empty library.

        Args:
            folder: made if it does not exist.
            encoder: name of the encoder that fills it; None: the default.
            catalog: SQLAlchemy URL ("postgresql://..."); None: SQLite in the folder. A relative path of SQLite counts
                from the current folder, now and for good.
            index: vector engine; see `LibrarySettings`.
            regions: of pictures that can be searched, of `stylesearch.records.REGIONS`; a space each, the first of them
                that of searches where none is named.
            masker: what tells regions apart, as `stylesearch.masking.load_masker` takes it; None: the default.
            use: of a mask, one of `stylesearch.masking.regions.USES`; None: the default.

        Raises:
            LibraryError: there is a library already, or the folder cannot be written.
            UsageError: no such region or use of a mask, or a masker for whole pictures.
            EncoderError: the encoder or the masker cannot be loaded.
            CatalogError: the catalog cannot be opened.
        """
        folder = Path(folder).expanduser().absolute()  # the current folder may change while the library is open
        if (folder / LIBRARY_FILE).exists():
            raise LibraryError(f"There is a library at '{folder}' already. Add files with: stylesearch index PATH")
        loaded = load_encoder(encoder or DEFAULT_ENCODER)
        wanted, choice = regions_of(regions), None
        if set(wanted) != {"whole"}:
            choice = choose_masker(masker, use, loaded.dtype)
        elif masker or use:
            raise UsageError("A masker is for regions. Name some: stylesearch init FOLDER --regions whole,background")
        space, *others = (in_region(loaded, region, choice).space(region) for region in wanted)
        settings = LibrarySettings(space, catalog and absolute_url(catalog), index, others=tuple(others), masker=choice)
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

    def _save_indexes(self, anew: bool) -> int:
        counts = {space: len(self.searching(space.name).saved(anew=anew)) for space in self.spaces}
        return counts[self.space]

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

    def disk_use(self) -> DiskUse:
        """What the library takes on disk."""
        return disk_use(self.folder)
