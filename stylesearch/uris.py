"""How the catalog spells where a file lies: always valid text, from which the very bytes of a name can be had back.

Nothing here opens anything.
"""

from __future__ import annotations

import os
from typing import NamedTuple
from urllib.parse import unquote

# A file name is bytes. Bytes that are not UTF-8 reach Python as lone surrogates, which no database stores; they are
# kept as private-use characters instead. `#` divides a uri: what follows it lies inside the file before it; one in a
# file's own name is kept apart likewise. A name that really holds one of those characters has it kept byte by byte.
_SURROGATES = {0xDC00 + byte: chr(0x10FF00 + byte) for byte in range(0x80, 0x100)}
_KEPT = {0x10FF00 + ord("#"): "#"} | {ord(kept): chr(code) for code, kept in _SURROGATES.items()}
_TO_URI = (
    _SURROGATES
    | {code: "".join(chr(0x10FF00 + byte) for byte in chr(code).encode()) for code in _KEPT}
    | {ord("#"): chr(0x10FF00 + ord("#"))}
)
# A file name may hold what steers a terminal: the control characters of ASCII and of Latin-1.
_TO_PRINT = {
    **{code: f"\\x{code & 0xFF:02x}" for code in (*_SURROGATES, *_KEPT)},
    **{code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))},
    0x10FF00 + ord("#"): "#",
}


def uri_of_path(path: str | os.PathLike[str]) -> str:
    """The catalog's spelling of an absolute path, or of `s3://bucket/key`: always valid Unicode, without a `#`."""
    return os.fspath(path).translate(_TO_URI)


def path_of_uri(uri: str) -> str:
    """The path to open; the inverse of `uri_of_path`. For what lies inside a file: its uri, for people to read."""
    path = uri.translate(_KEPT)
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")  # kept byte by byte, now whole


class Inside(NamedTuple):
    """One step from a file to what lies inside it, such as ("member", "a/b.png") of an archive."""

    key: str
    value: str


def uri_inside(uri: str, key: str, value: str) -> str:
    """The uri of something inside a file: `/a.zip#member=b/c.png`, `/a.pdf#page=2`.

    Args:
        uri: of the file.
        key: "member", "row", "image", "page" or "t".
        value: any text, also a name with lone surrogates; what is not printable, `%` and `#` are percent-encoded.
    """
    return f"{uri}#{key}={''.join(map(_escaped, value))}"


def divide_uri(uri: str) -> tuple[str, tuple[Inside, ...]]:
    """The file that a uri begins with, and the steps into it; the inverse of `uri_inside`, any number of times."""
    file, *fragments = uri.split("#")
    steps = (fragment.partition("=") for fragment in fragments)
    return file, tuple(Inside(key, unquote(value, errors="surrogateescape")) for key, _, value in steps)


def _escaped(character: str) -> str:
    if character.isprintable() and character not in "%#":
        return character
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogateescape"))


def printable(path: str) -> str:
    """A path or a uri for people and JSON: bytes that are not UTF-8, and control characters, as \\x.. escapes."""
    return path.translate(_TO_PRINT)
