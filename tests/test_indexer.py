"""A folder becomes a catalog and stays in step with it, whatever happens to the files."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from catalog_records import live_vectors
from fakes import FakeEncoder, changing_decode
from indexing import SETTINGS, Bench, open_bench, ordinary_user
from pictures import draw, encode, png_bomb
from PIL import Image

from indexer.interrupt import stop_on_interrupt
from indexer.report import Progress
from indexer.run import index
from indexer.sources import Source, sources_of
from stylesearch.errors import EncoderError, LibraryError, UsageError
from stylesearch.images import load_pixels
from stylesearch.library import Library
from stylesearch.query import Query
from stylesearch.records import Limits


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with open_bench(tmp_path) as one:
        yield one


def names(count: int, kind: str = "png") -> list[str]:
    return [f"{number:03d}.{kind}" for number in range(count)]


def test_first_run_and_second_run(bench: Bench) -> None:
    bench.draw(*names(20), *(f"deep/er/{name}" for name in names(5, "jpg")))
    (bench.pictures / "notes.txt").write_text("no picture")
    report = bench.index()
    assert (report.new, report.encoded, report.others, report.refused, report.gone) == (25, 25, 1, 0, 0)
    assert report.bytes == sum(path.stat().st_size for path in bench.pictures.rglob("*.[jp][pn]g"))
    assert set(bench.located()) == {*names(20), *(f"deep/er/{name}" for name in names(5, "jpg"))}
    again = bench.index()
    assert (again.unchanged, again.new, again.encoded, again.bytes) == (25, 0, 0, 0)
    assert bench.encoder.encoded == 25 and max(bench.encoder.batches) <= 8


def test_vectors_are_those_of_the_one_way_to_decode(bench: Bench) -> None:
    bench.draw("a.png", "b.jpg")
    bench.index()
    ids = bench.located()
    stored_ids, vectors = bench.catalog.vectors(bench.catalog.ensure_space(bench.encoder.space()), list(ids.values()))
    for name, asset_id in ids.items():
        data = (bench.pictures / name).read_bytes()
        pixels = load_pixels(data, bench.encoder.preprocess, Limits()).pixels
        expected = FakeEncoder().embed_pixels(pixels[None])[0]
        assert np.allclose(vectors[stored_ids.tolist().index(asset_id)], expected, atol=1e-3)


def test_assets_and_thumbnails(bench: Bench) -> None:
    (bench.pictures / "large.png").write_bytes(encode(draw(size=(900, 600)), "PNG"))
    bench.index()
    (asset,) = bench.catalog.list_assets()
    assert (asset.format, asset.width, asset.height) == ("PNG", 900, 600)
    assert asset.size == (bench.pictures / "large.png").stat().st_size
    with Image.open(bench.thumbnails / asset.sha256[:2] / f"{asset.sha256}.webp") as small:
        assert small.size == (320, 213)
    assert not list(bench.thumbnails.rglob("*.partial"))


def test_library_inside_the_root_is_left_out(bench: Bench) -> None:
    bench.draw("a.png")
    (bench.pictures / "library").mkdir()
    for _ in range(2):
        report = bench.index(thumbnails=bench.pictures / "library" / "thumbnails")
        assert set(bench.located()) == {"a.png"} and report.gone == 0


def test_moving_and_renaming_encodes_nothing_and_keeps_ids(bench: Bench) -> None:
    bench.draw(*names(20))
    bench.index()
    before = bench.located()
    (bench.pictures / "moved").mkdir()
    moved = {name: f"moved/x{name}" for name in names(10)}
    for old, new in moved.items():
        (bench.pictures / old).rename(bench.pictures / new)
    report = bench.index()
    assert (report.moved, report.gone, report.unchanged, report.encoded, report.new) == (10, 10, 10, 0, 0)
    assert bench.located() == {moved.get(name, name): asset_id for name, asset_id in before.items()}
    assert bench.encoder.encoded == 20


def test_equal_files_are_one_asset_and_encoded_once(bench: Bench) -> None:
    bench.draw(*names(3))
    for number in range(40):
        shutil.copy(bench.pictures / "000.png", bench.pictures / f"copy{number}.png")
    report = bench.index()
    assert (report.new, report.moved, report.encoded, bench.encoder.encoded) == (3, 40, 3, 3)
    ids = bench.located()
    assert len(ids) == 43 and len(set(ids.values())) == 3


def test_equal_bad_files_are_each_named(bench: Bench) -> None:
    for name in names(3):
        (bench.pictures / name).write_bytes(encode(draw(), "PNG")[:500])
    assert bench.index().refused == 3
    assert {name: refusal.reason for name, refusal in bench.refusals().items()} == dict.fromkeys(names(3), "truncated")


def test_changed_file_is_another_asset(bench: Bench) -> None:
    bench.draw("a.png", "b.png")
    bench.index()
    before = bench.located()
    bench.draw("a.png", first=7)
    os.utime(bench.pictures / "a.png", ns=(1, 1))
    report = bench.index()
    assert (report.changed, report.unchanged, report.encoded) == (1, 1, 1)
    after = bench.located()
    assert after["b.png"] == before["b.png"] and after["a.png"] != before["a.png"]


def test_times_that_no_database_holds(bench: Bench) -> None:
    bench.draw("far.png", "past.png")
    os.utime(bench.pictures / "far.png", ns=(0, 2**63 + 1))  # in the year 2262
    os.utime(bench.pictures / "past.png", ns=(0, -(2**63) - 1))
    if (bench.pictures / "far.png").stat().st_mtime_ns < 2**63:
        pytest.skip("The file system holds no such times.")
    assert bench.index().new == 2
    assert bench.index().unchanged == 2


def test_deleted_files_are_gone_and_can_come_back(bench: Bench) -> None:
    bench.draw("a.png", "b.png")
    bench.index()
    before = bench.located()
    away = bench.folder / "away.png"
    (bench.pictures / "a.png").rename(away)
    assert bench.index().gone == 1
    assert set(bench.located()) == {"b.png"}
    away.rename(bench.pictures / "a.png")
    report = bench.index()
    assert (report.unchanged, report.encoded) == (2, 0)
    assert bench.located() == before


def test_empty_root_is_taken_for_a_disk_that_is_not_mounted(bench: Bench) -> None:
    bench.draw("disk/a.png", "disk/b.png")
    bench.index()
    shutil.rmtree(bench.pictures / "disk")
    (bench.pictures / "disk").mkdir()
    report = bench.index(bench.pictures / "disk")
    assert (report.gone, report.missing) == (0, 2) and "is the disk mounted?" in report.warnings[0]
    assert len(bench.located()) == 2 and bench.catalog.counts().missing == 2
    shutil.rmtree(bench.pictures / "disk")
    report = bench.index(bench.pictures / "disk")
    assert (report.gone, report.missing) == (0, 2) and "is the disk mounted?" in report.warnings[0]
    bench.draw("disk/a.png", "disk/b.png")
    assert (bench.index().missing, bench.catalog.counts().missing) == (0, 0)
    with pytest.raises(UsageError, match="Is the disk mounted"):
        bench.index(bench.pictures / "other disk")
    empty = bench.folder / "empty"
    empty.mkdir()
    assert bench.index(empty).warnings == ()


def test_empty_folder_within_the_root_is_taken_for_a_disk_too(bench: Bench) -> None:
    bench.draw("disk 1/a.png", "disk 1/deep/b.png", "disk 2/c.png", "inbox/d.png")
    shutil.copytree(bench.pictures / "disk 1", bench.pictures / "mirror")
    bench.index()
    for name in ("disk 1", "mirror"):
        (bench.pictures / name).rename(bench.folder / name)
        (bench.pictures / name).mkdir()
    (bench.pictures / "inbox" / "d.png").rename(bench.pictures / "disk 2" / "d.png")
    for _ in range(2):
        report = bench.index()
        assert report.missing == 4 and len(report.warnings) == 2 and "is the disk mounted?" in report.warnings[0]
        assert "inbox/d.png" not in bench.located()  # moved, which leaves an empty folder behind
        assert len(bench.located()) == 6 and bench.catalog.counts().missing == 4
    assert bench.catalog.forget(str(bench.pictures / "mirror")) == 2
    (bench.pictures / "disk 1").rmdir()
    (bench.folder / "disk 1").rename(bench.pictures / "disk 1")
    report = bench.index()
    assert (report.unchanged, report.missing, report.gone, bench.encoder.encoded) == (4, 0, 0, 4)
    (bench.pictures / "disk 1" / "a.png").unlink()
    (bench.pictures / "disk 1" / "deep" / "b.png").unlink()
    (bench.pictures / "disk 1" / "deep").rmdir()
    (bench.pictures / "disk 1" / ".hidden").touch()
    assert bench.index().gone == 2  # something is there: no mount point


def test_other_roots_are_left_alone(bench: Bench) -> None:
    bench.draw("a/1.png", "b/2.png", "ab/3.png", "b/4.png")
    bench.index()
    shutil.rmtree(bench.pictures / "a")
    (bench.pictures / "a").mkdir()
    bench.draw("a/5.png", first=5)
    assert bench.index(bench.pictures / "b").gone == 0
    assert bench.index(bench.pictures / "a", bench.pictures / "b" / "2.png").gone == 1
    assert set(bench.located()) == {"a/5.png", "ab/3.png", "b/2.png", "b/4.png"}


def test_another_encoder_fills_its_own_space(bench: Bench) -> None:
    bench.draw(*names(5))
    bench.index()
    other = FakeEncoder()
    other.fingerprint = "07e4"
    bench.encoder = other
    report = bench.index()
    assert (report.again, report.new, report.encoded) == (5, 0, 5)
    assert [live_vectors(bench.catalog, space) for space in bench.catalog.spaces()] == [5, 5]


def test_bad_files_are_named_and_good_ones_indexed(bench: Bench) -> None:
    good = [os.fsdecode(b"caf\xe9.png"), "ümläut.PNG", *names(20)]
    bench.draw(*good)
    png, jpeg, tiff = (encode(draw(99), kind) for kind in ("PNG", "JPEG", "TIFF"))
    expected: dict[str, str] = {}

    def bad(name: str, data: bytes, reason: str) -> None:
        (bench.pictures / name).write_bytes(data)
        expected[name] = reason

    bad("empty.jpg", b"", "empty")
    bad("text.jpg", b"this is text", "not-an-image")
    bad("bomb.png", png_bomb(), "too-large")
    bad("broken.tif", tiff[:8] + b"\xff" * 300, "truncated")  # a directory of 65,535 entries
    bad("photo.jxl", b"\xff\x0a" + bytes(50), "unsupported")
    bad(os.fsdecode(b"\xff\xfe.png"), png[: len(png) // 2], "truncated")
    for part in range(1, 10):
        bad(f"cut{part}.png", png[: len(png) * part // 10], "truncated")
        # What is cut within the header cannot be told from damage.
        bad(
            f"cut{part}.jpg",
            jpeg[: len(jpeg) * part // 10],
            "truncated" if b"\xff\xda" in jpeg[: len(jpeg) * part // 10] else "damaged",
        )
    (bench.pictures / "link.png").symlink_to("nowhere")
    (bench.pictures / "folder.png").mkdir()
    os.mkfifo(bench.pictures / "pipe.jpg")
    expected |= {"link.png": "missing", "folder.png": "not-a-file", "pipe.jpg": "not-a-file"}
    report = bench.index()
    assert set(bench.located()) == set(good)
    assert {name: refusal.reason for name, refusal in bench.refusals().items()} == expected
    assert (report.new, report.refused) == (len(good), len(expected))
    again = bench.index()
    assert (again.refused, again.still_refused, again.unchanged) == (0, len(expected), len(good))
    retried = bench.index(retry_failed=True)
    assert (retried.refused, retried.still_refused) == (len(expected), 0)
    assert bench.refusals()["empty.jpg"].attempts == 2


def test_mended_file_is_no_longer_refused(bench: Bench) -> None:
    (bench.pictures / "a.png").write_bytes(b"")
    assert bench.index().refused == 1
    bench.draw("a.png")
    assert bench.index().refused == 0
    assert bench.refusals() == {} and set(bench.located()) == {"a.png"}


def test_permission_is_asked_for_again_by_every_run() -> None:
    with ordinary_user() as folder, open_bench(folder) as bench:
        (bench.pictures / "a.png").write_bytes(b"not even read")
        (bench.pictures / "a.png").chmod(0)
        for attempt in (1, 2):
            assert bench.index().refused == 1
            refusal = bench.refusals()["a.png"]
            assert (refusal.reason, refusal.attempts) == ("unreadable", attempt)


def test_what_lies_in_a_locked_folder_is_not_gone() -> None:
    with ordinary_user() as folder, open_bench(folder) as bench:
        # Bad files, because they need no worker process: those could not start as another user everywhere.
        for name in ("locked/a.png", "b.png"):
            (bench.pictures / name).parent.mkdir(exist_ok=True)
            (bench.pictures / name).write_bytes(b"")
        settings = replace(SETTINGS, limits=Limits(max_bytes=1))
        for path in bench.pictures.rglob("*.png"):
            path.write_bytes(b"too large")
        assert bench.index(settings=settings).refused == 2
        (bench.pictures / "locked").chmod(0)
        report = bench.index(settings=settings)
        assert (report.refused, report.still_refused) == (1, 1)
        assert set(bench.refusals()) == {"a.png", "b.png", "locked"}
        (bench.pictures / "locked").chmod(0o700)
        assert bench.index(settings=settings).still_refused == 2
        assert set(bench.refusals()) == {"a.png", "b.png"}


def test_file_that_changes_between_hashing_and_decoding(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("indexer.run.decode_file", changing_decode)
    bench.draw(*names(4))
    for name in ("change.png", "twin1.png", "twin2.png"):
        bench.draw(name, first=50)
    report = bench.index()
    assert (report.new, report.moved, report.refused) == (6, 1, 0)
    ids = bench.located()
    assert len(ids) == 7 and len(set(ids.values())) == 6
    assert ids["twin1.png"] == ids["twin2.png"] != ids["change.png"]
    assert bench.index().unchanged == 7  # the size and time that were written are those of the bytes that were read


def test_progress_never_runs_backwards(bench: Bench) -> None:
    bench.draw(*names(30))
    (bench.pictures / "bad.png").write_bytes(b"")
    seen: list[Progress] = []
    bench.index(progress=seen.append)
    assert all(a.done <= b.done <= b.found and a.seconds <= b.seconds for a, b in pairwise(seen))
    last = seen[-1]
    assert (last.found, last.done, last.encoded, last.refused, last.scan_finished) == (31, 31, 30, 1, True)


def test_stop_writes_the_batch_and_the_next_run_goes_on(bench: Bench) -> None:
    bench.draw(*names(60))
    bench.draw("gone.png", first=99)
    bench.index(bench.pictures / "gone.png")
    (bench.pictures / "gone.png").unlink()
    stop = threading.Event()

    def stop_early(progress: Progress) -> None:
        if progress.encoded:
            stop.set()

    report = bench.index(stop=stop, progress=stop_early)
    assert report.interrupted and 0 < report.new < 60 and report.gone == 0
    assert bench.catalog.counts().gone == 0
    rest = bench.index()
    assert not rest.interrupted and (rest.new, rest.unchanged, rest.gone) == (60 - report.new, report.new, 1)
    assert len(bench.located()) == 60


def test_stop_before_the_start_does_nothing(bench: Bench) -> None:
    bench.draw("a.png")
    stop = threading.Event()
    stop.set()
    assert bench.index(stop=stop).interrupted and bench.located() == {}


def test_first_interrupt_asks_and_second_one_interrupts() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in what a shell runs beside itself
    try:
        with pytest.raises(KeyboardInterrupt), stop_on_interrupt() as stop:
            signal.raise_signal(signal.SIGINT)
            assert stop.is_set()
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


class Fussy(FakeEncoder):
    """Has memory for two pictures, and no vector for a black one."""

    def _embed(self, pixels: np.ndarray) -> np.ndarray:
        if len(pixels) > 2:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory")
        return super()._embed(pixels) - 1


def test_batch_is_halved_where_memory_is_short_and_one_picture_does_not_spoil_it(bench: Bench) -> None:
    bench.encoder = Fussy()
    bench.draw(*names(9))
    (bench.pictures / "black.png").write_bytes(encode(Image.new("RGB", (9, 9)), "PNG"))
    report = bench.index()
    assert (report.encoded, report.refused) == (9, 1)
    assert bench.refusals()["black.png"].reason == "unsupported"
    assert "no usable vector" in bench.refusals()["black.png"].message


def test_broken_encoder_ends_the_run_and_refuses_nothing(bench: Bench) -> None:
    class Broken(FakeEncoder):
        def _embed(self, pixels: np.ndarray) -> np.ndarray:
            return super()._embed(pixels) * np.nan

    bench.draw(*names(3))
    bench.encoder = Broken()
    with pytest.raises(EncoderError, match="no usable vector"):
        bench.index()
    assert bench.refusals() == {} and bench.located() == {}


def test_encoder_without_memory_for_one_picture(bench: Bench) -> None:
    class Starved(FakeEncoder):
        def _embed(self, pixels: np.ndarray) -> np.ndarray:
            raise MemoryError

    bench.draw("a.png")
    bench.encoder = Starved()
    with pytest.raises(EncoderError, match="no memory to encode one image"):
        bench.index()


def test_thumbnails_that_cannot_be_written_end_the_run(bench: Bench) -> None:
    bench.draw("a.png")
    blocked = bench.folder / "blocked"
    blocked.write_text("a file where a folder has to be")
    with pytest.raises(LibraryError, match="blocked"):
        bench.index(thumbnails=blocked)


def test_query_and_index_see_the_same_pixels(tmp_path: Path) -> None:
    for name in ("large.jpg", "turned.jpg", "alpha.png"):  # a draft, an orientation, a mode to convert
        picture = draw(size=(1500, 1200))
        if name == "alpha.png":
            picture.putalpha(128)
        exif = Image.Exif()
        exif[274] = 6 if name == "turned.jpg" else 1
        picture.save(tmp_path / name, exif=exif)
    with Library.create(tmp_path / "library", encoder="descriptors:lab-gradient") as library:
        paths = sorted(tmp_path.glob("*.*"))
        index(library.catalog, library.encoder, paths, thumbnails=library.thumbnails, settings=SETTINGS)
        for path in paths:
            best = library.search(Query(path, k=1, exclude_references=False))[0]
            assert best.path == str(path) and best.cosine > 0.99999  # float16 in the catalog, float32 in the query


def test_scan_runs_ahead_of_a_slow_consumer(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("indexer.planner.CHUNK", 4)
    bench.draw(*names(40))
    scans: list[Source] = []

    def keep(*arguments: Any) -> list[Source]:
        scans.extend(sources_of(*arguments))
        return scans

    def look(progress: Progress) -> None:
        deadline = time.monotonic() + 20
        while not scans[0].finished:
            assert time.monotonic() < deadline, "the scan waits for its consumer"
            time.sleep(0.01)

    monkeypatch.setattr("indexer.run.sources_of", keep)
    bench.index(progress=look)
    assert scans[0].files == 40
