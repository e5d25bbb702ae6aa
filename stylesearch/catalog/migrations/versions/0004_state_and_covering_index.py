"""A number that every write changes, and an index from which pictures with a file are listed and counted."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    counters = sa.table("counters", sa.column("name", sa.String), sa.column("value", sa.BigInteger))
    op.bulk_insert(counters, [{"name": "state", "value": 0}])
    op.drop_index("ix_locations_asset_id", "locations")
    op.create_index("ix_locations_asset_id", "locations", ["asset_id", "present", "missing_since"])
