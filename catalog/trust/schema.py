"""The tables of ``trust.sqlite``: what this home saw, decided and promised. Nothing can rebuild it, so nothing deletes it.

- ``catalogues``: every IPNS name that mattered here. ``alias`` is the one that is displayed, ``position`` the order of
  subscription; both outlive unsubscribing. ``subscribed`` is the time since which it is followed, or NULL; ``synced`` says whether
  its first sync is done. ``aliases``: every alias that was ever taken; an alias stays with its catalogue.
- ``floors``: the highest sequence ever accepted with its value and record; ``shown_*`` is the record whose data is shown, where
  that is a suspicious one above the floor. ``refusals``: suspicious records that the user refused.
- ``contents``: the current content of every release and platform, and when this home first saw it. ``former_contents``: contents
  that were current before, and the current ones in another format. A NULL archive: noted by a dcat that did not keep it.
- ``owners``: the owner of each name. The lowest ``rank`` owns it: a first sync ranks as of its subscription, a later one as of
  itself. ``seen_names``: the names under which contents of a followed catalogue were seen, with the tick of the sync that brought
  each.
- ``conflicts``: contents that changed, until the user decides; the newest for each release and platform. ``withheld``: a snapshot
  that was not taken because it changes too many contents. ``unfinished``: what the index must still take over. ``unshared``: own
  releases that are in no snapshot yet as they are now.
- ``pins``, ``public_targets``, ``notes``: what is held here, what was confirmed to become public, and small facts by key.
"""

from typing import Final

from sqlalchemy import Column, ForeignKey, Integer, LargeBinary, MetaData, Table, Text, UniqueConstraint

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

aliases: Final = Table(
    "aliases",
    metadata,
    Column("alias", Text, primary_key=True),
    Column("catalogue_id", Integer, ForeignKey(_CATALOGUE), nullable=False),
    Column("tick", Integer, nullable=False, comment="when it was taken"),
    sqlite_with_rowid=False,
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


def _contents(name: str, *more_keys: str) -> Table:
    return Table(
        name,
        metadata,
        Column("catalogue_id", Integer, ForeignKey(_CATALOGUE), primary_key=True),
        Column("name", Text, primary_key=True),
        Column("version", Text, primary_key=True),
        Column("platform", Text, primary_key=True),
        Column("config", LargeBinary, primary_key="config" in more_keys, nullable=False),
        Column("format", Text, primary_key="format" in more_keys, nullable=False),
        Column("archive", LargeBinary, comment="archive CID"),
        Column("manifest", LargeBinary),
        Column("first_seen", Text, nullable=False),
        sqlite_with_rowid=False,
    )


contents: Final = _contents("contents")
former_contents: Final = _contents("former_contents", "config", "format")

owners: Final = Table(
    "owners",
    metadata,
    Column("name", Text, primary_key=True),
    Column("catalogue_id", Integer, ForeignKey(_CATALOGUE), nullable=False),
    Column("rank", Integer, nullable=False),
    Column("preferred", Integer, nullable=False, comment="moved here by the user"),
    sqlite_with_rowid=False,
)

seen_names: Final = Table(
    "seen_names",
    metadata,
    Column("catalogue_id", Integer, ForeignKey(_CATALOGUE), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("tick", Integer, nullable=False),
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
    Column("old_line", LargeBinary, comment="the release as it was, where it was in the index"),
    Column("new_line", LargeBinary, nullable=False, comment="the changed release, as in the newest snapshot"),
    Column("seen", Text, nullable=False),
    Column("state", Text, nullable=False, comment="open or refused"),
    Column("decided", Text),
    UniqueConstraint("catalogue_id", "name", "version", "platform"),
)

withheld: Final = Table(
    "withheld",
    metadata,
    Column("catalogue_id", Integer, ForeignKey(_CATALOGUE), primary_key=True),
    Column("sequence", Integer, nullable=False),
    Column("value", LargeBinary, nullable=False),
    Column("seen", Text, nullable=False),
    Column("state", Text, nullable=False, comment="open, accepted or refused"),
)

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


SCHEMA: Final = Schema(name="trust", revisions=("trust_1", "trust_2"), needs="0.1.0", statements=lambda: table_statements(metadata))
