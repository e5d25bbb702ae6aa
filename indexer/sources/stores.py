"""Object stores and other remote places that fsspec lists, and single addresses on the web."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from indexer.decode import refusal
from indexer.sources.base import Source
from indexer.sources.folders import refused
from indexer.sources.rules import Rules, is_picture_name
from stylesearch.containers import is_container_name
from stylesearch.errors import ImageError
from stylesearch.files import too_many_bytes
from stylesearch.formats import SIGNATURE_BYTES, format_of
from stylesearch.records import FileStat, Limits, Refusal
from stylesearch.remote import filesystem_of, is_web, stat_of_info, stat_remote, store_errors
from stylesearch.uris import path_of_uri

_PAGE = 1_000  # keys that S3 lists at once
_AT_ONCE = 8  # objects that are asked about at the same time, where the list does not tell enough


class StoreSource(Source):
    """Everything below a prefix such as `s3://bucket/scans`, or one object.

    Archives in a store are counted among the other files: they are looked into on this machine only.
    """

    def __init__(self, uri: str, rules: Rules, limits: Limits, stop: threading.Event) -> None:
        scheme, _, place = uri.partition("://")
        super().__init__(f"{scheme}://{place.rstrip('/')}", rules, limits, stop)
        # A server tells its folders from its files by the slash.
        self._filesystem, self._top = filesystem_of(self.root + "/" * is_web(uri))

    def check(self) -> None:
        """Raises ImageError where there is nothing at the root, or it cannot be listed."""
        with store_errors():
            if not self._filesystem.exists(self._top):
                raise ImageError("missing", "There is nothing there.")

    def covers(self, uri: str) -> bool:
        return self._takes(path_of_uri(uri)[len(path_of_uri(self.root)) + 1 :])

    def _found(self) -> Iterator[FileStat | Refusal]:
        try:
            with store_errors():
                pages = self._pages()
                while (page := next(pages, None)) is not None and not self.stop.is_set():
                    yield from self._pictures(page)
        except ImageError as exc:
            self.unreadable.append(self.root)
            yield refused(self.root, exc)

    def _takes(self, relative: str) -> bool:
        return self.rules.shows(relative.split("/")) and self.rules.takes(relative)

    def _pages(self) -> Iterator[list[dict[str, Any]]]:
        """What fsspec says of each file, a bounded number at a time, in a fixed order."""
        if not is_web(self.root) and self._filesystem.isfile(self._top):
            yield [self._filesystem.info(self._top)]
        elif "s3" in self._filesystem.protocol:
            yield from self._s3_pages()
        else:
            for _, _, files in self._filesystem.walk(self._top, detail=True):
                infos = [files[name] for name in sorted(files)]
                yield from (infos[start : start + _PAGE] for start in range(0, len(infos), _PAGE))

    def _s3_pages(self) -> Iterator[list[dict[str, Any]]]:
        # s3fs itself lists a folder whole, and a bucket may be one folder of ten million keys.
        bucket, _, prefix = self._top.partition("/")
        more: dict[str, str] = {}
        while True:
            below = f"{prefix}/" if prefix else ""
            page = self._filesystem.call_s3("list_objects_v2", Bucket=bucket, Prefix=below, MaxKeys=_PAGE, **more)
            yield [
                {"name": f"{bucket}/{item['Key']}", "type": "file", "size": item["Size"], **item}
                for item in page.get("Contents", ())
                if not item["Key"].endswith("/")  # a folder as some programs mark it
            ]
            if not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def _pictures(self, infos: list[dict[str, Any]]) -> Iterator[FileStat | Refusal]:
        taken = [info for info in infos if self._takes(self._relative(info))]
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            for found in threads.map(self._picture, taken):
                if found is None:
                    self.others += 1
                else:
                    yield found

    def _picture(self, info: dict[str, Any]) -> FileStat | Refusal | None:
        """An object that may hold a picture; None for another one."""
        uri = f"{path_of_uri(self.root)}/{self._relative(info)}".rstrip("/")
        if is_container_name(uri):
            return None
        try:
            if not is_picture_name(uri):
                with store_errors():
                    if format_of(self._filesystem.cat_file(info["name"], start=0, end=SIGNATURE_BYTES)) is None:
                        return None
            # A list on the web holds names alone.
            found = stat_remote(uri) if is_web(uri) else stat_of_info(uri, info)
            if found.size > self.limits.max_bytes:
                raise too_many_bytes(found.size, self.limits)
        except ImageError as exc:
            return refusal(stat_of_info(uri, info), exc) if is_picture_name(uri) else None
        return found

    def _relative(self, info: dict[str, Any]) -> str:
        return str(info["name"])[len(self._top) :].lstrip("/")


class AddressSource(Source):
    """One picture at an http or https address."""

    def _found(self) -> Iterator[FileStat | Refusal]:
        try:
            yield stat_remote(self.root)
        except ImageError as exc:
            yield refused(self.root, exc)
