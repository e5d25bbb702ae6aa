"""What things are: the plain values that pass between catalog, index, search, indexer and pages.

Nothing here opens a file, a database or a model.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from stylesearch.errors import ImageReason, UsageError

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

Region = Literal["whole", "background", "subject"]

# What can stand for a style: a path, a decoded picture, the id of an asset of the library, or a vector of the space.
ReferenceSource: TypeAlias = "str | os.PathLike[str] | Image | int | np.ndarray"


class StyleText(str):
    """A style in words ("ink wash, muted") where a plain `str` would be a path."""

    __slots__ = ()


class Reference(NamedTuple):
    """One image, asset, vector or text of a query, and how much it counts."""

    source: ReferenceSource
    weight: float


ReferenceLike: TypeAlias = "ReferenceSource | tuple[ReferenceSource, float]"

# Counter-references steer, they do not lead: at full weight one of them cancels a reference of a similar style.
# 0.5 lies in the range 0.25 to 0.75 usual for the negative term of Rocchio's formula (Manning et al., IIR, 9.1.1).
COUNTER_WEIGHT = 0.5

# The catalog's names of the formats that can be decoded.
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")

# What people call formats, after the extension of a file, where the catalog's name is another.
_OTHER_NAMES = {"JPG": "JPEG", "TIF": "TIFF", "JP2": "JPEG2000", "PGM": "PPM", "PBM": "PPM"}


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps on input, checked before anything is allocated.

    Attributes:
        max_pixels: width x height; 200 million are 0.6 GB once decoded.
        max_bytes: size of the file.
    """

    max_pixels: int = 200_000_000
    max_bytes: int = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Space:
    """Where vectors may be compared: one encoder build, one region of the image, one way to prepare pixels.

    Attributes:
        encoder: name of the encoder, `family:architecture.tag`.
        fingerprint: hexadecimal digest over the encoder's weights, configuration and compute dtype.
        dim: length of a vector.
        dtype: dtype that the encoder computes in ("float32", "bfloat16"); vectors are float32 outside of it.
        preprocessing: version string of decoder, fit and filter (`Preprocess.version`).
        region: which part of the image the vector describes.
    """

    encoder: str
    fingerprint: str
    dim: int
    dtype: str
    preprocessing: str
    region: Region = "whole"

    @property
    def key(self) -> str:
        """Short name that is safe in a file name and differs whenever two spaces must not meet."""
        identity = "\n".join((self.fingerprint, self.region, self.preprocessing))
        return hashlib.sha256(identity.encode()).hexdigest()[:16]


# A file name is bytes. Bytes that are not UTF-8 reach Python as lone surrogates, which no database stores; they are
# kept as private-use characters instead, so that the spelling is valid text and the very bytes can be had back.
_TO_URI = {0xDC00 + byte: chr(0x10FF00 + byte) for byte in range(0x80, 0x100)}
_FROM_URI = {0x10FF00 + byte: chr(0xDC00 + byte) for byte in range(0x80, 0x100)}
_TO_PRINT = {0x10FF00 + byte: f"\\x{byte:02x}" for byte in range(0x80, 0x100)}
# A file name may hold what steers a terminal: the control characters of ASCII and of Latin-1.
_TO_PRINT |= {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}


def uri_of_path(path: str | os.PathLike[str]) -> str:
    """The catalog's spelling of an absolute path: always valid Unicode."""
    return os.fspath(path).translate(_TO_URI)


def path_of_uri(uri: str) -> str:
    """The path to open; the inverse of `uri_of_path`."""
    return uri.translate(_FROM_URI)


def printable(path: str) -> str:
    """The path for people and JSON: bytes that are not UTF-8, and control characters, are written as \\x.. escapes."""
    return path.translate(_TO_URI).translate(_TO_PRINT)


@dataclass(frozen=True, slots=True)
class FileStat:
    """A file as the scan saw it.

    Attributes:
        uri: absolute path (or URI) in the catalog's spelling; see `uri_of_path`.
        size: bytes.
        mtime_ns: modification time in nanoseconds since the epoch.
    """

    uri: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class KnownFile:
    """What the catalog remembers of one location.

    Attributes:
        stat: the file as last indexed or refused.
        asset_id: its asset, or None where the file was refused.
        has_vector: whether that asset has a vector in the space that is being filled.
        present: False where an earlier scan found the file gone.
    """

    stat: FileStat
    asset_id: int | None
    has_vector: bool
    present: bool = True


@dataclass(frozen=True, slots=True)
class IndexedFile:
    """One good file, ready to be written.

    Attributes:
        stat: the file.
        sha256: 64 hexadecimal digits over the file's bytes; the identity of the asset.
        format: decoder's name of the format, upper case ("JPEG", "PNG").
        width, height: pixels of the upright image.
        vector: float32 (D,), unit length; None where the catalog holds the asset's vector already.
    """

    stat: FileStat
    sha256: str
    format: str
    width: int
    height: int
    vector: np.ndarray | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """One file that could not be used, and why.

    Attributes:
        stat: the file; size and time are 0 where not even those could be read.
        reason: a fixed word, see `ImageReason`.
        message: the reason for a person.
        sha256: digest of the bytes where they could be read.
        attempts: how many runs have tried it.
    """

    stat: FileStat
    reason: ImageReason
    message: str
    sha256: str | None = None
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class Batch:
    """What one transaction of the indexer writes."""

    indexed: Sequence[IndexedFile] = ()
    refused: Sequence[Refusal] = ()
    unchanged: Sequence[str] = ()  # uris seen again as they were


@dataclass(frozen=True, slots=True)
class Changes:
    """A stretch of a space's history, oldest first; an index applies them in order.

    Attributes:
        asset_ids: int64 (N,).
        vectors: float32 (N, D), rows of unit length; rows of removed assets are present and meaningless.
        live: bool (N,); False: remove the asset from the index.
        sequence: sequence number of the last row; the index stores it as 'seen so far'.
        history: what the catalog calls the transaction that gave that number; see `Catalog.history`.
    """

    asset_ids: np.ndarray
    vectors: np.ndarray
    live: np.ndarray
    sequence: int
    history: str = ""


@dataclass(frozen=True, slots=True)
class Asset:
    """A picture of the library: its content, and where copies of it lie now.

    Attributes:
        id: the catalog's integer, stable over moves and renames.
        sha256: 64 hexadecimal digits over the file's bytes.
        size: bytes.
        format: "JPEG", "PNG", ...
        width, height: pixels, upright.
        paths: present locations, the most recently seen first; empty where every copy is gone.
    """

    id: int
    sha256: str
    size: int
    format: str
    width: int
    height: int
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hit:
    """One answer of a search.

    Attributes:
        asset: the picture, with its locations.
        cosine: similarity to the query in [-1, 1]; higher is more alike.
    """

    asset: Asset
    cosine: float

    @property
    def path(self) -> str:
        """The first location of the asset."""
        return self.asset.paths[0]


@dataclass(frozen=True, slots=True)
class Counts:
    """Totals for `stylesearch status`.

    Attributes:
        assets: pictures with a present location.
        locations: present ones.
        gone: locations that are not.
        refused: files that could not be used.
    """

    assets: int
    locations: int
    gone: int
    refused: int


@dataclass(frozen=True)
class Query:
    """What to look for.

    A reference is a path, a PIL image, an asset id of the library or a vector of its space (float32 (D,)); written as a
    pair `(reference, weight)` it counts `weight` times, and so does a text. The query vector is the weighted sum of
    references and texts less that of the counter-references (Rocchio's relevance feedback, 1971), at unit length.

    Attributes:
        references: what the style should be like; one or several.
        counter_references: what it should be less like; they weigh `COUNTER_WEIGHT` where no weight is given.
        texts: the style in words, such as "ink wash, muted"; added to the references, or on their own. The library's
            encoder needs a text tower.
        k: how many hits to return, at least 1.
        paths: keep only assets with a location that matches one of these globs (`*`, `?`, `[...]`, `**` as in a shell;
            a pattern without a leading `/` matches at any depth). A name alone ("posters", "/abs/posters"), and a
            pattern that ends in `/`, also stands for everything below.
        formats: keep only these of `FORMATS` ("JPEG", "png", ".jpg", "image/png": case does not matter).
        exclude_references: leave references that are assets of the library, by id or by content, out of the hits.

    Raises:
        UsageError: neither reference nor text, something that cannot be one, a weight that is not a positive finite
            number, k that is not a whole number of at least 1, or an unknown format.

    Example:
        >>> Query(references=["ink.png", (42, 0.5)], counter_references=[17], k=12, formats=["png"])  # doctest: +SKIP
    """

    references: ReferenceLike | Sequence[ReferenceLike] = ()
    counter_references: ReferenceLike | Sequence[ReferenceLike] = ()
    texts: str | Sequence[str | tuple[str, float]] = ()
    k: int = 20
    paths: Sequence[str] = ()
    formats: Sequence[str] = ()
    exclude_references: bool = True

    def __post_init__(self) -> None:
        if not self.positives():
            raise UsageError("The query has no reference. Give at least one image, asset id, vector or text.")
        self.negatives()
        k: object = self.k  # whatever the caller gave
        if not isinstance(k, Integral) or self.k < 1:
            raise UsageError(f"k is {self.k!r}; it must be a whole number of at least 1.")
        if isinstance(self.paths, str):
            object.__setattr__(self, "paths", (self.paths,))
        formats = (self.formats,) if isinstance(self.formats, str) else self.formats
        object.__setattr__(self, "formats", tuple(map(_format, formats)))

    def positives(self) -> tuple[Reference, ...]:
        """References and texts with their weights (1 where none was given); texts are `StyleText`s."""
        given = _pairs(self.texts, 1.0)
        if wrong := [text for text, _ in given if not isinstance(text, str)]:
            raise UsageError(f"The text {wrong[0]!r} is not a string.")
        texts = [Reference(StyleText(text), weight) for text, weight in given]
        if empty := [text for text, _ in texts if not str(text).strip()]:
            raise UsageError(f"The text {str(empty[0])!r} says nothing. Describe a style, such as 'ink wash, muted'.")
        return (*_weighted(self.references, 1.0), *texts)

    def negatives(self) -> tuple[Reference, ...]:
        """The counter-references with their weights (`COUNTER_WEIGHT` where none was given)."""
        return _weighted(self.counter_references, COUNTER_WEIGHT)


def _weighted(given: ReferenceLike | Sequence[ReferenceLike], default: float) -> tuple[Reference, ...]:
    references = _pairs(given, default)
    for source, _ in references:
        if not _can_be_reference(source):
            raise UsageError(
                f"{source!r} cannot be a reference; a path, a picture, an asset id or a vector can. A weight stands "
                "in a pair with its reference: ('a.png', 0.5)"
            )
    return references


def _pairs(given: object, default: float) -> tuple[Reference, ...]:
    items = given if isinstance(given, (list, tuple)) and not _is_pair(given) else [given]
    references = []
    for item in items:
        if isinstance(item, tuple) and len(item) != 2:
            raise UsageError(f"{item!r} cannot be a reference; a pair is (reference, weight).")
        source, weight = item if isinstance(item, tuple) else (item, default)
        if not (isinstance(weight, Real) and math.isfinite(weight) and float(weight) > 0):
            raise UsageError(f"The weight of reference {source!r} is {weight!r}; it must be a positive finite number.")
        references.append(Reference(source, float(weight)))
    return tuple(references)


def _is_pair(given: object) -> bool:
    # (17, 42) are two assets and not asset 17 with weight 42: a weight on its own must be written as a float.
    return (
        isinstance(given, tuple)
        and len(given) == 2
        and isinstance(given[1], Real)
        and not isinstance(given[1], Integral)
    )


def _can_be_reference(source: object) -> bool:
    if isinstance(source, (str, os.PathLike, Integral)):
        return not isinstance(source, bool)
    import numpy as np  # only here: the command line must not wait for them
    from PIL.Image import Image

    return isinstance(source, (np.ndarray, Image))


def _format(given: str) -> str:
    name = given.strip().removeprefix(".").upper().removeprefix("IMAGE/")
    name = _OTHER_NAMES.get(name, name)
    if name not in FORMATS:
        raise UsageError(f"There is no format '{given}'; there are: {', '.join(FORMATS)}.")
    return name
