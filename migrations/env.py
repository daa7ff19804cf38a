"""What Alembic runs: the migrations of one of the home's files, on the connection and in the transaction that it is handed.

``index/``, ``trust/`` and ``blocks/`` hold the versions of each file. They import SQLAlchemy and Alembic only, never the code of
today: a migration that is released never changes its meaning.
"""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=None,
    transactional_ddl=True,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
