"""`atlas`: the map of a library by style, and its families."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from stylesearch.cli.app import JsonOption, LibraryOption, app, examples, hint, print_json, print_table

if TYPE_CHECKING:
    from stylesearch.atlas import Family

_UNUSUAL = 10


@app.command(
    epilog=examples("stylesearch atlas", "stylesearch atlas --recompute", "stylesearch atlas --json > families.json")
)
def atlas(
    library: LibraryOption = None,
    recompute: Annotated[bool, typer.Option("--recompute", help="Draw it anew, even if it is up to date.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Draw the map of the library by style, and list its families. The page shows it."""
    from stylesearch.cli.progress import progress_bar
    from stylesearch.library import Library

    with Library.open(library) as opened, progress_bar(hidden=as_json) as bar:
        task = bar.add_task("Drawing the map", total=100, note="")

        def show(share: float, doing: str) -> None:
            bar.update(task, description=doing.capitalize(), completed=round(100 * share))

        drawn = opened.atlas(show, anew=recompute)
        bar.update(task, visible=False)
    families = drawn.listed
    if as_json:
        unusual = drawn.unusual(_UNUSUAL)
        print_json({"pictures": len(drawn), "families": [_as_json(one) for one in families], "unusual": unusual})
        return
    print_table(
        ("Family", "Pictures", "Parts", "Typical pictures"),
        [
            [one.name, f"{one.size:,}", f"{len(one.branches)}", ", ".join(map(str, one.representatives))]
            for one in families
        ],
    )
    typer.echo(f"{len(drawn):,} pictures in {len(families):,} families.", err=True)
    typer.echo(f"See the map with: {hint('stylesearch ui', library)}", err=True)


def _as_json(family: Family) -> dict[str, object]:
    values: dict[str, object] = {
        "name": family.name,
        "pictures": family.size,
        "middle": [round(coordinate, 4) for coordinate in family.middle],
        "typical": family.representatives,
    }
    return values | ({"parts": [_as_json(part) for part in family.branches]} if family.branches else {})
