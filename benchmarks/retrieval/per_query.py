"""What each query contributed, kept in a file beside the result: a later run is compared with it query by query."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.retrieval.results import Evaluation, Result
from stylesearch.errors import UsageError

NAME = "per-query.npz"
_PARTS = ("values", "queries", "styles")

Column = tuple[str, int | None]


@dataclass(frozen=True)
class PerQuery:
    """An evaluation, and what each of its Q queries contributes.

    Attributes:
        columns: metric and k of each column of `values`.
        values: float64 (Q, M), shares.
        queries: int64 (Q,) rows of the set.
        styles: (Q,) of str.
    """

    evaluation: Evaluation
    columns: tuple[Column, ...]
    values: np.ndarray
    queries: np.ndarray
    styles: np.ndarray


def write_values(path: Path, result: bytes, entries: Sequence[PerQuery]) -> None:
    """Writes them as NumPy arrays, without pickle.

    The n-th evaluation has "n/values", "n/queries" and "n/styles"; "columns" names the metrics, such as "precision@10";
    "result" is the checksum of the JSON that the values belong to.

    Args:
        path: of the file.
        result: the JSON, as it is on disk.
        entries: in the order of its evaluations.
    """
    columns = [metric if k is None else f"{metric}@{k}" for metric, k in (entries[0].columns if entries else ())]
    arrays: dict[str, np.ndarray] = {"result": np.array(_checksum(result)), "columns": np.array(columns, dtype=str)}
    for number, entry in enumerate(entries):
        arrays |= {f"{number}/{name}": getattr(entry, name) for name in _PARTS}
    with open(path, "wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]  # its named arguments are arrays of any name


def read_values(path: Path, result: Result, text: bytes) -> dict[int, PerQuery]:
    """Number of an evaluation -> its values; empty where there are none, or where they belong to another result.

    Args:
        path: of the file.
        result, text: the result, and its JSON as it is on disk.

    Raises:
        UsageError: the file is damaged.
    """
    if not path.exists():
        return {}
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            if str(arrays["result"]) != _checksum(text):
                return {}
            columns = tuple(_column(str(name)) for name in arrays["columns"])
            return {
                number: PerQuery(evaluation, columns, *(arrays[f"{number}/{name}"] for name in _PARTS))
                for number, evaluation in enumerate(result.evaluations)
            }
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as exc:
        raise UsageError(
            f"'{path}' is damaged ({exc}). Remove it to compare by intervals, or make the baseline again."
        ) from exc


def _checksum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _column(name: str) -> Column:
    metric, _, k = name.partition("@")
    return metric, int(k) if k else None
