"""Marks: thousands of oriented dabs, and cells, drawn without a loop over marks.

Both lay a jittered lattice over the picture; each pixel looks at the few lattice sites whose marks may cover it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from encoder_training.renderers.filters import base_grid, sample, smoothstep
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
    place = torch.stack([(columns + 0.5 + spread * (random[..., 0] - 0.5)) / lattice, (rows + 0.5 + spread * (random[..., 1] - 0.5)) / lattice], -1)
    return place, random, lattice


def _neighbours(table: Tensor, grid: Tensor, lattice: Tensor, rows: range, columns: range):  # type: ignore[no-untyped-def]
    """Yields the rows of table (N, G, G, K) for each site around each pixel, as K tensors (N, S, S)."""
    count, sites = table.shape[0], table.shape[1]
    flat = table.reshape(count * sites * sites, -1)
    base = torch.arange(count, device=table.device).reshape(-1, 1, 1) * sites * sites
    column = (grid[..., 0] * lattice).floor().long() + 2
    row = (grid[..., 1] * lattice).floor().long() + 2
    for down in rows:
        for across in columns:
            index = base + (row + down).clamp(0, sites - 1) * sites + (column + across).clamp(0, sites - 1)
            yield flat[index].unbind(-1)


def dabs(seeds: Tensor, source: Tensor, direction: Tensor, cells: Tensor, length: Tensor | float, width: Tensor | float, *,
         jitter: Tensor | float = 0.9, edge: float = 0.35, roundness: int = 4, size: Tensor | None = None, variation: Tensor | float = 0.0,
         bristle: Tensor | float = 0.0, salt: int = 0) -> Marks:
    """Oriented dabs of paint, each in the colour that `source` (N, 3, S, S) has under it.

    `direction` (N, 2, S, S) is the way they run, `cells` (N,) their number across the picture, `length` and `width` their
    size in lattice cells (numbers or (N, 1, 1, 1), at most 2.1: marks reach one cell further), `size` (N, 1, S, S) a factor on it, `variation` the deviation of
    their lightness, `bristle` the depth of the brush's grooves. Overlaps go to the dab that is, at random, on top.
    """
    place, random, lattice = _sites(seeds, cells, jitter, salt)
    reach = range(-1, 2)
    inside = place.clamp(0, 1)
    colour = sample(source, inside).permute(0, 2, 3, 1) + (random[..., 2:3] - 0.5) * torch.as_tensor(variation, device=source.device).reshape(-1, 1, 1, 1)
    angle = sample(direction, inside, "nearest").permute(0, 2, 3, 1)
    scale = sample(size, inside).permute(0, 2, 3, 1) if size is not None else torch.ones_like(random[..., :1])
    table = torch.cat([place, angle, colour, scale, random[..., 3:4]], -1)
    grid = base_grid(source)
    half_length, half_width = (torch.as_tensor(value, dtype=torch.float32, device=source.device).reshape(-1, 1, 1) * 0.5 for value in (length, width))
    grooves = torch.as_tensor(bristle, device=source.device).reshape(-1, 1, 1)
    total = source.new_zeros(source.shape[0], 5, *source.shape[2:])
    clear = torch.ones_like(total[:, 0])
    for x, y, cosine, sine, red, green, blue, factor, order in _neighbours(table, grid, lattice, reach, reach):
        off_x, off_y = (grid[..., 0] - x) * lattice, (grid[..., 1] - y) * lattice
        reachable = factor.clamp_min(1e-3)
        lengthwise = (off_x * cosine + off_y * sine) / (half_length * reachable)
        sidewise = (off_y * cosine - off_x * sine) / (half_width * reachable)
        shape = lengthwise.square() + sidewise.square() if roundness == 2 else lengthwise.square().square() + sidewise.square().square()
        alpha = smoothstep(1 + edge, 1 - edge, shape) * (factor > 0.02)
        weight = alpha * torch.exp(order * 9)
        body = (1 - 0.6 * sidewise.square()) * (1 + grooves * torch.cos(sidewise * 9 + order * 40)) + order * 0.4
        for channel, value in enumerate((red, green, blue, body)):
            total[:, channel] += value * weight
        total[:, 4] += weight
        clear = clear * (1 - alpha)
    mixed = total[:, :4] / (total[:, 4:] + 1e-4)
    return Marks(mixed[:, :3].clamp(0, 1), 1 - clear[:, None], mixed[:, 3:])


@dataclass(frozen=True)
class Cells:
    """A tiling: colour (N, 3, S, S) of each cell; seam (N, 1, S, S): distance to the border in cells; dice (N, 1, S, S); and the offset
    from the cell's site (N, 2, S, S) in cells."""

    colour: Tensor
    seam: Tensor
    dice: Tensor
    offset: Tensor


def tiling(seeds: Tensor, source: Tensor, cells: Tensor, jitter: Tensor | float = 0.8, salt: int = 0, square: bool = False) -> Cells:
    """Voronoi cells of a jittered lattice of `cells` (N,) across, each in the colour of `source` at its site.

    `square` measures distance by the larger coordinate, for tesserae instead of pebbles.
    """
    place, random, lattice = _sites(seeds, cells, jitter, salt)
    colour = sample(source, place.clamp(0, 1)).permute(0, 2, 3, 1)
    grid = base_grid(source)
    best = torch.full_like(source[:, :6], 9.0) if source.shape[1] >= 6 else source.new_full((source.shape[0], 6, *source.shape[2:]), 9.0)
    nearest, second = source.new_full(source[:, 0].shape, 9.0), source.new_full(source[:, 0].shape, 9.0)
    for x, y, red, green, blue, order in _neighbours(torch.cat([place, colour, random[..., 3:4]], -1), grid, lattice, range(-1, 2), range(-1, 2)):
        off_x, off_y = (grid[..., 0] - x) * lattice, (grid[..., 1] - y) * lattice
        distance = torch.maximum(off_x.abs(), off_y.abs()) if square else (off_x.square() + off_y.square()).sqrt()
        closer = distance < nearest
        second = torch.where(closer, nearest, torch.minimum(second, distance))
        nearest = torch.where(closer, distance, nearest)
        best = torch.where(closer[:, None], torch.stack([red, green, blue, order, off_x, off_y], 1), best)
    return Cells(best[:, :3], ((second - nearest) * 0.5)[:, None], best[:, 3:4], best[:, 4:])
