"""Indexing with a Ray cluster: two nodes on this machine, a catalog on PostgreSQL, and a node that is killed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from pictures import draw, encode

from benchmarks import postgres
from indexer.batches import BatchEncoder
from indexer.cluster.run import Cluster, index_on_cluster
from indexer.cluster.tasks import Encode, Job, Picture, Rest, pack, unpack
from indexer.planner import Wanted
from stylesearch.catalog import Catalog
from stylesearch.cli.app import FAILED, SOME_REFUSED
from stylesearch.encoders import load_encoder
from stylesearch.errors import CatalogError, SpaceMismatchError, UsageError
from stylesearch.library import Library
from stylesearch.records import FileStat, IndexedFile, Limits
from stylesearch.settings import Settings

HERE = Path(__file__).parent
PICTURES = 200
ENCODER = "descriptors:lab-gradient"
SECONDS = 600  # that a program may take on a busy machine


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    """For Ray's processes; what they write lies in a folder that is removed."""
    # Not pytest's own temporary folder: the sockets of Ray need a short path.
    folder = tempfile.mkdtemp(prefix="ray-")
    ours = {"RAY_TMPDIR": folder, "RAY_USAGE_STATS_ENABLED": "0", "STYLESEARCH_WORKERS": "1"}
    ours["RAY_worker_niceness"] = "0"  # with Ray's 15, minutes pass beside other tests
    yield {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"} | ours
    shutil.rmtree(folder)


@pytest.fixture
def nodes(environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """The program that holds the cluster."""
    program = [sys.executable, str(HERE / "ray_nodes.py")]
    pipe = subprocess.PIPE
    with subprocess.Popen(program, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment) as process:
        yield process
        process.communicate(timeout=60)


@pytest.fixture
def urls(postgres_socket: str) -> Iterator[list[str]]:
    """Of two empty databases."""
    with ExitStack() as stack:
        names = [f"cluster_{uuid.uuid4().hex}" for _ in range(2)]
        yield [stack.enter_context(postgres.new_database(postgres_socket, name)) for name in names]


def draw_pictures(folder: Path) -> None:
    folder.mkdir()
    for number in range(PICTURES):
        (folder / f"{number:03}.jpg").write_bytes(encode(draw(number, (480, 320)), "JPEG"))
    for number in range(5):
        shutil.copy(folder / "000.jpg", folder / f"copy{number}.jpg")
        (folder / f"bad{number}.png").write_bytes(b"bad")


def contents(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Everything in a catalog that must not depend on who filled it."""
    queries = {
        "assets": "SELECT sha256, size, format, width, height FROM assets ORDER BY sha256",
        "locations": "SELECT uri, l.size, mtime_ns, present, sha256 FROM locations l JOIN assets a ON a.id = asset_id"
        " ORDER BY uri",
        "vectors": "SELECT sha256, live, data FROM vectors JOIN assets a ON a.id = asset_id ORDER BY sha256",
        "refusals": "SELECT uri, reason FROM refusals ORDER BY uri",
        "looks": "SELECT sha256, palette, perceptual_hash FROM appearances JOIN assets a ON a.id = asset_id"
        " ORDER BY sha256",
    }
    with psycopg.connect(url) as connection:
        return {name: connection.execute(query.encode()).fetchall() for name, query in queries.items()}


def vectors(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM vectors").fetchone()
        assert row
        return row[0]


def command(*arguments: object, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-m", "stylesearch", *map(str, arguments)]
    return subprocess.run(program, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False)


@pytest.mark.timeout(900)  # Ray starts a dozen processes, some of them twice
def test_a_node_that_is_killed_changes_nothing(
    nodes: subprocess.Popen[str], environment: dict[str, str], urls: list[str], tmp_path: Path
) -> None:
    assert nodes.stdin and nodes.stdout
    pictures, plain, shared = tmp_path / "pictures", tmp_path / "plain", tmp_path / "shared"
    draw_pictures(pictures)
    for folder, url in zip((plain, shared), urls, strict=True):
        Library.create(folder, encoder=ENCODER, catalog=url).close()
    address = nodes.stdout.readline().strip()

    program = [sys.executable, str(HERE / "ray_index.py"), str(shared), str(pictures), address]
    pipe = subprocess.PIPE
    with subprocess.Popen(program, stdout=pipe, stderr=pipe, text=True, env=environment) as run:
        while run.poll() is None and vectors(urls[1]) < PICTURES // 4:
            time.sleep(0.01)
        nodes.stdin.write("kill\n")
        nodes.stdin.flush()
        assert nodes.stdout.readline() == "killed\n"
        done = vectors(urls[1])
        output, errors = run.communicate(timeout=SECONDS)
    assert run.returncode == 0, errors
    assert PICTURES // 4 <= done < PICTURES, "The node was not killed half-way."
    assert output.split() == [str(PICTURES), str(PICTURES), "5"]

    assert command("index", pictures, "--library", plain, environment=environment).returncode == SOME_REFUSED
    assert contents(urls[1]) == contents(urls[0])
    thumbnails = {path.name for path in (plain / "thumbnails").rglob("*.webp")}
    assert {path.name for path in (shared / "thumbnails").rglob("*.webp")} == thumbnails

    # The same command again does what has changed, and no more.
    (pictures / "001.jpg").unlink()
    (pictures / "002.jpg").rename(pictures / "moved.jpg")
    (pictures / "new.jpg").write_bytes(encode(draw(PICTURES), "JPEG"))
    again = [pictures, "--cluster", f"ray={address}", "--json", "--library", shared]
    second = command("index", *again, environment=environment)
    assert second.returncode == SOME_REFUSED, second.stderr
    report = json.loads(second.stdout)
    did = {name: report[name] for name in ("new", "moved", "encoded", "gone", "unchanged", "refused", "still_refused")}
    assert did == {
        "new": 1, "moved": 1, "encoded": 1, "gone": 2, "unchanged": PICTURES + 3, "refused": 0, "still_refused": 5,
    }  # fmt: skip
    assert command("index", pictures, "--library", plain, environment=environment).returncode == SOME_REFUSED
    assert contents(urls[1]) == contents(urls[0])

    # What a stage says on another machine is said here.
    for shelf in range(256):
        shutil.rmtree(shared / "thumbnails" / f"{shelf:02x}", ignore_errors=True)
        (shared / "thumbnails" / f"{shelf:02x}").write_bytes(b"in the way")
    (pictures / "last.jpg").write_bytes(encode(draw(PICTURES + 1), "JPEG"))
    failed = command("index", *again, environment=environment)
    assert failed.returncode == FAILED and "cannot be written (File exists).\n" in failed.stderr, failed.stderr


def test_many_machines_need_postgresql(tmp_path: Path) -> None:
    with Library.create(tmp_path / "library", encoder=ENCODER) as library:
        given = library.catalog, library.encoder, [tmp_path]
        with pytest.raises(UsageError, match="stylesearch init FOLDER --catalog postgresql://"):
            index_on_cluster(
                Cluster(),
                library.settings.catalog,
                *given,
                thumbnails=library.thumbnails,
                settings=Settings.from_environment(),
            )


def test_what_the_option_takes() -> None:
    assert Cluster.parse("ray") == Cluster()
    assert Cluster.parse("ray=head:6379", 3, 0.5) == Cluster("head:6379", 3, 0.5)
    for text in ("dask", "ray:head", ""):
        with pytest.raises(UsageError, match="ray=HOST:PORT"):
            Cluster.parse(text)


@pytest.fixture
def job(postgres_socket: str, tmp_path: Path) -> Iterator[Job]:
    """A job that this machine can do."""
    (tmp_path / "pictures").mkdir()
    encoder = load_encoder(ENCODER)
    with postgres.new_database(postgres_socket, f"job_{uuid.uuid4().hex}") as url, Catalog.open(url) as catalog:
        yield Job(
            catalog=url,
            space=encoder.space(),
            space_id=catalog.ensure_space(encoder.space()),
            preprocess=encoder.preprocess,
            thumbnails=tmp_path / "thumbnails",
            settings=Settings(library=tmp_path, workers=1, limits=Limits()),
            roots=(str(tmp_path / "pictures"),),
            samples=(),
            wanted=Wanted(),
            file_seconds=60,
        )


def test_a_machine_that_cannot_see_what_it_needs_says_so(job: Job, tmp_path: Path) -> None:
    job.check()
    with pytest.raises(UsageError, match="elsewhere"):
        replace(job, samples=((str(tmp_path / "elsewhere"),),)).check()
    with pytest.raises(UsageError, match="not-mounted"):
        replace(job, roots=(str(tmp_path / "not-mounted"),)).check()
    with pytest.raises(CatalogError):
        replace(job, catalog=job.catalog.replace("job_", "no_")).check()
    with pytest.raises(SpaceMismatchError, match="other"):
        Encode(replace(job, space=replace(job.space, preprocessing="other")), 4)(pack([]))


def one_fails(encode: Encode) -> None:
    """The encoder gives no vector for the picture whose pixels are all 1."""
    encoder = load_encoder(ENCODER)

    class Failing(type(encoder)):  # type: ignore[misc]
        def _embed(self, pixels: np.ndarray) -> np.ndarray:
            vectors = super()._embed(pixels)
            vectors[(pixels == 1).all(axis=(1, 2, 3))] = np.nan
            return vectors

    encode._encoder = BatchEncoder(Failing(), 4)


def test_a_picture_without_a_vector_is_refused(job: Job) -> None:
    encode = Encode(job, 4)
    pixels = np.zeros((job.preprocess.size, job.preprocess.size, 3), np.uint8)
    files = [IndexedFile(FileStat(f"/{n}.png", 1, 1), f"{n:064}", "PNG", 1, 1, pixels + n) for n in range(3)]
    one_fails(encode)
    rows = unpack(encode(pack(Picture(7, file) for file in files)))
    refused = [row.batch.refused[0].stat.uri for row in rows if isinstance(row, Rest)]
    assert refused == ["/1.png"]
    vectors = [row.file.vector for row in rows if isinstance(row, Picture)]
    assert [vector.shape for vector in vectors if vector is not None] == [(job.space.dim,)] * 2
