"""Kills processes of the indexer at random instants and compares the library with that of an uninterrupted run.

    python -m benchmarks.kill_resume --files 2000 --kills 50
    python -m benchmarks.kill_resume --files 2000 --kills 50 --postgres

Each kill hits the main process, a worker or, with `--postgres`, the database server. Prints one line for
each kill and a verdict; exits with 1 where the two libraries differ in any asset, location, vector, thumbnail,
metadata, tag, palette, refusal or answer of a search.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from benchmarks.drawn import draw_files, write_bad_files
from benchmarks.postgres import Server
from indexer.run import index
from stylesearch.export import as_record
from stylesearch.library import Library
from stylesearch.query import Query
from stylesearch.settings import Settings
from stylesearch.uris import printable

_BATCH = 500  # assets that are compared together
_QUESTIONS, _K = 20, 10


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=2_000)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--encoder", default="descriptors:lab-gradient")
    parser.add_argument("--postgres", action="store_true", help="Keep the catalog on a server, and kill that, too.")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS, metavar=("LIBRARY", "PICTURES"))
    arguments = parser.parse_args()
    if arguments.child:
        run_index(*map(Path, arguments.child))
        return 0
    # Not below a folder that only root may enter: the server runs as another user then.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        server = Server(Path(folder, "server")) if arguments.postgres else None
        if server:
            server.start()
        try:
            rng = random.Random(arguments.seed)
            return compare(Path(folder), arguments.files, arguments.kills, rng, arguments.encoder, server)
        finally:
            if server:
                server.stop()


def compare(folder: Path, files: int, kills: int, rng: random.Random, encoder: str, server: Server | None) -> int:
    """Fills two libraries, one of them with interruptions; the exit code."""
    pictures, whole, killed = folder / "pictures", folder / "whole", folder / "killed"
    draw_files(pictures, files)
    write_bad_files(pictures)
    Library.create(whole, encoder=encoder).close()
    Library.create(killed, encoder=encoder, catalog=server.url if server else None).close()
    started = time.monotonic()
    _child(whole, pictures).communicate()
    print(f"uninterrupted: {files:,} files in {time.monotonic() - started:.1f} s", flush=True)
    for number in range(kills):
        victim = rng.choice(["main", "worker", *(["database"] if server else [])])
        # One run in five dies at its start, the others when they have encoded their share, more or less.
        share = rng.randint(1, 2 * files // kills) if number % 5 else 0
        process = _child(killed, pictures)
        reached = _kill(process, victim, server, share, rng.uniform(0, 0.05) if share else rng.uniform(0, 3))
        print(f"{number + 1:3}: {victim:8} killed after {reached:,} files; {vectors(killed):,} vectors", flush=True)
    last = _child(killed, pictures)
    last.communicate()
    if last.returncode != 0:
        print("FAILED: the last run did not end well")
        return 1
    parts = {"catalogs": contents, "refusals": refusals, "answers": answers}
    differing = [name for name, read in parts.items() if read(killed) != read(whole)]
    print(f"FAILED: the {' and the '.join(differing)} differ" if differing else "OK: the libraries are equal")
    return 1 if differing else 0


def run_index(folder: Path, pictures: Path) -> None:
    """Indexes into the library at `folder`."""
    with Library.open(folder) as library:
        index(
            library.catalog,
            library.encoder,
            [pictures],
            thumbnails=library.thumbnails,
            settings=Settings.from_environment(),
            progress=lambda progress: print(progress.encoded, flush=True),
        )


def vectors(folder: Path) -> int:
    """How many vectors the index holds, once it has caught up and was saved."""
    with Library.open(folder) as library:
        return library.refresh()


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
            for details in library.catalog.details([asset.id for asset in assets]).values():
                asset, known = details.asset, as_record(details) | {"id": None}
                small = hashlib.sha256(library.thumbnail(asset).read_bytes()).hexdigest()
                vector = by_id[asset.id].tobytes()
                rows.append((asset.sha256, json.dumps(known, sort_keys=True), vector, small))
        rows.append((library.catalog.counts(),))
    return sorted(rows[:-1]) + rows[-1:]


def refusals(folder: Path) -> list[tuple[str, str]]:
    """Path and reason of each file that could not be used."""
    with Library.open(folder) as library:
        return [(printable(refusal.stat.uri), refusal.reason) for refusal in library.refusals()]


def answers(folder: Path) -> list[list[tuple[float, str]]]:
    """What the index finds for some pictures, by content."""
    with Library.open(folder) as library:
        assets = sorted(library.browse(_QUESTIONS * _K), key=lambda asset: asset.sha256)
        by_hash = {asset.sha256: asset.id for asset in assets}
        shared = sorted(by_hash)[:_QUESTIONS]
        found = [library.search(Query(by_hash[sha256], k=_K)) for sha256 in shared]
    return [sorted((round(hit.cosine, 4), hit.asset.sha256) for hit in hits) for hits in found]


def _child(folder: Path, pictures: Path) -> subprocess.Popen[str]:
    program = [sys.executable, "-m", "benchmarks.kill_resume", "--child", str(folder), str(pictures)]
    return subprocess.Popen(  # noqa: S603 - this very program
        program, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def _kill(process: subprocess.Popen[str], victim: str, server: Server | None, files: int, seconds: float) -> int:
    """Kills the victim so many seconds after so many files were encoded, and returns how many there were in the end.

    The run goes on without a worker that was killed; it is ended once it has encoded as many files again.
    """
    with process:
        reached = _wait_for(process, files)
        time.sleep(seconds)
        if victim == "worker":
            if workers := _workers(process.pid):
                with suppress(ProcessLookupError):
                    os.kill(random.choice(workers), signal.SIGKILL)
            reached = _wait_for(process, reached + files)
        if victim == "database" and server:
            server.kill()
            process.communicate()
            server.start()
        process.kill()
        return reached


def _wait_for(process: subprocess.Popen[str], files: int) -> int:
    """Waits until so many files are encoded, or the run has ended; returns how many there are."""
    reached = 0
    assert process.stdout  # noqa: S101 - it is a pipe
    while reached < files and (line := process.stdout.readline()):
        reached = int(line)
    return reached


def _workers(pid: int) -> list[int]:
    """The decoder processes of a run (Linux)."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == pid and b"spawn_main" in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return found


if __name__ == "__main__":
    sys.exit(main())
