"""`ui`: the search page in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stylesearch.cli.app import JsonOption, LibraryOption, app, examples, print_json


@app.command(epilog=examples("stylesearch ui", "stylesearch ui --library archive --port 8600 --no-browser"))
def ui(
    library: LibraryOption = None,
    port: Annotated[int, typer.Option(help="Port of the page.", min=1, max=65535)] = 8501,
    host: Annotated[str, typer.Option(help="Address to bind to; the default is this machine alone.")] = "127.0.0.1",
    browser: Annotated[bool, typer.Option(help="Open a browser window.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Open the search page."""
    from stylesearch.library import Library
    from ui.serve import serve

    with Library.open(library) as opened:  # fails here, in the terminal, rather than in the page
        folder: Path = opened.folder.resolve()
    url = f"http://{host}:{port}"
    if as_json:
        print_json({"url": url, "library": str(folder)})
    else:
        typer.echo(f"The search page of '{folder}' is at {url}. Stop it with Ctrl+C.")
    raise typer.Exit(serve(folder, host=host, port=port, open_browser=browser))
