"""IIIF manifests and collections, on a server of loopback that is treated with care."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from indexing import Bench, open_bench
from pictures import draw, encode
from servers import Site, serving

from indexer.sources import manifests, sources_of
from stylesearch import web
from stylesearch.errors import UsageError
from stylesearch.records import FileStat, Limits, Refusal
from stylesearch.uris import divide_uri

LIMITS = Limits()
CONTEXT = "http://iiif.io/api/presentation/3/context.json"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with open_bench(tmp_path) as opened:
        yield opened


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(web, "_FIRST_PAUSE", 0.01)
    web._pool.cache_clear()
    with serving() as site:
        yield site
        web._pool().clear()


def canvas(*bodies: Any, motivation: str = "painting") -> dict[str, Any]:
    annotations = [{"type": "Annotation", "motivation": motivation, "body": body} for body in bodies]
    return {"type": "Canvas", "items": [{"type": "AnnotationPage", "items": annotations}]}


def image(address: str, service: Any = None) -> dict[str, Any]:
    body = {"type": "Image", "id": address, "format": "image/jpeg"}
    return body | ({"service": service} if service else {})


def manifest(address: str, *canvases: Any) -> bytes:
    return json.dumps({"@context": CONTEXT, "id": address, "type": "Manifest", "items": canvases}).encode()


def collection(address: str, *items: Any) -> bytes:
    return json.dumps({"@context": CONTEXT, "id": address, "type": "Collection", "items": items}).encode()


def walk(root: str | Path) -> tuple[list[str], list[str], bool]:
    """Addresses of the images, reasons of what was refused, and whether all of it could be read."""
    (source,) = sources_of([root], LIMITS, threading.Event())
    found = list(source)
    images = [divide_uri(item.uri)[1][0].value for item in found if isinstance(item, FileStat)]
    return images, [item.reason for item in found if isinstance(item, Refusal)], not source.unreadable


def test_which_image_of_a_canvas_is_asked_for(tmp_path: Path) -> None:
    level2 = {"id": "https://i.example/1/", "type": "ImageService3", "profile": "level2"}
    old = {"@id": "https://i.example/2", "@type": "ImageService2", "profile": "http://iiif.io/api/image/2/level2.json"}
    level0 = {"id": "https://i.example/3", "type": "ImageService3", "profile": "level0"}
    nameless = {"type": "Image", "service": [level0]}
    path = tmp_path / "Manifest.JSON"
    path.write_bytes(
        manifest(
            "https://m.example/1",
            canvas(image("https://i.example/1.jpg", [level2])),
            canvas([image("https://i.example/2.jpg", old)]),
            canvas(image("https://i.example/3.jpg", [level0])),
            canvas(image("https://i.example/4.jpg")),
            canvas({"type": "Choice", "items": [image("https://i.example/5.jpg"), image("https://i.example/x.jpg")]}),
            canvas(nameless),
            canvas({"type": "Sound", "id": "https://i.example/a.mp3"}, image("file:///etc/passwd"), "text", None),
            canvas(image("https://i.example/tag.jpg"), motivation="tagging"),
            {"type": "Canvas"},
            7,
        )
    )
    images, reasons, complete = walk(path)
    assert images == [
        "https://i.example/1/full/!2048,2048/0/default.jpg",
        "https://i.example/2/full/!2048,2048/0/default.jpg",
        "https://i.example/3.jpg",
        "https://i.example/4.jpg",
        "https://i.example/5.jpg",
        "https://i.example/3/full/max/0/default.jpg",
    ]
    assert not reasons and complete


def test_run_over_a_collection(site: Site, bench: Bench) -> None:
    at = site.address
    for number in range(12):
        site.files[f"/{number}.jpg"] = encode(draw(number), "JPEG")
    site.failures["/3.jpg"] = [503, 429]
    site.headers["/3.jpg"] = {"Retry-After": "0"}
    site.files["/top"] = collection(
        f"{at}/top",
        {"type": "Manifest", "id": f"{at}/m1"},
        {"type": "Collection", "id": f"{at}/below"},
        {"type": "Manifest", "id": f"{at}/m1"},
    )
    site.files["/below"] = collection(f"{at}/below", {"type": "Collection", "id": f"{at}/top"}, {"id": f"{at}/m2"})
    site.files["/m1"] = manifest(f"{at}/m1", *(canvas(image(f"{at}/{number}.jpg")) for number in range(9)))
    site.files["/m2"] = manifest(f"{at}/m2", *(canvas(image(f"{at}/{number}.jpg")) for number in range(9, 12)))
    root = f"{at}/top"
    report = bench.index(root)  # type: ignore[arg-type]
    assert (report.new, report.refused, report.gone) == (12, 0, 0)
    assert {path for asset in bench.catalog.list_assets() for path in asset.paths} == {
        f"{root}#image={at}/{number}.jpg" for number in range(12)
    }
    assert site.gets("/3.jpg") == 3 and site.gets("/4.jpg") == 1  # hashed and decoded from one download
    assert site.gets("/m1") == site.gets("/below") == 1 and site.busiest <= web.CONNECTIONS
    assert bench.index(root).unchanged == 12  # type: ignore[arg-type]
    assert site.gets("/4.jpg") == 1
    site.files["/m2"] = manifest(f"{at}/m2", canvas(image(f"{at}/10.jpg")))
    assert bench.index(root).gone == 2  # type: ignore[arg-type]
    del site.files["/m1"]
    report = bench.index(root)  # type: ignore[arg-type]
    assert (report.gone, report.refused) == (0, 1) and bench.catalog.counts().locations == 10


def test_what_is_no_manifest(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.files["/old"] = b'{"@context": "http://iiif.io/api/presentation/2/context.json", "@type": "sc:Manifest"}'
    assert walk(f"{site.address}/old") == ([], ["unsupported"], False)
    site.files["/deep"] = b'{"a":' * 100_000
    assert walk(f"{site.address}/deep") == ([], ["damaged"], False)
    site.files["/cut"] = b'{"type": "Manifest", "items": ['
    assert walk(f"{site.address}/cut") == ([], ["damaged"], False)
    monkeypatch.setattr(manifests, "_MAX_MANIFEST", 1000)
    site.files["/large"] = manifest("x", *range(1000))
    assert walk(f"{site.address}/large") == ([], ["too-large"], False)
    monkeypatch.setattr(manifests, "_MAX_MANIFESTS", 5)
    site.files |= {
        f"/{number}": collection("x", {"type": "Collection", "id": f"{site.address}/{number + 1}"})
        for number in range(50)
    }
    assert walk(f"{site.address}/0") == ([], ["too-large"], False)
    with pytest.raises(UsageError):
        sources_of([f"{site.address}/nothing"], LIMITS, threading.Event())
