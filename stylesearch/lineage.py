"""Where a picture that was made here comes from: the plain values that pass between transfer, catalog and pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from stylesearch.query import Box


class Model(NamedTuple):
    """A model that took part.

    Attributes:
        name: what its publisher calls it, or the name of its file.
        sha256: hexadecimal digest of its weights; None where it was not known.
        licence: its terms; None where they were not known.
        trained: whether it has learnt from pictures.
    """

    name: str
    sha256: str | None
    licence: str | None
    trained: bool = True


@dataclass(frozen=True, slots=True)
class Ingredient:
    """A picture that another one was made from.

    Attributes:
        name: of its file, as people read it.
        sha256: digest of its bytes, `Asset.sha256`; None where it came from elsewhere and was no file.
        weight: how much it counted beside the other references.
        box: the part of it that counted; None: all of it.
        likeness: cosine of the made picture to it in [-1, 1]; None where nobody has looked, and for contents.
        asset_id: of the asset with this content; None where the library has none, or has it no more.
    """

    name: str
    sha256: str | None
    weight: float = 1.0
    box: Box | None = None
    likeness: float | None = None
    asset_id: int | None = None


@dataclass(frozen=True, slots=True)
class Fidelity:
    """How well a picture has met the style that was asked for.

    Attributes:
        space: name of the space that was measured in.
        likenesses: cosine to each reference, in their order, in [-1, 1].
        style: cosine to all of them together, weighted as in a search; None where there were none.
        probability: in [0, 1], that it shares their style; None where the space was not calibrated.
        leak: how much of what a reference shows has come along, 0 (no more than by chance) to 1; see
            `stylesearch.transfer.leak`. None where there were no references.
    """

    space: str
    likenesses: tuple[float, ...]
    style: float | None
    probability: float | None
    leak: float | None


@dataclass(frozen=True, slots=True)
class Lineage:
    """How a picture was made, so that it can be made again.

    Attributes:
        made_at: in UTC.
        backend: its name, as `stylesearch.transfer.load_backend` takes it.
        models: that took part.
        licence: the terms of the backend, a sentence.
        commercial: whether they allow commercial use of what it makes; None: it depends.
        prompt: what was to be shown; may be empty.
        seed, width, height, strength, steps: see `stylesearch.transfer.base.TransferRequest`.
        references: whose style was asked for.
        content: what was to be shown; None: no picture.
        fidelity: None where nobody has looked, such as where the power went at the wrong moment.
    """

    made_at: datetime
    backend: str
    models: tuple[Model, ...]
    licence: str
    commercial: bool | None
    prompt: str
    seed: int
    width: int
    height: int
    strength: float
    steps: int | None
    references: tuple[Ingredient, ...]
    content: Ingredient | None = None
    fidelity: Fidelity | None = None

    @property
    def trained(self) -> bool:
        """Whether a trained model took part."""
        return any(model.trained for model in self.models)

    def as_record(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "made_at": self.made_at.isoformat(timespec="seconds"),
            "backend": self.backend,
            "models": [model._asdict() for model in self.models],
            "licence": self.licence,
            "commercial_use": self.commercial,
            "prompt": self.prompt,
            "seed": self.seed,
            "width": self.width,
            "height": self.height,
            "strength": self.strength,
            "steps": self.steps,
            "references": [_ingredient_record(one) for one in self.references],
            "content": self.content and _ingredient_record(self.content),
            **({} if self.fidelity is None else {"fidelity": _fidelity_record(self.fidelity)}),
        }


def _ingredient_record(ingredient: Ingredient) -> dict[str, Any]:
    record: dict[str, Any] = {
        "name": ingredient.name,
        "sha256": ingredient.sha256,
        "weight": ingredient.weight,
        "box": ingredient.box and list(ingredient.box),
    }
    more = {"likeness": _rounded(ingredient.likeness), "id": ingredient.asset_id}
    return record | {name: value for name, value in more.items() if value is not None}


def _fidelity_record(fidelity: Fidelity) -> Mapping[str, Any]:
    return {
        "space": fidelity.space,
        "style": _rounded(fidelity.style),
        "probability": _rounded(fidelity.probability),
        "leak": _rounded(fidelity.leak),
    }


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 4)
