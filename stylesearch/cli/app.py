"""The Typer application, the options that commands share, and the way errors leave the program."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from stylesearch.errors import StyleSearchError, UsageError

DONE, FAILED, USAGE, SOME_REFUSED = 0, 1, 2, 3


class _Group(TyperGroup):
    def invoke(self, ctx: Any) -> Any:  # typer.Context; its base class is private to Typer
        """Runs the command; an error raised on purpose becomes its message and an exit code."""
        try:
            return super().invoke(ctx)
        except StyleSearchError as exc:
            from rich.console import Console
            from rich.text import Text

            Console(stderr=True, soft_wrap=True).print(Text("Error: ", style="bold red") + Text(str(exc)))
            raise typer.Exit(USAGE if isinstance(exc, UsageError) else FAILED) from exc


app = typer.Typer(
    cls=_Group,
    help="Search images by style: index a folder, find what shares its style.",
    epilog="Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done with some files refused.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

LibraryOption = Annotated[
    Path | None,
    typer.Option(
        "--library",
        "-l",
        help="Folder of the library.",
        envvar="STYLESEARCH_LIBRARY",
        show_default="./stylesearch-library",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


def examples(*commands: str) -> str:
    """The epilog of a command's help."""
    return "[bold]Examples[/bold]\n\n" + "\n\n".join(f"  $ {command}" for command in commands)


def print_json(value: object) -> None:
    """Prints to standard output, readable by any JSON parser."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))


@app.callback(invoke_without_command=True)
def _options(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    if version:
        from importlib.metadata import version as installed

        typer.echo(f"stylesearch {installed('stylesearch')}")
        raise typer.Exit
