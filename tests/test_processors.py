"""A library that one processor filled answers on another; the oldest instructions stand in for the other one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pictures import draw

from stylesearch.library import Library

OLDEST = {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "OMP_NUM_THREADS": "1"}
"""What `make test-arithmetic` sets: no AVX in the kernels of torch and oneDNN, and one thread."""

# In float32. What a component and a cosine may move by: learned encoders sum, the descriptors choose bins as well.
MOVES = {"compact": (1e-3, 1e-4), "descriptors:lab-gradient": (1e-2, 1e-3)}
COUNT = 12


def stylesearch(*arguments: object, **environment: str) -> str:
    command = [sys.executable, "-m", "stylesearch", *map(str, arguments)]
    kept = {name: value for name, value in os.environ.items() if name not in OLDEST}
    done = subprocess.run(command, env={**kept, **environment}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def found(library: Path, reference: Path, **environment: str) -> dict[str, float]:
    hits = json.loads(stylesearch("search", reference, "--library", library, "--k", COUNT, "--json", **environment))
    return {Path(hit["paths"][0]).name: hit["cosine"] for hit in hits}


def stored(library: Path) -> np.ndarray:
    with Library.open(library) as opened:
        by_name = sorted((Path(asset.paths[0]).name, asset.id) for asset in opened.browse(COUNT))
        return np.concatenate([opened.catalog.vectors(opened.searching().id, [asset_id])[1] for _, asset_id in by_name])


@pytest.mark.parametrize("encoder", MOVES)
def test_a_library_answers_on_another_processor(encoder: str, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for seed in range(COUNT):
        draw(seed, (160, 120)).save(pictures / f"{seed}.png")
    vectors = {}
    for name, environment in {"oldest": OLDEST, "own": {}}.items():
        library = tmp_path / name
        stylesearch("init", library, "--encoder", encoder, **environment)
        stylesearch("index", pictures, "--library", library, **environment)
        vectors[name] = stored(library)
    component, cosine = MOVES[encoder]
    np.testing.assert_allclose(vectors["oldest"], vectors["own"], rtol=0, atol=component)

    asked = pictures / "3.png"
    here, there = (found(tmp_path / "oldest", asked, **environment) for environment in ({}, OLDEST))
    assert here.keys() == there.keys() and len(here) == COUNT - 1
    assert max(abs(here[name] - there[name]) for name in here) < cosine
    for (one, before), (other, after) in zip(list(here.items())[:-1], list(here.items())[1:], strict=True):
        if before - after > 2 * cosine:  # no tie
            assert there[one] > there[other]
