"""Maps of whole pictures after the trunk's first stages, computed once: what the later ones are trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stylesearch.encoders.lite import LiteTrunk

FIRST = 2
"""Stages that are not trained."""

_BATCH = 8


class Maps:
    """Maps in files, one beside the other as if in one: float16 (N, S / 4, S / 4, 24).

    Args:
        files: `.npy` files that `write_maps` has written.
        rows: those that count, of all in that order; None: all.
    """

    def __init__(self, files: Sequence[Path], rows: Sequence[int] | None = None) -> None:
        self._arrays = [np.load(file, mmap_mode="r") for file in files]
        places = [(array, row) for array in self._arrays for row in range(len(array))]
        self._places = places if rows is None else [places[row] for row in rows]

    def __len__(self) -> int:
        return len(self._places)

    def whole(self, rows: Sequence[int]) -> Tensor:
        """float32 (N, 24, S / 4, S / 4)."""
        return _as_maps([self._places[row][0][self._places[row][1]] for row in rows])

    def crops(self, rows: Iterable[int], share: float, random: np.random.Generator) -> Tensor:
        """Random squares of `share` of the side, half of them flipped: float32 (N, 24, s, s)."""
        cut = []
        for row in rows:
            array, place = self._places[row]
            whole = array.shape[1]
            side = round(whole * share)
            top, left = random.integers(0, whole - side + 1, 2)
            square = array[place, top : top + side, left : left + side]
            cut.append(square[:, ::-1] if random.random() < 0.5 else square)
        return _as_maps(cut)


def _as_maps(squares: Sequence[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(squares).astype(np.float32)).permute(0, 3, 1, 2)  # channels last in memory


def write_maps(path: Path, trunk: LiteTrunk, pixels: Callable[[int], np.ndarray], count: int) -> None:
    """Writes the maps of `count` pictures, uint8 (S, S, 3) each, unless the file is there.

    Args:
        path: of the `.npy` file.
        trunk: its first stages are used.
        pixels: gives picture number i.
    """
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    early = LiteTrunk(FIRST)
    early.load_state_dict({name: value for name, value in trunk.state_dict().items() if name in early.state_dict()})
    written: np.ndarray | None = None
    for start in range(0, count, _BATCH):
        images = np.stack([pixels(row) for row in range(start, min(start + _BATCH, count))])
        with torch.inference_mode():
            planes = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
            maps = early(planes)[-1].permute(0, 2, 3, 1).half().numpy()
        if written is None:
            shape = (count, *maps.shape[1:])
            written = np.lib.format.open_memmap(path.with_suffix(".new"), "w+", np.float16, shape)
        written[start : start + len(maps)] = maps
    del written
    path.with_suffix(".new").replace(path)
