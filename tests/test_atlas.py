"""The map of a library by style: places, families, names, growth, and what happens when it cannot be drawn."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from catalog_records import APPEARANCE, indexed, sha
from typer.testing import CliRunner

from stylesearch import Library, LibraryError, MissingDependencyError, charting, projection
from stylesearch.atlas import Atlas
from stylesearch.cli import app
from stylesearch.families import names_of
from stylesearch.records import Appearance, Asset, Batch, Colour, Details, Metadata

STYLES = 3


def vectors_of(style: int, count: int, dim: int, seed: int = 0) -> np.ndarray:
    """float32 (count, dim), unit length: around one direction for each style."""
    middle = np.random.default_rng([1, style]).normal(size=dim)
    drawn = middle + 0.35 * np.random.default_rng([2, style, seed]).normal(size=(count, dim))
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


def add(library: Library, style: int, count: int, seed: int = 0) -> list[int]:
    """Adds pictures of one style, in a folder of its own; their ids."""
    catalog, space = library.catalog, library.catalog.ensure_space(library.space)
    vectors = vectors_of(style, count, library.space.dim, seed)
    names = [f"/art/style {'abc'[style]}/{seed}-{number}.png" for number in range(count)]
    files = [
        replace(indexed(name, name, encoded=False), vector=row, metadata=Metadata(), appearance=APPEARANCE)
        for name, row in zip(names, vectors, strict=True)
    ]
    catalog.write(space, catalog.begin_scan("/art"), Batch(files))
    return list(catalog.assets_at(names).values())


@pytest.fixture
def bare(tmp_path) -> Iterator[Library]:
    """An empty library."""
    with Library.create(tmp_path / "library", encoder="descriptors:lab-gradient") as library:
        yield library


@pytest.fixture
def empty(bare, monkeypatch) -> Library:
    """An empty library whose map is laid out in this process, which saves seconds of imports each time."""
    monkeypatch.setattr(charting, "_laid_out", lambda points, progress: projection.chart(points))
    return bare


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Path:
    """Folder of a library of three styles, with its map; for tests that change nothing."""
    folder = tmp_path_factory.mktemp("atlas") / "library"
    with Library.create(folder, encoder="descriptors:lab-gradient") as library:
        for style in range(STYLES):
            add(library, style, 40 - 5 * style)
        library.atlas()
    return folder


@pytest.fixture
def drawn(kept) -> Iterator[Library]:
    with Library.open(kept) as library:
        yield library


def style_of(library: Library, ids: np.ndarray) -> np.ndarray:
    assets = library.assets(ids.tolist())
    return np.array([Path(assets[one].paths[0]).parent.name for one in ids.tolist()])


def test_nearest_agrees_with_looking_at_every_pair():
    points = np.random.default_rng(0).normal(size=(300, 6)).astype(np.float32)
    gaps = ((points[:, None].astype(np.float64) - points[None]) ** 2).sum(2)
    expected = np.argsort(gaps, axis=1)[:, :5]
    one_cell = np.zeros(300, np.uint16)
    rows, distances = projection.nearest(points, one_cell, points, one_cell, points[:1], 5)
    assert np.array_equal(rows, expected)
    assert np.allclose(distances**2, np.take_along_axis(gaps, expected, 1), atol=1e-4)


def test_nearest_in_cells_overlooks_little():
    points = np.random.default_rng(0).normal(size=(4000, 4)).astype(np.float32)
    _, cells, parents = projection.grouped(points)
    centres = np.stack([points[cells == cell].mean(0) for cell in range(len(parents))])
    asked = np.arange(0, 4000, 40)
    rows, _ = projection.nearest(points[asked], cells[asked], points, cells, centres, 8)
    exact = np.argsort(((points[asked, None] - points[None]) ** 2).sum(2), axis=1)[:, :8]
    found = [len(set(one) & set(other)) / 8 for one, other in zip(rows.tolist(), exact.tolist(), strict=True)]
    assert np.mean(found) > 0.9


def test_families_are_numbered_by_size_and_branches_lie_within_them():
    points = np.concatenate([vectors_of(style, 200 - 50 * style, 16) for style in range(STYLES)])
    families, branches, parents = projection.grouped(points)
    sizes = np.bincount(families)
    assert sizes.tolist() == sorted(sizes, reverse=True)
    assert np.array_equal(parents[branches], families)
    assert np.array_equal(np.unique(branches), np.arange(len(parents)))


def test_share_done_follows_what_the_process_prints():
    assert projection.share_done("") == 0
    assert projection.share_done("families\nneighbours\n") == pytest.approx(0.1)
    assert projection.share_done("families\nneighbours\nplane\nIteration:  450, Loss: 1\n") == 1
    assert 0.3 < projection.share_done("families\nneighbours\nplane\nIteration:  10, Loss: 1\n") < 0.4


def test_styles_come_to_lie_apart_and_get_families(drawn):
    atlas = drawn.atlas()
    styles = style_of(drawn, atlas.ids)
    assert len(atlas) == 40 + 35 + 30
    assert atlas.positions.min() >= 0 and atlas.positions.max() <= 1
    gaps = ((atlas.positions[:, None] - atlas.positions[None]) ** 2).sum(2)
    np.fill_diagonal(gaps, np.inf)
    assert (styles[gaps.argmin(1)] == styles).mean() > 0.9
    for family in range(3):
        assert len(set(styles[atlas.families == family])) == 1
    assert [family.name for family in atlas.listed][:3] == ["style a", "style b", "style c"]
    assert sum(family.size for family in atlas.listed) == len(atlas)
    for family in atlas.listed:
        assert sum(branch.size for branch in family.branches) == family.size
        assert set(style_of(drawn, np.array(family.representatives))) == {family.name.partition(",")[0]}


def test_the_same_library_gives_the_same_map(drawn):
    before = drawn.drawn_atlas()
    after = drawn.atlas(anew=True)
    assert np.array_equal(before.positions, after.positions)
    assert (before.names, before.branch_names) == (after.names, after.branch_names)


def test_the_map_is_read_again_without_being_drawn(kept, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("it was drawn"))
    with Library.open(kept) as first, Library.open(kept) as second:
        assert second.drawn_atlas() is not None
        assert first.atlas().token == second.atlas().token


def test_a_map_that_another_process_has_drawn_is_taken_over(empty):
    add(empty, 0, 4)
    before = empty.atlas()
    replace(before, names=("drawn elsewhere",)).write(next((empty.folder / "index").glob("*.atlas")))
    assert empty.atlas().names == ("drawn elsewhere",)


def test_new_pictures_lie_beside_their_like_and_gone_ones_go(empty):
    old = [add(empty, style, 40) for style in range(STYLES)]
    before = empty.atlas()
    new = add(empty, 1, 6, seed=7)
    empty.forget("/art/style a/0-3.png")
    after = empty.drawn_atlas()
    assert len(after) == 3 * 40 + 6 - 1
    assert not after.outdated and after.moved == 7 and after.token != before.token
    lost = set(old[0]) - set(after.ids.tolist())
    assert len(lost) == 1
    places = dict(zip(after.ids.tolist(), after.positions, strict=True))
    of_style = np.array([places[one] for one in old[1]])
    others = np.array([places[one] for style in (0, 2) for one in old[style] if one in places])
    for one in new:
        assert np.abs(of_style - places[one]).sum(1).min() < np.abs(others - places[one]).sum(1).min()
    unchanged = [one for one in before.ids.tolist() if one in places]
    assert np.array_equal(before.positions[np.isin(before.ids, unchanged)], [places[one] for one in unchanged])
    with Library.open(empty.folder) as again:
        assert again.atlas().token == after.token


def test_a_map_of_which_more_than_a_quarter_is_new_is_drawn_anew(empty):
    add(empty, 0, 44)
    assert empty.atlas().charted == 44
    add(empty, 1, 12)
    assert empty.drawn_atlas().outdated
    atlas = empty.atlas()
    assert (atlas.charted, atlas.moved, len(atlas)) == (56, 0, 56)


def test_a_library_that_loses_everything_has_an_empty_map(empty):
    add(empty, 0, 5)
    empty.atlas()
    empty.forget("/art")
    assert len(empty.drawn_atlas()) == 0
    assert len(empty.atlas()) == 0
    add(empty, 1, 3)
    assert len(empty.atlas()) == 3


@pytest.mark.parametrize("count", [0, 1, 2, 3, 30])
def test_few_pictures(empty, count):
    if count:
        add(empty, 0, count)
    atlas = empty.atlas()
    assert len(atlas) == count
    assert np.isfinite(atlas.positions).all()
    assert sum(family.size for family in atlas.listed) == count
    assert len(atlas.unusual(5)) == (0 if count < 3 else min(count, 5))


def test_more_pictures_than_are_laid_out_together_lie_beside_the_others(empty, monkeypatch):
    monkeypatch.setattr(charting, "MOST_CHARTED", 60)
    for style in range(STYLES):
        add(empty, style, 30)
    atlas = empty.atlas()
    styles = style_of(empty, atlas.ids)
    assert len(atlas) == atlas.charted == 90
    assert all(len(set(styles[atlas.branches == branch])) == 1 for branch in range(len(atlas.parents)))


def test_unusual_pictures_stand_alone(empty):
    add(empty, 0, 40)
    alone = add(empty, 2, 1, seed=5)
    assert empty.atlas().unusual(1) == alone


def test_typical_pictures_are_those_next_to_the_mean(drawn):
    atlas = drawn.atlas()
    some = atlas.ids[:20]
    points = atlas.points[:20].astype(np.float32)
    expected = some[np.argsort(((points - points.mean(0)) ** 2).sum(1), kind="stable")[:3]]
    assert atlas.typical(np.append(some, 10**9), 3) == expected.tolist()
    assert atlas.typical(np.array([10**9]), 3) == []


def test_progress_rises_and_stops_the_work_by_raising(bare):
    add(bare, 0, 60)
    told: list[float] = []

    class Enough(Exception):  # noqa: N818 - a visitor's wish, no error
        pass

    def progress(share: float, doing: str) -> None:
        told.append(share)
        if "laying" in doing:
            raise Enough

    with pytest.raises(Enough):
        bare.atlas(progress)
    assert told == sorted(told) and told[0] >= 0 and told[-1] <= 1
    assert bare.drawn_atlas() is None
    assert not list((bare.folder / "index").glob("*.atlas*"))


def test_without_the_extra_the_error_names_it(empty, monkeypatch):
    monkeypatch.setattr(charting, "find_spec", lambda name: None if name == "pacmap" else object())
    with pytest.raises(MissingDependencyError, match=r"pip install 'stylesearch\[atlas\]'"):
        empty.atlas()


def test_a_failing_process_is_told(bare, monkeypatch, tmp_path):
    broken = tmp_path / "broken.py"
    broken.write_text("raise MemoryError('all of it')")
    monkeypatch.setattr(charting, "_PROGRAM", broken)
    add(bare, 0, 3)
    with pytest.raises(LibraryError, match="MemoryError: all of it"):
        bare.atlas()


@pytest.mark.parametrize("damage", ["cut", "nonsense", "version"])
def test_a_damaged_map_is_drawn_again(empty, damage):
    add(empty, 0, 4)
    empty.atlas()
    (path,) = (empty.folder / "index").glob("*.atlas")
    data = path.read_bytes()
    changed = data.replace(b'\\"version\\": 1', b'\\"version\\": 9')
    assert changed != data
    path.write_bytes({"cut": data[:200], "nonsense": b"nonsense", "version": changed}[damage])
    with Library.open(empty.folder) as library:
        assert library.drawn_atlas() is None
        assert len(library.atlas()) == 4


def test_the_map_of_another_space_or_history_is_not_used(empty, tmp_path):
    add(empty, 0, 4)
    atlas = empty.atlas()
    (path,) = (empty.folder / "index").glob("*.atlas")
    assert Atlas.read(path, "another") is None
    replace(atlas, history="another").write(path)
    with Library.open(empty.folder) as library:
        assert library.drawn_atlas() is None


GREY = Colour(0.5, 0.0, 0.0, 1.0)


def details(name: str, *tags: str, colour: Colour = GREY) -> Details:
    asset = Asset(1, sha(name), 1, "PNG", 4, 3, (name,))
    return Details(asset, Metadata(), dict.fromkeys(tags, ("user",)), Appearance((colour,), 0))


def test_names_say_what_tells_a_family_from_the_others():
    red, blue, white = Colour(0.55, 0.2, 0.1, 1.0), Colour(0.45, -0.02, -0.2, 1.0), Colour(1.0, 0.0, 0.0, 1.0)
    tagged = [details(f"/a/x/{number}.png", "etching", "all") for number in range(3)]
    in_folder = [details(f"/a/posters/{number}.png", "all", colour=red) for number in range(3)]
    plain = [details(f"/a/images/{number}.png", "all", colour=blue) for number in range(3)]
    again = [details(f"/a/2024/{number}.png", "all", colour=blue) for number in range(3)]
    pale = [details(f"/a/scans/{number}.png", "all", colour=white) for number in range(3)]
    names = names_of([tagged, in_folder, plain, again, pale])
    assert names == ["etching", "posters", "Mostly blue", "Mostly blue 2", "Mostly white"]


def test_names_without_colours_or_words_are_numbered():
    nothing = [Details(Asset(1, sha("x"), 1, "PNG", 4, 3, ("/1.png",)), Metadata(), {}, None)]
    assert names_of([nothing, nothing]) == ["Family", "Family 2"]


def test_mixed_colours_are_named_with_their_tone():
    dark = Appearance((Colour(0.25, 0.06, 0.05, 0.5), Colour(0.3, -0.06, 0.06, 0.5)), 0)
    (name,) = names_of([[replace(details("/1.png"), appearance=dark)]])
    assert name == "Dark brown and green"


def test_the_command_draws_lists_and_prints_json(kept):
    result = CliRunner().invoke(app, ["atlas", "--library", str(kept), "--json"])
    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout)
    assert printed["pictures"] == 105
    assert printed["families"][0]["name"] == "style a"
    assert len(printed["unusual"]) == 10
    result = CliRunner().invoke(app, ["atlas", "--library", str(kept)])
    assert "style b\t" in result.stdout and "105 pictures" in result.stderr
