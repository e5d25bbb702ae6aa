"""`vectors`: which engine keeps the vectors, and moving them to another."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from stylesearch.cli.app import JsonOption, LibraryOption, app, examples, print_json, print_table

vectors = typer.Typer(
    help="Where vectors are kept: in files, in Qdrant's engine, or on a server.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
app.add_typer(vectors, name="vectors")


@vectors.command(epilog=examples("stylesearch vectors status", "stylesearch vectors status --json"))
def status(library: LibraryOption = None, as_json: JsonOption = False) -> None:
    """Show the vector index of each space: engine, how it searches, vectors, place, size."""
    from stylesearch.library import Library
    from stylesearch.moving import states

    with Library.open(library) as opened:
        found = states(opened)
    if as_json:
        print_json([asdict(state) for state in found])
        return
    rows = [
        (state.space, state.index, state.layout, f"{state.vectors:,}", f"{state.bytes / 1e6:,.1f}", state.place)
        for state in found
    ]
    print_table(("Space", "Engine", "Searches", "Vectors", "MB", "Place"), rows)


@vectors.command(
    epilog=examples(
        "stylesearch vectors move faiss qdrant",
        "stylesearch vectors move auto faiss:ivf-pq",
        "stylesearch vectors move faiss qdrant:/mnt/fast/styles",
        "stylesearch vectors move qdrant 'qdrant+https://vectors.museum.example/prints?replicas=2&shards=3'",
    )
)
def move(
    source: Annotated[str, typer.Argument(metavar="FROM", help="The engine that the library has.")],
    target: Annotated[str, typer.Argument(metavar="TO", help="The engine that it shall have, as of init --index.")],
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Move the vectors to another engine. Nothing is encoded; one that was interrupted goes on where it was."""
    from stylesearch.cli.progress import progress_bar
    from stylesearch.library import Library
    from stylesearch.moving import move_vectors

    with Library.open(library) as opened, progress_bar(hidden=as_json) as bar:
        task = bar.add_task("Moving", total=None, note="")
        moved = move_vectors(
            opened, source, target, lambda name, count: bar.update(task, completed=count, description=f"Moving {name}")
        )
    if as_json:
        print_json({"index": target, "moved": moved})
        return
    for name, count in moved.items():
        typer.echo(f"{name}: moved {count:,} vectors to '{target}'.")


@vectors.command(epilog=examples("stylesearch vectors snapshot"))
def snapshot(library: LibraryOption = None, as_json: JsonOption = False) -> None:
    """Make a snapshot of the vectors on a Qdrant server; its operator finds it there."""
    from stylesearch.errors import UsageError
    from stylesearch.library import Library
    from stylesearch.vectors.qdrant_server import QdrantServerIndex

    with Library.open(library) as opened:
        names = {}
        for space in opened.spaces:
            index = opened.searching(space.name).index()
            if not isinstance(index, QdrantServerIndex):
                raise UsageError(
                    f"The library keeps its vectors in '{opened.settings.index}', which needs no snapshot: what it "
                    "holds is made again with: stylesearch rebuild"
                )
            names[space.name] = index.snapshot()
    if as_json:
        print_json(names)
        return
    for name, made in names.items():
        typer.echo(f"{name}: {made}")
