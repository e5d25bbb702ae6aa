"""Opens a set by its spec: `[NAME=]SOURCE[#held-out][#queries=FILE][#query-contents=FILE]`."""

from __future__ import annotations

import glob
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.datasets.base import StyleSet, listed
from benchmarks.datasets.drawing import draw_rendered
from benchmarks.datasets.folders import read_folder
from benchmarks.datasets.listing import Listing, assembled
from benchmarks.datasets.rendered import RenderedSet
from benchmarks.datasets.shards import read_shards
from benchmarks.datasets.tables import read_table, read_wikiart
from stylesearch.errors import UsageError
from stylesearch.uris import printable, uri_of_path

SOURCES = """\
a folder STYLE/CONTENT.ext, a table FILE.csv, FILE.parquet, a folder or pattern of parquet files, wikiart:DIR, or \
rendered:styles=2400,contents=32,seed=0"""

SUFFIXES = "#held-out, and #queries=FILE or #query-contents=FILE"

_NAME = re.compile(r"([\w.-]+)=(.+)", re.DOTALL)
_SUFFIX = re.compile(r"#(held-out|queries=[^#]+|query-contents=[^#]+)$")

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Spec:
    """A spec in parts.

    Attributes:
        text: as it was given.
        name: short name; None: the source's own.
        source: what and where.
        held_out: only styles that training holds out.
        queries, query_contents: files that list which pictures, or which contents, are queries.
    """

    text: str
    name: str | None
    source: str
    held_out: bool = False
    queries: Path | None = None
    query_contents: Path | None = None

    @classmethod
    def parse(cls, text: str) -> Spec:
        """Raises UsageError where the source is empty or a list is given twice."""
        matched = _NAME.fullmatch(text)
        name, rest = matched.groups() if matched else (None, text)
        given: dict[str, str] = {}
        while suffix := _SUFFIX.search(rest):
            key, _, value = suffix[1].partition("=")
            if key in given:
                raise UsageError(f"'{printable(text)}' says #{key} twice.")
            given[key] = value
            rest = rest[: suffix.start()]
        if not rest:
            raise UsageError(f"'{printable(text)}' names no set. A set is {SOURCES}.")
        lists = {key: Path(given[key]) if key in given else None for key in ("queries", "query-contents")}
        if all(lists.values()):
            raise UsageError(f"'{printable(text)}': give either #queries=FILE or #query-contents=FILE.")
        return cls(text, name, rest, "held-out" in given, lists["queries"], lists["query-contents"])


def open_set(spec: str, *, cache: Path | None = None, workers: int = 1, progress: Progress | None = None) -> StyleSet:
    """Opens a set of pictures: lists it, reads all of its bytes once, and finds what is wrong with it.

    Args:
        spec: see docs/benchmark-data.md.
        cache: folder for pictures that are drawn; by default one in the user's cache folder.
        workers: processes that draw.
        progress: called with pictures done and their number; where pictures are drawn first, it counts twice.

    Raises:
        UsageError: the spec cannot be right, or nothing usable lies there.
        MissingDependencyError: an optional package is needed.
        StyleSearchError: the processes that draw died.
    """
    parsed = Spec.parse(spec)
    listing = _listed(parsed.source, cache, workers, progress)
    pictures = assembled(_with_roles(listing, parsed), spec, progress)
    if parsed.held_out:
        pictures = _held_out(pictures)
    return replace(pictures, name=parsed.name) if parsed.name else pictures


def _listed(source: str, cache: Path | None, workers: int, progress: Progress | None) -> Listing:
    kind, colon, rest = source.partition(":")
    if colon and kind == "rendered":
        return draw_rendered(RenderedSet.parse(rest), cache, workers, progress)
    if colon and kind == "wikiart":
        return read_wikiart(_existing(rest, Path(rest).is_dir()))
    path = Path(source)
    if path.is_dir():
        shards = sorted(path.glob("*.parquet"))
        return read_shards(shards) if shards else read_folder(path.absolute())
    if path.suffix.lower() == ".csv":
        return read_table(_existing(source, path.is_file()))
    found = [path] if path.is_file() else sorted(map(Path, glob.glob(source)))  # noqa: PTH207 - it may be absolute
    if found and all(each.suffix.lower() == ".parquet" for each in found):
        return read_shards(found)
    wrong = "is no set of pictures" if found else "is not there"
    raise UsageError(f"'{printable(source)}' {wrong}. A set is {SOURCES}; after it may stand {SUFFIXES}.")


def _existing(path: str, exists: bool) -> Path:
    if not exists:
        raise UsageError(f"There is nothing at '{printable(path)}'. Is the path right, and the disk mounted?")
    return Path(path).absolute()


def _with_roles(listing: Listing, spec: Spec) -> Listing:
    """The listing with the roles of a list file: what it names are queries, all else is the gallery."""
    if path := spec.queries:
        names: list[str | None] = [entry.name for entry in listing.entries]
    elif path := spec.query_contents:
        names = [entry.content for entry in listing.entries]
    else:
        return listing
    chosen = _lines(path)
    if unknown := sorted(chosen.difference(names)):
        raise UsageError(
            f"'{printable(str(path))}' lists what is not in '{printable(spec.source)}': {listed(unknown)}."
        )
    entries = [
        replace(entry, role="query" if name in chosen else "gallery")
        for entry, name in zip(listing.entries, names, strict=True)
    ]
    return replace(listing, entries=entries)


def _lines(path: Path) -> set[str]:
    try:
        text = path.read_text(encoding="utf-8-sig", errors="surrogateescape")
    except OSError as exc:
        raise UsageError(f"'{printable(str(path))}' cannot be read ({exc.strerror}).") from exc
    return {uri_of_path(line.strip()) for line in text.split("\n") if line.strip()}


def _held_out(pictures: StyleSet) -> StyleSet:
    from encoder_training.data import is_validation  # imports torch

    held = {style: is_validation(style) for style in set(pictures.styles)}
    rows = [row for row, style in enumerate(pictures.styles) if held[style]]
    if not rows:
        raise UsageError(f"'{printable(pictures.source)}' has no held-out style among its {len(held):,}.")
    return pictures.select(rows)
