"""Search images by style.

from stylesearch import Library, Query

with Library.open("archive") as library:
    for hit in library.search(Query("reference.png", k=5)):
        print(f"{hit.cosine:.3f}", hit.path)
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from stylesearch.errors import (
    CatalogError,
    EncoderError,
    ImageError,
    LibraryError,
    MissingDependencyError,
    SpaceMismatchError,
    StyleSearchError,
    TransferCancelled,
    TransferError,
    UsageError,
    VectorIndexError,
)

if TYPE_CHECKING:
    from stylesearch.duplicates import DuplicateGroup
    from stylesearch.encoders import load_encoder
    from stylesearch.images import read_image
    from stylesearch.library import Library
    from stylesearch.query import Filters, Query
    from stylesearch.records import Details, Hit

# Threads of torch and FAISS that wait for one another would spin, and hold the very cores on which the decoders, or
# other programs, keep the last of them waiting. They spin for some 50 microseconds, as long as a step of a network
# takes, and then sleep: `compact:v3` encodes as fast as with threads that only spin, where those that only sleep
# take twice as long. Their runtime (GNU's) reads this once, when it is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "30000")

__all__ = [
    "CatalogError",
    "Details",
    "DuplicateGroup",
    "EncoderError",
    "Filters",
    "Hit",
    "ImageError",
    "Library",
    "LibraryError",
    "MissingDependencyError",
    "Query",
    "SpaceMismatchError",
    "StyleSearchError",
    "TransferCancelled",
    "TransferError",
    "UsageError",
    "VectorIndexError",
    "load_encoder",
    "read_image",
]

# Imported at first use (PEP 562): the command line must not wait for NumPy, Pillow and SQLAlchemy to print its help.
_LAZY = {
    "Details": "stylesearch.records",
    "DuplicateGroup": "stylesearch.duplicates",
    "Filters": "stylesearch.query",
    "Hit": "stylesearch.records",
    "Library": "stylesearch.library",
    "Query": "stylesearch.query",
    "load_encoder": "stylesearch.encoders",
    "read_image": "stylesearch.images",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'stylesearch' has no attribute '{name}'")
