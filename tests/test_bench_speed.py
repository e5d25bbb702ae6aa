"""`bench speed` at tiny size: every part says what it measured, or why not. No time is judged."""

from __future__ import annotations

import io
import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks import machine
from benchmarks.drawn import draw_files
from benchmarks.speed import PARTS, Config, Part, Result, Row, run
from benchmarks.speed.indexing import NoEncoder
from benchmarks.speed.peers import Peer, run_peer
from stylesearch.encoders import load_encoder
from stylesearch.errors import StyleSearchError, UsageError

TINY = Config(encoder="descriptors:lab-gradient", count=12, side=64, vectors=300, dim=16, k=3, rounds=3)


def measured(name: str, config: Config = TINY) -> Part:
    told: list[str] = []
    (part,) = run([name], config, told.append).parts
    assert part.name == name and part.rows and told
    assert all(math.isfinite(value) and value > 0 for row in part.rows for value in row.values.values())
    return part


def test_indexing_is_measured_whole_and_in_parts():
    part = measured("indexing")
    sides = ["decoding alone", "encoding alone", "index", "index, all but the encoder"]
    assert [row.side for row in part.rows] == sides
    assert all(row.values["pictures"] == 12 for row in part.rows)
    assert [sentence.split()[0] for sentence in part.absent] == ["rclip", "clip-retrieval"]
    assert all("--peers" in sentence for sentence in part.absent)


def test_the_users_own_pictures_are_read_and_not_changed(tmp_path):
    draw_files(tmp_path, 9, (64, 48))
    (tmp_path / "notes.txt").write_text("no picture")
    before = sorted(tmp_path.rglob("*"))
    part = measured("indexing", Config(encoder="descriptors:lab-gradient", pictures=tmp_path, count=5))
    assert all(row.values["pictures"] == 5 for row in part.rows)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_without_pictures_is_refused(tmp_path):
    with pytest.raises(UsageError, match=f"no picture below '{tmp_path}'"):
        run(["indexing"], Config(encoder="descriptors:lab-gradient", pictures=tmp_path))


def test_search_is_measured_beside_the_raw_engine():
    pytest.importorskip("faiss")
    rows = {row.side: row.values for row in measured("search").rows}
    assert rows["faiss.IndexFlatIP"]["p50 / raw"] == 1
    assert set(rows["Library.search"]) == {"p50 ms", "p95 ms", "p99 ms", "p50 / raw"}
    assert {"FaissIndex", "ExactIndex", "saving the index", "opening the library to the first hit"} < set(rows)


def test_memory_is_that_of_fresh_processes():
    if not Path("/proc/self/smaps_rollup").exists():
        pytest.skip("Memory is read from /proc, which is Linux's.")
    held = bytearray(500_000_000)
    for at in range(0, len(held), 4096):
        held[at] = 1
    rows = {row.side: row.values for row in measured("memory").rows}
    some, all_of_them = rows["indexing 3 pictures, all processes"], rows["indexing 12 pictures, all processes"]
    assert 0 < some["peak MB"] < 1000 and 0 < all_of_them["peak MB"] < 1000
    assert rows["its vectors in float32"]["MB"] == 300 * 16 * 4 / 1e6
    assert rows["library that has answered, beyond its program"]["MB"] < 400


def test_the_page_is_measured_in_a_browser():
    pytest.importorskip("playwright")
    config = Config(encoder="descriptors:lab-gradient", count=30, tiles=60, rounds=2)
    rows = {row.side: row.values for row in measured("page", config).rows}
    assert set(rows) == {
        "page opened to pictures",
        "a dropped picture to what is like it",
        "next query, few tiles",
        "next query, 60 tiles",
        "server's memory over 10 queries",
    }
    assert rows["a dropped picture to what is like it"]["p50 s"] > 0
    assert 50 < rows["server's memory over 10 queries"]["MB late"] < 5_000


def test_a_page_without_a_browser_says_so(tmp_path):
    pytest.importorskip("playwright")
    (part,) = run(["page"], Config(tiles=60, rounds=1, chromium=tmp_path / "no-browser")).parts
    assert not part.rows and "no Chromium can be started" in part.absent[0]


def test_a_wrong_part_or_size_is_refused():
    with pytest.raises(UsageError, match=f"no part 'searching'. There are: {', '.join(PARTS)}"):
        run(["searching"])
    with pytest.raises(UsageError, match="'rounds' is 0; it must be at least 1"):
        Config(rounds=0)


def peer(tmp_path: Path, body: str) -> Peer:
    script = tmp_path / "script.py"
    script.write_text(body)
    return Peer("peer", "1", "something", str(script), lambda folder, requirement: (Path(sys.executable), {}))


def test_a_peer_is_told_where_the_pictures_are_and_what_it_says_counts(tmp_path):
    body = "import sys, os\nassert os.path.isdir(sys.argv[2])\nprint('loading')\n"
    body += 'print(\'{"pictures": %s, "seconds": 2.5}\' % len(os.listdir(sys.argv[1])))'
    draw_files(tmp_path / "pictures", 3, (8, 8))
    assert run_peer(peer(tmp_path, body), tmp_path / "pictures" / "0000", 1) == (3, 2.5)


def test_a_peer_that_fails_says_why(tmp_path):
    with pytest.raises(StyleSearchError, match=r"peer failed \(ValueError: no model\)"):
        run_peer(peer(tmp_path, "raise ValueError('no model')"), tmp_path, 1)
    with pytest.raises(StyleSearchError, match="read none"):
        run_peer(peer(tmp_path, 'print(\'{"pictures": 0, "seconds": 1}\')'), tmp_path, 1)


def test_the_result_is_json_and_a_table():
    rows = (Row("one", {"ms": 0.0123, "s": 4.0}), Row("two", {"ms": 1234.5}))
    result = Result({"cores": "2"}, {"python": "3"}, "abc", (Part("search", "10 vectors", rows, ("that: why",)),))
    read = json.loads(result.to_json())
    assert read["parts"][0]["rows"][1] == {"side": "two", "values": {"ms": 1234.5}}
    text = io.StringIO()
    result.print(Console(file=text, width=100))
    for expected in ("commit abc", "search: 10 vectors", "0.012", "1,234", "Not measured: that: why"):
        assert expected in text.getvalue()


def test_what_does_not_encode_fits_the_encoder_it_stands_for():
    encoder = load_encoder("descriptors:lab-gradient")
    none = NoEncoder(encoder)
    assert none.dim == encoder.dim and none.preprocess == encoder.preprocess
    assert none.space().key != encoder.space().key


def test_the_machine_and_the_commit_are_named():
    assert set(machine.machine()) == {"processor", "cores", "memory", "system"} and all(machine.machine().values())
    assert machine.versions()["numpy"]
    root = Path(machine.__file__).parent.parent
    if (root / ".git").exists():
        head = subprocess.run(["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
        assert head.stdout.startswith(machine.commit().removesuffix("+changes"))
