"""The file of blocks remembers the size of a pushed blob, and the manifests that images were pushed with."""

from alembic import op

revision = "blocks_3"
down_revision = "blocks_2"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE layers ADD COLUMN blob_size INTEGER")
    op.execute(
        """
    CREATE TABLE provenance (
        archive BLOB NOT NULL,
        manifest BLOB NOT NULL,
        document BLOB NOT NULL,
        PRIMARY KEY (archive, manifest)
    )
    """
    )
