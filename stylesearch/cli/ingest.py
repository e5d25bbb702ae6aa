"""`index` and `sample`: how pictures get in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stylesearch.cli.app import JsonOption, app, examples, print_json


@app.command(epilog=examples("stylesearch sample pictures", "stylesearch sample pictures --styles 100 --contents 6 --seed 1"))
def sample(
    folder: Annotated[Path, typer.Argument(help="Folder to draw into; empty or new.")],
    styles: Annotated[int, typer.Option(help="How many styles.")] = 40,
    contents: Annotated[int, typer.Option(help="How many pictures in each style.")] = 12,
    size: Annotated[int, typer.Option(help="Side of a picture in pixels.")] = 448,
    seed: Annotated[int, typer.Option(help="Another seed draws other styles.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Draw a sample library: the same scenes in many styles, nothing downloaded."""
    from encoder_training.sample import draw_sample_library
    from stylesearch.cli.progress import progress_bar

    with progress_bar(hidden=as_json) as bar:
        task = bar.add_task("Drawing", total=styles * contents, note="")
        for _ in draw_sample_library(folder, styles=styles, contents=contents, size=size, seed=seed):
            bar.advance(task)
    if as_json:
        print_json({"folder": str(folder), "pictures": styles * contents})
    else:
        typer.echo(f"Drew {styles * contents:,} pictures in {styles:,} styles to '{folder}'.")
