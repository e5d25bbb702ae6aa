"""Style-labelled sets of pictures, opened by a word: `open_set("rendered:styles=2400,contents=32,seed=0")`.

docs/benchmark-data.md says which words there are, and what the rendered set is.
"""

from __future__ import annotations

from benchmarks.datasets.base import Problem, ProblemKind, Role, StyleSet
from benchmarks.datasets.checks import decoded
from benchmarks.datasets.specs import open_set

__all__ = ["Problem", "ProblemKind", "Role", "StyleSet", "decoded", "open_set"]
