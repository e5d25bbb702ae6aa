"""Batches: P styles x K images, a function of the step, the same style in the same label on every rank."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from pictures import assert_same_picture
from PIL import Image

from encoder_training.data import (
    Batches,
    PictureSource,
    RenderedSource,
    Share,
    is_validation,
    read_folder,
    read_parquet,
)
from stylesearch.errors import UsageError


def png(colour: tuple[int, int, int], side: int = 64) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    """Six styles (by their red) over five contents (by their green)."""
    rows = [(style, content) for style in range(6) for content in range(5)]
    table = pa.table(
        {
            "image": [{"bytes": png((40 * style, 40 * content, 0)), "path": None} for style, content in rows],
            "style": [f"hand-{style}" for style, _ in rows],
            "content": [f"thing-{content}" for _, content in rows],
        }
    )
    pq.write_table(table, tmp_path / "drawn.parquet")
    return tmp_path / "drawn.parquet"


def test_parquet_of_megastyle_layout(parquet: Path) -> None:
    pictures = read_parquet(parquet)
    assert (pictures.name, len(pictures)) == ("drawn", 30)
    assert pictures.styles[5] == "hand-1" and pictures.contents[5] == "thing-0"
    assert pictures.prompts[5] == "in the style of hand 1"


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image": [{"bytes": b""}], "style": ["a"]}), tmp_path / "bad.parquet")
    with pytest.raises(UsageError, match="'content'"):
        read_parquet(tmp_path / "bad.parquet")


def test_folder_gives_style_and_content(tmp_path: Path) -> None:
    for style in ("ink", "oil"):
        (tmp_path / style).mkdir()
        (tmp_path / style / "cat.PNG").write_bytes(png((9, 9, 9)))
    (tmp_path / "ink" / "notes.txt").write_text("not a picture")
    labelled, unlabelled = read_folder(tmp_path), read_folder(tmp_path, labelled=False)
    assert list(labelled.styles) == ["ink", "oil"] and list(labelled.contents) == ["cat", "cat"]
    assert len(set(unlabelled.styles)) == 2
    with pytest.raises(UsageError, match="no pictures"):
        read_folder(tmp_path / "ink" / "nothing")


def test_validation_styles_are_whole_and_apart(parquet: Path) -> None:
    training, validation = read_parquet(parquet).split()
    assert not set(training.styles) & set(validation.styles)
    assert len(training) + len(validation) == 30
    assert all(map(is_validation, validation.styles))


def test_a_batch_is_styles_by_images_over_shared_contents(parquet: Path) -> None:
    source = PictureSource(read_parquet(parquet), decoded=64)
    drawn = source.draw(np.random.default_rng(0), styles=4, images=2, size=48)
    assert drawn.pixels.shape == (8, 48, 48, 3) and drawn.pixels.dtype == torch.uint8
    assert [drawn.keys.count(key) for key in dict.fromkeys(drawn.keys)] == [2] * 4
    for key, pixels in zip(drawn.keys, drawn.pixels, strict=True):
        assert pixels[0, 0, 0].item() == 40 * int(key[-1])  # crops, flips and scales leave colour alone


def test_an_unlabelled_picture_gives_several_crops_of_itself(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "only.png")
    source = PictureSource(read_folder(tmp_path, labelled=False), decoded=96)
    drawn = source.draw(np.random.default_rng(1), styles=3, images=4, size=64)
    assert len(set(drawn.keys)) == 1 and len(drawn.keys) == 4
    assert not torch.equal(drawn.pixels[0], drawn.pixels[1])


def test_a_batch_follows_from_seed_step_and_rank(parquet: Path) -> None:
    def batches(seed: int = 0, rank: int = 0) -> Batches:
        return Batches([Share(PictureSource(read_parquet(parquet), 64), 3)], 2, 48, seed, rank)

    first = batches()
    _ = first[0], first[1]
    later, fresh = first[7], batches()[7]
    assert torch.equal(later.pixels, fresh.pixels) and torch.equal(later.styles, fresh.styles)
    for other in (batches(seed=1)[7], batches(rank=1)[7], batches()[8]):
        assert not torch.equal(other.styles, fresh.styles) or not torch.equal(other.pixels, fresh.pixels)


def test_one_style_has_one_label_on_all_ranks(parquet: Path) -> None:
    labels = [
        set(Batches([Share(PictureSource(read_parquet(parquet), 64), 6)], 2, 48, 0, rank)[0].styles.tolist())
        for rank in (0, 1)
    ]
    assert labels[0] == labels[1] and len(labels[0]) == 6


@pytest.mark.parametrize("with_photos", [False, True])
def test_rendered_styles_share_their_contents(with_photos: bool) -> None:
    photos = np.random.default_rng(0).integers(0, 256, (6, 48, 48, 3), dtype=np.uint8) if with_photos else None
    source = RenderedSource(photos=photos)
    drawn = source.draw(np.random.default_rng(3), styles=3, images=2, size=48)
    assert drawn.pixels.shape == (6, 48, 48, 3)
    assert len(set(drawn.keys)) == 3 and len(set(drawn.prompts)) == 3
    again = source.draw(np.random.default_rng(3), styles=3, images=2, size=48)
    assert_same_picture(drawn.pixels.numpy(), again.pixels.numpy())
