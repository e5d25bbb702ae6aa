"""`explain`: why a picture is like a reference."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stylesearch.cli.app import JsonOption, LibraryOption, app, examples, print_json
from stylesearch.cli.find import source_of

if TYPE_CHECKING:
    from stylesearch.explain import Explanation, Heat

_BAR = 20  # characters


@app.command(
    epilog=examples(
        "stylesearch explain reference.png id:42",
        "stylesearch explain id:7 poster.jpg --heat heat.png",
        "stylesearch explain reference.png id:42 --json",
    )
)
def explain(
    reference: Annotated[str, typer.Argument(help="An image file, a uri, or id:N for a picture of the library.")],
    picture: Annotated[str, typer.Argument(help="A picture of the library: a file of it, or id:N.")],
    heat: Annotated[
        Path | None, typer.Option(help="Also write both pictures side by side, hot where their styles match.")
    ] = None,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say in what a picture is like a reference: colour, tone, texture and line; and where.

    Each of the four goes from 0 to 1: 1 is the same, and 0.5 what two pictures of different styles come to as often as
    not. They are measured by hand-made statistics, whatever the library's encoder; the likeness is the encoder's.
    """
    from stylesearch.explain import write_heat
    from stylesearch.library import Library

    with Library.open(library) as opened:
        source = source_of(reference)
        asset = opened.find(source_of(picture)).asset
        found = opened.explain(source, asset.id)
        if heat is not None:
            write_heat(found, opened.read(source), opened.read(asset.id), heat)
    if as_json:
        print_json(as_record(found))
        return
    typer.echo(f"{'likeness':10} {found.cosine:.3f}")
    for name, value in found.traits._asdict().items():
        typer.echo(f"{name:10} {value:.3f}  {'#' * round(_BAR * value)}")
    if heat is not None:
        typer.echo(f"Wrote {heat}", err=True)


def as_record(found: Explanation) -> dict[str, object]:
    """The JSON form of an explanation; heat as cosines of the parts, row by row."""
    return {
        "cosine": round(found.cosine, 6),
        **{name: round(value, 6) for name, value in found.traits._asdict().items()},
        "low": round(found.low, 6),
        "high": round(found.high, 6),
        "heat": _numbers(found.heat),
        "reference_heat": _numbers(found.reference_heat),
    }


def _numbers(heat: Heat) -> list[list[float]]:
    return [[round(cosine, 4) for cosine in row] for row in heat.cosines.tolist()]
