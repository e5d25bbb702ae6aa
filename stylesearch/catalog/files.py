"""What the catalog knows of files: scans, locations, what was refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

from sqlalchemy import and_, exists, func, not_, or_, select

from stylesearch.catalog import scanning
from stylesearch.catalog.database import Database
from stylesearch.catalog.engine import outlasts_restart
from stylesearch.catalog.selection import among, chunks, is_described
from stylesearch.catalog.tables import AppearanceRow, AssetRow, LocationRow, RefusalRow, ScanRow, VectorRow
from stylesearch.catalog.uris import at_or_below, beyond, in_order
from stylesearch.errors import ImageReason
from stylesearch.records import FileStat, KnownContent, KnownFile, Refusal

_FIXITY = (
    select(LocationRow.uri, LocationRow.size, LocationRow.mtime_ns, AssetRow.sha256)
    .join(AssetRow, AssetRow.id == LocationRow.asset_id)
    .where(LocationRow.present)
)


class Files(Database):
    """Scans, the locations that they have seen, and files that could not be used."""

    @outlasts_restart
    def begin_scan(self, root_uri: str) -> int:
        """The id of a new scan over everything at or below the root."""
        with self.writing() as connection:
            return scanning.begin_scan(connection, root_uri)

    @outlasts_restart
    def finish_scan(self, scan_id: int, unreadable: Sequence[str] = ()) -> int:
        """Marks as gone every location at or below the scan's root that neither it nor a later scan saw, with the
        vectors of assets that have no location left, and forgets the refusals of such files.

        Args:
            unreadable: uris of folders (or files) that the scan could not look into; what they hold is left alone.

        Returns:
            How many locations went.
        """
        with self.writing() as connection:
            return scanning.finish_scan(connection, scan_id, unreadable)

    @outlasts_restart
    def miss_scan(self, scan_id: int) -> int:
        """Marks as missing every location at or below the scan's root, where the scan found nothing at all: a disk that
        is away. They stay in the library, and are found again once they are back.

        Returns:
            How many locations are missing there.
        """
        with self.writing() as connection:
            return scanning.miss_scan(connection, scan_id)

    def unseen(self, scan_id: int, limit: int = 5_000) -> Iterator[list[str]]:
        """Uris at or below the scan's root that neither it nor a later scan saw, present or refused, in stretches.

        What `finish_scan` would mark as gone. Between two stretches they may be written.
        """
        with self.reading() as connection:
            root = connection.execute(select(ScanRow.root).where(ScanRow.id == scan_id)).scalar_one()
        for table, more in ((LocationRow, (LocationRow.present,)), (RefusalRow, ())):
            missed = select(table.uri).where(at_or_below(table.uri, root), table.scan_id < scan_id, *more)
            missed = missed.order_by(*in_order(table.uri)).limit(limit)
            last = ""
            while True:
                with self.reading() as connection:
                    uris = list(connection.scalars(missed.where(beyond(table.uri, last))))
                if not uris:
                    break
                last = uris[-1]
                yield uris

    @outlasts_restart
    def has_any(self, root_uri: str) -> bool:
        """Whether a present location lies at or below the root."""
        with self.reading() as connection:
            here = exists().where(LocationRow.present, at_or_below(LocationRow.uri, root_uri))
            return connection.scalars(select(here)).one()

    def forget(self, uri: str) -> int:
        """Marks every location at or below `uri` as gone, as `finish_scan` does; returns how many went."""
        with self.writing() as connection:
            return scanning.forget(connection, uri)

    @outlasts_restart
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
        located = located.outerjoin(VectorRow, in_space).outerjoin(AppearanceRow, is_described(LocationRow.asset_id))
        refused = select(RefusalRow.uri, RefusalRow.size, RefusalRow.mtime_ns)
        refused = refused.where(or_(RefusalRow.space_id.is_(None), RefusalRow.space_id == space_id))
        with self.reading() as connection:
            for some in chunks(uris):
                for row in connection.execute(located.where(among(connection, LocationRow.uri, some))):
                    stat = FileStat(row.uri, row.size, row.mtime_ns)
                    files[row.uri] = KnownFile(stat, row.asset_id, row.has_vector, row.present, row.described)
                for uri, size, mtime_ns in connection.execute(refused.where(among(connection, RefusalRow.uri, some))):
                    files[uri] = KnownFile(FileStat(uri, size, mtime_ns), asset_id=None, has_vector=False)
        return files

    @outlasts_restart
    def assets_by_hash(self, sha256s: Sequence[str], space_id: int) -> dict[str, KnownContent]:
        """What the catalog has of each of these contents that it knows."""
        found: dict[str, KnownContent] = {}
        in_space = and_(VectorRow.asset_id == AssetRow.id, VectorRow.space_id == space_id)
        has = VectorRow.asset_id.is_not(None), AppearanceRow.asset_id.is_not(None)
        query = select(AssetRow.sha256, AssetRow.id, *has, AssetRow.parts)
        query = query.outerjoin(VectorRow, in_space).outerjoin(AppearanceRow, is_described(AssetRow.id))
        with self.reading() as connection:
            for some in chunks(sha256s):
                for row in connection.execute(query.where(AssetRow.sha256.in_(some))):
                    sha256, asset_id, has_vector, described, parts = row
                    found[sha256] = KnownContent(asset_id, has_vector, described, _parts(parts))
        return found

    @outlasts_restart
    def has_parts(self) -> bool:
        """Whether any file is known to hold further pages or key frames."""
        with self.reading() as connection:
            return connection.scalars(select(exists().where(AssetRow.parts != ""))).one()

    @outlasts_restart
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
        query = select(LocationRow.uri, LocationRow.asset_id).where(LocationRow.present)
        query = query.order_by(*in_order(LocationRow.uri)).limit(limit)
        last = ""
        while True:
            with self.reading() as connection:
                rows = [(uri, asset) for uri, asset in connection.execute(query.where(beyond(LocationRow.uri, last)))]
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
        query = _FIXITY.order_by(*in_order(LocationRow.uri))
        query = query if root is None else query.where(at_or_below(LocationRow.uri, root))
        last = ""
        while True:
            with self.reading() as connection:
                rows = connection.execute(query.where(beyond(LocationRow.uri, last)).limit(limit))
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

    def refusals(self, limit: int | None = None, after: str | None = None) -> list[Refusal]:
        """Refused files by ascending uri, from the one after `after`."""
        query = select(RefusalRow.__table__).order_by(*in_order(RefusalRow.uri)).limit(limit)
        if after is not None:
            query = query.where(beyond(RefusalRow.uri, after))
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


def _parts(stored: str | None) -> tuple[str, ...] | None:
    return None if stored is None else tuple(stored.split())
