"""Decoders, a module for each family of formats; `stylesearch.images` calls them, nothing else does.

Each module has `decode`, those of formats with parts have `parts`, and those that can tell have `ends_early`; see
`Decoder`. A module imports its library at the top, and is itself imported when the first file of its family comes.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Protocol, cast

from PIL import Image

from stylesearch.errors import ImageError, MissingDependencyError
from stylesearch.files import too_many_pixels
from stylesearch.formats import BY_NAME, TABLE
from stylesearch.records import Limits

# Longest side, in pixels, at which pictures without pixels of their own (SVG, PDF) are drawn: twice the largest square
# that encoders take, as for JPEG. Part of the pixels.
VECTOR_SIDE = 1024

MAX_PAGES = 10_000  # of one file; what follows is left out


@dataclass(frozen=True, slots=True)
class Request:
    """What is wanted of a file.

    Attributes:
        kind: its format, a name of the table.
        limits: caps that are checked before anything is allocated.
        side: a smaller picture will do, if its sides stay at least this long; None: full resolution.
        part: "page=2" or "t=12.480"; None: the file's own picture.
    """

    kind: str
    limits: Limits
    side: int | None = None
    part: str | None = None

    def check_pixels(self, width: int, height: int) -> None:
        """Raises ImageError where a picture of this size is above the cap."""
        if width * height > self.limits.max_pixels:
            raise too_many_pixels(width, height, self.limits)

    @property
    def page(self) -> int:
        """Number of the wanted page, from 0. Raises ImageError where the part is no page."""
        if self.part is None:
            return 0
        name, _, number = self.part.partition("=")
        if name != "page" or not number.isdecimal() or not 0 < int(number) <= MAX_PAGES:
            raise self.no_such_part()
        return int(number) - 1

    def no_such_part(self) -> ImageError:
        """The error for a part that the file does not have."""
        return ImageError("missing", f"The {self.kind} file has no part '{self.part}'.")


@dataclass(frozen=True, slots=True)
class Raster:
    """What a decoder gives: pixels before colour management and turning.

    Attributes:
        image: loaded, of any mode that `stylesearch.colour.to_srgb` takes, with its ICC profile in `info`.
        size: width and height of the whole picture as it is stored; `image` may be smaller.
        orientation: EXIF orientation, 1 to 8.
    """

    image: Image.Image
    size: tuple[int, int]
    orientation: int = 1


class Decoder(Protocol):
    """What the modules of this package look like."""

    def decode(self, data: bytes, request: Request) -> Raster:
        """Decodes one picture. Raises ImageError, or whatever its library raises; the caller maps that."""

    def parts(self, data: bytes, request: Request) -> list[str]:
        """The parts beyond the file's own picture, in order and bounded; only of formats that have parts."""

    def ends_early(self, data: bytes) -> bool:
        """Whether bytes are missing at the end of a file that could not be decoded; not every module can tell."""


def decoder_of(kind: str) -> Decoder:
    """The module that decodes this format.

    Raises:
        ImageError: "unsupported"; the message names the extra that is missing, or what can be decoded.
    """
    row = BY_NAME[kind]
    if row.decoder is None:
        names = ", ".join(row.name for row in TABLE if row.installed)
        raise ImageError("unsupported", f"{kind} cannot be decoded here; {names} can.")
    try:
        return cast(Decoder, import_module(f"{__name__}.{row.decoder}"))
    except ImportError as exc:
        if row.package is None:
            raise
        missing = MissingDependencyError(row.package.distribution, row.package.extra, f"to read {kind} files")
        raise ImageError("unsupported", str(missing)) from exc
