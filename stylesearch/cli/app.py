"""The Typer application, what commands share, and the way errors leave the program."""

from __future__ import annotations

import errno
import json
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from stylesearch.errors import StyleSearchError, UsageError

DONE, FAILED, USAGE, SOME_REFUSED, BELOW_FLOOR = 0, 1, 2, 3, 4


class _Group(TyperGroup):
    def invoke(self, ctx: Any) -> Any:  # typer.Context; its base class is private to Typer
        """Runs the command; an error raised on purpose becomes its message and an exit code."""
        try:
            try:
                return super().invoke(ctx)
            finally:
                sys.stdout.flush()  # here a full disk can still be told
        except StyleSearchError as exc:
            _print_error(with_library(str(exc), ctx.meta.get("library")))
            raise typer.Exit(USAGE if isinstance(exc, UsageError) else FAILED) from exc
        except OSError as exc:
            if exc.errno == errno.EPIPE:
                raise  # whoever read has had enough; Typer ends silently
            file = f": '{exc.filename}'" if exc.filename else ""
            _print_error(f"The operating system refuses ({exc.strerror or exc}{file}).")
            raise typer.Exit(FAILED) from exc


app = typer.Typer(
    cls=_Group,
    help="Search images by style: index a folder, find what shares its style.",
    epilog="Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done with some files refused, missing or damaged, "
    "4 a score of a benchmark is below its floor.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def remember_library(context: typer.Context, library: Path | None) -> Path | None:
    """Callback of the parameter that names the library: the hints of error messages name it too."""
    context.meta["library"] = library  # shared with the group
    return library


LibraryOption = Annotated[
    Path | None,
    typer.Option(
        "--library",
        "-l",
        help="Folder of the library.",
        envvar="STYLESEARCH_LIBRARY",
        show_default="./stylesearch-library",
        callback=remember_library,
    ),
]
MaskerOption = Annotated[
    str | None, typer.Option(help="What tells regions of pictures apart.", show_default="the embedded one")
]
MaskUseOption = Annotated[
    str | None,
    typer.Option(help="How a region is told from the rest; see docs/masking.md.", show_default="the best measured"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


def examples(*commands: str) -> str:
    """The epilog of a command's help."""
    return "[bold]Examples[/bold]\n\n" + "\n\n".join(f"  $ {command}" for command in commands)


def hint(command: str, library: Path | None) -> str:
    """A command to type next, such as "stylesearch errors", for the library that this command works on."""
    from stylesearch.settings import Settings

    if library is None or library == Settings.from_environment().library:
        return command
    return f"{command} --library {shlex.quote(str(library))}"


def with_library(message: str, library: Path | None) -> str:
    """The message, its commands completed by `hint`: what is below the command line knows no `--library`."""
    path_or_flag = r"(?: PATH| --(?!library)[a-z-]++(?! \w))"  # no flag that a value comes after
    on_a_library = r"(?!init|backends|bench|formats|sample)(?:(?:board|space|vectors) )?[a-z-]++"
    command = rf"stylesearch {on_a_library}{path_or_flag}*+(?! --library)"
    return re.sub(command, lambda found: hint(found[0], library), message)


def print_json(value: object) -> None:
    """Prints to standard output, readable by any JSON parser."""
    utf8 = (sys.stdout.encoding or "").lower().startswith("utf")
    typer.echo(json.dumps(value, ensure_ascii=not utf8, indent=2))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on a terminal; elsewhere a line for each row, its cells separated by tabs, for `cut` and the like."""
    if not sys.stdout.isatty():
        for row in rows:
            typer.echo("\t".join(re.sub(r"[\t\r\n]+", " ", cell) for cell in row))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns)
    for row in rows:
        table.add_row(*(Text(cell, overflow="fold") for cell in row))
    Console().print(table)


def _print_error(message: str) -> None:
    from rich.console import Console
    from rich.text import Text

    Console(stderr=True, soft_wrap=True).print(Text("Error: ", style="bold red") + Text(message))


@app.callback(invoke_without_command=True)
def _options(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    if version:
        from importlib.metadata import version as installed

        typer.echo(f"stylesearch {installed('stylesearch')}")
        raise typer.Exit
