"""Marks: thousands of oriented dabs, and cells, drawn without a loop over marks.

Both lay a jittered lattice over the picture; each pixel looks at the few lattice sites whose marks may cover it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from encoder_training.renderers.filters import base_grid, sample
from encoder_training.renderers.texture import dice


@dataclass(frozen=True)
class Marks:
    """colour (N, 3, S, S); cover (N, 1, S, S): how far a pixel is covered; height (N, 1, S, S): body of the paint."""

    colour: Tensor
    cover: Tensor
    height: Tensor


def _sites(seeds: Tensor, cells: Tensor, jitter: Tensor | float, salt: int) -> tuple[Tensor, Tensor, Tensor]:
    """Lattice sites with a border of two: place (N, G, G, 2) in [0, 1], dice (N, G, G, 4), cells (N, 1, 1)."""
    lattice = cells.reshape(-1, 1, 1)
    count = int(cells.max().ceil()) + 4
    axis = torch.arange(count, device=seeds.device) - 2
    rows, columns = torch.meshgrid(axis, axis, indexing="ij")
    random = dice(seeds, rows, columns, salt)
    spread = torch.as_tensor(jitter, device=seeds.device).reshape(-1, 1, 1)
    place = torch.stack(
        [
            (columns + 0.5 + spread * (random[..., 0] - 0.5)) / lattice,
            (rows + 0.5 + spread * (random[..., 1] - 0.5)) / lattice,
        ],
        -1,
    )
    return place, random, lattice


def _neighbours(table: Tensor, grid: Tensor, near: bool = False) -> Iterator[list[Tensor]]:
    """The rows of table (N, G, G, K) for each site near each pixel of grid (N, S, S, 2, in cells), as K tensors."""
    count, sites, _, columns = table.shape
    flat = table.reshape(count * sites * sites, columns).T.contiguous()
    cell = (grid - 0.5 if near else grid).floor().long() + 2
    base = (
        torch.arange(count, device=table.device).reshape(-1, 1, 1) * (sites * sites)
        + cell[..., 1] * sites
        + cell[..., 0]
    )
    steps = (0, 1) if near else (-1, 0, 1)
    for down in steps:
        for across in steps:
            index = base + (down * sites + across)
            yield [column[index] for column in flat]


def dabs(
    seeds: Tensor,
    source: Tensor,
    direction: Tensor,
    cells: Tensor,
    length: Tensor | float,
    width: Tensor | float,
    *,
    jitter: Tensor | float = 0.9,
    edge: float = 0.35,
    round_ends: bool = False,
    size: Tensor | None = None,
    variation: Tensor | float = 0.0,
    bristle: Tensor | float = 0.0,
    near: bool = False,
    salt: int = 0,
) -> Marks:
    """Oriented dabs of paint, each in the colour that `source` (N, 3, S, S) has under it.

    `direction` (N, 2, S, S) is the way they run, `cells` (N,) their number across the picture, `length` and `width`
    their size in lattice cells (numbers or (N, 1, 1, 1); at most 2.1, or 1.4 with `near`: 4 sites instead of 9),
    `size` (N, 1, S, S) a factor up to 1, `variation` the spread of their lightness, `bristle` the depth of the brush's
    grooves. Where dabs overlap, the one that is at random on top shows.
    """
    place, random, lattice = _sites(
        seeds, cells, min(jitter, 0.6) if near and isinstance(jitter, float) else jitter, salt
    )
    inside = place.clamp(0, 1)
    spread = torch.as_tensor(variation, device=source.device).reshape(-1, 1, 1, 1)
    colour = sample(source, inside).permute(0, 2, 3, 1) + (random[..., 2:3] - 0.5) * spread
    half_length, half_width = (
        torch.as_tensor(value, dtype=torch.float32, device=source.device).reshape(-1, 1, 1) * 0.5
        for value in (length, width)
    )
    rank = torch.exp(random[..., 3:4] * 9)
    angle = sample(direction, inside, "nearest").permute(0, 2, 3, 1) / half_length[..., None]
    if size is not None:
        scale = sample(size, inside).permute(0, 2, 3, 1)
        angle, rank = angle / scale.clamp_min(0.05), rank * (scale > 0.05)
    table = torch.cat([place * lattice[..., None], angle, colour, rank], -1)
    grid = base_grid(source) * lattice[..., None]
    across, down = grid[..., 0], grid[..., 1]
    aspect, grooves = half_length / half_width, torch.as_tensor(bristle, device=source.device).reshape(-1, 1, 1)
    total = source.new_zeros(5, source.shape[0], *source.shape[2:])
    clear = torch.ones_like(total[0])
    for x, y, cosine, sine, red, green, blue, order in _neighbours(table, grid, near):
        off_x, off_y = across - x, down - y
        lengthwise = (off_x * cosine + off_y * sine).square_()
        sidewise = (off_y * cosine - off_x * sine) * aspect
        side = sidewise.square()
        shape = lengthwise + side if round_ends else lengthwise.square_() + side.square()
        alpha = ((1 + edge - shape) / (2 * edge)).clamp_(0, 1) * (order > 0)
        weight = alpha * order
        body = (1 - 0.6 * side) * (1 + grooves * torch.cos(sidewise * 9 + x * 40)) + order.log1p() * 0.05
        for channel, value in enumerate((red, green, blue, body)):
            total[channel].addcmul_(value, weight)
        total[4] += weight
        clear *= 1 - alpha
    mixed = (total[:4] / (total[4:] + 1e-4)).transpose(0, 1)
    return Marks(mixed[:, :3].clamp(0, 1), 1 - clear[:, None], mixed[:, 3:])


@dataclass(frozen=True)
class Cells:
    """A tiling: colour (N, 3, S, S) of each cell; seam (N, 1, S, S): distance to its border, in cells; dice
    (N, 1, S, S): a uniform number of the cell; offset (N, 2, S, S) from the cell's site, in cells."""

    colour: Tensor
    seam: Tensor
    dice: Tensor
    offset: Tensor


def tiling(seeds: Tensor, source: Tensor, cells: Tensor, jitter: Tensor | float = 0.8, salt: int = 0) -> Cells:
    """Voronoi cells of a lattice of `cells` (N,) across, each in the colour of `source` at its site.

    `jitter` 0.2 gives tesserae, 0.9 pebbles.
    """
    place, random, lattice = _sites(seeds, cells, jitter, salt)
    colour = sample(source, place.clamp(0, 1)).permute(0, 2, 3, 1)
    grid = base_grid(source) * lattice[..., None]
    nearest = grid.new_full(grid.shape[:3], 9.0)
    second, best = nearest.clone(), nearest.new_zeros(6, *nearest.shape)
    for x, y, red, green, blue, order in _neighbours(
        torch.cat([place * lattice[..., None], colour, random[..., 3:4]], -1), grid
    ):
        off_x, off_y = grid[..., 0] - x, grid[..., 1] - y
        distance = (off_x.square() + off_y.square()).sqrt()
        closer = distance < nearest
        second = torch.where(closer, nearest, torch.minimum(second, distance))
        nearest = torch.where(closer, distance, nearest)
        for channel, value in enumerate((red, green, blue, order, off_x, off_y)):
            best[channel] = torch.where(closer, value, best[channel])
    best = best.transpose(0, 1)
    return Cells(best[:, :3], ((second - nearest) * 0.5)[:, None], best[:, 3:4], best[:, 4:])
