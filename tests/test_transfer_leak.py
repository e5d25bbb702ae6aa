"""The measure of content leakage."""

from __future__ import annotations

import pytest
from pictures import draw
from PIL import Image, ImageFilter, ImageOps
from studio import draw as draw_in_style

from stylesearch.transfer.leak import content_leak


def test_a_copy_leaks_everything_and_another_picture_next_to_nothing() -> None:
    assert content_leak(draw(1), draw(1)) == pytest.approx(1, abs=1e-6)
    assert max(content_leak(draw(1), draw(seed)) for seed in range(2, 8)) < 0.25


@pytest.mark.parametrize(
    "changed",
    [
        lambda picture: picture.resize((333, 222)),
        lambda picture: picture.filter(ImageFilter.GaussianBlur(1)),
        ImageOps.invert,
        ImageOps.mirror,
        lambda picture: picture.transform(picture.size, Image.Transform.AFFINE, (1, 0, 6, 0, 1, 4)),
    ],
)
def test_it_is_seen_in_other_sizes_colours_and_places(changed: object) -> None:
    assert content_leak(changed(draw(1)), draw(1)) > 0.5  # type: ignore[operator]  # all take a picture


def test_the_same_shape_in_another_style_leaks_more_than_another_shape_in_the_same_style() -> None:
    same = content_leak(draw_in_style("riso", "triangle"), draw_in_style("ink", "triangle"))
    other = content_leak(draw_in_style("ink", "bars"), draw_in_style("ink", "triangle"))
    assert same > 0.5 > 0.2 > other


def test_what_is_symmetrical_leaks_too() -> None:
    assert content_leak(draw_in_style("night", "disc"), draw_in_style("ink", "disc")) > 0.5


def test_a_picture_without_anything_in_it_leaks_nothing() -> None:
    assert content_leak(Image.new("RGB", (64, 64), "red"), draw(1)) == 0
    assert content_leak(draw(1), Image.new("RGB", (3, 500))) == 0
