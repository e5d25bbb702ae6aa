"""Regions of pictures: their masks are made once, and their styles found apart."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fakes import RedMasker
from PIL import Image, ImageDraw
from typer.testing import CliRunner, Result

from indexer.cluster.run import Cluster, index_on_cluster
from indexer.run import index
from stylesearch import Library, Query, UsageError, masking
from stylesearch.backup import back_up, restore
from stylesearch.cli import app
from stylesearch.doctor import examine
from stylesearch.encoders import load_encoder
from stylesearch.errors import EncoderError, LibraryError, SpaceMismatchError
from stylesearch.images import fit
from stylesearch.masking.base import Masks
from stylesearch.masking.keeping import as_masks, kept
from stylesearch.masking.regions import RegionEncoder, region_encoder
from stylesearch.query import Brushed, Crop
from stylesearch.records import REGIONS
from stylesearch.settings import LibrarySettings, Settings

ENCODER = "descriptors:lab-gradient"
BACKGROUND, SUBJECT = f"{ENCODER}@background", f"{ENCODER}@subject"
GROUNDS = {"sea": ((20, 60, 160), 5), "sand": ((210, 190, 140), 30), "moss": ((70, 110, 50), 60)}
SHAPES = ("disc", "box", "none")


def picture(ground: str, shape: str, size: tuple[int, int] = (160, 120)) -> Image.Image:
    """A ground, on which a red shape covers about a quarter."""
    (colour, grain), (width, height) = GROUNDS[ground], size
    noise = np.random.default_rng([list(GROUNDS).index(ground), width]).normal(0, grain, (height, width, 3))
    image = Image.fromarray(np.clip(noise + colour, 0, 255).astype(np.uint8))
    box = (width * 0.25, height * 0.25, width * 0.75, height * 0.75)
    if shape == "disc":
        ImageDraw.Draw(image).ellipse(box, fill=(230, 20, 20))
    elif shape == "box":
        ImageDraw.Draw(image).rectangle(box, fill=(250, 60, 50))
    return image


def run(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result


def run_json(*arguments: object) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = json.loads(run(*arguments, "--json").stdout)
    return found


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for ground in GROUNDS:
        for shape in SHAPES:
            picture(ground, shape).save(folder / f"{ground}-{shape}.png")
    return folder


@pytest.fixture(scope="module")
def masker() -> Iterator[RedMasker]:
    """The masker `fake:red`, which can be loaded by name."""
    made = RedMasker()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(masking._FAMILIES, "fake", lambda name, dtype: made)
        yield made
    masking._load.cache_clear()


@pytest.fixture(scope="module")
def filled(masker: RedMasker, pictures: Path) -> Path:
    """A library with three regions, filled; the tests work on copies of it."""
    folder = pictures.parent / f"{pictures.name} library"
    run("init", folder, "--encoder", ENCODER, "--regions", "whole,background,subject", "--masker", "fake:red")
    report = run("index", pictures, "-l", folder).stdout
    assert report.count("3 pictures have no clear subject: searched whole.") == 2
    assert masker.masked == 9
    return folder


@pytest.fixture
def library(filled: Path, tmp_path: Path) -> Path:
    shutil.copytree(filled, tmp_path / "library")
    return tmp_path / "library"


def names(library: Library, query: Query, space: str | None = None) -> list[str]:
    return [Path(hit.path).stem for hit in library.search(query, space=space)]


def stored(library: Library, name: str, space: str) -> np.ndarray:
    asset_id = next(asset.id for asset in library.browse(100) if Path(asset.paths[0]).stem == name)
    vector: np.ndarray = library.catalog.vectors(library.searching(space).id, [asset_id])[1][0]
    return vector


def test_masks_are_made_once_and_an_unchanged_library_computes_nothing(
    library: Path, masker: RedMasker, pictures: Path
) -> None:
    before = masker.masked
    run("index", pictures, "-l", library)
    assert masker.masked == before
    picture("sea", "disc", (200, 100)).save(library.parent / "new.png")
    run("index", library.parent / "new.png", "-l", library)
    assert masker.masked == before + 1
    for name in (BACKGROUND, SUBJECT):
        run("space", "clear", name, "--yes", "-l", library)
    filled = run_json("space", "fill", "-l", library)
    assert {name: (report["encoded"], report["masked"]) for name, report in filled.items()} == {
        BACKGROUND: (10, 0),
        SUBJECT: (10, 0),
    }
    assert masker.masked == before + 1


def test_a_region_that_is_added_later_uses_the_masks_that_there_are(
    masker: RedMasker, pictures: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "library"
    run("init", folder, "--encoder", ENCODER)
    assert "masker" not in json.loads((folder / "library.json").read_text()), "as an older version wrote it"
    before = masker.masked
    run("index", pictures, "-l", folder)
    assert masker.masked == before
    run("space", "add", "--region", "background", "--masker", "fake:red", "-l", folder)
    filled = run_json("space", "fill", "-l", folder)[BACKGROUND]
    assert (filled["encoded"], filled["masked"], filled["without_subject"]) == (9, 9, 3)
    run("space", "add", "--region", "subject", "-l", folder)
    filled = run_json("space", "fill", "-l", folder)[SUBJECT]
    assert (filled["encoded"], filled["masked"], filled["without_subject"]) == (9, 0, 3)
    rows = {row["space"]: row for row in json.loads(run("space", "list", "-l", folder, "--json").stdout)}
    assert {name: (row["region"], row["without_subject"]) for name, row in rows.items()} == {
        ENCODER: ("whole", 0),
        BACKGROUND: ("background", 3),
        SUBJECT: ("subject", 3),
    }
    assert "whole, background, subject (fake:red)" in run("status", "-l", folder).stdout


def test_the_style_of_a_background_is_found_whatever_is_in_front(library: Path, pictures: Path) -> None:
    with Library.open(library) as opened:
        assert opened.regions == ("whole", "background", "subject")
        query = Query(pictures / "sea-disc.png", k=2)
        assert sorted(names(opened, query, BACKGROUND)) == ["sea-box", "sea-none"]
        assert sorted(names(opened, query, SUBJECT)) == ["moss-disc", "sand-disc"]
        (best, *_) = opened.search(Query(pictures / "sea-disc.png", exclude_references=False), space=BACKGROUND)
        assert Path(best.path).stem == "sea-disc" and best.cosine > 0.9999
        regions = {Path(hit.path).stem: hit.region for hit in opened.search(Query(1, k=9), space=BACKGROUND)}
        assert {name for name, region in regions.items() if region == "whole"} == {f"{one}-none" for one in GROUNDS}
        assert set(regions.values()) == {"whole", "background"}
        assert {hit.region for hit in opened.search(Query(1, k=9))} == {"whole"}
    hits = json.loads(run("search", "id:1", "--region", "background", "-l", library, "--json").stdout)
    assert [hit["region"] for hit in hits].count("whole") == 3
    same = run("search", "id:1", "--space", SUBJECT, "--region", "background", "-l", library, "--json").stdout
    assert json.loads(same) == hits
    told = run("search", "id:1", "--region", "subject", "-l", library).output
    assert "3 of these have no clear subject: searched whole." in told


def test_vectors_are_those_of_the_encoder_of_the_region(library: Path, masker: RedMasker, pictures: Path) -> None:
    whole = load_encoder(ENCODER)
    with Library.open(library) as opened:
        for region in REGIONS[1:]:
            slow = RegionEncoder(whole, masker, region)
            assert opened.space_of(region).key == slow.space(region).key
            for name in ("sea-disc", "moss-box"):
                image, found = Image.open(pictures / f"{name}.png"), stored(opened, name, f"{ENCODER}@{region}")
                masks = as_masks(kept(masker.mask_batch([image])))
                (expected,) = slow.embed_with(fit(image, whole.preprocess)[None], masks, [image.size])
                assert found @ expected > 0.999
                assert found @ slow.embed_batch([image])[0] > 0.95, "with a mask that is not as coarse"
        assert stored(opened, "sea-disc", BACKGROUND) @ stored(opened, "sea-disc", ENCODER) < 0.99
        np.testing.assert_array_equal(stored(opened, "sea-none", BACKGROUND), stored(opened, "sea-none", ENCODER))


def test_a_mask_can_be_looked_at(library: Path) -> None:
    with Library.open(library) as opened:
        by_name = {Path(asset.paths[0]).stem: asset.id for asset in opened.browse(100)}
        mask = opened.mask(by_name["sea-box"])
        assert mask is not None and mask.usable and mask.confidence == 1
        assert mask.values[40, 40] == 1 and mask.values[5, 40] == 0 and 0.2 < mask.values.mean() < 0.3
        nothing = opened.mask(by_name["sea-none"])
        assert nothing is not None and not nothing.usable and not nothing.values.any()
        assert opened.mask(10_000) is None


@pytest.mark.parametrize("space", [ENCODER, BACKGROUND, SUBJECT])
def test_what_was_brushed_over_counts_whatever_the_masker_says(library: Path, pictures: Path, space: str) -> None:
    two = Image.new("RGB", (320, 120))
    two.paste(picture("sea", "disc"), (0, 0))
    two.paste(picture("moss", "none"), (160, 0))
    two.save(library.parent / "two.png")
    right = np.zeros((10, 64), bool)
    right[:, 33:] = True
    with Library.open(library) as opened:
        brushed = names(opened, Query(Brushed(library.parent / "two.png", right), k=1), space)
        assert brushed[0].startswith("moss")
        disc = np.zeros((60, 80), bool)
        disc[20:40, 25:55] = True
        asset_id = opened.find(pictures / "moss-disc.png").asset.id
        hits = opened.search(Query(Brushed(asset_id, disc), k=9), space=SUBJECT)
        assert Path(hits[0].path).stem.endswith("-disc"), "the picture itself is no answer"
        assert asset_id not in [hit.asset.id for hit in hits]
        dot = np.zeros((100, 100), bool)
        dot[50, 50] = True
        with pytest.raises(UsageError, match="Brush over more of it"):
            opened.search(Query(Brushed(asset_id, dot)), space=space)


def test_parts_and_pictures_without_a_file_are_searched_in_a_region(library: Path, pictures: Path) -> None:
    with Library.open(library) as opened:
        assert names(opened, Query(picture("sand", "box"), k=2), BACKGROUND)[0].startswith("sand")
        crop = Crop(pictures / "sand-disc.png", (0, 0, 1, 0.6))
        assert names(opened, Query(crop, k=1), BACKGROUND)[0].startswith("sand")
        data = (library.parent / "dropped.png", picture("moss", "disc", (100, 100)))
        data[1].save(data[0])
        loaded = opened.load_reference(data[0].read_bytes(), space=BACKGROUND)
        assert names(opened, Query(loaded.source, k=1), BACKGROUND)[0].startswith("moss")
        assert not np.allclose(loaded.source, opened.load_reference(data[0].read_bytes()).source)


def test_a_library_may_be_of_one_region_alone(masker: RedMasker, pictures: Path, tmp_path: Path) -> None:
    folder = tmp_path / "library"
    run("init", folder, "--encoder", ENCODER, "--regions", "background", "--masker", "fake:red")
    assert "9 files" in run("index", pictures, "-l", folder, "--dry-run").stdout
    masked = masker.masked
    report = json.loads(run("index", pictures, "-l", folder, "--json").stdout)
    assert (report["encoded"], report["masked"], report["without_subject"]) == (9, 9, 3)
    with Library.open(folder) as opened:
        assert sorted(names(opened, Query(pictures / "sea-disc.png", k=2))) == ["sea-box", "sea-none"]
        assert masker.masked > masked
        with pytest.raises(UsageError, match=rf"no space of '{ENCODER}' for the region 'whole'.*'background'"):
            opened.space_of("whole")


def test_the_last_region_takes_its_masks_along(library: Path) -> None:
    run("space", "drop", BACKGROUND, "--yes", "-l", library)
    with Library.open(library) as opened:
        assert opened.catalog.count_other_masks(None) == 9
    run("space", "drop", SUBJECT, "--yes", "-l", library)
    assert "masker" not in json.loads((library / "library.json").read_text())
    with Library.open(library) as opened:
        assert opened.catalog.count_other_masks(None) == 0
        assert opened.mask(1) is None and opened.regions == ("whole",)


def test_a_masker_that_has_changed_makes_new_masks_and_the_old_ones_are_swept_up(
    library: Path, masker: RedMasker, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(masker, "fingerprint", "0123456789abcdef" * 4)
    with Library.open(library) as opened:
        assert len(opened.search(Query(pictures / "sea-disc.png"))) == 8, "whole pictures need no masker"
        with pytest.raises(SpaceMismatchError, match=r"@background.*stylesearch index PATH"):
            opened.search(Query(pictures / "sea-disc.png"), space=BACKGROUND)
    run("index", pictures, "-l", library)
    choice = LibrarySettings.read(library).masker
    assert choice is not None and choice.fingerprint == masker.fingerprint
    with Library.open(library) as opened:
        assert sorted(names(opened, Query(pictures / "sea-disc.png", k=2), BACKGROUND)) == ["sea-box", "sea-none"]
        findings = [finding for finding in examine(opened, mend=True) if finding.where == "catalog"]
        assert [(finding.problem, finding.count, finding.mended) for finding in findings] == [("leftover", 9, True)]
        assert not [finding for finding in examine(opened) if finding.where == "catalog"]
        mask = opened.mask(1)
        assert mask is not None


def test_masks_are_backed_up_and_restored(library: Path, tmp_path: Path) -> None:
    with Library.open(library) as opened:
        before = [opened.mask(number) for number in range(1, 10)]
        opened.clear_space(BACKGROUND)
    back_up(library, tmp_path / "backup")
    with Library.open(library) as opened:
        opened.catalog.drop_other_masks(None)
    shutil.rmtree(library)
    restore(tmp_path / "backup", library)
    with Library.open(library) as opened:
        for number, mask in enumerate(before, 1):
            found = opened.mask(number)
            assert found is not None and mask is not None and found.usable == mask.usable
            np.testing.assert_array_equal(found.values, mask.values)
    assert run_json("space", "fill", "-l", library)[BACKGROUND]["masked"] == 0


class Fussy(RedMasker):
    """Cannot mask what is mostly green."""

    def _mask(self, pixels: np.ndarray) -> Masks:
        masks = super()._mask(pixels)
        masks.values[pixels[..., 1].mean((1, 2)) > pixels[..., 0].mean((1, 2)) + 20] = np.nan
        return masks


def test_a_picture_that_spoils_its_mask_is_missing_in_that_region_alone(pictures: Path, tmp_path: Path) -> None:
    whole, settings = load_encoder(ENCODER), Settings.from_environment()
    with Library.create(tmp_path / "library", encoder=ENCODER) as opened:
        for encoder in (whole, region_encoder(whole, Fussy(), "background")):
            report = index(opened.catalog, encoder, [pictures], thumbnails=opened.thumbnails, settings=settings)
        refused = {Path(refusal.stat.uri).stem for refusal in opened.refusals()}
        assert refused and refused <= {"moss-none", "moss-disc", "moss-box", "sea-none"}
        assert (report.refused, report.encoded) == (len(refused), 9 - len(refused))
        assert opened.catalog.counts().assets == 9
        assert len(opened.search(Query(1, k=9))) == 8


def test_a_masker_that_is_broken_ends_the_run(pictures: Path, tmp_path: Path) -> None:
    class Broken(RedMasker):
        def _mask(self, pixels: np.ndarray) -> Masks:
            return Masks(np.full(pixels.shape[:3], 2.0, np.float32), np.ones(len(pixels), np.float32))

    encoder = region_encoder(load_encoder(ENCODER), Broken(), "subject")
    with Library.create(tmp_path / "library", encoder=ENCODER) as opened, pytest.raises(EncoderError, match="0 to 1"):
        settings = Settings.from_environment()
        index(opened.catalog, encoder, [pictures], thumbnails=opened.thumbnails, settings=settings)


def test_many_machines_encode_whole_pictures(library: Path) -> None:
    cluster, url = Cluster.parse("ray"), "postgresql://nobody@nowhere/none"
    with Library.open(library) as opened, pytest.raises(UsageError, match=r"region 'background'.*space use NAME"):
        encoder = opened.installed_encoder(BACKGROUND)
        settings = Settings.from_environment()
        index_on_cluster(cluster, url, opened.catalog, encoder, [], thumbnails=opened.thumbnails, settings=settings)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--regions", "whole,sky"], "no region 'sky'; there are: whole, background, subject"),
        (["--regions", "whole,whole"], "named once each"),
        (["--masker", "fake:red"], "--regions whole,background"),
        (["--regions", "background", "--masker", "fake:red", "--mask-use", "erase"], "no use of a mask 'erase'"),
    ],
)
def test_regions_that_cannot_be_are_refused_before_anything_is_made(
    masker: RedMasker, tmp_path: Path, arguments: list[str], told: str
) -> None:
    output = run("init", tmp_path / "library", "--encoder", ENCODER, *arguments, code=2).output
    assert told in " ".join(output.split())
    assert not (tmp_path / "library").exists()


def test_a_library_has_one_masker(library: Path) -> None:
    with Library.open(library) as opened:
        with pytest.raises(UsageError, match="already"):
            opened.add_space(region="background")
        with pytest.raises(UsageError, match="told apart by 'fake:red'"):
            opened.add_space("compact:v3", region="background", masker="masker:v1")
        with pytest.raises(UsageError, match="Name one"):
            opened.add_space("compact:v3", masker="fake:red")
        assert opened.add_space("compact:v3", region="background").name == "compact:v3@background"
        assert opened.space_of("background", "compact:v3").encoder == "compact:v3"
        with pytest.raises(UsageError, match="for the region 'subject'; its regions there: 'background'"):
            opened.space_of("subject", "compact:v3")


def test_settings_of_a_masker_are_read_back(tmp_path: Path, library: Path) -> None:
    settings = LibrarySettings.read(library)
    (tmp_path / "copy").mkdir()
    settings.write(tmp_path / "copy")
    assert LibrarySettings.read(tmp_path / "copy") == settings
    values = json.loads((library / "library.json").read_text())
    del values["masker"]["use"]
    (library / "library.json").write_text(json.dumps(values))
    with pytest.raises(LibraryError, match="incomplete"):
        LibrarySettings.read(library)
