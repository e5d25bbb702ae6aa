"""What exact rankings and all metrics cost: time, memory, and the share that is matrix product.

    python -m benchmarks.ranking_speed                                  # 76,800 vectors of 1,152 numbers
    python -m benchmarks.ranking_speed --styles 250 --contents 32       # 8,000

The vectors are drawn around their style and their content, as encoders place them. One pass ranks every picture against
all others, and against those of other contents; then every metric is taken, with its interval. The similarity part is
the pass: product, selection of the best, and summing again what rounding leaves in doubt. Its rate is compared with
that of a bare product of the same blocks, measured before and after.
"""

from __future__ import annotations

import resource
import statistics
import sys
import time

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table

from benchmarks import metrics
from benchmarks.intervals import Interval, bootstrap
from benchmarks.machine import machine
from benchmarks.ranking import DEPTH, Labels, Ranking, rank
from benchmarks.similarity import BLOCK_SCORES

STYLE, CONTENT = 0.4, 0.3
"""Strength of style and of content beside a noise of 1: hard enough that queries fail, and that content misleads."""

BLOCKS = 8  # products that the rate is measured on, before and after
KS = (1, 10, 100)


def main(styles: int = 2400, contents: int = 32, dim: int = 1152, threads: int = 0, seed: int = 0) -> None:
    """Prints time, rate and peak memory, and the metrics."""
    if threads:
        torch.set_num_threads(threads)
    console = Console(soft_wrap=True, highlight=False)
    vectors, labels = drawn(styles, contents, dim, seed)
    count = len(vectors)
    console.print(
        f"{count:,} vectors of {dim}: {styles:,} styles x {contents} contents; torch {torch.__version__} with "
        f"{torch.get_num_threads()} threads, {machine()['processor']}, {machine()['cores']} cores"
    )
    rates = product_rates(vectors)
    start = time.perf_counter()
    rankings = rank(vectors, labels, vectors, labels, own_rows=np.arange(count), depth=DEPTH)
    ranked = time.perf_counter() - start
    rates += product_rates(vectors)
    start = time.perf_counter()
    intervals = {each.protocol.name: bootstrap(scores(each), labels.styles[each.queries]) for each in rankings}
    measured = time.perf_counter() - start

    rate = statistics.median(rates)
    bare = 2 * count**2 * dim / rate
    lowest, highest = min(rates) / 1e9, max(rates) / 1e9
    console.print(
        f"product alone       {bare:.1f} s at {rate / 1e9:.0f} GFLOP/s (blocks: {lowest:.0f} to {highest:.0f})\n"
        f"similarity part     {ranked:.1f} s, both protocols: {100 * bare / ranked:.0f} % of the rate of the product\n"
        f"metrics, intervals  {measured:.1f} s\n"
        f"peak memory         {peak_bytes() / 1e9:.2f} GB, of which the vectors {vectors.nbytes / 1e9:.2f} GB"
    )
    console.print(as_table(intervals))


def drawn(styles: int, contents: int, dim: int, seed: int) -> tuple[np.ndarray, Labels]:
    """Each content once in each style: float32 (styles * contents, dim), rows of unit length, and their labels."""
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((styles, contents, dim), dtype=np.float32)
    vectors += STYLE * rng.standard_normal((styles, 1, dim), dtype=np.float32)
    vectors += CONTENT * rng.standard_normal((1, contents, dim), dtype=np.float32)
    flat = vectors.reshape(-1, dim)
    flat /= np.sqrt(np.einsum("nd,nd->n", flat, flat))[:, None]
    style = np.repeat([f"style {i}" for i in range(styles)], contents)
    content = np.tile(np.array([f"content {i}" for i in range(contents)], object), styles)
    return flat, Labels(style, content)


def product_rates(vectors: np.ndarray) -> list[float]:
    """FLOP/s of the bare product of each of some blocks of queries with all vectors."""
    every = torch.from_numpy(vectors)
    rows = min(len(every), max(1, BLOCK_SCORES // len(every)))
    room = torch.empty(rows, len(every))
    rates = []
    for block in range(BLOCKS + 1):
        queries = every[block * rows % (len(every) - rows + 1) :][:rows]
        start = time.perf_counter()
        torch.mm(queries, every.T, out=room)
        rates.append(2 * room.numel() * every.shape[1] / (time.perf_counter() - start))
    return rates[1:]  # the first one also wakes the threads


def scores(ranking: Ranking) -> np.ndarray:
    """float64 (Q, M): every metric, at every k where it has one."""
    found, relevant = ranking.found, ranking.relevant
    columns = [metrics.map_at_r(found, relevant), metrics.reciprocal_rank(ranking.first)]
    for k in KS:
        columns += [metrics.hit_rate(found, k), metrics.precision(found, k), metrics.mean_precision(found, k)]
        columns += [metrics.average_precision(found, relevant, k), metrics.recall(found, relevant, k)]
        columns.append(metrics.ndcg(found, relevant, k))
    return np.stack(columns, 1)


def as_table(intervals: dict[str, Interval]) -> Table:
    """Means with the half-width of their intervals, per cent."""
    at_k = ("hit rate", "precision", "mean precision", "AP", "recall", "nDCG")
    names = ["MAP@R", "MRR", *(f"{name}@{k}" for k in KS for name in at_k)]
    table = Table("per cent", *(name.replace("_", " ") for name in intervals))
    for row, name in enumerate(names):
        shown = (f"{100 * i.mean[row]:.2f} ± {50 * (i.high[row] - i.low[row]):.2f}" for i in intervals.values())
        table.add_row(name, *shown)
    return table


def peak_bytes() -> int:
    """The largest memory that this process has held at once."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


if __name__ == "__main__":
    typer.run(main)
