"""Handmade statistics of colour, texture, line and layout, in torch: the part of style that needs no learning.

Texture is described as by Portilla and Simoncelli (2000): moments and correlations of oriented filters over an octave
pyramid, with local binary patterns (Ojala 2002), pattern spectra (Maragos 1989) and histograms beside them. Nothing
here is learned; a linear layer over these numbers is the baseline `descriptors:statistics`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad

from stylesearch.encoders.places import EVERYWHERE, Places

SCALES = 5
"""Octaves of the pyramid; the first has the cheap statistics alone, because it costs as much as all others."""

_CORNER = 0.008856  # CIELAB: where a cube root begins

_SMOOTH, _SLOPE, _BEND = (1.0, 2.0, 1.0), (-1.0, 0.0, 1.0), (1.0, -2.0, 1.0)


def _outer(down: tuple[float, ...], across: tuple[float, ...]) -> Tensor:
    return torch.outer(torch.tensor(down), torch.tensor(across))


def _filters() -> Tensor:
    """(14, 3, 3, 3): eight derivatives of lightness, then three of each of the two colour axes."""
    diagonal = torch.tensor([[0.0, 1, 2], [-1, 0, 1], [-2, -1, 0]]) / 8
    x, y = _outer(_SMOOTH, _SLOPE) / 8, _outer(_SLOPE, _SMOOTH) / 8
    laplace = torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]]) / 4
    lightness = [x, y, diagonal, diagonal.flip(1), _outer(_SMOOTH, _BEND) / 8, _outer(_BEND, _SMOOTH) / 8]
    lightness += [_outer(_SLOPE, _SLOPE) / 4, laplace]
    bank = torch.zeros(14, 3, 3, 3)
    for row, kernel in enumerate(lightness):
        bank[row, 0] = kernel
    for axis in (1, 2):
        for offset, kernel in enumerate((x, y, laplace)):
            bank[8 + 3 * (axis - 1) + offset, axis] = kernel
    return bank


class Lab(nn.Module):
    """sRGB to CIELAB under D65, scaled."""

    to_xyz: Tensor

    def __init__(self) -> None:
        super().__init__()
        xyz = torch.tensor(
            [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
        )
        white = torch.tensor([[0.95047], [1.0], [1.08883]])
        self.register_buffer("to_xyz", (xyz / white)[..., None, None], persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Float32 (N, 3, H, W) in [0, 1] to L in [0, 1], a and b in about [-1, 1]."""
        # The sRGB curve as a cubic (error under 0.004): `pow` would take a fifth of the whole time.
        linear = images * (images * (images * 0.305306011 + 0.682171111) + 0.012522878)
        xyz = conv2d(linear, self.to_xyz)
        # A cube root above the corner and its tangent below, as a sum: choosing by a mask takes several times as long.
        root = xyz.clamp_min(_CORNER).log_().div_(3).exp_()
        x, y, z = root.add_(xyz.clamp_max_(_CORNER).sub_(_CORNER), alpha=7.787).unbind(1)
        return torch.stack([1.16 * y - 0.16, 5 * (x - y), 2 * (y - z)], 1)


class Statistics(nn.Module):
    """Pictures to a vector of statistics; no parameters."""

    filters: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("filters", _filters(), persistent=False)
        with torch.no_grad():
            self.dim = self(torch.zeros(1, 3, 64, 64)).shape[1]

    def forward(self, lab: Tensor, places: Places = EVERYWHERE) -> Tensor:
        """
        Args:
            lab: float32 (N, 3, S, S) from `Lab`, S >= 64.
            places: where statistics are taken; layout is that of the whole square.

        Returns:
            float32 (N, self.dim), each number of the order of 1.
        """
        half = halved(lab)
        here = places(half)
        parts = [*_colour(here), _moments(here), _correlations(here), *_layout(half)]
        coarser_energy: Tensor | None = None
        for scale in range(SCALES):
            # At full resolution every other pixel of a row and column tells as much as all, for a quarter of the time.
            step = 2 if scale == 0 else 1
            responses = conv2d(pad(lab, (1, 1, 1, 1), mode="replicate"), self.filters, stride=step)
            here = places(responses)
            parts += _edges(here)
            parts.append(_moments(here[:, :8] if scale == 0 else here))
            parts += _binary_patterns(lab[:, 0], step, places)
            if scale < SCALES - 1:
                parts.append(_pattern_spectrum(lab[:, :1], places))
            if scale > 0:
                parts += _structure(lab, responses, places)
                energy = responses[:, [0, 1, 2, 3, 7, 8, 9]].abs()
                if coarser_energy is not None:
                    parts.append(_cross_correlations(places(halved(coarser_energy)), places(energy)))
                coarser_energy = energy
            lab = half if scale == 0 else halved(lab)
        return torch.cat(parts, 1)


def halved(maps: Tensor) -> Tensor:
    """Means of 2 by 2 pixels; sums of slices are several times faster here than `avg_pool2d`."""
    height, width = maps.shape[2] // 2 * 2, maps.shape[3] // 2 * 2
    rows = maps[..., 0:height:2, :width] + maps[..., 1:height:2, :width]
    return (rows[..., ::2] + rows[..., 1::2]) / 4


def _soft_histogram(values: Tensor, low: float, high: float, bins: int) -> Tensor:
    """Square roots of the shares of (N, P) values around `bins` even centres, linearly split between neighbours."""
    position = (values - low).mul_((bins - 1) / (high - low)).clamp_(0, bins - 1 - 1e-4)
    lower = position.floor()
    index, upper = _bins(lower), position.sub_(lower)
    counts = values.new_zeros(len(values), bins)
    counts.scatter_add_(1, index, 1 - upper).scatter_add_(1, index + 1, upper)
    return (counts / values.shape[1]).sqrt()


def _bins(values: Tensor) -> Tensor:
    """Float values, cut to whole ones, as int64; by way of int32 this is three times as fast here."""
    return values.int().long()


def _share(index: Tensor, weight: Tensor, bins: int) -> Tensor:
    """Square roots of the weights' shares per bin: index int64 (N, P), weight (N, P)."""
    return root_shares(_counts(index, weight, bins), weight.shape[1])


def _counts(index: Tensor, weight: Tensor, bins: int) -> Tensor:
    return weight.new_zeros(len(index), bins).scatter_add_(1, index, weight)


def root_shares(counts: Tensor, places: int) -> Tensor:
    """Square roots of the shares of counts (N, bins) of so many places; all near 0 where little was counted."""
    return (counts / (counts.sum(1, keepdim=True) + 1e-4 * places)).sqrt()


def _colour(lab: Tensor) -> list[Tensor]:
    values = lab.flatten(2)
    lightness, a, b = values.unbind(1)
    chroma = (a * a + b * b).sqrt()
    levels, side = 5, 7
    signed = [((axis.sign() * axis.abs().sqrt() + 1) * (side / 2)).floor().clamp(0, side - 1) for axis in (a, b)]
    joint = _bins(((lightness * levels).floor().clamp(0, levels - 1) * side + signed[0]) * side + signed[1])
    hue = _bins(((torch.atan2(b, a) / (2 * math.pi) + 0.5) * 16).clamp(0, 15))
    return [
        _share(joint, torch.ones_like(a), levels * side * side),
        _soft_histogram(lightness, 0, 1, 17),
        _soft_histogram(chroma.sqrt(), 0, 1, 10),
        _share(hue, chroma, 16),
    ]


def _moments(maps: Tensor) -> Tensor:
    """(N, C, H, W) to (N, 5C): mean, mean magnitude, deviation, skewness and kurtosis, compressed to one range."""
    values = maps.flatten(2)
    mean = values.mean(2, keepdim=True)
    centred = values - mean
    squares = centred * centred
    variance = squares.mean(2)
    deviation = (variance + 1e-8).sqrt()
    skew = (squares * centred).mean(2) / (deviation**3 + 1e-5)
    kurtosis = (squares * squares).mean(2) / (variance**2 + 1e-7)
    magnitude = values.abs().mean(2)
    return torch.cat(
        [
            mean[..., 0],
            (magnitude + 1e-3).log(),
            (deviation + 1e-3).log(),
            skew.sign() * skew.abs().sqrt(),
            (kurtosis + 1e-3).log().clamp(-3, 5),
        ],
        1,
    )


def _standardised(maps: Tensor) -> Tensor:
    values = maps.flatten(2)
    centred = values - values.mean(2, keepdim=True)
    return centred / (centred.pow(2).mean(2, keepdim=True) + 1e-5).sqrt()


def _correlations(maps: Tensor) -> Tensor:
    """(N, C, H, W) to (N, C(C-1)/2), the correlations between channels over space."""
    values = _standardised(maps)
    matrix = values @ values.transpose(1, 2) / values.shape[2]
    row, column = torch.triu_indices(maps.shape[1], maps.shape[1], 1)
    return matrix[:, row, column]


def _cross_correlations(maps: Tensor, others: Tensor) -> Tensor:
    first, second = _standardised(maps), _standardised(others)
    return (first @ second.transpose(1, 2) / first.shape[2]).flatten(1)


def _edges(responses: Tensor) -> list[Tensor]:
    """How steep lightness, colour and curvature are, and which way edges run."""
    x, y = responses[:, 0].flatten(1), responses[:, 1].flatten(1)
    slope = (x * x + y * y + 1e-10).sqrt()
    slopes = (responses[:, channel].flatten(1) for channel in (8, 9, 11, 12))
    colour = (torch.stack([each * each for each in slopes]).sum(0) + 1e-10).sqrt()
    curve = responses[:, 7].abs().flatten(1)
    angle = _bins((torch.atan2(y, x) / math.pi + 1) * 12)
    steep = (torch.stack([slope, colour, curve], 1).flatten(0, 1) + 1e-3).log_()
    steps = _soft_histogram(steep, math.log(1.5e-3), math.log(0.5), 12).view(len(x), -1)
    # Twelve bins to half a turn, over a whole one and its very end; both halves are one direction.
    turns = _counts(angle, slope, 36).view(len(x), 3, 12).sum(1)
    return [steps, root_shares(turns, slope.shape[1])]


_NEIGHBOURS = ((-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1))
_UNIFORM = torch.nn.functional.one_hot(
    torch.tensor(
        [
            code.bit_count() if sum((code >> i ^ code >> ((i + 1) % 8)) & 1 for i in range(8)) <= 2 else 9
            for code in range(256)
        ]
    )
).float()


def _binary_patterns(lightness: Tensor, stride: int, places: Places) -> list[Tensor]:
    """Shares of rotation-invariant uniform local binary patterns, of clearly brighter and clearly darker neighbours."""
    side = -(-lightness.shape[-1] // stride)
    framed = pad(lightness[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    # Pixels that are `stride` apart, side by side; and all in float32, as a comparison is several times faster here
    # where what it writes is as wide as what it reads.
    lattices = [
        [framed[:, row::stride, column::stride].contiguous() for column in range(stride)] for row in range(stride)
    ]

    def shifted(down: int, across: int) -> Tensor:
        lattice = lattices[(1 + down) % stride][(1 + across) % stride]
        row, column = (1 + down) // stride, (1 + across) // stride
        return lattice[:, row : row + side, column : column + side]

    above, below = shifted(0, 0) + 0.01, shifted(0, 0) - 0.01
    brighter, darker, found = torch.zeros_like(above), torch.zeros_like(above), torch.empty_like(above)
    for bit, neighbour in enumerate(_NEIGHBOURS):
        brighter.add_(torch.gt(shifted(*neighbour), above, out=found), alpha=1 << bit)
        darker.add_(torch.lt(shifted(*neighbour), below, out=found), alpha=1 << bit)
    uniform, each = _UNIFORM.to(lightness.device), torch.ones_like(places(found[:, None]).flatten(1))
    return [
        root_shares(_counts(_bins(places(codes[:, None]).flatten(1)), each, 256) @ uniform, each.shape[1])
        for codes in (brighter, darker)
    ]


def _grown(maps: Tensor, most: Callable[[Tensor, Tensor], Tensor] = torch.maximum) -> Tensor:
    """Maximum over 3 by 3 pixels, or minimum; passes of slices are several times faster here than `max_pool2d`."""
    framed = pad(maps, (1, 1, 1, 1), mode="replicate")
    pairs = most(framed[..., :-1], framed[..., 1:])
    rows = most(pairs[..., :-1], framed[..., 2:])
    pairs = most(rows[..., :-1, :], rows[..., 1:, :])
    return most(pairs[..., :-1, :], rows[..., 2:, :])


def _shrunk(maps: Tensor) -> Tensor:
    return _grown(maps, torch.minimum)


def _pattern_spectrum(lightness: Tensor, places: Places) -> Tensor:
    """How much lightness openings and closings of growing size take away: the widths of light and of dark strokes."""
    shrunk, grown = _shrunk(lightness), _grown(lightness)
    opened, closed = _grown(shrunk), _shrunk(grown)
    wider_opened, wider_closed = _grown(_grown(_shrunk(shrunk))), _shrunk(_shrunk(_grown(grown)))
    differences = (lightness - opened, closed - lightness, opened - wider_opened, wider_closed - closed)
    widths = torch.cat([places(each).mean((2, 3)).clamp_min(0) for each in differences], 1)
    ratio = widths[:, :2] / (widths[:, :2] + widths[:, 2:] + 5e-3)
    return torch.cat([widths.sqrt(), ratio], 1)


def _blurred(maps: Tensor) -> Tensor:
    """Mean over 5 by 5 pixels (black outside); sums of slices are several times faster here than `avg_pool2d`."""
    framed = pad(maps, (2, 2, 2, 2))
    pairs = framed[..., :-1] + framed[..., 1:]
    rows = pairs[..., :-3] + pairs[..., 2:-1] + framed[..., 4:]
    pairs = rows[..., :-1, :] + rows[..., 1:, :]
    return (pairs[..., :-3, :] + pairs[..., 2:-1, :] + rows[..., 4:, :]) / 25


def _structure(lab: Tensor, responses: Tensor, places: Places) -> list[Tensor]:
    """Coherence of direction, cornerness, local contrast, and how contrast goes with colour."""
    x, y = responses[:, 0], responses[:, 1]
    tensor = places(_blurred(torch.stack([x * x, y * y, x * y], 1)))
    trace = tensor[:, 0] + tensor[:, 1]
    spread = ((tensor[:, 0] - tensor[:, 1]) ** 2 + 4 * tensor[:, 2] ** 2 + 1e-12).sqrt()
    corner = (tensor[:, 0] * tensor[:, 1] - tensor[:, 2] ** 2).clamp_min(0)
    energy = trace.flatten(1)
    scalars = [
        spread.flatten(1).mean(1) / (energy.mean(1) + 1e-5),
        (corner.flatten(1).mean(1) + 1e-8) ** 0.25,
        (_deviation(energy) / (energy.mean(1) + 1e-4)).log1p(),
    ]
    local = _blurred(lab)
    contrast = (_blurred(lab * lab) - local * local).clamp_min(0).add(1e-8).sqrt()
    return [
        _soft_histogram((spread / (trace + 1e-4)).flatten(1), 0, 1, 9),
        torch.stack(scalars, 1),
        _soft_histogram((places(contrast)[:, 0].flatten(1) + 2e-3).log(), math.log(3e-3), math.log(0.45), 10),
        _correlations(places(torch.cat([lab, contrast], 1))),
    ]


def _deviation(values: Tensor) -> Tensor:
    """Standard deviation along the last axis, several times as fast here as `std`."""
    centred = values - values.mean(-1, keepdim=True)
    return ((centred * centred).sum(-1) / (values.shape[-1] - 1)).sqrt()


def _layout(lab: Tensor) -> list[Tensor]:
    """Lightness and colour by zone (corners, sides, middle), and how plain the border is."""
    grid = torch.nn.functional.adaptive_avg_pool2d(lab, 4)
    grid = (grid + grid.flip(3)) / 2  # a mirrored picture has the same style
    side = lab.shape[-1]
    edge = max(side // 10, 1)
    strips = (lab[..., :edge, :], lab[..., -edge:, :], lab[..., edge:-edge, :edge], lab[..., edge:-edge, -edge:])
    frame, inside = torch.cat([strip.flatten(2) for strip in strips], 2), lab[..., edge:-edge, edge:-edge].flatten(2)
    deviation = _deviation(frame)
    return [grid[..., :2].flatten(1), frame.mean(2) - inside.mean(2), (deviation + 1e-3).log()]
