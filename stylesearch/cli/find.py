"""`search`: what shares the style of a reference."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stylesearch.cli.app import JsonOption, LibraryOption, app, examples, print_json, print_table
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
    filters_of,
)

if TYPE_CHECKING:
    from stylesearch.library import Library
    from stylesearch.records import Hit


@app.command(
    epilog=examples(
        "stylesearch search reference.png",
        "stylesearch search a.png b.png --weights 1,0.5 --unlike c.png -k 50",
        "stylesearch search id:42 --format png --path 'posters/**' --json",
        "stylesearch search --text 'ink wash, muted colours'",
        "stylesearch search a.png --text 'ink wash' --weights 1,0.5",
        "stylesearch search reference.png --tag poster --date 1890..1914",
        "stylesearch search 'board:Ink & wash' -k 50",
        "stylesearch search reference.png --sheet hits.png",
        "stylesearch search reference.png --region background",
        "stylesearch search reference.png --group-by creator --group-size 2",
    )
)
def search(
    references: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="REFERENCE", help="Image files, uris, id:N for a picture of the library, or board:NAME for a board."
        ),
    ] = None,
    text: Annotated[
        list[str] | None, typer.Option("--text", "-t", help="The style in words, alone or with references. Repeatable.")
    ] = None,
    unlike: Annotated[
        list[str] | None, typer.Option("--unlike", "-u", help="Less like this one. Repeat for several.")
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            help="How much each counts, separated by commas: references first, then texts, in the order given.",
            show_default="1 each",
        ),
    ] = None,
    k: Annotated[int, typer.Option("--k", "-k", help="How many hits to show.")] = 20,
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
    space: Annotated[
        str | None,
        typer.Option(help="Search in this space of the library.", show_default="see: stylesearch space list"),
    ] = None,
    region: Annotated[
        str | None,
        typer.Option(
            help="What of the pictures to compare: whole, background or subject.",
            show_default="that of the space; see: stylesearch space list",
        ),
    ] = None,
    min_score: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="Only hits that share the style with this probability; first: stylesearch calibrate."
        ),
    ] = None,
    group_by: Annotated[
        str | None, typer.Option(help="Only the best hits of each creator, or of each folder: creator or folder.")
    ] = None,
    group_size: Annotated[int, typer.Option(help="How many of each, with --group-by.")] = 1,
    include_references: Annotated[
        bool, typer.Option("--include-references", help="Show the references too, where they are in the library.")
    ] = False,
    sheet: Annotated[Path | None, typer.Option(help="Also write a contact sheet: .png, .jpg, .webp or .pdf.")] = None,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find the pictures that share the style of the references."""
    from stylesearch.export import spare_originals
    from stylesearch.library import Library
    from stylesearch.query import Query
    from stylesearch.sheets import contact_sheet

    given = references or []
    numbers = weights_of(weights, len(given), len(text or ()))
    with Library.open(library) as opened:
        query = Query(
            references=references_of(opened, given, numbers),
            texts=list(zip(text or (), numbers[len(given) :], strict=True)),
            counter_references=[source_of(text) for text in unlike or ()],
            k=k,
            exclude_references=not include_references,
            group_by=group_by,
            group_size=group_size,
            **filters_of(path, format, tag, creator, licence, date, software, generated, colour, size, shape),
        )
        if sheet is not None:
            spare_originals(opened.catalog, sheet)
        if region is not None:
            space = opened.space_of(region, space and opened.searching(space).space.encoder).name
        hits = opened.search(query, space=space, min_score=min_score)
        compared = opened.searching(space).space.region
        unknown = [word for each in text or () for word in opened.searching(space).encoder.unknown_words(each)]
        if sheet is not None:
            shown = [reference for reference in given if not reference.startswith(("id:", "board:"))]
            contact_sheet(hits, sheet, opened.ensure_thumbnail, references=shown)
    if unknown:
        words = ", ".join(f"'{word}'" for word in unknown)
        typer.echo(f"The encoder does not know {words}: searched without.", err=True)
    if as_json:
        print_json([as_record(hit) for hit in hits])
    else:
        _print_table(hits, min_score)
        if whole := sum(hit.region != compared for hit in hits):
            what = "of these has" if whole == 1 else "of these have"
            typer.echo(f"{whole} {what} no clear subject: searched whole.", err=True)
        if sheet is not None:
            typer.echo(f"Wrote {sheet}", err=True)


def as_record(hit: Hit) -> dict[str, object]:
    """The JSON form of a hit."""
    from stylesearch.uris import printable

    asset = hit.asset
    return {
        "id": asset.id,
        "cosine": round(hit.cosine, 6),
        **({} if hit.score is None else {"score": round(hit.score, 4)}),
        "region": hit.region,
        "paths": [printable(path) for path in asset.paths],
        "format": asset.format,
        "width": asset.width,
        "height": asset.height,
        "sha256": asset.sha256,
    }


def source_of(text: str) -> str | int:
    """What a person means: a file, or the picture id:N of the library."""
    from stylesearch.errors import UsageError

    number = text.removeprefix("id:")
    if number == text or not number.isdecimal():
        return text
    if int(number) >= 2**63:  # more than the catalog can count
        raise UsageError(f"There is no asset {number} in the library.")
    return int(number)


def references_of(opened: Library, references: list[str], weights: list[float]) -> list[tuple[str | int, float]]:
    """What the references stand for, with their weights; a board stands for its pictures."""
    from stylesearch.errors import UsageError

    found: list[tuple[str | int, float]] = []
    for reference, weight in zip(references, weights, strict=False):
        name = reference.removeprefix("board:")
        if name == reference:
            found.append((source_of(reference), weight))
            continue
        board = opened.boards.find(name)
        if not board.references:
            raise UsageError(f"The board '{board.name}' has no picture that counts in a search.")
        found += [(asset_id, weight * own) for asset_id, own in board.references]
    return found


def weights_of(given: str | None, references: int, texts: int) -> list[float]:
    """A number for each reference, then one for each text."""
    from stylesearch.errors import UsageError

    if given is None:
        return [1.0] * (references + texts)
    try:
        numbers = [float(number) for number in given.split(",")]
    except ValueError as exc:
        raise UsageError(f"The weights '{given}' must be numbers separated by commas, such as 1,0.5") from exc
    if len(numbers) != references + texts:
        raise UsageError(
            f"There are {len(numbers)} weights for {references} references and {texts} texts; give one weight for "
            "each, references first."
        )
    return numbers


@app.command(epilog=examples("stylesearch calibrate", "stylesearch search reference.png --min-score 0.5"))
def calibrate(
    pictures: Annotated[int, typer.Option(help="How many pictures to look at, at most.", min=1)] = 400,
    space: Annotated[
        str | None,
        typer.Option(help="Calibrate this space of the library.", show_default="the one that searches run in"),
    ] = None,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find out what scores mean in this library, for --min-score.

    Learns to tell the two halves of one picture from halves of two pictures; docs/scores.md says how far that carries.
    """
    from dataclasses import asdict

    from stylesearch.library import Library

    with Library.open(library) as opened:
        made = opened.calibrate(pictures, space=space)
    if as_json:
        print_json(asdict(made))
        return
    typer.echo(f"Calibrated with {made.pictures:,} pictures; half of them were kept for this test:")
    typer.echo(
        f"At --min-score 0.5, {made.found:.0%} of pairs of halves of one picture pass, and {made.mistaken:.0%} of"
    )
    typer.echo(f"pairs of two pictures. Probabilities are {made.error:.2f} away from frequencies on average.")


def _print_table(hits: list[Hit], min_score: float | None) -> None:
    from stylesearch.uris import printable

    if not hits and min_score is not None:
        typer.echo(f"Nothing here has this style with a probability of {min_score:g}.", err=True)
        return
    if not hits:
        typer.echo("Nothing found: the library is empty, or the filters leave nothing.", err=True)
        return
    rows = []
    for hit in hits:
        asset, copies = hit.asset, len(hit.asset.paths) - 1
        more = f"  (+{copies} {'copy' if copies == 1 else 'copies'})" if copies and sys.stdout.isatty() else ""
        score = () if hit.score is None else (f"{hit.score:.2f}",)
        rows.append(
            (*score, f"{hit.cosine:.3f}", str(asset.id), f"{asset.width}x{asset.height}", printable(hit.path) + more)
        )
    print_table((*(() if min_score is None else ("Score",)), "Cosine", "Id", "Size", "File"), rows)
