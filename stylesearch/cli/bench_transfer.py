"""`bench transfer`: how well backends take up a style, to publish."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stylesearch.cli.app import SOME_REFUSED, JsonOption, examples, print_json, print_table
from stylesearch.cli.bench import bars, bench, told_how_to_go_on
from stylesearch.errors import UsageError

if TYPE_CHECKING:
    from benchmarks.transfer import Result

DEFAULT_OUT = Path("stylesearch-bench-transfer")


@bench.command(
    epilog=examples(
        "stylesearch bench transfer rendered:styles=40,contents=12 --backend preview -e compact:v3 --out runs/preview",
        "stylesearch bench transfer paintings -b preview --contents photographs -e compact:v3",
        "stylesearch bench transfer paintings -b flux:mega@models/flux -b flux:redux@models/flux -e csd:csd.pth "
        "--content-encoder openclip:ViT-L-14/openai --subjects 20 --out runs/flux",
        "stylesearch bench transfer icons -b comfyui:http://127.0.0.1:8188 -e compact:v3 --prompts prompts.txt",
    )
)
def transfer(
    references: Annotated[
        str, typer.Argument(metavar="SET", help="Whose styles: a set as 'bench retrieval' takes it; one of each style.")
    ],
    backend: Annotated[
        list[str] | None, typer.Option("--backend", "-b", help="Under test; see: stylesearch backends. Repeatable.")
    ] = None,
    encoder: Annotated[
        list[str] | None, typer.Option("--encoder", "-e", help="Encoder that measures style. Repeatable.")
    ] = None,
    content_encoder: Annotated[
        str | None,
        typer.Option(
            help="Encoder that measures what is shown, with a text tower also prompts.", show_default="the first"
        ),
    ] = None,
    contents: Annotated[
        str | None, typer.Option(metavar="SET", help="Pictures to be shown, to backends that take some.")
    ] = None,
    prompts: Annotated[
        Path | None, typer.Option(help="File with a prompt on each line.", show_default="20 plain ones")
    ] = None,
    styles: Annotated[int, typer.Option(help="How many references.", min=2)] = 20,
    subjects: Annotated[int, typer.Option(help="Prompts, or contents, for each reference.", min=1)] = 5,
    count: Annotated[int, typer.Option("--count", "-n", help="Pictures of each pair.", min=1, max=64)] = 1,
    size: Annotated[int, typer.Option(help="Width and height in pixels.", min=64, max=4096)] = 512,
    strength: Annotated[float, typer.Option(help="How much of the style comes through.", min=0, max=1)] = 1.0,
    steps: Annotated[
        int | None, typer.Option(help="Of the models' samplers.", min=1, show_default="what suits each")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the report; pictures are kept in it.")] = DEFAULT_OUT,
    pictures: Annotated[bool, typer.Option("--pictures/--no-pictures", help="Show pictures in the report.")] = True,
    seed: Annotated[int, typer.Option(help="Of references, pictures and resampling.", min=0)] = 0,
    cache: Annotated[
        Path | None, typer.Option(help="Folder for rendered sets.", show_default="the user's cache folder")
    ] = None,
    browser: Annotated[bool, typer.Option("--open", help="Open the report in a browser.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure how well transfer backends take up styles, and what else they bring along.

    A run that is interrupted goes on where it stopped; what is made stays in the folder of --out.
    """
    from benchmarks.transfer import Config, run
    from benchmarks.transfer.config import PROMPTS
    from benchmarks.transfer.report import RESULT, write_report
    from stylesearch.settings import Settings
    from stylesearch.transfer import DEFAULT_BACKEND

    config = Config(
        set=references,
        backends=tuple(backend or (DEFAULT_BACKEND,)),
        encoders=tuple(encoder or ()),
        out=out,
        content_encoder=content_encoder,
        contents=contents,
        prompts=_lines(prompts) if prompts else PROMPTS,
        styles=styles,
        subjects=subjects,
        count=count,
        size=size,
        strength=strength,
        steps=steps,
        seed=seed,
        workers=Settings.from_environment().workers,
        cache=cache,
        command=shlex.join(["stylesearch", *sys.argv[1:]]),
    )
    with bars(hidden=as_json) as tell, told_how_to_go_on():
        found = run(config, tell)
        page = write_report(found, out, pictures=pictures)
    if as_json:
        print_json(_summary(found.result) | {"report": str(page), "result": str(out / RESULT)})
    else:
        _print_scores(found.result)
        for problem in found.result.problems:
            typer.echo(f"Note: {problem.where}: {problem.message}", err=True)
        typer.echo(f"Report: {page}", err=True)
    if browser:
        typer.launch(page.resolve().as_uri())
    if any(each.failed for each in found.result.backends):
        raise typer.Exit(SOME_REFUSED)


def _lines(path: Path) -> tuple[str, ...]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        raise UsageError(f"The prompts in '{path}' cannot be read ({exc}).") from exc
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def _summary(result: Result) -> dict[str, object]:
    return {
        "backends": [
            {"backend": each.name, "made": each.made, "failed": each.failed, "seconds": each.seconds}
            for each in result.backends
        ],
        "evaluations": [
            {
                "backend": each.backend,
                "encoder": each.encoder or result.content_encoder,
                "scores": {
                    score.metric: {"value": score.value, "low": score.low, "high": score.high, "beside": score.beside}
                    for score in each.scores
                },
            }
            for each in result.evaluations
        ],
        "problems": [{"where": each.where, "kind": each.kind, "message": each.message} for each in result.problems],
    }


def _print_scores(result: Result) -> None:
    from benchmarks.transfer.definitions import MEASURES

    rows = [
        (
            each.backend,
            each.encoder or result.content_encoder,
            MEASURES[score.metric].title,
            f"{score.value:.3f}",
            "-" if score.low is None or score.high is None else f"{score.low:.3f} to {score.high:.3f}",
            "-" if score.beside is None else f"{score.beside:.3f}",
        )
        for each in result.evaluations
        for score in each.scores
    ]
    print_table(("Backend", "Encoder", "Measure", "Mean", "95 %", "Beside"), rows)
