"""What is to be made, as the address of the page holds it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from stylesearch.lineage import Ingredient, Lineage
from stylesearch.transfer import BackendInfo
from stylesearch.transfer.base import Capabilities, LicenceNote
from ui import offered as offering
from ui.chosen import Chosen
from ui.offered import as_choice, offered
from ui.order import Order

FULL = Order(
    like=(Chosen(12, 2.0), Chosen("u0123456789ab", box=(0.25, 0, 0.75, 0.5))),
    content=Chosen(7),
    prompt="a fox, & 'more' \N{ARTIST PALETTE}",
    backend="flux:mega@/models",
    size=(768, 512),
    number=4,
    strength=0.25,
    seed=2**62,
    made=(9, 8),
)
LINEAGE = Lineage(
    made_at=datetime(2026, 1, 2, tzinfo=UTC),
    backend="preview",
    models=(),
    licence="free",
    commercial=None,
    prompt="a hare",
    seed=5,
    width=256,
    height=256,
    strength=0.5,
    steps=None,
    references=(Ingredient("a.png", "aa", 2.0, (0.0, 0.0, 0.5, 1.0), asset_id=3), Ingredient("gone.png", "bb")),
    content=Ingredient("c.png", "cc", asset_id=4),
)


@pytest.mark.parametrize("order", [Order(), FULL])
def test_an_address_brings_an_order_back(order: Order) -> None:
    assert Order.from_address(order.to_address()) == order
    assert Order().to_address() == {}


def test_what_makes_no_sense_in_an_address_is_left_out() -> None:
    wild = {
        "like": "x,-1",
        "content": "?",
        "size": "9x9",
        "n": "77",
        "strength": "nan",
        "seed": "1" * 30,
        "made": "u1,-2",
    }
    assert Order.from_address(wild) == Order()
    assert Order.from_address({"prompt": "a\0b\n" + "c" * 5_000}).prompt == "a b " + "c" * 996
    assert Order.from_address({"strength": "1.5"}).strength == 1.0


def test_what_was_made_comes_first_and_once() -> None:
    order = Order(made=tuple(range(1, 25))).with_made((30, 3))
    assert order.made[:4] == (30, 3, 1, 2) and len(order.made) == 24 and len(set(order.made)) == 24


def test_a_picture_is_varied_by_its_own_order() -> None:
    varied = replace(FULL, like=(Chosen(1),)).varied(LINEAGE)
    assert varied.like == (Chosen(3, 2.0, (0.0, 0.0, 0.5, 1.0)),), "what the library has no more is left out"
    assert (varied.content, varied.prompt, varied.backend) == (Chosen(4), "a hare", "preview")
    assert (varied.size, varied.strength, varied.seed, varied.made) == ((256, 256), 0.5, None, FULL.made)
    lost = replace(LINEAGE, references=LINEAGE.references[1:], content=None)
    assert FULL.varied(lost).like == FULL.like and FULL.varied(lost).content is None


def test_only_what_is_named_by_the_server_is_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    can, terms = Capabilities(1, content=False, text=True, weights=False), LicenceNote("Ask first.", commercial=False)
    names = ("preview", "flux:mega@FOLDER", "flux:redux@FOLDER", "comfyui:URL#one", "comfyui:URL#WORKFLOW.json")
    known = [BackendInfo(name, f"What {name} does.", can, terms) for name in names]
    monkeypatch.setattr(offering, "backends", lambda: known)
    wanted = "flux:redux@/m, comfyui:http://[::1]:8188#one ,oil@x,"
    monkeypatch.setenv("STYLESEARCH_TRANSFER_BACKENDS", wanted)
    offered.cache_clear()
    found = offered()
    offered.cache_clear()
    assert [info.name for info in found.here] == ["preview", "flux:redux@/m", "comfyui:http://[::1]:8188#one"]
    assert [info.what for info in found.here[1:]] == ["What flux:redux@FOLDER does.", "What comfyui:URL#one does."]
    assert found.named("flux:mega@/etc") is None
    assert as_choice(found.here[0])["terms"] == "Ask first. Not for commercial use."
