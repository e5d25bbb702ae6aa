"""The backend without weights: its parts against slow obvious versions, and what it makes."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from pictures import assert_same_picture, difference
from PIL import Image

from encoder_training.renderers import draw_contents, render, sample_style
from stylesearch.encoders import load_encoder
from stylesearch.errors import TransferCancelled, UsageError
from stylesearch.palette import oklab_of_srgb
from stylesearch.transfer import load_backend
from stylesearch.transfer.base import StyleReference, TransferProgress, TransferRequest
from stylesearch.transfer.preview import draw
from stylesearch.transfer.preview_bands import collapse, match_contrast, pyramid
from stylesearch.transfer.preview_colour import Palette, drawn_colours, recolour, transport
from stylesearch.transfer.preview_patches import PATCH, Pool, rebuild
from stylesearch.transfer.preview_stylise import recoloured

SIDE = 96


def picture_of(tensor: torch.Tensor) -> Image.Image:
    return Image.fromarray((tensor.permute(1, 2, 0) * 255).round().byte().numpy())


@pytest.fixture(scope="module")
def content() -> Image.Image:
    return picture_of(draw_contents([1], SIDE).pixels[0])


@pytest.fixture(scope="module")
def references() -> dict[str, Image.Image]:
    families = ("pencil", "impasto", "blueprint", "crayon")
    styles = [sample_style(number, [family]) for number, family in enumerate(families)]
    seeds = range(20, 20 + len(styles))
    return dict(zip(families, map(picture_of, render(styles, draw_contents(seeds, SIDE), seeds)), strict=True))


def run(content, references, **values) -> Image.Image:
    size = {"width": SIDE, "height": SIDE}
    request = TransferRequest(tuple(StyleReference(one) for one in references), content=content, **(size | values))
    return load_backend("preview").run(request)[0].picture


def test_the_result_is_nearer_in_style_than_the_content_and_the_content_recoloured(content, references):
    encoder = load_encoder()
    gains = []
    for reference in references.values():
        pictures = [reference, content, recoloured(content, [reference], [1]), run(content, [reference])]
        vectors = encoder.embed_batch(pictures)
        gains.append(vectors[1:] @ vectors[0])
    untouched, colour_only, styled = np.mean(gains, 0)
    assert styled > untouched + 0.3
    assert styled > colour_only + 0.1


def test_weights_decide_between_references(content, references):
    one, other = references["blueprint"], references["crayon"]
    encoder = load_encoder()
    goals = encoder.embed_batch([one, other])
    leaning = []
    for weights in ((20.0, 1.0), (1.0, 20.0)):
        both = tuple(map(StyleReference, (one, other), weights))
        made = load_backend("preview").run(TransferRequest(both, content=content, width=SIDE, height=SIDE))[0].picture
        to_one, to_other = goals @ encoder.embed_batch([made])[0]
        leaning.append(to_one - to_other)
    assert leaning[0] > leaning[1] + 0.3


def test_the_same_seed_gives_the_same_pixels_and_another_seed_others(content, references):
    reference = references["impasto"]
    first, again, other = (np.asarray(run(content, [reference], seed=seed, steps=1)) for seed in (3, 3, 4))
    assert_same_picture(first, again)
    assert not np.array_equal(first, other)


def test_a_picture_of_several_is_the_one_of_its_own_seed(content, references):
    ask = TransferRequest((StyleReference(references["pencil"]),), width=64, height=64, seed=5, count=2, steps=1)
    results = load_backend("preview").run(ask)
    alone = run(None, [references["pencil"]], width=64, height=64, seed=results[1].seed, steps=1)
    assert difference(results[1].picture, alone) < 0.1  # descent follows every last bit


def test_no_strength_leaves_the_content_as_it_is(content, references):
    assert np.array_equal(np.asarray(run(content, [references["pencil"]], strength=0.0)), np.asarray(content))


@pytest.mark.parametrize("size", [(64, 200), (330, 65), (64, 64)])
def test_any_size_and_references_of_any_shape(content, size):
    rng = np.random.default_rng(0)
    odd = [Image.new("RGB", (1, 1), "red"), Image.fromarray(rng.integers(0, 256, (3, 700, 3), np.uint8))]
    assert run(content, odd, width=size[0], height=size[1], steps=1).size == size


def test_plain_pictures_go_through(references):
    white = Image.new("RGB", (SIDE, SIDE), "white")
    assert np.asarray(run(white, [white], steps=1)).min() > 245
    run(references["pencil"], [Image.new("RGB", (80, 80))], steps=1)


def test_progress_ends_where_it_said_and_cancelling_stops_at_once(content, references):
    told: list[TransferProgress] = []
    backend = load_backend("preview")
    ask = TransferRequest(
        (StyleReference(references["pencil"]),), content=content, width=64, height=64, count=2, steps=1
    )
    backend.run(ask, told.append)
    assert [step.done for step in told] == list(range(told[0].total))
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(TransferCancelled, match="'preview' was cancelled after 0"):
        backend.run(ask, cancel=cancel)


def test_the_prompt_chooses_what_is_drawn_and_a_content_image_leaves_no_room_for_it(content, references):
    assert np.array_equal(np.asarray(draw("3 sailing boats", 0, 64)), np.asarray(draw("a boat that is sailing", 0, 64)))
    assert not np.array_equal(np.asarray(draw("a boat", 0, 64)), np.asarray(draw("a portrait of a woman", 0, 64)))
    with pytest.raises(UsageError, match="'a boat'"):
        run(content, [references["pencil"]], prompt="a boat")


def test_a_name_with_something_behind_it_is_refused():
    with pytest.raises(UsageError, match="'fast'"):
        load_backend("preview:fast")


def test_transport_gives_a_cloud_the_means_and_spreads_of_the_wanted_one():
    rng = np.random.default_rng(0)
    mixing = np.array([[0.1, 0.05, 0], [0, 0.03, 0.02], [0, 0, 0.02]])
    wanted = (rng.normal(size=(20_000, 3)) @ mixing + [0.4, 0.1, -0.05]).astype(np.float32)
    moved = transport(rng.uniform(0, 1, (100, 100, 3)).astype(np.float32), wanted, rng).reshape(-1, 3)
    assert np.allclose(moved.mean(0), wanted.mean(0), atol=0.01)
    assert np.allclose(np.cov(moved.T), np.cov(wanted.T), atol=1e-3)


def test_weights_share_out_the_drawn_colours():
    black, white = np.zeros((10, 10, 3), np.float32), np.ones((30, 5, 3), np.float32)
    drawn = drawn_colours([black, white], [3, 1], np.random.default_rng(0))
    assert drawn.mean() == pytest.approx(0.25, abs=0.01)


def test_ground_stays_ground_where_the_reference_is_dark_on_light():
    """A light square on a dark ground, in the colours of a dark square on a light ground: it turns dark."""
    light_on_dark, dark_on_light = Image.new("RGB", (SIDE, SIDE), "#202020"), Image.new("RGB", (SIDE, SIDE), "#e0d0c0")
    light_on_dark.paste("#f0f0f0", (32, 32, 64, 64))
    dark_on_light.paste("#302010", (32, 32, 64, 64))
    made = recolour(oklab_of_srgb(np.asarray(light_on_dark)), Palette.of(light_on_dark), Palette.of(dark_on_light))
    assert made[5, 5, 0] > 0.8
    assert made[48, 48, 0] < 0.4


def test_a_pyramid_comes_together_again_and_contrast_follows_the_reference():
    generator = torch.Generator().manual_seed(0)
    picture, reference = (torch.rand((3, 70, 51), generator=generator) for _ in range(2))
    assert torch.allclose(collapse(pyramid(picture)), picture, atol=1e-5)
    calm = match_contrast(picture, [1.25 * reference], [1.0])
    for band, wanted in zip(pyramid(calm)[:1], pyramid(1.25 * reference)[:1], strict=True):
        assert float(band.std() / wanted.std()) == pytest.approx(1, abs=0.1)


def test_search_finds_what_a_slow_comparison_of_patches_finds():
    """With as many features as matter, the nearest patch is the one of the least squared difference of pixels."""
    generator = torch.Generator().manual_seed(1)
    # Low rank, so that the principal components keep all of it.
    shapes = torch.rand((6, 24), generator=generator)
    reference = (torch.rand((3, 24, 6), generator=generator) @ shapes)[:, :20]
    pool = Pool([reference], [1.0], 10**6, generator)
    picture = reference + 0.001 * torch.rand(reference.shape, generator=generator)
    found = pool.pixels(pool.search(pool.describe(picture).flatten(0, 1)).patch, 3).flatten(1)
    patches = torch.nn.functional.unfold(picture[None], PATCH)[0].T
    own = torch.nn.functional.unfold(reference[None], PATCH)[0].T
    slow = own[torch.cdist(patches, own).argmin(1)]
    assert (found - slow).abs().mean() < 0.02


def test_a_picture_is_rebuilt_from_itself():
    generator = torch.Generator().manual_seed(2)
    picture = torch.rand((3, 40, 33), generator=generator)
    guide = picture[:1]
    pool = Pool([torch.cat([picture, guide])], [1.0], 10**6, generator)
    for stride in (1, 2):
        again, matches = rebuild(picture, guide, pool, None, stride, search=True)
        inner = slice(PATCH, -PATCH)
        assert torch.allclose(again[:, inner, inner], picture[:, inner, inner], atol=1e-4)
        assert again.shape == picture.shape
        assert float(matches.cost.median()) < 1e-6
