"""Words for styles: what pictures have in common that are called so, and which words nobody has taught.

A style in words is the sum of what its words mean. A term means the mean of the pictures that are called by it, less
what all pictures have in common. A word that no picture is called by means what words near it mean, as a language
model sees it at training time; a word with none near is unknown, and said to be.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

_WORD = re.compile(r"\w+")
_JOINER = "\n"
NEAREST = 3
"""Terms that a word without pictures of its own is read as."""


def words_of(text: str) -> list[str]:
    """Its words in lower case; "3-D" are two."""
    return _WORD.findall(text.lower())


def terms_of(words: Sequence[str]) -> list[str]:
    """The words, and each two that follow one another: "oil painting" is more than oil and painting."""
    return [*words, *(f"{one} {other}" for one, other in pairwise(words))]


class StyleWords(nn.Module):
    """Terms and their places among the pictures.

    Args:
        terms: V words, and pairs of words with a space between.
        vectors: float (V, D), what they mean; long where many pictures agree.
        synonyms: words that are no terms.
        near: int (K, NEAREST), row of the terms that each is read as.
        nearness: float (K, NEAREST), how much each of these counts; 0: not at all.
    """

    vectors: Tensor
    near: Tensor
    nearness: Tensor

    def __init__(
        self, terms: Sequence[str], vectors: Tensor, synonyms: Sequence[str], near: Tensor, nearness: Tensor
    ) -> None:
        super().__init__()
        self.register_buffer("terms", _packed(terms))
        self.register_buffer("vectors", vectors)
        self.register_buffer("synonyms", _packed(synonyms))
        self.register_buffer("near", near)
        self.register_buffer("nearness", nearness)
        self.dim = vectors.shape[1]
        self._terms = {term: row for row, term in enumerate(terms)}
        self._synonyms = {word: row for row, word in enumerate(synonyms)}

    @classmethod
    def read(cls, state: dict[str, Tensor]) -> StyleWords:
        """From `state_dict`.

        Raises:
            KeyError, ValueError: tensors that are missing, or do not belong together.
        """
        terms, synonyms = (_unpacked(state[name]) for name in ("terms", "synonyms"))
        vectors, near, nearness = (state[name] for name in ("vectors", "near", "nearness"))
        if len(terms) != len(vectors) or not len(synonyms) == len(near) == len(nearness):
            raise ValueError(
                f"{len(terms)} terms have {len(vectors)} vectors, {len(synonyms)} synonyms {len(near)} and "
                f"{len(nearness)} rows of what is near"
            )
        return cls(terms, vectors.float(), synonyms, near.int(), nearness.float())

    def unknown(self, text: str) -> list[str]:
        """The words of a text that mean nothing here; the whole text, where it has no words at all."""
        words = words_of(text)
        if not words and text.strip():
            return [text.strip()]
        paired = {word for term in terms_of(words) if " " in term and term in self._terms for word in term.split()}
        return [word for word in words if not {word} & (self._terms.keys() | self._synonyms.keys() | paired)]

    def forward(self, texts: Sequence[str]) -> Tensor:
        """N texts to unit rows, float32 (N, D); a row of zeros where no word is known."""
        return torch.stack([normalize(self._meaning(text), dim=0) for text in texts])

    def _meaning(self, text: str) -> Tensor:
        meant = self.vectors.new_zeros(self.dim)
        for term in terms_of(words_of(text)):
            if (row := self._terms.get(term)) is not None:
                meant = meant + self.vectors[row]
            elif (row := self._synonyms.get(term)) is not None:
                meant = meant + self.nearness[row] @ self.vectors[self.near[row]]
        return meant


def _packed(words: Sequence[str]) -> Tensor:
    return torch.tensor(list(_JOINER.join(words).encode()), dtype=torch.uint8)


def _unpacked(packed: Tensor) -> list[str]:
    text = bytes(packed.tolist()).decode()
    return text.split(_JOINER) if text else []
