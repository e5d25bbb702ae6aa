"""`backup`, `restore` and `doctor`: keeping a library whole."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from stylesearch.cli.app import FAILED, JsonOption, LibraryOption, app, examples, hint, print_json


@app.command(
    epilog=examples("stylesearch backup /mnt/backups/2026-01-02", "stylesearch backup archive-backup --library archive")
)
def backup(
    target: Annotated[Path, typer.Argument(metavar="PATH", help="Folder for the backup; new or empty.")],
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Back up the catalog and the settings of a library, while it is searched and indexed.

    Vectors and tags are in it. Thumbnails and the vector index are not: they are made again from the rest.
    """
    from stylesearch.backup import back_up
    from stylesearch.settings import Settings

    made = back_up(_absolute(library or Settings.from_environment().library), _absolute(target))
    if as_json:
        print_json({"backup": str(made.folder), "made_at": made.made_at, "bytes": made.size})
    else:
        typer.echo(f"Backed up to '{made.folder}' ({made.size / 1e6:,.1f} MB).")


@app.command(
    epilog=examples(
        "stylesearch restore /mnt/backups/2026-01-02",
        "stylesearch restore archive-backup --library archive --yes",
        "stylesearch restore team-backup --catalog postgresql://user@host/styles",
    )
)
def restore(
    source: Annotated[Path, typer.Argument(metavar="PATH", help="Folder of the backup.")],
    library: LibraryOption = None,
    catalog: Annotated[
        str | None, typer.Option(help="Database URL for the catalog.", show_default="where it was")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Replace the library that is there.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Put a backup in the place of a library, or make a library from it."""
    from stylesearch.backup import restore as put_back
    from stylesearch.settings import Settings

    folder = _absolute(library or Settings.from_environment().library)
    found = put_back(_absolute(source), folder, catalog=catalog, overwrite=yes)
    if as_json:
        print_json({"library": str(folder), "made_at": found.made_at, "bytes": found.size})
    else:
        typer.echo(f"Restored the library '{folder}' as it was at {found.made_at}.")
        typer.echo(f"See what is in it with: {hint('stylesearch status', library)}")


@app.command(epilog=examples("stylesearch doctor", "stylesearch doctor --mend", "stylesearch doctor --json"))
def doctor(
    mend: Annotated[
        bool, typer.Option("--mend", help="Mend what can be mended; otherwise nothing is changed.")
    ] = False,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look for drift between catalog, vector indexes and thumbnails. Exits with 1 where something stays wrong."""
    from stylesearch.doctor import examine
    from stylesearch.library import Library

    with Library.open(library) as opened:
        findings = list(examine(opened, mend=mend))
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            typer.echo(f"{finding.where}: {finding.message}{' Mended.' if finding.mended else ''}")
        if not findings:
            typer.echo("Nothing is wrong.")
        elif any(finding.mendable and not finding.mended for finding in findings):
            typer.echo(f"Mend it with: {hint('stylesearch doctor --mend', library)}")
    if not all(finding.mended for finding in findings):
        raise typer.Exit(FAILED)


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()
