"""What a request becomes for a model of the FLUX family: sizes, places and odds of its pictures, and the words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image, ImageOps

from stylesearch.errors import UsageError

if TYPE_CHECKING:
    from stylesearch.transfer.base import TransferRequest

_LEAST_SIDE, _MOST_ASPECT = 64, 4.0  # of pictures beside the noise; FLUX.2's own processor refuses smaller ones
_MEGAPIXEL = 1024 * 1024


def shared_odds(request: TransferRequest) -> list[float]:
    """Odds of each reference: its weight over the mean weight, times the strength; all 1 where nothing is said."""
    total = sum(reference.weight for reference in request.references)
    count = len(request.references)
    return [request.strength * reference.weight * count / total for reference in request.references]


def beside(request: TransferRequest, width: int, height: int, grid: int) -> list[tuple[Image.Image, float]]:
    """Pictures to stand beside the noise, with their odds: the content, cut to the result's shape; then the others."""
    content = [] if request.content is None else [(ImageOps.fit(request.content, (width, height)), 1.0)]
    area = min(width * height, _MEGAPIXEL)
    return content + [
        (fitted(reference.picture, area, grid), odds)
        for reference, odds in zip(request.references, shared_odds(request), strict=True)
    ]


def fitted(picture: Image.Image, area: int, grid: int) -> Image.Image:
    """A picture in its own shape, of at most `area` pixels, sides multiples of `grid`; long strips lose their ends."""
    aspect = min(max(picture.width / picture.height, 1 / _MOST_ASPECT), _MOST_ASPECT)
    most = min(area, picture.width * picture.height)
    sides = ((most * aspect) ** 0.5, (most / aspect) ** 0.5)
    width, height = (max(int(side) // grid * grid, _LEAST_SIDE) for side in sides)
    return ImageOps.fit(picture, (width, height))


def laid_out(sizes: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Column and row of each picture so that none covers another: beside the others, where the whole stays compact.

    Args:
        sizes: columns and rows of each, in tokens.
    """
    places, columns, rows = [], 0, 0
    for wide, tall in sizes:
        right = rows + tall > columns + wide
        column, row = (columns, 0) if right else (0, rows)
        places.append((column, row))
        columns, rows = max(columns, column + wide), max(rows, row + tall)
    return places


def instruction(request: TransferRequest) -> str:
    """What to tell a model that is told what to do with pictures; the request's own words say what to show.

    Raises:
        UsageError: neither a content image nor words.
    """
    if request.content is not None:
        images = "the second image" if len(request.references) == 1 else "the other images"
        return f"Redraw the first image in the style of {images}, keeping its content. {request.prompt}".rstrip()
    if not request.prompt:
        raise UsageError(
            "There is neither a content image nor a prompt, so nothing says what to show. Give one of them."
        )
    images = "the image" if len(request.references) == 1 else "the images"
    return f"{request.prompt}, in the style of {images}, with new content"
