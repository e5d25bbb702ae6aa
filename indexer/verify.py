"""Fixity: whether originals still hold the bytes that were indexed, or that a manifest lists. They are only read."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Literal

from indexer.bagit import ManifestWriter, read_manifest
from indexer.decode import Hashed, hash_file
from stylesearch.catalog import Catalog
from stylesearch.errors import UsageError
from stylesearch.export import spare_originals
from stylesearch.files import is_remote, part_of
from stylesearch.records import FileStat, Refusal
from stylesearch.settings import Settings
from stylesearch.uris import divide_uri, path_of_uri, printable, uri_of_path

CHUNK = 256  # files that are looked up in the catalog, and read, together

# Other bytes, with the size and the time that are known: the disk, or whoever restored the file, has done it.
# Other bytes, with another size or time: it was edited. Nothing there. The system, or the archive around it, refuses.
Problem = Literal["damaged", "changed", "missing", "unreadable"]


@dataclass(frozen=True, slots=True)
class Finding:
    """A file that is not as it should be.

    Attributes:
        uri: of the file.
        problem: what is wrong.
        expected: the digest that it should have.
        found: the digest that it has; None where it could not be read.
        message: what the system says; "" where it is only the digest.
    """

    uri: str
    problem: Problem
    expected: str
    found: str | None = None
    message: str = ""


@dataclass(slots=True)
class Fixity:
    """What was verified. Counts are files.

    Attributes:
        good: have the digest that they should have.
        damaged, changed, missing, unreadable: see `Problem`.
        unlisted: the library has them below the base, and the manifest does not name them.
        unknown: the manifest names them, and the library does not have them.
        left_out: good, and not in the manifest that was written: not below its base, or inside an archive.
        bytes: that were read.
        seconds: duration.
        interrupted: it was stopped before its end.
    """

    good: int = 0
    damaged: int = 0
    changed: int = 0
    missing: int = 0
    unreadable: int = 0
    unlisted: int = 0
    unknown: int = 0
    left_out: int = 0
    bytes: int = 0
    seconds: float = 0.0
    interrupted: bool = False

    @property
    def checked(self) -> int:
        """All files that were looked at."""
        return self.good + self.damaged + self.changed + self.missing + self.unreadable

    @property
    def sound(self) -> bool:
        """Whether everything is as it should be."""
        return self.good == self.checked and not self.unlisted and not self.interrupted

    def to_json(self) -> dict[str, object]:
        """All of it, with rates a second, as plain values."""
        seconds = self.seconds or 1.0
        rates = {"rate": round(self.checked / seconds, 1), "bytes_rate": round(self.bytes / seconds)}
        return asdict(self) | {"checked": self.checked, "sound": self.sound} | rates


def verify(
    catalog: Catalog,
    root: str | None,
    *,
    settings: Settings,
    manifest: Path | None = None,
    write_manifest: Path | None = None,
    tell: Callable[[Finding], None] = lambda finding: None,
    progress: Callable[[Fixity, int], None] = lambda fixity, total: None,
    stop: threading.Event | None = None,
) -> Fixity:
    """Reads files again, all of their bytes, and compares their digests.

    Args:
        catalog: of the library; is only read.
        root: uri; only files at or below it. None: everything; of a manifest, what lies below its own folder.
        settings: how many files are read side by side.
        manifest: a BagIt manifest-sha256.txt that says which files there must be, instead of the library. Its paths
            are relative to the root.
        write_manifest: where to write one, of the files that are as they should be; it is there once all is read.
        tell: called for each file that is not as it should be.
        progress: called now and then, with the number of files there are in all (0: unknown).
        stop: once it is set, nothing further is read.

    Raises:
        UsageError: the library knows nothing at the root, a manifest cannot be read or written, or would replace an
            original.
        CatalogError: the catalog refused.
    """
    total = catalog.count_at(root)
    if root is not None and not total and manifest is None:
        raise UsageError(f"The library knows no file at '{printable(path_of_uri(root))}'.")
    if write_manifest is not None:
        spare_originals(catalog, write_manifest)
    check = _Check(catalog, tell, stop or threading.Event(), settings)
    base = _base(root, write_manifest or manifest)
    expected = _of_library(catalog, root) if manifest is None else check.listed(manifest, base)
    counted = total if manifest is None else 0
    if write_manifest is None:
        for _ in check.good_ones(expected):
            progress(check.fixity, counted)
    else:
        with ManifestWriter(write_manifest, Path(base)) as lines:
            for stat, digest in check.good_ones(expected):
                lines.add(_plain_path(stat.uri), digest)
                progress(check.fixity, counted)
            lines.complete = not check.fixity.interrupted
        check.fixity.left_out = lines.left_out
    if manifest is not None and not check.fixity.interrupted:
        below = catalog.count_at(uri_of_path(base))
        check.fixity.unlisted = max(0, below - check.known)
    return check.fixity


class _Check:
    """Reads files and counts what becomes of them.

    Attributes:
        fixity: the counts.
        known: how many of the files in a manifest the library has.
    """

    def __init__(
        self, catalog: Catalog, tell: Callable[[Finding], None], stop: threading.Event, settings: Settings
    ) -> None:
        self._catalog = catalog
        self._tell = tell
        self._stop = stop
        self._workers = settings.workers
        self._limits = replace(settings.limits, max_bytes=2**63 - 1)  # nothing is decoded
        self._started = time.monotonic()
        self.fixity = Fixity()
        self.known = 0

    def listed(self, manifest: Path, base: str) -> Iterator[tuple[FileStat, str]]:
        """The files of a manifest, as the library knows them."""
        lines = read_manifest(manifest)
        while some := list(islice(lines, CHUNK)):
            uris = [uri_of_path(os.path.normpath(f"{base}/{path}")) for _, path in some]
            known = self._catalog.fixity_at(uris)
            self.known += len(known)
            self.fixity.unknown += len(set(uris) - known.keys())
            for uri, (digest, _) in zip(uris, some, strict=True):
                yield (known[uri][0] if uri in known else FileStat(uri, -1, 0)), digest

    def good_ones(self, expected: Iterable[tuple[FileStat, str]]) -> Iterator[tuple[FileStat, str]]:
        """Those of the files that have the digest that is expected; the others are told."""
        under_way: deque[tuple[FileStat, str, Future[Hashed | Refusal]]] = deque()
        with ThreadPoolExecutor(self._workers, "hash") as threads:
            for stat, digest in expected:
                if self._stop.is_set():
                    break
                under_way.append((stat, digest, threads.submit(hash_file, stat, self._limits)))
                if len(under_way) > CHUNK:
                    yield from self._compared(*under_way.popleft())
            while under_way:
                yield from self._compared(*under_way.popleft())
        self.fixity.interrupted = self._stop.is_set()
        self.fixity.seconds = time.monotonic() - self._started

    def _compared(
        self, stat: FileStat, digest: str, future: Future[Hashed | Refusal]
    ) -> Iterator[tuple[FileStat, str]]:
        result = future.result()
        if isinstance(result, Hashed):
            self.fixity.bytes += max(0, result.stat.size)
        if isinstance(result, Hashed) and result.sha256 == digest:
            self.fixity.good += 1
            yield stat, digest
            return
        finding = _finding(stat, digest, result)
        setattr(self.fixity, finding.problem, getattr(self.fixity, finding.problem) + 1)
        self._tell(finding)


def _finding(known: FileStat, expected: str, result: Hashed | Refusal) -> Finding:
    if isinstance(result, Refusal):
        problem: Problem = "missing" if result.reason == "missing" else "unreadable"
        return Finding(known.uri, problem, expected, message=result.message)
    same = known.mtime_ns == result.stat.mtime_ns and known.size in (-1, result.stat.size)
    return Finding(known.uri, "damaged" if same else "changed", expected, result.sha256)


def _of_library(catalog: Catalog, root: str | None) -> Iterator[tuple[FileStat, str]]:
    for some in catalog.fixity(root):
        yield from ((stat, sha256) for stat, sha256 in some if part_of(stat.uri) is None)


def _base(root: str | None, manifest: Path | None) -> str:
    """The folder that the paths of a manifest are relative to."""
    if root is None:
        return os.fspath(manifest.absolute().parent) if manifest else ""
    path = path_of_uri(root)
    if manifest and (is_remote(root) or not Path(path).is_dir()):
        raise UsageError(f"A manifest is about a folder of this machine; '{printable(path)}' is none.")
    return path


def _plain_path(uri: str) -> str | None:
    return None if is_remote(uri) or divide_uri(uri)[1] else path_of_uri(uri)
