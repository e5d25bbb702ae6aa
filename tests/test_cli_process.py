"""The command as a process: its output, its signals and where it is called from."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from indexing import children_of
from PIL import Image
from studio import draw

PROGRAM = [sys.executable, "-m", "stylesearch"]


def run(*arguments: object, code: int = 0, **options: Any) -> subprocess.CompletedProcess[str]:
    result = subprocess.run(
        [*PROGRAM, *map(str, arguments)],
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "timeout": 120} | options,
        check=False,
    )
    assert result.returncode == code, result.stderr
    assert "Traceback" not in result.stderr and "Exception ignored" not in result.stderr, result.stderr
    return result


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds `pictures` of which one has a name that few encodings know, and `library`, where they are indexed."""
    folder = tmp_path_factory.mktemp("process")
    (folder / "pictures").mkdir()
    for seed, name in enumerate(("a.png", "b.png", "\N{CJK UNIFIED IDEOGRAPH-58A8}\N{ARTIST PALETTE}.png")):
        draw("ink", "ring", seed).save(folder / "pictures" / name)
    run("init", "library", "--encoder", "descriptors:lab-gradient", cwd=folder)
    run("index", "pictures", "-l", "library", cwd=folder)
    return folder


def test_library_and_reference_are_found_from_another_folder(folder: Path) -> None:
    shown = run("search", "../pictures/a.png", "-l", ".", cwd=folder / "library").stdout
    assert sorted(Path(line.split("\t")[3]).name[0] for line in shown.splitlines()) == [
        "b",
        "\N{CJK UNIFIED IDEOGRAPH-58A8}",
    ]


def test_disk_that_is_full_is_told_in_a_line(folder: Path) -> None:
    for more in ([], ["--json"]):
        with open("/dev/full", "w") as full:
            result = run("search", "id:1", "-l", "library", *more, cwd=folder, stdout=full, code=1)
        assert result.stderr == "Error: The operating system refuses (No space left on device).\n"


def test_reader_that_has_had_enough(folder: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as closed:
        assert run("search", "id:1", "-l", "library", cwd=folder, stdout=closed, code=1).stderr == ""


def test_terminal_that_does_not_know_every_letter(folder: Path) -> None:
    environment = os.environ | {"PYTHONIOENCODING": "cp1252"}
    shown = run("search", "id:1", "-l", "library", cwd=folder, env=environment).stdout
    assert "\\u58a8\\U0001f3a8.png" in shown
    hits = json.loads(run("search", "id:1", "-l", "library", "--json", cwd=folder, env=environment).stdout)
    assert any(hit["paths"][0].endswith("\N{CJK UNIFIED IDEOGRAPH-58A8}\N{ARTIST PALETTE}.png") for hit in hits)


def test_decoder_remarks_stay_off_the_terminal(folder: Path, tmp_path: Path) -> None:
    exif = b"Exif\0\0II*\0\x08\0\0\0\x05\0\x12\x01\x03\0\xff\xff\0\0\xff\xff"  # says more than it holds
    draw("ink", "ring").save(tmp_path / "odd.jpg", exif=exif)
    with pytest.warns(UserWarning, match="EXIF"), Image.open(tmp_path / "odd.jpg") as image:
        image.getexif()
    assert run("search", tmp_path / "odd.jpg", "-l", "library", cwd=folder).stderr == ""


def test_errors_of_the_system_that_nobody_foresaw(folder: Path, tmp_path: Path) -> None:
    draw("ink", "ring").save(tmp_path / "a.png")
    run("init", "library", "--encoder", "descriptors:lab-gradient", cwd=tmp_path)
    (tmp_path / "library" / "index").rmdir()
    (tmp_path / "library" / "index").write_text("a file where a folder has to be")
    result = run("index", "a.png", "-l", "library", cwd=tmp_path, code=1)
    assert "Error: " in result.stderr


def importing(pid: int) -> bool:
    """Whether a worker has come as far as NumPy, which is before it can run any code of ours."""
    try:
        return "numpy" in Path(f"/proc/{pid}/maps").read_text()
    except OSError:  # it has ended
        return False


def test_interrupt_while_workers_start_says_how_to_go_on(folder: Path, tmp_path: Path) -> None:
    for number in range(200):
        draw("ink", "ring", seed=number).save(tmp_path / f"{number}.png")
    process = subprocess.Popen(
        [*PROGRAM, "index", str(tmp_path), "-l", "library"],
        cwd=folder,
        env=os.environ | {"STYLESEARCH_WORKERS": "4"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not any(importing(pid) for pid in children_of(process.pid, "spawn_main")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does, to every process
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "Traceback" not in stderr and "Run the same command again to go on." in stderr
    assert "Nothing found" not in stdout
