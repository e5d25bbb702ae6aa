"""How a picture was made, as the catalog remembers it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from catalog_records import SPACE, indexed, sha
from sqlalchemy import text

from stylesearch.catalog import Catalog
from stylesearch.lineage import Fidelity, Ingredient, Lineage, Model
from stylesearch.records import Batch

MADE = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LINEAGE = Lineage(
    made_at=MADE,
    backend="flux:mega@models",
    models=(Model("FLUX.1-dev", "ab" * 32, "FLUX.1 [dev] Non-Commercial License"), Model("a.safetensors", None, None)),
    licence="Research only.",
    commercial=False,
    prompt="a fox, 'quoted' \N{ARTIST PALETTE}",
    seed=2**62,
    width=512,
    height=384,
    strength=0.75,
    steps=30,
    references=(Ingredient("red.png", sha("red"), 2.0, (0.0, 0.25, 0.5, 1.0)), Ingredient("dropped.jpg", None)),
    content=Ingredient("blue.png", sha("blue")),
)


def fill(catalog: Catalog, *names: str) -> dict[str, int]:
    """Assets by name; returns their ids."""
    space_id, scan_id = catalog.ensure_space(SPACE), catalog.begin_scan("/a")
    catalog.write(space_id, scan_id, Batch([indexed(f"/a/{name}.png", name) for name in names]))
    known = catalog.assets_by_hash([sha(name) for name in names], space_id)
    return {name: known[sha(name)].asset_id for name in names}


def test_a_lineage_comes_back_as_it_was_written(catalog: Catalog) -> None:
    catalog.add_lineage(sha("made"), LINEAGE)
    ids = fill(catalog, "red", "made")
    red = replace(LINEAGE.references[0], asset_id=ids["red"])
    known = replace(LINEAGE, references=(red, LINEAGE.references[1]))
    assert catalog.lineages(list(ids.values())) == {ids["made"]: known}, "blue is not in the library"
    assert catalog.lineages([-1, 2**70]) == {}


def test_fidelity_is_added_and_replaced(catalog: Catalog) -> None:
    catalog.add_lineage(sha("made"), LINEAGE)
    ids = fill(catalog, "made")
    for style in (0.5, 0.25):
        fidelity = Fidelity("fake", (style, 0.125), style, None, 0.0)
        catalog.set_fidelity(sha("made"), fidelity)
        found = catalog.lineages([ids["made"]])[ids["made"]]
        assert found.fidelity == fidelity
        assert [one.likeness for one in found.references] == [style, 0.125]
        assert found.content is not None and found.content.likeness is None


def test_the_same_picture_made_again_has_the_latest_lineage(catalog: Catalog) -> None:
    catalog.add_lineage(sha("made"), LINEAGE)
    again = replace(LINEAGE, prompt="", references=(), content=None, fidelity=Fidelity("fake", (), None, None, None))
    catalog.add_lineage(sha("made"), again)
    ids = fill(catalog, "made")
    assert catalog.lineages([ids["made"]]) == {ids["made"]: again}


def test_what_was_made_from_a_picture_is_known(catalog: Catalog) -> None:
    for number, name in enumerate(("first", "second")):
        catalog.add_lineage(sha(name), replace(LINEAGE, made_at=MADE + timedelta(days=number)))
    ids = fill(catalog, "red", "blue", "first", "second", "other")
    assert catalog.made_from(ids["red"]) == catalog.made_from(ids["blue"]) == [ids["second"], ids["first"]]
    assert catalog.made_from(ids["red"], limit=1) == [ids["second"]]
    assert catalog.made_from(ids["other"]) == catalog.made_from(2**70) == []


def test_pruning_drops_what_belongs_to_no_picture_and_keeps_the_rest(catalog: Catalog) -> None:
    now = datetime.now(UTC)
    for name in ("made", "never written", "gone"):
        catalog.add_lineage(sha(name), LINEAGE)
    catalog.add_lineage(sha("on its way"), replace(LINEAGE, made_at=now + timedelta(hours=1)))
    ids = fill(catalog, "red", "made", "gone")
    catalog.forget("/a/gone.png")
    catalog.forget("/a/red.png")
    dropped = [sha256 for some in catalog.prune(now + timedelta(minutes=1)) for sha256 in some]
    assert set(dropped) == {sha("gone"), sha("red")}
    with catalog.reading() as connection:
        left = set(connection.execute(text("SELECT sha256 FROM lineage")).scalars())
        results = set(connection.execute(text("SELECT result FROM ingredients")).scalars())
    assert left == results == {sha("made"), sha("on its way")}
    (found,) = catalog.lineages([ids["made"]]).values()
    assert (found.references[0].name, found.references[0].asset_id) == ("red.png", None), "it is remembered by name"
