"""The drawn set: the same bytes however it is drawn, and nothing in it that training can have seen."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from indexing import children_of

from benchmarks.datasets import open_set
from benchmarks.datasets.rendered import CONTENT_SEEDS, STYLE_SEEDS, RenderedSet, contents_of, labels
from encoder_training.data import RenderedSource
from encoder_training.renderers import HELD_OUT_FAMILIES, draw_contents, render, sample_style
from stylesearch.errors import UsageError

SPEC = "rendered:styles=20,contents=3,size=32"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`SPEC`, drawn by one process."""
    folder = tmp_path_factory.mktemp("cache")
    open_set(SPEC, cache=folder)
    return folder


def files(cache: Path) -> dict[str, int]:
    """Modification times."""
    return {path.name: path.stat().st_mtime_ns for path in cache.rglob("*") if path.is_file()}


def test_every_style_is_drawn_over_the_same_contents(cache: Path) -> None:
    pictures = open_set(SPEC, cache=cache)
    assert (len(pictures), pictures.problems, pictures.licence) == (60, (), "Apache-2.0")
    assert len(set(pictures.styles)) == 20 and pictures.contents == pictures.contents[:3] * 20
    assert len(set(pictures.contents)) == 3 and len(set(pictures.checksums)) == 60
    assert pictures.names[2:4] == ("gouache-0000/02.ppm", "crayon-0001/00.ppm")
    assert {style.rpartition("-")[0] for style in pictures.styles} == set(HELD_OUT_FAMILIES)


def test_a_picture_is_what_the_renderers_draw(cache: Path) -> None:
    pictures = open_set(SPEC, cache=cache)
    wanted = RenderedSet(styles=20, contents=3, size=32)
    seeds = [seed for seed, _ in contents_of(wanted)]
    contents = draw_contents(seeds, 32)
    for style in (0, 7, 19):
        hand = sample_style(STYLE_SEEDS + style, [HELD_OUT_FAMILIES[style % len(HELD_OUT_FAMILIES)]])
        expected = (render([hand] * 3, contents, seeds) * 255).round().byte().permute(0, 2, 3, 1).numpy()
        found = np.stack([np.asarray(pictures.image(3 * style + row)) for row in range(3)])
        # Workers compute with other vectors than this process: a level of 255 here and there.
        assert np.abs(found.astype(int) - expected).max() <= 1


def test_the_digest_does_not_depend_on_processes_or_what_is_there(cache: Path, tmp_path: Path) -> None:
    whole = open_set(SPEC, cache=cache)
    # A whole file of the larger set, and part of one.
    small = open_set(SPEC.replace("styles=20", "styles=9"), cache=tmp_path)
    for column in ("styles", "contents", "names", "checksums"):
        assert getattr(small, column) == getattr(whole, column)[:27]
    drawn: list[tuple[int, int]] = []
    again = open_set(SPEC, cache=tmp_path, workers=2, progress=lambda *counts: drawn.append(counts))
    assert again.digest == whole.digest
    assert drawn[:2] in ([(48, 60), (60, 60)], [(36, 60), (60, 60)])  # 24 pictures were there


def test_threads_and_environment_of_the_caller_make_no_difference(cache: Path, tmp_path: Path) -> None:
    program = [sys.executable, "-m", "benchmarks.datasets", SPEC, "--cache", str(tmp_path)]
    environment = os.environ | {"OMP_NUM_THREADS": "2", "ATEN_CPU_CAPABILITY": "default"}
    done = subprocess.run(program, env=environment, capture_output=True, text=True, check=True)
    assert open_set(SPEC, cache=cache).digest in done.stdout


def test_what_is_drawn_is_not_drawn_again_unless_it_is_damaged(cache: Path, tmp_path: Path) -> None:
    shutil.copytree(cache, tmp_path, dirs_exist_ok=True)
    before = files(tmp_path)
    assert len(before) == 3 and not any("partial" in name for name in before)
    digest = open_set(SPEC, cache=tmp_path).digest
    assert files(tmp_path) == before
    first, second, third = sorted(tmp_path.rglob("*.parquet"))
    first.write_bytes(first.read_bytes()[:-10])
    second.unlink()
    assert open_set(SPEC, cache=tmp_path).digest == digest
    assert [name for name, time_ in files(tmp_path).items() if before[name] == time_] == [third.name]


def test_a_killed_run_goes_on_and_leaves_no_process(tmp_path: Path) -> None:
    spec = "rendered:styles=96,contents=3,size=32"
    program = [sys.executable, "-m", "benchmarks.datasets", spec, "--cache", str(tmp_path / "killed"), "--workers", "2"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while not list(tmp_path.glob("killed/*/*.parquet")):
            assert process.poll() is None, process.stderr and process.stderr.read()
            time.sleep(0.01)
        workers = children_of(process.pid, "spawn_main")
        process.send_signal(signal.SIGKILL)
    written = files(tmp_path / "killed")
    assert workers and 0 < len(written) < 12
    while any(Path(f"/proc/{pid}/stat").exists() for pid in workers):
        time.sleep(0.01)
    resumed = open_set(spec, cache=tmp_path / "killed", workers=2)
    assert resumed.digest == open_set(spec, cache=tmp_path / "whole").digest
    after = files(tmp_path / "killed")
    kept = [name for name in written if name.endswith(".parquet")]
    assert all(after[name] == written[name] for name in kept)


def test_training_never_draws_what_the_benchmark_draws() -> None:
    wanted = RenderedSet(families="all", seed=65_535, styles=1 << 20)
    assert wanted.style_seeds.stop < 1 << 62
    largest = np.random.default_rng(0)

    class Largest:
        """Draws the largest numbers that training may draw."""

        def integers(self, low: int, high: int, size: int) -> np.ndarray:
            return np.full(size, high - 1) - np.arange(size)

        def __getattr__(self, name: str) -> object:
            return getattr(largest, name)

    drawn = RenderedSource().draw(Largest(), 2, 2, 32)  # type: ignore[arg-type]
    assert max(int(key.partition("/")[2]) for key in drawn.keys) < STYLE_SEEDS
    assert CONTENT_SEEDS >= 1 << 31
    families = {style.rpartition("-")[0] for style, _, _ in labels(RenderedSet(contents=2), range(2400))}
    assert families == set(HELD_OUT_FAMILIES)


def test_seeds_of_two_benchmarks_are_apart() -> None:
    first, second = RenderedSet(contents=100), RenderedSet(contents=100, seed=1)
    assert not set(first.style_seeds) & set(second.style_seeds)
    seeds = [[seed for seed, _ in contents_of(each)] for each in (first, second)]
    captions = [[caption for _, caption in contents_of(each)] for each in (first, second)]
    assert not set(seeds[0]) & set(seeds[1]) and seeds[0] == sorted(seeds[0])
    assert all(len(set(each)) == 100 for each in captions)


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"/file/rendered-v1.*cannot be written \(Not a directory\)"):
        open_set(SPEC, cache=tmp_path / "file")
