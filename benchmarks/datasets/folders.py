"""Pictures in folders: `STYLE/CONTENT.ext`, and WikiArt's `MOVEMENT/artist_title.jpg`."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from itertools import chain
from pathlib import Path

from benchmarks.datasets.base import Problem
from benchmarks.datasets.listing import Entry, Files, Listing, label, left_out
from indexer.sources import Rules, Source
from indexer.sources.folders import FolderSource, ListSource
from stylesearch.errors import UsageError
from stylesearch.records import FileStat, Limits
from stylesearch.uris import path_of_uri, printable, uri_of_path

Labels = tuple[str | None, str | None]


def read_folder(folder: Path) -> Listing:
    """`STYLE/CONTENT.ext`; below STYLE there may be more folders, which are neither style nor content.

    Raises:
        UsageError: the folder cannot be listed.
    """
    return _listing(folder, lambda parts: (parts[0] if len(parts) > 1 else None, Path(parts[-1]).stem))


def read_movements(folder: Path) -> Listing:
    """`MOVEMENT/artist_title.ext`, as in the WikiArt of ArtGAN (arXiv 1708.09533): the artist is the style.

    Raises:
        UsageError: the folder cannot be listed.
    """

    def labels(parts: tuple[str, ...]) -> Labels:
        artist, underscore, _ = parts[-1].partition("_")
        return artist if underscore and len(parts) > 1 else None, None

    return _listing(folder, labels)


def _listing(folder: Path, labels_of: Callable[[tuple[str, ...]], Labels]) -> Listing:
    sources = [_source(top) for top in _tops(folder)]
    entries: list[Entry] = []
    uris: list[str] = []
    refused: defaultdict[str, list[str]] = defaultdict(list)
    for item in chain.from_iterable(sources):
        path = Path(path_of_uri(item.uri if isinstance(item, FileStat) else item.stat.uri)).relative_to(folder)
        name = uri_of_path(path.as_posix())
        if isinstance(item, FileStat):
            style, content = labels_of(path.parts)
            entries.append(Entry(name, style and label(style), content and label(content), len(uris)))
            uris.append(item.uri)
        else:
            refused[item.message].append(name)
    problems: list[Problem] = [left_out("unreadable", names, why.rstrip(".")) for why, names in refused.items()]
    if count := sum(source.linked_folders for source in sources):
        links = "1 link to a folder is" if count == 1 else f"{count:,} links to folders are"
        why = f"{links} not followed; a link to the folder of a style is"
        problems.append(Problem("unreadable", f"Pictures may be missing: {why}.", ()))
    return Listing(folder.name, entries, Files(uris), tuple(problems))


def _source(path: str) -> Source:
    rules, limits, never = Rules(archives=False), Limits(), threading.Event()
    if Path(path).is_dir():
        return FolderSource(path, rules, limits, never)
    return ListSource([path], rules, limits, never)


def _tops(folder: Path) -> list[str]:
    """What lies directly in `folder`. Given one by one, the folders of styles may be links."""
    try:
        paths = sorted(str(path) for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as exc:
        raise UsageError(f"'{printable(str(folder))}' cannot be listed ({exc.strerror}).") from exc
    return paths
