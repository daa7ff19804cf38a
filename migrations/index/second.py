"""The history has an index over catalogues: each keeps a bounded number of changes."""

from alembic import op

revision = "index_2"
down_revision = "index_1"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE INDEX history_by_catalogue ON history (catalogue, change_id)")
