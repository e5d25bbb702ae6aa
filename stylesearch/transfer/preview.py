"""`preview`: the backend that is always there: classical stylisation on the CPU, without weights."""

from __future__ import annotations

import re
import threading
import time
from typing import TYPE_CHECKING

from stylesearch.errors import TransferError, UsageError
from stylesearch.transfer import BackendInfo
from stylesearch.transfer.base import (
    Capabilities,
    LicenceNote,
    ModelUsed,
    Report,
    TransferBackend,
    TransferProgress,
    TransferRequest,
    TransferResult,
)

if TYPE_CHECKING:
    from PIL.Image import Image

VERSION = "preview:v1"
"""Raised with any change that moves pixels; part of the lineage of each picture."""

_WHAT = (
    "Gives a picture, or a drawing of its own, the colours, grain and strokes of the references. It copies them and "
    "understands nothing: a sketch of what a model would make."
)
_CAPABILITIES = Capabilities(references=16, content=True, text=True, weights=True, text_beside_content=False)
_LICENCE = LicenceNote("Apache-2.0, no weights. What it makes is put together from pieces of the references.", None)
_CANDIDATES = 200  # drawings that a prompt chooses from
_SEEDS_APART = 1_000_003  # between the drawings of one seed and those of the next


class PreviewBackend(TransferBackend):
    """Stylises without weights; see `stylesearch.transfer.preview_stylise`."""

    name = "preview"
    capabilities = _CAPABILITIES
    licence = _LICENCE

    def _run(self, request: TransferRequest, report: Report, cancel: threading.Event) -> list[TransferResult]:
        import torch

        with torch.inference_mode():
            try:
                return [self._one(request, number, report) for number in range(request.count)]
            except MemoryError as exc:
                size = f"{request.width} x {request.height}"
                raise TransferError(
                    f"There is too little memory for {size} pixels. Ask for a smaller picture."
                ) from exc

    def _one(self, request: TransferRequest, number: int, report: Report) -> TransferResult:
        from PIL import Image, ImageOps

        from stylesearch.transfer.preview_stylise import rounds_of, stylise

        began, seed = time.perf_counter(), request.seed + number
        content = request.content
        if content is None:
            content = draw(request.prompt, seed, max(request.width, request.height))
        content = ImageOps.fit(content, (request.width, request.height), Image.Resampling.LANCZOS)
        references = [reference.picture for reference in request.references]
        total = rounds_of(content, references, request.steps)
        done = number * total

        def step() -> None:
            nonlocal done
            what = f"picture {number + 1} of {request.count}" if request.count > 1 else "strokes"
            report(TransferProgress(done, total * request.count, what))
            done += 1

        weights = [reference.weight for reference in request.references]
        styled = stylise(content, references, weights, seed, request.steps, step)
        picture = Image.blend(content, styled, request.strength)
        return TransferResult(
            picture, seed, time.perf_counter() - began, (ModelUsed(VERSION, None, "Apache-2.0", trained=False),)
        )


def draw(prompt: str, seed: int, side: int) -> Image:
    """A drawn scene or icon in natural colours: of `_CANDIDATES` that follow from the seed, the first that shares most
    words with the prompt.

    Args:
        side: pixels; the drawing is a square.
    """
    from PIL.Image import fromarray

    from encoder_training.renderers.contents import draw_contents, sketch_content

    words = _words(prompt)
    first = seed * _SEEDS_APART
    seeds = range(first, first + (_CANDIDATES if words else 1))
    best = max(seeds, key=lambda number: len(words & _words(sketch_content(number).caption)))
    pixels = draw_contents([best], side).pixels[0]
    return fromarray((pixels.permute(1, 2, 0) * 255).round().byte().numpy())


def _words(text: str) -> set[str]:
    """Words of three letters and more, without the s of a plural."""
    return {word.removesuffix("s") for word in re.findall(r"[a-z]{3,}", text.lower())} - {"the", "and", "with"}


def load(argument: str) -> TransferBackend:
    """See `stylesearch.transfer.load_backend`."""
    if argument:
        raise UsageError(f"'preview' takes no more than its name; there is '{argument}' after it.")
    return PreviewBackend()


def describe() -> list[BackendInfo]:
    """See `stylesearch.transfer.backends`."""
    return [BackendInfo(PreviewBackend.name, _WHAT, _CAPABILITIES, _LICENCE)]
