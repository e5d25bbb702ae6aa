"""What stands out in a picture is kept, so that the regions of all encoders are of the same mask."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "masks",
        sa.Column("asset_id", ID, nullable=False),
        sa.Column("masker", sa.String(16), nullable=False),
        sa.Column("confidence", sa.Float, nullable=False),
        sa.Column("usable", sa.Boolean, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("asset_id", "masker", name="pk_masks"),
        sa.ForeignKeyConstraint(["asset_id"], ["assets.id"], name="fk_masks_asset_id"),
    )
    op.create_index("ix_masks_usable", "masks", ["masker", "usable"])
