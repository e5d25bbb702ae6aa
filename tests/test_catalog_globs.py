"""Path filters: the translation into one regular expression against matching segment by segment."""

from __future__ import annotations

import fnmatch
import itertools
from functools import lru_cache

import pytest

from stylesearch.catalog.globs import compile_globs, folder_of_glob


def slow_match(pattern: str, path: str) -> bool:
    """The obvious matcher: walks the segments of both, and tries every depth for `**`."""

    @lru_cache
    def walk(wanted: tuple[str, ...], given: tuple[str, ...]) -> bool:
        if not wanted:
            return not given
        if wanted[0] == "**":
            if len(wanted) == 1:
                return bool(given)
            return any(walk(wanted[1:], given[skipped:]) for skipped in range(len(given) + 1))
        return bool(given) and fnmatch.fnmatchcase(given[0], wanted[0]) and walk(wanted[1:], given[1:])

    segments = tuple(path.split("/"))
    if not set(pattern) & set("*?["):  # a name alone is that folder, too
        wanted = tuple(pattern.split("/"))
        starts = [0] if pattern.startswith("/") else range(len(segments))
        return any(segments[start : start + len(wanted)] == wanted for start in starts)
    if pattern.startswith("/"):
        return walk(tuple(pattern.split("/")), segments)
    return any(walk(tuple(pattern.split("/")), segments[start:]) for start in range(len(segments)))


SEGMENTS = ["a", "b", "*", "**", "?", "[ab]", "a*", "[!a]", "*.png", "x[1-3].png"]
NAMES = ["a", "b", "ab", "x1.png", "x9.png", ".png", "A"]


def test_agrees_with_matching_segment_by_segment() -> None:
    patterns = [
        lead + "/".join(parts)
        for size in (1, 2, 3)
        for parts in itertools.product(SEGMENTS, repeat=size)
        for lead in ("", "/")
    ]
    paths = ["/" + "/".join(parts) for size in (1, 2, 3) for parts in itertools.product(NAMES, repeat=size)]
    for number, pattern in enumerate(patterns):
        matches = compile_globs([pattern]).fullmatch
        folder = folder_of_glob(pattern)
        for path in paths[number % 23 :: 23]:
            assert bool(matches(path)) == slow_match(pattern, path), (pattern, path)
            if folder is not None and matches(path):
                assert path.startswith(folder + "/")


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("*.png", ["/a/b/1.png", "1.png"], ["/a/1.PNG", "/a/1.png/x", "/a/1.pngx"]),
        ("ink/*.png", ["/a/ink/1.png"], ["/a/ink/b/1.png", "/a/pink/1.png"]),
        ("ink/**", ["/a/ink/1.png", "/ink/b/c"], ["/a/ink", "/a/inks/1"]),
        ("/a/**/x", ["/a/x", "/a/b/c/x"], ["/b/a/x", "/a/bx"]),
        ("/a/b", ["/a/b", "/a/b/c/d"], ["/x/a/b", "/a/bc"]),
        ("posters", ["/a/posters/1.png", "/posters/b/1.png", "/posters"], ["/a/posters2/1.png", "/a/oposters/1.png"]),
        ("./posters/old", ["/a/posters/old/1.png"], ["/a/posters/1.png"]),
        ("post*/", ["/a/posters/1.png", "/post/b/c"], ["/a/posters"]),
        ("/", ["/a", "/a/b"], []),
        ("**/a/**/b/**/c", ["/a/b/c", "/x/a/x/b/x/c"], ["/a/c/b", "/b/a/c"]),
        ("cafe\u0301", ["/caf\u00e9/1.png"], ["/cafe/1.png"]),
        ("*a?a*ab", ["/axaxxab", "/xxaaaaab"], ["/aab", "/axaxxabx"]),
        ("s3://bucket/**", ["s3://bucket/a/b"], ["s3://buckets/a"]),
        ("[[]1]*", ["/a/[1]x"], ["/a/1x"]),
        ("[^a]", ["/b"], ["/a", "/"]),
        ("[]-]", ["/]", "/-"], ["/a"]),
        ("[z-a]", [], ["/z", "/a", "/-"]),
        ("[+-9]x", ["/+x", "/5x"], ["/a/x/"]),
        ("a[b", ["/a[b"], ["/ab"]),
        ("100%_(1).*", ["/100%_(1).png"], ["/100%x(1).png", "/100%_1.png"]),
        ("new\nline*", ["/a/new\nline\n.png"], ["/a/new line"]),
        ("a**b", ["/ab", "/axxb"], ["/a/b"]),
    ],
)
def test_examples(pattern: str, matching: list[str], other: list[str]) -> None:
    matches = compile_globs([pattern]).fullmatch
    assert [path for path in matching + other if matches(path)] == matching


def test_any_of_several_patterns_will_do() -> None:
    matches = compile_globs(["*.png", "/a/**"]).fullmatch
    assert [bool(matches(path)) for path in ("/b/1.png", "/a/1.jpg", "/b/1.jpg")] == [True, True, False]


def test_the_folder_of_a_pattern() -> None:
    assert folder_of_glob("*.png") is None
    assert folder_of_glob("/*.png") == ""
    assert folder_of_glob("/a/b*/c") == "/a"
    assert folder_of_glob("/a/b/c.png") == "/a/b"
    assert folder_of_glob("/a/caf\u00e9/b") == "/a", "the files may spell it in the other way"


@pytest.mark.parametrize("pattern", ["*a" * 30 + "b", "**/a/" * 30 + "b", "*?a" * 30 + "/*"])
def test_many_stars_take_no_longer(pattern: str) -> None:
    """Backtracking through all ways to place thirty stars would not end in a lifetime."""
    assert not compile_globs([pattern]).fullmatch("/" + "a" * 200)
    assert not compile_globs([pattern]).fullmatch("/a" * 100)
