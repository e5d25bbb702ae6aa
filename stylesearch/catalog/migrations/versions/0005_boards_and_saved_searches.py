"""Boards, and searches that people keep."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "boards",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("notes", sa.Text, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.Column("deleted_at", MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_boards"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "board_items",
        sa.Column("board_id", ID, nullable=False, autoincrement=False),
        sa.Column("asset_id", ID, nullable=False, autoincrement=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("weight", sa.Float, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("added_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("board_id", "asset_id", name="pk_board_items"),
        sa.ForeignKeyConstraint(["board_id"], ["boards.id"], name="fk_board_items_board_id"),
        sa.ForeignKeyConstraint(["asset_id"], ["assets.id"], name="fk_board_items_asset_id"),
    )
    op.create_index("ix_board_items_asset_id", "board_items", ["asset_id"])
    op.create_table(
        "saved_searches",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_saved_searches"),
        sa.UniqueConstraint("name", name="uq_saved_searches_name"),
        sqlite_autoincrement=True,
    )
