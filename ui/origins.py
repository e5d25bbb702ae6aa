"""Where a picture that was made here comes from, and what came of it, in plain words."""

from __future__ import annotations

from typing import Any

from stylesearch.library import Library
from stylesearch.lineage import Ingredient, Lineage
from ui.gallery import tile
from ui.pictures import thumbnail_url

_MOST_DESCENDANTS = 24


def scores(lineage: Lineage) -> dict[str, float | None]:
    """How well a picture has met its references: "style", "sure" and "leak", each from 0 to 1 or None."""
    found = lineage.fidelity
    numbers = (None, None, None) if found is None else (found.style, found.probability, found.leak)
    names = ("style", "sure", "leak")
    return {name: None if one is None else round(one, 2) for name, one in zip(names, numbers, strict=True)}


def origin(opened: Library, lineage: Lineage | None) -> dict[str, Any] | None:
    """What the browser needs to show how a picture was made; None: it was not made here."""
    if lineage is None:
        return None
    content = [] if lineage.content is None else [_ingredient(opened, lineage.content, "shows")]
    return {
        "ingredients": [*(_ingredient(opened, one, "style") for one in lineage.references), *content],
        "facts": [row for row in _facts(lineage) if row["value"]],
    }


def descendants(opened: Library, asset_id: int) -> list[dict[str, Any]]:
    """What was made from a picture, the latest first."""
    return [
        {
            "id": asset.id,
            "name": tile(opened, asset)["name"],
            "thumbnail": thumbnail_url(opened, asset),
            "width": asset.width,
            "height": asset.height,
        }
        for asset in opened.made_from(asset_id, _MOST_DESCENDANTS)
    ]


def _ingredient(opened: Library, one: Ingredient, role: str) -> dict[str, Any]:
    asset = None if one.asset_id is None else opened.assets([one.asset_id]).get(one.asset_id)
    notes = ["a part of it" if one.box else "", f"×{one.weight:g}" if one.weight != 1 else ""]
    if one.likeness is not None:
        notes.append(f"likeness {one.likeness:.2f}")
    if asset is None:
        notes.append("not in this library")
    return {
        "id": None if asset is None else asset.id,
        "name": one.name,
        "thumbnail": None if asset is None else thumbnail_url(opened, asset),
        "role": role,
        "note": ", ".join(filter(None, notes)),
    }


def _facts(lineage: Lineage) -> list[dict[str, str]]:
    numbers = {name: "" if number is None else f"{number:.2f}" for name, number in scores(lineage).items()}
    models = ", ".join(f"{model.name} ({model.licence or 'terms unknown'})" for model in lineage.models)
    return [
        {"name": "Likeness", "value": numbers["style"]},
        {"name": "Shares style", "value": numbers["sure"]},
        {"name": "Copied", "value": numbers["leak"]},
        {"name": "Asked for", "value": lineage.prompt},
        {"name": "Made by", "value": lineage.backend},
        {"name": "Models", "value": models},
        {"name": "Terms", "value": lineage.licence},
        {"name": "Seed", "value": str(lineage.seed)},
        {"name": "Strength", "value": f"{lineage.strength:.0%}".replace("%", " %")},
    ]
