"""`Lineages`: how pictures that were made here came to be, by their content; each method is one transaction.

A lineage is written before its picture has its place on disk, and is found by the digest of the picture's bytes: a
picture never comes without it, and it outlives moves, renames, and a while in which there is no file.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, exists, insert, not_, select, update

from stylesearch.catalog.database import Database
from stylesearch.catalog.engine import outlasts_restart
from stylesearch.catalog.selection import chunks, possible
from stylesearch.catalog.tables import AssetRow, IngredientRow, LineageRow
from stylesearch.lineage import Fidelity, Ingredient, Lineage, Model

_STYLE, _CONTENT = "style", "content"
_PLAIN = (
    *("made_at", "backend", "licence", "commercial", "prompt", "seed"),
    *("width", "height", "strength", "steps"),
)


class Lineages(Database):
    """The lineages of a catalog."""

    @outlasts_restart
    def add_lineage(self, sha256: str, lineage: Lineage) -> None:
        """Writes how the picture of this content was made, in the place of what is known of it."""
        row = {name: getattr(lineage, name) for name in _PLAIN} | {"sha256": sha256}
        row["models"] = json.dumps(lineage.models)
        ingredients = [_ingredient_columns(sha256, place, one) for place, one in enumerate(_all(lineage))]
        for columns in ingredients[len(lineage.references) :]:
            columns["role"] = _CONTENT
        with self.writing() as connection:
            _drop(connection, [sha256])
            connection.execute(insert(LineageRow), row)
            if ingredients:
                connection.execute(insert(IngredientRow), ingredients)
            if lineage.fidelity is not None:
                _write_fidelity(connection, sha256, lineage.fidelity)

    @outlasts_restart
    def set_fidelity(self, sha256: str, fidelity: Fidelity) -> None:
        """Writes how well a picture with a lineage has met its references."""
        with self.writing() as connection:
            _write_fidelity(connection, sha256, fidelity)

    def lineages(self, asset_ids: Sequence[int]) -> dict[int, Lineage]:
        """How these assets were made, by id; those that were not made here are left out."""
        found: dict[int, Lineage] = {}
        query = select(AssetRow.id, LineageRow.__table__).join(LineageRow, LineageRow.sha256 == AssetRow.sha256)
        known = select(IngredientRow.__table__, AssetRow.id.label("asset_id"))
        known = known.outerjoin(AssetRow, AssetRow.sha256 == IngredientRow.sha256).order_by(IngredientRow.place)
        with self.reading() as connection:
            for some in chunks(possible(asset_ids)):
                rows = connection.execute(query.where(AssetRow.id.in_(some))).all()
                parts: dict[str, list[Row[Any]]] = {row.sha256: [] for row in rows}
                for part in connection.execute(known.where(IngredientRow.result.in_(parts))):
                    parts[part.result].append(part)
                found.update((row.id, _lineage(row, parts[row.sha256])) for row in rows)
        return found

    def made_from(self, asset_id: int, limit: int = 100) -> list[int]:
        """Ids of the assets that were made from one, the latest first."""
        own = select(AssetRow.sha256).where(AssetRow.id.in_(possible([asset_id])))
        uses = exists().where(IngredientRow.result == LineageRow.sha256, IngredientRow.sha256.in_(own))
        query = select(AssetRow.id).join(LineageRow, LineageRow.sha256 == AssetRow.sha256).where(uses)
        query = query.order_by(LineageRow.made_at.desc(), AssetRow.id.desc()).limit(limit)
        with self.reading() as connection:
            return list(connection.scalars(query))


def drop_orphans(connection: Connection, before: datetime) -> None:
    """Drops lineages of no asset: of those that were pruned, and of pictures that never got their place before that
    moment."""
    orphan = not_(exists().where(AssetRow.sha256 == LineageRow.sha256))
    gone = connection.scalars(select(LineageRow.sha256).where(LineageRow.made_at < before, orphan)).all()
    for some in chunks(gone):
        _drop(connection, some)


def _drop(connection: Connection, contents: Sequence[str]) -> None:
    connection.execute(delete(IngredientRow).where(IngredientRow.result.in_(contents)))
    connection.execute(delete(LineageRow).where(LineageRow.sha256.in_(contents)))


def _write_fidelity(connection: Connection, sha256: str, fidelity: Fidelity) -> None:
    values = {name: getattr(fidelity, name) for name in ("space", "style", "probability", "leak")}
    connection.execute(update(LineageRow).where(LineageRow.sha256 == sha256).values(**values))
    for place, likeness in enumerate(fidelity.likenesses):
        those = IngredientRow.result == sha256, IngredientRow.place == place
        connection.execute(update(IngredientRow).where(*those).values(likeness=likeness))


def _all(lineage: Lineage) -> list[Ingredient]:
    return [*lineage.references, *([lineage.content] if lineage.content is not None else [])]


def _ingredient_columns(sha256: str, place: int, ingredient: Ingredient) -> dict[str, object]:
    return {
        "result": sha256,
        "place": place,
        "role": _STYLE,
        "sha256": ingredient.sha256,
        "name": ingredient.name,
        "weight": ingredient.weight,
        "box": None if ingredient.box is None else json.dumps(ingredient.box),
    }


def _lineage(row: Row[Any], parts: Sequence[Row[Any]]) -> Lineage:
    references = tuple(_ingredient(part) for part in parts if part.role == _STYLE)
    fidelity = None
    if row.space is not None:
        likenesses = tuple(one.likeness for one in references if one.likeness is not None)
        fidelity = Fidelity(row.space, likenesses, row.style, row.probability, row.leak)
    return Lineage(
        **{name: getattr(row, name) for name in _PLAIN},
        models=tuple(Model(*model) for model in json.loads(row.models)),
        references=references,
        content=next((_ingredient(part) for part in parts if part.role == _CONTENT), None),
        fidelity=fidelity,
    )


def _ingredient(row: Row[Any]) -> Ingredient:
    box = None if row.box is None else tuple(json.loads(row.box))
    return Ingredient(row.name, row.sha256, row.weight, box, row.likeness, row.asset_id)
