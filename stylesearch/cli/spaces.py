"""`space`: several encoders and regions in one library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from stylesearch.cli.app import (
    FAILED,
    JsonOption,
    LibraryOption,
    MaskerOption,
    MaskUseOption,
    app,
    examples,
    hint,
    print_json,
    print_table,
    with_library,
)
from stylesearch.errors import EncoderError, UsageError

if TYPE_CHECKING:
    import threading

    from indexer.report import Report
    from stylesearch.library import Library

space = typer.Typer(
    help="Keep the vectors of several encoders and regions in one library.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
app.add_typer(space, name="space")

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the space: ENCODER, or ENCODER@REGION.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Do it; otherwise only say what would be deleted.")]


def fill_further(opened: Library, stop: threading.Event, *, batch_size: int, hidden: bool) -> dict[str, Report]:
    """Encodes what the library has and its further spaces lack.

    Returns:
        the reports by the name of the space. One whose encoder cannot be loaded has none; it keeps no other waiting.
    """
    from indexer.backfill import Unencoded
    from indexer.run import index
    from stylesearch.cli.progress import indexing_bar
    from stylesearch.settings import Settings

    settings = Settings.from_environment()
    reports = {}
    for other in () if stop.is_set() else opened.spaces[1:]:
        try:
            encoder = opened.encoder_for_indexing(other.name)
        except EncoderError as exc:
            warning = with_library(f"The space '{other.name}' stays as it is. {exc}", opened.folder)
            typer.echo(f"Warning: {warning}", err=True)
            continue
        space_id = opened.searching(other.name).id
        with indexing_bar(hidden=hidden) as show:
            reports[other.name] = index(
                opened.catalog,
                encoder,
                [],
                thumbnails=opened.thumbnails,
                settings=settings,
                sources=[Unencoded(opened.catalog, space_id, settings.limits, stop)],
                batch_size=batch_size,
                progress=show,
                stop=stop,
            )
    return reports


def print_filled(reports: dict[str, Report]) -> None:
    """A line for each space."""
    for name, report in reports.items():
        typer.echo(f"{name}: encoded {report.encoded:,} in {report.seconds:,.1f} s.")
        print_without_subject(report)


def print_without_subject(report: Report) -> None:
    """A line where regions of pictures were the whole of them."""
    if count := report.without_subject:
        what = "picture has" if count == 1 else "pictures have"
        typer.echo(f"{count:,} {what} no clear subject: searched whole.")


@space.command(
    epilog=examples(
        "stylesearch space add openclip:ViT-B-16-SigLIP/webli",
        "stylesearch space add --region background",
        "stylesearch space fill",
    )
)
def add(
    encoder: Annotated[
        str | None,
        typer.Argument(
            help="Name of the encoder; 'stylesearch encoders' in the docs lists them.",
            show_default="with --region: the one that searches run in",
        ),
    ] = None,
    region: Annotated[str, typer.Option(help="What of each picture: whole, background or subject.")] = "whole",
    masker: MaskerOption = None,
    mask_use: MaskUseOption = None,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add the space of another encoder or region. Nothing is encoded until it is filled."""
    from stylesearch.library import Library

    if encoder is None and region == "whole":
        raise UsageError("Name an encoder, or a region: stylesearch space add --region background")
    with Library.open(library) as opened:
        added = opened.add_space(encoder, region=region, masker=masker, use=mask_use)
    if as_json:
        print_json({"space": added.name, "dim": added.dim, "region": added.region})
    else:
        typer.echo(f"Added the space '{added.name}' ({added.dim} numbers).")
        typer.echo(f"Fill it with: {hint('stylesearch space fill', library)}")


@space.command(epilog=examples("stylesearch space fill"))
def fill(
    library: LibraryOption = None,
    batch_size: Annotated[int, typer.Option(help="Pictures that are encoded together.", min=1)] = 32,
    as_json: JsonOption = False,
) -> None:
    """Encode the pictures of the library in the spaces that were added; `stylesearch index` does so, too."""
    from indexer.interrupt import stop_on_interrupt
    from stylesearch.library import Library

    with Library.open(library) as opened, stop_on_interrupt() as stop:
        reports = fill_further(opened, stop, batch_size=batch_size, hidden=as_json)
        opened.refresh()
    if as_json:
        print_json({name: report.to_json() for name, report in reports.items()})
    else:
        print_filled(reports)
    if len(reports) < len(opened.spaces) - 1 or any(report.interrupted for report in reports.values()):
        raise typer.Exit(FAILED)


@space.command("list", epilog=examples("stylesearch space list"))
def list_spaces(library: LibraryOption = None, as_json: JsonOption = False) -> None:
    """List the spaces of the library, that of searches first."""
    from stylesearch.library import Library

    with Library.open(library) as opened:
        rows = [
            {
                "space": one.name,
                "region": one.region,
                "dim": one.dim,
                "dtype": one.dtype,
                "build": one.fingerprint[:8],
                "vectors": opened.catalog.vector_count(opened.searching(one.name).id),
                "without_subject": opened.count_without_subject(one.name),
                "searches": one == opened.space,
            }
            for one in opened.spaces
        ]
    if as_json:
        print_json(rows)
        return
    print_table(
        ("Space", "Region", "Numbers", "Build", "Vectors", "Searched whole", ""),
        [
            (
                str(row["space"]),
                str(row["region"]),
                str(row["dim"]),
                str(row["build"]),
                f"{row['vectors']:,}",
                "" if row["region"] == "whole" else f"{row['without_subject']:,}",
                "*" * bool(row["searches"]),
            )
            for row in rows
        ],
    )


@space.command(epilog=examples("stylesearch space use openclip:ViT-B-16-SigLIP/webli"))
def use(name: NameArgument, library: LibraryOption = None) -> None:
    """Let searches run in this space where none is named."""
    from stylesearch.library import Library

    with Library.open(library) as opened:
        used = opened.use_space(name)
    typer.echo(f"Searches run in '{used.name}'.")


@space.command(epilog=examples("stylesearch space clear compact:v3 --yes", "stylesearch index PATH"))
def clear(name: NameArgument, yes: YesOption = False, library: LibraryOption = None) -> None:
    """Delete the vectors of a space, so that its pictures are encoded again."""
    from stylesearch.library import Library

    with Library.open(library) as opened:
        count = opened.clear_space(name) if yes else opened.catalog.vector_count(opened.searching(name).id)
    _print_deleted(f"stylesearch space clear {name} --yes", count, yes, library)


@space.command(epilog=examples("stylesearch space drop openclip:ViT-B-16-SigLIP/webli --yes"))
def drop(name: NameArgument, yes: YesOption = False, library: LibraryOption = None) -> None:
    """Take a space out of the library, with its vectors."""
    from stylesearch.library import Library

    with Library.open(library) as opened:
        count = opened.drop_space(name) if yes else opened.catalog.vector_count(opened.searching(name).id)
    _print_deleted(f"stylesearch space drop {name} --yes", count, yes, library)


def _print_deleted(command: str, count: int, yes: bool, library: LibraryOption) -> None:
    typer.echo(f"{'Deleted' if yes else 'Would delete'} {count:,} vectors of the space.")
    if not yes:
        typer.echo(f"Do it with: {hint(command, library)}")
