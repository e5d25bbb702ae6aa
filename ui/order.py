"""What pictures are to be made, as the address of the page holds it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

from stylesearch.lineage import Ingredient, Lineage
from stylesearch.transfer import DEFAULT_BACKEND
from stylesearch.transfer.base import MOST_SEED
from ui import state
from ui.chosen import MOST_REFERENCES, Chosen, Key, box_of, read_chosen

# Names in the address, beside that of the references, which is the one of a search.
LIKE = "like"
CONTENT = "content"
PROMPT = "prompt"
BACKEND = "with"
SIZE = "size"
NUMBER = "n"
STRENGTH = "strength"
SEED = "seed"
MADE = "made"

# Pixels that the page offers, and what they are called.
SIZES = {
    (512, 512): "Square",
    (768, 512): "Landscape",
    (512, 768): "Portrait",
    (256, 256): "Small, for a first look",
    (1024, 1024): "Large",
}
NUMBERS = (1, 2, 4)
MOST_MADE = 24  # pictures that are shown
_LONGEST_PROMPT = 1_000
_LONGEST_BACKEND = 300


@dataclass(frozen=True)
class Order:
    """What is to be made.

    Attributes:
        like: whose style; the references of a search.
        content: what is to be shown; None: no picture.
        prompt: what is to be shown, in words.
        backend: its name, as `stylesearch.transfer` has it.
        size: width and height, one of `SIZES`.
        number: how many pictures, one of `NUMBERS`.
        strength: how much of the style, 0 to 1.
        seed: None: drawn by lot.
        made: ids of what was made before, the latest first.
    """

    like: tuple[Chosen, ...] = ()
    content: Chosen | None = None
    prompt: str = ""
    backend: str = DEFAULT_BACKEND
    size: tuple[int, int] = next(iter(SIZES))
    number: int = NUMBERS[0]
    strength: float = 1.0
    seed: int | None = None
    made: tuple[int, ...] = ()

    @classmethod
    def from_address(cls, parameters: Mapping[str, str]) -> Order:
        """Reads the query part of an address; what makes no sense there is left out."""
        sizes = {f"{width}x{height}": (width, height) for width, height in SIZES}
        numbers = {str(number): number for number in NUMBERS}
        made = (one.key for one in read_chosen(parameters.get(MADE, "")) if isinstance(one.key, int))
        return cls(
            like=read_chosen(parameters.get(LIKE, "")),
            content=next(iter(read_chosen(parameters.get(CONTENT, ""))), None),
            prompt=clean(parameters.get(PROMPT, "")),
            backend=parameters.get(BACKEND, DEFAULT_BACKEND)[:_LONGEST_BACKEND],
            size=sizes.get(parameters.get(SIZE, ""), cls.size),
            number=numbers.get(parameters.get(NUMBER, ""), cls.number),
            strength=share(parameters.get(STRENGTH, "")),
            seed=read_seed(parameters.get(SEED, "")),
            made=tuple(made)[:MOST_MADE],
        )

    def to_address(self) -> dict[str, str]:
        """The query part of an address; `from_address` reads it."""
        parts = {
            LIKE: ",".join(map(str, self.like)),
            CONTENT: "" if self.content is None else str(self.content),
            PROMPT: self.prompt,
            BACKEND: "" if self.backend == DEFAULT_BACKEND else self.backend,
            SIZE: "" if self.size == Order.size else "x".join(map(str, self.size)),
            NUMBER: "" if self.number == Order.number else str(self.number),
            STRENGTH: "" if self.strength == 1 else f"{self.strength:g}",
            SEED: "" if self.seed is None else str(self.seed),
            MADE: ",".join(map(str, self.made)),
        }
        return {name: value for name, value in parts.items() if value}

    def with_reference(self, key: Key) -> Order:
        """This order with one reference more; one that is there stays as it is."""
        known = any(one.key == key for one in self.like)
        return self if known else replace(self, like=(*self.like, Chosen(key)))

    def with_made(self, ids: tuple[int, ...]) -> Order:
        """This order with what was made just now."""
        return replace(self, made=(*ids, *(one for one in self.made if one not in ids))[:MOST_MADE])

    def varied(self, lineage: Lineage) -> Order:
        """The order that a picture was made by, to be made again by another seed. What the library does not have any
        more is left out; without any reference left, those of this order stand in."""
        like = tuple(filter(None, map(_chosen, lineage.references)))
        size = (lineage.width, lineage.height)
        return replace(
            self,
            like=like or self.like,
            content=None if lineage.content is None else _chosen(lineage.content) or self.content,
            prompt=lineage.prompt,
            backend=lineage.backend,
            size=size if size in SIZES else self.size,
            strength=lineage.strength,
            seed=None,
        )


def open_transfer(chosen: Sequence[Chosen]) -> NoReturn:
    """Leaves for the page that makes new pictures, with references. Only while a page is drawn, not in a callback."""
    if len(chosen) > MOST_REFERENCES:
        state.notify(f"It takes {MOST_REFERENCES} references: the first of these were taken.")
    state.open_page("transfer", Order(like=tuple(chosen[:MOST_REFERENCES])).to_address())


def clean(prompt: str) -> str:
    """A prompt as it is kept."""
    return "".join(letter if letter.isprintable() else " " for letter in prompt).strip()[:_LONGEST_PROMPT].strip()


def share(text: object) -> float:
    """A number from 0 to 1; 1 where the text is none."""
    try:
        number = float(str(text))
    except ValueError:
        return 1.0
    return round(number, 2) if math.isfinite(number) and 0 <= number <= 1 else 1.0


def read_seed(text: object) -> int | None:
    """A seed; None where the text is none."""
    digits = str(text).strip()
    fits = digits.isascii() and digits.isdecimal() and len(digits) < 20 and int(digits) <= MOST_SEED
    return int(digits) if fits else None


def _chosen(ingredient: Ingredient) -> Chosen | None:
    if ingredient.asset_id is None:
        return None
    box = None if ingredient.box is None else box_of(*ingredient.box)
    return Chosen(ingredient.asset_id, ingredient.weight, box)
