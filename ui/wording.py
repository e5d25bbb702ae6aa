"""What the page says: plain words for what the engine names precisely."""

from __future__ import annotations

import logging
import re
import shlex

import streamlit as st

from stylesearch.errors import ImageError, ImageReason, StyleSearchError
from stylesearch.library import Library
from stylesearch.records import Space

_REASONS: dict[ImageReason, str] = {
    "empty": "The file is empty",
    "not-an-image": "Not a picture, whatever its name says",
    "unsupported": "A kind of picture that cannot be read here",
    "truncated": "Cut short: part of the file is missing",
    "damaged": "Damaged",
    "too-large": "Too large",
    "unreadable": "No permission to read it",
    "missing": "Nothing there, or a link that leads nowhere",
    "not-a-file": "A folder, not a file",
    "crashed": "Reading it failed badly",
    "timeout": "Reading it took too long",
}

_ADVICE: dict[ImageReason, str] = {
    "empty": "Copy the file again from where it came from.",
    "not-an-image": "Give it the ending of what it is, or leave it: it is not read again until it changes.",
    "unsupported": "Save it as PNG, JPEG or TIFF, or install what reads it: `stylesearch formats`",
    "truncated": "Copy or download it again; the rest is missing.",
    "damaged": "Restore it from a backup, or open and save it in the program that made it.",
    "too-large": "Raise the limit, `STYLESEARCH_MAX_PIXELS` or `STYLESEARCH_MAX_BYTES`, or save it smaller.",
    "unreadable": "Give your user permission to read it.",
    "missing": "Mend the link, or take it away.",
    "not-a-file": "Rename the folder, or name it when you index.",
    "crashed": "Save it in another format; then run with `--retry-failed`.",
    "timeout": "Save it smaller; then run with `--retry-failed`.",
}

# By family of encoders, the part of a name before the colon.
_ENCODERS = {
    "compact": "by a small built-in model of style",
    "descriptors": "by colour and texture (built in, nothing learnt)",
    "openclip": "by the model {rest}",
}


def reason(word: ImageReason) -> str:
    """A refusal's reason for a person."""
    return _REASONS[word]


def advice(word: ImageReason) -> str:
    """What to do about a refused file."""
    return _ADVICE[word]


def duration(seconds: float) -> str:
    """How long something takes, in the largest unit that says it: "12 seconds", "3 hours"."""
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= 1.5 * size:
            return count(round(seconds / size), unit)
    return count(max(1, round(seconds)), "second")


def megabytes(size: int) -> str:
    """A size on disk: "0.3 MB", "12 MB", "1.5 GB"."""
    for unit, name in ((1e12, "TB"), (1e9, "GB")):
        if size >= unit:
            return f"{size / unit:,.1f} {name}"
    return f"{size / 1e6:,.0f} MB" if size >= 1e7 else f"{size / 1e6:,.1f} MB"


def refused_upload(name: str, error: ImageError) -> str:
    """What to say about a reference that could not be used."""
    return f"“{name}” could not be used. {reason(error.reason)}. Try a JPEG, PNG, WebP, TIFF, GIF or AVIF file."


def encoder(space: Space) -> str:
    """How the library compares styles, as the end of a sentence."""
    family, _, rest = space.encoder.partition(":")
    return _ENCODERS.get(family, "by {family}:{rest}").format(family=family, rest=rest)


def how_to_add(library: Library) -> str:
    """The command that adds pictures."""
    return f"stylesearch index PATH --library {shlex.quote(str(library.folder))}"


def count(number: int, thing: str) -> str:
    """A number with its noun: "1 picture", "1,204 pictures"."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def verbatim(text: str) -> str:
    """Text that Streamlit's Markdown shows as it is: file names may hold anything."""
    return re.sub(r"([\\`*_{}\[\]()#+\-.!|<>~$:])", r"\\\1", text)


def report(error: Exception) -> bool:
    """Shows an error that a page could not handle; no traceback reaches a visitor.

    Returns:
        True: Streamlit need not show it as well.
    """
    if isinstance(error, StyleSearchError):
        st.error(verbatim(str(error)))
    else:
        logging.getLogger(__name__).error("the page failed", exc_info=error)
        st.error("Something went wrong here. The terminal that serves this page says what. Reload to go on.")
    return True
