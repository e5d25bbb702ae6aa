"""`search`: what shares the style of a reference."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stylesearch.cli.app import JsonOption, LibraryOption, app, examples, print_json

if TYPE_CHECKING:
    from stylesearch.records import Hit, ReferenceLike


@app.command(
    epilog=examples(
        "stylesearch search reference.png",
        "stylesearch search a.png b.png --weights 1,0.5 --unlike c.png -k 50",
        "stylesearch search id:42 --format png --path 'posters/**' --json",
        "stylesearch search --text 'ink wash, muted colours'",
        "stylesearch search reference.png --sheet hits.png",
    )
)
def search(
    references: Annotated[
        list[str] | None, typer.Argument(metavar="REFERENCE", help="Image files, or id:N for a picture of the library.")
    ] = None,
    text: Annotated[
        list[str] | None, typer.Option("--text", "-t", help="The style in words, alone or with references. Repeatable.")
    ] = None,
    unlike: Annotated[
        list[str] | None, typer.Option("--unlike", "-u", help="Less like this one. Repeat for several.")
    ] = None,
    weights: Annotated[
        str | None, typer.Option(help="How much each reference counts, separated by commas.", show_default="1 each")
    ] = None,
    k: Annotated[int, typer.Option("--k", "-k", help="How many hits to show.")] = 20,
    path: Annotated[
        list[str] | None, typer.Option("--path", "-p", help="Only files that match, such as 'posters/**'. Repeatable.")
    ] = None,
    format: Annotated[
        list[str] | None, typer.Option("--format", "-f", help="Only this format, such as png. Repeatable.")
    ] = None,
    include_references: Annotated[
        bool, typer.Option("--include-references", help="Show the references too, where they are in the library.")
    ] = False,
    sheet: Annotated[Path | None, typer.Option(help="Also write a contact sheet: .png, .jpg, .webp or .pdf.")] = None,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find the pictures that share the style of the references."""
    from stylesearch.library import Library
    from stylesearch.records import Query
    from stylesearch.sheets import contact_sheet

    query = Query(
        references=_weighted(references or [], weights),
        texts=text or (),
        counter_references=[_reference(text) for text in unlike or ()],
        k=k,
        paths=path or (),
        formats=format or (),
        exclude_references=not include_references,
    )
    with Library.open(library) as opened:
        hits = opened.search(query)
        if sheet is not None:
            shown = [reference for reference in references or () if not reference.startswith("id:")]
            contact_sheet(hits, sheet, opened.thumbnail, references=shown)
    if as_json:
        print_json([as_record(hit) for hit in hits])
    else:
        _print_table(hits)
        if sheet is not None:
            typer.echo(f"Wrote {sheet}")


def as_record(hit: Hit) -> dict[str, object]:
    """The JSON form of a hit."""
    from stylesearch.records import printable

    asset = hit.asset
    return {
        "id": asset.id,
        "cosine": round(hit.cosine, 6),
        "paths": [printable(path) for path in asset.paths],
        "format": asset.format,
        "width": asset.width,
        "height": asset.height,
        "sha256": asset.sha256,
    }


def _reference(text: str) -> ReferenceLike:
    number = text.removeprefix("id:")
    return int(number) if number != text and number.isdecimal() else text


def _weighted(references: list[str], weights: str | None) -> list[ReferenceLike]:
    from stylesearch.errors import UsageError

    sources = [_reference(text) for text in references]
    if weights is None:
        return sources
    try:
        numbers = [float(number) for number in weights.split(",")]
    except ValueError as exc:
        raise UsageError(f"The weights '{weights}' must be numbers separated by commas, such as 1,0.5") from exc
    if len(numbers) != len(sources):
        raise UsageError(f"There are {len(sources)} references and {len(numbers)} weights; give one weight for each.")
    return list(zip(sources, numbers, strict=True))  # type: ignore[arg-type]  # a source is never a pair here


def _print_table(hits: list[Hit]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from stylesearch.records import printable

    if not hits:
        typer.echo("Nothing found: the library is empty, or the filters leave nothing.")
        return
    table = Table("Cosine", "Id", "Size", "File")
    for hit in hits:
        asset = hit.asset
        copies = f"  (+{len(asset.paths) - 1} copies)" if len(asset.paths) > 1 else ""
        file = Text(printable(hit.path) + copies, overflow="fold")
        table.add_row(f"{hit.cosine:.3f}", str(asset.id), f"{asset.width}x{asset.height}", file)
    Console().print(table)
