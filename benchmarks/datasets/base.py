"""What a style-labelled set of pictures is, and what may be wrong with one."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

from PIL import Image

from stylesearch.files import named
from stylesearch.images import read_image
from stylesearch.uris import printable

Role = Literal["query", "gallery", "both"]

ProblemKind = Literal[
    "unreadable",  # left out: missing, empty, of no image format, or it cannot be decoded
    "outside",  # left out: a table names a file that is not inside its folder
    "unlabelled",  # left out: it has no style
    "duplicate",  # left out but for the first: the same bytes again in one style
    "conflicting_duplicate",  # left out, all of them: the same bytes under two styles
    "single_picture_style",  # kept as wrong answers: a query of this style has no right one
    "single_content_style",  # kept: where own content is left out, a query of this style has no right answer
    "no_gallery_style",  # kept: its pictures are queries, and none is in the gallery
    "single_style",  # kept: every answer is right, so that scores say nothing
]

_SHOWN = 5  # names in a message; `Problem.names` holds all


@dataclass(frozen=True)
class Problem:
    """Something about a set that a reader of its scores must know.

    Attributes:
        kind: a fixed word for tables and filters.
        message: a sentence for people; it names the first few.
        names: all pictures, or styles, that it is about.
    """

    kind: ProblemKind
    message: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class StyleSet:
    """N pictures, each with a style.

    Names and labels are valid Unicode (`stylesearch.uris.uri_of_path`); to show them, pass them through `printable`.

    Attributes:
        name: short, for tables.
        source: the spec it was opened by.
        styles: N labels.
        contents: N labels; None where it is unknown what a picture shows.
        names: N different names: the path in its folder, or "row 17".
        roles: whether a picture is a query, in the gallery, or both.
        checksums: N SHA-256 of the pictures' bytes, 32 bytes each.
        left_out: what happened to pictures that are not in the set.
        licence: of the pictures, where it is known.
        read: gives the bytes of the picture at a place; safe in threads; raises ImageError.
        places: N places for `read`.
    """

    name: str
    source: str
    styles: tuple[str, ...]
    contents: tuple[str | None, ...]
    names: tuple[str, ...]
    roles: tuple[Role, ...]
    checksums: tuple[bytes, ...] = field(repr=False)
    read: Callable[[int], bytes] = field(repr=False)
    places: tuple[int, ...] = field(repr=False)
    left_out: tuple[Problem, ...] = ()
    licence: str | None = None

    def __len__(self) -> int:
        return len(self.names)

    def image(self, row: int) -> Image.Image:
        """The picture, as `stylesearch.images.read_image` gives it.

        Raises:
            ImageError: it cannot be decoded; the message names it.
        """
        with named(self.names[row]):
            return read_image(self.read(self.places[row]))

    @cached_property
    def digest(self) -> str:
        """SHA-256 (64 hexadecimal digits) over name, style, content, role and checksum of each picture, in order."""
        digest = hashlib.sha256(b"stylesearch-set/1\n")
        columns = (self.names, self.styles, self.contents, self.roles, self.checksums)
        for *labels, checksum in zip(*columns, strict=True):
            digest.update(f"{json.dumps([*labels, checksum.hex()])}\n".encode())
        return digest.hexdigest()

    @cached_property
    def problems(self) -> tuple[Problem, ...]:
        """What was left out, and what the labels of the rest cannot tell."""
        return (*self.left_out, *_problems_of_labels(self.styles, self.contents, self.roles))

    def select(self, rows: Sequence[int]) -> StyleSet:
        """The pictures at these rows, in that order."""
        columns = ("styles", "contents", "names", "roles", "checksums", "places")
        return replace(self, **{name: tuple(getattr(self, name)[row] for row in rows) for name in columns})  # type: ignore[arg-type]

    def without(self, rows: Collection[int], *problems: Problem) -> StyleSet:
        """The set less the pictures at these rows, and the problems that say why they are left out."""
        gone = set(rows)
        kept = self.select([row for row in range(len(self)) if row not in gone])
        return replace(kept, left_out=(*self.left_out, *problems))


def listed(names: Iterable[str]) -> str:
    """The first few names in quotes, and how many there are besides."""
    every = list(names)
    shown = ", ".join(f"'{printable(name)}'" for name in every[:_SHOWN])
    return shown if len(every) <= _SHOWN else f"{shown} and {len(every) - _SHOWN:,} more"


def _problems_of_labels(
    styles: Sequence[str], contents: Sequence[str | None], roles: Sequence[Role]
) -> Iterator[Problem]:
    """What rankings cannot tell, whatever the encoder."""
    pictures, queries = Counter(styles), Counter(s for s, role in zip(styles, roles, strict=True) if role != "gallery")
    gallery = Counter(s for s, role in zip(styles, roles, strict=True) if role != "query")
    shown: defaultdict[str, set[str | None]] = defaultdict(set)
    for style, content in zip(styles, contents, strict=True):
        shown[style].add(content)
    lonely = [style for style in queries if pictures[style] == 1 and gallery[style]]
    absent = [style for style in queries if not gallery[style]]
    uniform = [
        style
        for style in queries
        if gallery[style] and pictures[style] > 1 and len(shown[style]) == 1 and None not in shown[style]
    ]
    if len(pictures) == 1:
        yield _of_styles("single_style", pictures, "no other one, so every answer is right and scores say nothing")
    if lonely:
        yield _of_styles("single_picture_style", lonely, "only one picture, so a query has no right answer in this set")
    if absent:
        yield _of_styles("no_gallery_style", absent, "queries, and no picture in this gallery")
    if uniform:
        yield _of_styles(
            "single_content_style", uniform, "only one content, so no right answer where own content is left out"
        )


def _of_styles(kind: ProblemKind, styles: Collection[str], what: str) -> Problem:
    count = f"{len(styles):,} style{'s' if len(styles) > 1 else ''}"
    return Problem(kind, f"{count}: {what} ({listed(styles)}).", tuple(styles))
