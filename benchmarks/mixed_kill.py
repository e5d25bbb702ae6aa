"""Kills a process that inserts, deletes, searches and saves at random instants, and looks at what is left.

    python -m benchmarks.mixed_kill --kills 50
    python -m benchmarks.mixed_kill --kills 50 --index qdrant --vectors 30000

After each kill: every change that the process has reported is there, and of the one that it was about to make all or
nothing; nothing that was deleted is found; the vector index, once it has caught up, holds what one holds that is made
anew from the catalog, and finds the same (where it searches approximately: recall@10 of 0.98, or at most 0.05 less than
that one). Prints a line for each kill and a verdict; exits with 1 where anything is wrong.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import drawn_library
from benchmarks.drawn_library import insert, path_of, vector_of
from stylesearch.library import Library
from stylesearch.query import Query
from stylesearch.vectors import faiss_index, new_index
from stylesearch.vectors.base import Neighbours
from stylesearch.vectors.exact import ExactIndex

K = 10
_BLOCK = 500
_RECALL, _LESS = 0.98, 0.05  # two graphs over the same vectors differ by up to 0.02

# Vectors that a structure of FAISS may not know, so that it is built, extended and saved while the process runs.
FRESH = 300


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--vectors", type=int, default=5_000, help="There from the start.")
    parser.add_argument("--index", default="faiss:hnsw", help="As of stylesearch init.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS, metavar=("LIBRARY", "FIRST", "SEED"))
    given = parser.parse_args()
    if given.child:
        work(Path(given.child[0]), int(given.child[1]), int(given.child[2]))
    faiss_index.FRESH = FRESH
    with tempfile.TemporaryDirectory() as folder:
        faults = run(Path(folder) / "library", given.index, given.vectors, given.kills, given.seed)
    print(f"FAILED: {faults} of {given.kills} kills left something wrong" if faults else "OK: nothing was wrong")
    return 1 if faults else 0


def run(folder: Path, index: str, vectors: int, kills: int, seed: int) -> int:
    """How many kills left something wrong.

    Args:
        folder: of the library, which is made.
        index: engine, as `IndexChoice.parse` takes it.
        vectors: from the start.
        kills: how many.
        seed: of what is done, and of the instants.
    """
    drawn_library.create(folder, index)
    model: dict[int, set[int]] = {}  # numbers by group
    with Library.open(folder) as library:
        for group, first in enumerate(range(0, vectors, _BLOCK)):
            model[group] = set(range(first, min(first + _BLOCK, vectors)))
            insert(library, group, sorted(model[group]))
        library.refresh()
    rng, faults = random.Random(seed), 0
    for number in range(kills):
        reported, begun = _killed(folder, rng.randint(0, 40), rng.uniform(0, 0.03), (number + 1) * 1_000_000, seed)
        for change in reported:
            _apply(model, change)
        wrong = _wrong(folder, model, begun)
        faults += bool(wrong)
        left = sum(map(len, model.values()))
        print(f"{number + 1:3}: killed after {len(reported):2} changes; {left:,} files; {wrong or 'right'}", flush=True)
    return faults


def work(folder: Path, first: int, seed: int) -> None:
    """Inserts, deletes, searches and saves until it is killed; tells each change before it, and when it is done."""
    faiss_index.FRESH = FRESH
    rng, number = random.Random(seed + first), first
    with Library.open(folder) as library:
        groups = sorted({int(asset.paths[0].split("/")[2]) for asset in library.browse(200)})
        while True:
            chance = rng.random()
            if chance < 0.4:
                change: dict[str, Any] = {"insert": list(range(number, number + rng.randint(1, 60))), "group": number}
                number += 100
                groups.append(change["group"])
                with _Told(change):
                    insert(library, change["group"], change["insert"])
            elif chance < 0.6 and groups:
                change = {"delete": groups.pop(rng.randrange(len(groups)))}
                with _Told(change):
                    library.forget(f"/drawn/{change['delete']}")
            elif chance < 0.9:
                library.search(Query(vector_of(rng.randrange(number)), k=K))
            else:
                library.refresh()


class _Told:
    """Says what is about to be done, and that it has been."""

    def __init__(self, change: dict[str, Any]) -> None:
        self._text = json.dumps(change)

    def __enter__(self) -> None:
        print(f"begin {self._text}", flush=True)

    def __exit__(self, *_: object) -> None:
        print(f"done {self._text}", flush=True)


def _killed(folder: Path, lines: int, seconds: float, first: int, seed: int) -> tuple[list[Any], Any]:
    """Runs `work` until it has told so many lines, and so much longer; its changes, and the one that it had begun."""
    program = [sys.executable, "-m", "benchmarks.mixed_kill", "--child", str(folder), str(first), str(seed)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - this very program
        assert process.stdout  # noqa: S101 - it is a pipe
        told = [process.stdout.readline() for _ in range(lines)]
        time.sleep(seconds)
        process.kill()
        told += process.stdout.readlines()
    told = [line for line in told if line.endswith("\n")]
    done = [json.loads(line.removeprefix("done ")) for line in told if line.startswith("done ")]
    begun = told[-1].removeprefix("begin ") if told and told[-1].startswith("begin ") else "null"
    return done, json.loads(begun)


def _apply(model: dict[int, set[int]], change: dict[str, Any]) -> None:
    if "insert" in change:
        model[change["group"]] = set(change["insert"])
    else:
        model.pop(change["delete"], None)


def _wrong(folder: Path, model: dict[int, set[int]], begun: dict[str, Any] | None) -> str:
    """What is wrong with a library that should hold this, and may hold what was begun, which it is then added to."""
    with Library.open(folder) as library:
        there = {path for paths in _present(library) for path in paths}
        if begun is not None and there != _paths(model):
            _apply(model, begun)
        expected = _paths(model)
        if there != expected:
            return f"{len(expected - there)} files are lost, {len(there - expected)} came back"
        searching = library.searching()
        index, ids = searching.index(), library.catalog.live_ids(searching.id)
        anew = ExactIndex(index.dim)
        for changes in library.catalog.changes(searching.id, after=0):
            anew.apply(changes)
        if not len(index) == len(anew) == len(ids):
            return f"the index holds {len(index)} vectors where {len(ids)} are due"
        for start in range(0, len(ids), _BLOCK):
            some, vectors = library.catalog.vectors(searching.id, ids[start : start + _BLOCK].tolist())
            if not np.array_equal(index.search(vectors, 1, some).ids[:, 0], some):
                return "a vector of the index is another one"
        # Between two files of the library each, as new pictures lie.
        pairs = np.random.default_rng(len(ids)).choice(ids, (100, 2))
        queries = np.stack([library.catalog.vectors(searching.id, pair.tolist())[1].mean(axis=0) for pair in pairs])
        queries = (queries / np.linalg.norm(queries, axis=1, keepdims=True)).astype(np.float32)
        found, truth = index.search(queries, K), anew.search(queries, K)
        if not np.isin(found.ids[found.ids >= 0], ids).all():
            return "the index finds what there is not"
        near = float(np.mean(found.cosines >= truth.cosines[:, -1:]))
        if near >= _RECALL:
            return ""
        best = _recall_anew(library, queries, truth)
        return f"recall is {near:.3f}, that of an index made anew {best:.3f}" if near < best - _LESS else ""


def _recall_anew(library: Library, queries: np.ndarray, truth: Neighbours) -> float:
    """What an index of the same kind finds that is built at once: a graph has its limits."""
    with tempfile.TemporaryDirectory() as folder:
        index = new_index(library.settings.index, queries.shape[1], None, Path(folder) / "anew.vectors")
        for changes in library.catalog.changes(library.searching().id, after=0):
            index.apply(changes)
        index.optimize()
        found = index.search(queries, K)
        index.close()
    return float(np.mean(found.cosines >= truth.cosines[:, -1:]))


def _present(library: Library) -> Iterator[tuple[str, ...]]:
    after = 0
    while assets := library.catalog.list_assets(after, _BLOCK):
        after = assets[-1].id
        for asset in assets:
            yield asset.paths


def _paths(model: dict[int, set[int]]) -> set[str]:
    return {path_of(group, number) for group, numbers in model.items() for number in numbers}


if __name__ == "__main__":
    sys.exit(main())
