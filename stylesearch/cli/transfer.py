"""`transfer`, `backends` and `lineage`: new pictures in a found style."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stylesearch.cli.app import JsonOption, LibraryOption, app, examples, hint, print_json, print_table
from stylesearch.errors import UsageError

if TYPE_CHECKING:
    from stylesearch.library import Library
    from stylesearch.lineage import Ingredient, Lineage
    from stylesearch.transfer import BackendInfo
    from stylesearch.transfer.base import TransferProgress
    from stylesearch.transfer.loop import Created, Input


@app.command(
    epilog=examples(
        "stylesearch transfer --ref ink.png --content photo.jpg",
        "stylesearch transfer --ref id:12 --ref id:17 --weights 1,0.5 --prompt 'a fox' --count 4",
        "stylesearch transfer --ref 'board:Ink & wash' --prompt 'a harbour' --size 768x512 --seed 7",
        "stylesearch transfer --ref ink.png --prompt 'a fox' --backend flux:mega@~/models --json",
    )
)
def transfer(
    ref: Annotated[
        list[str] | None,
        typer.Option(help="Whose style: a file, id:N for a picture of the library, or board:NAME. Repeatable."),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(help="How much each --ref counts, separated by commas.", show_default="1 each"),
    ] = None,
    prompt: Annotated[str, typer.Option("--prompt", "-p", help="What to show, in words.")] = "",
    content: Annotated[str | None, typer.Option(help="What to show: a file, or id:N.", show_default="none")] = None,
    backend: Annotated[str, typer.Option(help="What makes it; see: stylesearch backends")] = "preview",
    count: Annotated[int, typer.Option("--count", "-n", help="How many pictures.", min=1, max=64)] = 1,
    size: Annotated[str, typer.Option(help="In pixels: 512, or 768x512.")] = "512",
    seed: Annotated[
        int | None, typer.Option(help="The same seed makes the same picture again.", show_default="drawn by lot")
    ] = None,
    strength: Annotated[float, typer.Option(help="How much of the style comes through.", min=0, max=1)] = 1.0,
    steps: Annotated[
        int | None, typer.Option(help="Of the model's sampler.", min=1, show_default="what suits the backend")
    ] = None,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make new pictures in the style of others. They become pictures of the library, with their lineage.

    They lie in the folder 'created' of the library. Style is how alike they are to the references; leak is how much of
    what these show has come along.
    """
    from indexer.interrupt import stop_on_interrupt
    from stylesearch.library import Library
    from stylesearch.settings import Settings
    from stylesearch.transfer import load_backend
    from stylesearch.transfer.loop import create

    width, height = _size(size)
    with Library.open(library) as opened, stop_on_interrupt() as cancel:
        references = _inputs(opened, ref or [], weights)
        with load_backend(backend) as loaded, _progress(hidden=as_json) as show:
            typer.echo(f"{loaded.name}: {loaded.licence.text}", err=True)
            made = create(
                opened,
                loaded,
                references,
                settings=Settings.from_environment(),
                prompt=prompt,
                content=None if content is None else _inputs(opened, [content], None)[0],
                width=width,
                height=height,
                seed=seed,
                count=count,
                strength=strength,
                steps=steps,
                progress=show,
                cancel=cancel,
            )
    if as_json:
        print_json([_made_record(one) for one in made])
        return
    _print_made(made)
    typer.echo(f"See how one came to be with: {hint(f'stylesearch lineage id:{made[0].asset.id}', library)}", err=True)


@app.command(epilog=examples("stylesearch backends", "stylesearch backends --json"))
def backends(as_json: JsonOption = False) -> None:
    """List what can make new pictures, what each takes, and under which terms."""
    from stylesearch.transfer import backends as known

    found = known()
    if as_json:
        print_json([_backend_record(info) for info in found])
        return
    for info in found:
        typer.echo(f"{info.name}\n  {info.what}\n  Takes {_takes(info)}.\n  {info.licence.text}")
        if not info.usable:
            typer.echo(f"  Not here: {info.missing}")


@app.command(epilog=examples("stylesearch lineage id:42", "stylesearch lineage fox.png --c2pa > manifest.json"))
def lineage(
    picture: Annotated[str, typer.Argument(help="A file, or id:N for a picture of the library.")],
    c2pa: Annotated[
        bool, typer.Option("--c2pa", help="Print what c2patool takes to sign where the picture comes from.")
    ] = False,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how a picture was made from others of the library, and what was made from it."""
    from stylesearch.cli.find import source_of
    from stylesearch.library import Library
    from stylesearch.transfer.provenance import manifest_definition

    with Library.open(library) as opened:
        asset = opened.find(source_of(picture)).asset
        found, later = opened.lineage(asset.id), opened.made_from(asset.id)
    if c2pa:
        if found is None:
            raise UsageError(f"'{picture}' was not made here, so nothing can be said of where it comes from.")
        print_json(manifest_definition(found, Path(asset.paths[0]).name if asset.paths else f"{asset.id}.png"))
    elif as_json:
        record = found and found.as_record()
        print_json({"id": asset.id, "lineage": record, "made_from_it": [one.id for one in later]})
    else:
        _print_lineage(found)
        if later:
            typer.echo(f"Made from it: {', '.join(f'id:{one.id}' for one in later)}")


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{1,5})(?:x(\d{1,5}))?", text.strip().lower())
    if found is None:
        raise UsageError(f"The size is '{text}'; write pixels, such as 512, or width and height, such as 768x512.")
    return int(found[1]), int(found[2] or found[1])


def _inputs(opened: Library, given: list[str], weights: str | None) -> list[Input]:
    from stylesearch.cli.find import references_of, weights_of
    from stylesearch.transfer.loop import Input

    numbers = weights_of(weights, len(given), 0)
    return [Input(source, weight) for source, weight in references_of(opened, given, numbers)]


@contextmanager
def _progress(*, hidden: bool) -> Iterator[Callable[[TransferProgress], None]]:
    from stylesearch.cli.progress import progress_bar

    with progress_bar(hidden=hidden) as bar:
        task = bar.add_task("Making", total=None, note="")

        def show(step: TransferProgress) -> None:
            bar.update(task, total=step.total, completed=step.done, note=step.what)

        yield show
        bar.update(task, visible=False)


def _made_record(made: Created) -> dict[str, object]:
    from stylesearch.uris import printable

    paths = [printable(path) for path in made.asset.paths]
    return {"id": made.asset.id, "paths": paths, "seconds": round(made.seconds, 3), **made.lineage.as_record()}


def _print_made(made: list[Created]) -> None:
    from stylesearch.uris import printable

    rows = []
    for one in made:
        fidelity = one.lineage.fidelity
        numbers = (fidelity.style, fidelity.leak) if fidelity else (None, None)
        style, leak = ("" if number is None else f"{number:.3f}" for number in numbers)
        rows.append((style, leak, str(one.asset.id), str(one.lineage.seed), printable(one.asset.paths[0])))
    print_table(("Style", "Leak", "Id", "Seed", "File"), rows)


def _backend_record(info: BackendInfo) -> dict[str, object]:
    return {
        "name": info.name,
        "what": info.what,
        "usable": info.usable,
        "missing": info.missing,
        "takes": asdict(info.capabilities),
        "licence": info.licence.text,
        "commercial_use": info.licence.commercial,
    }


def _takes(info: BackendInfo) -> str:
    can = info.capabilities
    most = f"up to {can.references:,} references" if can.references > 1 else "one reference"
    parts = [most if can.references else "no references"]
    parts += ["with weights"] if can.weights and can.references > 1 else []
    parts += ["a content image" + (" (needed)" if can.needs_content else "")] if can.content else []
    beside = " (needed)" if can.needs_text else "" if can.text_beside_content else " in its place"
    parts += ["a prompt" + beside] if can.text else []
    return ", ".join(parts)


def _print_lineage(found: Lineage | None) -> None:
    if found is None:
        typer.echo("It was not made here.")
        return
    rows = {
        "made": found.made_at.astimezone().strftime("%Y-%m-%d %H:%M"),
        "backend": found.backend,
        "models": ", ".join(f"{model.name} ({model.licence or 'terms unknown'})" for model in found.models) or "none",
        "licence": found.licence,
        "prompt": found.prompt or "none",
        "content": _shown(found.content) if found.content else "none",
        "seed": str(found.seed),
        "size": f"{found.width}x{found.height}",
        "strength": f"{found.strength:g}",
    }
    if found.fidelity is not None:
        numbers = {"style": found.fidelity.style, "leak": found.fidelity.leak}
        rows |= {name: f"{number:.3f}" for name, number in numbers.items() if number is not None}
    for name, value in rows.items():
        typer.echo(f"{name:10} {value}")
    for reference in found.references:
        typer.echo(f"{'reference':10} {_shown(reference)}")


def _shown(ingredient: Ingredient) -> str:
    where = "not in the library" if ingredient.asset_id is None else f"id:{ingredient.asset_id}"
    likeness = "" if ingredient.likeness is None else f", likeness {ingredient.likeness:.3f}"
    weight = "" if ingredient.weight == 1 else f", weight {ingredient.weight:g}"
    return f"{ingredient.name} ({where}{weight}{', a part' if ingredient.box else ''}{likeness})"
