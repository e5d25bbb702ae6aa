"""`export` and `import-tags`: the catalogue in other programs, and back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stylesearch.cli.app import SOME_REFUSED, JsonOption, LibraryOption, app, examples, print_json
from stylesearch.cli.filters import (
    ColourFilter,
    CreatorFilter,
    DateFilter,
    FormatFilter,
    GeneratedFilter,
    LicenceFilter,
    PathFilter,
    ShapeFilter,
    SizeFilter,
    SoftwareFilter,
    TagFilter,
    filters,
)

if TYPE_CHECKING:
    from stylesearch.tagging import TagReport, TagRow


@app.command(
    epilog=examples(
        "stylesearch export catalogue.csv",
        "stylesearch export posters.parquet --path 'posters/**' --date 1890..1914",
        "stylesearch export sidecars --xmp",
    )
)
def export(
    target: Annotated[Path, typer.Argument(help="A .csv, .jsonl or .parquet file; with --xmp, a folder.")],
    xmp: Annotated[bool, typer.Option("--xmp", help="Write an XMP sidecar for each file, below a folder.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace sidecars that are there.")] = False,
    path: PathFilter = None,
    format: FormatFilter = None,
    tag: TagFilter = None,
    creator: CreatorFilter = None,
    licence: LicenceFilter = None,
    date: DateFilter = None,
    software: SoftwareFilter = None,
    generated: GeneratedFilter = None,
    colour: ColourFilter = None,
    size: SizeFilter = None,
    shape: ShapeFilter = None,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the catalogue, or a part of it, for other programs. Pictures are never touched.

    Sidecars lie below the folder as the pictures do below the root of the disk.
    """
    from stylesearch.library import Library

    chosen = filters(
        path=path,
        format=format,
        tag=tag,
        creator=creator,
        licence=licence,
        date=date,
        software=software,
        generated=generated,
        colour=colour,
        size=size,
        shape=shape,
    )
    left = 0
    with Library.open(library) as opened:
        if xmp:
            written, left = opened.export_sidecars(target, chosen, overwrite=overwrite)
        else:
            written = opened.export(target, chosen)
    if as_json:
        print_json({"written": written, "left": left, "target": str(target)})
        return
    typer.echo(f"Wrote {written:,} {'sidecars' if xmp else 'rows'} to '{target}'.")
    if left:
        typer.echo(f"{left:,} sidecars were there and were left as they are; replace them with --overwrite.", err=True)


@app.command(
    "import-tags",
    epilog=examples(
        "stylesearch import-tags tags.csv --dry-run",
        "stylesearch import-tags museum.csv --key name --key-column Filename --tag-column Subjects --separator ','",
    ),
)
def import_tags(
    table: Annotated[Path, typer.Argument(help="CSV in UTF-8, with a header.")],
    key: Annotated[str, typer.Option(help="What names the picture: path, sha256, or name (without folders).")] = "path",
    key_column: Annotated[str | None, typer.Option(help="Its column.", show_default="called like the key")] = None,
    tag_column: Annotated[str, typer.Option(help="The column of tags.")] = "tags",
    separator: Annotated[str, typer.Option(help="Between the tags of one cell.")] = ";",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would happen.")] = False,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give pictures the tags of a table. Importing it again changes nothing."""
    from stylesearch.errors import UsageError
    from stylesearch.library import Library

    if key not in ("path", "sha256", "name"):
        raise UsageError(f"The key is '{key}'; it must be path, sha256 or name.")
    with Library.open(library) as opened:
        report = opened.import_tags(
            table,
            key=key,  # type: ignore[arg-type]  # checked above
            key_column=key_column,
            tag_column=tag_column,
            separator=separator,
            dry_run=dry_run,
        )
    if as_json:
        print_json(_as_record(report))
    else:
        _print(report, dry_run)
    if report.unmatched or report.ambiguous:
        raise typer.Exit(SOME_REFUSED)


def _as_record(report: TagReport) -> dict[str, object]:
    def lines(rows: tuple[TagRow, ...]) -> list[dict[str, object]]:
        return [{"line": row.line, "key": row.key} for row in rows]

    return {
        "rows": report.rows,
        "matched": report.matched,
        "pictures": report.assets,
        "unmatched": lines(report.unmatched),
        "ambiguous": lines(report.ambiguous),
    }


def _print(report: TagReport, dry_run: bool) -> None:
    from stylesearch.uris import printable

    would = "would tag" if dry_run else "tagged"
    typer.echo(f"{report.matched:,} of {report.rows:,} rows {would} {report.assets:,} pictures.")
    for rows, why in ((report.unmatched, "not in the library"), (report.ambiguous, "several pictures have this name")):
        for row in rows:
            typer.echo(f"line {row.line}: '{printable(row.key)}': {why}", err=True)
