"""Small copies of pictures, to put into the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from typing import TYPE_CHECKING

from PIL import Image

from benchmarks.retrieval.results import Picture
from stylesearch.errors import ImageError

if TYPE_CHECKING:
    from benchmarks.datasets import StyleSet

SIDE = 112  # pixels


class Thumbnails:
    """Gives a picture of the sets as a data URI, and decodes it once.

    Args:
        sets: by name.
    """

    def __init__(self, sets: Mapping[str, StyleSet]) -> None:
        self._sets = sets
        self._known: dict[tuple[str, int], str] = {}

    def __call__(self, picture: Picture) -> str:
        """WebP, at most `SIDE` pixels wide and high; "" where the picture has become unreadable since."""
        key = picture.set, picture.row
        if key not in self._known:
            self._known[key] = self._uri(*key)
        return self._known[key]

    def _uri(self, set_name: str, row: int) -> str:
        try:
            image = self._sets[set_name].image(row)
        except ImageError:
            return ""
        image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        image.save(buffer, "WEBP", quality=72, method=4)
        return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
