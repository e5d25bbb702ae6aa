"""What keeps a catalog in order: totals, reports of runs, and letting go of what nobody needs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime

from sqlalchemy import URL, Engine, and_, case, delete, exists, func, insert, not_, select

from stylesearch.catalog import board_rows, pruning
from stylesearch.catalog.database import Database
from stylesearch.catalog.engine import gather_statistics
from stylesearch.catalog.selection import is_described
from stylesearch.catalog.tables import AssetTermRow, LocationRow, RefusalRow, RunRow, TermRow
from stylesearch.catalog.terms import TAG
from stylesearch.records import Counts, Run, Unused

_KEPT_RUNS = 1_000


class Upkeep(Database):
    """Totals, runs and pruning."""

    def __init__(self, engine: Engine, url: URL) -> None:
        super().__init__(engine, url)
        self._counts: tuple[int, Counts] | None = None  # and the state that they are of

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
        undescribed = assets.where(not_(exists().where(is_described(LocationRow.asset_id))))
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
        """Drops the boards that were deleted before that moment, the locations that went before it, and the assets that
        no file has had since and that lie on no board, with their vectors and all that describes them; a few thousand
        in each transaction.

        Yields:
            the sha256 of those assets that have been dropped.
        """
        with self.writing() as connection:
            board_rows.drop_deleted(connection, before)
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
