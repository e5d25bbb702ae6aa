"""`board`: pictures put together, in an order, with notes and weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stylesearch.cli.app import (
    SOME_REFUSED,
    JsonOption,
    LibraryOption,
    app,
    examples,
    hint,
    print_json,
    print_table,
)

if TYPE_CHECKING:
    from stylesearch.library import Library
    from stylesearch.records import Board, BoardItem

board = typer.Typer(
    help="Keep pictures together on boards, search with a board, take it along.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
app.add_typer(board, name="board")

BoardArgument = Annotated[str, typer.Argument(metavar="BOARD", help="Number or name of the board.")]
PicturesArgument = Annotated[
    list[str],
    typer.Argument(metavar="PICTURE", help="Files, uris, or id:N for pictures of the library; - reads lines or JSON."),
]


@board.command("list", epilog=examples("stylesearch board list", "stylesearch board list --deleted --json"))
def list_boards(
    deleted: Annotated[bool, typer.Option("--deleted", help="Those that can be brought back instead.")] = False,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the boards, the latest changed first."""
    from stylesearch.library import Library

    with Library.open(library) as opened:
        boards = opened.boards.all(deleted=deleted)
    if as_json:
        print_json([_record(one) for one in boards])
    elif not boards:
        typer.echo(f"No boards. Make one with: {hint('stylesearch board create NAME', library)}", err=True)
    else:
        rows = [
            (str(one.id), one.name, f"{one.count:,}", one.changed_at.astimezone().strftime("%Y-%m-%d %H:%M"))
            for one in boards
        ]
        print_table(("Id", "Name", "Pictures", "Changed"), rows)


@board.command(epilog=examples("stylesearch board show 3", "stylesearch board show 'Ink & wash' --json"))
def show(name: BoardArgument, library: LibraryOption = None, as_json: JsonOption = False) -> None:
    """Show what lies on a board, in its order."""
    from stylesearch.library import Library

    with Library.open(library) as opened:
        found = opened.boards.find(name)
    if as_json:
        print_json(_record(found) | {"items": [_item_record(item) for item in found.items]})
        return
    typer.echo(f"{found.name} (board {found.id}, {found.count:,} {'picture' if found.count == 1 else 'pictures'})")
    if found.notes:
        typer.echo(found.notes)
    rows = [
        (str(item.asset.id), f"{item.weight:g}", "missing" if item.missing else "", item.note, str(_path(item) or ""))
        for item in found.items
    ]
    if rows:
        print_table(("Id", "Weight", "", "Note", "File"), rows)


@board.command(epilog=examples("stylesearch board create 'Ink & wash'", "stylesearch board create Ink id:12 id:17"))
def create(
    name: Annotated[str, typer.Argument(help="What to call it.")],
    pictures: Annotated[
        list[str] | None, typer.Argument(metavar="[PICTURE]...", help="As in: stylesearch board add")
    ] = None,
    notes: Annotated[str, typer.Option(help="What it is for.")] = "",
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a board."""
    from stylesearch.library import Library

    with Library.open(library) as opened:
        ids = _asset_ids(opened, pictures or [])
        made = opened.boards.create(name, notes)
        if ids:
            opened.boards.add(made.id, ids)
        made = opened.boards.get(made.id)
    if as_json:
        print_json(_record(made))
    else:
        typer.echo(f"Made the board {made.id}, '{made.name}'.")
        if not made.count:
            typer.echo(f"Put pictures on it with: {hint(f'stylesearch board add {made.id} PICTURE', library)}")


@board.command(
    epilog=examples(
        "stylesearch board add 3 id:12 posters/red.png",
        "stylesearch search reference.png --json | stylesearch board add 'Ink & wash' -",
        "stylesearch board add 3 id:12 --weight 2 --note 'the line of the hair'",
    )
)
def add(
    name: BoardArgument,
    pictures: PicturesArgument,
    weight: Annotated[
        float | None,
        typer.Option(help="How much they count when the board is searched with, 0 to 10.", show_default="1"),
    ] = None,
    note: Annotated[str | None, typer.Option(help="To write beside each of them.")] = None,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put pictures on a board. Weight and note are also written where a picture lies there already."""
    from stylesearch.library import Library

    with Library.open(library) as opened:
        found = opened.boards.find(name)
        ids = _asset_ids(opened, pictures)
        added = opened.boards.add(found.id, ids)
        if weight is not None:
            opened.boards.weigh(found.id, ids, weight)
        for asset_id in ids if note is not None else ():
            opened.boards.note(found.id, asset_id, note or "")
    if as_json:
        print_json({"board": found.id, "added": added, "there": sorted(set(ids) - set(added))})
    else:
        there = len(set(ids)) - len(added)
        said = f"; {there:,} lay there already" if there else ""
        typer.echo(f"Put {_pictures(len(added))} on '{found.name}'{said}.")


@board.command(epilog=examples("stylesearch board remove 3 id:12"))
def remove(
    name: BoardArgument, pictures: PicturesArgument, library: LibraryOption = None, as_json: JsonOption = False
) -> None:
    """Take pictures off a board. The pictures themselves stay where they are."""
    from stylesearch.library import Library

    with Library.open(library) as opened:
        found = opened.boards.find(name)
        taken = opened.boards.remove(found.id, _asset_ids(opened, pictures))
    if as_json:
        print_json({"board": found.id, "removed": [item.asset.id for item in taken]})
    else:
        typer.echo(f"Took {_pictures(len(taken))} off '{found.name}'.")


@board.command(epilog=examples("stylesearch board rename 3 'Ink, second round'"))
def rename(
    name: BoardArgument,
    to: Annotated[str, typer.Argument(metavar="NAME", help="What to call it.")],
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a board another name. Links to it stay good."""
    from stylesearch.library import Library

    with Library.open(library) as opened:
        found = opened.boards.find(name)
        opened.boards.rename(found.id, to)
        renamed = opened.boards.get(found.id)
    if as_json:
        print_json(_record(renamed))
    else:
        typer.echo(f"The board {renamed.id} is called '{renamed.name}'.")


@board.command(epilog=examples("stylesearch board delete 3", "stylesearch board restore 3"))
def delete(name: BoardArgument, library: LibraryOption = None, as_json: JsonOption = False) -> None:
    """Delete a board. It can be brought back until the library is pruned; the pictures stay where they are."""
    from stylesearch.library import Library

    with Library.open(library) as opened:
        found = opened.boards.find(name)
        opened.boards.delete(found.id)
    if as_json:
        print_json({"deleted": found.id})
    else:
        typer.echo(f"Deleted the board '{found.name}'.")
        typer.echo(f"Bring it back with: {hint(f'stylesearch board restore {found.id}', library)}")


@board.command(epilog=examples("stylesearch board list --deleted", "stylesearch board restore 3"))
def restore(
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="Of the board.")],
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring a deleted board back."""
    from stylesearch.library import Library

    with Library.open(library) as opened:
        found = opened.boards.restore(number)
    if as_json:
        print_json(_record(found))
    else:
        typer.echo(f"The board '{found.name}' is back, with {_pictures(found.count)}.")


@board.command(
    epilog=examples(
        "stylesearch board export 3 ink.zip",
        "stylesearch board export 'Ink & wash' ink --figma",
        "stylesearch board export 3 ink.pdf --paper letter",
        "stylesearch board export 3 ink.csv",
    )
)
def export(
    name: BoardArgument,
    target: Annotated[
        Path, typer.Argument(help=".zip: the originals and a manifest; .pdf or .png: a contact sheet; .csv: a table.")
    ],
    figma: Annotated[
        bool, typer.Option("--figma", help="A flat folder, or .zip, for design tools: numbered, at most 4,096 pixels.")
    ] = False,
    paper: Annotated[str, typer.Option(help="Of a .pdf: a4, a3, letter or tabloid.")] = "a4",
    most_gb: Annotated[
        float | None, typer.Option("--max-gb", min=0, help="Most originals in one .zip.", show_default="20")
    ] = None,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a board along. Originals are only read, and those that are missing are named."""
    from dataclasses import replace

    from stylesearch.library import Library
    from stylesearch.sheets import paper_of

    with Library.open(library) as opened:
        prepared = opened.board_export(opened.boards.find(name).id)
        if most_gb is not None:
            prepared = replace(prepared, most_bytes=round(most_gb * 1e9))
        exported = prepared.write(target, "figma" if figma else None, paper=paper_of(paper))
    if as_json:
        missing = [{"id": one, "name": called, "reason": reason} for one, called, reason in exported.missing]
        print_json({"file": str(target), "written": exported.written, "missing": missing})
    else:
        typer.echo(f"Wrote {_pictures(exported.written)} to {target}")
        for _, called, reason in exported.missing:
            typer.echo(f"Missing: {called}. {reason}", err=True)
    if exported.missing:
        raise typer.Exit(SOME_REFUSED)


def _asset_ids(opened: Library, pictures: list[str]) -> list[int]:
    """The assets that people mean, in the order given."""
    from stylesearch.cli.find import source_of

    return [opened.find(source_of(one)).asset.id for given in pictures for one in _spelt_out(given)]


def _spelt_out(given: str) -> list[str]:
    """What is given; "-" stands for the lines of standard input, or for the pictures that --json has printed."""
    from stylesearch.errors import UsageError

    if given != "-":
        return [given]
    text = typer.get_text_stream("stdin").read()
    if not text.lstrip().startswith("["):
        return [line.strip() for line in text.splitlines() if line.strip()]
    try:
        return [f"id:{int(record['id'])}" for record in json.loads(text)]
    except (ValueError, TypeError, KeyError) as exc:
        raise UsageError("Standard input is not what 'stylesearch search --json' prints.") from exc


def _record(one: Board) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.name,
        "notes": one.notes,
        "pictures": one.count,
        "created": one.created_at.isoformat(timespec="seconds"),
        "changed": one.changed_at.isoformat(timespec="seconds"),
        **({} if one.deleted_at is None else {"deleted": one.deleted_at.isoformat(timespec="seconds")}),
    }


def _item_record(item: BoardItem) -> dict[str, Any]:
    from stylesearch.uris import printable

    asset = item.asset
    return {
        "id": asset.id,
        "sha256": asset.sha256,
        "weight": item.weight,
        "note": item.note,
        "missing": item.missing,
        "paths": [printable(path) for path in asset.paths],
        "last_path": item.last_path and printable(item.last_path),
    }


def _path(item: BoardItem) -> str | None:
    from stylesearch.uris import printable

    path = item.asset.paths[0] if item.asset.paths else item.last_path
    return None if path is None else printable(path)


def _pictures(count: int) -> str:
    return f"{count:,} {'picture' if count == 1 else 'pictures'}"
