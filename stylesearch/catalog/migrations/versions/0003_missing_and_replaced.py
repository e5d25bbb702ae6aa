"""Missing media, what lay at a location before, further pages of files, which decoder refused, and reports of runs."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
MOMENT = sa.DateTime(timezone=True)

# Formats whose files may hold several pictures; nobody has looked into those that are known already.
WITH_PARTS = ("TIFF", "PDF", "MP4", "MATROSKA", "AVI")


def upgrade() -> None:
    op.add_column("assets", sa.Column("parts", sa.Text))
    assets = sa.table("assets", sa.column("format", sa.String), sa.column("parts", sa.Text))
    op.execute(assets.update().where(assets.c.format.not_in(WITH_PARTS)).values(parts=""))
    op.add_column("locations", sa.Column("missing_since", MOMENT))
    locations = sa.table("locations", sa.column("present", sa.Boolean), sa.column("missing_since", MOMENT))
    now = datetime.now(UTC)
    op.execute(locations.update().where(sa.not_(locations.c.present)).values(missing_since=now))
    op.add_column("refusals", sa.Column("decoder", sa.String(32)))
    op.create_table(
        "replacements",
        sa.Column("location_id", ID, nullable=False, autoincrement=False),
        sa.Column("asset_id", ID, nullable=False, autoincrement=False),
        sa.Column("replaced_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("location_id", "asset_id", name="pk_replacements"),
        sa.ForeignKeyConstraint(["location_id"], ["locations.id"], name="fk_replacements_location_id"),
        sa.ForeignKeyConstraint(["asset_id"], ["assets.id"], name="fk_replacements_asset_id"),
    )
    op.create_index("ix_replacements_asset_id", "replacements", ["asset_id"])
    op.create_table(
        "runs",
        sa.Column("id", ID, nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT, nullable=False),
        sa.Column("report", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
    )
