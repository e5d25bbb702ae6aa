"""`init`, `status`, `errors`, `forget`, `rebuild`: what a library is and what is in it."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from stylesearch.cli.app import (
    JsonOption,
    LibraryOption,
    MaskerOption,
    MaskUseOption,
    app,
    examples,
    hint,
    print_json,
    print_table,
    remember_library,
)
from stylesearch.errors import ImageReason, UsageError

if TYPE_CHECKING:
    from stylesearch.records import Run


@app.command(
    epilog=examples(
        "stylesearch init",
        "stylesearch init archive --encoder openclip:ViT-B-16-SigLIP/webli",
        "stylesearch init posters --regions whole,background",
        "stylesearch init team --catalog postgresql://user@host/styles",
    )
)
def init(
    folder: Annotated[
        Path | None,
        typer.Argument(
            help="Folder of the new library.", show_default="./stylesearch-library", callback=remember_library
        ),
    ] = None,
    encoder: Annotated[str | None, typer.Option(help="Encoder that fills it.", show_default="the embedded one")] = None,
    catalog: Annotated[str | None, typer.Option(help="Database URL.", show_default="SQLite, in the folder")] = None,
    index: Annotated[
        str,
        typer.Option(
            help="Vector engine: auto, exact, faiss, faiss:TYPE, qdrant, qdrant:PATH, qdrant+http://HOST/NAME."
        ),
    ] = "auto",
    regions: Annotated[
        str,
        typer.Option(
            help="What of each picture can be searched: whole, background, subject, or several separated by commas; "
            "the first where a search names none."
        ),
    ] = "whole",
    masker: MaskerOption = None,
    mask_use: MaskUseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a new, empty library."""
    from stylesearch.library import Library
    from stylesearch.settings import Settings

    folder = folder or Settings.from_environment().library
    wanted = [region.strip() for region in regions.split(",")]
    with Library.create(
        folder, encoder=encoder, catalog=catalog, index=index, regions=wanted, masker=masker, use=mask_use
    ) as library:
        if as_json:
            made = {"library": str(folder), "encoder": library.space.encoder, "dim": library.space.dim}
            print_json(made | {"regions": wanted})
            return
        typer.echo(f"Made the library '{folder}' with the encoder {library.space.encoder}.")
        if library.settings.masker is not None:
            typer.echo(f"Regions: {', '.join(wanted)}, told apart by {library.settings.masker.name}.")
        typer.echo(f"Next: {hint('stylesearch index PATH', folder)}")


@app.command(epilog=examples("stylesearch status", "stylesearch status --library archive --json"))
def status(library: LibraryOption = None, as_json: JsonOption = False) -> None:
    """Show what is in the library."""
    from stylesearch.catalog.engine import parse_url, shown
    from stylesearch.encoders.licences import licence_of
    from stylesearch.library import Library

    with Library.open(library) as opened:
        state = opened.status()
        catalog = opened.settings.catalog
        masker = opened.settings.masker
        regions = ", ".join(opened.regions)
        run = opened.catalog.last_run()
    counts = state.counts
    rows = {
        "library": str(state.folder),
        "encoder": f"{state.space.encoder} ({state.space.dim} numbers, {state.space.dtype})",
        "regions": f"{regions} ({masker.name})" if masker and not as_json else regions,
        "licence": licence_of(state.space.encoder) or "that of the weights, ask who published them",
        "catalog": shown(parse_url(catalog)) if catalog else "SQLite, in the folder",
        "vector engine": state.index,
        "pictures": counts.assets,
        "files": counts.locations,
        "files missing": counts.missing,
        "files gone": counts.gone,
        "files refused": counts.refused,
        "searchable": state.searchable,
        "tagged": counts.tagged,
        "undescribed": counts.undescribed,
    }
    if as_json:
        last = run and {"started": run.started.isoformat(), "finished": run.finished.isoformat(), **run.report}
        print_json({key.replace(" ", "_"): value for key, value in rows.items()} | {"last_run": last})
        return
    if run is not None:
        rows["last run"] = _last_run(run)
    for key, value in rows.items():
        typer.echo(f"{key:14} {value:,}" if isinstance(value, int) else f"{key:14} {value}")
    if counts.missing:
        typer.echo("Files are missing where a disk is away; they come back with the next: stylesearch index PATH")
    if counts.undescribed:
        typer.echo(f"Add metadata and colours to pictures without, with: {hint('stylesearch index PATH', library)}")
    if counts.refused:
        typer.echo(f"See why files were refused with: {hint('stylesearch errors', library)}")


def _last_run(run: Run) -> str:
    names = {"new": "new", "changed": "changed", "moved": "moved or copied", "unchanged": "unchanged", "gone": "gone"}
    names |= {"missing": "missing", "refused": "refused"}
    counts = ", ".join(f"{run.report[key]:,} {name}" for key, name in names.items() if run.report.get(key))
    limit = f", limited by: {run.report['limit']}" if run.report.get("bytes") else ""
    stopped = ", interrupted" if run.report.get("interrupted") else ""
    when = run.finished.astimezone().strftime("%Y-%m-%d %H:%M")
    return f"{when}, {counts or 'nothing found'} in {run.report['seconds']:,.1f} s{limit}{stopped}"


@app.command(
    epilog=examples(
        "stylesearch errors",
        "stylesearch errors --reason truncated --reason damaged",
        "stylesearch errors --csv > refused.csv",
        "stylesearch index PATH --retry-failed",
    )
)
def errors(
    library: LibraryOption = None,
    reason: Annotated[
        list[str] | None,
        typer.Option(help="Only these, such as 'truncated' or 'too-large'. Repeatable.", show_default="all"),
    ] = None,
    as_json: JsonOption = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV for spreadsheets.")] = False,
) -> None:
    """List the files that could not be used, and why."""
    from stylesearch.library import Library
    from stylesearch.uris import path_of_uri, printable

    reasons = get_args(ImageReason)
    for word in set(reason or ()) - set(reasons):
        raise UsageError(f"There is no reason '{word}'. There are: {', '.join(reasons)}.")
    again = hint("stylesearch index PATH --retry-failed", library)
    with Library.open(library) as opened:
        rows = [
            {
                "path": printable(path_of_uri(refusal.stat.uri)),
                "reason": refusal.reason,
                "message": refusal.message,
                "decoder": refusal.decoder,
                "sha256": refusal.sha256,
                "attempts": refusal.attempts,
            }
            for refusal in opened.refusals()
            if reason is None or refusal.reason in reason
        ]
    if as_json:
        print_json(rows)
    elif as_csv:
        writer = csv.DictWriter(sys.stdout, ["path", "reason", "message", "decoder", "sha256", "attempts"])
        writer.writeheader()
        writer.writerows(rows)
    elif not rows:
        typer.echo("No file was refused." if reason is None else "No file was refused for that.", err=True)
    else:
        print_table(
            ("File", "Reason", "What was wrong", "Decoder", "SHA-256"),
            [[str(row[key] or "") for key in ("path", "reason", "message", "decoder", "sha256")] for row in rows],
        )
        typer.echo(f"{len(rows):,} refused. Try them again with: {again}", err=True)


@app.command(
    epilog=examples(
        "stylesearch forget ~/Pictures/old",
        "stylesearch forget /mnt/scans --library archive",
        "stylesearch forget s3://bucket/scans",
    )
)
def forget(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH", help="Folders, files and uris, whether or not they are still there.")
    ],
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take folders and files out of the library, such as a folder that was renamed. Nothing on disk is touched."""
    from stylesearch.library import Library

    with Library.open(library) as opened:
        count = sum(opened.forget(path) for path in paths)
    if as_json:
        print_json({"forgotten": count})
    else:
        typer.echo(f"Forgot {count:,} {'file' if count == 1 else 'files'}. Nothing on disk was touched.")


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
