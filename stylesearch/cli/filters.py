"""The options that say among which pictures to look; the same for every command that has them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from stylesearch.query import Filters

PathFilter = Annotated[
    list[str] | None, typer.Option("--path", "-p", help="Only files that match, such as 'posters/**'. Repeatable.")
]
FormatFilter = Annotated[
    list[str] | None, typer.Option("--format", "-f", help="Only this format, such as png. Repeatable.")
]
TagFilter = Annotated[list[str] | None, typer.Option("--tag", help="Only pictures with this tag. Repeatable: any.")]
CreatorFilter = Annotated[
    list[str] | None, typer.Option("--creator", help="Only by a creator whose name contains this. Repeatable: any.")
]
LicenceFilter = Annotated[
    list[str] | None,
    typer.Option("--licence", help="Only where the licence or copyright notice contains this. Repeatable: any."),
]
DateFilter = Annotated[
    str | None, typer.Option("--date", metavar="YEARS", help="Only made in these years: 1972, 1970..1985, ..1900.")
]
SoftwareFilter = Annotated[
    list[str] | None, typer.Option("--software", help="Only made with a program whose name contains this. Repeatable.")
]
GeneratedFilter = Annotated[
    bool | None,
    typer.Option(
        "--generated/--not-generated",
        help="Only pictures that a model made by their own account, or only others.",
        show_default="both",
    ),
]
ColourFilter = Annotated[
    list[str] | None,
    typer.Option("--colour", help="Only pictures that show this colour: red, grey, '#2f67c5', ... Repeatable: all."),
]
SizeFilter = Annotated[
    list[str] | None,
    typer.Option("--size", help="Only small, medium, large or huge pictures, by the longest side. Repeatable: any."),
]
ShapeFilter = Annotated[
    list[str] | None, typer.Option("--shape", help="Only landscape, portrait or square pictures. Repeatable: any.")
]


def filters_of(
    path: list[str] | None,
    format: list[str] | None,
    tag: list[str] | None,
    creator: list[str] | None,
    licence: list[str] | None,
    date: str | None,
    software: list[str] | None,
    generated: bool | None,
    colour: list[str] | None,
    size: list[str] | None,
    shape: list[str] | None,
) -> dict[str, Any]:
    """The options by the names of `stylesearch.query.Filters`."""
    return {
        "paths": path or (),
        "formats": format or (),
        "tags": tag or (),
        "creators": creator or (),
        "licences": licence or (),
        "software": software or (),
        "years": years_of(date),
        "generated": generated,
        "colours": colour or (),
        "sizes": size or (),
        "orientations": shape or (),
    }


def filters(**options: Any) -> Filters:
    """The filters that these options say."""
    from stylesearch.query import Filters

    return Filters(**filters_of(**options))


def years_of(text: str | None) -> tuple[int | None, int | None]:
    """The first and the last year of "1972", "1970..1985", "1970.." or "..1985".

    Raises:
        UsageError: it is none of these.
    """
    from stylesearch.errors import UsageError

    if text is None:
        return None, None
    found = re.fullmatch(r"\s*(-?\d{1,4})?\s*(\.\.)?\s*(-?\d{1,4})?\s*", text)
    if found is None or (found[2] is None and (found[1] is None or found[3])) or not (found[1] or found[3]):
        raise UsageError(f"The date '{text}' is no year or range of years; write 1972, 1970..1985, 1970.. or ..1985.")
    first = int(found[1]) if found[1] else None
    return first, first if found[2] is None else int(found[3]) if found[3] else None
