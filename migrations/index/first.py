"""The index as it was first released."""

from alembic import op

revision = "index_1"
down_revision = None
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE catalogues (
        catalogue TEXT NOT NULL,
        generation INTEGER NOT NULL,
        own INTEGER NOT NULL,
        alias TEXT,
        title TEXT NOT NULL,
        root TEXT,
        sequence INTEGER,
        expires TEXT,
        checked TEXT,
        published TEXT,
        PRIMARY KEY (catalogue),
        UNIQUE (generation)
    )
     WITHOUT ROWID
    """,
    """
    CREATE TABLE generations (
        generation INTEGER NOT NULL,
        state TEXT NOT NULL,
        PRIMARY KEY (generation)
    )
    """,
    """
    CREATE TABLE history (
        change_id INTEGER NOT NULL,
        catalogue TEXT NOT NULL,
        at TEXT NOT NULL,
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        version TEXT NOT NULL,
        platform TEXT NOT NULL,
        detail TEXT NOT NULL,
        PRIMARY KEY (change_id)
    )
    """,
    """
    CREATE INDEX history_by_name ON history (name, version)
    """,
    """
    CREATE TABLE names (
        name_id INTEGER NOT NULL,
        generation INTEGER NOT NULL,
        name TEXT NOT NULL,
        live INTEGER NOT NULL,
        newest TEXT NOT NULL,
        published TEXT NOT NULL,
        title TEXT NOT NULL,
        description TEXT NOT NULL,
        PRIMARY KEY (name_id)
    )
    """,
    """
    CREATE UNIQUE INDEX names_by_name ON names (generation, name)
    """,
    """
    CREATE TABLE releases (
        release_id INTEGER NOT NULL,
        generation INTEGER NOT NULL,
        name TEXT NOT NULL,
        sort BLOB NOT NULL,
        version TEXT NOT NULL,
        published TEXT NOT NULL,
        yanked TEXT,
        removed TEXT,
        line BLOB NOT NULL,
        PRIMARY KEY (release_id)
    )
    """,
    """
    CREATE UNIQUE INDEX releases_by_version ON releases (generation, name, sort)
    """,
    """
    CREATE TABLE sightings (
        catalogue TEXT NOT NULL,
        source TEXT NOT NULL,
        sequence INTEGER NOT NULL,
        at TEXT NOT NULL,
        PRIMARY KEY (catalogue, source)
    )
     WITHOUT ROWID
    """,
    """
    CREATE TABLE taken (
        unfinished_id INTEGER NOT NULL,
        PRIMARY KEY (unfinished_id)
    )
    """,
    """
    CREATE TABLE images (
        release_id INTEGER NOT NULL,
        platform TEXT NOT NULL,
        archive BLOB NOT NULL,
        config BLOB NOT NULL,
        manifest BLOB NOT NULL,
        PRIMARY KEY (release_id, platform),
        FOREIGN KEY(release_id) REFERENCES releases (release_id) ON DELETE CASCADE
    )
     WITHOUT ROWID
    """,
    """
    CREATE INDEX images_by_archive ON images (substr(archive, 1, 6))
    """,
    """
    CREATE VIRTUAL TABLE names_fts USING fts5(name, versions, title, description, labels, tokenize = 'unicode61', prefix = '2 3')
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
    op.execute("CREATE TABLE needs (version TEXT NOT NULL)")
    op.execute("INSERT INTO needs VALUES ('0.1.0')")
