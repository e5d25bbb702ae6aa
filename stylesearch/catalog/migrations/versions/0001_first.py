"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
URI = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "assets",
        sa.Column("id", ID, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("format", sa.String(16), nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("added_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_assets"),
        sa.UniqueConstraint("sha256", name="uq_assets_sha256"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "scans",
        sa.Column("id", ID, nullable=False),
        sa.Column("root", URI, nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_scans"),
    )
    op.create_table(
        "locations",
        sa.Column("id", ID, nullable=False),
        sa.Column("uri", URI, nullable=False),
        sa.Column("asset_id", ID, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("mtime_ns", sa.BigInteger, nullable=False),
        sa.Column("scan_id", ID, nullable=False),
        sa.Column("present", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_locations"),
        sa.UniqueConstraint("uri", name="uq_locations_uri"),
        sa.ForeignKeyConstraint(["asset_id"], ["assets.id"], name="fk_locations_asset_id"),
        sa.ForeignKeyConstraint(["scan_id"], ["scans.id"], name="fk_locations_scan_id"),
    )
    op.create_index("ix_locations_asset_id", "locations", ["asset_id"])
    op.create_table(
        "spaces",
        sa.Column("id", ID, nullable=False),
        sa.Column("key", sa.String(16), nullable=False),
        sa.Column("encoder", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("dim", sa.Integer, nullable=False),
        sa.Column("dtype", sa.Text, nullable=False),
        sa.Column("preprocessing", sa.Text, nullable=False),
        sa.Column("region", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_spaces"),
        sa.UniqueConstraint("key", name="uq_spaces_key"),
    )
    op.create_table(
        "vectors",
        sa.Column("asset_id", ID, nullable=False, autoincrement=False),
        sa.Column("space_id", ID, nullable=False, autoincrement=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("live", sa.Boolean, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("asset_id", "space_id", name="pk_vectors"),
        sa.ForeignKeyConstraint(["asset_id"], ["assets.id"], name="fk_vectors_asset_id"),
        sa.ForeignKeyConstraint(["space_id"], ["spaces.id"], name="fk_vectors_space_id"),
    )
    op.create_index("ix_vectors_sequence", "vectors", ["space_id", "sequence"], unique=True)
    op.create_table(
        "refusals",
        sa.Column("uri", URI, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("mtime_ns", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("sha256", sa.String(64)),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("scan_id", ID, nullable=False),
        sa.Column("last_tried_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("uri", name="pk_refusals"),
        sa.ForeignKeyConstraint(["scan_id"], ["scans.id"], name="fk_refusals_scan_id"),
    )
    op.create_table(
        "history",
        sa.Column("sequence", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("token", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_history"),
    )
    counters = op.create_table(
        "counters",
        sa.Column("name", sa.String(16), nullable=False),
        sa.Column("value", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_counters"),
    )
    op.bulk_insert(counters, [{"name": "sequence", "value": 0}])
