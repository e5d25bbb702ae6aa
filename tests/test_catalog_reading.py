"""Questions to a catalog: filters, pages, totals."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from catalog_records import SPACE, indexed, live_vectors, refused

from stylesearch.catalog import Catalog
from stylesearch.query import Filters
from stylesearch.records import Asset, Batch, IndexedFile

FORMATS = {"jpg": "JPEG", "png": "PNG", "tif": "TIFF"}


@pytest.fixture
def filled(catalog: Catalog) -> Catalog:
    """40 assets; every fourth has two locations, and the last ten lost theirs."""
    space_id, first = catalog.ensure_space(SPACE), catalog.begin_scan("/lib")
    files = [_file(number, f"/lib/artist {number % 4}/{number}") for number in range(40)]
    files += [_file(number, f"/lib/copies/{number}") for number in range(0, 40, 4)]
    catalog.write(space_id, first, Batch(files))
    catalog.finish_scan(first)
    second = catalog.begin_scan("/lib")
    left = [file.stat.uri for file in files if int(file.stat.uri.rsplit("/")[-1].split(".")[0]) < 30]
    catalog.write(space_id, second, Batch(unchanged=left))
    catalog.finish_scan(second)
    return catalog


def _file(number: int, stem: str) -> IndexedFile:
    ending = list(FORMATS)[number % 3]
    return indexed(f"{stem}.{ending}", f"picture {number}", format=FORMATS[ending])


@pytest.mark.parametrize(
    ("paths", "formats", "wanted"),
    [
        ((), (), lambda number: True),
        ((), ("png",), lambda number: number % 3 == 1),
        ((), ("PNG", "Jpeg"), lambda number: number % 3 < 2),
        (("*.png",), (), lambda number: number % 3 == 1),
        (("/lib/artist 1/**",), (), lambda number: number % 4 == 1),
        (("copies/*",), (), lambda number: number % 4 == 0),
        (("/lib/copies/*", "/lib/artist 3/*"), ("tiff",), lambda number: number % 4 in (0, 3) and number % 3 == 2),
        (("/lib/artist 1/*", "2?.*"), (), lambda number: number % 4 == 1 or number >= 20),
        (("/lib/ARTIST 1/**",), (), lambda number: False),
        ((), ("gif",), lambda number: False),
        (("copies",), (), lambda number: number % 4 == 0),
        (("/lib/artist 1/",), (), lambda number: number % 4 == 1),
    ],
)
def test_filters(
    filled: Catalog, paths: tuple[str, ...], formats: tuple[str, ...], wanted: Callable[[int], bool]
) -> None:
    filters = Filters(paths=paths, formats=formats)
    ids = filled.asset_ids(filters)
    assert ids.dtype == "int64"
    # Ids are given in the order of the batch: picture n is asset n + 1 here.
    assert ids.tolist() == [number + 1 for number in range(30) if wanted(number)]
    pages: list[Asset] = []
    after = 0
    while page := filled.list_assets(after, 4, filters):
        pages += page
        after = page[-1].id
    assert [asset.id for asset in pages] == ids.tolist()
    assert {asset.id: asset for asset in pages} == filled.assets(ids.tolist())


def test_gone_assets_are_known_by_id_but_not_listed(filled: Catalog) -> None:
    assert filled.assets([35])[35].paths == ()
    assert filled.list_assets(after_id=30) == []
    assert filled.assets([10**12]) == {}


def test_totals(filled: Catalog) -> None:
    counts = filled.counts()
    assert (counts.assets, counts.locations, counts.gone, counts.refused) == (30, 30 + 8, 10 + 2, 0), (
        "assets are those that have a file"
    )
    assert live_vectors(filled, SPACE) == 30


def test_totals_of_an_empty_catalog(catalog: Catalog) -> None:
    counts = catalog.counts()
    assert (counts.assets, counts.locations, counts.gone, counts.refused) == (0, 0, 0, 0)


def test_refusals_in_pages(catalog: Catalog) -> None:
    uris = [f"/a/{number}" for number in range(25)]
    catalog.write(catalog.ensure_space(SPACE), catalog.begin_scan("/a"), Batch(refused=[refused(uri) for uri in uris]))
    pages: list[str] = []
    while page := catalog.refusals(limit=10, after=pages[-1] if pages else None):
        pages += [file.stat.uri for file in page]
    assert pages == sorted(uris)
    assert [file.stat.uri for file in catalog.refusals()] == sorted(uris)
