"""How pictures that were made here came to be."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "lineage",
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("backend", sa.Text, nullable=False),
        sa.Column("models", sa.Text, nullable=False),
        sa.Column("licence", sa.Text, nullable=False),
        sa.Column("commercial", sa.Boolean),
        sa.Column("prompt", sa.Text, nullable=False),
        sa.Column("seed", sa.BigInteger, nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("strength", sa.Float, nullable=False),
        sa.Column("steps", sa.Integer),
        sa.Column("space", sa.Text),
        sa.Column("style", sa.Float),
        sa.Column("probability", sa.Float),
        sa.Column("leak", sa.Float),
        sa.PrimaryKeyConstraint("sha256", name="pk_lineage"),
    )
    op.create_table(
        "ingredients",
        sa.Column("result", sa.String(64), nullable=False),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("role", sa.String(8), nullable=False),
        sa.Column("sha256", sa.String(64)),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("weight", sa.Float, nullable=False),
        sa.Column("box", sa.Text),
        sa.Column("likeness", sa.Float),
        sa.PrimaryKeyConstraint("result", "place", name="pk_ingredients"),
        sa.ForeignKeyConstraint(["result"], ["lineage.sha256"], name="fk_ingredients_result"),
    )
    op.create_index("ix_ingredients_sha256", "ingredients", ["sha256"])
