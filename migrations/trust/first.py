"""The trust store as it was first released."""

from alembic import op

revision = "trust_1"
down_revision = None
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE catalogues (
        catalogue_id INTEGER NOT NULL,
        catalogue TEXT NOT NULL,
        own INTEGER NOT NULL,
        alias TEXT,
        position INTEGER,
        subscribed TEXT,
        synced INTEGER NOT NULL,
        PRIMARY KEY (catalogue_id),
        UNIQUE (catalogue),
        UNIQUE (alias)
    )
    """,
    """
    CREATE TABLE notes (
        "key" TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY ("key")
    )
     WITHOUT ROWID
    """,
    """
    CREATE TABLE pins (
        archive TEXT NOT NULL,
        catalogue TEXT NOT NULL,
        name TEXT NOT NULL,
        version TEXT NOT NULL,
        platform TEXT NOT NULL,
        reason TEXT NOT NULL,
        since TEXT NOT NULL,
        PRIMARY KEY (archive)
    )
     WITHOUT ROWID
    """,
    """
    CREATE TABLE public_targets (
        target TEXT NOT NULL,
        confirmed TEXT NOT NULL,
        PRIMARY KEY (target)
    )
     WITHOUT ROWID
    """,
    """
    CREATE TABLE unshared (
        change_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL,
        version TEXT NOT NULL,
        line BLOB NOT NULL,
        UNIQUE (name, version)
    )
    """,
    """
    CREATE TABLE conflicts (
        conflict_id INTEGER NOT NULL,
        catalogue_id INTEGER NOT NULL,
        name TEXT NOT NULL,
        version TEXT NOT NULL,
        platform TEXT NOT NULL,
        old_config BLOB NOT NULL,
        new_config BLOB NOT NULL,
        old_line BLOB,
        new_line BLOB NOT NULL,
        seen TEXT NOT NULL,
        state TEXT NOT NULL,
        decided TEXT,
        PRIMARY KEY (conflict_id),
        FOREIGN KEY(catalogue_id) REFERENCES catalogues (catalogue_id)
    )
    """,
    """
    CREATE INDEX conflicts_by_release ON conflicts (catalogue_id, name, version)
    """,
    """
    CREATE TABLE contents (
        catalogue_id INTEGER NOT NULL,
        name TEXT NOT NULL,
        version TEXT NOT NULL,
        platform TEXT NOT NULL,
        config BLOB NOT NULL,
        first_seen TEXT NOT NULL,
        current INTEGER NOT NULL,
        PRIMARY KEY (catalogue_id, name, version, platform, config),
        FOREIGN KEY(catalogue_id) REFERENCES catalogues (catalogue_id)
    )
     WITHOUT ROWID
    """,
    """
    CREATE TABLE floors (
        catalogue_id INTEGER NOT NULL,
        sequence INTEGER NOT NULL,
        value BLOB NOT NULL,
        record BLOB,
        shown_sequence INTEGER,
        shown_value BLOB,
        shown_record BLOB,
        PRIMARY KEY (catalogue_id),
        FOREIGN KEY(catalogue_id) REFERENCES catalogues (catalogue_id)
    )
    """,
    """
    CREATE TABLE owners (
        name TEXT NOT NULL,
        catalogue_id INTEGER NOT NULL,
        rank INTEGER NOT NULL,
        preferred INTEGER NOT NULL,
        PRIMARY KEY (name),
        FOREIGN KEY(catalogue_id) REFERENCES catalogues (catalogue_id)
    )
     WITHOUT ROWID
    """,
    """
    CREATE TABLE refusals (
        catalogue_id INTEGER NOT NULL,
        sequence INTEGER NOT NULL,
        value BLOB NOT NULL,
        PRIMARY KEY (catalogue_id, sequence, value),
        FOREIGN KEY(catalogue_id) REFERENCES catalogues (catalogue_id)
    )
     WITHOUT ROWID
    """,
    """
    CREATE TABLE unfinished (
        unfinished_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
        catalogue_id INTEGER NOT NULL,
        "update" TEXT NOT NULL,
        FOREIGN KEY(catalogue_id) REFERENCES catalogues (catalogue_id)
    )
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
    op.execute("CREATE TABLE needs (version TEXT NOT NULL)")
    op.execute("INSERT INTO needs VALUES ('0.1.0')")
