"""Several processes on one catalog, and processes that are killed."""

from __future__ import annotations

import multiprocessing
import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import PurePosixPath

from catalog_records import DIM, SPACE, indexed, refused, sha, vector

from stylesearch.catalog import Catalog, writing
from stylesearch.catalog.packing import pack
from stylesearch.records import Batch

SPAWN = multiprocessing.get_context("spawn")
BATCH = 40


def _write_until_killed(url: str, first: int) -> None:
    with Catalog.open(url) as catalog:
        space_id, scan_id = catalog.ensure_space(SPACE), catalog.begin_scan("/a")
        for number in range(first, first + 100_000):
            names = [f"/a/{number}/{place}" for place in range(BATCH)]
            catalog.write(
                space_id, scan_id, Batch([indexed(name, name) for name in names], [refused(f"/a/{number}/bad")])
            )


def test_a_killed_writer_leaves_whole_batches(catalog: Catalog, catalog_url: str) -> None:
    space_id = catalog.ensure_space(SPACE)
    for attempt in range(3):
        before = catalog.counts().locations
        writer = SPAWN.Process(target=_write_until_killed, args=(catalog_url, attempt * 100_000))
        writer.start()
        while catalog.counts().locations < before + 3 * BATCH:
            assert writer.is_alive()
            time.sleep(0.01)
        time.sleep(random.uniform(0, 0.05))
        writer.kill()
        writer.join()
    assets = catalog.list_assets(limit=1_000_000)
    batches = Counter(str(PurePosixPath(path).parent) for asset in assets for path in asset.paths)
    assert set(batches.values()) == {BATCH}
    assert {str(PurePosixPath(file.stat.uri).parent) for file in catalog.refusals()} == set(batches)
    vectors, _ = catalog.vectors(space_id, [asset.id for asset in assets])
    assert vectors.tolist() == [asset.id for asset in assets]
    assert catalog.counts().assets == len(assets)


def _write_shared_contents(url: str, writer: int) -> None:
    """Each round gives every file another of 60 contents, so that assets come, lose their files, and come back."""
    choose = random.Random(writer)
    with Catalog.open(url) as catalog:
        space_id, scan_id = catalog.ensure_space(SPACE), catalog.begin_scan(f"/{writer}")
        for _ in range(25):
            files = [indexed(f"/{writer}/{place}", f"picture {choose.randrange(60)}") for place in range(BATCH)]
            choose.shuffle(files)
            catalog.write(space_id, scan_id, Batch(files))


def test_a_reader_misses_nothing_that_two_writers_write(catalog: Catalog, catalog_url: str) -> None:
    space_id = catalog.ensure_space(SPACE)
    writers = [SPAWN.Process(target=_write_shared_contents, args=(catalog_url, number)) for number in (1, 2)]
    for writer in writers:
        writer.start()
    followed: dict[int, bool] = {}
    seen = 0
    running = True
    while running:
        running = any(writer.is_alive() for writer in writers)  # asked first: one more look after the last has ended
        for some in catalog.changes(space_id, seen, limit=7):
            assert some.sequence > seen
            seen = some.sequence
            followed.update(zip(some.asset_ids.tolist(), some.live.tolist(), strict=True))
    assert [writer.exitcode for writer in writers] == [0, 0]

    (whole,) = catalog.changes(space_id, 0)
    assert followed == dict(zip(whole.asset_ids.tolist(), whole.live.tolist(), strict=True))
    assert len(set(whole.asset_ids.tolist())) <= 60
    assert int(whole.live.sum()) == catalog.counts().assets
    assert sorted(asset_id for asset_id, live in followed.items() if live) == catalog.asset_ids().tolist()
    paths = [path for asset in catalog.list_assets(limit=1_000) for path in asset.paths]
    assert sorted(paths) == sorted(f"/{writer}/{place}" for writer in (1, 2) for place in range(BATCH))


def test_a_writer_that_began_later_is_not_seen_first(catalog: Catalog) -> None:
    space_id, scan_id = catalog.ensure_space(SPACE), catalog.begin_scan("/a")
    batches = [Batch([indexed(f"/a/{name}", name)]) for name in ("first", "second")]
    packed = dict(zip([sha("first")], pack([vector("first")], DIM), strict=True))
    with ThreadPoolExecutor(1) as pool:
        with catalog.writing() as connection:
            writing.write(connection, space_id, scan_id, batches[0], packed)
            second = pool.submit(catalog.write, space_id, scan_id, batches[1])
            assert wait([second], timeout=0.3).not_done  # it waits for its turn
            assert list(catalog.changes(space_id, 0)) == []
        second.result()
    (changes,) = catalog.changes(space_id, 0)
    known = catalog.known(["/a/first", "/a/second"], space_id)
    assert changes.asset_ids.tolist() == [known["/a/first"].asset_id, known["/a/second"].asset_id]
