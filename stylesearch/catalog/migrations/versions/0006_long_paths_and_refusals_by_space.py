"""PostgreSQL takes paths of any length; a space may have no vector of a file that is not refused as such."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
MOMENT = sa.DateTime(timezone=True)

KEPT = "uri, size, mtime_ns, reason, message, sha256, decoder, attempts, scan_id, last_tried_at"


def upgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        _on_postgresql()
    else:
        _on_sqlite()


def _on_postgresql() -> None:
    # The primary key was the path, of which PostgreSQL's ordered indexes take no more than about 2,700 bytes.
    op.execute("ALTER TABLE refusals DROP CONSTRAINT pk_refusals")
    op.execute("ALTER TABLE refusals ADD COLUMN id BIGSERIAL CONSTRAINT pk_refusals PRIMARY KEY")
    op.add_column("refusals", sa.Column("space_id", ID))
    op.create_foreign_key("fk_refusals_space_id", "refusals", "spaces", ["space_id"], ["id"])
    op.drop_constraint("uq_locations_uri", "locations")
    for table in ("locations", "refusals"):
        op.execute(f"ALTER TABLE {table} ADD CONSTRAINT uq_{table}_uri EXCLUDE USING hash (uri WITH =)")
        op.create_index(f"ix_{table}_uri", table, [sa.text('"left"(uri, 500)')])


def _on_sqlite() -> None:
    op.rename_table("refusals", "refusals_0005")
    op.create_table(
        "refusals",
        sa.Column("id", ID, nullable=False),
        sa.Column("uri", sa.Text, nullable=False),
        sa.Column("space_id", ID),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("mtime_ns", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("sha256", sa.String(64)),
        sa.Column("decoder", sa.String(32)),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("scan_id", ID, nullable=False),
        sa.Column("last_tried_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_refusals"),
        sa.UniqueConstraint("uri", name="uq_refusals_uri"),
        sa.ForeignKeyConstraint(["space_id"], ["spaces.id"], name="fk_refusals_space_id"),
        sa.ForeignKeyConstraint(["scan_id"], ["scans.id"], name="fk_refusals_scan_id"),
    )
    op.execute(f"INSERT INTO refusals ({KEPT}) SELECT {KEPT} FROM refusals_0005 ORDER BY uri")  # noqa: S608
    op.drop_table("refusals_0005")
