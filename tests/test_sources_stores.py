"""Object stores and addresses on the web, on servers of loopback."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import boto3
import fsspec
import pytest
from indexing import Bench, open_bench
from pictures import draw, encode
from servers import Site, Store, serving, storing, storing_as_google

from indexer.sources import Rules, sources_of, stores
from stylesearch import spool, web
from stylesearch.errors import ImageError, MissingDependencyError, UsageError
from stylesearch.files import open_uri, read_bytes, stat_uri, uri_of
from stylesearch.records import FileStat, Limits, Refusal
from stylesearch.uris import path_of_uri

LIMITS = Limits()
PNG = encode(draw(), "PNG")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with open_bench(tmp_path) as opened:
        yield opened


@pytest.fixture(scope="module")
def running_store() -> Iterator[Store]:
    with storing() as store:
        yield store
        fsspec.filesystem("s3").clear_instance_cache()


@pytest.fixture
def store(running_store: Store) -> Iterator[Store]:
    bucket = boto3.resource("s3").Bucket("pictures")
    bucket.objects.all().delete()
    running_store.asked.clear()
    yield running_store
    bucket.meta.client.close()


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(web, "_FIRST_PAUSE", 0.01)
    web._pool.cache_clear()
    with serving() as site:
        yield site
        web._pool().clear()


def put(**objects: bytes) -> None:
    client = boto3.client("s3")
    for key, data in objects.items():
        client.put_object(Bucket="pictures", Key=key, Body=data)
    client.close()


def walk(uri: str, rules: Rules | None = None) -> tuple[list[str], dict[str, str]]:
    """Paths found below the root, and reasons by path."""
    (source,) = sources_of([uri], LIMITS, threading.Event(), rules)
    found = list(source)
    assert source.finished

    def relative(uri: str) -> str:
        return path_of_uri(uri).removeprefix(path_of_uri(source.root)).lstrip("/")

    files = [relative(item.uri) for item in found if isinstance(item, FileStat)]
    return files, {relative(item.stat.uri): item.reason for item in found if isinstance(item, Refusal)}


def test_what_a_bucket_holds(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "_PAGE", 3)
    put(
        **{
            "scans/a b.PNG": PNG,
            "scans/c#1%.png": PNG,
            "scans/no extension": PNG,
            "scans/deep/er/é.jpg": PNG,
            "scans/notes.txt": b"text",
            "scans/.hidden/x.png": PNG,
            "scans/folder/": b"",
            "scans/a.zip": b"PK",
            "scansion/other.png": PNG,
            "top.png": PNG,
        }
    )
    files, reasons = walk("s3://pictures/scans/")
    assert files == ["a b.PNG", "c#1%.png", "deep/er/é.jpg", "no extension"] and not reasons
    assert len(walk("s3://pictures")[0]) == 6
    assert walk("s3://pictures/top.png")[0] == [""]
    rules = Rules(include=("*.png",), exclude=("deep/",), hidden=True)
    assert walk("s3://pictures/scans", rules)[0] == [".hidden/x.png", "c#1%.png"]
    for nowhere in ("s3://pictures/nothing", "s3://no-such-bucket/x", "s3://", "nonsense://x", "ftp://127.0.0.1:9/x"):
        with pytest.raises(UsageError, match="cannot be listed"):
            walk(nowhere)


def test_objects_are_read_and_too_large_ones_are_not(store: Store) -> None:
    put(**{"c#1%.png": PNG})
    uri = uri_of("s3://pictures/c#1%.png")
    stat = stat_uri(uri, LIMITS)
    assert stat.size == len(PNG) and stat.mtime_ns > 10**18
    assert read_bytes("s3://pictures/c#1%.png", LIMITS) == PNG
    with open_uri(uri, LIMITS, seen=stat) as file:
        assert file.read() == PNG
    with pytest.raises(ImageError, match="cap"):
        read_bytes("s3://pictures/c#1%.png", Limits(max_bytes=10))
    with pytest.raises(ImageError) as caught:
        read_bytes("s3://pictures/none.png", LIMITS)
    assert caught.value.reason == "missing"
    with pytest.raises(ImageError, match="no kind of place"):
        read_bytes("nonsense://x/y.png", LIMITS)


def test_run_over_a_bucket_downloads_each_object_once(store: Store, bench: Bench) -> None:
    put(**{f"s/{number}.png": encode(draw(number), "PNG") for number in range(5)}, **{"s/bad.png": PNG[:90]})
    report = bench.index("s3://pictures/s")  # type: ignore[arg-type]
    assert (report.new, report.refused) == (5, 1)
    assert all(count == 1 for (method, path), count in store.asked.items() if method == "GET" and path[-4:] == ".png")
    (first, *_) = bench.catalog.list_assets()
    assert first.paths == ("s3://pictures/s/0.png",) and first.size == len(encode(draw(0), "PNG"))
    put(**{"s/1.png": encode(draw(77), "PNG")})
    client = boto3.client("s3")
    client.delete_object(Bucket="pictures", Key="s/2.png")
    client.close()
    store.asked.clear()
    report = bench.index("s3://pictures/s")  # type: ignore[arg-type]
    assert (report.changed, report.gone, report.unchanged, report.still_refused) == (1, 1, 3, 1)
    assert sum(count for (method, path), count in store.asked.items() if method == "GET" and "/s/" in path) == 1
    assert not spool._folder("downloads").exists()


def test_store_that_is_busy_for_a_moment(store: Store) -> None:
    put(**{"a.png": PNG})
    store.failures = 2
    assert read_bytes("s3://pictures/a.png", LIMITS) == PNG
    assert store.failures == 0


def test_store_that_goes_away_half_way_loses_nothing(
    store: Store, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(**{f"{number}.png": encode(draw(number), "PNG") for number in range(4)})
    bench.index("s3://pictures")  # type: ignore[arg-type]

    def broken(self: stores.StoreSource) -> Iterator[list[dict[str, object]]]:
        yield []
        raise OSError("connection lost")

    monkeypatch.setattr(stores.StoreSource, "_pages", broken)
    report = bench.index("s3://pictures")  # type: ignore[arg-type]
    assert report.gone == 0 and report.refused == 1 and bench.catalog.counts().locations == 4


def test_package_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(MissingDependencyError, match="gcsfs"):
        sources_of(["gcs://bucket/x"], LIMITS, threading.Event())


def test_bucket_of_google(bench: Bench) -> None:
    with storing_as_google() as objects:
        for name in ("s/a b.PNG", "s/c#1%.png", "s/deep/é.jpg", "s/no extension", "s/.hidden/x.png", "sion/y.png"):
            objects[name] = PNG
        objects |= {"s/notes.txt": b"text", "s/folder/": b"", "s/a.zip": b"PK", "s/bad.png": PNG[:90]}
        assert walk("gs://pictures/s")[0] == ["a b.PNG", "bad.png", "c#1%.png", "no extension", "deep/é.jpg"]
        assert read_bytes("gs://pictures/s/c#1%.png", LIMITS) == PNG
        for nowhere in ("gs://pictures/nothing", "gs://no-such-bucket/x"):
            with pytest.raises(UsageError, match="cannot be listed"):
                walk(nowhere)
        report = bench.index("gs://pictures/s")  # type: ignore[arg-type]
        assert (report.new, report.moved, report.refused) == (1, 3, 1)
        objects["s/a b.PNG"] = encode(draw(5), "PNG")
        del objects["s/deep/é.jpg"]
        report = bench.index("gs://pictures/s")  # type: ignore[arg-type]
        assert (report.changed, report.gone, report.unchanged, report.still_refused) == (1, 1, 2, 1)
        fsspec.filesystem("gs").clear_instance_cache()


def test_picture_at_an_address(site: Site, bench: Bench) -> None:
    site.files["/a.png?x=1"] = PNG
    site.headers["/a.png?x=1"] = {"Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT"}
    site.redirects["/old.png"] = "/a.png?x=1"
    uri = f"{site.address}/a.png?x=1"
    assert stat_uri(uri, LIMITS) == FileStat(uri, len(PNG), 1_445_412_480 * 10**9)
    assert bench.index(uri, f"{site.address}/old.png").new == 1  # type: ignore[arg-type]
    assert site.gets("/a.png?x=1") == 4  # each: the beginning, and the whole
    assert bench.index(uri).unchanged == 1  # type: ignore[arg-type]
    site.files["/tag.png"] = PNG
    site.headers["/tag.png"] = {"ETag": '"abc"'}
    assert stat_uri(f"{site.address}/tag.png", LIMITS).mtime_ns > 0
    site.files["/page"] = b"<html>"
    with pytest.raises(UsageError, match="neither a picture nor"):
        sources_of([f"{site.address}/page"], LIMITS, threading.Event())
    with pytest.raises(UsageError, match="404"):
        sources_of([f"{site.address}/none"], LIMITS, threading.Event())


def test_folder_on_the_web_where_the_server_lists_it(site: Site) -> None:
    site.files["/scans/"] = (
        b'<a href="a.png">a</a> <a href="b.txt">b</a> <a href="https://elsewhere.example/c.png">c</a>'
    )
    site.files |= {"/scans/a.png": PNG, "/scans/b.txt": b"text"}
    assert walk(f"{site.address}/scans/") == (["a.png"], {})


def test_server_that_fails_for_a_moment_or_for_good(site: Site) -> None:
    site.files["/a.png"] = PNG
    site.headers["/a.png"] = {"Retry-After": "0"}
    site.failures["/a.png"] = [503, 429, "cut"]
    assert read_bytes(f"{site.address}/a.png", LIMITS) == PNG
    assert site.gets("/a.png") == 4
    for status, reason in ((404, "missing"), (410, "missing"), (403, "unreadable"), (500, "unreadable")):
        site.failures["/a.png"] = [status] * 6
        with pytest.raises(ImageError) as caught:
            read_bytes(f"{site.address}/a.png", LIMITS)
        assert caught.value.reason == reason
        site.failures["/a.png"] = []
    site.redirects |= {f"/{number}": f"/{number + 1}" for number in range(20)}
    site.redirects["/local"] = "file:///etc/passwd"
    for path in ("/0", "/local"):
        with pytest.raises(ImageError) as caught:
            read_bytes(f"{site.address}{path}", LIMITS)
        assert caught.value.reason == "unreadable"
    with pytest.raises(ImageError, match="cap"):
        read_bytes(f"{site.address}/a.png", Limits(max_bytes=100))
    with pytest.raises(ImageError, match="cannot be reached"):
        read_bytes("http://127.0.0.1:9/a.png", LIMITS)
