"""A content picture in the style of references, without weights: colours, then detail, then strokes.

1. `preview_colour` gives each colour of the content one of the references'.
2. `preview_bands` gives its edges and grain their strength: the sketch from which the strokes start.
3. `preview_patches` puts it together anew from patches of the references, from coarse to fine. A patch stands for the
   calm colours and the edges beneath it, which is what is compared with those of the content; and it has to go with its
   neighbours, which brings the strokes.
4. Contrast that was lost to the vote comes back, and colours move half the way to the spread of the references.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, pad

from stylesearch.palette import oklab_of_srgb, srgb_of_oklab
from stylesearch.transfer.preview_bands import match_bands, match_contrast
from stylesearch.transfer.preview_colour import Palette, drawn_colours, recolour, transport, with_shares_of
from stylesearch.transfer.preview_patches import Matches, Pool, rebuild

_Number = TypeVar("_Number", int, float)

Size = tuple[int, int]
"""Height, width."""

_COARSEST = 64  # pixels along the shorter side where strokes are laid first
_LEAST_SIDE = 16  # pixels, of whatever is resized: more than a patch
_LEAST_AREA, _MOST_AREA = 384**2, 768**2  # of what is put together from patches; enlarged afterwards

_GUIDE_AREA = 192**2  # pixels at which is judged what a stroke stands for
_CALM = 3  # pixels of that, of the median that takes strokes and outlines away
_EDGES = (0.10, 0.08, 0.05)  # how much edges weigh beside OKLab, from coarse to fine
_FAINT, _STRONG = 0.25, 0.96  # quantiles of the gradient that are no edge, and a whole one

_ROUNDS = (4, 3, 2)  # of search and vote on each scale, from coarse to fine; the last holds for all finer ones
_STRIDES = (1, 2, 2)
_SEARCHED = (2048, 1024, 1024)  # patches
_SEARCHES = 2  # rounds of each scale that look beyond neighbours

_OWN_SHARES = 0.9  # how far colours keep the frequency that they have in the content
_LAST_TRANSPORT = 0.5  # how far colours move in the end


@dataclass(frozen=True)
class Look:
    """A picture, and what its parts stand for.

    Attributes:
        picture: float32 (3, H, W), OKLab.
        calm: float32 (3, h, w), its colours without strokes.
        edges: float32 (1, h, w), from 0 to about 1.
    """

    picture: Tensor
    calm: Tensor
    edges: Tensor

    def guide(self, size: Size, edges: float) -> Tensor:
        """What is compared: float32 (4, H, W)."""
        return torch.cat([_resized(self.calm, size), edges * _resized(self.edges, size)])


def stylise(
    content: Image.Image,
    references: Sequence[Image.Image],
    weights: Sequence[float],
    seed: int,
    rounds: int | None,
    report: Callable[[], None],
) -> Image.Image:
    """The content in the style of the references.

    Args:
        content, references: mode RGB, of any sizes. weights: above 0.
        rounds: of search and vote on each scale; None: as many as show.
        report: called before each round, and before the end; see `rounds_of`.

    Returns:
        Mode RGB, of the size of the content.
    """
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    shares = [weight / sum(weights) for weight in weights]
    size = _working_size(content, references)
    area = size[0] * size[1]
    samples = [_oklab(picture, _size_of_area(picture, area)) for picture in references]
    wanted = Palette.joined([Palette.of(picture) for picture in references], shares)
    plain = _oklab(content, size)
    coloured = recolour(plain, Palette.of(content), wanted)
    looks = [_look(sample, sample) for sample in samples]
    pictures = [look.picture for look in looks]
    target = _look(coloured, plain)
    sketch = match_bands(target.picture, pictures, shares, generator)
    picture = _put_together(sketch, target, looks, shares, _scales(size), rounds, generator, report)
    report()
    picture = match_contrast(picture, pictures, shares)
    made = _array(picture)
    points = with_shares_of(drawn_colours(samples, shares, rng), made, wanted, _OWN_SHARES, rng)
    made += _LAST_TRANSPORT * (transport(made, points, rng) - made)
    return Image.fromarray(srgb_of_oklab(made)).resize(content.size, Image.Resampling.LANCZOS)


def rounds_of(content: Image.Image, references: Sequence[Image.Image], rounds: int | None) -> int:
    """How often `stylise` will report."""
    scales = _scales(_working_size(content, references))
    return sum(rounds or _at(_ROUNDS, number) for number in range(len(scales))) + 1


def recoloured(content: Image.Image, references: Sequence[Image.Image], weights: Sequence[float]) -> Image.Image:
    """The content with nothing but the colours of the references: what strokes are measured against."""
    rng = np.random.default_rng(0)
    samples = [_oklab(picture, _size_of_area(picture, _LEAST_AREA)) for picture in references]
    lab = _oklab(content, (content.height, content.width))
    return Image.fromarray(srgb_of_oklab(transport(lab, drawn_colours(samples, weights, rng), rng)))


def _put_together(
    sketch: Tensor,
    target: Look,
    looks: Sequence[Look],
    shares: Sequence[float],
    scales: Sequence[Size],
    rounds: int | None,
    generator: torch.Generator,
    report: Callable[[], None],
) -> Tensor:
    """The sketch float32 (3, H, W) anew, from patches of the looks, on all scales."""
    picture = sketch
    for number, size in enumerate(scales):
        shrunk, edges = size[0] / scales[-1][0], _at(_EDGES, number)
        sizes = [_scaled((look.picture.shape[1], look.picture.shape[2]), shrunk) for look in looks]
        channels = [
            torch.cat([_resized(look.picture, own), look.guide(own, edges)])
            for look, own in zip(looks, sizes, strict=True)
        ]
        pool = Pool(channels, shares, _at(_SEARCHED, number), generator)
        picture, guide = _resized(picture, size), target.guide(size, edges)
        matches: Matches | None = None
        for turn in range(rounds or _at(_ROUNDS, number)):
            report()
            picture, matches = rebuild(picture, guide, pool, matches, _at(_STRIDES, number), turn < _SEARCHES)
    return picture


def _look(lab: np.ndarray, plain: np.ndarray) -> Look:
    """Args: lab float32 (H, W, 3). plain: the same before its colours were changed, where edges are looked for."""
    picture, height, width = _tensor(lab), *lab.shape[:2]
    shrunk = math.sqrt(_GUIDE_AREA / (height * width))
    size = _scaled((height, width), shrunk)
    small = Image.fromarray(srgb_of_oklab(lab)).resize(size[::-1], Image.Resampling.BOX)
    calm = oklab_of_srgb(np.asarray(small.filter(ImageFilter.MedianFilter(_CALM))))
    return Look(picture, _tensor(calm), _edges(_resized(_tensor(plain), size)))


def _edges(picture: Tensor) -> Tensor:
    """How near an edge is: (3, H, W) to (1, H, W), measured by the strongest and the faintest of the picture."""
    framed = pad(picture[None], (2, 2, 2, 2), mode="replicate")[0]
    across = framed[:, 1:-1, 2:] - framed[:, 1:-1, :-2]
    down = framed[:, 2:, 1:-1] - framed[:, :-2, 1:-1]
    strength = avg_pool2d((across.square() + down.square()).sum(0, keepdim=True).sqrt(), 3, stride=1)
    faint, strong = strength.quantile(_FAINT), strength.quantile(_STRONG)
    return ((strength - faint) / (strong - faint).clamp_min(0.01)).clamp(0, 1.3)


def _working_size(content: Image.Image, references: Sequence[Image.Image]) -> Size:
    """No larger than the largest reference has detail for."""
    detail = max(picture.width * picture.height for picture in references)
    area = min(max(detail, _LEAST_AREA), _MOST_AREA)
    whole = (content.height, content.width)
    return _scaled(whole, min(1, math.sqrt(area / (whole[0] * whole[1]))))


def _scales(size: Size) -> list[Size]:
    """From coarse to fine, each about twice the one before; the last is `size`."""
    count = max(0, round(math.log2(min(size) / _COARSEST)))
    return [_scaled(size, 2.0**-number) for number in range(count, -1, -1)]


def _size_of_area(picture: Image.Image, area: int) -> Size:
    return _scaled((picture.height, picture.width), math.sqrt(area / (picture.width * picture.height)))


def _scaled(size: Size, factor: float) -> Size:
    return max(_LEAST_SIDE, round(size[0] * factor)), max(_LEAST_SIDE, round(size[1] * factor))


def _oklab(picture: Image.Image, size: Size) -> np.ndarray:
    return oklab_of_srgb(np.asarray(picture.resize(size[::-1], Image.Resampling.LANCZOS)))


def _tensor(lab: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(lab.transpose(2, 0, 1)))


def _array(picture: Tensor) -> np.ndarray:
    return picture.permute(1, 2, 0).contiguous().numpy()


def _resized(picture: Tensor, size: Size) -> Tensor:
    return interpolate(picture[None], size, mode="bicubic", antialias=True, align_corners=False)[0]


def _at(values: Sequence[_Number], number: int) -> _Number:
    return values[min(number, len(values) - 1)]
