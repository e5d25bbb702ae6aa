"""The cache of thumbnails keeps to its size, and what was used last."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
from indexing import SETTINGS, open_bench

from stylesearch import thumbnails
from stylesearch.thumbnails import SHELVES, has_thumbnail, thumbnail_path, trim_thumbnails, write_thumbnail


def names(folder: Path) -> list[str]:
    return sorted(path.stem[-2:] for path in folder.rglob("*.webp"))


def shelf_of_ten(folder: Path, shelf: str = "ab") -> list[Path]:
    """Ten thumbnails of 100 bytes on one shelf, the first of them used longest ago."""
    paths = [thumbnail_path(folder, f"{shelf}{number:062d}") for number in range(10)]
    for age, path in enumerate(reversed(paths)):
        write_thumbnail(path, b"x" * 100)
        os.utime(path, (time.time() - 1e6 - age,) * 2)
    return paths


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path) -> None:
    paths = shelf_of_ten(tmp_path)
    assert has_thumbnail(paths[0]), "a look counts as use"
    assert trim_thumbnails(tmp_path, 0xAB, 400 * SHELVES) == 6
    assert names(tmp_path) == ["00", "07", "08", "09"]
    assert trim_thumbnails(tmp_path, 0xAB, 400 * SHELVES) == 0


def test_only_the_shelf_is_trimmed(tmp_path: Path) -> None:
    shelf_of_ten(tmp_path)
    assert trim_thumbnails(tmp_path, 0xAC, 0) == 0 and len(names(tmp_path)) == 10
    assert trim_thumbnails(tmp_path, 0xAB, 0) == 10 and not names(tmp_path)


def test_a_look_is_written_down_once_a_day(tmp_path: Path) -> None:
    path = thumbnail_path(tmp_path, "ab" * 32)
    assert not has_thumbnail(path)
    write_thumbnail(path, b"x")
    recently = time.time() - thumbnails._TOUCH_SECONDS / 2
    os.utime(path, (recently, recently))
    assert has_thumbnail(path) and path.stat().st_mtime == pytest.approx(recently)


def test_a_run_of_the_indexer_keeps_to_the_size(tmp_path: Path) -> None:
    shelf_of_ten(tmp_path / "thumbnails", shelf="00")
    with open_bench(tmp_path) as bench:
        bench.draw("a.png")
        bench.index(settings=replace(SETTINGS, thumbnail_bytes=300 * SHELVES))
    assert len(names(tmp_path / "thumbnails" / "00")) == 3
