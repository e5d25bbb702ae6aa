"""What a picture takes in a catalog on PostgreSQL, and how many a second it takes in.

    python -m benchmarks.catalog_size --pictures 60000

Fills a database on a server of its own with drawn records: one location for each picture, paths of about 60 characters,
a title, a creator, three keywords of 2,000, a palette of eight colours and a vector of 384 numbers. Prints the pictures
a second that one writer commits, by the size of its batches (writers take turns, so that several are not much faster)
and by how rows reach the server, and the bytes for each picture by table, with their indexes. docs/guide-cluster.md
calculates with these numbers.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
import time
from itertools import product
from pathlib import Path
from unittest.mock import patch

import numpy as np
from sqlalchemy import create_engine, text

from benchmarks.machine import machine
from benchmarks.postgres import Server
from stylesearch.catalog import Catalog, bulk
from stylesearch.records import Appearance, Batch, Colour, FileStat, IndexedFile, Metadata, Space

BATCHES = (32, 256, 1024)
DIM = 384
SPACE = Space("drawn:size", "5125", DIM, "float32", "p1")

_TABLES = text(
    "SELECT relname, pg_total_relation_size(oid) FROM pg_class"
    " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    " ORDER BY 2 DESC"
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=60_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    with tempfile.TemporaryDirectory(prefix="stylesearch-size-") as folder:
        Path(folder).chmod(0o755)  # the server runs as another user where this one is root
        server = Server(Path(folder) / "server")
        server.start()
        try:
            print(machine())
            count = _fill(server.url, arguments.pictures, rng)
            _print_sizes(server.url, count)
        finally:
            server.stop()
    return 0


def _fill(url: str, pictures: int, rng: np.random.Generator) -> int:
    """Writes the same share of the pictures in batches of each size, by COPY and, to compare, by INSERT; prints the
    rates, and returns how many were written."""
    first = 0
    with Catalog.open(url) as catalog:
        space_id, scan_id = catalog.ensure_space(SPACE), catalog.begin_scan("/archive")
        for size, how in product(BATCHES, ("COPY", "INSERT")):
            batches = [
                Batch([_drawn(number, rng) for number in range(start, start + size)])
                for start in range(first, first + pictures // (2 * len(BATCHES)), size)
            ]
            with patch.object(bulk, "FEW_ROWS", sys.maxsize if how == "INSERT" else bulk.FEW_ROWS):
                started = time.perf_counter()
                for batch in batches:
                    catalog.write(space_id, scan_id, batch)
                seconds = time.perf_counter() - started
            first += len(batches) * size
            print(f"batches of {size:5,} by {how:6}: {len(batches) * size / seconds:8,.0f} pictures/s", flush=True)
    return first


def _drawn(number: int, rng: np.random.Generator) -> IndexedFile:
    vector = rng.standard_normal(DIM, np.float32)
    palette = tuple(Colour(*(float(value) for value in row)) for row in rng.random((8, 4)))
    folder = f"/archive/collection-{number % 40:02}/box-{number // 1000:05}"
    return IndexedFile(
        FileStat(f"{folder}/scan-{number:09}.jpg", 2_000_000 + number, 1_700_000_000_000_000_000 + number),
        hashlib.sha256(str(number).encode()).hexdigest(),
        "JPEG",
        1600,
        1250,
        vector / np.linalg.norm(vector),
        Metadata(
            title=f"Sheet {number} of the collection",
            creators=(f"Studio {number % 500}",),
            keywords=tuple(f"keyword {word}" for word in rng.integers(0, 2000, 3).tolist()),
            date="1972",
            year=1972,
        ),
        Appearance(palette, int(rng.integers(0, 2**63))),
        (),
    )


def _print_sizes(url: str, count: int) -> None:
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        sizes = {str(name): int(size) for name, size in connection.execute(_TABLES)}
    engine.dispose()
    for name, size in sizes.items():
        if size / count >= 1:
            print(f"{name:16} {size / count:8,.0f} bytes a picture")
    total = sum(sizes.values()) / count
    print(f"{'together':16} {total:8,.0f} bytes a picture; {total * 1e8 / 1e9:,.0f} GB for 100 million")


if __name__ == "__main__":
    sys.exit(main())
