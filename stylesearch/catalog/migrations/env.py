"""Run by Alembic, inside the transaction that `stylesearch.catalog.upgrade` holds open."""

from alembic import context

from stylesearch.catalog.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    transactional_ddl=True,  # true of both engines; Alembic assumes the opposite of SQLite
)
with context.begin_transaction():
    context.run_migrations()
