"""Boards in files of other programs."""

from __future__ import annotations

import csv
import hashlib
import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from studio import draw

from indexer.run import index
from stylesearch import Library, Query, boards
from stylesearch.boards import BoardExport, safe_name
from stylesearch.errors import UsageError
from stylesearch.records import Board
from stylesearch.settings import Settings
from stylesearch.sheets import Paper
from stylesearch.swatches import common_palette

HOSTILE = "=cmd<img src=x onerror=alert(1)>&amp; con.png"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """disc.png and ring.png of two styles each, a wide picture, a photograph and a hostile name; gone.png, which was
    deleted since, and changed.jpg, which holds another picture since."""
    folder = tmp_path_factory.mktemp("board")
    pictures = folder / "pictures"
    for style in ("ink", "riso"):
        (pictures / style).mkdir(parents=True)
        for shape in ("disc", "ring"):
            draw(style, shape).save(pictures / style / f"{shape}.png")
    draw("moss", "ring").save(pictures / "photo.jpg", quality=95)
    draw("moss", "disc").save(pictures / "changed.jpg")
    Image.new("RGB", (5000, 40), "teal").save(pictures / "wide.png")
    draw("night", "ring").save(pictures / HOSTILE)
    draw("night", "disc").save(pictures / "gone.png")
    with Library.create(folder / "library", encoder="descriptors:lab-gradient") as opened:
        settings = Settings.from_environment()
        index(opened.catalog, opened.encoder, [pictures], thumbnails=opened.thumbnails, settings=settings)
        (pictures / "gone.png").unlink()
        draw("night", "bars").save(pictures / "changed.jpg")
        yield opened


@pytest.fixture
def board(library: Library) -> Board:
    """All of them, in the order of their paths."""
    made = library.boards.create("Ink / wash: «№1»", "For <b>Anna</b>")
    assets = sorted(library.browse(100), key=lambda asset: asset.paths)
    library.boards.add(made.id, [asset.id for asset in assets])
    library.boards.note(made.id, assets[0].id, "=1+1")
    return library.boards.get(made.id)


def unzipped(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_originals_come_with_a_manifest(library: Library, board: Board, tmp_path: Path) -> None:
    pictures = library.folder.parent / "pictures"
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in pictures.rglob("*.*")}
    exported = library.board_export(board.id).write(tmp_path / "board.zip")
    assert exported.written == 7
    assert sorted(name for _, name, _ in exported.missing) == ["changed.jpg", "gone.png"]
    files = unzipped(tmp_path / "board.zip")
    manifest = json.loads(files["Ink _ wash_ «№1»/manifest.json"])
    assert (manifest["name"], manifest["notes"]) == (board.name, "For <b>Anna</b>")
    assert [item["id"] for item in manifest["items"]] == [item.asset.id for item in board.items]
    for item in manifest["items"]:
        if item["file"] is None:
            assert "No file holds this picture" in item["missing"]
            continue
        data = files[f"Ink _ wash_ «№1»/{item['file']}"]
        assert hashlib.sha256(data).hexdigest() == item["sha256"] == item["file_sha256"]
        assert data == Path(item["paths"][0]).read_bytes()
        assert {"weight", "note", "rights", "licence", "creators", "title"} <= item.keys()
    assert len(files) == 8
    assert before == {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in before}


def test_names_are_safe_and_differ_and_do_not_depend_on_the_order(
    library: Library, board: Board, tmp_path: Path
) -> None:
    def names() -> dict[int, str]:
        library.board_export(board.id).write(tmp_path / "board.zip")
        manifest = next(data for name, data in unzipped(tmp_path / "board.zip").items() if name.endswith(".json"))
        return {item["id"]: item["file"] for item in json.loads(manifest)["items"]}

    first = names()
    assert len(set(map(str, first.values())) - {"None"}) == 7
    discs = [name for name in first.values() if name and "disc" in name]
    assert all(name.startswith("pictures/disc-") and len(name) == len("pictures/disc-12345678.png") for name in discs)
    assert "pictures/=cmd_img src=x onerror=alert(1)_&amp; con.png" in first.values()
    data = (tmp_path / "board.zip").read_bytes()
    names()
    assert (tmp_path / "board.zip").read_bytes() == data, "the same board makes the same file"
    library.boards.move(board.id, [board.items[0].asset.id])
    assert names() == first


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("../../etc/passwd", "_.._etc_passwd"),
        ("CON", "_CON"),
        ("con.png", "_con.png"),
        ("nul.tar.gz", "_nul.tar.gz"),
        ("-rf.png", "_-rf.png"),
        ("a\x00\x1b[2Jb.png", "a__[2Jb.png"),
        ("...", "picture"),
        ("", "picture"),
        (" name .png ", "name.png"),
        ("e\u0301.png", "é.png"),
        ("x" * 300 + ".jpeg", "x" * 100 + ".jpeg"),
        ("a.no extension at all", "a.no extension at all"),
        ("C:\\a|b?.png", "C__a_b_.png"),
    ],
)
def test_any_text_becomes_a_file_name(given: str, made: str, tmp_path: Path) -> None:
    assert safe_name(given) == made
    (tmp_path / made).write_text("")


def test_too_many_bytes_are_refused_before_anything_is_read(library: Library, board: Board, tmp_path: Path) -> None:
    export = replace(library.board_export(board.id), most_bytes=1_000)
    with pytest.raises(UsageError, match=r"one ZIP may have 0\.0 GB"):
        export.write(tmp_path / "board.zip")
    with pytest.raises(UsageError, match="one ZIP may have"):
        export.stream("originals")
    assert not (tmp_path / "board.zip").exists()


def test_a_stream_is_the_same_file(library: Library, board: Board, tmp_path: Path) -> None:
    export = library.board_export(board.id)
    export.write(tmp_path / "board.zip")
    assert b"".join(export.stream("originals")) == (tmp_path / "board.zip").read_bytes()


def test_a_large_file_goes_through_the_disk(
    library: Library, board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boards, "_HELD", 100)
    monkeypatch.setattr(boards, "_CHUNK", 64)
    assert library.board_export(board.id).write(tmp_path / "board.zip").written == 7


def test_a_flat_folder_for_design_tools(library: Library, board: Board, tmp_path: Path) -> None:
    exported = library.board_export(board.id).write(tmp_path / "figma", "figma")
    files = sorted(path.name for path in (tmp_path / "figma").iterdir())
    assert exported.written == 7
    numbered = {item.asset.id: position for position, item in enumerate(board.items, 1)}
    assert len(files) == 8 and files[-1] == "palette.svg"
    assert {int(name[:2]) for name in files[:-1]} == set(numbered.values()) - {
        numbered[asset_id] for asset_id, *_ in exported.missing
    }
    wide = next(name for name in files if "wide" in name)
    with Image.open(tmp_path / "figma" / wide) as image:
        assert image.size == (4096, 33)
    disc = next(item for item in board.items if item.name == "disc.png")
    copy = next((tmp_path / "figma").glob(f"{numbered[disc.asset.id]:02} disc.png"))
    assert copy.read_bytes() == Path(disc.asset.paths[0]).read_bytes(), "what fits is kept, with its transparency"
    with pytest.raises(UsageError, match="There is something at"):
        library.board_export(board.id).write(tmp_path / "figma", "figma")
    library.board_export(board.id).write(tmp_path / "figma.zip", "figma")
    assert {name.partition("/")[2] for name in unzipped(tmp_path / "figma.zip")} == set(files)


def test_a_photograph_becomes_a_jpeg(library: Library, tmp_path: Path) -> None:
    photo = next(asset for asset in library.browse(100) if "photo" in asset.paths[0])
    made = library.boards.create("Photo")
    library.boards.add(made.id, [photo.id])
    library.board_export(made.id).write(tmp_path / "figma", "figma")
    with Image.open(tmp_path / "figma" / "01 photo.jpg") as copy, Image.open(photo.paths[0]) as original:
        assert copy.size == original.size
        assert np.abs(np.asarray(copy, float) - np.asarray(original, float)).mean() < 4


def test_swatches_are_named_shapes(library: Library, board: Board, tmp_path: Path) -> None:
    library.board_export(board.id).write(tmp_path / "figma", "figma")
    root = ElementTree.parse(tmp_path / "figma" / "palette.svg").getroot()  # noqa: S314 - our own
    space = "{http://www.w3.org/2000/svg}"
    texts = [text.text for text in root.iter(f"{space}text")]
    assert texts[0] == board.name and len(texts) == 1 + board.count
    assert any("<img src=x" in (text or "") for text in texts), "escaped in the file, whole for the reader"
    fills = [rect.get("fill") for rect in root.iter(f"{space}rect")]
    assert fills and all(fill and len(fill) == 7 for fill in fills)
    ids = [rect.get("id") for rect in root.iter(f"{space}rect")]
    assert len(ids) == len(set(ids))


def test_a_common_palette_counts_each_picture_alike(library: Library) -> None:
    details = library.catalog.details([asset.id for asset in library.browse(100)]).values()
    palettes = [item.appearance.palette for item in details if item.appearance]
    common = common_palette(palettes)
    assert 1 <= len(common) <= 8 and sum(colour.share for colour in common) == pytest.approx(1, abs=1e-3)
    assert common_palette([]) == ()


@pytest.mark.parametrize("paper", ["a4", "a3", "letter", "tabloid"])
def test_a_contact_sheet_to_print(library: Library, board: Board, tmp_path: Path, paper: Paper) -> None:
    import pypdfium2

    exported = library.board_export(board.id).write(tmp_path / "sheet.pdf", paper=paper)
    assert exported.written == 7 and len(exported.missing) == 2
    document = pypdfium2.PdfDocument(tmp_path / "sheet.pdf")
    sizes = {"a4": (842, 595), "a3": (1191, 842), "letter": (792, 612), "tabloid": (1224, 792)}
    width, height = document[0].get_size()
    assert (width, height) == pytest.approx(sizes[paper], abs=1)
    assert len(document) == 1
    document.close()


def test_a_long_board_takes_several_pages(library: Library, board: Board, tmp_path: Path) -> None:
    import pypdfium2

    export = library.board_export(board.id)
    items = tuple(export.board.items * 3)[:20]
    replace(export, board=replace(export.board, items=items, count=20)).write(tmp_path / "sheet.pdf")
    document = pypdfium2.PdfDocument(tmp_path / "sheet.pdf")
    assert len(document) == 2
    last = np.asarray(document[1].render().to_pil())
    assert (last < 100).any(), "the last page shows the rest"
    document.close()


def test_a_contact_sheet_as_one_picture(library: Library, board: Board, tmp_path: Path) -> None:
    library.board_export(board.id).write(tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width == 1754
        assert len(sheet.getcolors(1 << 24) or ()) > 1000


def test_a_table_holds_the_board_and_what_is_known(library: Library, board: Board, tmp_path: Path) -> None:
    library.board_export(board.id).write(tmp_path / "board.csv")
    with open(tmp_path / "board.csv", encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["position"] for row in rows] == [str(place) for place in range(1, 10)]
    assert rows[0]["note"] == "'=1+1" and rows[0]["weight"] == "1.0"
    assert {"'" + HOSTILE} == {row["name"] for row in rows if "cmd" in row["name"]}
    assert {"sha256", "paths", "rights", "licence", "creators"} <= rows[0].keys()


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("board.rar", None, "must end in .zip, .pdf, .png, .csv"),
        ("board.zip", "csv", "must end in .csv"),
        ("board.csv", "sheet", "must end in .pdf or .png"),
        ("none/board.csv", None, "cannot be written"),
    ],
)
def test_what_cannot_be_written(
    library: Library, board: Board, tmp_path: Path, name: str, kind: boards.ExportKind | None, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        library.board_export(board.id).write(tmp_path / name, kind)


def test_no_original_is_replaced(library: Library, board: Board) -> None:
    wide = library.folder.parent / "pictures" / "wide.png"
    before = wide.read_bytes()
    with pytest.raises(UsageError, match="one of the originals"):
        library.board_export(board.id).write(wide)
    assert wide.read_bytes() == before


def test_a_download_can_be_broken_off(library: Library, board: Board) -> None:
    stream = library.board_export(board.id).stream("originals")
    assert next(stream)
    stream.close()


def test_an_empty_board_can_be_written(library: Library, tmp_path: Path) -> None:
    made = library.boards.create("Empty")
    export = library.board_export(made.id)
    assert isinstance(export, BoardExport)
    for name in ("a.zip", "a.pdf", "a.png", "a.csv"):
        assert export.write(tmp_path / name).written == 0
        assert (tmp_path / name).stat().st_size > 0
    assert export.write(tmp_path / "a", "figma").written == 0


def test_a_board_is_a_query(library: Library, board: Board) -> None:
    by_style = {Path(asset.paths[0]).parent.name: asset.id for asset in library.browse(100)}
    made = library.boards.create("Ink")
    library.boards.add(made.id, [by_style["ink"], by_style["riso"]])
    library.boards.weigh(made.id, [by_style["riso"]], 0)
    references = library.boards.get(made.id).references
    assert references == [(by_style["ink"], 1.0)]
    hits = library.search(Query(references=references, k=1))
    assert Path(hits[0].path).parent.name == "ink"
