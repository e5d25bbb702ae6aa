"""One file: read, hashed, decoded and prepared for the encoder. Worker processes import this, so torch is far away."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from stylesearch.appearance import appearance_of
from stylesearch.errors import ImageError
from stylesearch.files import identity, open_uri, part_of, stat_before_reading, system_errors
from stylesearch.formats import BY_NAME, SIGNATURE_BYTES
from stylesearch.images import Preprocess, decoder_name, fit, load_pixels, parts_of, thumbnail
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
        sha256: its identity, see `files.identity`.
        format: upper-case name of the format.
        width, height: pixels of the upright picture.
        pixels: uint8 (S, S, 3), sRGB.
        metadata: what the file, and a sidecar beside it, say.
        appearance: what was worked out from its pixels.
        parts: further pages or key frames in the file, such as "page=2"; None where nobody has looked.
        to_mask: uint8 (M, M, 3), sRGB, as a masker takes it; None where no region is asked for.
    """

    stat: FileStat
    sha256: str
    format: str
    width: int
    height: int
    pixels: np.ndarray
    metadata: Metadata
    appearance: Appearance
    parts: tuple[str, ...] | None
    to_mask: np.ndarray | None = None


@dataclass(frozen=True, slots=True)
class Hashed:
    """A file's identity. `stat` is the file as it was when it was read."""

    stat: FileStat
    sha256: str


def hash_file(stat: FileStat, limits: Limits) -> Hashed | Refusal:
    """The identity of a file, read in pieces."""
    try:
        seen, stat = stat, stat_before_reading(stat, limits)
        with open_uri(stat.uri, limits, seen=seen) as file, system_errors():
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]  # has readinto
            size = stat.size if stat.size >= 0 else file.seek(0, os.SEEK_END)
        return Hashed(replace(stat, size=size), identity(sha256, part_of(stat.uri)))
    except ImageError as exc:
        return refusal(stat, exc)


def decode_file(
    stat: FileStat, preprocess: Preprocess, limits: Limits, thumbnails: Path, masker: Preprocess | None = None
) -> Prepared | Refusal:
    """Reads a file, prepares its pixels, writes its thumbnail, and reads its metadata.

    Args:
        masker: how a masker takes pictures; None: no region is asked for.

    Raises:
        LibraryError: the thumbnail cannot be written.
    """
    return _decode(stat, preprocess, limits, thumbnails, masker, look_for_parts=False)


def decode_file_with_parts(
    stat: FileStat, preprocess: Preprocess, limits: Limits, thumbnails: Path, masker: Preprocess | None = None
) -> Prepared | Refusal:
    """As `decode_file`, and lists the further pages or key frames of the file."""
    return _decode(stat, preprocess, limits, thumbnails, masker, look_for_parts=True)


def _decode(
    stat: FileStat,
    preprocess: Preprocess,
    limits: Limits,
    thumbnails: Path,
    masker: Preprocess | None,
    look_for_parts: bool,
) -> Prepared | Refusal:
    data, sha256, part = b"", None, part_of(stat.uri)
    try:
        seen, stat = stat, stat_before_reading(stat, limits)
        with open_uri(stat.uri, limits, seen=seen) as file, system_errors():
            data = file.read()
        sha256 = identity(hashlib.sha256(data).hexdigest(), part)
        stat = replace(stat, size=len(data))
        decoded = load_pixels(data, preprocess, limits, part=part, least_side=masker.size if masker else 0)
        to_mask = fit(decoded.picture, masker) if masker else None
        small, appearance = thumbnail(decoded.picture), appearance_of(decoded.picture)
        metadata = read_metadata(data, decoded.format, read_sidecar(stat.uri))
        parts: tuple[str, ...] | None = () if part is not None or BY_NAME[decoded.format].parts is None else None
        if look_for_parts and parts is None:
            parts, notes = _parts_in(data, limits)
            metadata = replace(metadata, notes=metadata.notes + notes)
    except ImageError as exc:
        return refusal(stat, exc, sha256, decoder_name(data))
    except MemoryError:
        too_large = ImageError("too-large", "The picture needs more memory than it may have.")
        return refusal(stat, too_large, sha256, decoder_name(data[:SIGNATURE_BYTES]))
    write_thumbnail(thumbnail_path(thumbnails, sha256), small)
    size = decoded.width, decoded.height
    return Prepared(stat, sha256, decoded.format, *size, decoded.pixels, metadata, appearance, parts, to_mask)


def _parts_in(data: bytes, limits: Limits) -> tuple[tuple[str, ...], tuple[str, ...]]:
    # The file's own picture is good, whatever lies behind it.
    try:
        return tuple(parts_of(data, limits)), ()
    except ImageError as exc:
        return (), (f"The further pages or key frames of the file cannot be listed. {exc}",)


def decoder_at(stat: FileStat, limits: Limits) -> str | None:
    """Which decoder a file would be given to, told by its first bytes; None where they cannot be read."""
    try:
        with open_uri(stat.uri, limits) as file, system_errors():
            return decoder_name(file.read(SIGNATURE_BYTES))
    except ImageError:
        return None


def refusal(stat: FileStat, error: ImageError, sha256: str | None = None, decoder: str | None = None) -> Refusal:
    """The record of a file that cannot be used."""
    if error.reason in _PASSING:
        stat = FileStat(stat.uri, 0, 0)
    return Refusal(stat, error.reason, str(error), sha256, decoder=decoder)
