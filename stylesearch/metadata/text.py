"""Text of unknown origin, made fit for databases, terminals and eyes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

# Lengths in characters. Longer text is cut, so that no file can fill the catalog.
LINE, PARAGRAPH, PROMPT, KEYWORD = 500, 5_000, 10_000, 100
MOST_KEYWORDS, MOST_CREATORS = 200, 20

# Control characters, surrogates, and marks that turn the direction of what follows them on a terminal.
_STEERING = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff]")
_YEAR = re.compile(r"\s*(?:c\.?|ca\.?|circa)?\s*(-?\d{4})(?!\d)", re.IGNORECASE)
_COMPACT_DATE = re.compile(r"(\d{4})(\d\d)(\d\d)(?!\d)")
_EXIF_DATE = re.compile(r"(\d{4}):(\d\d):(\d\d)(?:[ T](\d\d:\d\d(?::\d\d)?))?")


def paragraph(value: object, length: int = PARAGRAPH) -> str | None:
    """The text with its line breaks; None where nothing is left of it."""
    if isinstance(value, bytes):
        value = decoded(value)
    if not isinstance(value, str):
        return None
    # Cut before, too: normalising a hundred megabytes to keep a line of them would take seconds.
    text = _STEERING.sub("", value[: 4 * length].replace("\r\n", "\n").replace("\r", "\n"))
    return unicodedata.normalize("NFC", text).strip()[:length].rstrip() or None


def line(value: object, length: int = LINE) -> str | None:
    """The text in one line; None where nothing is left of it."""
    text = paragraph(value, length)
    return " ".join(text.split()) if text else None


def lines(values: Iterable[object], length: int, most: int) -> tuple[str, ...]:
    """Those of the texts that say something, in one line each, without repetitions, at most so many."""
    kept: dict[str, str] = {}
    for value in values:
        if len(kept) == most:
            break
        if text := line(value, length):
            kept.setdefault(text.casefold(), text)
    return tuple(kept.values())


def decoded(data: bytes) -> str:
    """Text in UTF-8 where it is that, else in Windows' Latin alphabet, which is what older programs wrote."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def date_of(value: object) -> str | None:
    """A date in ISO 8601, as much of it as the text gives; other text stays as it is."""
    text = line(value, 40)
    if text is None or not text.strip("0:- T."):  # cameras without a clock write zeros
        return None
    if found := _EXIF_DATE.match(text):
        year, month, day, time = found.groups()
        return _joined(year, month, day) + (f"T{time}" if time and day != "00" else "")
    if found := _COMPACT_DATE.match(text):
        return _joined(*found.groups())
    return text


def year_of(date: str | None) -> int | None:
    """The year that a date begins with."""
    found = _YEAR.match(date or "")
    return int(found[1]) or None if found else None


def _joined(year: str, month: str, day: str) -> str:
    # IPTC writes 00 for what is not known.
    return year + (f"-{month}" + (f"-{day}" if day != "00" else "") if month != "00" else "")
