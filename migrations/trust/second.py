"""The trust store keeps archive and manifest of a content, all aliases, the names of followed catalogues, and withheld snapshots.

Archive and manifest of contents that were noted before are NULL: the next sync that compares the release completes them. Of several
contents that were current at once the first one stays. Decided conflicts go, of the others the newest for each release stays.
"""

from alembic import op

revision = "trust_2"
down_revision = "trust_1"
branch_labels = None
depends_on = None

STATEMENTS = (
    "ALTER TABLE contents RENAME TO first_contents",
    """
    CREATE TABLE contents (
        catalogue_id INTEGER NOT NULL,
        name TEXT NOT NULL,
        version TEXT NOT NULL,
        platform TEXT NOT NULL,
        config BLOB NOT NULL,
        format TEXT NOT NULL,
        archive BLOB,
        manifest BLOB,
        first_seen TEXT NOT NULL,
        PRIMARY KEY (catalogue_id, name, version, platform),
        FOREIGN KEY(catalogue_id) REFERENCES catalogues (catalogue_id)
    )
     WITHOUT ROWID
    """,
    """
    CREATE TABLE former_contents (
        catalogue_id INTEGER NOT NULL,
        name TEXT NOT NULL,
        version TEXT NOT NULL,
        platform TEXT NOT NULL,
        config BLOB NOT NULL,
        format TEXT NOT NULL,
        archive BLOB,
        manifest BLOB,
        first_seen TEXT NOT NULL,
        PRIMARY KEY (catalogue_id, name, version, platform, config, format),
        FOREIGN KEY(catalogue_id) REFERENCES catalogues (catalogue_id)
    )
     WITHOUT ROWID
    """,
    """
    INSERT OR IGNORE INTO contents
    SELECT catalogue_id, name, version, platform, config, 'dcat-image/1', NULL, NULL, first_seen FROM first_contents
    WHERE current ORDER BY catalogue_id, name, version, platform, first_seen
    """,
    """
    INSERT INTO former_contents
    SELECT catalogue_id, name, version, platform, config, 'dcat-image/1', NULL, NULL, first_seen FROM first_contents
    WHERE NOT EXISTS (
        SELECT 1 FROM contents WHERE contents.catalogue_id = first_contents.catalogue_id AND contents.name = first_contents.name
        AND contents.version = first_contents.version AND contents.platform = first_contents.platform
        AND contents.config = first_contents.config
    )
    """,
    """
    CREATE TABLE seen_names (
        catalogue_id INTEGER NOT NULL,
        name TEXT NOT NULL,
        tick INTEGER NOT NULL,
        PRIMARY KEY (catalogue_id, name),
        FOREIGN KEY(catalogue_id) REFERENCES catalogues (catalogue_id)
    )
     WITHOUT ROWID
    """,
    # Names are told apart by when their first content was seen; all of that lies before the ticks that come from now on.
    """
    INSERT INTO seen_names
    SELECT catalogue_id, name, dense_rank() OVER (ORDER BY min(first_seen)) - 4611686018427387904
    FROM first_contents JOIN catalogues USING (catalogue_id) WHERE NOT own GROUP BY catalogue_id, name
    """,
    "DROP TABLE first_contents",
    "ALTER TABLE conflicts RENAME TO first_conflicts",
    "DROP INDEX conflicts_by_release",
    """
    CREATE TABLE conflicts (
        conflict_id INTEGER NOT NULL,
        catalogue_id INTEGER NOT NULL,
        name TEXT NOT NULL,
        version TEXT NOT NULL,
        platform TEXT NOT NULL,
        old_config BLOB NOT NULL,
        old_line BLOB,
        new_line BLOB NOT NULL,
        seen TEXT NOT NULL,
        state TEXT NOT NULL,
        decided TEXT,
        PRIMARY KEY (conflict_id),
        UNIQUE (catalogue_id, name, version, platform),
        FOREIGN KEY(catalogue_id) REFERENCES catalogues (catalogue_id)
    )
    """,
    """
    INSERT OR REPLACE INTO conflicts
    SELECT conflict_id, catalogue_id, name, version, platform, old_config, old_line, new_line, seen, state, decided
    FROM first_conflicts WHERE state != 'accepted' ORDER BY conflict_id
    """,
    "DROP TABLE first_conflicts",
    """
    CREATE TABLE withheld (
        catalogue_id INTEGER NOT NULL,
        sequence INTEGER NOT NULL,
        value BLOB NOT NULL,
        seen TEXT NOT NULL,
        state TEXT NOT NULL,
        PRIMARY KEY (catalogue_id),
        FOREIGN KEY(catalogue_id) REFERENCES catalogues (catalogue_id)
    )
    """,
    """
    CREATE TABLE aliases (
        alias TEXT NOT NULL,
        catalogue_id INTEGER NOT NULL,
        tick INTEGER NOT NULL,
        PRIMARY KEY (alias),
        FOREIGN KEY(catalogue_id) REFERENCES catalogues (catalogue_id)
    )
     WITHOUT ROWID
    """,
    "INSERT INTO aliases SELECT alias, catalogue_id, -4611686018427387904 FROM catalogues WHERE alias IS NOT NULL",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
