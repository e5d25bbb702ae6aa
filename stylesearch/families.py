"""What families of styles are called: short, and nothing that the pictures do not bear out.

First a tag that most of a family has, or a folder that most of it lies in, if that tells the family from the others;
then its colours. The text tower of the encoder has no say: asked for kinds of pictures, the shipped one calls families
of photos watercolours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import count, islice
from pathlib import PurePath

import numpy as np

from stylesearch.colour_bins import bin_of, family_of
from stylesearch.records import Colour, Details

# A tag or folder names a family that has it for so large a part, and so many times more often than all have it.
_LEAST_TAGGED = 0.5
_LEAST_IN_FOLDER = 0.6
_LEAST_LIFT = 2.0
_LONGEST = 24  # letters

_MOSTLY = 0.6  # of the area
_ALSO = 0.12

# Means over the area, OKLab.
_DARK, _LIGHT = 0.38, 0.85
_VIVID = 0.11

# Folders whose name says what any folder of pictures could be called.
# fmt: off
_IDLE = frozenset([
    "archive", "assets", "backup", "data", "desktop", "documents", "downloads", "export", "exports", "files", "final",
    "folder", "home", "images", "img", "import", "inbox", "jpeg", "jpg", "library", "media", "misc", "new", "old",
    "originals", "other", "photos", "pics", "pictures", "png", "samples", "scans", "temp", "test", "tmp", "untitled",
    "upload", "uploads", "users",
])
# fmt: on


def names_of(groups: Sequence[Sequence[Details]]) -> list[str]:
    """A name for each group, no two alike.

    Args:
        groups: pictures drawn at random from each of them, at least one.
    """
    everything = [picture for group in groups for picture in group]
    tags, folders = _shares(everything, _tags), _shares(everything, _folders)
    names: list[str] = []
    for group in groups:
        subject = _telling(group, _tags, tags, _LEAST_TAGGED) or _telling(group, _folders, folders, _LEAST_IN_FOLDER)
        names.append(next(name for name in _candidates(subject, group) if name not in names))
    return names


def _candidates(subject: str | None, group: Sequence[Details]) -> Iterator[str]:
    """Names from the shortest to one that nobody else has."""
    colours = [
        Colour(*colour[:3], colour.share / len(group))
        for picture in group
        if picture.appearance is not None
        for colour in picture.appearance.palette
    ]
    phrases = _phrases(colours)
    if subject:
        yield subject
        yield from (f"{subject}, {phrase}" for phrase in phrases)
    else:
        yield from map(_capital, phrases)
    last = subject or _capital(phrases[0])
    yield from (f"{last} {number}" for number in count(2))


def _phrases(colours: Sequence[Colour]) -> list[str]:
    """What the colours are, in more and more words."""
    area: dict[str, float] = {}
    for colour in colours:
        name = family_of(int(bin_of(np.array(colour[:3]))))
        area[name] = area.get(name, 0.0) + colour.share
    if not area:
        return ["family"]
    ranked = sorted(area, key=lambda name: -area[name])
    named = [name for name in ranked if area[name] >= _ALSO * sum(area.values())] or ranked[:1]
    tone = "" if named[0] in ("black", "white") else _tone(colours)
    if area[ranked[0]] >= _MOSTLY * sum(area.values()):
        phrases = [f"mostly {named[0]}", *(_listed(named[:most]) for most in range(2, len(named) + 1))]
    else:
        phrases = [tone + _listed(named[:most]) for most in range(min(2, len(named)), len(named) + 1)]
    return [phrase if phrase != "white and black" else "black and white" for phrase in phrases]


def _tone(colours: Sequence[Colour]) -> str:
    shares = np.array([colour.share for colour in colours])
    lab = np.array([colour[:3] for colour in colours])
    lightness = float(np.average(lab[:, 0], weights=shares))
    chroma = float(np.average(np.hypot(lab[:, 1], lab[:, 2]), weights=shares))
    tones = (("dark ", lightness < _DARK), ("vivid ", chroma > _VIVID), ("light ", lightness > _LIGHT))
    return next((tone for tone, applies in tones if applies), "")


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _telling(
    group: Sequence[Details], words_of: Callable[[Details], set[str]], everywhere: dict[str, float], least: float
) -> str | None:
    """The word that most of the group has, and all together have rarely."""
    shares = _shares(group, words_of)
    telling = [(share, word) for word, share in shares.items() if share >= max(least, _LEAST_LIFT * everywhere[word])]
    return max(telling)[1] if telling else None


def _shares(pictures: Sequence[Details], words_of: Callable[[Details], set[str]]) -> dict[str, float]:
    counts = Counter(word for picture in pictures for word in words_of(picture))
    return {word: number / len(pictures) for word, number in counts.items()}


def _tags(picture: Details) -> set[str]:
    return {tag for tag in picture.tags if _says_something(tag)}


def _folders(picture: Details) -> set[str]:
    """Names of the two innermost folders of its files."""
    paths = (PurePath(path.partition("#")[0]) for path in picture.asset.paths)
    return {parent.name for path in paths for parent in islice(path.parents, 2) if _says_something(parent.name)}


def _says_something(word: str) -> bool:
    letters = sum(map(str.isalpha, word))
    return 3 <= len(word) <= _LONGEST and 2 * letters > len(word) and word.lower() not in _IDLE and word.isprintable()
