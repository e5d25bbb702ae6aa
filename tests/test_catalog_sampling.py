"""Pages of a mixed order, against a slow version; totals and states that follow every write."""

from __future__ import annotations

import pytest
from catalog_records import SPACE, indexed, sha

from stylesearch.catalog import Catalog, selection
from stylesearch.query import Filters
from stylesearch.records import Batch


@pytest.fixture
def filled(catalog: Catalog) -> Catalog:
    """100 pictures, every seventh a JPEG, every fifth gone, four tagged, of which one is gone."""
    space_id, scan_id = catalog.ensure_space(SPACE), catalog.begin_scan("/a")
    files = [indexed(f"/a/{n % 3}/{n}.png", str(n), format="PNG" if n % 7 else "JPEG") for n in range(100)]
    catalog.write(space_id, scan_id, Batch(files))
    for number in range(0, 100, 5):
        catalog.forget(f"/a/{number % 3}/{number}.png")
    catalog.add_tags({2: ["rare"], 3: ["rare"], 6: ["rare"], 17: ["Rare"]}, "user")
    return catalog


FILTERS = [
    Filters(),
    Filters(formats=("PNG",)),
    Filters(formats=("JPEG",)),
    Filters(tags=("rare",)),
    Filters(paths=("/a/1/**",)),
    Filters(paths=("/a/2/**",), formats=("PNG",), tags=("rare",)),
]


@pytest.mark.parametrize("tried", [7, 4_000])
@pytest.mark.parametrize("filters", FILTERS)
def test_pages_go_through_all_assets_in_the_order_of_their_digests(
    filled: Catalog, monkeypatch: pytest.MonkeyPatch, filters: Filters, tried: int
) -> None:
    monkeypatch.setattr(selection, "_TRIED", tried)
    assets = filled.assets(filled.asset_ids(filters)).values()
    expected = sorted(assets, key=lambda asset: asset.sha256)
    assert 0 < len(expected) < 80 or (filters, len(expected)) == (Filters(), 80), "a filter leaves out some, not all"
    assert [asset.id for asset in expected] != sorted(asset.id for asset in expected) or len(expected) < 3
    for size in (1, 3, 20, 1_000):
        found, after = [], ""
        while page := filled.sample(size, after, filters):
            assert len(page) == size or filled.sample(size, page[-1].sha256, filters) == []
            found += page
            after = page[-1].sha256
        assert found == expected


def test_the_state_changes_with_every_write_and_with_nothing_else(catalog: Catalog, catalog_url: str) -> None:
    states = [catalog.state()]
    space_id, scan_id = catalog.ensure_space(SPACE), catalog.begin_scan("/a")
    states.append(catalog.state())
    catalog.write(space_id, scan_id, Batch([indexed("/a/red.png", "red")]))
    states.append(catalog.state())
    with Catalog.open(catalog_url) as other:
        assert other.state() == states[-1]
        other.add_tags({1: ["red"]}, "user")
        states.append(other.state())
    assert catalog.state() == states[-1]
    catalog.counts(), catalog.asset_ids(), catalog.details([1]), catalog.sample(5)
    assert catalog.state() == states[-1]
    assert len(set(states)) == 4


def test_totals_that_were_counted_before_are_not_those_of_another_state(catalog: Catalog, catalog_url: str) -> None:
    assert catalog.counts().assets == 0
    with Catalog.open(catalog_url) as other:
        space_id, scan_id = other.ensure_space(SPACE), other.begin_scan("/a")
        other.write(space_id, scan_id, Batch([indexed("/a/red.png", "red")]))
        assert catalog.counts().assets == 1
        other.add_tags({1: ["red"]}, "user")
        assert catalog.counts().tagged == 1
        other.forget("/a")
    assert (catalog.counts().assets, catalog.counts().gone) == (0, 1)


def test_assets_without_a_file_have_no_paths_and_unknown_ones_are_left_out(filled: Catalog) -> None:
    gone = filled.assets_by_hash([sha("5")], 1)[sha("5")].asset_id
    found = filled.assets([gone, 2, 10**6])
    assert (set(found), found[gone].paths, found[2].paths) == ({gone, 2}, (), ("/a/1/1.png",))


def test_an_answer_to_a_filter_is_remembered_until_something_is_written(catalog: Catalog) -> None:
    space_id, scan_id = catalog.ensure_space(SPACE), catalog.begin_scan("/a")
    catalog.write(space_id, scan_id, Batch([indexed(f"/a/{number}", f"c{number}") for number in range(5)]))
    before = catalog.asset_ids(Filters(formats="PNG"))
    assert catalog.asset_ids(Filters(formats="PNG")) is before and not before.flags.writeable
    assert catalog.asset_ids(Filters(formats="JPEG")).tolist() == []
    catalog.write(space_id, scan_id, Batch([indexed("/a/new", "new")]))
    assert catalog.asset_ids(Filters(formats="PNG")).tolist() == [*before.tolist(), 6]


def test_ids_come_in_stretches(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [indexed(f"/a/{number}", f"c{number % 23}") for number in range(40)]
    catalog.write(catalog.ensure_space(SPACE), catalog.begin_scan("/a"), Batch(files))
    whole = catalog.asset_ids().tolist()
    with catalog.writing():
        pass  # another state, so that nothing is remembered
    monkeypatch.setattr(selection, "_TOGETHER", 5)
    assert catalog.asset_ids().tolist() == whole == sorted(whole) and len(whole) == 23
