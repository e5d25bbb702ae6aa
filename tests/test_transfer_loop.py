"""From found style to a picture of the library: made, stamped, indexed, measured, remembered."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures import assert_same_picture
from PIL import Image
from studio import draw, draw_studio
from transferring import MODEL, FakeBackend

from indexer.run import index
from stylesearch import Library, Query, TransferCancelled, TransferError, UsageError
from stylesearch.backup import back_up, restore
from stylesearch.lineage import Model
from stylesearch.metadata import read_metadata
from stylesearch.pruning import prune
from stylesearch.query import Crop, Filters
from stylesearch.search import combine
from stylesearch.settings import Settings
from stylesearch.transfer.loop import FOLDER, Created, Input, create
from stylesearch.transfer.provenance import manifest_definition

SETTINGS = Settings.from_environment()


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("filled")
    draw_studio(folder / "pictures")
    with Library.create(folder / "library", encoder="descriptors:lab-gradient") as library:
        sources = [folder / "pictures"]
        index(library.catalog, library.encoder, sources, thumbnails=library.thumbnails, settings=SETTINGS)
    return folder / "library"


@pytest.fixture
def library(filled: Path, tmp_path: Path) -> Iterator[Library]:
    """A copy of the library, whose pictures lie where they lay."""
    shutil.copytree(filled, tmp_path / "library")
    with Library.open(tmp_path / "library") as opened:
        yield opened


def ids(library: Library) -> dict[str, int]:
    """Asset ids by STYLE/SHAPE."""
    found = [(Path(asset.paths[0]), asset.id) for asset in library.browse(100)]
    return {f"{path.parent.name}/{path.stem}": asset_id for path, asset_id in found}


def make(library: Library, *references: Input, backend: FakeBackend | None = None, **wanted: Any) -> list[Created]:
    options: dict[str, Any] = {"width": 160, "height": 120, "settings": SETTINGS} | wanted
    return create(library, backend or FakeBackend(), references, **options)


def files(library: Library) -> list[Path]:
    """Everything below the folder of what was made."""
    return [path for path in (library.folder / FOLDER).rglob("*") if path.is_file()]


def test_a_picture_is_made_indexed_and_found_by_its_reference(library: Library) -> None:
    known = ids(library)
    made = make(library, Input(known["riso/ring"]), prompt=" a fox ", seed=3, count=2)
    assert [one.lineage.seed for one in made] == [3, 4]
    hits = library.search(Query(references=known["riso/ring"], k=2))
    assert {hit.asset.id for hit in hits} == {one.asset.id for one in made}
    assert {Path(one.asset.paths[0]) for one in made} == set(files(library))
    assert all(path.name.startswith("a-fox-") for path in files(library))
    assert library.search(Query(references=made[0].asset.id, k=1))[0].asset.id in (made[1].asset.id, known["riso/ring"])


def test_scores_are_those_of_a_search(library: Library) -> None:
    known = ids(library)
    (made,) = make(library, Input(known["moss/bars"], 2.0), Input(known["ink/disc"]), seed=0)
    fidelity = made.lineage.fidelity
    assert fidelity is not None and fidelity.space == "descriptors:lab-gradient"
    found = library.catalog.vectors(1, [known["moss/bars"], known["ink/disc"], made.asset.id])
    by_id = dict(zip(found[0].tolist(), found[1], strict=True))
    moss, ink, own = by_id[known["moss/bars"]], by_id[known["ink/disc"]], by_id[made.asset.id]
    np.testing.assert_allclose(fidelity.likenesses, [own @ moss, own @ ink], atol=1e-6)
    wanted = combine(np.stack([moss, ink]), [2.0, 1.0], np.empty((0, len(own)), np.float32), [])
    assert fidelity.style == pytest.approx(float(wanted @ own), abs=1e-6)
    assert fidelity.leak is not None and fidelity.leak > 0.9, "it is the reference itself"
    assert fidelity.probability is None, "nobody has calibrated"
    hit = next(one for one in library.search(Query(references=known["moss/bars"])) if one.asset.id == made.asset.id)
    assert fidelity.likenesses[0] == pytest.approx(hit.cosine, abs=1e-6)


def test_a_calibrated_library_says_how_likely_the_style_is_shared(library: Library, tmp_path: Path) -> None:
    for seed in range(8):
        draw("riso", "disc", seed + 1).save(tmp_path / f"{seed}.png")
    index(library.catalog, library.encoder, [tmp_path], thumbnails=library.thumbnails, settings=SETTINGS)
    library.calibrate()
    (made,) = make(library, Input(ids(library)["riso/ring"]), seed=0)
    assert made.lineage.fidelity is not None
    probability = made.lineage.fidelity.probability
    assert probability is not None and 0 <= probability <= 1


def test_lineage_tells_how_it_was_made(library: Library, tmp_path: Path) -> None:
    known = ids(library)
    draw("night", "triangle", seed=9).save(tmp_path / "dropped \N{ARTIST PALETTE}.png")
    path = tmp_path / "dropped \N{ARTIST PALETTE}.png"
    references = [
        Input(Crop(known["riso/ring"], (0, 0, 0.5, 1)), 2.0),
        Input(path, 0.5),
        Input(draw("moss", "disc"), name="pasted.png"),
    ]
    backend = FakeBackend()
    wanted: dict[str, Any] = {"content": Input(known["ink/disc"]), "strength": 0.5, "steps": 4, "seed": 7}
    (made,) = make(library, *references, backend=backend, prompt="a fox", **wanted)
    lineage = library.lineage(made.asset.id)
    assert lineage == made.lineage and lineage is not None
    assert (lineage.backend, lineage.prompt, lineage.seed) == ("fake", "a fox", 7)
    assert (lineage.strength, lineage.steps, lineage.commercial) == (0.5, 4, False)
    assert (lineage.licence, lineage.models) == ("For tests alone.", (Model("fake-1", "ab" * 32, "research only"),))
    ring, dropped, pasted = lineage.references
    assert (ring.name, ring.asset_id, ring.weight, ring.box) == ("ring.png", known["riso/ring"], 2.0, (0, 0, 0.5, 1))
    assert (dropped.name, dropped.asset_id, dropped.weight) == (path.name, None, 0.5) and dropped.sha256 is not None
    assert (pasted.name, pasted.sha256) == ("pasted.png", None)
    assert lineage.content is not None and lineage.content.asset_id == known["ink/disc"]
    (request,) = backend.requests
    assert [one.asset_id for one in request.references] == [known["riso/ring"], None, None]
    assert request.references[0].picture.size == (80, 120)
    assert [asset.id for asset in library.made_from(known["ink/disc"])] == [made.asset.id]
    assert library.lineage(known["ink/disc"]) is None
    assert library.made_from(made.asset.id) == []


def test_the_file_says_of_itself_how_it_was_made(library: Library) -> None:
    (made,) = make(library, Input(ids(library)["riso/ring"]), prompt="a fox", seed=5)
    data = Path(made.asset.paths[0]).read_bytes()
    said = read_metadata(data, "PNG")
    assert (said.source_type, said.generated, said.description) == ("trainedAlgorithmicMedia", True, "a fox")
    assert said.software is not None and said.software.startswith("StyleSearch ")
    assert dict(said.generation) == {
        "tool": "StyleSearch",
        "model": "fake-1",
        "prompt": "a fox",
        "seed": 5,
        "width": 160,
        "height": 120,
    }
    assert said.year == made.lineage.made_at.year and said.notes == ()
    with Image.open(made.asset.paths[0]) as opened:
        manifest = json.loads(opened.text["stylesearch"])  # type: ignore[attr-defined]  # of PNG alone
    (action,) = manifest["assertions"][0]["data"]["actions"]
    assert action["action"] == "c2pa.created" and action["digitalSourceType"].endswith("/trainedAlgorithmicMedia")
    assert [one["relationship"] for one in manifest["ingredients"]] == ["inputTo"]
    assert manifest["ingredients"][0]["title"] == "ring.png"
    assert str(library.folder) not in json.dumps(manifest) and '"id"' not in json.dumps(manifest)
    assert library.browse(10, generated=True) == [made.asset]


@pytest.mark.parametrize(
    ("backend", "told"),
    [
        ("preview", "preview"),
        ("styleexpert@/home/ann/my#models/Kontext", "styleexpert@Kontext"),
        ("flux:redux@/home/ann@work/FLUX.1-dev", "flux:redux@FLUX.1-dev"),
        (r"flux:redux@D:\ann\FLUX.1-dev", "flux:redux@FLUX.1-dev"),
        ("comfyui:http://10.0.0.4:8188#flux-redux", "comfyui#flux-redux"),
        ("comfyui:http://10.0.0.4:8188#/home/ann@work/own.json", "comfyui#own.json"),
    ],
)
def test_the_file_does_not_say_where_models_are(library: Library, backend: str, told: str) -> None:
    (made,) = make(library, Input(ids(library)["riso/ring"]))
    manifest = manifest_definition(replace(made.lineage, backend=backend), "a.png")
    assert manifest["assertions"][1]["data"]["backend"] == told


def test_what_no_trained_model_made_does_not_say_so(library: Library) -> None:
    (made,) = make(library, Input(ids(library)["riso/ring"]), backend=FakeBackend((replace(MODEL, trained=False),)))
    said = read_metadata(Path(made.asset.paths[0]).read_bytes(), "PNG")
    assert (said.source_type, said.generated, dict(said.generation)) == ("algorithmicMedia", False, {})
    assert library.browse(10, generated=True) == []
    assert Filters(generated=False).filtering


def test_a_seed_is_drawn_where_none_is_named(library: Library) -> None:
    reference = Input(ids(library)["riso/ring"])
    first, second = (make(library, reference)[0].lineage for _ in range(2))
    assert first.seed != second.seed
    again = [make(library, reference, seed=first.seed)[0].asset for _ in range(2)]
    assert_same_picture(*(library.picture(asset) for asset in again))


@pytest.mark.parametrize("prompt", ["fail", "wait"])
def test_nothing_is_left_of_what_fails_or_is_cancelled(library: Library, prompt: str) -> None:
    before = library.catalog.counts()
    cancel = threading.Event()
    if prompt == "wait":
        threading.Timer(0.1, cancel.set).start()
    expected = {"fail": (TransferError, "out of paint"), "wait": (TransferCancelled, "cancelled")}[prompt]
    with pytest.raises(expected[0], match=expected[1]):
        make(library, Input(ids(library)["riso/ring"]), prompt=prompt, cancel=cancel)
    assert files(library) == [] and library.catalog.counts() == before


def test_what_is_cancelled_at_the_last_moment_is_not_kept(library: Library) -> None:
    cancel = threading.Event()
    with pytest.raises(TransferCancelled):
        make(library, Input(ids(library)["riso/ring"]), cancel=cancel, progress=lambda step: cancel.set())
    assert files(library) == []


def test_requests_that_cannot_be_met(library: Library) -> None:
    with pytest.raises(UsageError, match="no asset 999"):
        make(library, Input(999))
    with pytest.raises(UsageError, match="no asset 998"):
        make(library, Input(1), content=Input(998))
    with pytest.raises(UsageError, match="at least one reference"):
        make(library)
    with pytest.raises(UsageError, match="width"):
        make(library, Input(1), width=1)
    assert files(library) == []


def test_a_process_that_is_killed_leaves_no_half_of_a_picture(library: Library) -> None:
    """Killed in the backend; and once the file has its place, before it is indexed."""
    program = (
        "import os, signal, sys\n"
        "from transferring import FakeBackend\n"
        "from stylesearch import Library\n"
        "from stylesearch.settings import Settings\n"
        "from stylesearch.transfer import loop\n"
        "if sys.argv[2] == 'index':\n"
        "    loop._index = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "library = Library.open(sys.argv[1])\n"
        "settings = Settings.from_environment()\n"
        "loop.create(library, FakeBackend(), [loop.Input(1)], settings=settings, prompt=sys.argv[2], seed=1)\n"
    )
    for prompt in ("die", "index"):
        command = [sys.executable, "-c", program, str(library.folder), prompt]
        done = subprocess.run(command, cwd=Path(__file__).parent, timeout=60, check=False)
        assert done.returncode == -9
        assert len(files(library)) == (prompt == "index")
        assert library.browse(100, folders=[str(library.folder)]) == []
    (made,) = make(library, Input(1), seed=2)
    both = library.browse(100, folders=[str(library.folder)])
    assert len(both) == 2, "the next one brings it in"
    (other,) = (asset.id for asset in both if asset.id != made.asset.id)
    lineage = library.lineage(other)
    assert lineage is not None and (lineage.seed, lineage.fidelity) == (1, None)


def test_all_spaces_of_a_library_are_filled(library: Library) -> None:
    library.add_space("compact:v3")
    (made,) = make(library, Input(1))
    assert [count for _, count in library.filled_spaces()] == [17, 1]
    assert len(library.catalog.vectors(library.searching("compact:v3").id, [made.asset.id])[0]) == 1


def test_lineage_outlives_a_backup_and_goes_with_its_picture(library: Library, tmp_path: Path) -> None:
    (made,) = make(library, Input(ids(library)["riso/ring"]))
    back_up(library.folder, tmp_path / "backup")
    restore(tmp_path / "backup", tmp_path / "restored")
    with Library.open(tmp_path / "restored") as restored:
        assert restored.lineage(made.asset.id) == made.lineage
    prune(library.catalog, library.thumbnails, keep_days=0)
    assert library.lineage(made.asset.id) == made.lineage
    Path(made.asset.paths[0]).unlink()
    library.forget(made.asset.paths[0])
    prune(library.catalog, library.thumbnails, keep_days=-1)
    assert library.lineage(made.asset.id) is None
    with library.catalog.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM ingredients").scalar() == 0
