"""The one interface through which new pictures are made from the style of found ones."""

from __future__ import annotations

import math
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stylesearch.errors import TransferCancelled, TransferError, UsageError

if TYPE_CHECKING:
    from types import TracebackType

    from PIL.Image import Image

LEAST_SIDE, MOST_SIDE = 64, 4096  # pixels of a picture that is asked for
MOST_PICTURES = 64  # of one request
MOST_STEPS = 1000
MOST_SEED = 2**63 - 1 - MOST_PICTURES  # the last one of a request, too, is a BIGINT of SQL


@dataclass(frozen=True)
class StyleReference:
    """A picture whose style is wanted.

    Attributes:
        picture: mode RGB, upright, sRGB; cut to `crop` already.
        weight: how much it counts beside the other references, above 0; only the ratio matters.
        asset_id: the asset of the library that it is, or is a part of; None: it comes from elsewhere.
        crop: the part of that asset which it is, as left, top, right and bottom edge in shares of width and height;
            None: all of it.
        name: what to call it, such as the name of its file.

    Raises:
        UsageError: a weight that is none, or a picture of another mode.
    """

    picture: Image
    weight: float = 1.0
    asset_id: int | None = None
    crop: tuple[float, float, float, float] | None = None
    name: str = ""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.weight) and self.weight > 0):
            raise UsageError(f"The weight of a reference is '{self.weight}'; it must be a number above 0.")
        _check_mode(self.picture, "a reference")


@dataclass(frozen=True)
class TransferRequest:
    """What to make.

    Attributes:
        references: whose style is wanted.
        prompt: what to show, in words; "" where the content image or the backend decides.
        content: what to show, as a picture of mode RGB, upright, sRGB; it is cut to the shape of the result.
        width, height: of the result, in pixels, `LEAST_SIDE` to `MOST_SIDE`. Backends that work on coarser grids round
            to what they can do.
        seed: of the first picture, 0 to `MOST_SEED`; the next ones count up from it. The same request gives the same
            pictures on the same machine.
        count: how many pictures, 1 to `MOST_PICTURES`.
        strength: how much of the style is to come through, 0 to 1.
        steps: of the backend's sampler, 1 to `MOST_STEPS`; None: what the backend does best.

    Raises:
        UsageError: a value out of these ranges.
    """

    references: tuple[StyleReference, ...]
    prompt: str = ""
    content: Image | None = None
    width: int = 512
    height: int = 512
    seed: int = 0
    count: int = 1
    strength: float = 1.0
    steps: int | None = None

    def __post_init__(self) -> None:
        _check_whole("width", self.width, LEAST_SIDE, MOST_SIDE)
        _check_whole("height", self.height, LEAST_SIDE, MOST_SIDE)
        _check_whole("count", self.count, 1, MOST_PICTURES)
        _check_whole("seed", self.seed, 0, MOST_SEED)
        if self.steps is not None:
            _check_whole("steps", self.steps, 1, MOST_STEPS)
        if not 0 <= self.strength <= 1:
            raise UsageError(f"The strength is '{self.strength}'; it must be a number from 0 to 1.")
        if self.content is not None:
            _check_mode(self.content, "the content")


@dataclass(frozen=True)
class ModelUsed:
    """A model that took part.

    Attributes:
        name: what its publisher calls it, or the name of its file.
        sha256: hexadecimal digest of its weights; None where it is not known here, as on a server.
        licence: its terms; None where they are not known.
        trained: whether it has learnt from pictures; False for a method that computes and has learnt nothing. Pictures
            say of themselves whether a trained model made them.
    """

    name: str
    sha256: str | None
    licence: str | None
    trained: bool = True


@dataclass(frozen=True)
class TransferResult:
    """One picture that was made.

    Attributes:
        picture: mode RGB, sRGB.
        seed: the one that gives this picture again, as the only one of its request.
        seconds: that this picture took, without loading the models.
        models: what made it.
    """

    picture: Image
    seed: int
    seconds: float
    models: tuple[ModelUsed, ...]


@dataclass(frozen=True)
class Capabilities:
    """What a backend takes.

    Attributes:
        references: the most that it takes; 0: its style lies in its weights.
        content: whether it takes a content image.
        text: whether it takes a prompt.
        weights: whether it heeds the weights of references.
        needs_content, needs_text: whether it cannot work without.
        text_beside_content: whether it heeds a prompt where there is a content image, too.
    """

    references: int
    content: bool
    text: bool
    weights: bool
    needs_content: bool = False
    needs_text: bool = False
    text_beside_content: bool = True


@dataclass(frozen=True)
class LicenceNote:
    """The terms of what a backend runs on, shown before its first use.

    Attributes:
        text: a sentence.
        commercial: whether pictures made with it may be used commercially; None: it depends on what the user loads.
    """

    text: str
    commercial: bool | None


@dataclass(frozen=True)
class TransferProgress:
    """How far a request has come: `done` of `total` steps over all of its pictures, and what is going on."""

    done: int
    total: int
    what: str


Report = Callable[[TransferProgress], None]


class TransferBackend(ABC):
    """Makes pictures in the style of references.

    A subclass sets the attributes and implements `_run`; checks live here. Usable as a context manager.

    Attributes:
        name: the name that `load_backend` takes.
        capabilities: what it takes.
        licence: terms, to be shown before use.
    """

    name: str
    capabilities: Capabilities
    licence: LicenceNote

    @abstractmethod
    def _run(self, request: TransferRequest, report: Report, cancel: threading.Event) -> list[TransferResult]:
        """Makes the pictures of a request that has been checked.

        Args:
            report: to be called before each step; raises TransferCancelled where somebody has cancelled, which is to be
                let through.
            cancel: set by whoever cancels; for backends that wait for others between steps.
        """

    def run(
        self, request: TransferRequest, progress: Report | None = None, cancel: threading.Event | None = None
    ) -> list[TransferResult]:
        """Makes the pictures of a request, in the order of their seeds.

        Args:
            progress: called now and then, in the thread that calls `run`.
            cancel: set it in another thread to stop within a step.

        Raises:
            UsageError: the request asks for what this backend cannot do.
            TransferCancelled: `cancel` was set.
            TransferError: the backend failed.
        """
        self._check(request)
        stop = cancel or threading.Event()

        def report(step: TransferProgress) -> None:
            if stop.is_set():
                raise TransferCancelled(f"'{self.name}' was cancelled after {step.done} of {step.total} steps.")
            if progress is not None:
                progress(step)

        results = self._run(request, report, stop)
        if len(results) != request.count:
            raise TransferError(f"'{self.name}' made {len(results)} pictures; {request.count} were asked for.")
        return results

    def close(self) -> None:  # noqa: B027 - most backends hold nothing that must be given back
        """Gives back memory and connections; the backend cannot be used afterwards."""

    def __enter__(self) -> TransferBackend:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check(self, request: TransferRequest) -> None:
        can, given = self.capabilities, len(request.references)
        if given > can.references:
            takes = f"at most {can.references}" if can.references else "none: its style lies in its weights"
            raise UsageError(f"There are {given} references; '{self.name}' takes {takes}.")
        if can.references and not given:
            raise UsageError(f"'{self.name}' needs at least one reference whose style it is to take.")
        if not can.weights and len({reference.weight for reference in request.references}) > 1:
            raise UsageError(f"'{self.name}' does not weigh its references; give all of them the same weight.")
        if request.content is not None and not can.content:
            raise UsageError(f"'{self.name}' takes no content image; say in the prompt what to show.")
        if request.content is None and can.needs_content:
            raise UsageError(f"'{self.name}' needs a content image: the picture that is to get the style.")
        if request.prompt and not can.text:
            raise UsageError(f"'{self.name}' takes no prompt, and this one says '{request.prompt}'. Leave it out.")
        if request.prompt and request.content is not None and not can.text_beside_content:
            raise UsageError(
                f"'{self.name}' shows the content image as it is, so that it has no use for the prompt "
                f"'{request.prompt}'. Leave out one of the two."
            )
        if not request.prompt and can.needs_text:
            raise UsageError(f"'{self.name}' needs a prompt that says what to show.")


def _check_whole(name: str, value: int, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise UsageError(f"The {name} is '{value}'; it must be a whole number from {least} to {most}.")


def _check_mode(picture: Image, what: str) -> None:
    if picture.mode != "RGB":
        raise UsageError(
            f"The picture of {what} is of mode '{picture.mode}'; it must be 'RGB', as read_image gives it."
        )
