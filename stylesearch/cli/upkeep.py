"""`verify` and `prune`: looking after a library over the years."""

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
    print_table,
)

if TYPE_CHECKING:
    from indexer.verify import Finding, Fixity


@app.command(
    epilog=examples(
        "stylesearch verify",
        "stylesearch verify /mnt/scans --write-manifest scans-manifest-sha256.txt",
        "stylesearch verify /mnt/bag --manifest /mnt/bag/manifest-sha256.txt --json",
    )
)
def verify(
    root: Annotated[
        str | None, typer.Argument(metavar="[ROOT]", help="Only what lies at or below this folder, file or uri.")
    ] = None,
    library: LibraryOption = None,
    manifest: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Compare with this BagIt manifest (SHA-256) instead of the library."),
    ] = None,
    write_manifest: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a BagIt manifest of the files that are as they were.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Read the originals again and check that they still hold the bytes that were indexed. Nothing is changed.

    Paths in a manifest are relative to ROOT, or to the folder of the manifest. Exits with 3 where a file is damaged
    (other bytes, same size and time), changed, missing or unreadable, or is missing from the manifest.
    """
    from indexer.interrupt import stop_on_interrupt
    from indexer.verify import verify as run
    from stylesearch.cli.progress import progress_bar
    from stylesearch.files import uri_of
    from stylesearch.library import Library
    from stylesearch.settings import Settings

    findings: list[Finding] = []
    with Library.open(library) as opened, stop_on_interrupt() as stop, progress_bar(hidden=as_json) as bar:
        task = bar.add_task("Verifying", total=None, note="")

        def show(fixity: Fixity, total: int) -> None:
            speed = f"{fixity.bytes / 1e6:,.0f} MB, {fixity.checked - fixity.good:,} not as they were"
            bar.update(task, completed=fixity.checked, total=total or None, note=speed)

        fixity = run(
            opened.catalog,
            None if root is None else uri_of(root).rstrip("/") or "/",
            settings=Settings.from_environment(),
            manifest=manifest,
            write_manifest=write_manifest,
            tell=findings.append,
            progress=show,
            stop=stop,
        )
    if as_json:
        print_json(fixity.to_json() | {"files": [_row(finding) for finding in findings]})
    else:
        _print_fixity(fixity, findings)
    if fixity.interrupted:
        raise typer.Exit(FAILED)
    if not fixity.sound:
        raise typer.Exit(SOME_REFUSED)


def _row(finding: Finding) -> dict[str, str | None]:
    from stylesearch.uris import path_of_uri, printable

    return asdict(finding) | {"uri": finding.uri, "path": printable(path_of_uri(finding.uri))}


def _print_fixity(fixity: Fixity, findings: list[Finding]) -> None:
    if findings:
        rows = [(str(_row(finding)["path"]), finding.problem, finding.message) for finding in findings]
        print_table(("File", "What is wrong", "Why"), rows)
    names = ("damaged", "changed", "missing", "unreadable", "unlisted", "unknown")
    counts = {"as they were": fixity.good} | {name: getattr(fixity, name) for name in names}
    said = {"unlisted": "not in the manifest", "unknown": "not in the library"}
    parts = ", ".join(
        f"{count:,} {said.get(name, name)}" for name, count in counts.items() if count or name == "as they were"
    )
    speed = (
        f"{fixity.checked / (fixity.seconds or 1):,.0f} files/s, {fixity.bytes / 1e6 / (fixity.seconds or 1):,.0f} MB/s"
    )
    typer.echo(f"{parts} in {fixity.seconds:,.1f} s ({speed}).")
    if fixity.left_out:
        typer.echo(
            f"{fixity.left_out:,} are not in the new manifest: inside archives, or not below its folder.", err=True
        )
    if fixity.interrupted:
        typer.echo("Interrupted; no manifest was written.", err=True)


@app.command(epilog=examples("stylesearch prune", "stylesearch prune --yes", "stylesearch prune --keep-days 365 --yes"))
def prune(
    library: LibraryOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; otherwise only say what would be dropped.")] = False,
    keep_days: Annotated[
        float, typer.Option(min=0, help="Keep what was replaced or deleted less than so many days ago.")
    ] = 30,
    as_json: JsonOption = False,
) -> None:
    """Let go of pictures that were replaced or deleted: their vectors, metadata, tags and thumbnails.

    Original files are never touched; pictures on a disk that is away, and those that lie on a board, are kept.
    """
    from stylesearch.library import Library
    from stylesearch.pruning import prune as run

    with Library.open(library) as opened:
        pruned = run(opened.catalog, opened.thumbnails, keep_days=keep_days, dry_run=not yes)
    unused = pruned.unused
    if as_json:
        sizes = {"thumbnails": pruned.thumbnails, "thumbnail_bytes": pruned.thumbnail_bytes}
        print_json({"dropped": yes} | asdict(unused) | sizes)
        return
    size = (unused.vector_bytes + pruned.thumbnail_bytes) / 1e6
    typer.echo(
        f"{'Dropped' if yes else 'Would drop'} {unused.assets:,} pictures ({unused.tagged:,} with tags of yours), "
        f"{unused.vectors:,} vectors, {pruned.thumbnails:,} thumbnails and {unused.locations:,} old paths: "
        f"{size:,.1f} MB."
    )
    if not yes and (unused.assets or unused.locations):
        typer.echo(f"Do it with: {hint('stylesearch prune --yes', library)}")
