"""Paths that are longer than what an ordered index of PostgreSQL takes."""

from __future__ import annotations

import random
import string

from catalog_records import SPACE, indexed, refused, sha

from stylesearch.catalog import Catalog
from stylesearch.catalog.tables import URI_START
from stylesearch.records import Batch

DRAWN = random.Random(0)
# Drawn, since PostgreSQL packs what repeats itself; of characters that take three bytes, as an archive in Japan has.
LONG = "/a/" + "".join(chr(DRAWN.randrange(0x4E00, 0x9FFF)) for _ in range(1_000)) + "/"
NAMES = ["".join(DRAWN.choices(string.ascii_letters, k=200)) for _ in range(12)]
URIS = sorted([LONG + name for name in NAMES[:9]] + [f"/a/{name}" for name in NAMES[9:]])


def filled(catalog: Catalog) -> tuple[int, int]:
    space_id, scan_id = catalog.ensure_space(SPACE), catalog.begin_scan("/a")
    files = [indexed(uri, uri) for uri in URIS]
    catalog.write(space_id, scan_id, Batch(files, [refused(LONG + f"bad{number}") for number in range(3)]))
    return space_id, scan_id


def test_long_paths_are_found_in_order_and_by_folder(catalog: Catalog) -> None:
    space_id, _ = filled(catalog)
    assert len(LONG.encode()) > 3_000 and len(LONG) > URI_START
    assert [uri for some in catalog.locations(limit=2) for uri, _ in some] == URIS
    assert [stat.uri for some in catalog.fixity(LONG.rstrip("/"), limit=2) for stat, _ in some] == [
        uri for uri in URIS if uri.startswith(LONG)
    ]
    assert (catalog.count_at("/a"), catalog.count_at(LONG), catalog.count_at(LONG[:-2])) == (12, 9, 0)
    assert sorted(catalog.known(URIS, space_id)) == URIS
    assert sorted(catalog.assets_at(URIS)) == URIS
    first, *rest = catalog.refusals(limit=1)
    assert rest == [] and [one.stat.uri for one in catalog.refusals(after=first.stat.uri)] == [
        LONG + "bad1",
        LONG + "bad2",
    ]


def test_a_long_path_is_one_location_however_often_it_is_written(catalog: Catalog) -> None:
    space_id, scan_id = filled(catalog)
    uri = LONG + NAMES[0]
    catalog.write(space_id, scan_id, Batch([indexed(uri, "other", mtime=5), indexed(uri, "third", mtime=6)]))
    catalog.write(space_id, scan_id, Batch([], [refused(LONG + "bad0"), refused(LONG + "bad0")]))
    (known,) = catalog.known([uri], space_id).values()
    assert known.stat.mtime_ns == 6
    assert known.asset_id == catalog.assets_by_hash([sha("third")], space_id)[sha("third")].asset_id
    assert (catalog.counts().locations, catalog.counts().refused) == (12, 3)


def test_a_scan_below_a_long_path_says_what_went(catalog: Catalog) -> None:
    space_id, _ = filled(catalog)
    scan_id = catalog.begin_scan(LONG.rstrip("/"))
    kept = LONG + NAMES[0]
    catalog.write(space_id, scan_id, Batch(unchanged=[kept]))
    unseen = [uri for some in catalog.unseen(scan_id, limit=2) for uri in some]
    assert len(unseen) == 8 + 3 and kept not in unseen
    assert catalog.finish_scan(scan_id) == 8
    assert sorted(path for asset in catalog.list_assets() for path in asset.paths) == sorted(
        [kept, *(uri for uri in URIS if not uri.startswith(LONG))]
    )
    assert catalog.refusals() == []
