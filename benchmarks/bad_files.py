"""Thirty bad files among a hundred good ones: all good ones indexed, all bad ones named, memory bounded.

    python -m benchmarks.bad_files

Prints every refusal with its reason, the peak memory of all processes together, and a verdict; exits with 1 where a
good file is missing, a bad one is not named, or the peak reaches 1 GB.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from benchmarks.drawn import draw_files, write_bad_files
from benchmarks.speed.memory import peak_memory
from indexer.run import index
from stylesearch.library import Library
from stylesearch.settings import Settings
from stylesearch.uris import path_of_uri, printable

GOOD = 100
MEMORY = 2**30  # bytes


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        pictures = Path(folder, "pictures")
        draw_files(pictures, GOOD)
        bad = write_bad_files(pictures)
        with Library.create(Path(folder, "library")) as library, peak_memory() as peak:
            report = index(
                library.catalog,
                library.encoder,
                [pictures],
                thumbnails=library.thumbnails,
                settings=Settings.from_environment(),
            )
            refusals = library.refusals()
    for refusal in refusals:
        name = printable(os.path.relpath(path_of_uri(refusal.stat.uri), pictures))
        print(f"{name:16} {refusal.reason:13} {refusal.message}")
    print(f"{report.new} of {GOOD} good files indexed, {len(refusals)} of {bad} bad files named")
    print(f"peak memory of all processes: {peak[0] / 1e6:,.0f} MB, in {report.seconds:.1f} s")
    good = report.new == GOOD and len(refusals) == bad and peak[0] < MEMORY
    print("OK" if good else "FAILED")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
