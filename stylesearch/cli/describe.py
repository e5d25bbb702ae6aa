"""`show`, `tag`, `dupes`: what is known about pictures, and which of them are there more than once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from stylesearch.cli.app import JsonOption, LibraryOption, app, examples, print_json, print_table
from stylesearch.cli.find import source_of

if TYPE_CHECKING:
    from stylesearch.duplicates import DuplicateGroup, DuplicateKind
    from stylesearch.records import Details

FOUND = 4  # the exit code of `dupes --check`


@app.command(epilog=examples("stylesearch show poster.jpg", "stylesearch show id:42 --json"))
def show(
    picture: Annotated[str, typer.Argument(help="A file, or id:N for a picture of the library.")],
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show everything that is known about a picture: places, metadata, tags, colours."""
    from stylesearch.export import as_record
    from stylesearch.library import Library
    from stylesearch.uris import printable

    with Library.open(library) as opened:
        details = opened.find(source_of(picture))
    record = as_record(details)
    if as_json:
        print_json(record | {"tags": [{"tag": tag, "sources": list(by)} for tag, by in details.tags.items()]})
        return
    for name, value in _shown(details, record).items():
        for number, text in enumerate(str(value).split("\n")):
            typer.echo(f"{'' if number else name:16} {printable(text)}")


def _shown(details: Details, record: dict[str, Any]) -> dict[str, object]:
    """What is worth a line for people, by its name."""
    looks = details.appearance
    shares = [round(100 * colour.share) for colour in looks.palette] if looks else []
    record = record | {
        "size": f"{record.pop('width')} x {record.pop('height')} pixels, {record.pop('bytes'):,} bytes",
        "paths": "\n".join(record["paths"]) or "every file is gone",
        "palette": "  ".join(f"{colour} {share}%" for colour, share in zip(record["palette"], shares, strict=True)),
        "generated": "by a model" if record["generated"] else "",
        "generation": "\n".join(f"{name}: {value}" for name, value in record["generation"].items()),
        "tags": "; ".join(f"{tag} ({', '.join(by)})" for tag, by in details.tags.items()),
    }
    lists = {name: "; ".join(value) for name, value in record.items() if isinstance(value, list)}
    return {name.replace("_", " "): value for name, value in (record | lists).items() if value not in (None, "")}


@app.command(
    epilog=examples("stylesearch tag id:42 poster.jpg --add 'art nouveau'", "stylesearch tag id:42 --remove old")
)
def tag(
    pictures: Annotated[
        list[str], typer.Argument(metavar="PICTURE", help="Files, or id:N for pictures of the library.")
    ],
    add: Annotated[list[str] | None, typer.Option(help="Give this tag. Repeatable.")] = None,
    remove: Annotated[list[str] | None, typer.Option(help="Take this tag away. Repeatable.")] = None,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give pictures tags, and take them away. Tags are kept in the library; no file is touched."""
    from stylesearch.errors import UsageError
    from stylesearch.library import Library

    if not (add or remove):
        raise UsageError("Nothing to do: name a tag with --add or --remove.")
    with Library.open(library) as opened:
        ids = sorted({opened.find(source_of(picture)).asset.id for picture in pictures})
        opened.tag(ids, add=add or (), remove=remove or ())
        tags = {asset_id: list(details.tags) for asset_id, details in opened.catalog.details(ids).items()}
    if as_json:
        print_json([{"id": asset_id, "tags": names} for asset_id, names in tags.items()])
    else:
        print_table(("Id", "Tags"), [(str(asset_id), "; ".join(names)) for asset_id, names in tags.items()])


@app.command(
    epilog=examples(
        "stylesearch dupes",
        "stylesearch dupes --kind near --distance 4 --json",
        "stylesearch dupes --kind similar --similar 0.98",
        "stylesearch dupes --kind exact --check",
    )
)
def dupes(
    kind: Annotated[
        list[str] | None,
        typer.Option(
            help="exact: same bytes; near: same to the eye; similar: other pictures of the same style. Repeatable.",
            show_default="exact and near",
        ),
    ] = None,
    distance: Annotated[
        int, typer.Option(help="Bits of 64 in which the hashes of near duplicates may differ.", min=0, max=11)
    ] = 7,
    cosine: Annotated[float, typer.Option(help="Likeness in style that near duplicates must have.")] = 0.9,
    similar: Annotated[float, typer.Option(help="Likeness in style from which pictures are similar.")] = 0.95,
    check: Annotated[bool, typer.Option("--check", help=f"Exit with {FOUND} where any are found.")] = False,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find pictures that are there more than once. Nothing is deleted.

    Of near duplicates the one with the most pixels comes first; the others are a resized, compressed or slightly cut
    copy of it. Simple graphics can look alike to the hash and be different: look before you delete.
    """
    from stylesearch.library import Library

    kinds: list[DuplicateKind] = kind or ["exact", "near"]  # type: ignore[assignment]  # the library checks them
    with Library.open(library) as opened:
        groups = list(opened.duplicates(kinds, distance=distance, least_cosine=cosine, similar_cosine=similar))
    if as_json:
        print_json([_as_group(group) for group in groups])
    elif groups:
        print_table(("Kind", "Group", "Cosine", "Bits", "Id", "Size", "File"), _rows(groups))
    if not as_json:
        counts = ", ".join(f"{sum(group.kind == name for group in groups):,} {name}" for name in kinds)
        typer.echo(f"Groups: {counts}." if groups else "No duplicates found.", err=True)
    if check and groups:
        raise typer.Exit(FOUND)


def _as_group(group: DuplicateGroup) -> dict[str, object]:
    from stylesearch.records import Asset
    from stylesearch.uris import printable

    def record(asset: Asset) -> dict[str, object]:
        return {
            "id": asset.id,
            "width": asset.width,
            "height": asset.height,
            "paths": [printable(path) for path in asset.paths],
        }

    others = [record(other.asset) | {"cosine": round(other.cosine, 6), "bits": other.bits} for other in group.others]
    return {"kind": group.kind, **record(group.asset), "others": others}


def _rows(groups: list[DuplicateGroup]) -> list[tuple[str, ...]]:
    from stylesearch.records import Asset
    from stylesearch.uris import printable

    def row(number: int, group: DuplicateGroup, asset: Asset, path: str, *near: str) -> tuple[str, ...]:
        return (group.kind, str(number), *near, str(asset.id), f"{asset.width}x{asset.height}", printable(path))

    rows = []
    for number, group in enumerate(groups, 1):
        paths = group.asset.paths if group.kind == "exact" else group.asset.paths[:1]
        rows += [row(number, group, group.asset, path, "", "") for path in paths]
        for other in group.others:
            near = f"{other.cosine:.3f}", str(other.bits)
            rows += [row(number, group, other.asset, path, *near) for path in other.asset.paths[:1]]
    return rows
