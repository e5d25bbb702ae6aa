"""The interface of transfer: what is refused, and how backends are named."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest
from PIL import Image

from stylesearch.errors import TransferCancelled, TransferError, UsageError
from stylesearch.transfer import backends, load_backend
from stylesearch.transfer.base import (
    Capabilities,
    LicenceNote,
    Report,
    StyleReference,
    TransferBackend,
    TransferProgress,
    TransferRequest,
    TransferResult,
)

WHITE = Image.new("RGB", (64, 64), "white")
ONE = (StyleReference(WHITE),)


class Plain(TransferBackend):
    """Gives plain pictures, one step each."""

    name = "plain"
    licence = LicenceNote("none", commercial=True)

    def __init__(self, capabilities: Capabilities, lost: int = 0) -> None:
        self.capabilities = capabilities
        self.lost = lost

    def _run(self, request: TransferRequest, report: Report, cancel: threading.Event) -> list[TransferResult]:
        made = []
        for number in range(request.count):
            report(TransferProgress(number, request.count, "picture"))
            made.append(TransferResult(Image.new("RGB", (request.width, request.height)), request.seed + number, 0, ()))
        return made[self.lost :]


@pytest.mark.parametrize(
    "values",
    [
        {"width": 63},
        {"height": 4097},
        {"width": 100.5},
        {"count": 0},
        {"count": True},
        {"count": 65},
        {"seed": -1},
        {"seed": 2**63},
        {"strength": 1.01},
        {"strength": float("nan")},
        {"steps": 0},
        {"content": Image.new("L", (64, 64))},
    ],
)
def test_a_request_out_of_range_is_refused_with_its_value(values):
    with pytest.raises(UsageError) as caught:
        TransferRequest(ONE, **values)
    (value,) = values.values()
    assert f"'{getattr(value, 'mode', value)}'" in str(caught.value)


@pytest.mark.parametrize("weight", [0.0, -1.0, float("inf"), float("nan")])
def test_a_reference_has_a_weight_above_zero(weight):
    with pytest.raises(UsageError, match="weight"):
        StyleReference(WHITE, weight)


@pytest.mark.parametrize(
    ("capabilities", "values", "said"),
    [
        (Capabilities(1, True, True, True), {"references": ONE * 2}, "2 references; 'plain' takes at most 1"),
        (Capabilities(0, True, True, True), {"references": ONE}, "lies in its weights"),
        (Capabilities(1, True, True, True), {"references": ()}, "at least one reference"),
        (Capabilities(2, True, True, False), {"references": (*ONE, StyleReference(WHITE, 2))}, "does not weigh"),
        (Capabilities(1, False, True, True), {"content": WHITE}, "takes no content"),
        (Capabilities(1, True, True, True, needs_content=True), {}, "needs a content"),
        (Capabilities(1, True, False, True), {"prompt": "a boat"}, "says 'a boat'"),
        (Capabilities(1, True, True, True, needs_text=True), {}, "needs a prompt"),
        (
            Capabilities(1, True, True, True, text_beside_content=False),
            {"prompt": "a boat", "content": WHITE},
            "prompt 'a boat'. Leave out one",
        ),
    ],
)
def test_a_backend_refuses_what_it_cannot_do(capabilities, values, said):
    with pytest.raises(UsageError, match=said):
        Plain(capabilities).run(TransferRequest(**({"references": ONE} | values)))


def test_seeds_count_up_and_progress_is_told():
    told: list[TransferProgress] = []
    with Plain(Capabilities(1, True, True, True)) as backend:
        results = backend.run(TransferRequest(ONE, seed=7, count=3), told.append)
    assert [result.seed for result in results] == [7, 8, 9]
    assert [(step.done, step.total) for step in told] == [(0, 3), (1, 3), (2, 3)]


def test_cancelling_stops_before_the_next_step():
    cancel, told = threading.Event(), []

    def first_step(step: TransferProgress) -> None:
        told.append(step)
        cancel.set()

    with pytest.raises(TransferCancelled, match="1 of 3"):
        Plain(Capabilities(1, True, True, True)).run(TransferRequest(ONE, count=3), first_step, cancel)
    assert len(told) == 1


def test_a_backend_that_loses_pictures_is_found_out():
    with pytest.raises(TransferError, match="made 1 pictures; 2"):
        Plain(Capabilities(1, True, True, True), lost=1).run(TransferRequest(ONE, count=2))


@pytest.mark.parametrize("name", ["", "previews", "nothing:x", "@folder"])
def test_an_unknown_backend_is_refused_with_those_that_there_are(name):
    with pytest.raises(UsageError, match=r"begins with one of: preview"):
        load_backend(name)


def test_every_backend_is_described_and_the_default_is_always_usable():
    found = {info.name: info for info in backends()}
    assert next(iter(found)) == "preview"
    assert found["preview"].usable
    for info in found.values():
        assert info.what.endswith(".")
        assert info.licence.text


def test_describing_backends_loads_no_model_library():
    code = "import sys, stylesearch.transfer as t; t.backends(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "diffusers"} & set(loaded)
