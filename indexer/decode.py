"""One file: read, hashed, decoded and prepared for the encoder. Worker processes import this, so torch is far away."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from stylesearch.appearance import appearance_of
from stylesearch.errors import ImageError
from stylesearch.files import open_uri, stat_before_reading, system_errors
from stylesearch.images import Preprocess, load_pixels, thumbnail
from stylesearch.metadata import read_metadata, read_sidecar
from stylesearch.records import Appearance, FileStat, Limits, Metadata, Refusal
from stylesearch.thumbnails import thumbnail_path, write_thumbnail

if TYPE_CHECKING:
    import numpy as np

# Reasons that lie with the system and not with the content. They may pass without the file changing (chmod changes
# neither size nor time), so such refusals are remembered without size and time and tried again by every run.
_PASSING = ("unreadable", "missing", "not-a-file")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A file that is ready for the encoder.

    Attributes:
        stat: the file as it was when it was read, which may be later than the scan.
        sha256: 64 hexadecimal digits over its bytes.
        format: upper-case name of the format.
        width, height: pixels of the upright picture.
        pixels: uint8 (S, S, 3), sRGB.
        metadata: what the file, and a sidecar beside it, say.
        appearance: what was worked out from its pixels.
    """

    stat: FileStat
    sha256: str
    format: str
    width: int
    height: int
    pixels: np.ndarray
    metadata: Metadata
    appearance: Appearance


@dataclass(frozen=True, slots=True)
class Hashed:
    """A file's content. `stat` is the file as it was when it was read."""

    stat: FileStat
    sha256: str


def hash_file(stat: FileStat, limits: Limits) -> Hashed | Refusal:
    """The digest of a file, read in pieces."""
    try:
        seen, stat = stat, stat_before_reading(stat, limits)
        with open_uri(stat.uri, limits, seen=seen) as file, system_errors():
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]  # has readinto
            size = stat.size if stat.size >= 0 else file.seek(0, os.SEEK_END)
        return Hashed(replace(stat, size=size), sha256)
    except ImageError as exc:
        return refusal(stat, exc)


def decode_file(stat: FileStat, preprocess: Preprocess, limits: Limits, thumbnails: Path) -> Prepared | Refusal:
    """Reads a file, prepares its pixels, writes its thumbnail, and reads its metadata.

    Raises:
        LibraryError: the thumbnail cannot be written.
    """
    sha256 = None
    try:
        seen, stat = stat, stat_before_reading(stat, limits)
        with open_uri(stat.uri, limits, seen=seen) as file, system_errors():
            data = file.read()
        sha256 = hashlib.sha256(data).hexdigest()
        stat = replace(stat, size=len(data))
        decoded = load_pixels(data, preprocess, limits)
        small, appearance = thumbnail(decoded.picture), appearance_of(decoded.picture)
        metadata = read_metadata(data, decoded.format, read_sidecar(stat.uri))
    except ImageError as exc:
        return refusal(stat, exc, sha256)
    except MemoryError:
        return refusal(stat, ImageError("too-large", "The picture needs more memory than it may have."), sha256)
    write_thumbnail(thumbnail_path(thumbnails, sha256), small)
    size = decoded.width, decoded.height
    return Prepared(stat, sha256, decoded.format, *size, decoded.pixels, metadata, appearance)


def refusal(stat: FileStat, error: ImageError, sha256: str | None = None) -> Refusal:
    """The record of a file that cannot be used."""
    if error.reason in _PASSING:
        stat = FileStat(stat.uri, 0, 0)
    return Refusal(stat, error.reason, str(error), sha256)
