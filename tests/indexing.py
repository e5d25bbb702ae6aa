"""Runs the indexer on a folder as the tests need it; as a program, so that it can be killed."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fakes import FakeEncoder
from pictures import draw, encode

from indexer import report, run
from indexer.sources import Source
from stylesearch.catalog import Catalog
from stylesearch.records import Limits, Refusal
from stylesearch.settings import Settings
from stylesearch.uris import path_of_uri

SETTINGS = Settings(library=Path("unused"), workers=1, limits=Limits())


@dataclass
class Bench:
    """A folder of pictures, a catalog on SQLite beside it, and the encoder that fills it."""

    folder: Path
    pictures: Path
    catalog: Catalog
    encoder: FakeEncoder

    @property
    def thumbnails(self) -> Path:
        return self.folder / "thumbnails"

    def index(self, *roots: Path, settings: Settings = SETTINGS, **changed: Any) -> report.Report:
        options: dict[str, Any] = {"thumbnails": self.thumbnails, "batch_size": 8} | changed
        return run.index(
            self.catalog,
            self.encoder,
            roots or [self.pictures],
            settings=settings,
            **options,
        )

    def index_sources(self, sources: Sequence[Source]) -> report.Report:
        return run.index(
            self.catalog, self.encoder, [], thumbnails=self.thumbnails, settings=SETTINGS, sources=sources, batch_size=8
        )

    def refusals(self) -> dict[str, Refusal]:
        """By file name."""
        return {Path(path_of_uri(refusal.stat.uri)).name: refusal for refusal in self.catalog.refusals()}

    def located(self) -> dict[str, int]:
        """Asset id of each present path, relative to the folder of pictures."""
        return {
            str(Path(path).relative_to(self.pictures)): asset.id
            for asset in self.catalog.list_assets(limit=10_000)
            for path in asset.paths
        }

    def draw(self, *names: str, first: int = 0) -> None:
        """Draws a different picture for each name."""
        for seed, name in enumerate(names, first):
            path = self.pictures / name
            path.parent.mkdir(parents=True, exist_ok=True)
            kind = {".jpg": "JPEG", ".png": "PNG", ".webp": "WEBP"}[path.suffix.lower()]
            path.write_bytes(encode(draw(seed), kind))


@contextmanager
def open_bench(folder: Path) -> Iterator[Bench]:
    """A bench in this folder, new or as it was left."""
    (folder / "pictures").mkdir(exist_ok=True)
    with Catalog.open(f"sqlite:///{folder / 'catalog.db'}") as catalog:
        yield Bench(folder, folder / "pictures", catalog, FakeEncoder())


def contents(database: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Everything in a catalog that must not depend on how its filling was interrupted; assets by content, not by id."""
    of_assets = {
        "vectors": "SELECT sha256, live, data FROM vectors",
        "metadata": "SELECT sha256, title, description, creators, date, software, generation FROM metadata",
        "terms": "SELECT sha256, kind, name, folded, source FROM asset_terms JOIN terms t ON t.id = term_id",
        "appearances": "SELECT sha256, version, palette, perceptual_hash FROM appearances",
    }
    queries = {
        "assets": "SELECT sha256, size, format, width, height, parts FROM assets ORDER BY sha256",
        "locations": "SELECT uri, l.size, mtime_ns, present, sha256 FROM locations l JOIN assets a ON a.id = asset_id"
        " ORDER BY uri",
        "refusals": "SELECT uri, size, mtime_ns, reason, message, sha256, decoder FROM refusals ORDER BY uri",
    }
    queries |= {name: f"{query} JOIN assets a ON a.id = asset_id ORDER BY 1, 2, 3" for name, query in of_assets.items()}
    connection = sqlite3.connect(database)
    try:
        return {name: connection.execute(query).fetchall() for name, query in queries.items()}
    finally:
        connection.close()


def children_of(pid: int, command: str) -> list[int]:
    """Child processes (Linux) with this in their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                line = (entry / "cmdline").read_bytes().decode(errors="replace")
            except (FileNotFoundError, ProcessLookupError):
                continue
            if parent == pid and command in line:
                found.append(int(entry.name))
    return found


@contextmanager
def ordinary_user() -> Iterator[Path]:
    """A folder of the user who runs the test, whom permissions stop: root becomes nobody for this long."""
    folder = Path(tempfile.mkdtemp())
    is_root = os.geteuid() == 0
    if is_root:
        os.chown(folder, 65534, 65534)
        os.seteuid(65534)
    try:
        yield folder
    finally:
        if is_root:
            os.seteuid(0)
        for locked, _, _ in os.walk(folder):
            Path(locked).chmod(0o700)
        shutil.rmtree(folder)


if __name__ == "__main__":
    report.TELL_SECONDS = 0  # after every batch
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else run.FILE_SECONDS
    with open_bench(Path(sys.argv[1])) as bench:
        print("ready", flush=True)
        bench.index(
            Path(sys.argv[2]),
            batch_size=4,
            file_seconds=seconds,
            progress=lambda progress: print(progress.done, flush=True),
        )
