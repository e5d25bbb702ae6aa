"""Whatever instant the indexer is killed at: after the next runs, the catalog is that of an uninterrupted run."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from indexing import children_of, contents, open_bench
from pictures import draw, encode

from stylesearch.metadata import xmp_sidecar
from stylesearch.records import Metadata

PICTURES = 60
KILLS = 5
ARTIST, SOFTWARE = 315, 305  # EXIF tags


def start(folder: Path, pictures: Path) -> subprocess.Popen[str]:
    program = [sys.executable, str(Path(__file__).with_name("indexing.py")), str(folder), str(pictures)]
    return subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_killed_runs_lose_nothing(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    with open_bench(whole) as bench:
        bench.draw(*(f"{number:02d}.jpg" for number in range(PICTURES)))
        for number in range(5):
            shutil.copy(bench.pictures / "00.jpg", bench.pictures / f"copy{number}.jpg")
            (bench.pictures / f"bad{number}.png").write_bytes(b"bad")
        for number in range(0, PICTURES, 3):
            described = draw(number).getexif()
            described[ARTIST], described[SOFTWARE] = f"Artist {number % 7}", "A program"
            path = bench.pictures / f"{number:02d}.jpg"
            path.write_bytes(encode(draw(number), "JPEG", exif=described))
            path.with_suffix(".xmp").write_bytes(xmp_sidecar(Metadata(title=f"Nr. {number}"), ["kept", f"t{number}"]))
        bench.index()
        pictures = bench.pictures
    rng = random.Random(7)
    done = []
    for number in range(KILLS):
        with start(killed, pictures) as process:
            assert process.stdout
            # An instant that depends on how far the run is, and then on a few milliseconds.
            for _ in range(rng.randint(1, 10)):
                process.stdout.readline()
            workers = children_of(process.pid, "spawn_main") if number % 2 else []
            for worker in workers:  # which costs no file
                with suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)
            if workers:
                process.stdout.readline()
            try:
                process.wait(rng.random() * 0.03)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
        done.append(len(contents(killed / "catalog.db")["vectors"]))
    with start(killed, pictures) as process:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    assert done == sorted(done) and done[0] < PICTURES  # each run went on from the one before
    expected = contents(whole / "catalog.db")
    assert all(expected.values())
    assert contents(killed / "catalog.db") == expected
    thumbnails = {path.name for path in (whole / "thumbnails").rglob("*.webp")}
    assert {path.name for path in (killed / "thumbnails").rglob("*.webp")} == thumbnails
