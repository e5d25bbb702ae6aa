"""The style retrieval benchmark: encoders on style-labelled sets, from pictures to a `Result`."""

from __future__ import annotations

from benchmarks.retrieval.config import Config
from benchmarks.retrieval.results import Result
from benchmarks.retrieval.run import Run, run

__all__ = ["Config", "Result", "Run", "run"]
