"""The terms of the weights that encoders run on, by family; known without loading anything."""

from __future__ import annotations

# compact: docs/model_card.md. csd: the card of tomg-group-umd/CSD-ViT-L, and LICENSE of learn2phoenix/CSD. megastyle:
# LICENSE.txt of Tencent/MegaStyle. styleexpert: README of HVision-NKU/StyleExpert. descriptors: no weights but code.
_TERMS = {
    "compact": "Apache-2.0",
    "csd": "CC BY 4.0 (its code: MIT)",
    "descriptors": "Apache-2.0",
    "megastyle": "research and education only, no commercial use (licence of MegaStyle)",
    "styleexpert": "CC BY-NC 4.0, no commercial use",
}


def licence_of(name: str) -> str | None:
    """Terms of the weights of the encoder `name`; None: they differ within the family, ask who published them."""
    return _TERMS.get(name.partition(":")[0])
