"""What a picture shows, apart from the rest of it: masks of the subject, and what to do where nothing stands out.

`load_masker` is the one place that turns a name into a masker. docs/masking.md lists the families.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from stylesearch.errors import EncoderError
from stylesearch.masking.base import Masker

DEFAULT_MASKER = "masker:v1"


def load_masker(name: str | None = None, dtype: str | None = None) -> Masker:
    """Loads a masker by name; the second call with a name returns the same object.

    Args:
        name: for example "masker:v1", "sam2:FOLDER" or "mobilesam:FILE"; None: the default.
        dtype: what it computes in, "float32" or "bfloat16"; None: what this machine does best.

    Raises:
        EncoderError: no such masker, or its weights cannot be loaded.
        MissingDependencyError: an optional package is needed.
    """
    return _load(name or DEFAULT_MASKER, dtype)


@cache
def _load(name: str, dtype: str | None) -> Masker:
    family = name.partition(":")[0]
    if family not in _FAMILIES:
        raise EncoderError(f"There is no masker '{name}'. A name begins with one of: {', '.join(_FAMILIES)}.")
    return _FAMILIES[family](name, dtype)


def _embedded(name: str, dtype: str | None) -> Masker:
    from stylesearch.masking.embedded import EmbeddedMasker

    return EmbeddedMasker(name, dtype)


def _sam(name: str, dtype: str | None) -> Masker:
    from stylesearch.masking.sam import SamMasker

    return SamMasker(name, dtype)


def _mobilesam(name: str, dtype: str | None) -> Masker:
    from stylesearch.masking.mobilesam import MobileSamMasker

    return MobileSamMasker(name, dtype)


_FAMILIES: dict[str, Callable[[str, str | None], Masker]] = {
    "masker": _embedded,
    "mobilesam": _mobilesam,
    "sam": _sam,
    "sam2": _sam,
    "sam-hq": _sam,
}
