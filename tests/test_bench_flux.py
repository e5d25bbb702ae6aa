"""The benchmark of FLUX's step: its count of operations by hand, and that the command runs."""

from __future__ import annotations

import pytest
import torch

from benchmarks import flux_speed
from benchmarks.flux_speed import Case, inputs, network, operations


def test_operations_of_a_step_by_hand() -> None:
    nowhere = torch.device("meta")
    hollow = network(nowhere, torch.float32, tiny=True)
    counted = operations(hollow, inputs(Case("", pictures=1), 128, hollow, torch.float32, nowhere))
    wide, words, image = 32, 512, 2 * 64
    length = words + image
    double = 2 * length * wide**2 * (4 + 8) + 4 * length**2 * wide  # q, k, v, out; both halves of the MLP; attention
    single = 2 * length * wide**2 * (3 + 4 + 5) + 4 * length**2 * wide
    ends = 2 * image * 64 * wide * 2 + 2 * words * 4096 * wide  # tokens in and out, words in
    modulation = 2 * wide**2 * (6 + 6 + 3 + 2) + 2 * (2 * (256 + wide) * wide) + 2 * (768 + wide) * wide
    assert counted == double + single + ends + modulation


def test_the_command_runs_on_a_small_network(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flux_speed, "WARM", 0)
    monkeypatch.setattr(flux_speed, "ROUNDS", 1)
    flux_speed.main(size=64, tiny=True)
    printed = capsys.readouterr().out
    assert all(case.name in printed for case in flux_speed.CASES)
