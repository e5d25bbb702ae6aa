"""What a run of the transfer benchmark makes and measures, checked before anything is opened."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stylesearch.errors import UsageError

# Things, places and beings, none of them of a style: StyleBench (StyleShot, arXiv 2407.01414, section 4) pairs each of
# its references with 20 short prompts, too.
PROMPTS = (
    "a lighthouse on a cliff",
    "a bicycle leaning on a wall",
    "a bowl of fruit",
    "a city street in the rain",
    "a sailing ship",
    "a portrait of a woman",
    "a cat asleep on a chair",
    "a mountain lake",
    "a market with stalls",
    "a violin",
    "a steam train",
    "a garden with a gate",
    "a rooster",
    "a cup of coffee",
    "a dancer on a stage",
    "a castle on a hill",
    "a desk with books",
    "a horse running",
    "a tree in a field",
    "an airship over a harbour",
)


@dataclass(frozen=True)
class Config:
    """What to make and to measure.

    Attributes:
        set: spec for `open_set`; its pictures are the references, one of each style.
        backends: names for `load_backend`.
        encoders: names for `load_encoder`; each measures style.
        out: folder for what is made.
        content_encoder: measures what is shown: leaked content, prompt and diversity; None: the first of `encoders`.
        contents: spec of a set whose pictures are to be shown, to backends that take some; None: prompts are.
        prompts: what is to be shown otherwise.
        styles: how many references.
        subjects: how many prompts, or content pictures, for each.
        count: how many pictures of each pair, with different seeds.
        size: width and height, pixels.
        strength, steps: as in `TransferRequest`.
        seed: of the choice of references, of the pictures and of the bootstrap.
        resamples: of the bootstrap.
        workers: processes that draw, threads that decode.
        cache: folder for sets that are drawn; None: one in the user's cache folder.
        command: how this run was asked for, for the report.
    """

    set: str
    backends: tuple[str, ...]
    encoders: tuple[str, ...]
    out: Path
    content_encoder: str | None = None
    contents: str | None = None
    prompts: tuple[str, ...] = PROMPTS
    styles: int = 20
    subjects: int = 5
    count: int = 1
    size: int = 512
    strength: float = 1.0
    steps: int | None = None
    seed: int = 0
    resamples: int = 2000
    workers: int = 1
    cache: Path | None = None
    command: str = ""

    def __post_init__(self) -> None:
        if not self.backends:
            raise UsageError("No backend is named. Name one with: --backend preview")
        if not self.encoders:
            raise UsageError("No encoder is named. Name one with: --encoder compact:v3")
        for what, names in (("backend", self.backends), ("encoder", self.encoders)):
            if len(set(names)) < len(names):
                raise UsageError(f"A {what} is named twice: {', '.join(names)}.")
        if self.styles < 2:
            raise UsageError(f"There are {self.styles} styles; it takes 2 to tell one from another.")
        if self.subjects < 1 or self.count < 1:
            raise UsageError(
                f"There are {self.subjects} subjects and {self.count} pictures of each; at least 1 of both."
            )
        if not any(prompt.strip() for prompt in self.prompts):
            raise UsageError("There is no prompt. Give a file with a prompt on each line.")
