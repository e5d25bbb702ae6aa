"""`Query`: what to look for, and every check of it that needs no library."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from stylesearch.errors import UsageError
from stylesearch.facets import COLOURS, ORIENTATIONS, SIZES

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

# Left, top, right and bottom edge of a part of a picture, as shares of its width and height.
Box: TypeAlias = tuple[float, float, float, float]

# What can stand for a style: a path, a decoded picture, the id of an asset of the library, a part of one of these, or a
# vector of the space.
PictureSource: TypeAlias = "str | os.PathLike[str] | Image | int"
ReferenceSource: TypeAlias = "PictureSource | Crop | Brushed | np.ndarray"


@dataclass(frozen=True, slots=True)
class Crop:
    """A part of a picture, where the rest of it must not count.

    Attributes:
        source: path, decoded picture, or id of an asset.
        box: which part; 0 <= left < right <= 1 and 0 <= top < bottom <= 1.

    Raises:
        UsageError: a box that is none.

    Example:
        >>> Query(references=[Crop("poster.png", (0.5, 0, 1, 0.5))])  # doctest: +SKIP
    """

    source: PictureSource
    box: Box

    def __post_init__(self) -> None:
        left, top, right, bottom = self.box
        if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
            raise UsageError(
                f"The crop {tuple(self.box)} is none; it takes left, top, right and bottom edge as shares of width and "
                "height, such as (0, 0, 0.5, 1) for the left half."
            )

    def of(self, picture: Image) -> Image:
        """The part of this decoded picture; at least one pixel."""
        left, top, right, bottom = self.box
        x, y = math.floor(left * picture.width), math.floor(top * picture.height)
        return picture.crop(
            (x, y, max(x + 1, round(right * picture.width)), max(y + 1, round(bottom * picture.height)))
        )


@dataclass(frozen=True, slots=True, eq=False)
class Brushed:
    """A part of a picture of any shape, such as somebody painted on it. It says what counts, whatever stands out.

    Attributes:
        source: path, decoded picture, or id of an asset.
        keep: bool (h, w) of any size, over the whole picture squashed to that shape; True where style is taken from.

    Raises:
        UsageError: a mask that is not of two dimensions, or marks nothing.
    """

    source: PictureSource
    keep: np.ndarray

    def __post_init__(self) -> None:
        if self.keep.ndim != 2 or not self.keep.any():
            raise UsageError(
                f"The brushed mask, of shape {self.keep.shape}, is none; it takes an array (h, w) that is True where "
                "the picture counts."
            )
        object.__setattr__(self, "keep", self.keep.astype(bool))


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
# fmt: off
FORMATS = (
    "AVI", "AVIF", "BMP", "GIF", "HEIC", "JPEG", "JPEG2000", "MATROSKA", "MP4", "PDF", "PNG", "PPM", "PSD", "RAW",
    "SVG", "TIFF", "WEBP",
)

GROUPS = ("creator", "folder")  # what a query may group its hits by

_WORDS = ("tags", "creators", "licences", "software")
_LISTS = ("paths", "formats", *_WORDS, "folders", "sizes", "orientations", "colours")

# What people call formats, after the extension of a file, where the catalog's name is another.
_OTHER_NAMES = {
    "JPG": "JPEG", "TIF": "TIFF", "JP2": "JPEG2000", "PGM": "PPM", "PBM": "PPM", "HEIF": "HEIC", "SVGZ": "SVG",
    "PSB": "PSD", "DNG": "RAW", "MKV": "MATROSKA", "WEBM": "MATROSKA", "MOV": "MP4",
}
# fmt: on


@dataclass(frozen=True, kw_only=True)
class Filters:
    """Among which assets to look. Within one filter, any of the values will do; all filters must be met.

    Case does not matter but in `paths` and `folders`.

    Attributes:
        paths: keep only assets with a location that matches one of these globs (`*`, `?`, `[...]`, `**` as in a shell;
            a pattern without a leading `/` matches at any depth). A name alone ("posters", "/abs/posters"), and a
            pattern that ends in `/`, also stands for everything below.
        formats: keep only these of `FORMATS` ("JPEG", "png", ".jpg", "image/png": case does not matter).
        tags: keep only assets with one of these tags, whoever gave it.
        creators, licences, software: keep only assets whose metadata have one of these within a creator's name, within
            the licence or the copyright notice, within the name of the program.
        years: the first and the last year in which the picture was made; None leaves a side open.
        generated: True: only pictures that a model made, by their own account; False: only others.
        folders: keep only assets with a location at or below one of these absolute paths (or `s3://...`).
        sizes: keep only these of `stylesearch.facets.SIZES`, by the longest side.
        orientations: keep only these of `stylesearch.facets.ORIENTATIONS`.
        colours: keep only assets that show every one of these colours: a name of `stylesearch.facets.COLOURS`, or a
            colour as the web writes it ("#2f67c5"), of which something near will do.
        whole: creators, licences and software are whole names, as facets list them, and not parts of one.

    Raises:
        UsageError: an unknown format, size, orientation or colour, an empty word, or years that run backwards.
    """

    paths: Sequence[str] = ()
    formats: Sequence[str] = ()
    tags: Sequence[str] = ()
    creators: Sequence[str] = ()
    licences: Sequence[str] = ()
    software: Sequence[str] = ()
    years: tuple[int | None, int | None] = (None, None)
    generated: bool | None = None
    folders: Sequence[str] = ()
    sizes: Sequence[str] = ()
    orientations: Sequence[str] = ()
    colours: Sequence[str] = ()
    whole: bool = False

    def __post_init__(self) -> None:
        for name in _LISTS:
            given = getattr(self, name)
            object.__setattr__(self, name, (given,) if isinstance(given, str) else tuple(given))
        object.__setattr__(self, "formats", tuple(map(_format, self.formats)))
        for name, known in (("sizes", SIZES), ("orientations", ORIENTATIONS)):
            object.__setattr__(self, name, tuple(_one_of(known, name[:-1], word) for word in getattr(self, name)))
        object.__setattr__(self, "colours", tuple(map(_colour, self.colours)))
        for name in _WORDS:
            if not all(word.strip() for word in getattr(self, name)):
                raise UsageError(f"A filter of {name} is empty; leave it out, or name what to keep.")
        first, last = self.years
        if first is not None and last is not None and first > last:
            raise UsageError(f"The years {first} to {last} run backwards.")

    @property
    def filtering(self) -> bool:
        """Whether there is a filter at all."""
        return any(getattr(self, name) for name in _LISTS) or self.years != (None, None) or self.generated is not None


@dataclass(frozen=True)
class Query(Filters):
    """What to look for, and among which assets: all filters of `Filters` are keywords of a query.

    A reference is a path, a PIL image, an asset id of the library, a `Crop` or a `Brushed` part of one of these, or a
    vector of its space (float32 (D,)); written as a pair `(reference, weight)` it counts `weight` times, and so does a
    text. The query vector is the weighted sum of references and texts less that of the counter-references (Rocchio's
    relevance feedback, 1971), at unit length.

    Attributes:
        references: what the style should be like; one or several.
        counter_references: what it should be less like; they weigh `COUNTER_WEIGHT` where no weight is given.
        texts: the style in words, such as "ink wash, muted"; added to the references, or on their own. The library's
            encoder needs a text tower.
        k: how many hits to return, at least 1.
        exclude_references: leave references that are assets of the library, by id or by content, out of the hits.
        group_by: one of `GROUPS`: keep only the `group_size` best hits of each creator (the first that the metadata
            name; a picture of nobody known stands for itself), or of each folder. None: all hits.
        group_size: at least 1.

    Raises:
        UsageError: neither reference nor text, something that cannot be one, a weight that is not a positive finite
            number, k or group_size that is not a whole number of at least 1, or an unknown format or group.

    Example:
        >>> Query(references=["ink.png", (42, 0.5)], counter_references=[17], k=12, formats=["png"])  # doctest: +SKIP
    """

    references: ReferenceLike | Sequence[ReferenceLike] = ()
    counter_references: ReferenceLike | Sequence[ReferenceLike] = ()
    texts: str | Sequence[str | tuple[str, float]] = ()
    k: int = 20
    exclude_references: bool = True
    group_by: str | None = None
    group_size: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.positives():
            raise UsageError("The query has no reference. Give at least one image, asset id, vector or text.")
        self.negatives()
        for name in ("k", "group_size"):
            number: object = getattr(self, name)  # whatever the caller gave
            if not isinstance(number, Integral) or int(number) < 1:
                raise UsageError(f"{name} is {number!r}; it must be a whole number of at least 1.")
        if self.group_by is not None:
            object.__setattr__(self, "group_by", _one_of(GROUPS, "group", self.group_by))
        elif self.group_size != 1:
            raise UsageError(f"group_size is {self.group_size}, but nothing to group by; give {' or '.join(GROUPS)}.")

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
    if isinstance(source, (Crop, Brushed)):
        return _can_be_reference(source.source)
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


def _one_of(known: Collection[str], what: str, given: str) -> str:
    name = given.strip().lower()
    if name not in known:
        raise UsageError(f"There is no {what} '{given}'; there are: {', '.join(known)}.")
    return name


def _colour(given: str) -> str:
    name = given.strip().lower()
    if name not in COLOURS and not re.fullmatch("#[0-9a-f]{6}", name):
        raise UsageError(f"There is no colour '{given}'; there are: {', '.join(COLOURS)}, and any such as '#2f67c5'.")
    return name
