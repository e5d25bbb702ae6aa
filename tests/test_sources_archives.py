"""Archives and tables are looked into where they lie, and what is odd about them costs nothing else."""

from __future__ import annotations

import io
import os
import random
import struct
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from archives import ARCHIVES, write_archive, write_table
from indexing import Bench, open_bench
from pictures import draw, encode

from indexer.sources import Rules, Source, sources_of
from stylesearch import spool
from stylesearch.containers import base
from stylesearch.containers.tars import TarContainer
from stylesearch.errors import ImageError, UsageError
from stylesearch.files import members_of, open_uri, read_bytes, stat_uri, uri_of
from stylesearch.records import FileStat, Limits, Refusal
from stylesearch.uris import divide_uri, uri_inside

LIMITS = Limits()
PNG = encode(draw(), "PNG")
ODD_NAME = os.fsdecode(b"caf\xe9 50%#1.png")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with open_bench(tmp_path) as opened:
        yield opened


def walk(path: Path, rules: Rules | None = None) -> tuple[list[str], Mapping[str, str], Source]:
    """Names of the members found, reasons by name, and the source."""
    (source,) = sources_of([path], LIMITS, threading.Event(), rules)

    def name(uri: str) -> str:
        inside = divide_uri(uri)[1]
        return inside[0].value if inside else ""

    found = list(source)
    files = [name(item.uri) for item in found if isinstance(item, FileStat)]
    return files, {name(item.stat.uri): item.reason for item in found if isinstance(item, Refusal)}, source


@pytest.mark.parametrize("name", ARCHIVES)
def test_every_member_is_read_as_it_was_written(tmp_path: Path, name: str) -> None:
    rng = random.Random(1)
    members = {f"folder/{number}.png": rng.randbytes(rng.randint(1, 20_000)) for number in range(30)}
    if not name.endswith(".zip"):  # whose names zipfile writes as UTF-8 alone
        members[ODD_NAME] = PNG
    path = write_archive(tmp_path / name, members)
    listed = [stat for stat, _ in members_of(stat_uri(str(path), LIMITS), LIMITS)]
    assert [(divide_uri(stat.uri)[1][0].value, stat.size) for stat in listed] == [
        (member, len(data)) for member, data in members.items()
    ]
    assert all(stat.mtime_ns == path.stat().st_mtime_ns and stat.uri.startswith(f"{path}#member=") for stat in listed)
    for stat in random.Random(2).sample(listed, len(listed)):
        for seen in (None, stat) if stat.size % 3 == 0 else (stat,):
            with open_uri(stat.uri, LIMITS, seen=seen) as file:
                data = file.read()
                assert data == members[divide_uri(stat.uri)[1][0].value]
                file.seek(len(data) // 2)
                assert file.read() == data[len(data) // 2 :]


def test_compressed_archive_is_unpacked_once_for_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_archive(tmp_path / "many.tar.gz", {f"{number}.png": PNG for number in range(200)})
    passes = []
    plain = TarContainer._plain

    def counted(self: TarContainer) -> object:
        passes.append(path)
        return plain(self)

    monkeypatch.setattr(TarContainer, "_plain", counted)
    for stat, _ in members_of(stat_uri(str(path), LIMITS), LIMITS):
        with open_uri(stat.uri, LIMITS, seen=stat) as file:
            assert file.read() == PNG
    assert len(passes) == 2  # for the list, and for the pictures
    spool.clear()
    base_list = [stat.uri for stat, _ in members_of(stat_uri(str(path), LIMITS), LIMITS)]
    assert len(base_list) == 200 and len(passes) == 2  # the list is kept


def test_what_lies_in_an_archive(tmp_path: Path) -> None:
    inner = write_archive(tmp_path / "inner.zip", {"x.png": PNG}).read_bytes()
    members = {
        "b/2.PNG": PNG,
        "a/1.png": PNG,
        "picture without extension": PNG,
        "notes.txt": b"text",
        ".hidden.png": PNG,
        "__MACOSX/._1.png": b"resource fork",
        "inner.zip": inner,
        "../../escape.png": PNG,
        "/etc/absolute.png": PNG,
    }
    for name in ARCHIVES:
        files, reasons, source = walk(write_archive(tmp_path / name, members))
        assert files == ["b/2.PNG", "a/1.png", "picture without extension", "../../escape.png", "/etc/absolute.png"]
        assert not reasons and (source.others, source.nested) == (1, 1)
        assert source.root == str(tmp_path / name)
    files, _, _ = walk(tmp_path / "a.zip", Rules(include=("*.PNG",)))
    assert files == ["b/2.PNG"]
    files, _, _ = walk(tmp_path / "a.zip", Rules(exclude=("a/", "b/")))
    assert files == ["picture without extension", "../../escape.png", "/etc/absolute.png"]
    files, _, _ = walk(tmp_path / "a.zip", Rules(hidden=True))
    assert ".hidden.png" in files
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*ARCHIVES, "inner.zip"])  # nothing was written


def test_archives_in_a_folder_are_told_by_name_and_opened_by_content(tmp_path: Path) -> None:
    write_archive(tmp_path / "real.zip", {"1.png": PNG}).rename(tmp_path / "LIES.TAR")
    write_archive(tmp_path / "letter.zip", {"word/media/1.png": PNG}).rename(tmp_path / "letter.docx")
    (tmp_path / "empty.zip").write_bytes(b"")
    (tmp_path / "text.zip").write_bytes(b"no archive at all" * 100)
    (tmp_path / "cut.zip").write_bytes((tmp_path / "LIES.TAR").read_bytes()[:-30])  # a download that broke off
    (source,) = sources_of([tmp_path], LIMITS, threading.Event())
    found = list(source)
    assert [item.uri for item in found if isinstance(item, FileStat)] == [f"{tmp_path}/LIES.TAR#member=1.png"]
    assert {Path(item.stat.uri).name: item.reason for item in found if isinstance(item, Refusal)} == {
        "cut.zip": "truncated",
        "empty.zip": "empty",
        "text.zip": "damaged",
    }
    assert source.unreadable == [f"{tmp_path}/{name}.zip" for name in ("cut", "empty", "text")]
    (source,) = sources_of([tmp_path], LIMITS, threading.Event(), Rules(archives=False))
    assert list(source) == [] and source.others == 5


def test_names_in_zip_of_old_programs(tmp_path: Path) -> None:
    path = write_archive(tmp_path / "a.zip", {"XX.png": PNG})
    path.write_bytes(path.read_bytes().replace(b"XX.png", "é.png".encode()))  # UTF-8 without saying so
    assert walk(path)[0] == ["é.png"]
    path.write_bytes(path.read_bytes().replace("é.png".encode(), b"\x82x.png"))  # code page 437
    files, _, _ = walk(path)
    assert files == ["éx.png"]
    assert read_bytes(f"{path}#member=éx.png", LIMITS) == PNG


def test_encrypted_member(tmp_path: Path) -> None:
    path = write_archive(tmp_path / "a.zip", {"locked.png": PNG, "open.png": PNG})
    data = bytearray(path.read_bytes())
    entry = data.index(b"PK\1\2")
    data[entry + 8] |= 1
    path.write_bytes(data)
    files, reasons, _ = walk(path)
    assert files == ["open.png"] and reasons == {"locked.png": "unsupported"}
    with pytest.raises(ImageError, match="encrypted"):
        read_bytes(f"{path}#member=locked.png", LIMITS)


def test_bombs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (base, sys.modules["stylesearch.containers.zips"], sys.modules["stylesearch.containers.tars"]):
        monkeypatch.setattr(module, "MAX_MEMBERS", 20)
    monkeypatch.setattr(base, "ALWAYS_ALLOWED", 100_000)
    for name in ("ratio.zip", "ratio.tar.gz", "ratio.tar.xz", "ratio.tar.zst"):
        _, reasons, source = walk(write_archive(tmp_path / name, {"zeros.png": bytes(5_000_000)}))
        assert reasons == {"": "too-large"} and source.unreadable == [source.root], name
    for name in ("count.zip", "count.tar", "count.tar.bz2"):
        _, reasons, _ = walk(write_archive(tmp_path / name, {f"{number}.png": PNG for number in range(30)}))
        assert reasons == {"": "too-large"}, name
    path = write_archive(tmp_path / "large.zip", {"a.png": PNG})
    ((stat, member),) = members_of(stat_uri(str(path), LIMITS), Limits(max_bytes=10))
    assert stat.size == len(PNG) and member.problem is not None and member.problem.reason == "too-large"


def test_huge_header_and_directory_are_refused_before_they_are_read(tmp_path: Path) -> None:
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 2**30
    path = tmp_path / "header.tar"
    with open(path, "wb") as file:
        file.write(info.tobuf(tarfile.USTAR_FORMAT))
        file.truncate(2**30)
    assert walk(path)[1] == {"": "damaged"}
    path = write_archive(tmp_path / "directory.zip", {"a.png": PNG})
    data = bytearray(path.read_bytes())
    struct.pack_into("<L", data, data.rindex(b"PK\5\6") + 12, 2**31)
    path.write_bytes(data)
    assert walk(path)[1] == {"": "too-large"}


@pytest.mark.parametrize("name", ARCHIVES)
def test_damage_anywhere_is_told_and_never_raises_anything_else(tmp_path: Path, name: str) -> None:
    whole = write_archive(tmp_path / name, {f"{number}.png": PNG for number in range(5)}).read_bytes()
    rng = random.Random(3)
    for turn in range(60):
        data = bytearray(whole[: rng.randrange(len(whole))] if turn % 2 else whole)
        for _ in range(rng.randint(0, 20)):
            if data:
                data[rng.randrange(len(data))] = rng.randrange(256)
        path = tmp_path / f"{turn}-{name}"
        path.write_bytes(data)
        (source,) = sources_of([path], LIMITS, threading.Event())
        for item in source:
            if isinstance(item, FileStat):
                try:
                    read_bytes(item.uri, LIMITS)
                except ImageError as exc:
                    assert exc.reason in ("damaged", "truncated", "unsupported", "missing"), exc


def test_links_and_holes_in_a_tar(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        for name, kind in (
            ("link.png", tarfile.SYMTYPE),
            ("hard.png", tarfile.LNKTYPE),
            ("pipe.png", tarfile.FIFOTYPE),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
        info = tarfile.TarInfo("real.png")
        info.size = len(PNG)
        archive.addfile(info, io.BytesIO(PNG))
    assert walk(path)[0] == ["real.png"]


def test_run_over_archives(bench: Bench) -> None:
    for number, name in enumerate(ARCHIVES):
        pictures = {f"{index}.png": encode(draw(10 * number + index), "PNG") for index in range(4)}
        write_archive(bench.pictures / name, {**pictures, "broken.png": PNG[:100]})
    write_table(bench.pictures / "b.parquet", [encode(draw(100 + row), "WEBP") for row in range(7)] + [None])
    report = bench.index()
    assert (report.new, report.encoded, report.refused) == (31, 31, 7)
    located = bench.located()
    assert set(located) == {f"{name}#member={index}.png" for name in ARCHIVES for index in range(4)} | {
        f"b.parquet#row={row}" for row in range(7)
    }
    sizes = {path: asset.size for asset in bench.catalog.list_assets() for path in asset.paths}
    assert sizes[f"{bench.pictures}/b.parquet#row=3"] == len(encode(draw(103), "WEBP"))
    reasons = {refusal.stat.uri.partition("#")[2]: refusal.reason for refusal in bench.catalog.refusals()}
    assert reasons == {"member=broken.png": "truncated", "row=7": "empty"}
    again = bench.index()
    assert (again.unchanged, again.still_refused, again.bytes, again.gone) == (31, 7, 0, 0)
    assert bench.located() == located


def test_archive_that_changes_loses_members_and_one_that_breaks_keeps_them(bench: Bench) -> None:
    path = bench.pictures / "a.zip"
    one, two, three = (encode(draw(seed), "PNG") for seed in range(3))
    write_archive(path, {"1.png": one, "2.png": two})
    bench.index()
    first = bench.located()
    path.write_bytes(b"PK\3\4 and nothing more")
    report = bench.index()
    assert (report.gone, report.refused) == (0, 1) and bench.located() == first
    write_archive(path, {"2.png": two, "3.png": three})
    report = bench.index(path)  # the archive as root, too, knows what it held
    assert (report.gone, report.encoded) == (1, 1)
    assert bench.located() == {"a.zip#member=2.png": first["a.zip#member=2.png"], "a.zip#member=3.png": 3}
    assert bench.catalog.forget(str(path)) == 2 and not bench.located()
    bench.index()
    path.unlink()
    bench.draw("other.png", first=9)
    assert bench.index().gone == 2


def test_tables_that_hold_no_pictures_or_are_none(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"a": [1, 2]}), tmp_path / "numbers.parquet")
    assert walk(tmp_path / "numbers.parquet")[1] == {}
    table = write_table(tmp_path / "a.parquet", [PNG] * 7)
    files, reasons, _ = walk(table)
    assert files == [str(row) for row in range(7)] and not reasons
    (tmp_path / "cut.parquet").write_bytes(table.read_bytes()[:-20])
    assert walk(tmp_path / "cut.parquet")[1] == {"": "damaged"}
    for row in ("7", "-1", "x"):
        with pytest.raises(ImageError, match="There is no"):
            read_bytes(f"{table}#row={row}", LIMITS)


def test_rows_are_read_in_any_order_and_by_many(tmp_path: Path) -> None:
    rows = [random.Random(row).randbytes(500) for row in range(200)]
    table = write_table(tmp_path / "a.parquet", list(rows), rows_in_group=50)
    order = random.Random(4).sample(range(200), 200) + list(range(200))

    def read(numbers: list[int]) -> None:
        for row in numbers:
            wrong.extend([row] if read_bytes(f"{table}#row={row}", LIMITS) != rows[row] else [])

    wrong: list[int] = []
    threads = [threading.Thread(target=read, args=(order[start::4],)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_what_a_person_writes_becomes_a_uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "b#member=1.png").write_bytes(PNG)
    write_archive(tmp_path / "a.zip", {"é 1.png": PNG})
    inner = f"{tmp_path}/a.zip#member=é 1.png"
    assert uri_inside(f"{tmp_path}/a.zip", "member", "é 1.png") == inner
    for text in ("a.zip#member=é 1.png", "./a.zip#member=%C3%A9 1.png", f"file://{tmp_path}/a.zip#member=é%201.png"):
        assert read_bytes(text, LIMITS) == PNG
    assert uri_of("a.zip#member=é 1.png") == inner
    assert read_bytes("b#member=1.png", LIMITS) == PNG  # a file of that very name
    assert read_bytes(Path("b#member=1.png"), LIMITS) == PNG
    assert uri_of("s3://bucket/a#b.png").count("#") == 0
    assert uri_of("https://host/a.json#image=https://host/b.png") == "https://host/a.json#image=https://host/b.png"
    with pytest.raises(ImageError, match="no 'nothing"):
        read_bytes("a.zip#member=nothing.png", LIMITS)
    with pytest.raises(ImageError) as caught:
        read_bytes("nothing.zip#member=a.png", LIMITS)
    assert caught.value.reason == "missing"
    with pytest.raises(UsageError, match="empty name"):
        uri_of("")


def test_member_whose_checksum_is_wrong(tmp_path: Path) -> None:
    path = write_archive(tmp_path / "a.zip", {"a.png": PNG})
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("a.png").header_offset
    data = bytearray(path.read_bytes())
    data[start + 60] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(ImageError) as caught:
        read_bytes(f"{path}#member=a.png", LIMITS)
    assert caught.value.reason == "damaged"
