"""Manifests of files and their digests, as BagIt has them (RFC 8493, section 2.1.3): a line for each file.

3b5d5c3712955042212316173ccf37be800aa2a85b3d2d7ab6f3c8c1f1f9d2d1  data/scans/0001.tif
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from stylesearch.errors import StyleSearchError, UsageError
from stylesearch.uris import printable

# What a path in a manifest must not hold as it is, and nothing else is encoded.
_ENCODED = {"%": "%25", "\n": "%0A", "\r": "%0D"}
_DECODED = {code: character for character, code in _ENCODED.items()}
_TO_LINE = {ord(character): code for character, code in _ENCODED.items()}
_LINE = re.compile(r"([0-9a-fA-F]{64})[ \t]+(.+)", re.DOTALL)


def read_manifest(file: Path) -> Iterator[tuple[str, str]]:
    """The digest (64 lower-case hexadecimal digits) and the path of each line, relative to the manifest's base.

    Raises:
        UsageError: the file cannot be read, a line is none of a SHA-256 manifest, or a path leads out of the base.
    """
    try:
        # Names that are not UTF-8 pass through; only a line feed ends a line, since a name may hold other separators.
        with open(file, encoding="utf-8", errors="surrogateescape", newline="\n") as lines:
            for number, line in enumerate(lines, 1):
                text = line.removesuffix("\n").removesuffix("\r").removeprefix("\ufeff" if number == 1 else "")
                if not text:
                    continue
                found = _LINE.fullmatch(text)
                if found is None:
                    raise UsageError(
                        f"Line {number} of '{file}' is '{printable(text[:80])}'; it must be a SHA-256 digest of 64 "
                        "hexadecimal digits, spaces and a path, as in a BagIt manifest-sha256.txt."
                    )
                path = re.sub("%(25|0A|0D)", lambda code: _DECODED[code[0].upper()], found[2], flags=re.IGNORECASE)
                if path.startswith("/") or ".." in path.split("/"):
                    raise UsageError(
                        f"Line {number} of '{file}' names '{printable(path)}', which leads out of the folder that the "
                        "manifest is about. Paths are relative to that folder."
                    )
                yield found[1].lower(), path
    except OSError as exc:
        raise UsageError(f"The manifest '{file}' cannot be read ({exc.strerror}).") from exc


class ManifestWriter:
    """Writes a manifest whose place is taken in one step, once it is complete. Use it in a `with` statement.

    Attributes:
        left_out: how many files it could not name: not below its base, or with a blank at the beginning.

    Args:
        file: the manifest.
        base: the folder that its paths are relative to.
    """

    def __init__(self, file: Path, base: Path) -> None:
        self._file = file
        self._base = os.fspath(base).rstrip("/") + "/"
        self._partial = file.with_name(f"{file.name}.partial")
        self.left_out = 0
        self.complete = False

    def __enter__(self) -> Self:
        try:
            self._lines = open(self._partial, "w", encoding="utf-8", errors="surrogateescape", newline="\n")
        except OSError as exc:
            raise UsageError(f"The manifest '{self._file}' cannot be written ({exc.strerror}).") from exc
        return self

    def add(self, path: str | None, digest: str) -> None:
        """Adds a line; a file without a path of its own is left out, as one inside an archive."""
        relative = path[len(self._base) :] if path is not None and path.startswith(self._base) else ""
        if not relative or relative[0] in " \t":  # a blank at the beginning cannot be told from those before it
            self.left_out += 1
            return
        self._lines.write(f"{digest}  {relative.translate(_TO_LINE)}\n")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._lines.close()
            if self.complete:
                self._partial.replace(self._file)
        except OSError as exc:
            raise StyleSearchError(f"The manifest '{self._file}' cannot be written ({exc.strerror}).") from exc
        finally:
            with suppress(FileNotFoundError):
                self._partial.unlink()
