"""The progress bar of every command that takes longer than two seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

if TYPE_CHECKING:
    from indexer.report import Progress as IndexingProgress


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f}/s" if speed else "", style="progress.data.speed")


def progress_bar(*, hidden: bool = False) -> Progress:
    """A bar with counts, rate and time left; on standard error, so that output can be piped."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=Console(stderr=True),
        disable=hidden,
    )


@contextmanager
def indexing_bar(*, hidden: bool = False) -> Iterator[Callable[[IndexingProgress], None]]:
    """A bar for the indexer; yields what `index` takes as its `progress`."""
    with progress_bar(hidden=hidden) as bar:
        task = bar.add_task("Looking for files", total=None, note="")

        def show(progress: IndexingProgress) -> None:
            bar.update(
                task,
                description="Indexing" if progress.scan_finished else "Indexing (still looking)",
                total=progress.found,
                completed=progress.done,
                note=f"{progress.refused:,} refused" if progress.refused else "",
            )

        yield show
