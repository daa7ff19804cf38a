"""The tables of ``trust.sqlite``: what this home saw, decided and promised. Nothing can make it again, so nothing deletes it.

- ``catalogues``: every IPNS name that mattered here. ``alias`` and ``position`` (the order of subscription) outlive unsubscribing;
  ``subscribed`` is the time since which it is followed, or NULL; ``synced`` says whether its first sync is done.
- ``floors``: the highest sequence ever accepted with its value and record; ``shown_*`` is the record whose data is shown, where
  that is a suspicious one above the floor. ``refusals``: suspicious records that the user refused.
- ``contents``: every content that a release was ever seen with, and when; one of them is ``current``.
- ``owners``: whose a name is. The lowest ``rank`` owns it: a first sync ranks as of its subscription, a later one as of itself.
- ``conflicts``: contents that changed, until the user decides. ``unfinished``: what the index must still take over.
  ``unshared``: own releases that are in no snapshot yet as they are now.
- ``pins``, ``public_targets``, ``notes``: what is held here, what was confirmed to become public, and small facts by key.
"""

from typing import Final

from sqlalchemy import Column, ForeignKey, Index, Integer, LargeBinary, MetaData, Table, Text, UniqueConstraint

from catalog.storage.database import Schema, table_statements

metadata: Final = MetaData()

_CATALOGUE = "catalogues.catalogue_id"

catalogues: Final = Table(
    "catalogues",
    metadata,
    Column("catalogue_id", Integer, primary_key=True),
    Column("catalogue", Text, nullable=False, unique=True, comment="IPNS name, base36"),
    Column("own", Integer, nullable=False),
    Column("alias", Text, unique=True),
    Column("position", Integer),
    Column("subscribed", Text),
    Column("synced", Integer, nullable=False),
)

floors: Final = Table(
    "floors",
    metadata,
    Column("catalogue_id", Integer, ForeignKey(_CATALOGUE), primary_key=True),
    Column("sequence", Integer, nullable=False),
    Column("value", LargeBinary, nullable=False),
    Column("record", LargeBinary),
    Column("shown_sequence", Integer),
    Column("shown_value", LargeBinary),
    Column("shown_record", LargeBinary),
)

refusals: Final = Table(
    "refusals",
    metadata,
    Column("catalogue_id", Integer, ForeignKey(_CATALOGUE), primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("value", LargeBinary, primary_key=True),
    sqlite_with_rowid=False,
)

contents: Final = Table(
    "contents",
    metadata,
    Column("catalogue_id", Integer, ForeignKey(_CATALOGUE), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("platform", Text, primary_key=True),
    Column("config", LargeBinary, primary_key=True),
    Column("first_seen", Text, nullable=False),
    Column("current", Integer, nullable=False),
    sqlite_with_rowid=False,
)

owners: Final = Table(
    "owners",
    metadata,
    Column("name", Text, primary_key=True),
    Column("catalogue_id", Integer, ForeignKey(_CATALOGUE), nullable=False),
    Column("rank", Integer, nullable=False),
    Column("preferred", Integer, nullable=False, comment="moved here by the user"),
    sqlite_with_rowid=False,
)

conflicts: Final = Table(
    "conflicts",
    metadata,
    Column("conflict_id", Integer, primary_key=True),
    Column("catalogue_id", Integer, ForeignKey(_CATALOGUE), nullable=False),
    Column("name", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("platform", Text, nullable=False),
    Column("old_config", LargeBinary, nullable=False),
    Column("new_config", LargeBinary, nullable=False),
    Column("old_line", LargeBinary, comment="the release as it was, where it was in the index"),
    Column("new_line", LargeBinary, nullable=False, comment="the changed release, as in its snapshot"),
    Column("seen", Text, nullable=False),
    Column("state", Text, nullable=False, comment="open, accepted or refused"),
    Column("decided", Text),
)
Index("conflicts_by_release", conflicts.c.catalogue_id, conflicts.c.name, conflicts.c.version)

unfinished: Final = Table(
    "unfinished",
    metadata,
    Column("unfinished_id", Integer, primary_key=True),
    Column("catalogue_id", Integer, ForeignKey(_CATALOGUE), nullable=False),
    Column("update", Text, nullable=False, comment="JSON"),
    sqlite_autoincrement=True,
)

unshared: Final = Table(
    "unshared",
    metadata,
    Column("change_id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("line", LargeBinary, nullable=False, comment="the own release as it is now"),
    UniqueConstraint("name", "version"),
    sqlite_autoincrement=True,
)

pins: Final = Table(
    "pins",
    metadata,
    Column("archive", Text, primary_key=True, comment="archive CID"),
    Column("catalogue", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("platform", Text, nullable=False),
    Column("reason", Text, nullable=False, comment="pulled, pinned or mirrored"),
    Column("since", Text, nullable=False),
    sqlite_with_rowid=False,
)

public_targets: Final = Table(
    "public_targets",
    metadata,
    Column("target", Text, primary_key=True),
    Column("confirmed", Text, nullable=False),
    sqlite_with_rowid=False,
)

notes: Final = Table(
    "notes",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
    sqlite_with_rowid=False,
)


SCHEMA: Final = Schema(name="trust", revisions=("trust_1",), needs="0.1.0", statements=lambda: table_statements(metadata))
