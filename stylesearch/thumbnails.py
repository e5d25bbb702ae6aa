"""The files of thumbnails: named by content, so that a picture that is moved or copied keeps its own."""

from __future__ import annotations

import uuid
from pathlib import Path

from stylesearch.errors import LibraryError


def thumbnail_path(folder: Path, sha256: str) -> Path:
    """Where the thumbnail (WebP) of this content lies; `folder` is that of all thumbnails."""
    return folder / sha256[:2] / f"{sha256}.webp"


def write_thumbnail(path: Path, data: bytes) -> None:
    """Writes a thumbnail in one step, where it is not there yet.

    Raises:
        LibraryError: the operating system refuses.
    """
    if path.exists():
        return
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")  # unique: two may write the same one at once
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(data)
        partial.replace(path)
    except OSError as exc:
        raise LibraryError(f"The thumbnail '{path}' cannot be written ({exc.strerror}).") from exc
