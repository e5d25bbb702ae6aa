"""`Library`: what Python users hold."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from indexing import ordinary_user
from studio import STYLES, draw, draw_studio

from indexer.run import index
from stylesearch import (
    EncoderError,
    Library,
    LibraryError,
    Query,
    SpaceMismatchError,
    StyleSearchError,
    UsageError,
    VectorIndexError,
    formats,
)
from stylesearch.encoders.descriptors import LabGradientEncoder
from stylesearch.query import COUNTER_WEIGHT, FORMATS, StyleText
from stylesearch.records import Space
from stylesearch.search import combine
from stylesearch.settings import LibrarySettings, Settings
from stylesearch.uris import printable

ROOT = Path(__file__).parent.parent


def fill(library: Library, folder: Path) -> None:
    index(
        library.catalog, library.encoder, [folder], thumbnails=library.thumbnails, settings=Settings.from_environment()
    )


@pytest.fixture(scope="module")
def filled(tmp_path_factory) -> Path:
    """A library, beside the folder `pictures` that it was filled from."""
    folder = tmp_path_factory.mktemp("filled")
    draw_studio(folder / "pictures")
    with Library.create(folder / "library", encoder="descriptors:lab-gradient") as library:
        fill(library, folder / "pictures")
    return folder / "library"


def styles_of(hits) -> list[str]:
    return [Path(hit.path).parent.name for hit in hits]


def test_every_kind_of_reference_finds_the_style(filled, tmp_path):
    picture = draw("moss", "bars", seed=3)
    picture.save(tmp_path / "moss.png")
    with Library.open(filled) as library:
        vector = library.encoder.embed_batch([picture])[0]
        number = library.search(Query(vector, k=1))[0].asset.id
        for reference in (picture, tmp_path / "moss.png", str(tmp_path / "moss.png"), vector, 5 * vector):
            assert styles_of(library.search(Query(reference, k=4))) == ["moss"] * 4
        assert styles_of(library.search(Query(number, k=3))) == ["moss"] * 3


@pytest.mark.parametrize("kind", ["exact", "faiss"])
def test_cosines_are_those_of_the_vectors(tmp_path, kind):
    draw_studio(tmp_path / "pictures")
    with Library.create(tmp_path / "library", encoder="descriptors:lab-gradient", index=kind) as library:
        fill(library, tmp_path / "pictures")
        query = library.encoder.embed_batch([draw("ink", "ring", seed=9)])[0]
        hits = library.search(Query(query, k=16))
        ids, vectors = library.catalog.vectors(library.catalog.ensure_space(library.space), [h.asset.id for h in hits])
        expected = dict(zip(ids.tolist(), vectors @ query, strict=True))
        assert library.status().index == kind
    assert len(hits) == 16
    assert [hit.cosine for hit in hits] == pytest.approx([expected[hit.asset.id] for hit in hits], abs=1e-5)
    assert [hit.cosine for hit in hits] == sorted((hit.cosine for hit in hits), reverse=True)


def test_combine_is_the_weighted_sum_at_unit_length():
    a, b, c = np.eye(3, dtype=np.float32)
    expected = np.array([2, 1, -0.5]) / np.sqrt(5.25)
    np.testing.assert_allclose(combine(np.stack([a, b]), [2, 1], c[None], [0.5]), expected, atol=1e-6)
    with pytest.raises(UsageError, match="cancel out"):
        combine(a[None], [1], a[None], [1])


def test_query_reads_weights_formats_and_single_values():
    query = Query(["a.png", (42, 0.25)], counter_references=7, formats="jpg", paths="posters/**")
    assert query.positives() == (("a.png", 1.0), (42, 0.25))
    assert query.negatives() == ((7, COUNTER_WEIGHT),)
    assert (query.formats, query.paths) == (("JPEG",), ("posters/**",))
    assert Query(1, formats=[".png", "image/jpeg", "Tif"]).formats == ("PNG", "JPEG", "TIFF")
    numbers: dict[str, Any] = {"references": ("a.png", np.float32(0.5)), "k": np.int64(3)}
    assert Query(**numbers).positives() == (("a.png", 0.5),)
    assert Query((3, 4)).positives() == ((3, 1.0), (4, 1.0)), "two assets, not one with a weight"


def test_texts_join_the_references():
    query = Query(["a.png"], texts=["ink wash", ("muted", 0.5)])
    assert [str(source) for source, _ in query.positives()] == ["a.png", "ink wash", "muted"]
    assert [weight for _, weight in query.positives()] == [1.0, 1.0, 0.5]
    assert Query(texts="neon").positives() == ((StyleText("neon"), 1.0),)


def test_a_text_needs_an_encoder_with_a_text_tower(filled):
    with Library.open(filled) as library, pytest.raises(EncoderError, match="no text tower"):
        library.search(Query(texts="ink wash"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"references": []}, "no reference"),
        ({"texts": [" "]}, "says nothing"),
        ({"references": 1, "k": 0}, "k is 0"),
        ({"references": [(1, -1.0)]}, "weight of reference 1 is -1.0"),
        ({"references": [(1, float("nan"))]}, "positive finite"),
        ({"references": ["a.png", 0.5]}, "0.5 cannot be a reference"),
        ({"references": b"png"}, "b'png' cannot be a reference"),
        ({"references": None}, "None cannot be a reference"),
        ({"references": {"a.png": 1}}, "cannot be a reference"),
        ({"references": [("a.png", 1, 2)]}, "a pair is"),
        ({"references": True}, "True cannot be a reference"),
        ({"references": [("a.png", "1")]}, "weight of reference 'a.png' is '1'"),
        ({"texts": [5]}, "5 is not a string"),
        ({"references": 1, "k": 2.5}, "k is 2.5"),
        ({"references": 1, "k": "5"}, "k is '5'"),
        ({"references": 1, "formats": ["jpgg"]}, "no format 'jpgg'; there are: AVI, .*JPEG"),
    ],
)
def test_impossible_queries_are_refused(arguments, message):
    with pytest.raises(UsageError, match=message):
        Query(**arguments)


def test_an_id_that_no_database_can_hold_is_no_asset(filled):
    with Library.open(filled) as library:
        for number in (99, 0, -1, 2**63, 10**30):
            with pytest.raises(UsageError, match=f"no asset {number}"):
                library.search(Query(number))
        assert library.assets([10**30]) == {}


def test_the_formats_of_queries_are_those_that_are_decoded():
    assert set(FORMATS) == {row.name for row in formats.TABLE if row.decoder}


def test_names_that_steer_a_terminal_are_escaped():
    assert printable("/a/\x1b[2Jb\n\x7f\x9b.png") == r"/a/\x1b[2Jb\x0a\x7f\x9b.png"
    assert printable("/ä/画像 🎨.png") == "/ä/画像 🎨.png"


def test_vectors_of_another_space_are_refused(filled):
    with Library.open(filled) as library, pytest.raises(SpaceMismatchError, match=r"\(3,\).*\(592,\)"):
        library.search(Query(np.ones(3, np.float32)))


def test_an_index_that_lags_catches_up_before_a_search(filled, tmp_path):
    draw_studio(tmp_path / "pictures")
    shutil.copytree(filled, tmp_path / "library")
    with Library.open(tmp_path / "library") as reader, Library.open(tmp_path / "library") as writer:
        assert len(reader.search(Query(draw("ink", "disc"), k=99))) == 16
        draw("night", "ring", seed=50).save(tmp_path / "pictures" / "one-more.png")
        fill(writer, tmp_path / "pictures")
        assert len(reader.search(Query(draw("ink", "disc"), k=99))) == 17
        (tmp_path / "pictures" / "one-more.png").unlink()
        fill(writer, tmp_path / "pictures")
        assert len(reader.search(Query(draw("ink", "disc"), k=99))) == 16


def test_a_damaged_index_is_named_and_rebuilt_without_encoding(filled, tmp_path):
    shutil.copytree(filled, tmp_path / "library")
    with Library.open(tmp_path / "library") as library:
        library.refresh()
        before = library.search(Query(draw("ink", "disc"), k=16))
    (file,) = (tmp_path / "library" / "index").iterdir()
    file.write_bytes(file.read_bytes()[:-100])
    with Library.open(tmp_path / "library") as library:
        with pytest.raises(VectorIndexError, match="stylesearch rebuild"):
            library.search(Query(draw("ink", "disc")))
        assert library.rebuild() == 16
        assert library.search(Query(draw("ink", "disc"), k=16)) == before


def test_an_index_ahead_of_a_restored_catalog_is_dropped(filled, tmp_path):
    draw_studio(tmp_path / "pictures")
    with Library.create(tmp_path / "library", encoder="descriptors:lab-gradient") as library:
        shutil.copy(tmp_path / "library" / "catalog.db", tmp_path / "backup.db")
        fill(library, tmp_path / "pictures")
        library.refresh()
    for file in (tmp_path / "library").glob("catalog.db*"):
        file.unlink()
    shutil.copy(tmp_path / "backup.db", tmp_path / "library" / "catalog.db")
    with Library.open(tmp_path / "library") as library:
        assert library.search(Query(draw("ink", "disc"))) == []


def test_an_index_of_what_came_after_a_backup_is_dropped_however_far_the_restored_catalog_got(tmp_path):
    """The restored catalog gives the same ids and numbers to other pictures."""
    library = tmp_path / "library"
    for shape in ("disc", "ring"):
        (tmp_path / shape).mkdir()
        for style in STYLES:
            draw(style, shape).save(tmp_path / shape / f"{style}.png")
    with Library.create(library, encoder="descriptors:lab-gradient") as opened:
        shutil.copy(library / "catalog.db", tmp_path / "backup.db")
        fill(opened, tmp_path / "disc")
        opened.refresh()
    for file in library.glob("catalog.db*"):
        file.unlink()
    shutil.copy(tmp_path / "backup.db", library / "catalog.db")
    (tmp_path / "disc").rename(tmp_path / "disc-before")
    with Library.open(library) as opened:
        fill(opened, tmp_path / "ring")
    with Library.open(library) as opened:
        for style in STYLES:
            (best,) = opened.search(Query(tmp_path / "ring" / f"{style}.png", k=1, exclude_references=False))
            assert (Path(best.path).name, round(best.cosine, 3)) == (f"{style}.png", 1.0)


def test_a_library_that_an_older_encoder_filled_says_so_until_it_is_indexed_again(filled, tmp_path, monkeypatch):
    shutil.copytree(filled, tmp_path / "library")
    with Library.open(tmp_path / "library") as library:
        before = library.space
        number = library.browse(1)[0].id
    monkeypatch.setattr(LabGradientEncoder, "fingerprint", "0123456789abcdef")
    with Library.open(tmp_path / "library") as library:
        named = (
            rf"build {before.fingerprint[:8]}.*build 01234567.*stylesearch index PATH --library '{tmp_path}/library'"
        )
        with pytest.raises(SpaceMismatchError, match=named):
            library.search(Query(draw("ink", "disc")))
        assert len(library.search(Query(number))) == 15, "what is stored can still be compared"
        draw_studio(tmp_path / "again")
        settings = Settings.from_environment()
        index(
            library.catalog,
            library.encoder_for_indexing(),
            [tmp_path / "again"],
            thumbnails=library.thumbnails,
            settings=settings,
        )
        assert library.space.fingerprint == "0123456789abcdef"
        assert len(library.search(Query(draw("ink", "disc")))) == 16
    with Library.open(tmp_path / "library") as library:
        assert len(library.search(Query(draw("ink", "disc")))) == 16


def test_a_catalog_that_another_encoder_filled_is_not_taken_for_an_empty_one(filled, tmp_path, monkeypatch):
    monkeypatch.setattr(LabGradientEncoder, "fingerprint", "0123456789abcdef")
    url = f"sqlite:///{filled}/catalog.db"
    with Library.create(tmp_path / "library", encoder="descriptors:lab-gradient", catalog=url) as library:
        for reference in (1, draw("ink", "disc")):
            with pytest.raises(SpaceMismatchError, match=r"of which there are none.*stylesearch index PATH"):
                library.search(Query(reference))


def test_the_encoder_is_loaded_by_nothing_that_encodes_nothing(filled, tmp_path, monkeypatch):
    shutil.copytree(filled, tmp_path / "library")
    for module in ("library", "library_spaces", "spaces"):
        monkeypatch.setattr(f"stylesearch.{module}.load_encoder", None)
    with Library.open(tmp_path / "library") as library:
        assert library.status().searchable == library.rebuild() == library.refresh() == 16
        assert len(library.refusals()) == 1
        assert len(library.search(Query([1, (2, 0.5)]))) == 14


def test_a_library_does_not_depend_on_the_current_folder(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    Library.create("library", encoder="descriptors:lab-gradient", catalog="sqlite:///cat.db").close()
    with Library.open("library") as library:
        monkeypatch.chdir(tmp_path / "elsewhere")
        assert library.refresh() == 0
    with Library.open(tmp_path / "library") as library:
        assert library.status().counts.assets == 0
    assert (tmp_path / "cat.db").exists() and not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.parametrize("name", ["li?b", "l%41b#x"])
def test_a_library_may_lie_anywhere(tmp_path, name):
    Library.create(tmp_path / name, encoder="descriptors:lab-gradient").close()
    assert (tmp_path / name / "catalog.db").exists()


def test_an_index_folder_that_was_removed_is_made_again(filled, tmp_path):
    shutil.copytree(filled, tmp_path / "library")
    shutil.rmtree(tmp_path / "library" / "index")
    with Library.open(tmp_path / "library") as library:
        assert library.rebuild() == 16


def test_an_index_that_cannot_be_saved_still_searches(filled, tmp_path, monkeypatch, caplog):
    shutil.copytree(filled, tmp_path / "library")
    shutil.rmtree(tmp_path / "library" / "index")
    (tmp_path / "library" / "index").touch()
    monkeypatch.setattr("stylesearch.spaces.SAVE_AFTER", 1)
    with Library.open(tmp_path / "library") as library:
        assert len(library.search(Query(draw("ink", "disc")))) == 16
        assert "cannot be written" in caplog.text
        with pytest.raises(VectorIndexError, match="cannot be written"):
            library.refresh()


def test_a_missing_thumbnail_is_made_again(tmp_path):
    draw_studio(tmp_path / "pictures")
    with Library.create(tmp_path / "library", encoder="descriptors:lab-gradient") as library:
        fill(library, tmp_path / "pictures")
        asset, other = library.browse(2)
        before = library.thumbnail(asset).read_bytes()
        shutil.rmtree(library.thumbnails)
        assert library.ensure_thumbnail(asset) == library.thumbnail(asset)
        assert library.thumbnail(asset).read_bytes() == before
        shutil.rmtree(tmp_path / "pictures")
        assert library.ensure_thumbnail(asset) == library.thumbnail(asset)
        assert library.ensure_thumbnail(other) is None


def test_a_folder_that_was_renamed_is_forgotten(tmp_path, monkeypatch):
    draw_studio(tmp_path / "before")
    with Library.create(tmp_path / "library", encoder="descriptors:lab-gradient") as library:
        fill(library, tmp_path / "before")
        (tmp_path / "before").rename(tmp_path / "after")
        fill(library, tmp_path / "after")
        monkeypatch.chdir(tmp_path)
        assert library.browse(1)[0].paths[0].startswith(str(tmp_path / "after")), "the latest scan comes first"
        assert library.forget("before/") == 16
        assert library.status().counts.assets == library.status().searchable == 16
        assert all(path.startswith(f"{tmp_path}/after/") for asset in library.browse(99) for path in asset.paths)
        assert library.forget(tmp_path) == 16
        assert (library.status().counts.assets, library.search(Query(draw("ink", "disc")))) == (0, [])


def test_a_library_file_with_a_password_is_its_owners(tmp_path):
    space = Space("descriptors:lab-gradient", "f", 4, "float32", "p")
    for url, mode in {
        "postgresql://a:b@host/db": 0o600,
        "postgresql://host/db?password=b": 0o600,
        "postgresql://a@host/db": 0o644,
    }.items():
        LibrarySettings(space, url).write(tmp_path)
        assert (tmp_path / "library.json").stat().st_mode & 0o777 == mode & ~umask()
        assert LibrarySettings.read(tmp_path) == LibrarySettings(space, url)
    with pytest.raises(LibraryError, match="cannot be written"):
        LibrarySettings(space).write(tmp_path / "absent")


def umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_who_may_only_read_a_library_can_search_it():
    with ordinary_user() as folder:
        with Library.create(folder / "library", encoder="descriptors:lab-gradient") as library:
            library.refresh()
        for path in (folder / "library", *(folder / "library").rglob("*")):
            path.chmod(0o500 if path.is_dir() else 0o400)
        with Library.open(folder / "library") as library:
            assert (library.search(Query(draw("ink", "disc"))), library.status().searchable) == ([], 0)
            with pytest.raises(StyleSearchError, match="writable"):
                library.forget("/a")


def test_searches_from_several_threads_agree(filled):
    with Library.open(filled) as library:
        expected = library.search(Query(draw("riso", "disc"), k=8))
        found: list[object] = []
        threads = [
            threading.Thread(target=lambda: found.append(library.search(Query(draw("riso", "disc"), k=8))))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == [expected] * 8


@pytest.mark.parametrize("text", ["", "[]", '{"version": 1}', '{"version": 99, "encoder": "x", "dtype": "float32"}'])
def test_a_library_of_another_version_or_damaged_is_refused(tmp_path, text):
    (tmp_path / "library.json").write_text(text)
    with pytest.raises(LibraryError, match=re.escape(str(tmp_path))):
        Library.open(tmp_path)


def test_the_library_is_made_once(filled):
    with pytest.raises(LibraryError, match="stylesearch index PATH"):
        Library.create(filled)
    assert json.loads((filled / "library.json").read_text())["space"]["encoder"] == "descriptors:lab-gradient"


def test_thumbnails_lie_where_the_library_says(filled):
    with Library.open(filled) as library:
        hits = library.search(Query(draw("ink", "disc"), k=16))
        assert len(hits) == len(STYLES) * 4
        assert all(library.thumbnail(hit.asset).is_file() for hit in hits)


def test_the_example_of_the_readme_runs(filled, tmp_path):
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "archive").symlink_to(filled)
    for name, style in {"ink.png": "ink", "poster.jpg": "riso", "photo.jpg": "moss"}.items():
        draw(style, "disc", seed=77).save(tmp_path / name)
    shown = subprocess.run(
        [sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    lines = shown.splitlines()
    assert len(lines) == 5 and "/ink/" in lines[0] and float(lines[0].split()[0]) > float(lines[4].split()[0])
