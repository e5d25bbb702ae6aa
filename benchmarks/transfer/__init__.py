"""How well transfer backends take up a style: a grid of references and subjects is made, and measured with encoders."""

from benchmarks.transfer.config import Config
from benchmarks.transfer.results import Result
from benchmarks.transfer.run import Run, run

__all__ = ["Config", "Result", "Run", "run"]
