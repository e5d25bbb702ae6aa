"""Everyday words for the styles of the training sets, whose own names are those of artists, presets and icon sets."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from encoder_training.data import LabelledPictures

FILE = Path(__file__).parent / "captions.txt"


def read_captions(file: Path = FILE) -> dict[str, list[str]]:
    """Phrases for patterns of style names, as `fnmatch` takes them; lines are "phrases, phrases: pattern pattern".

    Raises:
        ValueError: a line without a colon.
    """
    found: dict[str, list[str]] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        phrases, colon, patterns = line.partition(":")
        if not colon:
            raise ValueError(f"'{file}' has a line without a colon: {line!r}")
        for pattern in patterns.split():
            found.setdefault(pattern, []).extend(phrase.strip() for phrase in phrases.split(","))
    return found


def captioned(pictures: LabelledPictures, captions: Mapping[str, Sequence[str]]) -> LabelledPictures:
    """The same pictures, their prompts with the phrases that fit their styles."""
    phrases = {
        style: [phrase for pattern, words in captions.items() if fnmatchcase(style, pattern) for phrase in words]
        for style in set(pictures.styles)
    }
    prompts = [
        ", ".join(dict.fromkeys([prompt, *phrases[style]]))
        for prompt, style in zip(pictures.prompts, pictures.styles, strict=True)
    ]
    return dataclasses.replace(pictures, prompts=prompts)
