"""Files of other people: opened read-only, only where they are files, and with every refusal given a reason."""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from stylesearch.errors import ImageError
from stylesearch.records import FileStat, Limits, printable

_INT64 = 2**63


def read_bytes(path: str | os.PathLike[str], limits: Limits) -> bytes:
    """The bytes of a regular file.

    Raises:
        ImageError: "missing", "unreadable", "not-a-file" or "too-large".
    """
    with named(path), open_file(path, limits) as file, system_errors():
        return file.read()


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
