"""Where pictures come from: folders, lists, archives, tables, object stores, the web, IIIF manifests."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path

from indexer.sources.base import Source
from indexer.sources.folders import CACHE_SIGNATURE, CACHE_TAG, ContainerSource, FolderSource, ListSource
from indexer.sources.manifests import ManifestSource, is_manifest
from indexer.sources.rules import Links, Rules
from indexer.sources.stores import AddressSource, StoreSource
from stylesearch.containers import is_container_name
from stylesearch.errors import ImageError, UsageError
from stylesearch.files import is_remote, uri_of
from stylesearch.formats import SIGNATURE_BYTES, format_of
from stylesearch.records import Limits
from stylesearch.remote import is_web
from stylesearch.uris import divide_uri, path_of_uri, printable
from stylesearch.web import first_bytes

__all__ = ["CACHE_SIGNATURE", "CACHE_TAG", "Links", "ListSource", "Rules", "Source", "sources_of"]


def sources_of(
    roots: Sequence[str | os.PathLike[str]],
    limits: Limits,
    stop: threading.Event,
    rules: Rules | None = None,
) -> list[Source]:
    """One source for each folder, archive or remote place, and one for all single files.

    Folders within other ones are covered by those.

    Args:
        roots: paths and uris.

    Raises:
        UsageError: a root does not exist, or is of no kind that can be indexed.
        MissingDependencyError: a root needs a package.
    """
    rules = rules or Rules()
    uris = [uri_of(root) for root in roots]
    sources = [_remote(uri, rules, limits, stop) for uri in sorted({uri for uri in uris if is_remote(uri)})]
    return sources + _local([uri for uri in uris if not is_remote(uri)], rules, limits, stop)


def _local(uris: Sequence[str], rules: Rules, limits: Limits, stop: threading.Event) -> list[Source]:
    folders: set[str] = set()
    files: set[str] = set()
    inner: set[str] = set()
    for uri in uris:
        file, inside = divide_uri(uri)
        path = path_of_uri(file)
        if not Path(path).exists():
            raise UsageError(
                f"There is nothing at '{printable(path)}'. Is the disk mounted? Nothing was changed in the library. "
                "If it is gone for good: stylesearch forget PATH"
            )
        if inside:
            inner.add(uri)
        else:
            (folders if Path(path).is_dir() else files).add(path)
    outermost = sorted(path for path in folders if not any(str(parent) in folders for parent in Path(path).parents))
    loose = sorted(path for path in files if not any(str(parent) in folders for parent in Path(path).parents))
    sources: list[Source] = [FolderSource(folder, rules, limits, stop) for folder in outermost]
    sources += [ContainerSource(path, rules, limits, stop) for path in loose if is_container_name(path)]
    manifests = {path for path in loose if path.lower().endswith(".json") and is_manifest(path)}
    sources += [ManifestSource(uri_of(path), rules, limits, stop) for path in sorted(manifests)]
    single = [path for path in loose if path not in manifests and not is_container_name(path)]
    return [*sources, ListSource([*single, *sorted(inner)], rules, limits, stop)] if single or inner else sources


def _remote(uri: str, rules: Rules, limits: Limits, stop: threading.Event) -> Source:
    if is_web(uri) and not uri.endswith("/"):
        return _on_the_web(uri, rules, limits, stop)
    try:
        source = StoreSource(uri, rules, limits, stop)
        source.check()
    except ImageError as exc:
        raise UsageError(f"'{printable(path_of_uri(uri))}' cannot be listed. {exc}") from exc
    return source


def _on_the_web(uri: str, rules: Rules, limits: Limits, stop: threading.Event) -> Source:
    try:
        beginning = first_bytes(uri, SIGNATURE_BYTES)
    except ImageError as exc:
        raise UsageError(f"'{printable(uri)}' cannot be indexed. {exc}") from exc
    if format_of(beginning) is not None:
        return AddressSource(uri, rules, limits, stop)
    if beginning.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return ManifestSource(uri, rules, limits, stop)
    raise UsageError(
        f"'{printable(uri)}' is neither a picture nor a IIIF manifest. Where a server lists what is in a folder, end "
        "the address with '/'."
    )
