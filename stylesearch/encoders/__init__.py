"""Encoders: pictures (and style texts) to unit vectors.

A name is `family:architecture.tag`, or `family:PATH` for weights in a file; `load_encoder` is the one place that turns
a name into an encoder. docs/encoders.md lists the families.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from stylesearch.encoders.base import Encoder
from stylesearch.errors import EncoderError

DEFAULT_ENCODER = "compact:v3"


def load_encoder(name: str | None = None, *, dtype: str | None = None) -> Encoder:
    """Loads an encoder by name; the second call with a name returns the same object.

    Args:
        name: for example "compact:v3" or "openclip:ViT-B-16-SigLIP/webli"; None: the default.
        dtype: what a torch encoder computes in, "float32" or "bfloat16"; None: what this machine does best.

    Raises:
        EncoderError: no such encoder, or its weights cannot be loaded.
        MissingDependencyError: an optional package is needed.
    """
    return _load(name or DEFAULT_ENCODER, dtype)


def reads_texts(name: str) -> bool:
    """Whether the encoder of this name has a text tower; known without loading it."""
    return name.partition(":")[0] in _WITH_TEXT_TOWER


@cache
def _load(name: str, dtype: str | None) -> Encoder:
    family = name.partition(":")[0]
    if family not in _FAMILIES:
        raise EncoderError(f"There is no encoder '{name}'. A name begins with one of: {', '.join(_FAMILIES)}.")
    return _FAMILIES[family](name, dtype)


def _compact(name: str, dtype: str | None) -> Encoder:
    from stylesearch.encoders.compact import CompactEncoder

    return CompactEncoder(name, dtype)


def _csd(name: str, dtype: str | None) -> Encoder:
    from stylesearch.encoders.csd import CsdEncoder

    return CsdEncoder(name, dtype)


def _descriptors(name: str, dtype: str | None) -> Encoder:
    from stylesearch.encoders.descriptors import LabGradientEncoder

    if name != LabGradientEncoder.name:
        raise EncoderError(f"There is no encoder '{name}'. Of this family there is: {LabGradientEncoder.name}.")
    return LabGradientEncoder()  # NumPy in float32 everywhere


def _megastyle(name: str, dtype: str | None) -> Encoder:
    from stylesearch.encoders.megastyle import MegaStyleEncoder

    return MegaStyleEncoder(name, dtype)


def _openclip(name: str, dtype: str | None) -> Encoder:
    from stylesearch.encoders.openclip import OpenClipEncoder

    return OpenClipEncoder(name, dtype)


def _styleexpert(name: str, dtype: str | None) -> Encoder:
    from stylesearch.encoders.styleexpert import StyleExpertEncoder

    return StyleExpertEncoder(name, dtype)


def _timm(name: str, dtype: str | None) -> Encoder:
    from stylesearch.encoders.timm_encoder import TimmEncoder

    return TimmEncoder(name, dtype)


_FAMILIES: dict[str, Callable[[str, str | None], Encoder]] = {
    "compact": _compact,
    "csd": _csd,
    "descriptors": _descriptors,
    "megastyle": _megastyle,
    "openclip": _openclip,
    "styleexpert": _styleexpert,
    "timm": _timm,
}
_WITH_TEXT_TOWER = ("compact", "openclip")
