"""Mutated files through the decoder processes; the long run is `python -m benchmarks.fuzz`."""

from __future__ import annotations

from benchmarks.fuzz import fuzz, mutated


def test_every_mutated_file_has_an_answer() -> None:
    outcomes = fuzz(120, seed=7)
    assert outcomes.answered == 120
    assert outcomes.bad == []
    assert {"indexed", "damaged", "truncated"} <= {reason for _, reason in outcomes.counts}


def test_a_file_follows_from_its_seed_and_number() -> None:
    files = dict(mutated(20, seed=3))
    assert dict(mutated(5, seed=3, first=15)) == dict(list(files.items())[15:])
    assert files != dict(mutated(20, seed=4))
