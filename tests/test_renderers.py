"""Styles and pictures follow from seeds alone, whatever else is in the batch."""

from __future__ import annotations

import pytest
import torch

from encoder_training.renderers import (
    FAMILIES,
    HELD_OUT_FAMILIES,
    contents_from_images,
    draw_contents,
    render,
    sample_style,
)

SIZE = 32
ONE_LEVEL = 1.01 / 255


@pytest.fixture(scope="module")
def contents():
    return draw_contents([3, 4, 0], SIZE)  # mountains, a portrait, an icon


def test_the_same_seed_gives_the_same_style():
    assert sample_style(7) == sample_style(7)
    assert sample_style(7) != sample_style(8)


def test_a_style_is_drawn_from_the_families_that_are_named():
    assert {sample_style(seed, ["oil", "neon"]).family for seed in range(20)} == {"oil", "neon"}


def test_an_unknown_family_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'oils'.*watercolour"):
        sample_style(1, ["oils"])


def test_the_held_out_families_exist_and_leave_most_for_training():
    assert set(HELD_OUT_FAMILIES) < set(FAMILIES)
    assert len(FAMILIES) - len(HELD_OUT_FAMILIES) >= 30


def test_lengths_that_differ_are_refused(contents):
    with pytest.raises(ValueError, match="got 1 styles, 3 contents and 3 seeds"):
        render([sample_style(1)], contents, [1, 2, 3])


@pytest.mark.parametrize("family", FAMILIES)
def test_a_picture_does_not_depend_on_its_batch(family, contents):
    styles = [sample_style(1, [family]), sample_style(3, ["anime"]), sample_style(2, [family])]
    together = render(styles, contents, [10, 11, 12])
    alone = render(styles[::-1][:1], contents.select([2]), [12])
    # Another order of summation may move a hard edge by a pixel; nothing more.
    assert ((together[2:] - alone).abs() > ONE_LEVEL).float().mean() < 0.004


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_draws_every_kind_of_content_in_range(family, contents):
    photographs = contents_from_images(torch.rand(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0)))
    plain = contents_from_images(torch.full((1, 3, SIZE, SIZE), 0.5))
    for batch in (contents.select([0, 2]), photographs, plain):
        images = render([sample_style(5, [family])] * len(batch), batch, range(len(batch)))
        assert images.shape == batch.pixels.shape and images.dtype == torch.float32
        assert torch.isfinite(images).all() and images.min() >= 0 and images.max() <= 1


def test_other_content_seeds_give_other_grain(contents):
    style = sample_style(4, ["oil"])
    first, second = render([style] * 2, contents.select([0, 0]), [1, 2])
    assert (first - second).abs().mean() > 0.002


def test_prompts_follow_the_template_at_about_32_words():
    styles = [sample_style(seed) for seed in range(300)]
    counts = [len(style.prompt.split()) for style in styles]
    assert min(counts) >= 18 and max(counts) <= 42 and 26 <= sum(counts) / len(counts) <= 34
    assert all(style.prompt.startswith("In the style of ") and style.prompt.count(", ") >= 5 for style in styles)


def test_names_are_titles_that_can_be_folders():
    names = [sample_style(seed).name for seed in range(300)]
    assert all(name.replace("-", "").isalnum() and name == name.lower() and len(name) < 60 for name in names)
    assert len(set(names)) == len(names)
