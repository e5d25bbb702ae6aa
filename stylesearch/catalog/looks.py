"""What is seen of pictures at a glance, in SQL: size, orientation and colours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sqlalchemy import ColumnElement, Connection, Select, case, select

from stylesearch.catalog.listing import listed
from stylesearch.catalog.tables import AppearanceRow, AssetRow
from stylesearch.colour_bins import FAMILY_BINS, bins_near, lab_of, near
from stylesearch.facets import COLOURS, SIZES
from stylesearch.records import APPEARANCE_VERSION

_LONGEST_SIDE = case((AssetRow.width > AssetRow.height, AssetRow.width), else_=AssetRow.height)

# The names of `stylesearch.facets.SIZES` and `ORIENTATIONS`.
SIZE: ColumnElement[str] = case(
    *((last >= _LONGEST_SIDE, name) for name, (_, last) in SIZES.items() if last is not None), else_=list(SIZES)[-1]
)
ORIENTATION: ColumnElement[str] = case(
    (AssetRow.width * 20 > AssetRow.height * 21, "landscape"),
    (AssetRow.height * 20 > AssetRow.width * 21, "portrait"),
    else_="square",
)


def showing(connection: Connection, colour: str, among_ids: Sequence[int] | None) -> Select[int]:
    """The ids of assets that show a colour, as `Filters.colours` names it; `among_ids`: of these alone."""
    if colour in COLOURS:
        return _having(FAMILY_BINS[colour])
    wanted = lab_of(colour)
    candidates = _having(bins_near(wanted)).add_columns(AppearanceRow.palette)
    if among_ids is not None:
        candidates = candidates.where(AppearanceRow.asset_id.in_(among_ids))
    rows = connection.execute(candidates).all()
    if not rows:
        return listed(connection, [])
    colours = np.frombuffer(b"".join(palette for _, palette in rows), "<f2").reshape(-1, 4).astype(np.float32)
    owners = np.repeat([asset_id for asset_id, _ in rows], [len(palette) // 8 for _, palette in rows])
    return listed(connection, np.unique(owners[near(colours, wanted)]).tolist())


def _having(bins: int) -> Select[int]:
    return select(AppearanceRow.asset_id).where(
        AppearanceRow.version == APPEARANCE_VERSION, AppearanceRow.colours.bitwise_and(bins) != 0
    )
