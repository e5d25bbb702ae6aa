"""What the address bar holds, and what the filters mean."""

from __future__ import annotations

import pytest

from stylesearch.catalog.globs import compile_globs
from stylesearch.errors import ImageError
from ui.filters import folder_globs
from ui.state import MOST_REFERENCES, Search
from ui.wording import count, reason, refused_upload, verbatim


@pytest.mark.parametrize(
    "search",
    [
        Search(),
        Search(like=(12, 17), less=(9,), formats=("PNG",)),
        Search(like=("u0123456789ab", 3), folder="Posters & prints/2024", count=250),
    ],
)
def test_a_search_survives_the_address_bar(search):
    assert Search.from_address(search.to_address()) == search


def test_an_address_reads_as_a_person_would_write_it():
    assert Search(like=(12, 17), less=(9,), formats=("PNG",)).to_address() == {
        "like": "12,17",
        "less": "9",
        "format": "png",
    }


@pytest.mark.parametrize(
    "address",
    [
        {"like": "abc,-1,1.5,,u12,uGGGGGGGGGGGG,99999999999999999999999"},
        {"less": "../../etc/passwd"},
        {"format": "\0,<b>", "n": "7", "folder": "\0\n"},
        {"n": "²", "unknown": "1"},
    ],
)
def test_what_makes_no_sense_in_an_address_is_left_out(address):
    assert Search.from_address(address) == Search()


def test_an_address_cannot_ask_for_endless_references():
    many = ",".join(map(str, range(1, 1000)))
    assert len(Search.from_address({"like": many}).like) == MOST_REFERENCES


def test_a_picture_is_on_one_side_only():
    search = Search(like=(1, 2)).with_reference(1, less=True)
    assert (search.like, search.less) == ((2,), (1,))
    assert Search.from_address({"like": "1,1", "less": "1,2"}) == Search(like=(1,), less=(2,))
    assert search.with_reference(1) == Search(like=(2, 1))
    assert search.without_reference(1) == Search(like=(2,))


@pytest.mark.parametrize(
    ("text", "path", "kept"),
    [
        ("posters", "/art/Posters 2024/a.png", True),
        ("POSTERS", "/art/posters/deep/er/a.png", True),
        ("art/post", "/Art/posters/a.png", True),
        ("posters", "/art/prints/posters.png", False),  # a file is no folder
        ("a*", "/art/abc/x.png", False),
        ("a*", "/art/a*c/x.png", True),
        ("[x]", "/art/[x]/x.png", True),
        ("straße", "/Straße/x.png", True),
    ],
)
def test_folder_contains(text, path, kept):
    assert bool(compile_globs(folder_globs(text)).fullmatch(path)) is kept


def test_no_folder_is_no_filter():
    assert folder_globs("") == []


def test_words():
    assert count(1, "picture") == "1 picture"
    assert count(1204, "picture") == "1,204 pictures"
    assert verbatim("a_b [x](y) <b>") == "a\\_b \\[x\\]\\(y\\) \\<b\\>"
    assert refused_upload("x.png", ImageError("empty", "")).startswith("“x.png” could not be used. The file is empty.")
    assert reason("timeout")
