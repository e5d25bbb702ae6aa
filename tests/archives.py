"""Archives and tables that the tests write."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

ARCHIVES = ("a.zip", "a.tar", "a.tar.gz", "a.tar.bz2", "a.tar.xz", "a.tar.zst")


def write_archive(path: Path, members: Mapping[str, bytes]) -> Path:
    """An archive of the kind that its name says."""
    if path.suffix.lower() in (".zip", ".cbz"):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in members.items():
                archive.writestr(name, data)
        return path
    plain = io.BytesIO()
    mode = {".gz": "w:gz", ".tgz": "w:gz", ".bz2": "w:bz2", ".xz": "w:xz"}.get(path.suffix, "w")
    with tarfile.open(fileobj=plain, mode=mode, encoding="utf-8", errors="surrogateescape") as tar:  # type: ignore[call-overload]
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    data = plain.getvalue()
    path.write_bytes(zstandard.compress(data) if path.suffix == ".zst" else data)
    return path


def write_table(path: Path, pictures: list[bytes | None], rows_in_group: int = 3) -> Path:
    """A Parquet file in the layout of MegaStyle-1.4M."""
    images = [None if data is None else {"bytes": data, "path": f"{row}.webp"} for row, data in enumerate(pictures)]
    columns = {"style": ["ink"] * len(images), "content": ["a cat"] * len(images), "image": images}
    pq.write_table(pa.table(columns), path, row_group_size=rows_in_group)
    return path
