"""Contents: the same picture at every size, layers that fit together, and contents that survive being drawn."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as functional
from torch import Tensor

from encoder_training.renderers import FAMILIES, contents_from_images, draw_contents, render, sample_style
from encoder_training.renderers.filters import blur, gradient


def test_a_seed_gives_the_same_picture_at_every_size():
    small, large = draw_contents(range(12), 64), draw_contents(range(12), 256)
    for layer in ("pixels", "flat", "parts", "depth", "subject"):
        reduced = functional.avg_pool2d(getattr(large, layer), 4)
        assert (reduced - getattr(small, layer)).abs().mean() < 0.015, layer
    assert small.captions == large.captions


def test_both_kinds_are_drawn_and_captions_name_what_is_seen():
    contents = draw_contents(range(60), 32)
    assert set(contents.kinds) == {"scene", "icon"}
    assert len(set(contents.captions)) > 30
    assert all(1 < len(caption.split()) < 25 and "style" not in caption for caption in contents.captions)


@pytest.mark.parametrize(
    "contents",
    [draw_contents(range(6), 64), contents_from_images(draw_contents(range(6), 64).pixels)],
    ids=["drawn", "images"],
)
def test_layers_have_their_shapes_and_ranges(contents):
    shapes = {"pixels": 3, "flat": 3, "parts": 4, "edges": 1, "depth": 1, "subject": 1}
    for name, channels in shapes.items():
        layer = getattr(contents, name)
        assert layer.shape == (6, channels, 64, 64) and layer.dtype == torch.float32
        assert layer.min() >= -1e-5 and layer.max() <= 1 + 1e-5, name
    assert torch.allclose(contents.parts.sum(1), torch.ones(6, 64, 64), atol=1e-4)


def test_select_keeps_the_named_rows_in_order():
    contents = draw_contents([5, 6, 7], 32)
    chosen = contents.select([2, 0, 2])
    assert chosen.seeds == (7, 5, 7) and torch.equal(chosen.pixels[0], contents.pixels[2])


def outline(images: Tensor) -> Tensor:
    """Strength of edges, blurred, (N, S * S): where things are, whatever they are drawn with."""
    along_x, along_y = gradient(blur(images, 1.5))
    strength = (along_x.square() + along_y.square()).sum(1, keepdim=True).sqrt()
    return blur(strength, 2.0).flatten(1)


def likeness(first: Tensor, second: Tensor) -> Tensor:
    """Correlation of the outlines of (N, 3, S, S) and (N, 3, S, S), (N,) in [-1, 1]."""
    first, second = (outline(images) - outline(images).mean(1, keepdim=True) for images in (first, second))
    return functional.cosine_similarity(first, second)


@pytest.mark.parametrize("family", FAMILIES)
def test_contents_stay_recognisable(family):
    contents = draw_contents([3, 4, 14, 0], 96)
    own, others = [], []
    for seed in range(2):
        images = render([sample_style(40 + seed, [family])] * 4, contents, range(4))
        if family == "badge_icon":  # the glyph sits in the middle of a tile: compare it at its own size
            images = functional.interpolate(images[..., 18:-18, 18:-18], size=96, mode="bilinear")
        own.append(likeness(contents.pixels, images))
        others.append(likeness(contents.pixels.roll(1, 0), images))
    assert torch.stack(own).mean() > 0.3
    assert torch.stack(own).mean() > torch.stack(others).mean() + 0.15


def test_styles_of_one_family_are_different_hands():
    contents = draw_contents([3, 4, 2, 0], 64)
    for family in ("oil", "risograph", "line_icon", "film_photo"):
        images = torch.stack([render([sample_style(seed, [family])] * 4, contents, range(4)) for seed in range(6)])
        between = images.mean(1).var(0).mean()  # what differs between styles over the same contents
        assert between > 0.003, family
