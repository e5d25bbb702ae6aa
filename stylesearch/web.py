"""Pictures and manifests over http and https: few connections to a server, patience where it asks for it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from typing import BinaryIO

import urllib3
from urllib3.exceptions import HTTPError, MaxRetryError, ProtocolError, ReadTimeoutError

from stylesearch.errors import ImageError
from stylesearch.files import too_many_bytes
from stylesearch.records import FileStat, Limits

# How many requests one process has under way at one server; museums' image servers cut larger pictures as asked for.
CONNECTIONS = 4
_ATTEMPTS = 5
_FIRST_PAUSE = 0.5  # seconds, doubled each time
_LONGEST_WAIT = 120  # seconds, also where Retry-After says more
_PIECE = 2**20
_NO_HEAD = (400, 403, 405, 501)  # a server, or a signed URL, that answers GET alone


def download(url: str, limits: Limits, file: BinaryIO, *, accept: str = "*/*") -> None:
    """Writes what lies at an address to a file.

    Raises:
        ImageError: "missing", "unreadable" or "too-large".
    """
    for attempt in range(_ATTEMPTS):
        file.seek(0)
        file.truncate()
        try:
            with _answer("GET", url, {"Accept": accept}) as answer:
                size = int(answer.headers.get("Content-Length") or 0)
                while size <= limits.max_bytes and (piece := answer.read(_PIECE)):
                    file.write(piece)
                    size = max(size, file.tell())
                if size > limits.max_bytes:
                    raise too_many_bytes(size, limits)
                return
        except (ProtocolError, ReadTimeoutError) as exc:  # broke off half-way, which urllib3 leaves to its caller
            if attempt == _ATTEMPTS - 1:
                raise ImageError("unreadable", f"The server breaks off each time ({exc}).") from exc


def fetch(url: str, limits: Limits, *, accept: str = "*/*") -> bytes:
    """What lies at an address. Raises ImageError as `download` does."""
    data = io.BytesIO()
    download(url, limits, data, accept=accept)
    return data.getvalue()


def first_bytes(url: str, count: int) -> bytes:
    """The beginning of what lies at an address.

    Raises:
        ImageError: "missing" or "unreadable".
    """
    try:
        with _answer("GET", url, {"Range": f"bytes=0-{count - 1}", "Accept": "*/*"}) as answer:
            return answer.read(count)
    except (ProtocolError, ReadTimeoutError) as exc:
        raise ImageError("unreadable", f"The server breaks off ({exc}).") from exc


def head(url: str) -> FileStat:
    """Size and time as far as the server tells them.

    Raises:
        ImageError: "missing" or "unreadable".
    """
    with _answer("HEAD", url, {}) as answer:
        if answer.status in _NO_HEAD:
            return FileStat(url, -1, 0)
        return FileStat(url, int(answer.headers.get("Content-Length") or -1), _time(answer.headers))


def number_of(text: str) -> int:
    """A number that stands for a text, such as an ETag, where a time is wanted."""
    return int.from_bytes(sha256(text.encode()).digest()[:7])


def _time(headers: urllib3.HTTPHeaderDict) -> int:
    try:
        return int(parsedate_to_datetime(headers["Last-Modified"]).timestamp()) * 10**9
    except (KeyError, ValueError, OverflowError):
        return number_of(headers["ETag"]) if "ETag" in headers else 0


@contextmanager
def _answer(method: str, url: str, headers: dict[str, str]) -> Iterator[urllib3.BaseHTTPResponse]:
    if not url.lower().startswith(("http://", "https://")):
        raise ImageError("unreadable", f"'{url}' is no http or https address.")
    try:
        answer = _pool().request(method, url, headers=headers, preload_content=False)
    except MaxRetryError as exc:
        raise ImageError("unreadable", f"The server cannot be reached ({exc.reason}).") from exc
    except HTTPError as exc:
        raise ImageError("unreadable", f"'{url}' cannot be fetched ({exc}).") from exc
    try:
        if answer.status in (404, 410):
            raise ImageError("missing", f"The server has nothing there (HTTP {answer.status}).")
        if answer.status >= 400 and not (method == "HEAD" and answer.status in _NO_HEAD):
            raise ImageError("unreadable", f"The server refuses (HTTP {answer.status} {answer.reason or ''}).")
        yield answer
    finally:
        # What was not read to its end would be taken for the answer to the next request.
        answer.close() if answer.length_remaining else answer.release_conn()


@cache
def _pool() -> urllib3.PoolManager:
    retries = urllib3.Retry(
        _ATTEMPTS,
        redirect=5,
        backoff_factor=_FIRST_PAUSE,
        backoff_jitter=_FIRST_PAUSE,
        status_forcelist=(429, 500, 502, 503, 504),
        raise_on_status=False,
        retry_after_max=_LONGEST_WAIT,
    )
    return urllib3.PoolManager(
        maxsize=CONNECTIONS,
        block=True,
        retries=retries,
        timeout=urllib3.Timeout(connect=10, read=60),
        headers={"User-Agent": f"stylesearch/{version('stylesearch')}"},
    )
