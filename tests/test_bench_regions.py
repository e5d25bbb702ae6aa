"""What uses of a mask do to retrieval: the measurement, on numbers that can be worked out by hand, and small."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from pictures import assert_same_picture, encode
from PIL import Image
from studio import STYLES, draw
from typer.testing import CliRunner

from benchmarks import region_sets, regions
from benchmarks.region_sets import KnownPictures, as_they_are, icons_on_textures, not_white, rendered
from encoder_training.data import is_validation
from stylesearch.encoders import load_encoder
from stylesearch.masking.base import VAGUE, Masks
from stylesearch.masking.regions import ALPHAS, DEFAULT_USE

SIZE = 64
FAMILIES = ("crayon", "stained_glass")


def known(styles: str, contents: str) -> KnownPictures:
    pixels = np.zeros((len(styles), 8, 8, 3), np.uint8)
    return KnownPictures("made", "background", pixels, None, np.array(list(styles)), np.array(list(contents)))


def test_a_leak_is_the_content_in_another_style() -> None:
    vectors = np.array([[1, 0], [1, 0.1], [0, 1], [0.1, 1]], np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    right = regions.outcome(vectors, known("aabb", "xyxy"))
    assert right.each.tolist() == [[1, 0]] * 4 and right.styles.tolist() == list("aabb")
    leaking = regions.outcome(vectors, known("abab", "xxyy"))
    assert leaking.each.tolist() == [[0, 1]] * 4
    wrong = regions.outcome(vectors, known("abab", "wxyz"))
    assert wrong.each.tolist() == [[0, 0]] * 4
    assert right.cells(right)[:2] == ["100.0 (100.0 to 100.0)", ""]
    assert leaking.cells(right)[1].startswith("-100.0") and leaking.cells(right)[3].startswith("+100.0")


def test_what_contents_tell_is_taken_off() -> None:
    rng = np.random.default_rng(0)
    style, content = rng.normal(size=(60, 5)), rng.normal(size=(60, 3))
    vectors = np.hstack([style, content @ rng.normal(size=(3, 4))]) + 3
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    rest = regions.without_content(vectors, content.astype(np.float32))
    np.testing.assert_allclose(np.linalg.norm(rest, axis=1), 1, atol=1e-5)
    centred = content - content.mean(0)
    slope = np.linalg.lstsq(centred, vectors - vectors.mean(0), rcond=None)[0]
    expected = vectors - centred @ slope
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(rest, expected, atol=1e-4)


def test_of_a_new_content_only_other_contents_tell() -> None:
    rng = np.random.default_rng(1)
    vectors, told = (rng.normal(size=(40, 6)).astype(np.float32) for _ in range(2))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    contents = np.arange(40) % 4
    rest = regions.without_content(vectors, told, contents)
    others = contents != 2
    slope = np.linalg.lstsq(told[others] - told[others].mean(0), vectors[others] - vectors[others].mean(0), rcond=None)[
        0
    ]
    expected = vectors[2] - (told[2] - told[others].mean(0)) @ slope
    np.testing.assert_allclose(rest[2], expected / np.linalg.norm(expected), atol=1e-4)


def test_layouts_know_shapes_and_not_colours() -> None:
    shapes = [draw(style, shape).resize((SIZE, SIZE)) for style in ("ink", "riso") for shape in ("bars", "disc")]
    found = regions.layouts(np.stack([np.asarray(picture) for picture in shapes]))
    assert found.shape == (4, 512)
    cosines = found @ found.T
    assert cosines[0, 2] > cosines[0, 1] and cosines[1, 3] > cosines[1, 2]


@pytest.mark.parametrize("kind", region_sets.RENDERED)
def test_rendered_pictures_have_in_common_what_they_should(kind: str) -> None:
    pictures = rendered(kind, SIZE, 3, 2, FAMILIES, seed=5)
    assert pictures.pixels.shape == (6, SIZE, SIZE, 3) and pictures.subject is not None
    assert pictures.styles.tolist() == list("001122") and pictures.contents.tolist() == list("010101")
    assert 0.1 < pictures.subject.mean() < 0.65
    same = np.abs(pictures.pixels[0].astype(int) - pictures.pixels[2]).max(2)
    inside = pictures.subject[[0, 2]].min(0) > 0.99
    outside = pictures.subject[[0, 2]].max(0) < 0.01
    assert (same[inside].max() <= 3) == (kind == "pasted")
    assert (same[outside].max() <= 3) == (kind == "framed")
    again = rendered(kind, SIZE, 3, 2, FAMILIES, seed=5)
    assert_same_picture(again.pixels, pictures.pixels)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The parquet files that the measurement reads, a few pictures each, one style of each held out."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "train").mkdir()
    for name in ("icon_sets", "texture_shape_cue", "supagruen_artists", "aihorde_styles"):
        names = [f"{name}-{i}" for i in range(100)]
        chosen = [next(one for one in names if is_validation(one) is held) for held in (True, False)]
        rows = [(style, shape) for style in chosen for shape in ("disc", "bars", "ring")]
        pictures = [
            icon(shape) if name == "icon_sets" else draw(list(STYLES)[chosen.index(s)], shape) for s, shape in rows
        ]
        columns = {
            "image": [{"bytes": encode(picture, "PNG"), "path": None} for picture in pictures],
            "style": [style for style, _ in rows],
            "content": [shape for _, shape in rows],
        }
        pq.write_table(pa.table(columns), folder / "train" / f"{name}.parquet")
    return folder


def icon(shape: str) -> Image.Image:
    """Black on white, large enough to dominate."""
    mask = draw("ink", shape).convert("L").crop((20, 0, 140, 120)).point(lambda level: 0 if level < 128 else 255)
    return mask.convert("RGB")


def test_icons_lie_over_textures(data: Path) -> None:
    pictures = icons_on_textures(data, SIZE, 3, seed=0)
    assert len(pictures.pixels) == 6 and len(set(pictures.styles)) == 2
    assert pictures.subject is not None
    assert (pictures.pixels[pictures.subject == 1] < region_sets._WHITE).all()
    np.testing.assert_array_equal(pictures.subject[:3], pictures.subject[3:])


def test_of_sets_as_they_are_held_out_styles_count(data: Path) -> None:
    pictures = as_they_are(data / "train" / "icon_sets.parquet", "background", SIZE, per_style=2, seed=0)
    assert len(pictures.pixels) == 2 and all(map(is_validation, pictures.styles))
    assert pictures.subject is not None
    np.testing.assert_array_equal(pictures.subject[0], not_white(pictures.pixels[0]))
    other = as_they_are(data / "train" / "aihorde_styles.parquet", "background", SIZE, per_style=9, seed=0)
    assert other.subject is None and len(other.pixels) == 3


def test_pictures_without_a_mask_count_as_a_whole() -> None:
    pictures = rendered("pasted", 128, 2, 2, FAMILIES, seed=1)
    assert pictures.subject is not None
    masks = Masks(pictures.subject, np.array([1, 0, 0, 1], np.float32))
    found = regions.Regions(load_encoder("descriptors:lab-gradient"), pictures, masks)
    vectors = found.mixed(found.alone("fill"), 0.3)
    assert (vectors == found.whole).all(1).tolist() == [False, True, True, False]


def test_it_prints_a_table_for_each_set(data: Path) -> None:
    app = typer.Typer()
    app.command()(regions.main)
    options = ["--encoder", "descriptors:lab-gradient", "--styles", "2", "--contents", "2"]
    shown = CliRunner().invoke(app, [str(data), *options], catch_exceptions=False).output
    for name in (*region_sets.RENDERED, "icons on textures", "icon_sets"):
        assert f"{name}, by" in shown
    assert f"oracle, {DEFAULT_USE} {ALPHAS[DEFAULT_USE]:g} (default)" in shown
    assert "projection, learnt from other contents" in shown
    swept = CliRunner().invoke(app, [*options, "--masker", "masker:v1", "--sweep"], catch_exceptions=False).output
    assert "1 (whole)" in swept and f"under {VAGUE:g}" in swept and "projection" not in swept
    assert "drawn, by background, masks of oracle" in swept and "drawn, by background, masks of masker:v1" in swept
