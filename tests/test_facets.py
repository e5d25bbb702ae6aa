"""Facets against a slow count over everything that is known of each picture, colours, and saved searches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from catalog_records import SPACE, sha, vector

from stylesearch.catalog import Catalog, FacetCounts, SavedSearches
from stylesearch.catalog.terms import folded
from stylesearch.colour_bins import LEAST_SHARE, NEAR, bin_of, bins_near, bins_of, family_of, lab_of
from stylesearch.errors import UsageError
from stylesearch.facets import COLOURS, ORIENTATIONS, SIZES, Facets
from stylesearch.palette import oklab_of_srgb
from stylesearch.query import Filters
from stylesearch.records import Appearance, Batch, Colour, Details, FileStat, IndexedFile, Metadata

PICTURES = 60
SIDES = (300, 639, 640, 672, 1599, 1600, 3999, 4000)

FILTERS = [
    Filters(),
    Filters(formats="png"),
    Filters(sizes=("small", "huge"), orientations="portrait"),
    Filters(colours="blue"),
    Filters(colours=("red", "#f6f5f2")),
    Filters(tags=("POSTER", "grün")),
    Filters(creators="anna", whole=True),
    Filters(creators="anna"),
    Filters(licences="CC BY 4.0", years=(1950, None), whole=True),
    Filters(folders="/art/a"),
    Filters(folders=("/art/a/deep", "/art/box.zip"), formats=("png", "jpg")),
    Filters(paths="deep/**", tags="poster"),
    Filters(generated=False, years=(None, 1979)),
]


def picture(number: int, rng: np.random.Generator) -> IndexedFile:
    shares = np.sort(rng.dirichlet(np.ones(4)))[::-1]
    rgb = (
        rng.integers(0, 256, (4, 3))
        if number % 3
        else np.array([(47, 103, 197), (246, 245, 242), (9, 9, 9), (200, 40, 30)])
    )
    palette = tuple(Colour._make([*lab, share]) for lab, share in zip(oklab_of_srgb(rgb), shares, strict=True))
    metadata = Metadata(
        creators=tuple(rng.choice(["Anna", "anna", "Annabel", "Bo"], 2, replace=False)) if number % 4 else (),
        licence=("CC BY 4.0", "cc by 4.0", None)[number % 3],
        rights="© Bo" if number % 5 == 0 else None,
        keywords=tuple(rng.choice(["poster", "Poster", "Grün", "ink", "a|b"], 2, replace=False)),
        date="1972" if number % 7 else None,
        year=int(rng.integers(1895, 2026)) if number % 7 else None,
    )
    folder = ("/art/a", "/art/a/deep", "/art/b c", "/art")[number % 4]
    uri = f"/art/box.zip#member=x/{number}.png" if number % 11 == 0 else f"{folder}/{number}.png"
    width, height = (int(side) for side in rng.choice(SIDES, 2))
    form = ("PNG", "JPEG", "WEBP")[int(rng.integers(3))]
    content = str(number)
    appearance = Appearance(palette, number)
    return IndexedFile(FileStat(uri, 1, 1), sha(content), form, width, height, vector(content), metadata, appearance)


@pytest.fixture
def filled(catalog: Catalog) -> Catalog:
    """Sixty pictures, one of them at two places and with a tag in two spellings, and one whose file is gone."""
    rng = np.random.default_rng(3)
    files = [picture(number, rng) for number in range(PICTURES)]
    copy = replace(files[1], stat=FileStat("/art/b c/copy.png", 1, 1))
    lost = replace(picture(99, rng), stat=FileStat("/gone/lost.png", 1, 1))
    space, scan = catalog.ensure_space(SPACE), catalog.begin_scan("/")
    catalog.write(space, scan, Batch(indexed=[*files, copy, lost]))
    catalog.forget("/gone")
    catalog.add_tags({catalog.assets_at(["/art/a/deep/1.png"])["/art/a/deep/1.png"]: ["INK", "ink"]}, "user")
    return catalog


def known(catalog: Catalog, filters: Filters) -> list[Details]:
    return list(catalog.details(catalog.asset_ids(filters).tolist()).values())


def size(details: Details) -> str:
    longest = max(details.asset.width, details.asset.height)
    return next(name for name, (first, last) in SIZES.items() if (first or 0) <= longest <= (last or longest))


def orientation(details: Details) -> str:
    ratio = details.asset.width / details.asset.height
    return "landscape" if ratio > 1.05 else "portrait" if ratio < 1 / 1.05 else "square"


def colours(details: Details) -> set[str]:
    assert details.appearance is not None
    return {family_of(int(bin_of(np.array(c[:3])))) for c in details.appearance.palette if c.share >= LEAST_SHARE}


def decade(details: Details) -> list[str]:
    return [] if details.metadata.year is None else [str(details.metadata.year // 10 * 10)]


def rights(details: Details) -> set[str]:
    return {folded(text) for text in (details.metadata.licence, details.metadata.rights) if text}


SLOW: dict[str, Callable[[Details], Any]] = {
    "formats": lambda details: [details.asset.format],
    "sizes": lambda details: [size(details)],
    "orientations": lambda details: [orientation(details)],
    "colours": colours,
    "years": decade,
    "tags": lambda details: set(map(folded, details.tags)),
    "creators": lambda details: set(map(folded, details.metadata.creators)),
    "licences": rights,
}


def counted(facets: Facets, name: str) -> dict[str, int]:
    fold = folded if name in ("tags", "creators", "licences") else str
    return {fold(value): number for value, number in getattr(facets, name)}


@pytest.mark.parametrize("filters", FILTERS, ids=lambda filters: str(FILTERS.index(filters)))
def test_facets_count_what_the_other_filters_leave(filled: Catalog, filters: Filters) -> None:
    facets = FacetCounts(filled).of(filters)
    assert facets.total == len(known(filled, filters))
    for name, values in SLOW.items():
        nothing: Any = (None, None) if name == "years" else ()
        others = filters if name == "colours" else replace(filters, **{name: nothing})
        expected = Counter(value for details in known(filled, others) for value in values(details))
        assert counted(facets, name) == expected, name
    orders: dict[str, Iterable[str]] = {"sizes": SIZES, "orientations": ORIENTATIONS, "colours": COLOURS}
    for name, order in orders.items():
        found = [value for value, _ in getattr(facets, name)]
        assert found == [value for value in order if value in found]


def test_folders_are_walked_down(filled: Catalog) -> None:
    facets = FacetCounts(filled).of(Filters())
    assert facets.folder == "/art"
    assert [value for value, _ in facets.folders] == ["/art/a", "/art/b c", "/art/box.zip"]
    for value, number in facets.folders:
        assert number == len(filled.asset_ids(Filters(folders=value))), value
    within = FacetCounts(filled).of(Filters(folders="/art/a", formats="png"))
    assert within.folder == "/art/a"
    assert within.folders == (("/art/a/deep", len(filled.asset_ids(Filters(folders="/art/a/deep", formats="png")))),)
    for leaf in ("/art/box.zip", "/art/a/deep", "/nowhere", "../../etc"):
        assert FacetCounts(filled).of(Filters(folders=leaf)).folders == ()


@pytest.mark.parametrize(
    ("uris", "folder", "folders"),
    [
        ([], "", []),
        (["/a/b/c.png"], "/a/b", []),
        (["/a.png", "/b/c.png"], "/", ["/b"]),
        (["/a/b.png", "/a.d/b.png"], "/", ["/a", "/a.d"]),
        (["/x/a.png", "s3://bucket/a.png"], "", ["/", "s3:"]),
        (["s3://one/a/b.png", "s3://two/a.png"], "s3:", ["s3://one", "s3://two"]),
    ],
)
def test_the_folder_that_holds_all(catalog: Catalog, uris: list[str], folder: str, folders: list[str]) -> None:
    files = [replace(picture(1, np.random.default_rng(0)), stat=FileStat(uri, 1, 1), sha256=sha(uri)) for uri in uris]
    catalog.write(catalog.ensure_space(SPACE), catalog.begin_scan("/"), Batch(indexed=files))
    facets = FacetCounts(catalog).of(Filters())
    assert (facets.folder, [value for value, _ in facets.folders]) == (folder, folders)
    for value, number in facets.folders:
        assert len(catalog.asset_ids(Filters(folders=value))) == number == 1


def test_counts_are_remembered_until_something_is_written(filled: Catalog) -> None:
    counts = FacetCounts(filled)
    before = counts.of(Filters(tags="new"))
    assert counts.of(Filters(tags=["new"])) is before
    filled.add_tags({1: ["New"]}, "user")
    assert (before.total, counts.of(Filters(tags="new")).total) == (0, 1)


def test_a_picked_colour_finds_what_is_near_it(filled: Catalog) -> None:
    for colour in ("#2f67c5", "#c8281e", "#000000", "#808080"):
        wanted = lab_of(colour)
        expected = [
            details.asset.id
            for details in known(filled, Filters())
            if details.appearance is not None
            and any(
                c.share >= LEAST_SHARE and float(np.linalg.norm(np.array(c[:3]) - wanted)) <= NEAR
                for c in details.appearance.palette
            )
        ]
        assert filled.asset_ids(Filters(colours=colour)).tolist() == expected, colour
        sampled = filled.sample(PICTURES, filters=Filters(colours=colour))
        assert sorted(asset.id for asset in sampled) == expected


def test_bins_near_a_colour_hold_all_that_is_near() -> None:
    lab = oklab_of_srgb(np.random.default_rng(0).integers(0, 256, (20_000, 3)))
    bins = bin_of(lab)
    for one in lab[:100]:
        close = ((lab - one) ** 2).sum(1) <= NEAR**2
        assert all(bins_near(one) >> int(number) & 1 for number in set(bins[close].tolist()))


def test_every_family_holds_its_own_swatch() -> None:
    for name, swatch in COLOURS.items():
        assert family_of(int(bin_of(lab_of(swatch)))) == name


def test_a_speck_is_not_a_colour_of_the_picture() -> None:
    palette = np.array([(*lab_of("#d6362b"), 0.96), (*lab_of("#2f67c5"), 0.04)])
    assert bins_of(palette) == 1 << int(bin_of(palette[0, :3]))


@pytest.mark.parametrize(
    ("wrong", "named"),
    [({"sizes": "tiny"}, "'tiny'.*small"), ({"orientations": "<b>"}, "'<b>'"), ({"colours": "#12"}, "'#12'.*teal")],
)
def test_filters_that_make_no_sense_are_named(wrong: dict[str, str], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        Filters(**wrong)  # type: ignore[arg-type]


def test_saved_searches(catalog: Catalog) -> None:
    saved = SavedSearches(catalog)
    saved.save(" Ink \n<b>", "like=1&format=png")
    saved.save("blue", "colour=blue")
    saved.save("blue", "colour=blue&size=large")
    assert [(one.name, one.address) for one in saved.all()] == [
        ("blue", "colour=blue&size=large"),
        ("Ink <b>", "like=1&format=png"),
    ]
    saved.delete(saved.all()[0].id)
    saved.delete(10**30)
    assert [one.name for one in saved.all()] == ["Ink <b>"]
    for name, address in (("", "like=1"), ("\0", "like=1"), ("a", ""), ("a", "x" * 10_000)):
        with pytest.raises(UsageError):
            saved.save(name, address)
