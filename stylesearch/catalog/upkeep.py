"""What keeps a catalog in order: totals, reports of runs, and letting go of what nobody needs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime

from sqlalchemy import delete, insert, select

from stylesearch.catalog import board_rows, lineages, pruning, totals
from stylesearch.catalog.database import Database
from stylesearch.catalog.engine import gather_statistics, outlasts_restart
from stylesearch.catalog.tables import RunRow
from stylesearch.records import Counts, Run, Unused

_KEPT_RUNS = 1_000


class Upkeep(Database):
    """Totals, runs and pruning."""

    def counts(self) -> Counts:
        """Totals; see `Counts`. They are read, and not counted."""
        with self.reading() as connection:
            return totals.read(connection)

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
                break
            yield dropped
        with self.writing() as connection:
            lineages.drop_orphans(connection, before)

    @outlasts_restart
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
