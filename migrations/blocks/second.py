"""The file of blocks remembers which layer a pushed blob was."""

from alembic import op

revision = "blocks_2"
down_revision = "blocks_1"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
    CREATE TABLE layers (
        blob BLOB NOT NULL PRIMARY KEY,
        diff_id BLOB NOT NULL,
        size INTEGER NOT NULL,
        root BLOB NOT NULL,
        codec INTEGER NOT NULL,
        stored_size INTEGER NOT NULL,
        dag_size INTEGER NOT NULL
    ) WITHOUT ROWID
    """
    )
