"""Pictures are found by colour: which colours a palette has, as bits that a database can look at."""

import numpy as np
import sqlalchemy as sa
from alembic import op

from stylesearch.colour_bins import bins_of

revision = "0007"
down_revision = "0006"

MANY = 10_000


def upgrade() -> None:
    op.add_column("appearances", sa.Column("colours", sa.BigInteger, nullable=False, server_default="0"))
    connection = op.get_bind()
    table = sa.table("appearances", sa.column("asset_id"), sa.column("palette"), sa.column("colours"))
    some = sa.select(table.c.asset_id, table.c.palette).order_by(table.c.asset_id).limit(MANY)
    filled = sa.update(table).where(table.c.asset_id == sa.bindparam("of")).values(colours=sa.bindparam("found"))
    last = 0
    while rows := connection.execute(some.where(table.c.asset_id > last)).all():
        last = rows[-1].asset_id
        palettes = ((row.asset_id, np.frombuffer(row.palette, "<f2").reshape(-1, 4)) for row in rows)
        connection.execute(
            filled, [{"of": asset_id, "found": bins_of(palette.astype(np.float32))} for asset_id, palette in palettes]
        )
