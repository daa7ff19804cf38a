"""The tables of ``index.sqlite``: what is known of every catalogue's releases. All of it can be rebuilt from snapshots.

- ``catalogues``: one row for each catalogue that is shown here. Its rows in ``names`` and ``releases`` are those of its
  ``generation``: a large catalogue is loaded under a generation that is not shown yet, then made visible by changing this one
  number.
- ``generations``: those that are shown, that are being loaded, and that were dropped and whose rows are still to be deleted.
- ``names``: one row for each name of a catalogue, with what lists and search show of it; ``names_fts`` is its full-text index.
- ``releases``: the release's line as in a snapshot (the exact bytes), and the columns of queries. ``sort`` is the version
  as bytes that SQLite can compare (`catalog.index.order`), and unique for each version.
- ``images``: which release holds an archive, a config, a manifest.
- ``history``: the newest changes of each catalogue. ``sightings``: which source had which record of a catalogue, and when.
- ``taken``: which notes of the trust store (``unfinished``) were taken over, so that none is applied twice.
"""

from collections.abc import Iterable
from typing import Final

from sqlalchemy import Column, ForeignKey, Index, Integer, LargeBinary, MetaData, Table, Text, func, text

from catalog.storage.database import Schema, table_statements

metadata: Final = MetaData()

catalogues: Final = Table(
    "catalogues",
    metadata,
    Column("catalogue", Text, primary_key=True, comment="IPNS name, base36"),
    Column("generation", Integer, nullable=False, unique=True),
    Column("own", Integer, nullable=False),
    Column("alias", Text),
    Column("title", Text, nullable=False),
    Column("root", Text, comment="snapshot CID"),
    Column("sequence", Integer),
    Column("expires", Text, comment="end of the record's life"),
    Column("checked", Text, comment="last time that a source confirmed the record"),
    Column("published", Text, comment="when the snapshot was made"),
    sqlite_with_rowid=False,
)

generations: Final = Table(
    "generations",
    metadata,
    Column("generation", Integer, primary_key=True),
    Column("state", Text, nullable=False, comment="shown, loading or dropped"),
)

names: Final = Table(
    "names",
    metadata,
    Column("name_id", Integer, primary_key=True),
    Column("generation", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("live", Integer, nullable=False, comment="releases that are not removed"),
    Column("newest", Text, nullable=False, comment="the newest version that is neither yanked nor removed, or empty"),
    Column("published", Text, nullable=False, comment="when that was published"),
    Column("title", Text, nullable=False),
    Column("description", Text, nullable=False),
)
Index("names_by_name", names.c.generation, names.c.name, unique=True)

releases: Final = Table(
    "releases",
    metadata,
    Column("release_id", Integer, primary_key=True),
    Column("generation", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("sort", LargeBinary, nullable=False),
    Column("version", Text, nullable=False),
    Column("published", Text, nullable=False),
    Column("yanked", Text),
    Column("removed", Text),
    Column("line", LargeBinary, nullable=False),
)
Index("releases_by_version", releases.c.generation, releases.c.name, releases.c.sort, unique=True)

images: Final = Table(
    "images",
    metadata,
    Column("release_id", Integer, ForeignKey("releases.release_id", ondelete="CASCADE"), primary_key=True),
    Column("platform", Text, primary_key=True),
    Column("archive", LargeBinary, nullable=False, comment="the digest of its CID"),
    Column("config", LargeBinary, nullable=False),
    Column("manifest", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
# Digests come in no order: each index over them costs a page a row where a million are loaded. So there is one, and it is short;
# a config or manifest is looked for among the releases of its name.
Index("images_by_archive", func.substr(images.c.archive, text("1"), text("6")))

history: Final = Table(
    "history",
    metadata,
    Column("change_id", Integer, primary_key=True),
    Column("catalogue", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("platform", Text, nullable=False),
    Column("detail", Text, nullable=False, comment="JSON"),
)
Index("history_by_name", history.c.name, history.c.version)
Index("history_by_catalogue", history.c.catalogue, history.c.change_id)

sightings: Final = Table(
    "sightings",
    metadata,
    Column("catalogue", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("sequence", Integer, nullable=False),
    Column("at", Text, nullable=False),
    sqlite_with_rowid=False,
)

taken: Final = Table("taken", metadata, Column("unfinished_id", Integer, primary_key=True))

FULL_TEXT: Final = (
    "CREATE VIRTUAL TABLE names_fts USING fts5(name, versions, title, description, labels, tokenize = 'unicode61', prefix = '2 3')"
)


def _statements() -> Iterable[str]:
    yield from table_statements(metadata)
    yield FULL_TEXT


SCHEMA: Final = Schema(name="index", revisions=("index_1", "index_2"), needs="0.1.0", statements=_statements)
