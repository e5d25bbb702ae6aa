"""SHA-256 of files of weights, for the lineage of pictures; those of large files are kept between runs."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path

from platformdirs import user_cache_path


def weights_sha256(files: Iterable[Path], folder: Path) -> str:
    """Digest of a model that lies in several files: of their names within `folder` and their digests, by name.

    Of a single file it is the file's own digest, which its publisher may name too. A file that has kept its size and
    time of change is not read again.

    Raises:
        OSError: a file cannot be read.
    """
    found = {path.relative_to(folder).as_posix(): file_sha256(path) for path in files}
    if len(found) == 1:
        return next(iter(found.values()))
    return hashlib.sha256("".join(f"{name} {digest}\n" for name, digest in sorted(found.items())).encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """Digest of one file, from the cache where the file has kept its size and time of change.

    Raises:
        OSError: the file cannot be read.
    """
    status = path.stat()
    key, stamp = str(path.resolve()), [status.st_size, status.st_mtime_ns]
    known = _known()
    entry = known.get(key)
    if isinstance(entry, list) and entry[:2] == stamp:
        return str(entry[2])
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    _keep({**_known(), key: [*stamp, digest]})
    return digest


def _cache() -> Path:
    return user_cache_path("stylesearch", appauthor=False) / "weight-digests.json"


def _known() -> dict[str, object]:
    try:
        found = json.loads(_cache().read_text("utf-8"))
    except (OSError, ValueError):  # none yet, or not ours: it is only a cache
        return {}
    return found if isinstance(found, dict) else {}


def _keep(known: dict[str, object]) -> None:
    partial = _cache().with_suffix(f".{os.getpid()}.partial")
    try:
        partial.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(known), "utf-8")
        os.replace(partial, _cache())
    except OSError:  # a full disk or a read-only home costs the next run the reading, nothing else
        partial.unlink(missing_ok=True)
