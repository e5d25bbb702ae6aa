"""IIIF Presentation 3 manifests and collections: https://iiif.io/api/presentation/3.0/

Each image that a canvas is painted with is one picture, `MANIFEST#image=ADDRESS`. An image service that resizes
(level 2) is asked for at most 2,048 pixels a side, which is more than any encoder takes, and spares the server; of
others the image is taken as it is. Whether an image has changed is told by what its manifest says of it.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from indexer.sources.base import Source
from indexer.sources.folders import refused
from indexer.sources.rules import Rules
from stylesearch.errors import ImageError
from stylesearch.files import is_remote, read_bytes
from stylesearch.records import FileStat, Limits, Refusal
from stylesearch.uris import path_of_uri, uri_inside
from stylesearch.web import fetch, number_of

_SIDE = 2048  # pixels
_MAX_MANIFEST = 64 * 2**20  # bytes of JSON
_MAX_MANIFESTS = 100_000  # in one collection, of any depth
_CONTEXT = "iiif.io/api/presentation/3"
_ACCEPT = f'application/ld+json;profile="http://{_CONTEXT}/context.json", application/json;q=0.9'

Json = dict[str, Any]


def is_manifest(path: str) -> bool:
    """Whether a file of this machine is a manifest or a collection."""
    try:
        with open(path, "rb") as file:
            return _CONTEXT.encode() in file.read(4096)
    except OSError:
        return False


class ManifestSource(Source):
    """A manifest, or a collection with all that it leads to; each of them is read once."""

    def __init__(self, root: str, rules: Rules, limits: Limits, stop: threading.Event) -> None:
        super().__init__(root, rules, limits, stop)
        self._json_limits = replace(limits, max_bytes=_MAX_MANIFEST)

    def _found(self) -> Iterator[FileStat | Refusal]:
        waiting = deque([self.root])
        seen = {self.root}
        while waiting and not self.stop.is_set():
            address = waiting.popleft()
            try:
                resource = self._read(address)
            except ImageError as exc:
                # Which images it would have named is unknown, so all that are known are left alone.
                self.unreadable.append(self.root)
                yield refused(self.root if address == self.root else uri_inside(self.root, "manifest", address), exc)
                continue
            for inner in _resources(resource):
                if inner.get("type") == "Manifest" and "items" in inner:
                    yield from self._images(inner)
                elif (link := inner.get("id")) and _is_web(link) and link not in seen:
                    if len(seen) >= _MAX_MANIFESTS:
                        self.unreadable.append(self.root)
                        error = ImageError("too-large", f"The collection leads to more than {_MAX_MANIFESTS:,} others.")
                        yield refused(uri_inside(self.root, "manifest", str(link)), error)
                        return
                    seen.add(link)
                    waiting.append(link)

    def _read(self, address: str) -> Json:
        if is_remote(address):
            data = fetch(address, self._json_limits, accept=_ACCEPT)
        else:
            data = read_bytes(Path(path_of_uri(address)), self._json_limits)
        try:
            resource = json.loads(data)
        except (ValueError, RecursionError) as exc:
            raise ImageError("damaged", f"This is no JSON ({exc}).") from exc
        if not isinstance(resource, dict) or resource.get("type") not in ("Manifest", "Collection"):
            raise ImageError("unsupported", "This is no manifest or collection of IIIF Presentation 3.")
        return resource

    def _images(self, manifest: Json) -> Iterator[FileStat | Refusal]:
        for canvas in _dicts(manifest.get("items")):
            for page in _dicts(canvas.get("items")):
                for annotation in _dicts(page.get("items")):
                    if annotation.get("motivation", "painting") != "painting":
                        continue
                    for body in _dicts(annotation.get("body")):
                        if image := _image(body):
                            yield self._stat(image)
                        else:
                            self.others += 1

    def _stat(self, image: Json) -> FileStat:
        version = number_of(json.dumps(image, sort_keys=True))
        return FileStat(uri_inside(self.root, "image", _address(image)), -1, version)


def _resources(resource: Json) -> Iterator[Json]:
    """A manifest itself; of a collection its members, those of collections within it, too."""
    waiting = [resource]
    while waiting:
        one = waiting.pop()
        if one.get("type") == "Collection" and "items" in one:
            waiting += reversed(_dicts(one["items"]))
        else:
            yield one


def _image(body: Json) -> Json | None:
    """The image of a painting annotation; of a choice the first."""
    if body.get("type") == "Choice":
        return next(filter(None, map(_image, _dicts(body.get("items")))), None)
    return body if body.get("type") == "Image" and _is_web(_address(body)) else None


def _address(image: Json) -> str:
    services = _dicts(image.get("service"))
    for service in services:
        base = service.get("id") or service.get("@id")
        if base and "level2" in str(service.get("profile")):
            return f"{str(base).rstrip('/')}/full/!{_SIDE},{_SIDE}/0/default.jpg"
    if image.get("id") or not services:
        return str(image.get("id"))
    return f"{str(services[0].get('id') or services[0].get('@id')).rstrip('/')}/full/max/0/default.jpg"


def _dicts(value: object) -> list[Json]:
    """JSON-LD writes a list of one as the one itself."""
    return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, dict)]


def _is_web(address: object) -> bool:
    return isinstance(address, str) and address.lower().startswith(("http://", "https://"))
