"""`index` and `sample`: how pictures get in."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stylesearch.cli.app import (
    FAILED,
    SOME_REFUSED,
    JsonOption,
    LibraryOption,
    app,
    examples,
    hint,
    print_json,
    with_library,
)

if TYPE_CHECKING:
    from indexer.report import Report


@app.command(
    epilog=examples(
        "stylesearch index ~/Pictures",
        "stylesearch index /mnt/scans /mnt/posters --library archive",
        "stylesearch index ~/Pictures --retry-failed --json",
    )
)
def index(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH", help="Folders and files. They are read, never changed.")
    ],
    library: LibraryOption = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try files again that were refused and have not changed since.")
    ] = False,
    batch_size: Annotated[int, typer.Option(help="Pictures that are encoded together.", min=1)] = 32,
    as_json: JsonOption = False,
) -> None:
    """Index folders: everything new, changed or moved since the last run.

    Left out are hidden files and folders, folders marked as caches (CACHEDIR.TAG), and links to folders, unless they
    are named themselves.
    """
    from indexer.interrupt import stop_on_interrupt
    from indexer.run import index as run
    from stylesearch.cli.progress import indexing_bar
    from stylesearch.library import Library
    from stylesearch.settings import Settings

    with Library.open(library) as opened, stop_on_interrupt() as stop:
        with indexing_bar(hidden=as_json) as show:
            report = run(
                opened.catalog,
                opened.encoder_for_indexing(),
                paths,
                thumbnails=opened.thumbnails,
                settings=Settings.from_environment(),
                batch_size=batch_size,
                retry_failed=retry_failed,
                progress=show,
                stop=stop,
            )
        opened.refresh()
    if as_json:
        print_json(asdict(report) | {"rate": round(report.rate, 1)})
    else:
        _print_report(report, library)
    if report.interrupted:
        raise typer.Exit(FAILED)
    if report.refused or report.still_refused:
        raise typer.Exit(SOME_REFUSED)


def _print_report(report: Report, library: Path | None) -> None:
    parts = {
        "new": report.new + report.again,
        "changed": report.changed,
        "moved or copied": report.moved,
        "unchanged": report.unchanged,
        "gone": report.gone,
        "refused": report.refused + report.still_refused,
        "not pictures": report.others,
    }
    counts = ", ".join(f"{count:,} {name}" for name, count in parts.items() if count)
    nothing = "Nothing done" if report.interrupted else "Nothing found"
    typer.echo(f"{counts or nothing} in {report.seconds:,.1f} s ({report.rate:,.0f} files/s).")
    for warning in report.warnings:
        typer.echo(f"Warning: {with_library(warning, library)}", err=True)
    if links := report.linked_folders:
        typer.echo(f"{links:,} linked {'folder' if links == 1 else 'folders'} skipped; name it to index it.", err=True)
    if parts["refused"]:
        typer.echo(f"See why files were refused with: {hint('stylesearch errors', library)}")
    if report.interrupted:
        typer.echo("Interrupted; what was done is kept. Run the same command again to go on.", err=True)


@app.command(
    epilog=examples("stylesearch sample pictures", "stylesearch sample pictures --styles 100 --contents 6 --seed 1")
)
def sample(
    folder: Annotated[Path, typer.Argument(help="Folder to draw into; empty or new.")],
    styles: Annotated[int, typer.Option(help="How many styles.")] = 40,
    contents: Annotated[int, typer.Option(help="How many pictures in each style.")] = 12,
    size: Annotated[int, typer.Option(help="Side of a picture in pixels.")] = 384,
    seed: Annotated[int, typer.Option(help="Another seed draws other styles.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Draw a sample library: the same scenes in many styles, nothing downloaded."""
    from encoder_training.sample import draw_sample_library
    from stylesearch.cli.progress import progress_bar

    with progress_bar(hidden=as_json) as bar:
        task = bar.add_task("Drawing", total=styles * contents, note="")
        for _ in draw_sample_library(folder, styles=styles, contents=contents, size=size, seed=seed):
            bar.advance(task)
    if as_json:
        print_json({"folder": str(folder), "pictures": styles * contents})
    else:
        typer.echo(f"Drew {styles * contents:,} pictures in {styles:,} styles to '{folder}'.")
