"""Pictures whose subject is known: what masks are learnt from, and judged by."""

from __future__ import annotations

import numpy as np
import pytest
from pictures import assert_same_picture

from encoder_training.composites import KINDS, Composites, draw_composites

SIDE = 64


@pytest.fixture(scope="module")
def drawn() -> Composites:
    return draw_composites(np.random.default_rng(3), 32, SIDE, per_draw=2)


def test_shapes_kinds_and_shares(drawn: Composites) -> None:
    assert drawn.pixels.shape == (32, SIDE, SIDE, 3)
    assert drawn.masks.shape == (32, SIDE, SIDE)
    assert drawn.pixels.dtype == drawn.masks.dtype == np.uint8
    assert set(drawn.kinds) == set(KINDS)
    share = (drawn.masks >= 128).mean((1, 2))
    empty = np.array([kind == "empty" for kind in drawn.kinds])
    assert (share[empty] == 0).all()
    assert (share[~empty] > 0).mean() > 0.9  # one may have been moved out of the picture
    assert share.max() < 0.9


def test_the_same_numbers_draw_the_same_pictures_and_others_do_not(drawn: Composites) -> None:
    again = draw_composites(np.random.default_rng(3), 32, SIDE, per_draw=2)
    assert_same_picture(again.pixels, drawn.pixels)
    assert_same_picture(again.masks, drawn.masks)
    other = draw_composites(np.random.default_rng(4), 4, SIDE, per_draw=2)
    assert (other.pixels != drawn.pixels[:4]).any()


def test_masks_lie_on_what_was_put_there(drawn: Composites) -> None:
    """Along the outline of a subject colours change more than elsewhere, whatever the style."""
    inside, across = [], []
    for pixels, mask, kind in zip(drawn.pixels.astype(float), drawn.masks >= 128, drawn.kinds, strict=True):
        if kind != "pasted" or not 0.02 < mask.mean() < 0.9:
            continue
        change = np.abs(np.diff(pixels, axis=1)).mean(2)
        outline = mask[:, 1:] != mask[:, :-1]
        across.append(change[outline].mean())
        inside.append(change[~outline].mean())
    assert len(across) >= 2
    assert np.mean(across) > 1.5 * np.mean(inside)


def test_held_out_pictures_are_of_other_families(monkeypatch: pytest.MonkeyPatch) -> None:
    from encoder_training import renderers

    asked: list[list[str]] = []
    original = renderers.sample_style

    def listening(seed: int, families: list[str]) -> object:
        asked.append(list(families))
        return original(seed, families)

    monkeypatch.setattr(renderers, "sample_style", listening)
    draw_composites(np.random.default_rng(0), 2, 32, per_draw=2, held_out=True)
    draw_composites(np.random.default_rng(0), 2, 32, per_draw=2)
    assert set(asked[0]) == set(renderers.HELD_OUT_FAMILIES)
    assert not set(asked[-1]) & set(renderers.HELD_OUT_FAMILIES)
