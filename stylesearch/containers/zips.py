"""ZIP archives. The list of members is at the end of the file, so any member is read without the others."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from collections.abc import Callable, Iterator
from typing import BinaryIO, cast

from stylesearch.containers.base import (
    MAX_MEMBERS,
    Container,
    MappedFile,
    Member,
    archive_errors,
    not_inside,
    too_many,
    too_much,
)
from stylesearch.errors import ImageError
from stylesearch.records import Limits

# APPNOTE.TXT (PKWARE), sections 4.3.7, 4.3.15 and 4.3.16.
_LOCAL_HEADER = struct.Struct("<4s22xHH")
_END = struct.Struct("<4s8xLL2x")
_END_64_LOCATOR = struct.Struct("<4s4xQ4x")
_END_64 = struct.Struct("<4s36xQ8x")
_MAX_COMMENT = 2**16
_ENCRYPTED, _UTF8 = 0x1, 0x800  # bits of the flags, section 4.4.4

# A directory larger than this is not parsed: one of half a million members takes about 64 MB.
_MAX_DIRECTORY = 128 * MAX_MEMBERS


class ZipContainer(Container):
    """A ZIP archive; its directory is read once."""

    def __init__(self, open_self: Callable[[], BinaryIO], identity: str, limits: Limits) -> None:
        super().__init__(open_self, identity, limits)
        with open_self() as file, archive_errors():
            packed = file.seek(0, os.SEEK_END)
            directory = _directory_bytes(file, packed)
            if directory is None:
                raise ImageError("truncated", "The archive ends before the list of its members, its last part.")
            if directory > _MAX_DIRECTORY:
                raise too_many()
            with zipfile.ZipFile(file) as archive:
                self._members = {_name(info): info for info in archive.infolist() if not info.is_dir()}
        if len(self._members) > MAX_MEMBERS:
            raise too_many()
        if problem := too_much(sum(info.file_size for info in self._members.values()), packed):
            raise problem

    def members(self) -> Iterator[Member]:
        for name, info in self._members.items():
            yield Member(name, info.file_size, _problem(info))

    def open(self, name: str, *, many: bool) -> BinaryIO:
        if (info := self._members.get(name)) is None:
            raise not_inside(name)
        if problem := _problem(info):
            raise problem
        file = self._open_self()
        try:
            with archive_errors():
                file.seek(info.header_offset)
                magic, name_length, extra_length = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
                if magic != b"PK\3\4":
                    raise zipfile.BadZipFile("no member begins where the directory says")
                file.seek(name_length + extra_length, os.SEEK_CUR)
                member = zipfile.ZipExtFile(file, "r", info, close_fileobj=True)
        except (ImageError, struct.error) as exc:
            file.close()
            if isinstance(exc, ImageError):
                raise
            raise ImageError("truncated", "The archive ends before this member.") from exc
        return io.BufferedReader(MappedFile(cast(BinaryIO, member)))


def _problem(info: zipfile.ZipInfo) -> ImageError | None:
    if info.flag_bits & _ENCRYPTED:
        return ImageError("unsupported", "It is encrypted in its archive. Unpack the archive with its password.")
    return None


def _name(info: zipfile.ZipInfo) -> str:
    if info.flag_bits & _UTF8:
        return info.filename
    # By the standard such a name is in code page 437; Linux and macOS write UTF-8 all the same.
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.filename


def _directory_bytes(file: BinaryIO, size: int) -> int | None:
    """Size of the central directory; None where there is no end of one, 0 where it is damaged, which zipfile says
    better."""
    start = max(0, size - _END.size - _MAX_COMMENT)
    file.seek(start)
    tail = file.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) - at < _END.size:
        return None
    _, directory, _ = _END.unpack_from(tail, at)
    if directory != 0xFFFFFFFF:
        return int(directory)
    file.seek(max(0, start + at - _END_64_LOCATOR.size))
    magic, offset = _END_64_LOCATOR.unpack(file.read(_END_64_LOCATOR.size))
    file.seek(offset)
    record = file.read(_END_64.size)
    if magic != b"PK\6\7" or len(record) < _END_64.size:
        return 0
    return int(_END_64.unpack(record)[1])
