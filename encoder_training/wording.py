"""Fills `StyleWords`: terms from the prompts of training pictures, synonyms by a sentence encoder."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from encoder_training.data import OPENING
from stylesearch.encoders.style_words import NEAREST, StyleWords, terms_of, words_of

_EMPTY = frozenset(
    ["a", "an", "and", "art", "artist", "by", "for", "from", "in", "of", "on", "the", "to", "visual", "with"]
)
_PRIOR = 3.0  # pictures' worth of "nothing in particular" that every term begins with
_NEAR = 0.5  # cosine of two words' vectors from which one may stand for the other


@dataclass(frozen=True)
class Worded:
    """A set's styles in words, and their pictures' embeddings.

    Attributes:
        styles, prompts: N of each.
        embeddings: float32 (N, D), unit rows.
        weight: how much a style of it counts.
    """

    styles: Sequence[str]
    prompts: Sequence[str]
    embeddings: np.ndarray
    weight: float


def learn_words(sets: Sequence[Worded], meaning: Callable[[Sequence[str]], np.ndarray] | None) -> StyleWords:
    """What the words of prompts mean.

    Args:
        sets: a term's meaning is taken within each, so that what a set's pictures have in common is no meaning.
        meaning: gives unit rows (N, E) for words of `common_words`, in which words that mean alike are near; None: no
            synonyms.
    """
    sums: dict[str, np.ndarray] = {}
    counts: dict[str, float] = defaultdict(float)
    for worded in sets:
        styles, rows = np.unique(np.array(worded.styles), return_inverse=True)
        means = np.zeros((len(styles), worded.embeddings.shape[1]))
        np.add.at(means, rows, worded.embeddings)
        means /= np.bincount(rows)[:, None]
        means -= means.mean(0)
        prompts = dict(zip(rows.tolist(), worded.prompts, strict=True))
        for style, own in enumerate(means):
            for term in terms_of_prompt(prompts[style]):
                sums[term] = sums.get(term, 0) + worded.weight * own
                counts[term] += worded.weight
    terms = sorted(sums)
    vectors = torch.from_numpy(np.stack([sums[term] / (counts[term] + _PRIOR) for term in terms])).float()
    synonyms, near, nearness = (
        _synonyms(terms, meaning) if meaning else ([], np.empty((0, NEAREST)), np.empty((0, NEAREST)))
    )
    return StyleWords(terms, vectors, synonyms, torch.from_numpy(near).int(), torch.from_numpy(nearness).float())


def terms_of_prompt(prompt: str) -> set[str]:
    """Of each phrase between commas, its words and pairs of words; those that say nothing of a style only in pairs."""
    found: set[str] = set()
    for phrase in prompt.lower().removeprefix(OPENING).split(","):
        found |= {term for term in terms_of(words_of(phrase)) if term not in _EMPTY}
    return found


def _synonyms(
    terms: Sequence[str], meaning: Callable[[Sequence[str]], np.ndarray]
) -> tuple[list[str], np.ndarray, np.ndarray]:
    from encoder_training.sentences import common_words

    words = [word for word in common_words() if word not in set(terms) | _EMPTY]
    cosines = meaning(words) @ meaning(terms).T
    near = np.argsort(-cosines, axis=1, kind="stable")[:, :NEAREST]
    weights = np.take_along_axis(cosines, near, 1)
    kept = weights[:, 0] >= _NEAR
    weights = np.where(weights >= np.maximum(_NEAR, weights[:, :1] - 0.1), weights, 0)
    return [word for word, keep in zip(words, kept, strict=True) if keep], near[kept], weights[kept]
