"""Kills the indexer at random instants and compares the catalog with that of an uninterrupted run.

    python -m benchmarks.kill_resume --files 2000 --kills 20

Prints one line for each kill and a verdict; exits with 1 where the two catalogs differ in any asset, location, vector
or thumbnail.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.drawn import draw_files
from indexer.run import index
from stylesearch.library import Library
from stylesearch.settings import Settings

_BATCH = 500  # assets that are compared together


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=2_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS, metavar=("LIBRARY", "PICTURES"))
    arguments = parser.parse_args()
    if arguments.child:
        run_index(*map(Path, arguments.child))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        return compare(Path(folder), arguments.files, arguments.kills, random.Random(arguments.seed))


def compare(folder: Path, files: int, kills: int, rng: random.Random) -> int:
    pictures = folder / "pictures"
    draw_files(pictures, files)
    started = time.monotonic()
    _child(folder / "whole", pictures).communicate()
    whole_seconds = time.monotonic() - started
    print(f"uninterrupted: {files:,} files in {whole_seconds:.1f} s")
    for number in range(kills):
        # One run in five dies at its start, the others when they have encoded their share, more or less.
        share = rng.randint(1, 2 * files // kills) if number % 5 else 0
        process = _child(folder / "killed", pictures)
        reached = _kill_after(process, share, rng.uniform(0, 0.05) if share else rng.uniform(0, 3))
        print(
            f"run {number + 1:2}: killed after {reached:,} files, {vectors(folder / 'killed'):,} vectors in the catalog"
        )
    last = _child(folder / "killed", pictures)
    last.communicate()
    if last.returncode != 0:
        print("FAILED: the last run did not end well")
        return 1
    same = contents(folder / "killed") == contents(folder / "whole")
    print("OK: the catalogs are equal" if same else "FAILED: the catalogs differ")
    return 0 if same else 1


def run_index(folder: Path, pictures: Path) -> None:
    """Indexes into the library at `folder`, which is made where it is missing."""
    with Library.open(folder) if (folder / "library.json").exists() else Library.create(folder) as library:
        index(
            library.catalog,
            library.encoder,
            [pictures],
            thumbnails=library.thumbnails,
            settings=Settings.from_environment(),
            progress=lambda progress: print(progress.encoded, flush=True),
        )


def vectors(folder: Path) -> int:
    """How many vectors the library holds; 0 where it was killed before it was made."""
    if not (folder / "library.json").exists():
        return 0
    with Library.open(folder) as library:
        return library.status().searchable


def contents(folder: Path) -> list[tuple[object, ...]]:
    """One row for each asset, by content: everything that must not depend on how the library was filled."""
    rows: list[tuple[object, ...]] = []
    with Library.open(folder) as library:
        space_id = library.catalog.ensure_space(library.space)
        after = 0
        while assets := library.catalog.list_assets(after, _BATCH):
            after = assets[-1].id
            ids, block = library.catalog.vectors(space_id, [asset.id for asset in assets])
            by_id = dict(zip(ids.tolist(), block, strict=True))
            for asset in assets:
                small = hashlib.sha256(library.thumbnail(asset).read_bytes()).hexdigest()
                vector = by_id[asset.id].tobytes()
                rows.append((asset.sha256, asset.size, asset.width, asset.height, asset.paths, vector, small))
        rows.append((library.catalog.counts(),))
    return sorted(rows[:-1]) + rows[-1:]


def _child(folder: Path, pictures: Path) -> subprocess.Popen[str]:
    program = [sys.executable, "-m", "benchmarks.kill_resume", "--child", str(folder), str(pictures)]
    return subprocess.Popen(  # noqa: S603 - this very program
        program, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def _kill_after(process: subprocess.Popen[str], files: int, seconds: float) -> int:
    """Kills the process so many seconds after it has encoded so many files, and returns how many it had."""
    with process:
        reached = 0
        assert process.stdout  # noqa: S101 - it is a pipe
        while reached < files and (line := process.stdout.readline()):
            reached = int(line)
        time.sleep(seconds)
        process.kill()
        return reached


if __name__ == "__main__":
    sys.exit(main())
