"""Files of other people: opened read-only, only where they are files, and with every refusal given a reason.

Where a file lies is a uri: an absolute path, something inside a file (`/a.zip#member=b.png`, see `uris.uri_inside`),
or remote (`s3://bucket/key`, `https://...`). Whoever hashes, decodes or shows a picture opens it here, and does not
care what is behind it.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import unquote

from stylesearch.errors import ImageError, UsageError
from stylesearch.records import FileStat, Limits
from stylesearch.uris import Inside, divide_uri, path_of_uri, printable, uri_inside, uri_of_path

if TYPE_CHECKING:
    from stylesearch.containers import Container, Member

_INT64 = 2**63
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+://")  # two letters at least: a drive of Windows has one
_PARTS = ("page", "t")
_FRAGMENT = re.compile(r"#(member|row|image|page|t)=")


def read_bytes(uri: str | os.PathLike[str], limits: Limits) -> bytes:
    """The bytes of a file, named by a path or by a uri; see `uri_of`.

    Raises:
        ImageError: "missing", "unreadable", "not-a-file" or "too-large", or an archive's "damaged" and the like.
    """
    with named(uri), open_uri(uri_of(uri), limits) as file, system_errors():
        return file.read()


def uri_of(text: str | os.PathLike[str]) -> str:
    """The catalog's spelling of what a person calls a file: a path, `file://...`, the uri of a remote or inner file.

    A `#` is taken for part of a file's name where there is such a file, or where no known word follows it.

    Raises:
        UsageError: the text is empty, as of a variable that is not set; it would stand for the current folder.
    """
    text = os.fspath(text)
    if not text:
        raise UsageError("An empty name stands for no file. For the current folder, write a dot.")
    if text.lower().startswith("file://"):
        path, *fragments = text[len("file://") :].split("#")
        return "#".join([uri_of_path(unquote(path, errors="surrogateescape")), *fragments])
    if _SCHEME.match(text):
        remote, inside = _at_fragment(text)
        return (remote if remote.lower().startswith("http") else uri_of_path(remote)) + inside
    path = os.path.abspath(os.path.expanduser(text))  # noqa: PTH100, PTH111 - links are part of the name
    if os.path.lexists(path):
        return uri_of_path(path)
    path, inside = _at_fragment(path)
    return uri_of_path(path) + inside


def is_remote(uri: str) -> bool:
    """Whether a uri leads off this machine."""
    return _SCHEME.match(uri) is not None


def open_uri(uri: str, limits: Limits, *, seen: FileStat | None = None) -> BinaryIO:
    """Opens a file for reading, wherever it lies; its size has been checked against the cap.

    Args:
        uri: in the catalog's spelling. What names a page or a moment at its end is for the decoder, and skipped.
        seen: the file as a scan saw it, by those who read many: what has to be downloaded or decompressed for it is
            kept for a while.

    Raises:
        ImageError: as `open_file`; "unsupported", "damaged" and "truncated" for what an archive lets nobody read, also
            while the file is read. The message does not name the file.
        MissingDependencyError: a package is needed for this kind of remote place.
    """
    base, inside = _divided(uri)
    if is_remote(base):
        if inside:
            raise ImageError("unsupported", "Archives are looked into on this machine only. Copy it here.")
        from stylesearch.remote import open_remote

        return open_remote(base, limits, seen)
    if not inside:
        return open_file(path_of_uri(base), limits)
    (key, name), *deeper = inside
    container = _container(base, limits)
    if key != container.key or deeper:
        raise ImageError("missing", f"There is no '{printable(uri)}'.")
    return container.open(name, many=seen is not None)


def identity(digest: str, part: str | None) -> str:
    """What an asset is known by: the digest of its bytes; of a page or key frame, that of the text `digest#part`.

    Args:
        digest: SHA-256 over the bytes, 64 hexadecimal digits.
        part: "page=2" or "t=12.480"; None: the file's own picture.
    """
    return digest if part is None else hashlib.sha256(f"{digest}#{part}".encode("ascii")).hexdigest()


def part_of(uri: str) -> str | None:
    """The page or key frame that a uri names at its end, as decoders know it; None where it names none."""
    steps = divide_uri(uri)[1] if "#" in uri else ()
    return f"{steps[-1].key}={steps[-1].value}" if steps and steps[-1].key in _PARTS else None


def stat_uri(uri: str, limits: Limits) -> FileStat:
    """Size and time of a file, wherever it lies; what lies inside a file has that file's time, and size -1.

    Raises:
        ImageError: as `open_uri`.
        MissingDependencyError: a package is needed for this kind of remote place.
    """
    base, inside = _divided(uri)
    if is_remote(base):
        if inside:
            return FileStat(uri, -1, 0)
        from stylesearch.remote import stat_remote

        return replace(stat_remote(base), uri=uri)
    with system_errors():
        stat = stat_of(uri, os.stat(path_of_uri(base)))  # noqa: PTH116 - a Path for each of a million takes longer
    return replace(stat, size=-1) if inside else stat


def stat_before_reading(seen: FileStat, limits: Limits) -> FileStat:
    """The stat to record for a file that is about to be read.

    Taken before its bytes: if the file is being written, the next run finds another time and reads it again. Of what is
    remote, the one that was seen: to ask again costs as much as to read.
    """
    base, inside = _divided(seen.uri)
    if is_remote(base):
        return seen
    now = stat_uri(seen.uri, limits)
    return replace(now, size=seen.size) if inside else now


def is_there(uri: str, limits: Limits) -> bool | None:
    """Whether a file lies there now; None where only a server could tell, which is not asked.

    Args:
        uri: in the catalog's spelling; of what lies inside a file, that file is looked for.
    """
    if is_remote(_divided(uri)[0]):
        return None
    try:
        stat_uri(uri, limits)
    except ImageError:
        return False
    return True


def members_of(stat: FileStat, limits: Limits) -> Iterator[tuple[FileStat, Member]]:
    """What lies inside an archive or a table, in its order.

    Raises:
        ImageError: it is none, damaged or a bomb; perhaps half-way.
    """
    container = _container(stat.uri, limits)
    for member in container.members():
        inner = FileStat(uri_inside(stat.uri, container.key, member.name), member.size, stat.mtime_ns)
        if member.problem is None and member.size > limits.max_bytes:
            member = member._replace(problem=too_many_bytes(member.size, limits))
        yield inner, member


def _container(uri: str, limits: Limits) -> Container:
    from stylesearch.containers import open_container

    path = path_of_uri(uri)
    unlimited = replace(limits, max_bytes=_INT64)  # the cap is for pictures, not for what holds a thousand of them
    with system_errors():
        status = os.stat(path)  # noqa: PTH116
    identity = f"{uri}\0{status.st_size}\0{status.st_mtime_ns}"
    return open_container(lambda: open_file(path, unlimited), identity, limits)


def _divided(uri: str) -> tuple[str, tuple[Inside, ...]]:
    """The file and the steps into it, without those that only a decoder takes."""
    base, inside = divide_uri(uri)
    steps = tuple(step for step in inside if step.key not in _PARTS)
    if steps and steps[0].key == "image":  # a manifest names it, and it lies elsewhere
        base, steps = steps[0].value, steps[1:]
        if not base.lower().startswith(("http://", "https://")):
            raise ImageError("unreadable", f"'{printable(base)}' is no http or https address.")
    return base, steps


def _at_fragment(text: str) -> tuple[str, str]:
    found = _FRAGMENT.search(text)
    return (text[: found.start()], text[found.start() :]) if found else (text, "")


def open_file(path: str | os.PathLike[str], limits: Limits) -> io.BufferedReader:
    """Opens a regular file for reading; its size has been checked against the cap.

    Raises:
        ImageError: "missing", "unreadable", "not-a-file" or "too-large"; the message does not name the file.
    """
    with system_errors():
        # Without O_NONBLOCK, opening a named pipe waits for a writer, perhaps for ever. Files do not mind it.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        file = open(os.open(path, flags), "rb")  # noqa: SIM115 - the caller closes it
    status = os.fstat(file.fileno())
    problem = None
    if not stat.S_ISREG(status.st_mode):
        problem = ImageError("not-a-file", "This is a pipe, socket or device, not a file.")
    elif status.st_size > limits.max_bytes:
        problem = too_many_bytes(status.st_size, limits)
    if problem:
        file.close()
        raise problem
    return file


def stat_of(uri: str, status: os.stat_result) -> FileStat:
    """The record of a file's size and time. A time that no database column holds becomes the nearest that one does."""
    return FileStat(uri, status.st_size, max(-_INT64, min(status.st_mtime_ns, _INT64 - 1)))


def too_many_bytes(count: int, limits: Limits) -> ImageError:
    """The error for a file above the cap."""
    return _too_large(f"The file has {count:,} bytes", limits.max_bytes, "STYLESEARCH_MAX_BYTES")


def too_many_pixels(width: int, height: int, limits: Limits) -> ImageError:
    """The error for a picture above the cap."""
    text = f"The picture has {width:,} x {height:,} = {width * height:,} pixels"
    return _too_large(text, limits.max_pixels, "STYLESEARCH_MAX_PIXELS")


def _too_large(what: str, cap: int, variable: str) -> ImageError:
    advice = f"To allow more, set {variable} and run: stylesearch index PATH --retry-failed"
    return ImageError("too-large", f"{what}; the cap is {cap:,}. {advice}")


@contextmanager
def named(name: str | os.PathLike[str] | None) -> Iterator[None]:
    """Puts the file's name in front of the message of an ImageError."""
    try:
        yield
    except ImageError as exc:
        if name is None:
            raise
        raise ImageError(exc.reason, f"'{printable(os.fspath(name))}': {exc}") from exc


@contextmanager
def system_errors() -> Iterator[None]:
    """The one place where the operating system's refusals become an ImageError."""
    try:
        yield
    except FileNotFoundError as exc:
        raise ImageError("missing", "Nothing lies at this path, or the link points nowhere.") from exc
    except IsADirectoryError as exc:
        raise ImageError("not-a-file", "This is a folder, not a file.") from exc
    except OSError as exc:
        if exc.errno in (errno.ENXIO, errno.ENODEV):  # a socket, or a device without a driver
            raise ImageError("not-a-file", "This is a pipe, socket or device, not a file.") from exc
        if exc.errno == errno.ELOOP:
            raise ImageError("missing", "The link leads back to itself.") from exc
        raise ImageError("unreadable", f"The operating system refuses to read it: {exc.strerror}.") from exc
