"""Real servers on loopback: one of files that misbehaves on request, one that speaks S3, and one as Google's store."""

from __future__ import annotations

import json
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest


@dataclass
class Site:
    """What a server of files holds, and what was asked of it.

    Attributes:
        address: of its root, without a slash at the end.
        files: content by path.
        headers: further headers by path.
        failures: status codes (or "cut": end half-way) that the next requests for a path get, first one first.
        redirects: where a path leads.
        asked: method and path of each request.
        busiest: how many requests were under way at once.
    """

    address: str
    files: dict[str, bytes] = field(default_factory=dict)
    headers: dict[str, dict[str, str]] = field(default_factory=dict)
    failures: defaultdict[str, list[int | str]] = field(default_factory=lambda: defaultdict(list))
    redirects: dict[str, str] = field(default_factory=dict)
    asked: Counter[tuple[str, str]] = field(default_factory=Counter)
    busiest: int = 0
    _busy: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def gets(self, path: str) -> int:
        return self.asked["GET", path]


@contextmanager
def serving() -> Iterator[Site]:
    """A site on a free port of loopback."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            with site._lock:
                site.asked[self.command, self.path] += 1
                site._busy += 1
                site.busiest = max(site.busiest, site._busy)
            try:
                self._answer()
            finally:
                with site._lock:
                    site._busy -= 1

        do_HEAD = do_GET  # noqa: N815

        def _answer(self) -> None:
            failure = site.failures[self.path].pop(0) if site.failures[self.path] else None
            data = site.files.get(self.path)
            status = 200 if data is not None else 404
            headers = dict(site.headers.get(self.path, {}))
            if self.path in site.redirects:
                status, headers["Location"] = 302, site.redirects[self.path]
            if isinstance(failure, int):
                status = failure
            data = (data or b"") if status == 200 else b""
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(data))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data[: len(data) // 2] if failure == "cut" else data)
            if failure == "cut":
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        site = Site(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()


@dataclass
class Store:
    """A server that speaks S3.

    Attributes:
        failures: how many of the next requests it answers with 503.
        asked: how often each method was asked for each path.
    """

    address: str
    failures: int = 0
    asked: Counter[tuple[str, str]] = field(default_factory=Counter)


@contextmanager
def storing() -> Iterator[Store]:
    """moto's server on a free port of loopback, with an empty bucket `pictures`; the environment points to it."""
    import boto3
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    inner = DomainDispatcherApplication(create_backend_app)

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        store.asked[environ["REQUEST_METHOD"], environ["PATH_INFO"]] += 1
        if store.failures > 0:
            store.failures -= 1
            start_response("503 Slow Down", [("Content-Length", "0")])
            return []
        return inner(environ, start_response)

    server = make_server("127.0.0.1", 0, application, threaded=True)
    store = Store(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_ENDPOINT_URL", store.address)
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        client = boto3.client("s3")
        client.create_bucket(Bucket="pictures")
        try:
            yield store
        finally:
            client.close()
            server.shutdown()
            thread.join()
            server.server_close()


@contextmanager
def storing_as_google() -> Iterator[dict[str, bytes]]:
    """What of Google's JSON API reading needs, for a bucket `pictures` with these objects; the environment points to
    it. See https://cloud.google.com/storage/docs/json_api/v1/objects."""
    objects: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            bucket, _, rest = url.path.partition("/storage/v1/b/")[2].partition("/o")
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            name = unquote(rest[1:])
            if bucket != "pictures" or (name and name not in objects):
                self._answer(404, json.dumps({"error": {"code": 404, "message": "Not Found"}}).encode())
            elif name and query.get("alt") == "media":
                first, _, last = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
                data = objects[name][int(first) : int(last) + 1 if last else None]
                self._answer(206 if "Range" in self.headers else 200, data)
            else:
                self._answer(200, json.dumps(resource(name) if name else listing(**query)).encode())

        do_HEAD = do_GET  # noqa: N815

        def _answer(self, status: int, data: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    def resource(name: str) -> dict[str, str]:
        return {
            "kind": "storage#object",
            "bucket": "pictures",
            "name": name,
            "size": str(len(objects[name])),
            "updated": f"2024-05-01T10:00:{len(objects[name]) % 60:02}.123Z",
        }

    def listing(prefix: str = "", delimiter: str = "", **others: str) -> dict[str, object]:
        below = {name: name[len(prefix) :] for name in sorted(objects) if name.startswith(prefix)}
        folders = {prefix + rest.split("/")[0] + "/" for rest in below.values() if delimiter and "/" in rest}
        items = [resource(name) for name, rest in below.items() if not (delimiter and "/" in rest)]
        return {"kind": "storage#objects", "items": items, "prefixes": sorted(folders)}

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server, pytest.MonkeyPatch.context() as patch:
        server.daemon_threads = True
        patch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield objects
        finally:
            server.shutdown()
            thread.join()
