"""What the address bar holds, and what the filters mean."""

from __future__ import annotations

import pytest

from stylesearch.catalog.globs import compile_globs
from stylesearch.errors import ImageError
from ui.chosen import MOST_REFERENCES, Chosen, box_of, read_chosen
from ui.filters import folder_globs
from ui.state import Search
from ui.wording import count, reason, refused_upload, verbatim


@pytest.mark.parametrize(
    "search",
    [
        Search(),
        Search(like=(Chosen(12, 2.0), Chosen(17)), less=(Chosen(9, 0.5),), formats=("PNG",)),
        Search(like=(Chosen("u0123456789ab"), Chosen(3)), folder="Posters & prints/2024", count=250),
        Search(like=(Chosen(3, 0.5, (0.25, 0, 1, 0.333)),), text="ink wash, muted", sure=0.75),
        Search(text="50 % grey & *flat*"),
    ],
)
def test_a_search_survives_the_address_bar(search):
    assert Search.from_address(search.to_address()) == search


def test_an_address_reads_as_a_person_would_write_it():
    search = Search((Chosen(12, 2.0), Chosen(17)), (Chosen(9),), text="ink wash", sure=0.5, formats=("PNG",))
    assert search.to_address() == {"like": "12*2,17", "less": "9", "text": "ink wash", "sure": "0.5", "format": "png"}
    part = Search((Chosen(12, 0.5, (0.1, 0, 0.75, 0.5)),))
    assert part.to_address() == {"like": "12@100-0-750-500*0.5"}


@pytest.mark.parametrize(
    "address",
    [
        {"like": "abc,-1,1.5,,u12,uGGGGGGGGGGGG,99999999999999999999999"},
        {"less": "../../etc/passwd"},
        {"format": "\0,<b>", "n": "7", "folder": "\0\n"},
        {"n": "²", "unknown": "1"},
        {"text": "\0 \n", "sure": "0.3"},
        {"sure": "nan", "like": "12*", "less": "1@2-3"},
    ],
)
def test_what_makes_no_sense_in_an_address_is_left_out(address):
    assert Search.from_address(address) == Search()


def test_an_address_cannot_ask_for_endless_references():
    many = ",".join(map(str, range(1, 1000)))
    assert len(Search.from_address({"like": many}).like) == MOST_REFERENCES


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("12*0,13*-1,14*1e9,15*.", (Chosen(12), Chosen(15))),  # no such weights
        ("12*99999", (Chosen(12),)),
        ("12@0-0-1000-1000", (Chosen(12),)),  # all of it
        ("12@500-0-400-900,13@0-0-2000-9999", (Chosen(12), Chosen(13))),  # no boxes
        ("12*2,12*0.5,12", (Chosen(12, 2.0),)),
    ],
)
def test_weights_and_parts_that_make_no_sense_are_left_out(written, meant):
    assert read_chosen(written) == meant


def test_a_box_fits_the_picture_and_the_address():
    assert box_of(-0.2, 0.1234567, 0.5, 2) == (0, 0.123, 0.5, 1)
    assert box_of(0, 0, 1, 1) is None
    assert box_of(0.5, 0.5, 0.50001, 0.9) is None
    assert box_of(float("nan"), 0, 1, 1) is None


def test_a_picture_is_on_one_side_only_and_keeps_its_weight():
    search = Search((Chosen(1, 2.0), Chosen(2))).with_reference(1, less=True)
    assert (search.like, search.less) == ((Chosen(2),), (Chosen(1, 2.0),))
    assert Search.from_address({"like": "1,1", "less": "1,2"}) == Search((Chosen(1),), (Chosen(2),))
    assert search.with_reference(1) == Search((Chosen(2), Chosen(1, 2.0)))
    assert search.without_reference(1) == Search((Chosen(2),))
    assert search.with_changed(Chosen(1, 0.5)).less == (Chosen(1, 0.5),)
    assert len(Search().with_references(range(1, 100)).like) == MOST_REFERENCES


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
