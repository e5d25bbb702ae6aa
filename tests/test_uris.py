"""Names of files become text that any database stores, and come back byte for byte."""

from __future__ import annotations

import random

import pytest

from stylesearch.uris import divide_uri, path_of_uri, printable, uri_inside, uri_of_path

_ODD = [piece.encode() for piece in ("\U0010ff23", "\U0010ff80", "\U0010ffff", "#", "é", "\U0001f5bc", "a", "%41", "=")]


def _names(seed: int, count: int) -> list[str]:
    """Names of up to six pieces: odd characters, and any bytes."""
    rng = random.Random(seed)
    raws = (
        b"".join(rng.choice([rng.choice(_ODD), rng.randbytes(1)]) for _ in range(rng.randint(0, 6)))
        for _ in range(count)
    )
    return [raw.decode("utf-8", "surrogateescape") for raw in raws]


def test_any_name_comes_back_and_no_two_share_a_uri() -> None:
    names = _names(1, 20_000)
    uris = [uri_of_path(name) for name in names]
    assert [path_of_uri(uri) for uri in uris] == names
    assert len(set(uris)) == len(set(names))
    assert not any("#" in uri for uri in uris)
    "".join(uris).encode()  # is text


def test_what_lies_inside_a_file_keeps_its_name() -> None:
    for file, member in zip(_names(2, 5_000), _names(3, 5_000), strict=True):
        divided, (inside,) = divide_uri(uri_inside(uri_of_path(file), "member", member))
        assert (path_of_uri(divided), inside.key, inside.value) == (file, "member", member)


@pytest.mark.parametrize(
    ("raw", "shown"), [(b"/a\xe9#.png", "/a\\xe9#.png"), (b"/a\x1b[2J\n", "/a\\x1b[2J\\x0a"), ("/ü".encode(), "/ü")]
)
def test_people_read_paths_and_uris_alike(raw: bytes, shown: str) -> None:
    path = raw.decode("utf-8", "surrogateescape")
    assert printable(path) == printable(uri_of_path(path)) == shown
