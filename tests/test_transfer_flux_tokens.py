"""Where the pictures beside the noise stand, and how much they count: what the transformer is really given."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import Any, TypeAlias

import numpy as np
import pytest
import tiny_flux
import torch
from diffusers import FluxKontextPipeline
from PIL import Image
from torch.nn.functional import scaled_dot_product_attention

from stylesearch.errors import UsageError
from stylesearch.transfer.base import StyleReference, TransferRequest
from stylesearch.transfer.flux_arrangement import fitted, instruction, laid_out, shared_odds
from stylesearch.transfer.flux_backend import FluxBackend
from stylesearch.transfer.flux_pipeline import attention_bias, positions

WIDTH, HEIGHT = 64, 96
COLUMNS, ROWS = 4, 6  # a token is 16 x 16 pixels
TEXT = 512
Loader: TypeAlias = Callable[[str], FluxBackend]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loader:
    """Backends by kind, each loaded once, all in float32."""
    flux = tiny_flux.save_all(tmp_path_factory.mktemp("dev"))
    folders = {
        "kontext": tiny_flux.save_flux(tmp_path_factory.mktemp("kontext"), FluxKontextPipeline),
        "klein": tiny_flux.save_klein(tmp_path_factory.mktemp("klein")),
    }
    return cache(lambda kind: tiny_flux.open_backend(kind, folders.get(kind, flux)))


def picture(number: int = 0, width: int = 80, height: int = 80) -> Image.Image:
    noise = torch.randint(0, 256, (height, width, 3), generator=torch.Generator().manual_seed(number))
    return Image.fromarray(noise.to(torch.uint8).numpy())


def request(*weights: float, **options: Any) -> TransferRequest:
    references = tuple(StyleReference(picture(i), weight) for i, weight in enumerate(weights))
    return TransferRequest(references, **{"prompt": "a cat", "width": WIDTH, "height": HEIGHT, "steps": 2, **options})


@contextmanager
def listening(backend: FluxBackend) -> Iterator[list[dict[str, Any]]]:
    """The arguments of every call of the transformer."""
    heard: list[dict[str, Any]] = []

    def hear(_module: object, _args: object, kwargs: dict[str, Any]) -> None:
        heard.append({**kwargs, "hidden_states": kwargs["hidden_states"].clone()})

    handle = backend._recipe.pipe.transformer.register_forward_pre_hook(hear, with_kwargs=True)
    try:
        yield heard
    finally:
        handle.remove()


def heard_of(backend: FluxBackend, asked: TransferRequest) -> list[dict[str, Any]]:
    with listening(backend) as heard:
        backend.run(asked)
    return heard


def by_hand(columns: int, rows: int, time: int = 0, column: int = 0, row: int = 0) -> list[tuple[int, int, int]]:
    return [(time, row + y, column + x) for y in range(rows) for x in range(columns)]


def ids_of(call: dict[str, Any]) -> list[tuple[int, ...]]:
    return [tuple(int(number) for number in token) for token in call["img_ids"]]


def test_megastyle_puts_the_reference_one_width_to_the_right(loaded: Loader) -> None:
    backend = loaded("mega")
    calls = heard_of(backend, request(1.0))
    noise = COLUMNS * ROWS
    assert len(calls) == 2
    for call in calls:
        assert ids_of(call) == by_hand(COLUMNS, ROWS) + by_hand(COLUMNS, ROWS, column=COLUMNS)
        assert call["hidden_states"].shape[1] == 2 * noise
        assert not call["txt_ids"].any()
        assert call["guidance"].item() == 3.5
    first, second = (call["hidden_states"] for call in calls)
    assert torch.equal(first[:, noise:], second[:, noise:])  # clean, at every step
    assert not torch.equal(first[:, :noise], second[:, :noise])


@torch.no_grad()
def test_tokens_of_a_reference_are_its_latents_two_by_two(loaded: Loader) -> None:
    backend = loaded("mega")
    call = heard_of(backend, request(1.0))[0]
    vae = backend._recipe.pipe.vae
    pixels = torch.from_numpy(np.array(picture().resize((WIDTH, HEIGHT)))).permute(2, 0, 1)[None] / 127.5 - 1
    latent = (vae.encode(pixels.to(vae.device)).latent_dist.mode() - 0.1159) * 0.3611
    wanted = [latent[0, :, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2].flatten() for y in range(ROWS) for x in range(COLUMNS)]
    torch.testing.assert_close(call["hidden_states"][0, COLUMNS * ROWS :], torch.stack(wanted), rtol=0, atol=1e-5)


def test_megastyle_samples_with_a_schedule_shifted_by_3(loaded: Loader) -> None:
    backend = loaded("mega")
    calls = heard_of(backend, request(1.0, steps=4))
    plain = [1.0, 0.75, 0.5, 0.25]
    shifted = [3 * t / (1 + 2 * t) for t in plain]
    assert [call["timestep"].item() for call in calls] == pytest.approx(shifted, abs=1e-3)


@torch.no_grad()
def test_the_order_of_the_groups_of_tokens_does_not_matter(loaded: Loader) -> None:
    backend = loaded("mega")
    call = heard_of(backend, request(1.0))[0]
    network, noise = backend._recipe.pipe.transformer, COLUMNS * ROWS
    call["return_dict"] = False
    swap = torch.cat([torch.arange(noise, 2 * noise), torch.arange(noise)])
    behind = network(**call)[0][:, :noise]
    before = network(**{**call, "hidden_states": call["hidden_states"][:, swap], "img_ids": call["img_ids"][swap]})[0][
        :, noise:
    ]
    torch.testing.assert_close(before, behind, rtol=0, atol=1e-5)
    # What does matter is where they stand: at Kontext's place the same tokens give another picture.
    elsewhere = call["img_ids"].clone()
    elsewhere[noise:] = positions(ROWS, COLUMNS, time=1)
    assert (network(**{**call, "img_ids": elsewhere})[0][:, :noise] - behind).abs().max() > 1e-4


def test_kontext_takes_pictures_at_the_size_they_are_given(loaded: Loader) -> None:
    asked = request(1.0, content=picture(9, 300, 200))
    backend = loaded("kontext")
    results = backend.run(asked)
    call = heard_of(backend, asked)[0]
    assert results[0].picture.size == (WIDTH, HEIGHT)
    content, reference = by_hand(COLUMNS, ROWS, time=1), by_hand(4, 4, time=1, column=COLUMNS)
    assert ids_of(call) == by_hand(COLUMNS, ROWS) + content + reference  # and not the 4096 of its own megapixel


def test_kontext_lays_pictures_out_without_overlap() -> None:
    assert laid_out([(4, 6)]) == [(0, 0)]
    assert laid_out([(4, 4), (4, 4)]) == [(0, 0), (0, 4)]
    assert laid_out([(4, 6), (4, 4)]) == [(0, 0), (4, 0)]
    for sizes in itertools.product([(4, 6), (6, 4), (2, 9), (5, 5)], repeat=4):
        cells = [
            (column + x, row + y)
            for (wide, tall), (column, row) in zip(sizes, laid_out(list(sizes)), strict=True)
            for x in range(wide)
            for y in range(tall)
        ]
        assert len(set(cells)) == len(cells)


def test_klein_puts_pictures_at_times_10_and_20(loaded: Loader) -> None:
    backend = loaded("klein")
    call = heard_of(backend, request(1.0, content=picture(9, 300, 200)))[0]
    ids = [tuple(int(number) for number in token) for token in call["img_ids"][0]]
    wanted = by_hand(COLUMNS, ROWS) + by_hand(COLUMNS, ROWS, time=10) + by_hand(4, 4, time=20)
    assert ids == [(*token, 0) for token in wanted]


def test_positions_stay_exact_where_bfloat16_has_no_whole_numbers(loaded: Loader) -> None:
    pipe = loaded("lora")._recipe.pipe
    _, _, ids, _ = pipe.prepare_latents(None, 1, 4, 64, 16 * 600, torch.bfloat16, torch.device("cpu"))
    assert ids_of({"img_ids": ids}) == by_hand(600, 4)


def test_odds_count_a_token_as_if_it_were_there_that_often() -> None:
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(1, 1, 5, 8, generator=generator) for _ in range(3))
    bias = attention_bias(5, [(3, 2, 2.0)])
    keys, values = (torch.cat([tensor, tensor[:, :, 3:]], dim=2) for tensor in (key, value))
    weighed = scaled_dot_product_attention(query, key, value, attn_mask=bias)
    torch.testing.assert_close(weighed, scaled_dot_product_attention(query, keys, values))
    hidden = scaled_dot_product_attention(query, key, value, attn_mask=attention_bias(5, [(3, 2, 0.0)]))
    torch.testing.assert_close(hidden, scaled_dot_product_attention(query, key[:, :, :3], value[:, :, :3]))
    assert attention_bias(5, [(0, 2, 1.0), (3, 2, 1.0)]) is None


def test_odds_follow_weights_and_strength() -> None:
    assert shared_odds(request(2.0, 2.0)) == [1, 1]
    assert shared_odds(request(3.0, 1.0)) == [1.5, 0.5]
    assert shared_odds(request(30.0, 10.0, strength=0.5)) == [0.75, 0.25]


def latents(backend: FluxBackend, asked: TransferRequest) -> torch.Tensor:
    """What the transformer says in the last step of the noise, which all earlier steps are in."""
    said: list[torch.Tensor] = []
    hook = backend._recipe.pipe.transformer.register_forward_hook(lambda _m, _a, out: said.append(out[0].clone()))
    backend.run(asked)
    hook.remove()
    return said[-1][:, : COLUMNS * ROWS]


@pytest.mark.parametrize("kind", ["mega", "redux", "ip-adapter", "kontext", "klein"])
def test_at_strength_0_the_references_are_not_seen(kind: str, loaded: Loader) -> None:
    asked = request(1.0) if kind == "mega" else request(3.0, 1.0)
    hidden = replace(asked, strength=0.0)
    others = tuple(replace(reference, picture=picture(8)) for reference in asked.references)
    backend = loaded(kind)
    without = latents(backend, hidden)
    torch.testing.assert_close(latents(backend, replace(hidden, references=others)), without, rtol=0, atol=1e-5)
    assert (latents(backend, asked) - without).abs().max() > 1e-4


@pytest.mark.parametrize("kind", ["redux", "ip-adapter", "kontext", "klein"])
def test_weights_change_the_picture_and_their_unit_does_not(kind: str, loaded: Loader) -> None:
    backend = loaded(kind)
    tilted = latents(backend, request(3.0, 1.0))
    torch.testing.assert_close(latents(backend, request(6.0, 2.0)), tilted, rtol=0, atol=1e-5)
    assert (latents(backend, request(1.0, 1.0)) - tilted).abs().max() > 1e-4


@pytest.mark.parametrize("kind", ["redux", "ip-adapter"])
def test_the_order_of_references_does_not_matter_where_they_have_no_place(kind: str, loaded: Loader) -> None:
    asked = request(3.0, 1.0)
    backend = loaded(kind)
    turned = latents(backend, replace(asked, references=asked.references[::-1]))
    torch.testing.assert_close(turned, latents(backend, asked), rtol=0, atol=1e-5)


def test_redux_puts_each_reference_behind_the_words(loaded: Loader) -> None:
    backend = loaded("redux")
    plain, tilted = heard_of(backend, request(1.0, 1.0))[0], heard_of(backend, request(3.0, 1.0))[0]
    with torch.no_grad():
        words, _ = backend._recipe._texts("a cat")
    seen = (32 // 8) ** 2  # patches of the tiny SigLIP
    assert plain["encoder_hidden_states"].shape[1] == TEXT + 2 * seen
    assert torch.equal(plain["encoder_hidden_states"][:, :TEXT], words)
    assert not plain["joint_attention_kwargs"]  # no mask, so that fast kernels can be used
    odds = tilted["joint_attention_kwargs"]["attention_mask"].exp().flatten()
    wanted = [1.0] * TEXT + [1.5] * seen + [0.5] * seen + [1.0] * COLUMNS * ROWS
    assert odds.tolist() == pytest.approx(wanted)


def test_pictures_beside_the_noise_keep_their_shape_within_bounds() -> None:
    assert fitted(picture(0, 300, 200), 150 * 100, 16).size == (144, 96)
    assert fitted(picture(0, 100, 100), 512 * 512, 16).size == (96, 96)  # nothing is blown up
    assert fitted(picture(0, 1000, 70), 512 * 512, 16).size == (528, 128)  # at most 4 to 1
    assert fitted(picture(0, 20, 20), 512 * 512, 16).size == (64, 64)


def test_models_that_are_told_what_to_do_are_told_whose_style() -> None:
    told = instruction(request(1.0, content=picture()))
    assert told == "Redraw the first image in the style of the second image, keeping its content. a cat"
    assert instruction(request(1.0, 1.0)) == "a cat, in the style of the images, with new content"
    with pytest.raises(UsageError, match="neither a content image nor a prompt"):
        instruction(request(1.0, prompt=""))
