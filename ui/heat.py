"""What the page shows of an explanation."""

from __future__ import annotations

import base64
import io
from typing import Any

from stylesearch.explain import Explanation, Heat, heat_colours
from stylesearch.query import Box

_PIXELS = 12  # along a part's side; the browser blends further

_WHOLE: Box = (0.0, 0.0, 1.0, 1.0)


def why_of(explanation: Explanation, crop: Box | None = None) -> dict[str, Any]:
    """What the browser needs to show why a picture is like its reference.

    Args:
        crop: which part of the reference was compared; None: all of it.

    Returns:
        "likeness", a cosine in [-1, 1]; "traits", from 0 to 1 by name; "heat" and "referenceHeat", each with "image", a
        small picture in an address of its own, and "box", where it lies: edges as shares of the picture's sides.
    """
    return {
        "likeness": round(explanation.cosine, 2),
        "traits": {name: round(value, 3) for name, value in explanation.traits._asdict().items()},
        "heat": _shown(explanation, explanation.heat, _WHOLE),
        "referenceHeat": _shown(explanation, explanation.reference_heat, crop or _WHOLE),
    }


def _shown(explanation: Explanation, heat: Heat, within: Box) -> dict[str, Any]:
    buffer = io.BytesIO()
    heat_colours(explanation.shades(heat), _PIXELS).save(buffer, "PNG")
    left, top, right, bottom = within
    wide, high = right - left, bottom - top
    x0, y0, x1, y1 = heat.box
    return {
        "image": "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode(),
        "box": [left + x0 * wide, top + y0 * high, left + x1 * wide, top + y1 * high],
    }
