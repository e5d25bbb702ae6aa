"""What stands out in pictures, as the catalog keeps it: small, the same for ever, and gone with its picture."""

from __future__ import annotations

import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from catalog_records import OTHER_SPACE, SPACE, indexed, sha
from sqlalchemy import text

from stylesearch.catalog import Catalog
from stylesearch.catalog.checking import faults
from stylesearch.errors import CatalogError
from stylesearch.mask_codec import SIDE, pack_mask, unpack_mask
from stylesearch.masking.base import Masks
from stylesearch.masking.keeping import as_masks, kept
from stylesearch.records import Batch, StoredMask

MASKER, OTHER_MASKER = "0123456789abcdef" * 4, "fedcba9876543210" * 4


def disc(side: int, radius: float = 0.3) -> np.ndarray:
    """float32 (side, side): a disc with a soft edge."""
    y, x = (np.mgrid[:side, :side] + 0.5) / side - 0.5
    return np.clip((radius - np.hypot(x, y)) * 20 + 0.5, 0, 1).astype(np.float32)


def stored(radius: float = 0.3) -> StoredMask:
    (mask,) = kept(Masks(disc(160, radius)[None], np.array([0.9], np.float32)))
    return mask


NOTHING = StoredMask(np.zeros((SIDE, SIDE), np.float32), 0.125, usable=False)


def write(catalog: Catalog, masks: dict[str, StoredMask], masker: str = MASKER) -> dict[str, int]:
    """Writes pictures with these masks; returns their ids."""
    space_id, scan_id = catalog.ensure_space(SPACE), catalog.begin_scan("/a")
    files = [replace(indexed(f"/a/{name}.png", name), mask=mask) for name, mask in masks.items()]
    catalog.write(space_id, scan_id, Batch(files, masker=masker))
    known = catalog.assets_by_hash([sha(name) for name in masks], space_id)
    return {name: known[sha(name)].asset_id for name in masks}


@pytest.mark.parametrize("side", [SIDE // 4, SIDE, 160, 1024])
def test_a_mask_is_small_and_comes_back_as_it_was_to_within_half_a_level(side: int) -> None:
    values = disc(side)
    data = pack_mask(values)
    found = unpack_mask(data)
    assert found.dtype == np.float32
    assert (found.shape, found.min(), found.max()) == ((SIDE, SIDE), 0, 1)
    assert len(data) < 800
    if side > SIDE and side % SIDE == 0:
        cells = values.reshape(SIDE, side // SIDE, SIDE, side // SIDE).mean((1, 3))
        assert np.abs(found - cells).max() <= 0.5 / 15 + 1e-6
    assert pack_mask(found) == data
    noise = np.random.default_rng(0).random((SIDE, SIDE), np.float32)
    assert np.abs(unpack_mask(pack_mask(noise)) - noise).max() <= 0.5 / 15 + 1e-6


@pytest.mark.parametrize("data", [b"", b"nothing", pack_mask(disc(80))[:-3], zlib.compress(bytes(10**7))])
def test_bytes_that_are_no_mask_are_refused(data: bytes) -> None:
    with pytest.raises(CatalogError, match="doctor --mend"):
        unpack_mask(data)


def test_masks_that_are_kept_are_usable_as_they_are_read_again() -> None:
    radii = [0.01, 0.04, 0.041, 0.042, 0.2, 0.4, 0.9]
    confidence = np.array([0.9, 0.9, 0.9, 0.9, 0.9, 0.1, 0.9], np.float32)
    masks = kept(Masks(np.stack([disc(160, radius) for radius in radii]), confidence))
    again = as_masks(masks)
    assert [mask.usable for mask in masks] == again.usable.tolist()
    assert [mask.usable for mask in masks][-3:] == [True, False, False]
    assert kept(again)[4].values.tolist() == masks[4].values.tolist()
    assert len(as_masks(kept(Masks(np.empty((0, 8, 8), np.float32), np.empty(0, np.float32))))) == 0


def test_masks_are_found_by_asset_and_by_content(catalog: Catalog) -> None:
    masks = {"red": stored(), "blue": NOTHING}
    ids = write(catalog, masks)
    write(catalog, {"red": stored(0.1)}, OTHER_MASKER)
    for name, mask in masks.items():
        found = catalog.mask(MASKER, ids[name])
        assert found is not None and (found.confidence, found.usable) == (mask.confidence, mask.usable)
        np.testing.assert_array_equal(found.values, mask.values)
    by_hash = catalog.masks_by_hash(MASKER, [sha("red"), sha("blue"), sha("unknown")])
    assert {digest: mask.usable for digest, mask in by_hash.items()} == {sha("red"): True, sha("blue"): False}
    assert catalog.mask(OTHER_MASKER, ids["blue"]) is None
    assert catalog.mask(MASKER, 2**70) is None
    assert catalog.without_subject(MASKER, [*ids.values(), 99]) == {ids["blue"]}
    space_id = catalog.ensure_space(SPACE)
    assert catalog.count_without_subject(MASKER, space_id) == 1
    catalog.forget("/a/blue.png")
    assert catalog.count_without_subject(MASKER, space_id) == 0


def test_a_mask_is_written_once(catalog: Catalog) -> None:
    ids = write(catalog, {"red": stored(0.3)})
    write(catalog, {"red": stored(0.1), "blue": stored(0.2)})
    found = catalog.mask(MASKER, ids["red"])
    assert found is not None
    np.testing.assert_array_equal(found.values, stored(0.3).values)


def test_many_masks_are_written_together(catalog: Catalog) -> None:
    ids = write(catalog, {str(number): stored(0.1 + number / 100) if number % 2 else NOTHING for number in range(24)})
    assert catalog.without_subject(MASKER, ids.values()) == {ids[str(number)] for number in range(0, 24, 2)}
    found = catalog.mask(MASKER, ids["23"])
    assert found is not None
    np.testing.assert_array_equal(found.values, stored(0.33).values)


def test_masks_of_other_maskers_are_dropped(catalog: Catalog) -> None:
    ids = write(catalog, {"red": stored(), "blue": NOTHING})
    write(catalog, {"red": stored()}, OTHER_MASKER)
    assert (catalog.count_other_masks(MASKER), catalog.count_other_masks(None)) == (1, 3)
    catalog.drop_other_masks(MASKER)
    assert (catalog.count_other_masks(MASKER), catalog.count_other_masks(None)) == (0, 2)
    assert catalog.mask(MASKER, ids["blue"]) is not None
    catalog.drop_other_masks(None)
    assert catalog.count_other_masks(None) == 0


def test_a_mask_goes_with_its_picture(catalog: Catalog) -> None:
    write(catalog, {"red": stored(), "blue": stored()})
    catalog.forget("/a/red.png")
    dropped = list(catalog.prune(datetime.now(UTC) + timedelta(seconds=1)))
    assert dropped == [[sha("red")]]
    assert catalog.masks_by_hash(MASKER, [sha("red"), sha("blue")]).keys() == {sha("blue")}
    assert list(faults(catalog)) == []


def test_a_damaged_mask_is_found_and_made_again_with_the_vectors_of_regions(catalog: Catalog) -> None:
    ids = write(catalog, {"red": stored(), "blue": stored(), "green": NOTHING})
    background = catalog.ensure_space(replace(OTHER_SPACE, region="background"))
    catalog.write(
        background, catalog.begin_scan("/a"), Batch([indexed("/a/red.png", "red"), indexed("/a/blue.png", "blue")])
    )
    assert list(faults(catalog)) == []
    with catalog.writing() as connection:
        connection.execute(text("UPDATE masks SET data = :data WHERE asset_id = :id"), {"data": b"x", "id": ids["red"]})
    with pytest.raises(CatalogError, match="doctor --mend"):
        catalog.mask(MASKER, ids["red"])
    (fault,) = faults(catalog)
    assert (fault.problem, fault.count) == ("masks", 1)
    assert fault.cure is not None
    fault.cure()
    assert list(faults(catalog)) == []
    assert catalog.mask(MASKER, ids["red"]) is None
    assert [uri for some in catalog.unencoded(background) for uri in some] == ["/a/red.png", "/a/green.png"]
    assert catalog.vector_count(catalog.ensure_space(SPACE)) == 3
