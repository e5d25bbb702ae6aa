"""Style-labelled sets of pictures, opened by a word: `open_set("rendered:styles=2400,contents=32,seed=0")`."""

from __future__ import annotations

from benchmarks.datasets.base import Problem, ProblemKind, Role, StyleSet, open_set

__all__ = ["Problem", "ProblemKind", "Role", "StyleSet", "open_set"]
