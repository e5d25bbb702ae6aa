"""What the address bar holds, and what the filters mean."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from stylesearch.catalog.globs import compile_globs
from stylesearch.errors import ImageError
from ui.chosen import MOST_REFERENCES, Chosen, box_of, read_chosen
from ui.filters import folder_globs
from ui.painted import LONGEST, SIDE, box_around, read_painting, take_painting, write_painting
from ui.state import Search
from ui.wording import count, reason, refused_upload, verbatim

CELLS = np.add.outer((np.arange(SIDE) - 20) ** 2, (np.arange(SIDE) - 40) ** 2) < 100
PAINTED = write_painting(CELLS)


@pytest.mark.parametrize(
    "search",
    [
        Search(),
        Search(like=(Chosen(12, 2.0), Chosen(17)), less=(Chosen(9, 0.5),), formats=("PNG",)),
        Search(like=(Chosen("u0123456789ab"), Chosen(3)), folder="Posters & prints/2024", count=250),
        Search(like=(Chosen(3, 0.5, (0.25, 0, 1, 0.333)),), text="ink wash, muted", sure=0.75, spread="folder"),
        Search(like=(Chosen(3, 2.0, painted=PAINTED), Chosen("u0123456789ab", painted=PAINTED)), region="background"),
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
        {"sure": "nan", "each": "artist", "like": "12*", "less": "1@2-3"},
        {"region": "foreground", "like": "1@p", "less": f"1@p{'A' * 2000}"},
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
        (f"12@pAAAA,13@p-,14@p{PAINTED}x", (Chosen(12), Chosen(13), Chosen(14))),  # no paintings
    ],
)
def test_weights_and_parts_that_make_no_sense_are_left_out(written, meant):
    assert read_chosen(written) == meant


def test_a_box_fits_the_picture_and_the_address():
    assert box_of(-0.2, 0.1234567, 0.5, 2) == (0, 0.123, 0.5, 1)
    assert box_of(0, 0, 1, 1) is None
    assert box_of(0.5, 0.5, 0.50001, 0.9) is None
    assert box_of(float("nan"), 0, 1, 1) is None


def test_a_painting_fits_the_address():
    rng = np.random.default_rng(0)
    for cells in (CELLS, ~CELLS, rng.random((SIDE, SIDE)) > 0.5, rng.random((SIDE, SIDE)) > 0.999):
        written = write_painting(cells)
        assert written is not None and len(written) <= LONGEST
        np.testing.assert_array_equal(read_painting(written), cells)
    assert len(write_painting(CELLS) or "") < 100
    assert write_painting(np.ones((SIDE, SIDE), bool)) is None
    assert write_painting(np.zeros((SIDE, SIDE), bool)) is None
    assert box_around(CELLS) == (31 / SIDE, 11 / SIDE, 50 / SIDE, 30 / SIDE)


def sent(picture: Image.Image, format: str = "PNG") -> str:
    buffer = io.BytesIO()
    picture.save(buffer, format)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def test_a_painting_comes_as_a_small_png_and_as_nothing_else():
    large = Image.fromarray(CELLS.astype(np.uint8) * 255).resize((640, 640), Image.Resampling.NEAREST)
    np.testing.assert_array_equal(take_painting(sent(large)), CELLS)
    refused = [
        sent(large, "BMP"),
        sent(Image.new("L", (2000, 1000))),  # too many pixels
        sent(large)[:-40],
        "data:image/png;base64," + "A" * 600_000,
        "data:image/png;base64,\0",
        "",
    ]
    assert [take_painting(data_url) for data_url in refused] == [None] * len(refused)


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
