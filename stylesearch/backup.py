"""Backups of a library: its catalog and what was decided when it was made.

The catalog holds every vector, tag and location. Vector indexes and thumbnails are made from it and from the pictures,
and are left out.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stylesearch.catalog import absolute_url, sqlite_url
from stylesearch.catalog.copies import POSTGRES_COPY, SQLITE_COPY, copy_in, copy_out, holds_catalog, revision_at
from stylesearch.catalog.engine import parse_url, shown
from stylesearch.catalog.upgrade import revisions
from stylesearch.errors import LibraryError, UsageError
from stylesearch.settings import LIBRARY_FILE, LibrarySettings

MANIFEST = "manifest.json"
FORMAT = "stylesearch-backup"
VERSION = 1


@dataclass(frozen=True)
class Backup:
    """What a backup is.

    Attributes:
        folder: where it lies.
        made_at: in UTC, ISO 8601.
        revision: of the catalog's tables.
        size: of its files, in bytes.
    """

    folder: Path
    made_at: str
    revision: str
    size: int


def back_up(library: Path, target: Path) -> Backup:
    """Writes a backup of a library into a new folder, while it may be searched and indexed.

    The folder appears once the backup is whole.

    Args:
        library: folder of the library.
        target: does not exist, or is empty.

    Raises:
        LibraryError: there is no library, or the backup cannot be written.
        UsageError: there is something at `target`.
        CatalogError: the catalog cannot be copied.
    """
    settings = LibrarySettings.read(library)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"There is something at '{target}' already. Name a new folder for the backup.")
    url = parse_url(_catalog_of(library, settings))
    partial = target.with_name(f".{target.name}.{uuid.uuid4().hex}.partial")
    try:
        partial.mkdir(parents=True, mode=0o700)  # pictures' names and tags are nobody else's business
        made_at = datetime.now(UTC).isoformat(timespec="seconds")
        copy = copy_out(url, partial)
        settings.write(partial)
        revision = revision_at(sqlite_url(copy) if copy.name == SQLITE_COPY else url)
        files = {name: _file_record(partial / name) for name in (LIBRARY_FILE, copy.name)}
        manifest = {"format": FORMAT, "version": VERSION, "made_at": made_at, "revision": revision, "files": files}
        (partial / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        for path in partial.iterdir():
            _flush(path)
        os.replace(partial, target)
    except OSError as exc:
        raise LibraryError(f"The backup cannot be written to '{target}' ({exc.strerror}).") from exc
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Backup(target, made_at, revision, sum(record["size"] for record in files.values()))


def restore(source: Path, library: Path, *, catalog: str | None = None, overwrite: bool = False) -> Backup:
    """Puts a backup in the place of a library, or makes a library from it.

    A vector index that has seen what the backup has not is made anew when the library is opened.

    Args:
        source: folder of the backup; every file is compared with its checksum before anything is changed.
        library: folder of the library; made if it does not exist.
        catalog: URL for the catalog; None: where the backed-up library had it.
        overwrite: replace the library, or the catalog, that is there.

    Raises:
        LibraryError: the backup is not whole, or of a newer version.
        UsageError: there is a library or a catalog, and `overwrite` is not set.
        CatalogError: the database refused; what was there is then still there.
    """
    backup, copy = _verified(source)
    settings = LibrarySettings.read(source)
    if catalog is not None:
        settings = replace(settings, catalog=absolute_url(catalog))
    url = parse_url(_catalog_of(library, settings))
    there = [f"a library at '{library}'"] if (library / LIBRARY_FILE).exists() else []
    there += [f"a catalog at '{shown(url)}'"] if holds_catalog(url) else []
    if there and not overwrite:
        raise UsageError(f"There is {' and '.join(there)}. Replace what is there with: stylesearch restore PATH --yes")
    try:
        library.mkdir(parents=True, exist_ok=True)
        copy_in(copy, url)
        settings.write(library)
    except OSError as exc:
        raise LibraryError(f"No library can be made at '{library}' ({exc.strerror}).") from exc
    return backup


def _catalog_of(library: Path, settings: LibrarySettings) -> str:
    return settings.catalog or sqlite_url(library / "catalog.db").render_as_string(hide_password=False)


def _verified(source: Path) -> tuple[Backup, Path]:
    """The backup, and its copy of the catalog, once all files are known to be as they were written."""
    try:
        manifest = json.loads((source / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError as exc:
        raise LibraryError(f"There is no backup at '{source}'. Make one with: stylesearch backup PATH") from exc
    except (OSError, ValueError) as exc:
        raise LibraryError(f"'{source / MANIFEST}' cannot be read ({exc}). Restore another backup.") from exc
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise LibraryError(f"There is no backup at '{source}'. Make one with: stylesearch backup PATH")
    if manifest["version"] != VERSION or manifest["revision"] not in revisions():
        raise LibraryError(
            f"The backup at '{source}' was made by a newer version of StyleSearch (catalog "
            f"'{manifest['revision']}'; this one knows up to '{revisions()[-1]}'). "
            "Upgrade with: pip install -U stylesearch"
        )
    for name in (LIBRARY_FILE, *(name for name in (SQLITE_COPY, POSTGRES_COPY) if name in manifest["files"])):
        try:
            whole = _file_record(source / name) == manifest["files"].get(name)
        except OSError as exc:
            raise LibraryError(f"'{source / name}' cannot be read ({exc.strerror}). Restore another backup.") from exc
        if not whole:
            raise LibraryError(f"'{source / name}' is not what the backup wrote. Restore another backup.")
    size = sum(record["size"] for record in manifest["files"].values())
    return Backup(source, manifest["made_at"], manifest["revision"], size), source / name


def _file_record(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"size": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
