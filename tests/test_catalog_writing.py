"""What a batch and a scan do to the catalog."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from catalog_records import DIM, OTHER_SPACE, SPACE, indexed, live_vectors, refused, sha, vector

from stylesearch.catalog import Catalog
from stylesearch.errors import CatalogError, EncoderError, SpaceMismatchError
from stylesearch.records import Batch, Changes, FileStat, KnownFile, Refusal
from stylesearch.uris import path_of_uri, uri_of_path

STRANGE = [
    "/a/100%",
    "/a/under_score",
    "/a/underXscore",
    "/a/new\nline",
    '/a/it\'s "quoted"',
    "/a/back\\slash",
    "/a/ÄÖ 画像 🎨",
    uri_of_path(b"/a/latin-\xe9\xff.png".decode("utf-8", "surrogateescape")),
]


def fill(catalog: Catalog, batch: Batch, root: str = "/a") -> tuple[int, int, int]:
    """One whole scan that writes one batch; returns the ids of space and scan, and how many locations went."""
    space_id, scan_id = catalog.ensure_space(SPACE), catalog.begin_scan(root)
    catalog.write(space_id, scan_id, batch)
    return space_id, scan_id, catalog.finish_scan(scan_id)


def history(catalog: Catalog, space_id: int, after: int = 0) -> list[tuple[int, bool]]:
    """(asset id, live), oldest first."""
    stretches = catalog.changes(space_id, after)
    return [pair for some in stretches for pair in zip(some.asset_ids.tolist(), some.live.tolist(), strict=True)]


def last_sequence(catalog: Catalog, space_id: int) -> int:
    return max((some.sequence for some in catalog.changes(space_id, 0)), default=0)


def dump(catalog: Catalog, space_id: int) -> tuple[object, list[Refusal]]:
    """All that a batch can change; refusals apart."""
    ids = catalog.asset_ids()
    rows = [
        (some.asset_ids.tolist(), some.vectors.tolist(), some.live.tolist(), some.sequence)
        for some in catalog.changes(space_id, 0)
    ]
    return (catalog.assets(ids.tolist()), rows, catalog.counts()), catalog.refusals()


def test_a_batch_can_be_read_back(catalog: Catalog) -> None:
    space_id, _, gone = fill(catalog, Batch([indexed("/a/1", "red"), indexed("/a/2", "blue")], [refused("/a/3")]))
    assert gone == 0
    red, blue = (catalog.assets_by_hash([sha(name)], space_id)[sha(name)][0] for name in ("red", "blue"))
    asset = catalog.assets([red])[red]
    assert (asset.sha256, asset.size, asset.format, asset.width, asset.height) == (sha("red"), 3, "PNG", 4, 3)
    assert asset.paths == ("/a/1",)
    assert catalog.known(["/a/1", "/a/3", "/a/unknown"], space_id) == {
        "/a/1": KnownFile(FileStat("/a/1", 3, 1), red, has_vector=True),
        "/a/3": KnownFile(FileStat("/a/3", 9, 1), None, has_vector=False),
    }
    assert catalog.assets_by_hash([sha("green"), sha("blue")], space_id) == {sha("blue"): (blue, True, True, None)}
    assert history(catalog, space_id) == [(red, True), (blue, True)]
    assert catalog.refusals() == [Refusal(FileStat("/a/3", 9, 1), "truncated", "The file ends too early.", sha("/a/3"))]
    counts = catalog.counts()
    assert (counts.assets, counts.locations, counts.gone, counts.refused) == (2, 2, 0, 1)
    assert live_vectors(catalog, SPACE) == 2


def test_vectors_come_back_in_half_precision_and_unit_length(catalog: Catalog) -> None:
    contents = [f"picture {number}" for number in range(50)]
    space_id, *_ = fill(catalog, Batch([indexed(f"/a/{name}", name) for name in contents]))
    ids = {catalog.assets_by_hash([sha(name)], space_id)[sha(name)][0]: name for name in contents}
    changes = next(catalog.changes(space_id, 0))
    found_ids, found = catalog.vectors(space_id, [*ids, 10**12])
    order = np.argsort(changes.asset_ids)
    assert np.array_equal(found_ids, changes.asset_ids[order])
    assert np.array_equal(found, changes.vectors[order])
    expected = np.stack([vector(ids[asset_id]) for asset_id in found_ids.tolist()])
    assert (str(found_ids.dtype), str(found.dtype), found.shape) == ("int64", "float32", (50, DIM))
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    assert np.min(np.sum(found * expected, axis=1)) > 1 - 1e-6


def test_no_vectors_are_an_empty_array_of_the_right_shape(catalog: Catalog) -> None:
    ids, vectors = catalog.vectors(catalog.ensure_space(SPACE), [])
    assert ids.shape == (0,)
    assert vectors.shape == (0, DIM)


def test_writing_a_batch_again_changes_only_attempts(catalog: Catalog) -> None:
    space_id, scan_id = catalog.ensure_space(SPACE), catalog.begin_scan("/a")
    catalog.write(space_id, scan_id, Batch([indexed("/a/1", "red")]))
    batch = Batch([indexed("/a/2", "blue"), indexed("/a/2b", "blue")], [refused("/a/3")], ["/a/1"])
    catalog.write(space_id, scan_id, batch)
    before, refusals = dump(catalog, space_id)
    catalog.write(space_id, scan_id, batch)
    after, refusals_after = dump(catalog, space_id)
    assert after == before
    assert refusals_after == [replace(refusals[0], attempts=2)]


def test_a_vector_is_never_replaced(catalog: Catalog) -> None:
    space_id, scan_id, _ = fill(catalog, Batch([indexed("/a/1", "red")]))
    _, before = catalog.vectors(space_id, catalog.asset_ids())
    catalog.write(space_id, scan_id, Batch([replace(indexed("/a/2", "red"), vector=vector("something else"))]))
    _, after = catalog.vectors(space_id, catalog.asset_ids())
    assert np.array_equal(before, after)


def test_a_moved_file_keeps_its_asset_and_its_vector(catalog: Catalog) -> None:
    space_id, *_ = fill(catalog, Batch([indexed("/a/old", "red")]))
    (asset_id,) = catalog.asset_ids()
    _, vectors = catalog.vectors(space_id, [asset_id])
    seen = last_sequence(catalog, space_id)
    *_, gone = fill(catalog, Batch([indexed("/a/new", "red", encoded=False)]))
    assert gone == 1
    assert catalog.asset_ids().tolist() == [asset_id]
    assert catalog.assets([asset_id])[asset_id].paths == ("/a/new",)
    told = history(catalog, space_id, seen)
    assert told == [(asset_id, True)], "its path has changed, and an index may filter by paths"
    assert np.array_equal(catalog.vectors(space_id, [asset_id])[1], vectors)


def test_a_copy_keeps_the_asset_alive(catalog: Catalog) -> None:
    space_id, *_ = fill(catalog, Batch([indexed("/a/2", "red"), indexed("/a/1", "red")]))
    (asset_id,) = catalog.asset_ids()
    assert catalog.assets([asset_id])[asset_id].paths == ("/a/1", "/a/2")
    fill(catalog, Batch(unchanged=["/a/2"]))
    assert history(catalog, space_id) == [(asset_id, True)]
    fill(catalog, Batch())
    assert history(catalog, space_id) == [(asset_id, False)]


def test_gone_and_back_in_every_space(catalog: Catalog) -> None:
    space_id, scan_id, _ = fill(catalog, Batch([indexed("/a/1", "red"), indexed("/a/2", "blue")]))
    other_id = catalog.ensure_space(OTHER_SPACE)
    catalog.write(other_id, scan_id, Batch([indexed("/a/1", "red")]))
    red, blue = catalog.asset_ids().tolist()
    *_, gone = fill(catalog, Batch(unchanged=["/a/2"]))
    assert gone == 1
    assert history(catalog, space_id) == [(blue, True), (red, False)]
    assert history(catalog, other_id) == [(red, False)]
    assert catalog.known(["/a/1"], space_id) == {"/a/1": KnownFile(FileStat("/a/1", 3, 1), red, True, present=False)}
    assert catalog.asset_ids().tolist() == [blue]
    assert catalog.assets([red])[red].paths == ()
    assert (catalog.counts().gone, catalog.spaces()) == (1, [SPACE]), "the other space holds no present asset"
    assert catalog.vectors(space_id, [red])[0].tolist() == [red]
    fill(catalog, Batch(unchanged=["/a/1", "/a/2"]))
    assert history(catalog, space_id) == [(blue, True), (red, True)]
    assert history(catalog, other_id) == [(red, True)]
    assert catalog.counts().gone == 0


def test_a_changed_file_goes_to_another_asset(catalog: Catalog) -> None:
    space_id, *_ = fill(catalog, Batch([indexed("/a/1", "red")]))
    (red,) = catalog.asset_ids().tolist()
    fill(catalog, Batch([indexed("/a/1", "blue", mtime=2)]))
    (blue,) = catalog.asset_ids().tolist()
    assert history(catalog, space_id) == [(blue, True), (red, False)]
    assert catalog.known(["/a/1"], space_id)["/a/1"] == KnownFile(FileStat("/a/1", 4, 2), blue, True)


def test_a_file_that_turned_bad_and_good_again(catalog: Catalog) -> None:
    space_id, *_ = fill(catalog, Batch([indexed("/a/1", "red")]))
    (red,) = catalog.asset_ids().tolist()
    fill(catalog, Batch(refused=[refused("/a/1", mtime=2)]))
    assert history(catalog, space_id) == [(red, False)]
    assert catalog.known(["/a/1"], space_id)["/a/1"].asset_id is None
    fill(catalog, Batch(unchanged=["/a/1"]))  # still bad, and not tried again
    assert history(catalog, space_id) == [(red, False)]
    assert len(catalog.refusals()) == 1
    fill(catalog, Batch([indexed("/a/1", "red", mtime=3, encoded=False)]))
    assert history(catalog, space_id) == [(red, True)]
    assert catalog.refusals() == []


def test_refusals_of_files_that_went_are_forgotten(catalog: Catalog) -> None:
    fill(catalog, Batch(refused=[refused("/a/1"), refused("/a/2")]))
    fill(catalog, Batch(refused=[refused("/elsewhere/3")]), root="/elsewhere")
    fill(catalog, Batch(refused=[refused("/a/2")]))
    assert [(file.stat.uri, file.attempts) for file in catalog.refusals()] == [("/a/2", 2), ("/elsewhere/3", 1)]


@pytest.mark.parametrize("root", ["/a/b", "/a/b/", "/a/100%", "/a/b_c", "/A/B", "/", "/a/b/file"])
def test_a_scan_speaks_only_of_what_lies_below_its_root(catalog: Catalog, root: str) -> None:
    uris = ["/a/b", "/a/b/file", "/a/b/deep/file", "/a/b-file", "/a/b0", "/a/bb/file", "/a/100%/x", "/a/100 per/x"]
    uris += ["/a/b_c/x", "/a/bXc/x", "/A/B/x", "/a/B/x"]
    fill(catalog, Batch([indexed(uri, uri) for uri in uris]), root="/")
    *_, gone = fill(catalog, Batch(), root=root)
    below = {uri for uri in uris if uri == root or uri.startswith(root.rstrip("/") + "/")}
    left = {path for asset in catalog.assets(catalog.asset_ids().tolist()).values() for path in asset.paths}
    assert left == set(uris) - below
    assert gone == len(below)


def test_what_a_scan_could_not_look_into_stays(catalog: Catalog) -> None:
    uris = ["/a/locked/1", "/a/locked/deep/2", "/a/locked file", "/a/open/3"]
    batch = Batch([indexed(uri, uri) for uri in uris], [refused("/a/locked/bad"), refused("/a/open/bad")])
    fill(catalog, batch)
    assert catalog.finish_scan(catalog.begin_scan("/a"), unreadable=["/a/locked", "/a/locked file"]) == 1
    assert len(catalog.asset_ids()) == 3
    assert [file.stat.uri for file in catalog.refusals()] == ["/a/locked/bad"]


def test_an_older_scan_does_not_undo_a_newer_one(catalog: Catalog) -> None:
    fill(catalog, Batch([indexed("/a/1", "red"), indexed("/a/2", "blue")]))
    space_id, older, newer = catalog.ensure_space(SPACE), catalog.begin_scan("/a"), catalog.begin_scan("/a")
    catalog.write(space_id, newer, Batch(unchanged=["/a/1", "/a/2"]))
    catalog.write(space_id, older, Batch([indexed("/a/1", "red")]))
    assert catalog.finish_scan(older) == 0
    assert catalog.finish_scan(newer) == 0


def test_strange_names_come_back_as_they_were(catalog: Catalog) -> None:
    batch = Batch([indexed(uri, uri) for uri in STRANGE], [refused(uri + "-bad") for uri in STRANGE])
    space_id, *_ = fill(catalog, batch)
    assert set(catalog.known(STRANGE, space_id)) == set(STRANGE)
    paths = {path for asset in catalog.assets(catalog.asset_ids().tolist()).values() for path in asset.paths}
    assert paths == {path_of_uri(uri) for uri in STRANGE}
    assert [file.stat.uri for file in catalog.refusals()] == sorted(uri + "-bad" for uri in STRANGE)
    *_, gone = fill(catalog, Batch(unchanged=[*STRANGE, *(uri + "-bad" for uri in STRANGE)]))
    assert gone == 0
    assert catalog.counts().refused == len(STRANGE)


def test_large_batches_and_questions_are_cut_into_pieces(catalog: Catalog) -> None:
    uris = [f"/a/{number}" for number in range(5_200)]
    space_id, *_ = fill(catalog, Batch([indexed(uri, uri) for uri in uris]))
    assert len(catalog.known(uris, space_id)) == 5_200
    assert len(catalog.assets_by_hash([sha(uri) for uri in uris], space_id)) == 5_200
    *_, gone = fill(catalog, Batch(unchanged=uris[:400]))
    assert gone == 4_800
    assert live_vectors(catalog, SPACE) == 400
    stretches: list[Changes] = list(catalog.changes(space_id, 0, limit=1_000))
    assert [len(some.asset_ids) for some in stretches] == [1_000] * 5 + [200]
    assert sum(int(some.live.sum()) for some in stretches) == 400


def test_changes_are_ordered_and_resume_anywhere(catalog: Catalog) -> None:
    space_id, *_ = fill(catalog, Batch([indexed(f"/a/{number}", str(number)) for number in range(10)]))
    fill(catalog, Batch(unchanged=[f"/a/{number}" for number in range(0, 10, 2)]))
    whole = history(catalog, space_id)
    sequences = [some.sequence for some in catalog.changes(space_id, 0, limit=1)]
    assert sequences == sorted(set(sequences))
    assert len(whole) == len(sequences) == 10
    for number, after in enumerate(sequences, 1):
        assert history(catalog, space_id, after) == whole[number:]


def test_a_space_is_added_once(catalog: Catalog) -> None:
    first = catalog.ensure_space(SPACE)
    assert catalog.ensure_space(OTHER_SPACE) != first
    assert catalog.ensure_space(SPACE) == first
    assert catalog.spaces() == [], "none of them holds a vector"


def test_vectors_that_do_not_belong_are_refused(catalog: Catalog) -> None:
    space_id, scan_id = catalog.ensure_space(SPACE), catalog.begin_scan("/a")
    file = indexed("/a/1", "red")
    with pytest.raises(SpaceMismatchError, match=r"\(9,\)"):
        catalog.write(space_id, scan_id, Batch([replace(file, vector=np.ones(9, np.float32))]))
    for bad in (np.zeros(DIM, np.float32), np.full(DIM, np.nan, np.float32), np.ones(DIM, np.float32)):
        with pytest.raises(EncoderError):
            catalog.write(space_id, scan_id, Batch([replace(file, vector=bad)]))
    with pytest.raises(CatalogError, match="no space"):
        catalog.write(99, scan_id, Batch([file]))
    assert catalog.counts().assets == 0


def test_what_lies_at_or_below_a_forgotten_path_is_gone_until_it_is_indexed_again(catalog: Catalog) -> None:
    files = [indexed(uri, uri[-1]) for uri in ("/a/b/1", "/a/b/2", "/a/bc/3", "/a/copy/1")]
    fill(catalog, Batch(files, [refused("/a/b/bad"), refused("/a/bad")]))
    assert (catalog.forget("/a/b"), catalog.forget("/a/b")) == (2, 0)
    left = {asset.sha256: asset.paths for asset in catalog.list_assets()}
    assert left == {sha("1"): ("/a/copy/1",), sha("3"): ("/a/bc/3",)}
    assert [file.stat.uri for file in catalog.refusals()] == ["/a/bad"]
    assert (catalog.counts().assets, live_vectors(catalog, SPACE)) == (2, 2)
    fill(catalog, Batch(unchanged=[file.stat.uri for file in files]))
    assert (catalog.counts().assets, live_vectors(catalog, SPACE)) == (3, 3)


def test_the_paths_of_an_asset_begin_with_the_one_seen_last(catalog: Catalog) -> None:
    fill(catalog, Batch([indexed("/a/old", "red"), indexed("/a/older", "red")]), root="/a")
    fill(catalog, Batch([indexed("/z/new", "red")]), root="/z")
    assert [asset.paths for asset in catalog.list_assets()] == [("/z/new", "/a/old", "/a/older")]


def test_each_number_has_the_token_of_its_transaction(catalog: Catalog) -> None:
    space_id, *_ = fill(catalog, Batch([indexed("/a/1", "red"), indexed("/a/2", "blue")]))
    fill(catalog, Batch([indexed("/a/3", "green")]))
    (changes,) = catalog.changes(space_id, 0)
    tokens = [catalog.history(number) for number in range(changes.sequence + 2)]
    assert (tokens[0], tokens[-1]) == ("", ""), "before the first number, and after the last"
    assert changes.history == tokens[changes.sequence] != tokens[1] == tokens[2]
    assert next(catalog.changes(space_id, 0, limit=1)).history in tokens[1:]
