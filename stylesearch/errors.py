"""Every error that StyleSearch raises on purpose.

    StyleSearchError
    +-- UsageError                the request cannot be right: a bad option, weight, name or filter
    +-- ImageError                one image cannot be used; `reason` is a short fixed word for tables
    +-- LibraryError              the library folder is missing, damaged or of another version
    +-- CatalogError              the database refused, is busy or cannot be reached
    +-- EncoderError              an encoder cannot be found, loaded or run
    |   +-- SpaceMismatchError    vectors of two different spaces were about to meet
    +-- VectorIndexError          an index file is damaged, or its engine refused
    +-- TransferError             a transfer backend cannot be loaded or reached, or has failed
    |   +-- TransferCancelled     somebody has stopped it; nothing was kept
    +-- MissingDependencyError    an optional package is needed; the message names the extra that brings it

The command line and the page catch `StyleSearchError` and print its message, nothing else; so each message says what
was wrong, with the value, what is allowed, and the command that mends it.
"""

from __future__ import annotations

from typing import Literal

ImageReason = Literal[
    "empty",  # no bytes at all
    "not-an-image",  # the content is of no image format that is known here
    "unsupported",  # a known format, or a variant of one, that cannot be decoded here
    "truncated",  # the file ends before the picture does
    "damaged",  # the decoder found bytes that make no sense
    "too-large",  # more pixels or bytes than the cap allows; nothing was allocated
    "unreadable",  # the operating system refused: permissions, input/output error
    "missing",  # nothing lies at that path, or the link points nowhere
    "not-a-file",  # a folder, socket or device that is named like an image
    "crashed",  # the decoder process died
    "timeout",  # the decoder process did not finish in time
]


class StyleSearchError(Exception):
    """Base of all errors raised on purpose."""


class UsageError(StyleSearchError):
    """The request cannot be right, whatever the state of the library."""


class ImageError(StyleSearchError):
    """One image cannot be used.

    Attributes:
        reason: one of `ImageReason`, for tables and filters. The message is for people.
    """

    def __init__(self, reason: ImageReason, message: str) -> None:
        super().__init__(message)
        self.reason: ImageReason = reason

    def __reduce__(self) -> tuple[type[ImageError], tuple[ImageReason, str]]:
        # Exceptions with two arguments do not survive the trip out of a worker process without this.
        return type(self), (self.reason, str(self))


class LibraryError(StyleSearchError):
    """The library folder is missing, damaged or of another version."""


class CatalogError(StyleSearchError):
    """The database refused, is busy or cannot be reached."""


class EncoderError(StyleSearchError):
    """An encoder cannot be found, loaded or run."""


class SpaceMismatchError(EncoderError):
    """Vectors of two different spaces were about to meet; the ranking would have been meaningless."""


class VectorIndexError(StyleSearchError):
    """An index file is damaged, or its engine refused."""


class TransferError(StyleSearchError):
    """A transfer backend cannot be loaded or reached, or has failed."""


class TransferCancelled(TransferError):  # noqa: N818 - somebody wanted this: no fault
    """A transfer was stopped on request; nothing of it was kept."""


class MissingDependencyError(StyleSearchError):
    """An optional package is needed.

    Args:
        package: the distribution that is missing.
        extra: the extra of `stylesearch` that brings it.
        purpose: what it is needed for, as the end of a sentence.
    """

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f"'{package}' is needed {purpose}. Install it with: pip install 'stylesearch[{extra}]'")
        self.package = package
        self.extra = extra
        self.purpose = purpose

    def __reduce__(self) -> tuple[type[MissingDependencyError], tuple[str, str, str]]:
        return type(self), (self.package, self.extra, self.purpose)
