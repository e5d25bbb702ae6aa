"""Rendered pictures on disk: every shard follows from its number."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from encoder_training.shards import IMAGES, STYLES, draw_shards, read_shards


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rendered")
    draw_shards(folder, 2, 32, None)
    return folder


def test_a_lost_shard_is_drawn_again_as_it_was(folder: Path) -> None:
    path = folder / "00001.npz"
    before = [shard[0] for shard in read_shards(folder)]
    assert before[0].shape == (STYLES * IMAGES, 32, 32, 3) and not np.array_equal(before[0], before[1])
    path.unlink()
    other = (folder / "00000.npz").stat().st_mtime_ns
    draw_shards(folder, 2, 32, None)
    assert np.array_equal(before[1], list(read_shards(folder))[1][0])
    assert (folder / "00000.npz").stat().st_mtime_ns == other
