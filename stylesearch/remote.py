"""Files in object stores and other places that fsspec opens (`s3://`, `gs://`), and behind `https://`.

Credentials come from the environment, as s3fs and gcsfs read them, and are kept nowhere. s3fs and gcsfs repeat requests
that fail for a moment, with growing pauses; for http that is `stylesearch.web`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, cast

from stylesearch import web
from stylesearch.errors import ImageError, MissingDependencyError, UsageError
from stylesearch.files import too_many_bytes
from stylesearch.records import FileStat, Limits
from stylesearch.spool import spooled
from stylesearch.uris import path_of_uri, uri_of_path

# What fsspec itself does not bring, and the extra that does.
_PACKAGES = dict.fromkeys(("s3", "s3a"), ("s3fs", "remote")) | dict.fromkeys(("gs", "gcs"), ("gcsfs", "gs"))
_PACKAGES |= dict.fromkeys(("http", "https"), ("aiohttp", "remote"))


def is_web(uri: str) -> bool:
    """Whether http serves it."""
    return uri.lower().startswith(("http://", "https://"))


def stat_remote(uri: str) -> FileStat:
    """Size and time of one object.

    Raises:
        ImageError: "missing", "not-a-file" or "unreadable".
        MissingDependencyError: its kind of place needs a package.
    """
    if is_web(uri):
        return web.head(uri)
    filesystem, path = filesystem_of(uri)
    with store_errors():
        return stat_of_info(uri, filesystem.info(path))


def open_remote(uri: str, limits: Limits, seen: FileStat | None) -> BinaryIO:
    """Opens a local copy of an object.

    Args:
        seen: the version that is wanted, which will be read again: hashed and then decoded, say. Its copy is kept for a
            while and downloaded once. None: a copy for this call alone.

    Raises:
        ImageError: "missing", "unreadable", "not-a-file" or "too-large".
    """
    if seen is not None:
        version = f"{uri}\0{seen.mtime_ns}"
        return spooled("downloads", version, lambda path: _download(uri, limits, path, seen.size))
    copy = tempfile.NamedTemporaryFile()  # noqa: SIM115 - the caller closes it
    try:
        _download(uri, limits, Path(copy.name), -1)
    except BaseException:
        copy.close()
        raise
    return cast(BinaryIO, copy)


def filesystem_of(uri: str) -> tuple[Any, str]:
    """fsspec's filesystem for a uri, and the path that it knows the object by.

    Raises:
        MissingDependencyError, UsageError: the package for this kind of place is not installed.
        ImageError: there is no such kind of place, or it cannot be reached.
    """
    protocol, _, place = uri.partition("://")
    try:
        import fsspec

        if "::" in uri or protocol not in fsspec.available_protocols():
            raise ImageError("unsupported", f"'{protocol}://' is no kind of place that fsspec opens.")
        if not place.strip("/"):
            raise ImageError("missing", f"'{protocol}://' alone names no place; a bucket or host follows it.")
        # A listing that is kept would hide what has changed, and grow without end.
        with store_errors():
            return cast(
                tuple[Any, str],
                fsspec.url_to_fs(path_of_uri(uri), use_listings_cache=False, skip_instance_cache=False),
            )
    except ImportError as exc:
        package, extra = _PACKAGES.get(protocol, (None, None))
        if package is None or extra is None:
            raise UsageError(f"'{protocol}://' cannot be read here. {exc}") from exc
        raise MissingDependencyError(package, extra, f"to read '{protocol}://'") from exc


def stat_of_info(uri: str, info: dict[str, Any]) -> FileStat:
    """The record of what fsspec says of an object."""
    if info["type"] != "file":
        raise ImageError("not-a-file", "This is a folder, not a file.")
    moment = next((info[key] for key in ("LastModified", "mtime", "updated", "last_modified") if info.get(key)), None)
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    if isinstance(moment, datetime):
        moment = moment.timestamp()
    tag = info.get("ETag") or info.get("etag")
    mtime_ns = web.number_of(str(tag)) if moment is None and tag else int((moment or 0) * 1e9)
    size = info.get("size")
    return FileStat(uri_of_path(uri), -1 if size is None else int(size), mtime_ns)


@contextmanager
def store_errors() -> Iterator[None]:
    """The one place where the errors of fsspec's filesystems become an ImageError."""
    try:
        yield
    except (ImageError, ImportError):
        raise
    except FileNotFoundError as exc:
        raise ImageError("missing", "There is no such object, or no such bucket.") from exc
    except IsADirectoryError as exc:
        raise ImageError("not-a-file", "This is a folder, not a file.") from exc
    except Exception as exc:  # each filesystem has errors of its own, also beyond OSError
        raise ImageError("unreadable", f"The store refuses to read it ({type(exc).__name__}: {exc}).") from exc


def _download(uri: str, limits: Limits, path: Path, size: int) -> None:
    if is_web(uri):
        with open(path, "wb") as file:
            web.download(uri, limits, file)
        return
    filesystem, name = filesystem_of(uri)
    with store_errors():
        if size < 0:
            size = filesystem.info(name).get("size") or 0
        if size > limits.max_bytes:
            raise too_many_bytes(size, limits)
        filesystem.get_file(name, str(path))
