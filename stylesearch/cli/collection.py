"""`init`, `status`, `errors`, `rebuild`: what a library is and what is in it."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Annotated

import typer

from stylesearch.cli.app import JsonOption, LibraryOption, app, examples, print_json
from stylesearch.settings import IndexKind


@app.command(
    epilog=examples(
        "stylesearch init",
        "stylesearch init archive --encoder openclip:ViT-B-16-SigLIP/webli",
        "stylesearch init team --catalog postgresql://user@host/styles",
    )
)
def init(
    folder: Annotated[
        Path | None, typer.Argument(help="Folder of the new library.", show_default="./stylesearch-library")
    ] = None,
    encoder: Annotated[str | None, typer.Option(help="Encoder that fills it.", show_default="the embedded one")] = None,
    catalog: Annotated[str | None, typer.Option(help="Database URL.", show_default="SQLite, in the folder")] = None,
    index: Annotated[IndexKind, typer.Option(help="Vector engine.")] = "auto",
    as_json: JsonOption = False,
) -> None:
    """Make a new, empty library."""
    from stylesearch.library import Library
    from stylesearch.settings import Settings

    folder = folder or Settings.from_environment().library
    with Library.create(folder, encoder=encoder, catalog=catalog, index=index) as library:
        if as_json:
            print_json({"library": str(folder), "encoder": library.space.encoder, "dim": library.space.dim})
            return
        typer.echo(f"Made the library '{folder}' with the encoder {library.space.encoder}.")
        typer.echo(f"Next: stylesearch index PATH --library '{folder}'")


@app.command(epilog=examples("stylesearch status", "stylesearch status --library archive --json"))
def status(library: LibraryOption = None, as_json: JsonOption = False) -> None:
    """Show what is in the library."""
    from stylesearch.library import Library

    with Library.open(library) as opened:
        state = opened.status()
    counts = state.counts
    rows = {
        "library": str(state.folder),
        "encoder": f"{state.space.encoder} ({state.space.dim} numbers, {state.space.dtype})",
        "vector engine": state.index,
        "pictures": counts.assets,
        "files": counts.locations,
        "files gone": counts.gone,
        "files refused": counts.refused,
        "searchable": state.searchable,
    }
    if as_json:
        print_json({key.replace(" ", "_"): value for key, value in rows.items()})
        return
    for key, value in rows.items():
        typer.echo(f"{key:14} {value:,}" if isinstance(value, int) else f"{key:14} {value}")
    if counts.refused:
        typer.echo("See why files were refused with: stylesearch errors")


@app.command(
    epilog=examples(
        "stylesearch errors", "stylesearch errors --csv > refused.csv", "stylesearch index PATH --retry-failed"
    )
)
def errors(
    library: LibraryOption = None,
    as_json: JsonOption = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV for spreadsheets.")] = False,
) -> None:
    """List the files that could not be used, and why."""
    from stylesearch.library import Library
    from stylesearch.records import path_of_uri, printable

    with Library.open(library) as opened:
        rows = [
            {
                "path": printable(path_of_uri(refusal.stat.uri)),
                "reason": refusal.reason,
                "message": refusal.message,
                "sha256": refusal.sha256,
                "attempts": refusal.attempts,
            }
            for refusal in opened.refusals()
        ]
    if as_json:
        print_json(rows)
    elif as_csv:
        writer = csv.DictWriter(sys.stdout, ["path", "reason", "message", "sha256", "attempts"])
        writer.writeheader()
        writer.writerows(rows)
    elif not rows:
        typer.echo("No file was refused.")
    else:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table("File", "Reason", "What was wrong", title=f"{len(rows):,} refused")
        for row in rows:
            table.add_row(Text(str(row["path"]), overflow="fold"), Text(str(row["reason"])), Text(str(row["message"])))
        Console().print(table)


@app.command(epilog=examples("stylesearch rebuild"))
def rebuild(library: LibraryOption = None, as_json: JsonOption = False) -> None:
    """Make the vector index anew from the catalog; nothing is encoded again."""
    from stylesearch.library import Library

    with Library.open(library) as opened:
        count = opened.rebuild()
    if as_json:
        print_json({"searchable": count})
    else:
        typer.echo(f"Rebuilt the index: {count:,} vectors.")
