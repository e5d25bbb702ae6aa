"""Rendered pictures on disk: every shard follows from its number, and batches are drawn from whole shards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from encoder_training.shards import IMAGES, STYLES, ShardSource, draw_shards, read_shards
from stylesearch.errors import UsageError


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


def test_a_batch_takes_styles_of_one_shard_before_the_next(folder: Path) -> None:
    source = ShardSource(folder)
    drawn = source.draw(np.random.default_rng(0), styles=40, images=3, size=24)
    assert drawn.pixels.shape == (120, 24, 24, 3) and len(set(drawn.keys)) == 40
    shards = [set(styles) for _, styles, _, _ in read_shards(folder)]
    assert any(shard <= set(drawn.keys) for shard in shards)
    assert torch.equal(drawn.pixels, source.draw(np.random.default_rng(0), 40, 3, 24).pixels)


def test_a_folder_without_pictures_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=str(tmp_path)):
        ShardSource(tmp_path)
