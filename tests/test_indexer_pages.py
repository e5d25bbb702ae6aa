"""Further pages of a file are pictures of their own, and cost nothing while the file stays as it is."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes import FakeEncoder
from indexing import SETTINGS, Bench, open_bench
from pictures import draw

from indexer.run import index
from stylesearch.errors import ImageError
from stylesearch.images import load_pixels, read_image
from stylesearch.library import Library
from stylesearch.query import Query
from stylesearch.records import Limits


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with open_bench(tmp_path) as one:
        yield one


def tiff(*seeds: int) -> bytes:
    """A TIFF file with a page for each seed."""
    first, *others = (draw(seed) for seed in seeds)
    buffer = io.BytesIO()
    first.save(buffer, "TIFF", save_all=True, append_images=others)
    return buffer.getvalue()


def names(bench: Bench) -> set[str]:
    return set(bench.located())


ALL = {"a.tif", "a.tif#page=2", "a.tif#page=3"}


def test_each_page_is_a_picture(bench: Bench) -> None:
    (bench.pictures / "a.tif").write_bytes(tiff(1, 2, 3))
    bench.draw("b.png")
    report = bench.index(pages="all")
    assert (report.new, report.parts, report.encoded) == (4, 2, 4)
    assert names(bench) == {*ALL, "b.png"}
    space_id = bench.catalog.ensure_space(bench.encoder.space())
    for name, part in (("a.tif", None), ("a.tif#page=2", "page=2"), ("a.tif#page=3", "page=3")):
        _, vectors = bench.catalog.vectors(space_id, [bench.located()[name]])
        pixels = load_pixels(tiff(1, 2, 3), bench.encoder.preprocess, Limits(), part=part).pixels
        assert np.allclose(vectors[0], FakeEncoder().embed_pixels(pixels[None])[0], atol=1e-3)
    assert len(list(bench.thumbnails.rglob("*.webp"))) == 4


def test_only_the_first_page_unless_asked_for(bench: Bench) -> None:
    (bench.pictures / "a.tif").write_bytes(tiff(1, 2, 3))
    bench.draw("b.png")
    assert bench.index().new == 2 and names(bench) == {"a.tif", "b.png"}
    report = bench.index(pages="all")
    assert (report.described, report.new, report.unchanged, report.encoded) == (1, 2, 1, 2)
    assert names(bench) == {*ALL, "b.png"}


@pytest.mark.parametrize("pages", ["all", "first"])
def test_unchanged_pages_are_not_opened(bench: Bench, pages: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (bench.pictures / "a.tif").write_bytes(tiff(1, 2, 3))
    bench.index(pages="all")
    monkeypatch.setattr("indexer.intake.hash_file", None)
    report = bench.index(pages=pages)
    assert (report.unchanged, report.parts, report.bytes, report.gone) == (3, 2, 0, 0)
    assert names(bench) == ALL


@pytest.mark.parametrize("pages", ["all", "first"])
def test_pages_move_with_their_file(bench: Bench, pages: str) -> None:
    (bench.pictures / "a.tif").write_bytes(tiff(1, 2, 3))
    bench.index(pages="all")
    before = bench.located()
    (bench.pictures / "a.tif").rename(bench.pictures / "b.tif")
    report = bench.index(pages=pages)
    assert (report.moved, report.gone, report.encoded) == (3, 3, 0)
    assert bench.located() == {name.replace("a.tif", "b.tif"): asset_id for name, asset_id in before.items()}


def test_copies_share_their_pages(bench: Bench) -> None:
    for name in ("a.tif", "b.tif"):
        (bench.pictures / name).write_bytes(tiff(1, 2))
    report = bench.index(pages="all")
    assert (report.new, report.moved, report.encoded) == (2, 2, 2)
    assert len(names(bench)) == 4 and len(set(bench.located().values())) == 2


def test_a_file_with_fewer_pages(bench: Bench) -> None:
    (bench.pictures / "a.tif").write_bytes(tiff(1, 2, 3))
    bench.index(pages="all")
    (bench.pictures / "a.tif").write_bytes(tiff(1, 4))
    report = bench.index(pages="all")
    assert (report.changed, report.gone) == (2, 1)
    assert names(bench) == {"a.tif", "a.tif#page=2"}
    (bench.pictures / "a.tif").unlink()
    bench.draw("b.png")
    assert bench.index(pages="all").gone == 2


def test_another_encoder_sees_every_page(bench: Bench) -> None:
    (bench.pictures / "a.tif").write_bytes(tiff(1, 2, 3))
    bench.index(pages="all")
    bench.encoder = FakeEncoder()
    bench.encoder.fingerprint = "07e4"
    report = bench.index()
    assert (report.again, report.encoded, report.gone) == (3, 3, 0)
    assert names(bench) == ALL


def test_a_stopped_run_goes_on_with_the_pages(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    (bench.pictures / "a.tif").write_bytes(tiff(1, 2, 3))
    with monkeypatch.context() as patch:
        patch.setattr("indexer.intake.files_of_parts", lambda file, parts: iter(()))
        bench.index(pages="all")
    assert names(bench) == {"a.tif"}
    report = bench.index(pages="all")
    assert (report.unchanged, report.new, report.encoded) == (1, 2, 2)
    assert names(bench) == ALL


def test_a_bad_page_is_refused_by_its_name(bench: Bench) -> None:
    draw(1).save(bench.pictures / "a.tif", save_all=True, append_images=[draw(2, (200, 100))])
    settings = replace(SETTINGS, limits=Limits(max_pixels=120 * 80))
    report = bench.index(pages="all", settings=settings)
    assert (report.new, report.refused) == (1, 1)
    refusal = bench.refusals()["a.tif#page=2"]
    assert (refusal.reason, refusal.decoder) == ("too-large", "tiff")
    again = bench.index(pages="all", settings=settings)
    assert (again.unchanged, again.still_refused, again.bytes) == (1, 1, 0)
    retried = bench.index(pages="all", retry_failed=True)
    assert retried.new == 1 and names(bench) == {"a.tif", "a.tif#page=2"}


def test_rehash_reads_every_page_once(bench: Bench) -> None:
    (bench.pictures / "a.tif").write_bytes(tiff(1, 2, 3))
    bench.index(pages="all")
    report = bench.index(pages="all", rehash=True)
    assert (report.unchanged, report.changed, report.encoded, report.parts) == (3, 0, 0, 2)


def test_a_page_is_a_reference_by_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(tiff(1, 2, 3))
    with Library.create(tmp_path / "library", encoder="descriptors:lab-gradient") as library:
        index(
            library.catalog,
            library.encoder,
            [tmp_path / "a.tif"],
            thumbnails=library.thumbnails,
            settings=SETTINGS,
            pages="all",
        )
        (tmp_path / "a.tif").rename(tmp_path / "copy.tif")  # under a path that the library does not know
        for part in ("", "#page=2", "#page=3"):
            source = f"{tmp_path}/copy.tif{part}"
            known = f"{tmp_path}/a.tif{part}"
            hit = library.search(Query(source, k=1, exclude_references=False))[0]
            assert hit.path == known and hit.cosine > 0.999
            assert known not in [hit.path for hit in library.search(Query(source, k=3))]
            assert library.find(source).asset.paths == (known,)
        shown = read_image(f"{tmp_path}/copy.tif#page=3")
        assert np.array_equal(np.asarray(shown), np.asarray(draw(3)))
        with pytest.raises(ImageError, match="page=9"):
            library.search(Query(f"{tmp_path}/copy.tif#page=9"))
