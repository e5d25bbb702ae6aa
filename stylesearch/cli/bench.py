"""`bench retrieval`, `bench speed`: measurements to publish."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stylesearch.cli.app import (
    BELOW_FLOOR,
    FAILED,
    SOME_REFUSED,
    JsonOption,
    app,
    examples,
    print_json,
    print_table,
)

if TYPE_CHECKING:
    from benchmarks.report.gate import Verdict
    from benchmarks.retrieval import Result

DEFAULT_OUT = Path("stylesearch-bench")
_WORDS = 44  # letters of a step's description, so that bar and rate fit beside it

bench = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")
app.add_typer(bench, name="bench", help="Measure how well styles are found, and how fast.")


@bench.command(
    epilog=examples(
        "stylesearch bench retrieval rendered:styles=40,contents=12 --encoder compact:v3 --out runs/first",
        "stylesearch bench retrieval paintings posters=scans/posters -e compact:v3 -e descriptors:lab-gradient --csls",
        "stylesearch bench retrieval wikiart:wikiart --encoder openclip:ViT-L-14/openai --out runs/wikiart",
        "stylesearch bench retrieval --queries sketches --gallery paintings --encoder compact:v3",
        "stylesearch bench retrieval icons -e compact:v3 --baseline runs/last/result.json --fail-under p1=0.4",
    )
)
def retrieval(
    sets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SET",
            help="A folder STYLE/CONTENT.png, a parquet file, wikiart:DIR or rendered:styles=N; NAME=SET names it.",
        ),
    ] = None,
    encoder: Annotated[
        list[str] | None, typer.Option("--encoder", "-e", help="Encoder under test. Repeat for several.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the report; embeddings are kept in it.")] = DEFAULT_OUT,
    queries: Annotated[str | None, typer.Option(metavar="SET", help="This set asks, and --gallery answers.")] = None,
    gallery: Annotated[str | None, typer.Option(metavar="SET", help="The set that answers --queries.")] = None,
    protocol: Annotated[
        list[str] | None,
        typer.Option(
            help="Only this one: leave_one_out, own_content_left_out, query_gallery or cross_source. Repeatable.",
            show_default="all that the data allows",
        ),
    ] = None,
    k: Annotated[
        list[int] | None, typer.Option("--k", "-k", help="Depth of the metrics.", show_default="1, 10, 100")
    ] = None,
    csls: Annotated[bool, typer.Option("--csls", help="Also rank with cosines corrected for hubs.")] = False,
    approximate: Annotated[
        bool, typer.Option("--approximate/--no-approximate", help="Measure what approximate search loses.")
    ] = True,
    pictures: Annotated[
        bool, typer.Option("--pictures/--no-pictures", help="Show pictures of the sets in the report.")
    ] = True,
    baseline: Annotated[Path | None, typer.Option(help="The result.json of an earlier run, to compare with.")] = None,
    fail_under: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[SET:]METRIC=SHARE",
            help="Exit with 4 where a score is lower, such as p1=0.4, hit@10=0.8 or icons:mean_precision@10=0.3.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the resampling.")] = 0,
    cache: Annotated[
        Path | None, typer.Option(help="Folder for rendered sets.", show_default="the user's cache folder")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(help="Threads that decode, processes that draw.", min=1, show_default="one for each core"),
    ] = None,
    browser: Annotated[bool, typer.Option("--open", help="Open the report in a browser.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure how well encoders find pictures of one style, and write a report to publish.

    A run that is interrupted goes on where it stopped; what is encoded stays in the folder of --out.
    """
    from benchmarks.report import RESULT, require_matplotlib, write_report
    from benchmarks.report.baseline import compare, read_baseline
    from benchmarks.report.gate import check_sets, judge, parse_floor
    from benchmarks.retrieval import Config, run
    from stylesearch.settings import Settings

    floors = [parse_floor(text) for text in fail_under or ()]
    config = Config(
        encoders=tuple(encoder or ()),
        sets=tuple(sets or ()),
        out=out,
        queries=queries,
        gallery=gallery,
        protocols=tuple(protocol) if protocol else None,
        ks=(*(k or (1, 10, 100)), *(floor.k for floor in floors if floor.k)),
        csls=csls,
        approximate=approximate,
        seed=seed,
        cache=cache,
        workers=workers or Settings.from_environment().workers,
        command=shlex.join(["stylesearch", *sys.argv[1:]]),
    )
    earlier = read_baseline(baseline) if baseline else None
    require_matplotlib()
    with bars(hidden=as_json) as tell, told_how_to_go_on():
        found = run(config, tell, check=lambda names: check_sets(floors, names))
        verdicts = judge(found.result, floors)
        comparison = compare(found.result, found.measured, earlier, seed=seed) if earlier else None
        tell("Writing the report", 0, 1)
        page = write_report(found, out, pictures=pictures, comparison=comparison, verdicts=verdicts)
        tell("Writing the report", 1, 1)
    if as_json:
        print_json(_summary(found.result, verdicts) | {"report": str(page), "result": str(out / RESULT)})
    else:
        _print_scores(found.result)
        for verdict in verdicts:
            typer.echo(f"{'Passed' if verdict.passed else 'FAILED'}: {verdict.sentence}", err=True)
        for problem in found.result.problems:
            typer.echo(f"Note: {problem.where}: {problem.message}", err=True)
        typer.echo(f"Report: {page}", err=True)
    if browser:
        typer.launch(page.resolve().as_uri())
    if not all(verdict.passed for verdict in verdicts):
        raise typer.Exit(BELOW_FLOOR)
    if any(problem.kind in ("unreadable", "no_vector") for problem in found.result.problems):
        raise typer.Exit(SOME_REFUSED)


@bench.command(
    epilog=examples("stylesearch bench speed", "stylesearch bench speed indexing search --vectors 1000000 --json")
)
def speed(
    parts: Annotated[
        list[str] | None,
        typer.Argument(metavar="PART", help="indexing, search, memory or page.", show_default="all"),
    ] = None,
    encoder: Annotated[str | None, typer.Option(help="Encoder that indexes.", show_default="the embedded one")] = None,
    pictures: Annotated[Path | None, typer.Option(help="Folder to index.", show_default="drawn pictures")] = None,
    count: Annotated[int, typer.Option(help="Pictures to index at most.", min=1)] = 1_000,
    vectors: Annotated[int, typer.Option(help="Vectors to search.", min=1)] = 100_000,
    dim: Annotated[int, typer.Option(help="Numbers in a vector.", min=1)] = 384,
    k: Annotated[int, typer.Option("--k", "-k", help="Neighbours wanted.", min=1)] = 20,
    rounds: Annotated[int, typer.Option(help="Queries, or clicks, that are timed.", min=1)] = 100,
    peers: Annotated[
        bool, typer.Option("--peers", help="Install other programs into a temporary folder and measure them too.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure indexing, search, memory and the page on this machine."""
    from rich.console import Console

    from benchmarks.speed import PARTS, Config, run
    from stylesearch.encoders import DEFAULT_ENCODER

    config = Config(
        encoder=encoder or DEFAULT_ENCODER,
        pictures=pictures,
        count=count,
        vectors=vectors,
        dim=dim,
        k=k,
        rounds=rounds,
        peers=peers,
    )
    result = run(parts or PARTS, config, None if as_json else lambda words: typer.echo(words, err=True))
    if as_json:
        typer.echo(result.to_json(), nl=False)
    else:
        result.print(Console(soft_wrap=True, highlight=False))


@contextmanager
def bars(*, hidden: bool) -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each step of a run; yields what `run` takes as its progress."""
    from stylesearch.cli.progress import progress_bar

    with progress_bar(hidden=hidden) as bar:
        tasks = {}

        def tell(what: str, done: int, total: int) -> None:
            if what not in tasks:
                words = what if len(what) <= _WORDS else what[: _WORDS - 1] + "…"
                tasks[what] = bar.add_task(words, total=total, note="")
            bar.update(tasks[what], completed=done, total=total)

        yield tell


@contextmanager
def told_how_to_go_on() -> Iterator[None]:
    """Says, where somebody interrupts, that nothing is lost."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("Interrupted; what was done is kept. Run the same command again to go on.", err=True)
        raise typer.Exit(FAILED) from None


def _headline(result: Result) -> Iterator[dict[str, str | int | bool | dict[str, float]]]:
    from benchmarks.report.definitions import METRICS
    from benchmarks.retrieval.results import HEADLINE

    for each in result.evaluations:
        scores = {METRICS[metric].at(k): score.value for metric, k in HEADLINE if (score := each.score(metric, k))}
        yield {
            "set": each.label,
            "protocol": each.protocol,
            "encoder": each.encoder,
            "csls": each.csls,
            "queries": each.queries,
            "scores": scores,
        }


def _summary(result: Result, verdicts: list[Verdict]) -> dict[str, object]:
    return {
        "encoded": result.times.encoded,
        "evaluations": list(_headline(result)),
        "gate": [{"floor": each.floor.text, "passed": each.passed, "what": each.sentence} for each in verdicts],
        "problems": [{"where": each.where, "kind": each.kind, "message": each.message} for each in result.problems],
    }


def _print_scores(result: Result) -> None:
    from benchmarks.report.definitions import METRICS
    from benchmarks.report.html import interval, percent
    from benchmarks.retrieval.results import HEADLINE

    rows = []
    for each in result.evaluations:
        found = [each.score(metric, k) for metric, k in HEADLINE]
        cells = [f"{percent(score.value)} ({interval(score)})" if score else "-" for score in found]
        rows.append((each.label, each.protocol, each.encoder + (" + CSLS" if each.csls else ""), *cells))
    print_table(("Set", "Protocol", "Encoder", *(METRICS[metric].at(k) for metric, k in HEADLINE)), rows)
