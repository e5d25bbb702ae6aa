"""Sets of pictures: whatever is wrong with one is named, and no picture is scored that should not be."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import threading
import unicodedata
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pictures import draw, encode

from benchmarks.datasets import StyleSet, decoded, open_set
from benchmarks.datasets.__main__ import main
from encoder_training.data import is_validation
from stylesearch.errors import ImageError, UsageError
from stylesearch.images import read_image
from stylesearch.uris import printable


def png(seed: int) -> bytes:
    return encode(draw(seed, (24, 16)), "PNG")


def write(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three styles over three contents."""
    names = [f"{style}/{content}.png" for style in ("ink", "oil", "pen") for content in ("cat", "dog", "sea")]
    return write(tmp_path / "set", {name: png(seed) for seed, name in enumerate(names)})


def kinds(pictures: StyleSet) -> dict[str, tuple[str, ...]]:
    return {problem.kind: problem.names for problem in pictures.problems}


def test_folders_are_styles_and_files_are_contents(folder: Path) -> None:
    write(
        folder, {"README.md": b"# About", ".hidden/x.png": png(90), "ink/.hidden.png": png(91), "ink/notes.txt": b"-"}
    )
    pictures = open_set(str(folder))
    assert (pictures.name, len(pictures), pictures.problems) == ("set", 9, ())
    assert pictures.styles == ("ink",) * 3 + ("oil",) * 3 + ("pen",) * 3
    assert pictures.contents == ("cat", "dog", "sea") * 3 and set(pictures.roles) == {"both"}
    for row, name in enumerate(pictures.names):
        assert pictures.checksums[row] == hashlib.sha256((folder / name).read_bytes()).digest()
        assert np.array_equal(np.asarray(pictures.image(row)), np.asarray(read_image(folder / name)))


def test_the_digest_follows_labels_and_bytes_and_not_the_place(folder: Path, tmp_path: Path) -> None:
    digests = [open_set(str(folder)).digest]
    moved = folder.rename(tmp_path / "elsewhere")
    assert open_set(str(moved)).digest == digests[0]
    for old, new in (("ink/cat.png", "ink/cow.png"), ("pen/dog.png", "oil/hen.png")):
        (moved / old).rename(moved / new)
        digests.append(open_set(str(moved)).digest)
    (moved / "oil/sea.png").write_bytes(png(99))
    digests.append(open_set(str(moved)).digest)
    queries = tmp_path / "queries.txt"
    queries.write_text("oil/sea.png\n")
    digests.append(open_set(f"{moved}#queries={queries}").digest)
    assert len(set(digests)) == len(digests) == 5


def test_what_is_no_picture_is_left_out_by_name(folder: Path) -> None:
    write(folder, {"ink/empty.png": b"", "ink/text.jpg": b"this is text", "pen/also.jpg": b"text", "top.png": png(50)})
    (folder / "oil" / "gone.png").symlink_to(folder / "nowhere.png")
    (folder / "oil" / "folder.png").mkdir()
    pictures = open_set(str(folder))
    assert len(pictures) == 9
    unreadable = [problem for problem in pictures.problems if problem.kind == "unreadable"]
    assert {name for problem in unreadable for name in problem.names} == {
        "ink/empty.png",
        "ink/text.jpg",
        "pen/also.jpg",
        "oil/gone.png",
        "oil/folder.png",
    }
    by_name = {name: problem.message for problem in unreadable for name in problem.names}
    assert by_name["ink/text.jpg"].startswith("2 pictures are left out: The content is of no image format")
    assert "The file is empty" in by_name["ink/empty.png"] and "points nowhere" in by_name["oil/gone.png"]
    assert kinds(pictures)["unlabelled"] == ("top.png",)


def test_what_cannot_be_decoded_is_found_by_decoding(folder: Path) -> None:
    (folder / "ink" / "cat.png").write_bytes(png(0)[:-30])
    (folder / "oil" / "cat.png").write_bytes(png(3)[:50])
    pictures = open_set(str(folder))
    assert len(pictures) == 9
    with pytest.raises(ImageError, match=r"'ink/cat\.png'"):
        pictures.image(0)
    seen: list[tuple[int, int]] = []
    whole = decoded(pictures, workers=2, progress=lambda done, total: seen.append((done, total)))
    assert len(whole) == 7 and seen == [(row, 9) for row in range(1, 10)]
    assert {name for problem in whole.problems for name in problem.names} == {"ink/cat.png", "oil/cat.png"}
    assert {problem.kind for problem in whole.problems} == {"unreadable"}
    assert whole.digest != pictures.digest
    assert decoded(whole) is whole


def test_leaving_pictures_out_may_leave_a_style_alone(folder: Path) -> None:
    (folder / "ink" / "cat.png").write_bytes(png(0)[:-30])
    (folder / "ink" / "dog.png").write_bytes(png(1)[:-30])
    assert kinds(open_set(str(folder))) == {}
    assert kinds(decoded(open_set(str(folder))))["single_picture_style"] == ("ink",)


def test_bytes_under_two_styles_are_left_out_of_both(folder: Path) -> None:
    write(folder, {"ink/copy.png": png(70), "oil/copy.png": png(70), "oil/again.png": png(70)})
    write(folder, {"pen/twin.png": png(8)})  # the bytes of pen/sea.png
    pictures = open_set(str(folder))
    assert len(pictures) == 9 and not any("copy" in name for name in pictures.names)
    assert kinds(pictures) == {
        "conflicting_duplicate": ("ink/copy.png", "oil/again.png", "oil/copy.png"),
        "duplicate": ("pen/twin.png",),
    }
    messages = {problem.kind: problem.message for problem in pictures.problems}
    assert "'ink/copy.png' = 'oil/again.png' = 'oil/copy.png'" in messages["conflicting_duplicate"]
    assert "'pen/sea.png' = 'pen/twin.png'" in messages["duplicate"]


def test_styles_that_cannot_be_scored_are_named(tmp_path: Path) -> None:
    files = {"lone/cat.png": png(1), "same/cat.png": png(2), "same/deeper/cat.png": png(3)}
    pictures = open_set(str(write(tmp_path / "set", files | {"good/a.png": png(4), "good/b.png": png(5)})))
    assert kinds(pictures) == {"single_picture_style": ("lone",), "single_content_style": ("same",)}
    assert len(pictures) == 5  # they stay, as wrong answers to others
    only = open_set(str(write(tmp_path / "one", {"ink/a.png": png(1), "ink/b.png": png(2)})))
    assert kinds(only) == {"single_style": ("ink",)}


def test_a_style_without_gallery_is_named(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "queries.txt").write_text("\ufeffink/cat.png\nink/dog.png\nink/sea.png\n\noil/cat.png\r\n")
    pictures = open_set(f"{folder}#queries={tmp_path / 'queries.txt'}")
    assert pictures.roles == ("query",) * 4 + ("gallery",) * 5
    assert kinds(pictures) == {"no_gallery_style": ("ink",)}


def test_queries_may_be_chosen_by_content(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "contents.txt").write_text("cat\n")
    pictures = open_set(f"{folder}#query-contents={tmp_path / 'contents.txt'}")
    assert pictures.roles == ("query", "gallery", "gallery") * 3
    (tmp_path / "contents.txt").write_text("cat\ncamel\n")
    with pytest.raises(UsageError, match="'camel'"):
        open_set(f"{folder}#query-contents={tmp_path / 'contents.txt'}")


def test_held_out_styles_are_those_that_training_holds_out(tmp_path: Path) -> None:
    files = {f"hand{style}/{content}.png": png(2 * style + content) for style in range(30) for content in range(2)}
    pictures = open_set(f"short={write(tmp_path / 'set', files)}#held-out")
    expected = {f"hand{style}" for style in range(30) if is_validation(f"hand{style}")}
    assert set(pictures.styles) == expected and len(pictures) == 2 * len(expected) > 0
    assert pictures.name == "short" and pictures.source.endswith("#held-out")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("{folder}/nothing", "is not there.*rendered:"),
        ("{folder}/empty", "holds no picture that can be used. Nothing is there"),
        ("{folder}#heldout", "is not there.*#held-out"),
        ("{folder}#held-out#held-out", "says #held-out twice"),
        ("{folder}#queries=a#query-contents=b", "either"),
        ("{folder}#queries={folder}/nothing.txt", "cannot be read"),
        ("#held-out", "names no set"),
        ("{folder}/ink/cat.png", "is no set of pictures"),
        ("{folder}/table.csv", "nothing at"),
        ("wikiart:{folder}/nothing", "nothing at"),
        ("{folder}/*.parquet", "is not there"),
        ("rendered:styles=1", "styles is '1'; it must be a whole number from 2 to 1,048,576"),
        ("rendered:styles=many", "'many'"),
        ("rendered:contents=101", "from 2 to 100"),
        ("rendered:seed=-1", "from 0 to 65,535"),
        ("rendered:style=4", "no option 'style'; the options are styles, contents"),
        ("rendered:seed=1,seed=2", "says seed twice"),
        ("rendered:families=oil", "must be held-out or all"),
    ],
)
def test_a_spec_that_cannot_be_right_is_refused(folder: Path, spec: str, message: str) -> None:
    (folder / "empty").mkdir()
    with pytest.raises(UsageError, match=message):
        open_set(spec.format(folder=folder))


def test_names_in_any_encoding_are_kept_apart_and_can_be_printed(tmp_path: Path) -> None:
    composed, split = unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "é")
    files = {
        os.fsdecode(b"caf\xe9/one.png"): png(1),
        os.fsdecode(b"caf\xe8/one.png"): png(2),
        f"caf{composed}/one.png": png(3),
        f"caf{split}/two.png": png(4),
        "new\nline/one.png": png(5),
    }
    pictures = open_set(str(write(tmp_path / "set", files)))
    assert len(pictures) == 5 and len(set(pictures.styles)) == 4  # one é is another, spelt otherwise
    assert len(pictures.digest) == 64
    for row in range(5):
        pictures.names[row].encode()  # valid Unicode
        assert printable(pictures.styles[row]).isprintable()
        assert pictures.image(row).size == (24, 16)
    assert "caf\\xe9" in " ".join(problem.message for problem in pictures.problems)


def test_folders_of_styles_may_be_links_and_other_links_are_counted(folder: Path, tmp_path: Path) -> None:
    write(tmp_path / "other", {"wax/a.png": png(60), "wax/b.png": png(61)})
    (folder / "wax").symlink_to(tmp_path / "other" / "wax")
    (folder / "ink" / "more").symlink_to(tmp_path / "other")
    pictures = open_set(str(folder))
    assert len(pictures) == 11 and pictures.styles.count("wax") == 2
    assert [problem.message for problem in pictures.problems] == [
        "Pictures may be missing: 1 link to a folder is not followed; a link to the folder of a style is."
    ]


# Parquet


def parquet(path: Path, rows: Sequence[tuple[bytes | None, Any, Any]], **options: Any) -> Path:
    images = [{"bytes": data, "path": None} for data, _, _ in rows]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table(
        {
            "image": pa.array(images, kind),
            "style": [style for _, style, _ in rows],
            "content": [content for _, _, content in rows],
        }
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, **options)
    return path


def test_rows_of_parquet_are_read_alike_in_any_order_and_thread(tmp_path: Path) -> None:
    rows = [(png(row), f"hand {row % 7}", f"thing {row % 11}") for row in range(300)]
    path = parquet(tmp_path / "drawn.parquet", rows, row_group_size=70)
    pictures = open_set(str(path))
    assert (pictures.name, len(pictures), pictures.problems) == ("drawn", 300, ())
    assert pictures.names[17] == "row 17" and pictures.styles[17] == "hand 3" and pictures.contents[17] == "thing 6"
    order = list(range(300)) * 2
    random.Random(0).shuffle(order)
    barrier = threading.Barrier(4)

    def read(part: int) -> list[tuple[int, bytes]]:
        barrier.wait()
        return [(row, pictures.read(pictures.places[row])) for row in order[part::4]]

    with ThreadPoolExecutor(4) as pool:
        found = [pair for part in pool.map(read, range(4)) for pair in part]
    assert len(found) == 600 and all(data == rows[row][0] for row, data in found)


def test_memory_does_not_grow_with_the_row_group(tmp_path: Path) -> None:
    noise = np.random.default_rng(0)
    rows = [(png(0)[:8] + noise.bytes(64_000), f"hand {row % 7}", str(row)) for row in range(400)]
    path = parquet(tmp_path / "large.parquet", rows, row_group_size=400, write_batch_size=16, compression="none")
    before, most = pa.total_allocated_bytes(), 0

    def measure(done: int, total: int) -> None:
        nonlocal most
        most = max(most, pa.total_allocated_bytes() - before)

    pictures = open_set(str(path), progress=measure)
    assert len(pictures) == 400
    assert 0 < most < path.stat().st_size / 4


@pytest.mark.parametrize("spec", ["{folder}", "{folder}/*.parquet"])
def test_shards_are_one_set(tmp_path: Path, spec: str) -> None:
    rows = [(png(row), f"hand {row % 3}", f"thing {row % 4}") for row in range(24)]
    for shard in range(3):
        parquet(tmp_path / "shards" / f"{shard:03}.parquet", rows[8 * shard : 8 * shard + 8])
    pictures = open_set(spec.format(folder=tmp_path / "shards"))
    assert pictures.name == "shards" and pictures.names[9] == "001.parquet row 1"
    assert [pictures.read(place) for place in pictures.places] == [data for data, _, _ in rows]
    assert pictures.styles == tuple(style for _, style, _ in rows)


def test_rows_without_bytes_or_labels_are_named(tmp_path: Path) -> None:
    rows = [
        *[(png(row), "ab"[row % 2], "same") for row in range(2)],
        *[(png(row), "ab"[row % 2], None) for row in range(2, 6)],
        (png(6), None, "x"),
        (png(7), "", "x"),
        (None, "a", "x"),
        (b"", "a", "x"),
    ]
    pictures = open_set(str(parquet(tmp_path / "x.parquet", rows)))
    assert len(pictures) == 6 and pictures.contents == ("same", "same", None, None, None, None)
    found = {(problem.kind, problem.names) for problem in pictures.problems}
    assert found == {("unlabelled", ("row 6", "row 7")), ("unreadable", ("row 8",)), ("unreadable", ("row 9",))}


def test_labels_may_be_numbers_or_a_dictionary(tmp_path: Path) -> None:
    table = pa.table(
        {
            "image": [{"bytes": png(row)} for row in range(4)],
            "style": pa.array(["a", "a", "b", "b"]).dictionary_encode(),
            "content": [1, 2, 1, 2],
        }
    )
    pq.write_table(table, tmp_path / "x.parquet")
    pictures = open_set(str(tmp_path / "x.parquet"))
    assert pictures.styles == ("a", "a", "b", "b") and pictures.contents == ("1", "2", "1", "2")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"image": [{"bytes": b""}], "style": ["a"]}, "no column 'content'"),
        ({"image": [b"png"], "style": ["a"], "content": ["b"]}, "column 'image' of the type binary"),
        ({"image": [{"path": "x"}], "style": ["a"], "content": ["b"]}, "column 'image' of the type struct"),
        ({"image": [{"bytes": b"x"}], "style": [["a"]], "content": ["b"]}, "column 'style' of the type list"),
    ],
)
def test_parquet_of_another_layout_is_refused(tmp_path: Path, columns: dict[str, Any], message: str) -> None:
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    with pytest.raises(UsageError, match=message):
        open_set(str(tmp_path / "x.parquet"))


def test_damaged_parquet_is_refused(tmp_path: Path) -> None:
    rows = [(png(row), "ab"[row % 2], str(row)) for row in range(20)]
    path = parquet(tmp_path / "x.parquet", rows, write_page_checksum=True, compression="none", use_dictionary=False)
    data = path.read_bytes()
    for damaged in (b"", b"PAR1" + bytes(100), data[:-100], data.replace(rows[9][0], rows[9][0][::-1])):
        path.write_bytes(damaged)
        with pytest.raises(UsageError, match="cannot be read as parquet"):
            open_set(str(path))


# Tables


def table(folder: Path, text: str, name: str = "set.csv") -> Path:
    write(folder, {f"{letter}.png": png(seed) for seed, letter in enumerate("abcdef")})
    return write(folder, {name: text.encode("utf-8", "surrogateescape")}) / name


def test_a_table_gives_labels_and_roles(tmp_path: Path) -> None:
    text = (
        "\ufeffPath, Style,content,split,year\r\n"
        'a.png,"ink, wet",cat,query,1900\r\nb.png,"ink, wet",cat,database,1901\r\n'
        "c.png,oil,,gallery\r\n\r\nd.png,oil,dog,\r\ne.png,oil,sea,both,1\r\n"
    )
    pictures = open_set(str(table(tmp_path, text)))
    assert pictures.names == ("a.png", "b.png", "c.png", "d.png", "e.png")
    assert pictures.styles == ("ink, wet", "ink, wet", "oil", "oil", "oil")
    assert pictures.contents == ("cat", "cat", None, "dog", "sea")
    assert pictures.roles == ("query", "gallery", "gallery", "both", "both")


def test_paths_that_lead_out_of_the_folder_are_refused(tmp_path: Path) -> None:
    outside = write(tmp_path, {"secret.png": png(40)}) / "secret.png"
    lines = ["../secret.png", str(outside), "a/../../secret.png", "", ".", "x\0.png"]
    text = "path,style\na.png,ink\nb.png,oil\nc.png,oil\n" + "".join(f"{line},ink\n" for line in lines)
    text += f"{tmp_path / 'set' / 'd.png'},ink\n"  # absolute, and inside
    pictures = open_set(str(table(tmp_path / "set", text)))
    assert pictures.names == ("a.png", "b.png", "c.png", "d.png")
    assert [problem.kind for problem in pictures.problems] == ["outside"]
    assert [name.partition(" (line")[0] for name in pictures.problems[0].names] == lines
    assert "line 5" in pictures.problems[0].message


def test_files_that_a_table_names_and_that_are_missing_are_named(tmp_path: Path) -> None:
    pictures = open_set(str(table(tmp_path, "path,style\na.png,ink\nnone.png,ink\nb.png,oil\nset.csv,oil\n")))
    assert pictures.names == ("a.png", "b.png")
    found = {name: problem.message for problem in pictures.left_out for name in problem.names}
    assert "Nothing lies at this path" in found["none.png"] and "no image format" in found["set.csv"]
    with pytest.raises(UsageError, match=r"no picture that can be used. 1 picture .*none.png"):
        open_set(str(table(tmp_path, "path,style\nnone.png,ink\n")))


def test_a_picture_that_a_table_names_twice_counts_once_or_not_at_all(tmp_path: Path) -> None:
    lines = "a.png,ink\na.png,ink\nb.png,ink\nb.png,oil\nc.png,oil\nd.png,oil\n"
    pictures = open_set(str(table(tmp_path, f"path,style\n{lines}")))
    assert pictures.names == ("a.png", "c.png", "d.png")
    assert kinds(pictures)["duplicate"] == ("a.png",)
    assert kinds(pictures)["conflicting_duplicate"] == ("b.png", "b.png")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column 'path'"),
        ("a.png,ink\nb.png,oil\n", "no column 'path'.*It has: a.png, ink"),
        ("path,colour\na.png,red\n", "no column 'style' or 'artist'"),
        ("path,style,split\na.png,ink,train\n", "line 2: the split is 'train'; it must be 'query', 'gallery'"),
        (f'path,style\n"{"x" * 200_000}",ink\n', "no table of comma-separated values"),
    ],
)
def test_a_table_that_cannot_be_right_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        open_set(str(table(tmp_path, text)))


def test_a_table_may_name_files_in_an_old_encoding(tmp_path: Path) -> None:
    name = os.fsdecode(b"d\xfcrer.png")
    write(tmp_path, {name: png(30)})
    pictures = open_set(str(table(tmp_path, f"path,style\na.png,ink\n{name},D\udcfcrer\n")))
    assert len(pictures) == 2 and printable(pictures.names[1]) == "d\\xfcrer.png"
    assert pictures.image(1).size == (24, 16)


def test_wikiart_by_its_table(tmp_path: Path) -> None:
    text = "path,name,artist,style,split\na.png,a,monet,Impressionism,query\nb.png,b,monet,Realism,database\n"
    table(tmp_path, f"{text}c.png,c,degas,Impressionism,database\n", "wikiart.csv")
    pictures = open_set(f"wikiart:{tmp_path}")
    assert pictures.styles == ("monet", "monet", "degas") and pictures.roles == ("query", "gallery", "gallery")
    assert set(pictures.contents) == {None}


def test_wikiart_by_its_names(tmp_path: Path) -> None:
    files = ["Realism/claude-monet_hay.jpg", "Rococo/claude-monet_sea_2.jpg", "Rococo/goya_x.jpg", "Rococo/unknown.jpg"]
    write(tmp_path, {name: encode(draw(seed), "JPEG") for seed, name in enumerate(files)})
    pictures = open_set(f"wikiart:{tmp_path}")
    assert pictures.styles == ("claude-monet", "claude-monet", "goya")
    assert kinds(pictures) == {"unlabelled": ("Rococo/unknown.jpg",), "single_picture_style": ("goya",)}


# The command


def test_the_command_says_what_is_in_a_set(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "ink" / "cat.png").write_bytes(png(0)[:-30])
    assert main([str(folder), "--json", "--decode"]) == 0
    found = json.load(io.StringIO(capsys.readouterr().out))
    assert (found["pictures"], found["styles"], found["contents"]) == (8, 3, 3)
    assert found["roles"] == {"both": 8} and found["pictures_per_style"] == [2, 3]
    assert [(problem["kind"], problem["names"]) for problem in found["problems"]] == [("unreadable", ["ink/cat.png"])]
    assert found["digest"] == decoded(open_set(str(folder))).digest
    assert main([str(folder)]) == 0
    shown = capsys.readouterr().out
    assert "styles    3, of 3 pictures" in shown and open_set(str(folder)).digest in shown


def test_the_command_fails_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "nothing")]) == 1
    assert "is not there" in capsys.readouterr().err
