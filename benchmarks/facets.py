"""How long the facets of a library take to count.

    python -m benchmarks.facets --pictures 100000

Fills a catalog in SQLite with drawn records: paths in 2,000 folders, three keywords of 2,000, one of 300 creators, one
of 12 licences, a year, a palette of eight colours. Prints the median seconds of `Catalog` counting all facets, and of
finding the pictures that meet the filters, without a filter and with some; nothing is remembered between two counts.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from statistics import median

import numpy as np

from benchmarks.machine import machine
from stylesearch.catalog import Catalog, FacetCounts
from stylesearch.facets import Facets
from stylesearch.query import Filters
from stylesearch.records import Appearance, Batch, Colour, FileStat, IndexedFile, Metadata, Space

SPACE = Space("drawn:size", "5125", 16, "float32", "p1")
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF")
FILTERS = {
    "no filter": Filters(),
    "a format": Filters(formats="png"),
    "a tag": Filters(tags="keyword 7"),
    "a named colour": Filters(colours="teal"),
    "a picked colour": Filters(colours="#2f67c5"),
    "a folder": Filters(folders="/archive/shelf 3"),
    "five filters": Filters(
        formats=("png", "jpeg"), sizes="large", orientations="portrait", colours="red", years=(1950, 1990)
    ),
    "a path with a star": Filters(paths="*1/**"),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="stylesearch-facets-") as folder,
        Catalog.open(f"sqlite:///{folder}/catalog.db") as catalog,
    ):
        _fill(catalog, arguments.pictures, np.random.default_rng(arguments.seed))
        print(machine())
        print(f"{'':20} {'facets':>8} {'finding':>8} {'pictures':>9}")
        for name, filters in FILTERS.items():
            facets = _median(partial(_count, catalog, filters), arguments.rounds)
            finding = _median(partial(catalog.asset_ids, filters), arguments.rounds)
            total = _count(catalog, filters).total
            print(f"{name:20} {facets:6.3f} s {finding:6.3f} s {total:9,}")
    return 0


def _count(catalog: Catalog, filters: Filters) -> Facets:
    return FacetCounts(catalog).of(filters)


def _median(call: Callable[[], object], rounds: int) -> float:
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return median(seconds)


def _fill(catalog: Catalog, pictures: int, rng: np.random.Generator) -> None:
    space_id = catalog.ensure_space(SPACE)
    scan_id = catalog.begin_scan("/archive")
    for first in range(0, pictures, 1_000):
        files = [_file(number, rng) for number in range(first, min(first + 1_000, pictures))]
        catalog.write(space_id, scan_id, Batch(indexed=files))


def _file(number: int, rng: np.random.Generator) -> IndexedFile:
    shelf, box = rng.integers(0, 40), rng.integers(0, 50)
    path = f"/archive/shelf {shelf}/box {box}/picture {number:07}.jpg"
    shares = rng.dirichlet(np.ones(8)).tolist()
    palette = tuple(
        Colour._make([float(rng.random()), *rng.normal(0, 0.08, 2).tolist(), share])
        for share in sorted(shares, reverse=True)
    )
    metadata = Metadata(
        creators=(f"Creator {rng.integers(0, 300)}",),
        licence=f"Licence {rng.integers(0, 12)}",
        keywords=tuple(f"keyword {int(word)}" for word in rng.zipf(1.3, 3) % 2_000),
        year=int(rng.integers(1880, 2026)),
    )
    digest = hashlib.sha256(path.encode()).hexdigest()
    width, height = (int(side) for side in rng.integers(300, 6_000, 2))
    form = FORMATS[int(rng.choice(4, p=(0.6, 0.25, 0.1, 0.05)))]
    appearance = Appearance(palette, int(rng.integers(0, 2**63)))
    return IndexedFile(FileStat(path, 1, 1), digest, form, width, height, None, metadata, appearance)


if __name__ == "__main__":
    sys.exit(main())
