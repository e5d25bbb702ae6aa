"""`index` and `sample`: how pictures get in."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

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
from stylesearch.errors import UsageError

if TYPE_CHECKING:
    import threading

    from indexer.forecast import Forecast
    from indexer.report import Report
    from indexer.sources import Rules
    from indexer.watch import Watcher
    from stylesearch.records import Limits

# As in `indexer.sources` and `indexer.planner`, which `--help` has no time to import.
Links = Literal["files", "follow", "none"]
Pages = Literal["first", "all"]


@app.command(
    epilog=examples(
        "stylesearch index ~/Pictures",
        "stylesearch index /mnt/scans /mnt/posters.zip --library archive",
        "stylesearch index ~/Pictures --exclude drafts/ --exclude '*.psd'",
        "find /mnt -name '*.tif' -print0 | stylesearch index -",
        "stylesearch index s3://bucket/scans https://museum.example/iiif/manifest.json",
        "stylesearch index ~/Pictures --dry-run",
        "stylesearch index /mnt/magazines --pages all",
        "stylesearch index ~/Pictures --watch",
        "stylesearch index /mnt/scans --cluster ray --gpus 1",
        "stylesearch index ~/Pictures --retry-failed --json",
    )
)
def index(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH",
            help="Folders, files, archives, IIIF manifests, s3:// and https:// uris; - reads names from standard "
            "input. They are read, never changed.",
        ),
    ] = None,
    library: LibraryOption = None,
    include: Annotated[
        list[str] | None,
        typer.Option(help="Only files that match, as in a .gitignore, such as '*.tif' or 'posters/'. Repeatable."),
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(help="Leave out what matches, as in a .gitignore. Repeatable.")
    ] = None,
    links: Annotated[
        Links, typer.Option(help="Which symbolic links to follow: those to files, all (follow), or none.")
    ] = "files",
    hidden: Annotated[bool, typer.Option("--hidden", help="Look at hidden files and folders, too.")] = False,
    archives: Annotated[
        bool, typer.Option("--archives/--no-archives", help="Look into ZIP, TAR and Parquet files.")
    ] = True,
    files_from: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Also the files that are named here, one a line or NUL-separated; - for stdin."
        ),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Stay, and follow what changes in the folders, until Ctrl-C.")
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try files again that were refused and have not changed since.")
    ] = False,
    reread_metadata: Annotated[
        bool,
        typer.Option("--reread-metadata", help="Read the metadata of unchanged files again, such as changed sidecars."),
    ] = False,
    rehash: Annotated[
        bool, typer.Option("--rehash", help="Read unchanged files again, too: size and time may deceive.")
    ] = False,
    pages: Annotated[
        Pages, typer.Option(help="Index the first page of a TIFF or PDF and frame of a video, or all as pictures.")
    ] = "first",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would happen, and about how long it would take.")
    ] = False,
    batch_size: Annotated[int, typer.Option(help="Pictures that are encoded together.", min=1)] = 32,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="ray[=HOST:PORT]", help="Share the work among the machines of a Ray cluster; needs PostgreSQL."
        ),
    ] = None,
    encoders: Annotated[
        int | None, typer.Option(help="With --cluster: at most so many encoders at a time.", min=1)
    ] = None,
    gpus: Annotated[float, typer.Option(help="With --cluster: GPUs for each encoder, such as 1 or 0.5.", min=0)] = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Index folders and other places: everything new, changed or moved since the last run.

    Left out are hidden files and folders, folders marked as caches (CACHEDIR.TAG), and links to folders, unless they
    are named themselves. What --include and --exclude leave out stays in the library as it is.
    """
    from indexer.announce import announced
    from indexer.cluster.run import Cluster, index_on_cluster
    from indexer.forecast import forecast
    from indexer.interrupt import stop_on_interrupt
    from indexer.planner import Wanted
    from indexer.run import index as index_here
    from indexer.sources import ListSource, Rules, Source
    from stylesearch.cli.progress import indexing_bar
    from stylesearch.cli.spaces import fill_further, print_filled
    from stylesearch.library import Library
    from stylesearch.settings import Settings

    settings = Settings.from_environment()
    rules = Rules(tuple(include or ()), tuple(exclude or ()), links, hidden, archives)
    places = [path for path in paths or () if path != "-"]
    lists = [*(["-"] if "-" in (paths or ()) else []), *([files_from] if files_from is not None else [])]
    if not places and not lists:
        raise UsageError("Nothing to index is named. Name a folder: stylesearch index PATH")
    if cluster is not None and watch:
        raise UsageError("Folders are followed by one machine: give --watch without --cluster.")

    with ExitStack() as stack:
        opened = stack.enter_context(Library.open(library))
        stop = stack.enter_context(stop_on_interrupt())
        named = [ListSource(_names(name, stack, stop), rules, settings.limits, stop) for name in lists]
        if dry_run:
            with indexing_bar(hidden=as_json) as show:
                wanted = Wanted(retry_failed, reread_metadata, rehash, pages)
                expected = forecast(
                    opened.catalog,
                    opened.installed_encoder(),
                    places,
                    settings=settings,
                    rules=rules,
                    sources=named,
                    wanted=wanted,
                    batch_size=batch_size,
                    progress=show,
                    stop=stop,
                )
            print_json(asdict(expected)) if as_json else _print_forecast(expected)
            return
        encoder = opened.encoder_for_indexing()
        run = index_here
        if cluster is not None:
            run = partial(index_on_cluster, Cluster.parse(cluster, encoders, gpus), opened.settings.catalog)

        def once(roots: Sequence[str], sources: Sequence[Source] = (), gone: Sequence[str] = ()) -> Report:
            with indexing_bar(hidden=as_json) as show, announced(opened.folder, show) as tell:
                report = run(
                    opened.catalog,
                    encoder,
                    roots,
                    thumbnails=opened.thumbnails,
                    settings=settings,
                    rules=rules,
                    sources=sources,
                    batch_size=batch_size,
                    retry_failed=retry_failed,
                    reread_metadata=reread_metadata,
                    rehash=rehash,
                    pages=pages,
                    progress=tell,
                    stop=stop,
                )
            report.gone += sum(opened.catalog.forget(uri) for uri in gone)
            if as_json:
                print_json(report.to_json())
            elif roots or sources or report.gone:
                _print_report(report, library)
            filled = fill_further(opened, stop, batch_size=batch_size, hidden=as_json)
            if not as_json:
                print_filled(filled)
            return report

        follow = stack.enter_context(_watcher(places, rules, settings.limits, opened.folder)) if watch else None
        report = once(places, named)
        opened.refresh()
        if follow is not None:
            typer.echo("Watching for changes; Ctrl-C ends it.", err=True)
            for changes in follow.changes(stop):
                try:
                    report = once(places if changes.everything else (), changes.sources, changes.gone)
                except UsageError as exc:  # a disk that is away for now
                    typer.echo(f"Warning: {with_library(str(exc), library)}", err=True)
            opened.refresh()
    if report.interrupted:
        raise typer.Exit(FAILED)
    if report.refused or report.still_refused or report.missing:
        raise typer.Exit(SOME_REFUSED)


def _watcher(places: Sequence[str], rules: Rules, limits: Limits, own: Path) -> Watcher:
    """What follows the folders among the places."""
    from indexer.watch import Watcher
    from stylesearch.files import is_remote

    folders = [str(Path(place).expanduser().absolute()) for place in places if not is_remote(place)]
    folders = [folder for folder in folders if Path(folder).is_dir()]
    if not folders:
        raise UsageError("Only folders of this machine can be watched. Name one: stylesearch index PATH --watch")
    return Watcher(folders, rules, limits, ignored=[own])


def _names(name: str, stack: ExitStack, stop: threading.Event) -> Iterator[str]:
    from indexer.sources.names import read_names

    try:
        given = sys.stdin.buffer if name == "-" else stack.enter_context(open(name, "rb"))  # noqa: SIM115
    except OSError as exc:
        raise UsageError(f"The list '{name}' cannot be read ({exc.strerror}).") from exc
    return read_names(given.fileno(), stop)


def _print_report(report: Report, library: Path | None) -> None:
    from stylesearch.cli.spaces import print_without_subject

    parts = {
        "new": report.new + report.again,
        "changed": report.changed,
        "moved or copied": report.moved,
        "described again": report.described,
        "unchanged": report.unchanged,
        "gone": report.gone,
        "missing": report.missing,
        "refused": report.refused + report.still_refused,
        "not pictures": report.others,
    }
    counts = ", ".join(f"{count:,} {name}" for name, count in parts.items() if count)
    nothing = "Nothing done" if report.interrupted else "Nothing found"
    typer.echo(f"{counts or nothing} in {report.seconds:,.1f} s ({report.rate:,.0f} files/s).")
    if report.limit is not None and report.bytes:
        stages = ", ".join(f"{name} {stage.rate:,.0f}/s" for name, stage in report.stages.items() if stage.count)
        typer.echo(f"Limited by: {report.limit}. While at work: {stages}; {report.bytes / 1e6:,.0f} MB read.")
    print_without_subject(report)
    for warning in report.warnings:
        typer.echo(f"Warning: {with_library(warning, library)}", err=True)
    if links := report.linked_folders:
        what = f"{links:,} linked {'folder' if links == 1 else 'folders'} skipped"
        typer.echo(f"{what}; name it to index it, or follow all with --links follow.", err=True)
    if parts["refused"]:
        typer.echo(f"See why files were refused with: {hint('stylesearch errors', library)}")
    if report.interrupted:
        typer.echo("Interrupted; what was done is kept. Run the same command again to go on.", err=True)


def _print_forecast(expected: Forecast) -> None:
    parts = {
        "new": expected.new,
        "changed": expected.changed,
        "to complete": expected.again,
        "to try again": expected.retried,
        "unchanged": expected.unchanged,
        "refused": expected.refused + expected.still_refused,
        "not pictures": expected.others,
    }
    counts = ", ".join(f"{count:,} {name}" for name, count in parts.items() if count)
    typer.echo(f"{counts or 'Nothing found'}{' so far' if expected.interrupted else ''}.")
    for uri in expected.away:
        typer.echo(f"Nothing is at '{uri}'; its pictures would be marked as missing.")
    if expected.sampled:
        least, most = expected.seconds
        typer.echo(
            f"{expected.to_read:,} files ({expected.bytes / 1e6:,.0f} MB) would be read, in {_duration(least)} to "
            f"{_duration(most)}, and the library would grow by about {expected.disk_bytes / 1e6:,.0f} MB."
        )
        typer.echo(
            f"Measured on {expected.sampled:,} of them: {expected.moved_share:.0%} moved or copied, "
            f"{expected.refused_share:.0%} refused."
        )
    typer.echo("Nothing was written.")


def _duration(seconds: float) -> str:
    for size, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:,.0f} s"


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
