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
        f = torch.where(xyz > 0.008856, torch.exp(torch.log(xyz.clamp_min(1e-6)) / 3), 7.787 * xyz + 16 / 116)
        x, y, z = f.unbind(1)
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
    position = ((values - low) * ((bins - 1) / (high - low))).clamp(0, bins - 1 - 1e-4)
    index = position.long()
    upper = position - index
    counts = values.new_zeros(len(values), bins)
    counts.scatter_add_(1, index, 1 - upper).scatter_add_(1, index + 1, upper)
    return (counts / values.shape[1]).sqrt()


def share(index: Tensor, weight: Tensor, bins: int) -> Tensor:
    """Square roots of the weights' shares per bin: index int64 (N, P), weight (N, P)."""
    counts = weight.new_zeros(len(index), bins).scatter_add_(1, index, weight)
    return (counts / (counts.sum(1, keepdim=True) + 1e-4 * weight.shape[1])).sqrt()


def _colour(lab: Tensor) -> list[Tensor]:
    values = lab.flatten(2)
    lightness, a, b = values.unbind(1)
    chroma = (a * a + b * b).sqrt()
    levels, side = 5, 7
    signed = [((axis.sign() * axis.abs().sqrt() + 1) * (side / 2)).long().clamp(0, side - 1) for axis in (a, b)]
    joint = ((lightness * levels).long().clamp(0, levels - 1) * side + signed[0]) * side + signed[1]
    hue = ((torch.atan2(b, a) / (2 * math.pi) + 0.5) * 16).long().clamp(0, 15)
    return [
        share(joint, torch.ones_like(a), levels * side * side),
        _soft_histogram(lightness, 0, 1, 17),
        _soft_histogram(chroma.sqrt(), 0, 1, 10),
        share(hue, chroma, 16),
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
    colour = (responses[:, [8, 9, 11, 12]].pow(2).sum(1).flatten(1) + 1e-10).sqrt()
    curve = responses[:, 7].abs().flatten(1)
    angle = ((torch.atan2(y, x) / math.pi + 1) * 12).long().remainder(12)
    steps = [_soft_histogram((v + 1e-3).log(), math.log(1.5e-3), math.log(0.5), 12) for v in (slope, colour, curve)]
    return [*steps, share(angle, slope, 12)]


_NEIGHBOURS = ((-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1))
_UNIFORM = torch.tensor(
    [
        code.bit_count() if sum((code >> i ^ code >> ((i + 1) % 8)) & 1 for i in range(8)) <= 2 else 9
        for code in range(256)
    ]
)


def _binary_patterns(lightness: Tensor, stride: int, places: Places) -> list[Tensor]:
    """Shares of rotation-invariant uniform local binary patterns, of clearly brighter and clearly darker neighbours."""
    side = lightness.shape[-1]
    framed = pad(lightness[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    centres = lightness[:, ::stride, ::stride]
    above, below = centres + 0.01, centres - 0.01
    brighter = torch.zeros_like(centres, dtype=torch.uint8)
    darker = torch.zeros_like(brighter)
    for bit, (down, across) in enumerate(_NEIGHBOURS):
        shifted = framed[:, 1 + down : 1 + down + side : stride, 1 + across : 1 + across + side : stride]
        brighter.add_((shifted > above).view(torch.uint8), alpha=1 << bit)
        darker.add_((shifted < below).view(torch.uint8), alpha=1 << bit)
    table = _UNIFORM.to(lightness.device)
    found = [table[places(codes[:, None]).flatten(1).long()] for codes in (brighter, darker)]
    return [share(uniform, torch.ones_like(uniform, dtype=lightness.dtype), 10) for uniform in found]


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
        (energy.std(1) / (energy.mean(1) + 1e-4)).log1p(),
    ]
    local = _blurred(lab)
    contrast = (_blurred(lab * lab) - local * local).clamp_min(0).add(1e-8).sqrt()
    return [
        _soft_histogram((spread / (trace + 1e-4)).flatten(1), 0, 1, 9),
        torch.stack(scalars, 1),
        _soft_histogram((places(contrast)[:, 0].flatten(1) + 2e-3).log(), math.log(3e-3), math.log(0.45), 10),
        _correlations(places(torch.cat([lab, contrast], 1))),
    ]


def _layout(lab: Tensor) -> list[Tensor]:
    """Lightness and colour by zone (corners, sides, middle), and how plain the border is."""
    grid = torch.nn.functional.adaptive_avg_pool2d(lab, 4)
    grid = (grid + grid.flip(3)) / 2  # a mirrored picture has the same style
    side = lab.shape[-1]
    edge = max(side // 10, 1)
    border = torch.ones(side, side, dtype=torch.bool, device=lab.device)
    border[edge:-edge, edge:-edge] = False
    frame, inside = lab[:, :, border], lab[:, :, ~border]
    deviation = frame.std(2)
    return [grid[..., :2].flatten(1), frame.mean(2) - inside.mean(2), (deviation + 1e-3).log()]
