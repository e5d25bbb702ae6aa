"""Unit vectors as the catalog stores them: float16, little endian.

Half precision changes the cosine of two unit vectors by less than 1e-3 and halves the largest part of the database.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stylesearch.errors import CatalogError, EncoderError, SpaceMismatchError


def pack(vectors: Sequence[np.ndarray], dim: int) -> list[bytes]:
    """The vectors as the column `data` of the table `vectors` holds them.

    Args:
        vectors: N arrays float32 (D,) of unit length.
        dim: D of the space.

    Raises:
        SpaceMismatchError: a vector has another length.
        EncoderError: a vector is not of unit length, or not finite.
    """
    for vector in vectors:
        if vector.shape != (dim,):
            raise SpaceMismatchError(f"A vector of shape {vector.shape} does not fit a space of dimension {dim}.")
    if not vectors:
        return []
    block = np.stack(vectors)
    norms = np.linalg.norm(block, axis=1)
    if not np.all(np.abs(norms - 1) < 1e-2):  # false for NaN, too
        raise EncoderError(
            f"The encoder gave a vector of length {norms[np.argmax(~(np.abs(norms - 1) < 1e-2))]}, not 1."
        )
    return [row.tobytes() for row in block.astype("<f2")]


def unpack(data: Sequence[bytes], dim: int) -> np.ndarray:
    """float32 (N, D), rows of unit length again.

    Raises:
        CatalogError: a vector is not of this length, as where another program has changed the database.
    """
    if any(len(row) != 2 * dim for row in data):
        raise CatalogError(
            f"The catalog holds a vector that has not the {dim} numbers of its space. "
            "Mend it with: stylesearch doctor --mend"
        )
    block = np.frombuffer(b"".join(data), "<f2").astype(np.float32).reshape(len(data), dim)
    block /= np.linalg.norm(block, axis=1, keepdims=True)
    return block
