"""What archives and tables have in common: a list of the files in them, each of which can be opened by name."""

from __future__ import annotations

import io
import lzma
import tarfile
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, ClassVar, NamedTuple

from stylesearch.errors import ImageError
from stylesearch.records import Limits

# Archives that expand more than this are bombs: pictures are compressed already, and line art in TIFF may reach 100.
MAX_RATIO = 200
ALWAYS_ALLOWED = 2**30  # bytes that any archive may expand to
MAX_MEMBERS = 500_000  # an index of so many names takes about 300 MB


class Member(NamedTuple):
    """A file inside a container.

    Attributes:
        name: what `Container.open` takes; the value in its uri.
        size: bytes; -1 where only reading it tells.
        problem: why it cannot be read, where that is known beforehand.
        format: what it begins like, see `formats.format_of`; "" for nothing known, None where nobody has looked.
    """

    name: str
    size: int
    problem: ImageError | None = None
    format: str | None = None


class Container(ABC):
    """A file with files inside, opened anew for each of them, so that threads need no lock.

    Attributes:
        key: how the uri of what is inside names it, as in `#member=`.

    Args:
        open_self: opens the container's own file.
        identity: of its path, size and time.
        limits: caps on what is inside.
    """

    key: ClassVar[str] = "member"

    def __init__(self, open_self: Callable[[], BinaryIO], identity: str, limits: Limits) -> None:
        self._open_self = open_self
        self._identity = identity
        self._limits = limits

    @abstractmethod
    def members(self) -> Iterator[Member]:
        """The files inside, in the order in which they lie there; each name once.

        Raises:
            ImageError: the container is damaged, too large or of a kind that cannot be read; perhaps half-way.
        """

    @abstractmethod
    def open(self, name: str, *, many: bool) -> BinaryIO:
        """Opens a file inside for reading.

        Args:
            many: more of this container will be read, so that preparing for it pays.

        Raises:
            ImageError: "missing" where there is none of that name, or why it cannot be read; reading raises it, too.
        """

    def close(self) -> None:  # noqa: B027 - most hold nothing open
        """Lets go of what is held open; the container can be used again."""


class MappedFile(io.RawIOBase):
    """A file inside an archive; what the libraries raise while it is read becomes an ImageError."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._file.seekable()

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        with archive_errors():
            data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        with archive_errors():
            return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self._file.close()
        super().close()


class Window(io.RawIOBase):
    """A stretch of an open file, which it owns."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._file, self._start, self._size, self._at = file, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        self._file.seek(self._start + self._at)
        data = self._file.read(max(0, min(len(buffer), self._size - self._at)))
        if not data and buffer and self._at < self._size:
            raise ImageError("truncated", "The archive ends within this member.")
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence])
        return self._at

    def tell(self) -> int:
        return self._at

    def close(self) -> None:
        self._file.close()
        super().close()


@contextmanager
def archive_errors() -> Iterator[None]:
    """The one place where what the archive libraries raise becomes an ImageError."""
    try:
        yield
    except (EOFError, zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, OSError, ValueError) as exc:
        if isinstance(exc, OSError) and exc.errno is not None:
            raise ImageError("unreadable", f"The operating system refuses to read it: {exc.strerror}.") from exc
        ends_early = isinstance(exc, EOFError) or "unexpected end" in str(exc).lower()
        raise ImageError("truncated" if ends_early else "damaged", f"The archive is damaged here ({exc}).") from exc
    except (NotImplementedError, RuntimeError) as exc:  # zipfile's words for other compression, and for encryption
        raise ImageError("unsupported", f"The archive uses what cannot be read here ({exc}).") from exc


def not_inside(name: str) -> ImageError:
    """The error for a name that a container does not hold."""
    return ImageError("missing", f"There is no '{name.encode(errors='backslashreplace').decode()}' in it.")


def too_much(unpacked: int, packed: int) -> ImageError | None:
    """The error for an archive that expands beyond all that pictures do; None for an ordinary one."""
    if unpacked <= max(ALWAYS_ALLOWED, MAX_RATIO * packed):
        return None
    return ImageError(
        "too-large", f"The archive of {packed:,} bytes expands to {unpacked:,}, which no pictures do. Unpack it first."
    )


def too_many() -> ImageError:
    """The error for an archive with more members than are kept in memory."""
    return ImageError("too-large", f"The archive has more than {MAX_MEMBERS:,} members. Unpack it first.")
