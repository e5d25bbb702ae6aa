"""TAR archives. An uncompressed one is read by offset; a compressed one can only be read from its start.

So a compressed one is gone through once for the list of its members (which is kept, so that the next run does not
repeat it), and once more, when many members are to be read, into a plain copy in the spool: a `.tar.gz` of 10,000
pictures is decompressed twice, and not 10,000 times. A single member is read by going as far as it lies.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import tarfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

from stylesearch.containers.base import (
    MAX_MEMBERS,
    Container,
    MappedFile,
    Member,
    Window,
    archive_errors,
    not_inside,
    too_many,
    too_much,
)
from stylesearch.errors import ImageError, MissingDependencyError
from stylesearch.files import too_many_bytes
from stylesearch.formats import SIGNATURE_BYTES, format_of
from stylesearch.records import Limits
from stylesearch.spool import room, spooled

_LZMA_MEMORY = 512 * 2**20  # what decompressing may take; `xz -9` takes 65 MB
_PIECE = 2**20
_MAX_HEADER = 16 * 2**20  # an extended header is read into memory whole; names have a few hundred bytes

# Name -> offset and size in the uncompressed archive, and `Member.format`.
Index = dict[str, tuple[int, int, str | None]]


class TarContainer(Container):
    """A TAR archive, plain or compressed with gzip, bzip2, xz or Zstandard."""

    def __init__(self, open_self: Callable[[], BinaryIO], identity: str, limits: Limits) -> None:
        super().__init__(open_self, identity, limits)
        with open_self() as file:
            self._decompress = _compression(file.read(6))
        self._index: Index | None = None if self._decompress else self._scanned()

    def members(self) -> Iterator[Member]:
        for name, (_, size, kind) in self._complete_index().items():
            problem = ImageError("unsupported", "It is stored with holes (a sparse file).") if size < 0 else None
            yield Member(name, max(0, size), problem, kind)

    def open(self, name: str, *, many: bool) -> BinaryIO:
        if self._decompress and self._index is None and not many:
            return self._streamed(name)
        if name not in (index := self._complete_index()):
            raise not_inside(name)
        offset, size, _ = index[name]
        if size < 0:
            raise ImageError("unsupported", "It is stored with holes (a sparse file).")
        if self._decompress is None:
            return io.BufferedReader(MappedFile(cast(BinaryIO, Window(self._open_self(), offset, size))))
        if not many:
            return self._streamed(name)
        plain = spooled("unpacked", self._identity, self._unpack)
        return io.BufferedReader(MappedFile(cast(BinaryIO, Window(plain, offset, size))))

    def _complete_index(self) -> Index:
        if self._index is None:
            with spooled("listings", self._identity, self._write_listing) as listing:
                self._index = {name: (offset, size, kind) for name, offset, size, kind in json.loads(listing.read())}
        return self._index

    def _write_listing(self, path: Path) -> None:
        rows = [(name, *place) for name, place in self._scanned().items()]
        path.write_text(json.dumps(rows), encoding="ascii")

    def _scanned(self) -> Index:
        """Goes through the headers; sparse files have size -1."""
        index: Index = {}
        with self._plain() as file:
            for info in _headers(file):
                if info.isreg() or info.issparse():
                    # Of a compressed archive, what comes by is looked at now: later, one would have to go there again.
                    kind = format_of(file.read(min(info.size, SIGNATURE_BYTES))) or "" if self._decompress else None
                    index[info.name] = (info.offset_data, -1 if info.issparse() else info.size, kind)
                    if len(index) > MAX_MEMBERS:
                        raise too_many()
        return index

    def _streamed(self, name: str) -> BinaryIO:
        """Goes as far as the member lies, which is then held in memory."""
        with self._plain() as file:
            for info in _headers(file):
                if info.name == name and info.isreg() and not info.issparse():
                    if info.size > self._limits.max_bytes:
                        raise too_many_bytes(info.size, self._limits)
                    file.seek(info.offset_data)
                    data = io.BytesIO()
                    while piece := file.read(min(_PIECE, info.size - data.tell())):
                        data.write(piece)
                    data.seek(0)
                    return data
        raise not_inside(name)

    def _unpack(self, path: Path) -> None:
        with self._plain() as file, open(path, "xb") as plain:
            while piece := file.read(_PIECE):
                plain.write(piece)

    @contextmanager
    def _plain(self) -> Iterator[_Plain]:
        """The uncompressed archive, to be read forwards."""
        with self._open_self() as file:
            if self._decompress is None:
                yield file
                return
            size = file.seek(0, io.SEEK_END)
            file.seek(0)
            with archive_errors(), closing(self._decompress(file)) as unpacked:
                yield _Decompressed(unpacked, size)


class _Plain(Protocol):
    def read(self, size: int, /) -> bytes: ...
    def seek(self, offset: int, /) -> int: ...
    def tell(self) -> int: ...


class _Headers:
    """What tarfile reads from: an archive of which only headers are read. One that claims to be huge is refused."""

    def __init__(self, file: _Plain) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int) -> bytes:
        if size > _MAX_HEADER:
            raise ImageError("damaged", f"A header of the archive claims to have {size:,} bytes.")
        return self._file.read(size)


def _headers(file: _Plain) -> Iterator[tarfile.TarInfo]:
    with archive_errors():
        headers = cast(BinaryIO, _Headers(file))
        with tarfile.open(fileobj=headers, mode="r:", encoding="utf-8", errors="surrogateescape") as archive:
            for info in archive:
                cast(Any, archive).members.clear()  # or it keeps them all
                yield info


class _Decompressed:
    """A compressed archive, read forwards; ends with an error where it expands like a bomb.

    Args:
        packed: size of the compressed file.
    """

    def __init__(self, file: BinaryIO, packed: int) -> None:
        self._file, self._packed, self._at = file, packed, 0
        self._room = room()

    def read(self, size: int, /) -> bytes:
        pieces = []
        while size and (piece := self._file.read(min(size, _PIECE))):
            pieces.append(piece)
            size -= len(piece)
            self._at += len(piece)
            if problem := too_much(self._at, self._packed):
                raise problem
            if self._at > self._room:
                raise ImageError(
                    "too-large",
                    f"Unpacked, the archive has more than {self._room:,} bytes, half of what is free in the cache "
                    "folder. Set XDG_CACHE_HOME to a folder with more room, or unpack it.",
                )
        return b"".join(pieces)

    def seek(self, offset: int, /) -> int:
        while (ahead := offset - self._at) > 0 and self.read(min(ahead, _PIECE)):
            pass
        return self._at

    def tell(self) -> int:
        return self._at


class _Xz(io.RawIOBase):
    """Like lzma.open, with a cap on memory: a file may ask for 4 GB."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._decompressor = lzma.LZMADecompressor(memlimit=_LZMA_MEMORY)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        while True:
            if self._decompressor.eof:  # one stream may follow another, or padding
                rest = (self._decompressor.unused_data or self._file.read(_PIECE)).lstrip(b"\0")
                if not rest:
                    return 0
                self._decompressor = lzma.LZMADecompressor(memlimit=_LZMA_MEMORY)
            else:
                rest = self._file.read(_PIECE) if self._decompressor.needs_input else b""
                if not rest and self._decompressor.needs_input:
                    raise EOFError("the compressed data ends early")
            if piece := self._decompressor.decompress(rest, len(buffer)):
                buffer[: len(piece)] = piece
                return len(piece)


def _zstandard(file: BinaryIO) -> BinaryIO:
    try:
        import zstandard
    except ImportError as exc:
        missing = MissingDependencyError("zstandard", "archives", "to read archives compressed with Zstandard")
        raise ImageError("unsupported", str(missing)) from exc
    reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True, closefd=False)
    return cast(BinaryIO, _Zstandard(reader, zstandard.ZstdError))


class _Zstandard:
    def __init__(self, reader: Any, error: type[Exception]) -> None:
        self._reader, self._error, self.close = reader, error, reader.close

    def read(self, size: int) -> bytes:
        try:
            return cast(bytes, self._reader.read(size))
        except self._error as exc:
            raise ValueError(str(exc)) from exc


_MAGIC: dict[bytes, Callable[[BinaryIO], BinaryIO]] = {
    b"\x1f\x8b": lambda file: cast(BinaryIO, gzip.GzipFile(fileobj=file)),
    b"BZh": lambda file: cast(BinaryIO, bz2.BZ2File(file)),
    b"\xfd7zXZ\0": lambda file: cast(BinaryIO, io.BufferedReader(_Xz(file), _PIECE)),
    b"\x28\xb5\x2f\xfd": _zstandard,
}


def _compression(first_bytes: bytes) -> Callable[[BinaryIO], BinaryIO] | None:
    return next((partial(opener) for magic, opener in _MAGIC.items() if first_bytes.startswith(magic)), None)
