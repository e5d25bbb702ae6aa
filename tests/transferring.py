"""A backend whose pictures can be foretold, and that fails on request."""

from __future__ import annotations

import os
import signal
import threading

from PIL import Image, ImageChops

from stylesearch.errors import TransferError
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

MODEL = ModelUsed("fake-1", "ab" * 32, "research only")


class FakeBackend(TransferBackend):
    """Makes the first reference again, moved by as many pixels as its seed says; of a content image, its outlines.

    Prompts that it obeys: "fail", "wait" until it is cancelled, "die" at once with its process.
    """

    name = "fake"
    capabilities = Capabilities(references=8, content=True, text=True, weights=True)
    licence = LicenceNote("For tests alone.", commercial=False)

    def __init__(self, models: tuple[ModelUsed, ...] = (MODEL,)) -> None:
        self.models = models
        self.requests: list[TransferRequest] = []

    def _run(self, request: TransferRequest, report: Report, cancel: threading.Event) -> list[TransferResult]:
        self.requests.append(request)
        results = []
        for number in range(request.count):
            report(TransferProgress(number, request.count, "moving pixels"))
            self._obey(request.prompt, report, cancel)
            picture = request.references[0].picture.resize((request.width, request.height))
            if request.content is not None:
                shown = request.content.convert("L").resize(picture.size)
                picture = Image.composite(picture, ImageChops.invert(picture), shown)
            seed = request.seed + number
            results.append(TransferResult(ImageChops.offset(picture, seed % 97, 0), seed, 0.01, self.models))
        return results

    def _obey(self, prompt: str, report: Report, cancel: threading.Event) -> None:
        if prompt == "fail":
            raise TransferError("The fake backend ran out of paint. Buy more.")
        if prompt == "wait":
            assert cancel.wait(30)
            report(TransferProgress(0, 1, "waiting"))
        if prompt == "die":
            os.kill(os.getpid(), signal.SIGKILL)
