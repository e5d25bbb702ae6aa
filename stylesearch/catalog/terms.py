"""Terms: the words and names that assets are found by, and the form in which they are compared."""

from __future__ import annotations

import unicodedata

# The kinds of terms.
TAG, CREATOR, LICENCE, SOFTWARE = "tag", "creator", "licence", "software"

# PostgreSQL indexes at most about 2,700 bytes, and a character takes up to four.
LONGEST = 500


def folded(name: str) -> str:
    """The form in which terms are compared: without case, and however characters are put together."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())[:LONGEST]
