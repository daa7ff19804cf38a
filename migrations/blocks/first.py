"""The file of blocks as it was first released."""

from alembic import op

revision = "blocks_1"
down_revision = None
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE payloads (payload_id INTEGER PRIMARY KEY, data BLOB NOT NULL)
    """,
    """
    CREATE TABLE blocks (
        digest BLOB NOT NULL PRIMARY KEY,
        codec INTEGER NOT NULL,
        size INTEGER NOT NULL,
        payload_id INTEGER NOT NULL,
        content BLOB
    ) WITHOUT ROWID
    """,
    """
    CREATE INDEX blocks_content ON blocks (content) WHERE content IS NOT NULL
    """,
    """
    CREATE TABLE moved (
        digest BLOB NOT NULL PRIMARY KEY,
        codec INTEGER NOT NULL,
        size INTEGER NOT NULL,
        content BLOB,
        here INTEGER NOT NULL
    ) WITHOUT ROWID
    """,
    """
    CREATE INDEX moved_content ON moved (content) WHERE content IS NOT NULL
    """,
    """
    CREATE INDEX moved_here ON moved (here) WHERE here = 1
    """,
    """
    CREATE TABLE leases (
        lease_id TEXT NOT NULL PRIMARY KEY,
        purpose TEXT NOT NULL,
        host TEXT NOT NULL,
        process INTEGER NOT NULL,
        since TEXT NOT NULL,
        expires TEXT NOT NULL
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE flushes (flush_id INTEGER PRIMARY KEY, flushes INTEGER NOT NULL)
    """,
    """
    INSERT INTO flushes VALUES (1, 0)
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
    op.execute("CREATE TABLE needs (version TEXT NOT NULL)")
    op.execute("INSERT INTO needs VALUES ('0.1.0')")
