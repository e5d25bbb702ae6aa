"""`Catalog`: the one handle on the database."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from itertools import groupby, islice
from typing import Self, cast

import numpy as np
from sqlalchemy import (
    URL,
    ColumnElement,
    Connection,
    Engine,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    not_,
    or_,
    select,
)
from sqlalchemy.orm import InstrumentedAttribute

from stylesearch.catalog import pruning, writing
from stylesearch.catalog.describing import (
    Term,
    add_terms,
    read_appearances,
    read_metadata,
    read_tags,
    remove_tags,
)
from stylesearch.catalog.engine import connect, gather_statistics, mapped_errors, openable, parse_url
from stylesearch.catalog.packing import pack, unpack
from stylesearch.catalog.selection import among, at_or_below, chunks, matching, sampled
from stylesearch.catalog.tables import (
    AppearanceRow,
    AssetRow,
    AssetTermRow,
    CounterRow,
    HistoryRow,
    LocationRow,
    RefusalRow,
    ReplacementRow,
    RunRow,
    ScanRow,
    SpaceRow,
    TermRow,
    VectorRow,
)
from stylesearch.catalog.terms import TAG
from stylesearch.catalog.upgrade import upgrade
from stylesearch.errors import CatalogError, ImageReason
from stylesearch.query import Filters
from stylesearch.records import (
    APPEARANCE_VERSION,
    Asset,
    Batch,
    Changes,
    Counts,
    Details,
    FileStat,
    KnownContent,
    KnownFile,
    Metadata,
    Refusal,
    Region,
    Run,
    Space,
    TagSource,
    Unused,
    path_of_uri,
)

_NO_FILTERS = Filters()
_KEPT_RUNS = 1_000
_STATE = select(CounterRow.value).where(CounterRow.name == "state")
_STATE_OF_SQLITE = "SELECT value FROM counters WHERE name = 'state'"
_FIXITY = (
    select(LocationRow.uri, LocationRow.size, LocationRow.mtime_ns, AssetRow.sha256)
    .join(AssetRow, AssetRow.id == LocationRow.asset_id)
    .where(LocationRow.present)
)


class Catalog:
    """Assets, their locations and vectors, and the files that were refused.

    Safe to use from several threads and processes at once; processes each open their own, also after a fork. Every
    method may raise CatalogError. Open it with `Catalog.open`, and close it, or use it as a context manager.
    """

    def __init__(self, engine: Engine, url: URL) -> None:
        self._engine = engine
        self._writer = engine.execution_options(writes=True)
        self._single = engine.execution_options(single=True)
        self._counts: tuple[int, Counts] | None = None  # and the state that they are of
        self._url = url
        self._dims: dict[int, int] = {}

    @classmethod
    def open(cls, url: str | URL) -> Catalog:
        """Opens a catalog; creates it, or brings its tables to this version, where that is needed.

        One that this user may not write is opened for reading: every method that writes raises CatalogError.

        Args:
            url: "sqlite:///PATH" (in a folder that exists) or "postgresql://USER:PASSWORD@HOST:PORT/DATABASE".

        Raises:
            CatalogError: the URL is of no kind that is known here, the database refused or cannot be reached, or the
                catalog was written by a newer version.
            MissingDependencyError: PostgreSQL, and psycopg is not installed.
        """
        parsed = parse_url(url)
        engine = connect(openable(parsed))
        try:
            with mapped_errors(parsed):
                upgrade(engine, parsed)
        except BaseException:
            engine.dispose()
            raise
        return cls(engine, parsed)

    def close(self) -> None:
        """Closes all connections."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database; for the modules of this package."""
        with mapped_errors(self._url), self._engine.connect() as connection:
            yield connection

    def state(self) -> int:
        """A number that is another one after every write, by whatever process: what was read at the same number still
        holds."""
        with mapped_errors(self._url):
            if self._url.drivername != "sqlite":
                with self._single.connect() as connection:
                    return connection.scalars(_STATE).one()
            # Asked before every search: SQLAlchemy would take ten times as long as SQLite.
            with closing(self._engine.raw_connection()) as raw:
                return int(raw.cursor().execute(_STATE_OF_SQLITE).fetchone()[0])

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that writes, while no other one does; for the modules of this package."""
        with mapped_errors(self._url), self._writer.begin() as connection:
            writing.lock(connection)
            yield connection

    def ensure_space(self, space: Space) -> int:
        """The id of the space in this catalog, which is added where it is new."""
        space_id = self.space_id(space)
        if space_id is None:
            with self.writing() as connection:
                writing.add_space(connection, space)
                space_id = connection.scalars(select(SpaceRow.id).where(SpaceRow.key == space.key)).one()
        return space_id

    def space_id(self, space: Space) -> int | None:
        """The id of the space in this catalog; None where it is new."""
        with self.reading() as connection:
            return connection.scalar(select(SpaceRow.id).where(SpaceRow.key == space.key))

    def spaces(self) -> list[Space]:
        """The spaces that hold vectors of present assets, in the order in which they were added."""
        filled = exists().where(VectorRow.space_id == SpaceRow.id, VectorRow.live)
        with self.reading() as connection:
            return [
                Space(row.encoder, row.fingerprint, row.dim, row.dtype, row.preprocessing, cast(Region, row.region))
                for row in connection.execute(select(SpaceRow.__table__).where(filled).order_by(SpaceRow.id))
            ]

    def vector_count(self, space_id: int) -> int:
        """How many vectors a space holds, those of pictures that are gone, too."""
        with self.reading() as connection:
            return connection.scalars(select(func.count()).where(VectorRow.space_id == space_id)).one()

    def unencoded(self, space_id: int, limit: int = 5_000) -> Iterator[list[str]]:
        """The uri of one file of each picture without a vector in a space, in stretches; files whose disk is away are
        left out. Between two stretches they may be encoded."""
        encoded = exists().where(VectorRow.asset_id == LocationRow.asset_id, VectorRow.space_id == space_id)
        reachable = LocationRow.present, LocationRow.missing_since.is_(None)
        query = select(LocationRow.asset_id, func.min(LocationRow.uri)).where(*reachable, not_(encoded))
        query = query.group_by(LocationRow.asset_id).order_by(LocationRow.asset_id).limit(limit)
        last = 0
        while True:
            with self.reading() as connection:
                rows = connection.execute(query.where(LocationRow.asset_id > last)).all()
            if not rows:
                return
            last = rows[-1][0]
            yield [uri for _, uri in rows]

    def live_ids(self, space_id: int) -> np.ndarray:
        """Sorted int64 ids of the assets with a present location and a vector in a space."""
        query = select(VectorRow.asset_id).where(VectorRow.space_id == space_id, VectorRow.live)
        with self.reading() as connection:
            rows = connection.scalars(query.order_by(VectorRow.asset_id).execution_options(yield_per=50_000))
            return np.fromiter(rows, np.int64)

    def drop_vectors(self, space_id: int) -> int:
        """Deletes the vectors of a space, a few thousand in each transaction; returns how many there were.

        Whoever keeps an index of the space drops it: it is not told.
        """
        dropped = 0
        while True:
            with self.writing() as connection:
                some = pruning.drop_vectors(connection, space_id)
            if not some:
                return dropped
            dropped += some

    def begin_scan(self, root_uri: str) -> int:
        """The id of a new scan over everything at or below the root."""
        with self.writing() as connection:
            return writing.begin_scan(connection, root_uri)

    def finish_scan(self, scan_id: int, unreadable: Sequence[str] = ()) -> int:
        """Marks as gone every location at or below the scan's root that neither it nor a later scan saw, with the
        vectors of assets that have no location left, and forgets the refusals of such files.

        Args:
            unreadable: uris of folders (or files) that the scan could not look into; what they hold is left alone.

        Returns:
            How many locations went.
        """
        with self.writing() as connection:
            return writing.finish_scan(connection, scan_id, unreadable)

    def miss_scan(self, scan_id: int) -> int:
        """Marks as missing every location at or below the scan's root, where the scan found nothing at all: a disk that
        is away. They stay in the library, and are found again once they are back.

        Returns:
            How many locations are missing there.
        """
        with self.writing() as connection:
            return writing.miss_scan(connection, scan_id)

    def unseen(self, scan_id: int, limit: int = 5_000) -> Iterator[list[str]]:
        """Uris at or below the scan's root that neither it nor a later scan saw, present or refused, in stretches.

        What `finish_scan` would mark as gone. Between two stretches they may be written.
        """
        with self.reading() as connection:
            root = connection.execute(select(ScanRow.root).where(ScanRow.id == scan_id)).scalar_one()
        for table, more in ((LocationRow, (LocationRow.present,)), (RefusalRow, ())):
            missed = select(table.uri).where(at_or_below(table.uri, root), table.scan_id < scan_id, *more)
            last = ""
            while True:
                with self.reading() as connection:
                    uris = list(connection.scalars(missed.where(table.uri > last).order_by(table.uri).limit(limit)))
                if not uris:
                    break
                last = uris[-1]
                yield uris

    def has_any(self, root_uri: str) -> bool:
        """Whether a present location lies at or below the root."""
        with self.reading() as connection:
            here = exists().where(LocationRow.present, at_or_below(LocationRow.uri, root_uri))
            return connection.scalars(select(here)).one()

    def forget(self, uri: str) -> int:
        """Marks every location at or below `uri` as gone, as `finish_scan` does; returns how many went."""
        with self.writing() as connection:
            return writing.forget(connection, uri)

    def known(self, uris: Sequence[str], space_id: int) -> dict[str, KnownFile]:
        """What is remembered of these uris; refused files too, gone ones too. Unknown uris are left out."""
        files: dict[str, KnownFile] = {}
        in_space = and_(VectorRow.asset_id == LocationRow.asset_id, VectorRow.space_id == space_id)
        located = select(
            LocationRow.uri,
            LocationRow.size,
            LocationRow.mtime_ns,
            LocationRow.asset_id,
            VectorRow.asset_id.is_not(None).label("has_vector"),
            LocationRow.present,
            AppearanceRow.asset_id.is_not(None).label("described"),
        )
        located = located.outerjoin(VectorRow, in_space).outerjoin(AppearanceRow, _described(LocationRow.asset_id))
        refused = select(RefusalRow.uri, RefusalRow.size, RefusalRow.mtime_ns)
        with self.reading() as connection:
            for some in chunks(uris):
                for row in connection.execute(located.where(among(connection, LocationRow.uri, some))):
                    stat = FileStat(row.uri, row.size, row.mtime_ns)
                    files[row.uri] = KnownFile(stat, row.asset_id, row.has_vector, row.present, row.described)
                for uri, size, mtime_ns in connection.execute(refused.where(among(connection, RefusalRow.uri, some))):
                    files[uri] = KnownFile(FileStat(uri, size, mtime_ns), asset_id=None, has_vector=False)
        return files

    def assets_by_hash(self, sha256s: Sequence[str], space_id: int) -> dict[str, KnownContent]:
        """What the catalog has of each of these contents that it knows."""
        found: dict[str, KnownContent] = {}
        in_space = and_(VectorRow.asset_id == AssetRow.id, VectorRow.space_id == space_id)
        has = VectorRow.asset_id.is_not(None), AppearanceRow.asset_id.is_not(None)
        query = select(AssetRow.sha256, AssetRow.id, *has, AssetRow.parts)
        query = query.outerjoin(VectorRow, in_space).outerjoin(AppearanceRow, _described(AssetRow.id))
        with self.reading() as connection:
            for some in chunks(sha256s):
                for row in connection.execute(query.where(AssetRow.sha256.in_(some))):
                    sha256, asset_id, has_vector, described, parts = row
                    found[sha256] = KnownContent(asset_id, has_vector, described, _parts(parts))
        return found

    def has_parts(self) -> bool:
        """Whether any file is known to hold further pages or key frames."""
        with self.reading() as connection:
            return connection.scalars(select(exists().where(AssetRow.parts != ""))).one()

    def parts(self, uris: Sequence[str]) -> dict[str, tuple[str, ...] | None]:
        """What lies in files beyond their own picture, by uri; None where nobody has looked. Left out are those that
        hold one picture, and unknown uris."""
        found: dict[str, tuple[str, ...] | None] = {}
        query = select(LocationRow.uri, AssetRow.parts).join(AssetRow, AssetRow.id == LocationRow.asset_id)
        query = query.where(or_(AssetRow.parts.is_(None), AssetRow.parts != ""))
        with self.reading() as connection:
            for some in chunks(uris):
                rows = connection.execute(query.where(LocationRow.uri.in_(some)))
                found.update((uri, _parts(parts)) for uri, parts in rows)
        return found

    def write(self, space_id: int, scan_id: int, batch: Batch) -> None:
        """Writes one batch in one transaction: all of it or, whatever happens, nothing.

        Assets are added by content, locations by uri. A vector that the catalog holds is never replaced; metadata and
        appearance are, where the batch brings some. Writing a
        batch again changes nothing but the number of attempts at its refused files.

        Raises:
            SpaceMismatchError: a vector's length is not that of the space.
            EncoderError: a vector is not of unit length, or not finite.
        """
        vectors = {file.sha256: file.vector for file in batch.indexed if file.vector is not None}
        packed = dict(zip(vectors, pack(list(vectors.values()), self._dim(space_id)), strict=True))
        with self.writing() as connection:
            writing.write(connection, space_id, scan_id, batch, packed)

    def history(self, sequence: int) -> str:
        """The token of the transaction that gave out this sequence number; "" where none did.

        An index whose own token for its number differs was made from another catalog, or from what came after the
        backup that this one was restored from.
        """
        with self.reading() as connection:
            return _history(connection, sequence)

    def changes(self, space_id: int, after: int, limit: int = 50_000) -> Iterator[Changes]:
        """What happened in a space since sequence number `after`, in stretches of at most `limit` rows.

        An asset that changed several times appears once, at its latest number. No transaction is held open between
        two stretches.
        """
        dim = self._dim(space_id)
        columns = select(VectorRow.asset_id, VectorRow.data, VectorRow.live, VectorRow.sequence)
        while True:
            query = columns.where(VectorRow.space_id == space_id, VectorRow.sequence > after)
            with self.reading() as connection:
                rows = connection.execute(query.order_by(VectorRow.sequence).limit(limit)).all()
                history = _history(connection, rows[-1].sequence) if rows else ""
            if rows:
                ids, data, live, sequence = zip(*rows, strict=True)
                after = sequence[-1]
                yield Changes(np.array(ids, np.int64), unpack(data, dim), np.array(live, bool), after, history)
            if len(rows) < limit:
                return

    def vectors(self, space_id: int, asset_ids: Iterable[int]) -> tuple[np.ndarray, np.ndarray]:
        """The vectors of those of these assets that have one, present or gone.

        Returns:
            int64 (N,), ascending asset ids; float32 (N, D), rows of unit length.
        """
        dim = self._dim(space_id)
        ids: list[int] = []
        data: list[bytes] = []
        query = select(VectorRow.asset_id, VectorRow.data).where(VectorRow.space_id == space_id)
        with self.reading() as connection:
            for some in chunks(sorted(set(_possible(asset_ids)))):
                wanted = query.where(VectorRow.asset_id.in_(some)).order_by(VectorRow.asset_id)
                for asset_id, packed in connection.execute(wanted):
                    ids.append(asset_id)
                    data.append(packed)
        return np.array(ids, np.int64), unpack(data, dim)

    def assets(self, ids: Iterable[int]) -> dict[int, Asset]:
        """The assets by id, with their present paths; unknown ids are left out."""
        with mapped_errors(self._url), self._single.connect() as connection:
            return _assets(connection, _possible(ids))

    def details(self, ids: Iterable[int]) -> dict[int, Details]:
        """Everything that is known about these assets, by id; unknown ids are left out."""
        with self.reading() as connection:
            assets = _assets(connection, _possible(ids))
            known = list(assets)
            metadata, tags = read_metadata(connection, known), read_tags(connection, known)
            appearances = read_appearances(connection, known)
        return {
            asset_id: Details(
                asset, metadata.get(asset_id, Metadata()), tags.get(asset_id, {}), appearances.get(asset_id)
            )
            for asset_id, asset in assets.items()
        }

    def asset_ids(self, filters: Filters = _NO_FILTERS) -> np.ndarray:
        """Sorted int64 ids of the assets with a present location that meet the filters."""
        with self.reading() as connection:
            return np.fromiter(matching(connection, filters), np.int64)

    def list_assets(self, after_id: int = 0, limit: int = 100, filters: Filters = _NO_FILTERS) -> list[Asset]:
        """A page of the assets with a present location, by ascending id; the next one begins after the last id."""
        with self.reading() as connection:
            with closing(matching(connection, filters, after_id)) as found:
                ids = list(islice(found, limit))
            assets = _assets(connection, ids)
        return [assets[asset_id] for asset_id in ids]

    def sample(self, limit: int, after: str = "", filters: Filters = _NO_FILTERS) -> list[Asset]:
        """A page of the assets with a present location in a mixed order, that of their digests; the next one begins
        after the last `Asset.sha256`."""
        with self.reading() as connection:
            assets = _assets(connection, sampled(connection, filters, limit, after))
        return sorted(assets.values(), key=lambda asset: asset.sha256)

    def assets_at(self, uris: Sequence[str]) -> dict[str, int]:
        """The asset at each of these uris that is present, by uri."""
        found: dict[str, int] = {}
        query = select(LocationRow.uri, LocationRow.asset_id).where(LocationRow.present)
        with self.reading() as connection:
            for some in chunks(uris):
                found.update((uri, asset) for uri, asset in connection.execute(query.where(LocationRow.uri.in_(some))))
        return found

    def locations(self, limit: int = 50_000) -> Iterator[list[tuple[str, int]]]:
        """Every present uri and its asset, by ascending uri, in stretches; no transaction stays open between two."""
        query = select(LocationRow.uri, LocationRow.asset_id).where(LocationRow.present).order_by(LocationRow.uri)
        last = ""
        while True:
            with self.reading() as connection:
                rows = [
                    (uri, asset) for uri, asset in connection.execute(query.where(LocationRow.uri > last).limit(limit))
                ]
            if not rows:
                return
            last = rows[-1][0]
            yield rows

    def count_at(self, root: str | None) -> int:
        """How many present locations there are at or below a uri, or in all; pages and key frames are not counted."""
        parts = or_(LocationRow.uri.contains("#page="), LocationRow.uri.contains("#t="))
        query = select(func.count()).select_from(LocationRow).where(LocationRow.present, not_(parts))
        with self.reading() as connection:
            return connection.scalars(query if root is None else query.where(at_or_below(LocationRow.uri, root))).one()

    def fixity(self, root: str | None = None, limit: int = 2_000) -> Iterator[list[tuple[FileStat, str]]]:
        """Every present location at or below a uri, as it was when it was read, and the sha256 of its asset, by
        ascending uri, in stretches; no transaction stays open between two."""
        query = _FIXITY if root is None else _FIXITY.where(at_or_below(LocationRow.uri, root))
        last = ""
        while True:
            with self.reading() as connection:
                rows = connection.execute(query.where(LocationRow.uri > last).order_by(LocationRow.uri).limit(limit))
                some = [(FileStat(uri, size, mtime_ns), sha256) for uri, size, mtime_ns, sha256 in rows]
            if not some:
                return
            last = some[-1][0].uri
            yield some

    def fixity_at(self, uris: Sequence[str]) -> dict[str, tuple[FileStat, str]]:
        """The same of those of these uris that are present, by uri."""
        found: dict[str, tuple[FileStat, str]] = {}
        with self.reading() as connection:
            for some in chunks(uris):
                for uri, size, mtime_ns, sha256 in connection.execute(_FIXITY.where(LocationRow.uri.in_(some))):
                    found[uri] = FileStat(uri, size, mtime_ns), sha256
        return found

    def copied(self) -> list[int]:
        """Ascending ids of the assets that have several present locations."""
        query = select(LocationRow.asset_id).where(LocationRow.present).group_by(LocationRow.asset_id)
        with self.reading() as connection:
            return sorted(connection.scalars(query.having(func.count() > 1)))

    def perceptual_hashes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The looks of all assets with a present location.

        Returns:
            int64 (N,), ascending asset ids; uint64 (N,), their perceptual hashes; int32 (N, 2), widths and heights.
        """
        columns = AppearanceRow.asset_id, AppearanceRow.perceptual_hash, AssetRow.width, AssetRow.height
        present = exists().where(LocationRow.asset_id == AppearanceRow.asset_id, LocationRow.present)
        query = select(*columns).join(AssetRow, AssetRow.id == AppearanceRow.asset_id).where(present)
        query = query.where(AppearanceRow.version == APPEARANCE_VERSION).order_by(AppearanceRow.asset_id)
        blocks = [np.empty((0, 4), np.int64)]
        with self.reading() as connection, connection.execute(query.execution_options(yield_per=50_000)) as rows:
            blocks += [np.array([tuple(row) for row in some], np.int64) for some in rows.partitions()]
        table = np.concatenate(blocks)
        return table[:, 0], table[:, 1].astype(np.uint64), table[:, 2:].astype(np.int32)

    def add_tags(self, tags: Mapping[int, Sequence[str]], source: TagSource) -> None:
        """Gives assets tags, by id, beside those that they have, in one transaction."""
        terms = [Term(asset_id, TAG, name) for asset_id, names in tags.items() for name in names]
        with self.writing() as connection:
            add_terms(connection, terms, source)

    def remove_tags(self, asset_ids: Sequence[int], names: Sequence[str]) -> None:
        """Takes tags away that people gave; those that stand in the files stay."""
        with self.writing() as connection:
            remove_tags(connection, asset_ids, names)

    def refusals(self, limit: int | None = None, after: str | None = None) -> list[Refusal]:
        """Refused files by ascending uri, from the one after `after`."""
        query = select(RefusalRow.__table__).order_by(RefusalRow.uri).limit(limit)
        if after is not None:
            query = query.where(RefusalRow.uri > after)
        with self.reading() as connection:
            return [
                Refusal(
                    FileStat(row.uri, row.size, row.mtime_ns),
                    cast(ImageReason, row.reason),
                    row.message,
                    row.sha256,
                    row.attempts,
                    row.decoder,
                )
                for row in connection.execute(query)
            ]

    def predecessors(self, asset_ids: Iterable[int]) -> dict[int, list[int]]:
        """The assets that lay at a present location of these before they did, the latest first; those without are left
        out. They are remembered until they are pruned."""
        found: dict[int, list[int]] = {}
        query = select(LocationRow.asset_id, ReplacementRow.asset_id.label("earlier"))
        query = query.join(LocationRow, LocationRow.id == ReplacementRow.location_id)
        query = query.where(LocationRow.present, ReplacementRow.asset_id != LocationRow.asset_id)
        latest_first = query.order_by(ReplacementRow.replaced_at.desc(), ReplacementRow.asset_id.desc())
        with self.reading() as connection:
            for some in chunks(_possible(asset_ids)):
                for asset_id, earlier in connection.execute(latest_first.where(LocationRow.asset_id.in_(some))):
                    if earlier not in found.setdefault(asset_id, []):
                        found[asset_id].append(earlier)
        return found

    def unused(self, before: datetime) -> Unused:
        """What `prune` with the same moment would drop."""
        with self.reading() as connection:
            return pruning.unused(connection, before)

    def unused_contents(self, before: datetime) -> Iterator[str]:
        """The sha256 of each asset that `prune` with the same moment would drop."""
        after = ""
        while True:
            with self.reading() as connection:
                some = pruning.unused_contents(connection, before, after)
            if not some:
                return
            after = some[-1]
            yield from some

    def prune(self, before: datetime) -> Iterator[list[str]]:
        """Drops the locations that went before that moment, and the assets that no file has had since, with their
        vectors and all that describes them; a few thousand in each transaction.

        Yields:
            the sha256 of those assets that have been dropped.
        """
        with self.writing() as connection:
            left = pruning.drop_locations(connection, before)
        while left:
            with self.writing() as connection:
                left = pruning.drop_locations(connection, before)
        while True:
            with self.writing() as connection:
                dropped = pruning.drop_assets(connection, before)
            if not dropped:
                return
            yield dropped

    def add_run(self, started: datetime, finished: datetime, report: Mapping[str, object]) -> None:
        """Remembers what a run of the indexer did; the latest thousand are kept."""
        row = {"started_at": started, "finished_at": finished, "report": json.dumps(report)}
        with self.writing() as connection:
            gather_statistics(connection)
        with self.writing() as connection:
            run_id = connection.execute(insert(RunRow).returning(RunRow.id), row).scalar_one()
            connection.execute(delete(RunRow).where(RunRow.id <= run_id - _KEPT_RUNS))

    def last_run(self) -> Run | None:
        """The latest run of the indexer that came to its end."""
        query = select(RunRow.started_at, RunRow.finished_at, RunRow.report).order_by(RunRow.id.desc()).limit(1)
        with self.reading() as connection:
            row = connection.execute(query).first()
        return row and Run(row.started_at, row.finished_at, json.loads(row.report))

    def counts(self) -> Counts:
        """Totals; see `Counts`. They are counted again where something was written since the last time."""
        state = self.state()
        if self._counts is None or self._counts[0] != state:
            self._counts = state, self._counted()
        return self._counts[1]

    def _counted(self) -> Counts:
        present = func.count(case((LocationRow.present, 1)))
        gone = func.count(case((not_(LocationRow.present), 1)))
        missing = func.count(case((and_(LocationRow.present, LocationRow.missing_since.is_not(None)), 1)))
        assets = select(func.count(LocationRow.asset_id.distinct())).where(LocationRow.present)
        undescribed = assets.where(not_(exists().where(_described(LocationRow.asset_id))))
        has_tag = exists().where(
            AssetTermRow.asset_id == LocationRow.asset_id, AssetTermRow.term_id == TermRow.id, TermRow.kind == TAG
        )
        with self.reading() as connection:
            locations, absent, away = connection.execute(select(present, gone, missing)).one()
            return Counts(
                assets=connection.scalars(assets).one(),
                locations=locations,
                gone=absent,
                refused=connection.scalars(select(func.count()).select_from(RefusalRow)).one(),
                undescribed=connection.scalars(undescribed).one(),
                tagged=connection.scalars(assets.where(has_tag)).one(),
                missing=away,
            )

    def _dim(self, space_id: int) -> int:
        if space_id not in self._dims:
            with self.reading() as connection:
                dim = connection.scalar(select(SpaceRow.dim).where(SpaceRow.id == space_id))
            if dim is None:
                raise CatalogError(f"The catalog has no space with the id '{space_id}'.")
            self._dims[space_id] = dim
        return self._dims[space_id]


def _described(asset_id: ColumnElement[int] | InstrumentedAttribute[int]) -> ColumnElement[bool]:
    return and_(AppearanceRow.asset_id == asset_id, AppearanceRow.version == APPEARANCE_VERSION)


def _parts(stored: str | None) -> tuple[str, ...] | None:
    return None if stored is None else tuple(stored.split())


def _possible(asset_ids: Iterable[int]) -> list[int]:
    # No database stores an integer beyond 64 bits, and SQLite refuses to look for one.
    return [int(asset_id) for asset_id in asset_ids if 0 < asset_id < 2**63]


def _history(connection: Connection, sequence: int) -> str:
    if sequence == 0:
        return ""
    query = select(HistoryRow.token).where(HistoryRow.sequence >= sequence).order_by(HistoryRow.sequence).limit(1)
    return connection.scalar(query) or ""


def _assets(connection: Connection, ids: Sequence[int]) -> dict[int, Asset]:
    assets: dict[int, Asset] = {}
    for some in chunks(ids):
        for asset_id, group in groupby(connection.execute(_LOCATED, {"ids": some}), lambda row: row.id):
            rows = list(group)
            paths = tuple(path_of_uri(row.uri) for row in rows if row.uri is not None)
            _, sha256, size, format, width, height, _ = rows[0]
            assets[asset_id] = Asset(asset_id, sha256, size, format, width, height, paths)
    return assets


# Built once: to build it costs more than to run it.
_LOCATED = (
    select(
        *(AssetRow.id, AssetRow.sha256, AssetRow.size, AssetRow.format, AssetRow.width, AssetRow.height),
        LocationRow.uri,
    )
    .outerjoin(LocationRow, and_(LocationRow.asset_id == AssetRow.id, LocationRow.present))
    .where(AssetRow.id.in_(bindparam("ids", expanding=True)))
    .order_by(AssetRow.id, LocationRow.missing_since.is_not(None), LocationRow.scan_id.desc(), LocationRow.uri)
)
