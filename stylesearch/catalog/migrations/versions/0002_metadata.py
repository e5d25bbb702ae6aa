"""What files say about their pictures, and what was worked out from the pixels."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "metadata",
        sa.Column("asset_id", ID, nullable=False, autoincrement=False),
        sa.Column("title", sa.Text),
        sa.Column("description", sa.Text),
        sa.Column("creators", sa.Text, nullable=False),
        sa.Column("rights", sa.Text),
        sa.Column("licence", sa.Text),
        sa.Column("date", sa.Text),
        sa.Column("year", sa.Integer),
        sa.Column("software", sa.Text),
        sa.Column("source_type", sa.Text),
        sa.Column("generated", sa.Boolean, nullable=False),
        sa.Column("generation", sa.Text, nullable=False),
        sa.Column("notes", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("asset_id", name="pk_metadata"),
        sa.ForeignKeyConstraint(["asset_id"], ["assets.id"], name="fk_metadata_asset_id"),
    )
    op.create_index("ix_metadata_year", "metadata", ["year"])
    op.create_index("ix_metadata_generated", "metadata", ["generated"])
    op.create_table(
        "terms",
        sa.Column("id", ID, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("folded", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_terms"),
        sa.UniqueConstraint("kind", "name", name="uq_terms_kind"),
    )
    op.create_index("ix_terms_folded", "terms", ["kind", "folded"])
    op.create_table(
        "asset_terms",
        sa.Column("asset_id", ID, nullable=False, autoincrement=False),
        sa.Column("term_id", ID, nullable=False, autoincrement=False),
        sa.Column("source", sa.String(8), nullable=False),
        sa.PrimaryKeyConstraint("asset_id", "term_id", "source", name="pk_asset_terms"),
        sa.ForeignKeyConstraint(["asset_id"], ["assets.id"], name="fk_asset_terms_asset_id"),
        sa.ForeignKeyConstraint(["term_id"], ["terms.id"], name="fk_asset_terms_term_id"),
    )
    op.create_index("ix_asset_terms_term_id", "asset_terms", ["term_id", "asset_id"])
    op.create_table(
        "appearances",
        sa.Column("asset_id", ID, nullable=False, autoincrement=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("palette", sa.LargeBinary, nullable=False),
        sa.Column("perceptual_hash", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("asset_id", name="pk_appearances"),
        sa.ForeignKeyConstraint(["asset_id"], ["assets.id"], name="fk_appearances_asset_id"),
    )
