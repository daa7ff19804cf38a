"""The home's SQLite files: made by many processes at once, migrated whole or not at all, newer ones refused."""

import importlib.resources
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from catalog.blockstores.blockfile import SCHEMA as BLOCKS
from catalog.errors import CorruptHomeError, LockedError, NewerHomeError, StorageError
from catalog.index.schema import SCHEMA as INDEX
from catalog.storage.database import Database, Schema, open_schema, read_revision
from catalog.storage.sqlite import connect
from catalog.trust.schema import SCHEMA as TRUST
from tests.needs import ROOT

SCHEMAS = [INDEX, TRUST, BLOCKS]


def shape(path: Path) -> dict[str, Any]:
    """What a file's schema is, whatever the words that made it."""
    connection = sqlite3.connect(path)
    try:
        found: dict[str, Any] = {}
        for kind, name, sql in connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall():
            if name.startswith("sqlite_autoindex"):
                continue
            info = connection.execute(f"PRAGMA {'table_xinfo' if kind == 'table' else 'index_xinfo'}('{name}')").fetchall()
            keys = connection.execute(f"PRAGMA foreign_key_list('{name}')").fetchall()
            options = sorted(word for word in ("WITHOUT ROWID", "AUTOINCREMENT", "WHERE", "fts5") if word in (sql or ""))
            found[name] = (kind, info, keys, options, sql if "VIRTUAL" in (sql or "") else "")
        found["needs"] = connection.execute("SELECT * FROM needs").fetchall()
        found["alembic_version"] = connection.execute("SELECT * FROM alembic_version").fetchall()
        return found
    finally:
        connection.close()


def empty_file(path: Path, schema: Schema) -> None:
    """Make a file as it was before the first migration."""
    bare = replace(schema, revisions=("none",), statements=lambda: (), needs="0")
    open_schema(path, bare)
    connection = connect(path)
    connection.execute("DELETE FROM alembic_version")
    connection.execute("DROP TABLE needs")
    connection.close()


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema.name)
def test_migrations_end_where_a_new_file_begins(tmp_path: Path, schema: Schema) -> None:
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine
    from sqlalchemy.pool import StaticPool

    open_schema(tmp_path / "new.sqlite", schema)
    migrated = tmp_path / "migrated.sqlite"
    empty_file(migrated, schema)
    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    config.set_main_option("version_locations", str(ROOT / "migrations" / schema.name))
    config.set_main_option("path_separator", "newline")
    raw = connect(migrated)
    engine = create_engine("sqlite+pysqlite://", creator=lambda: raw, poolclass=StaticPool)
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()
    engine.dispose()
    assert shape(migrated) == shape(tmp_path / "new.sqlite")


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema.name)
def test_the_known_revisions_are_those_that_are_there(schema: Schema) -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    config.set_main_option("version_locations", str(ROOT / "migrations" / schema.name))
    config.set_main_option("path_separator", "newline")
    scripts = ScriptDirectory.from_config(config)
    assert [script.revision for script in reversed(list(scripts.walk_revisions()))] == list(schema.revisions)


MIGRATION = """
from alembic import op

revision = "test_2"
down_revision = "test_1"


def upgrade() -> None:
    op.execute("CREATE TABLE second (x INTEGER)")
    op.execute("INSERT INTO second SELECT x FROM first")
    op.execute("UPDATE needs SET version = '2.0.0'")
    {last}
"""

FIRST = Schema("test", ("test_1",), "1.0.0", lambda: ("CREATE TABLE first (x INTEGER)",))
SECOND = Schema("test", ("test_1", "test_2"), "2.0.0", lambda: ())


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of migrations in place of the installed one, with a file of revision ``test_1`` beside it that holds a row."""
    folder = tmp_path / "100% migrations"
    (folder / "test").mkdir(parents=True)
    shutil.copy(ROOT / "migrations" / "env.py", folder)
    (folder / "test" / "one.py").write_text(
        'revision = "test_1"\ndown_revision = None\n\n\ndef upgrade() -> None:\n    raise AssertionError\n'
    )
    monkeypatch.setattr(importlib.resources, "files", lambda package: folder)
    Database(tmp_path / "test.sqlite", FIRST).close()
    connection = connect(tmp_path / "test.sqlite")
    connection.execute("INSERT INTO first VALUES (7)")
    connection.close()
    return folder


def test_migration_keeps_a_copy_and_all_data(tmp_path: Path, scripts: Path) -> None:
    (scripts / "test" / "two.py").write_text(MIGRATION.format(last=""))
    path = tmp_path / "test.sqlite"
    database = Database(path, SECOND)
    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT x FROM second").scalar_one() == 7
        assert connection.exec_driver_sql("SELECT version FROM needs").scalar_one() == "2.0.0"
    database.close()
    assert read_revision(path) == "test_2"
    copy = path.with_name("test.sqlite.test_1")
    assert read_revision(copy) == "test_1"
    with pytest.raises(NewerHomeError, match="newer dcat") as caught:
        Database(path, FIRST)
    assert "2.0.0" in caught.value.why


def test_migration_that_fails_changes_nothing(tmp_path: Path, scripts: Path) -> None:
    (scripts / "test" / "two.py").write_text(MIGRATION.format(last='op.execute("no SQL at all")'))
    path = tmp_path / "test.sqlite"
    before = shape(path)
    with pytest.raises(Exception, match="syntax error"):
        Database(path, SECOND)
    assert shape(path) == before
    (scripts / "test" / "two.py").write_text(MIGRATION.format(last=""))
    Database(path, SECOND).close()
    assert read_revision(path) == "test_2"


def test_crash_anywhere_in_a_migration_is_repaired_by_the_next_opening(tmp_path: Path, scripts: Path) -> None:
    (scripts / "test" / "two.py").write_text(MIGRATION.format(last=""))
    path = tmp_path / "test.sqlite"
    whole = path.read_bytes()

    class CrashError(Exception):
        pass

    labels: list[str] = []
    stop_at = 0
    while True:
        path.write_bytes(whole)
        for beside in ("-wal", "-shm", ".test_1", ".test_1.part"):
            path.with_name(path.name + beside).unlink(missing_ok=True)
        labels.clear()

        def crash(label: str, stop_at: int = stop_at) -> None:
            labels.append(label)
            if len(labels) > stop_at:
                raise CrashError(label)

        try:
            Database(path, SECOND, crash_point=crash).close()
        except CrashError:
            pass
        else:
            break
        assert read_revision(path) in {"test_1", "test_2"}
        Database(path, SECOND).close()
        assert read_revision(path) == "test_2"
        stop_at += 1
    assert labels == [
        "migration: copy written",
        "migration: copy renamed",
        "test: before migration's commit",
        "test: after migration's commit",
    ]


def test_read_only_file_that_is_behind_says_so(tmp_path: Path, scripts: Path) -> None:
    with pytest.raises(StorageError, match="older schema test_1"):
        Database(tmp_path / "test.sqlite", SECOND, read_only=True)
    with pytest.raises(StorageError, match="does not exist"):
        Database(tmp_path / "absent.sqlite", SECOND, read_only=True)


def test_current_file_opens_without_alembic_or_sqlalchemy(tmp_path: Path) -> None:
    Database(tmp_path / "trust.sqlite", TRUST).close()
    code = (
        "import sys; from pathlib import Path; from catalog.storage.database import Database, Schema;"
        f"Database(Path(sys.argv[1]), Schema('trust', ('{TRUST.head}',), '0', tuple)).close();"
        "print([name for name in ('alembic', 'sqlalchemy') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "trust.sqlite"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_new_file_needs_no_alembic(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from catalog.storage.database import Database;"
        "from catalog.index.schema import SCHEMA;"
        "Database(Path(sys.argv[1]), SCHEMA).close(); print('alembic' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "index.sqlite"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


STORM = """
import os, sys
from pathlib import Path
from catalog.storage.database import Database
from catalog.index.schema import SCHEMA as INDEX
from catalog.trust.schema import SCHEMA as TRUST
from catalog.trust.store import put_note
from catalog.blockstores.embedded import EmbeddedBlockstore
folder, processes, writes = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
children = []
for number in range(processes):
    child = os.fork()
    if child == 0:
        try:
            Database(folder / "index.sqlite", INDEX).close()
            EmbeddedBlockstore(folder / "blocks.sqlite").close()
            trust = Database(folder / "trust.sqlite", TRUST)
            for write in range(writes):
                with trust.write() as connection:
                    put_note(connection, f"{number} {write}", "x")
            trust.close()
            os._exit(0)
        except BaseException as error:
            print(type(error), error, flush=True)
            os._exit(1)
    children.append(child)
print(sum(os.waitpid(child, 0)[1] for child in children))
"""


@pytest.mark.slow
def test_fifty_processes_make_one_home_and_none_is_locked_out(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STORM, str(tmp_path), "50", "10"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "0", done.stdout
    database = Database(tmp_path / "trust.sqlite", TRUST)
    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM notes").scalar_one() == 500
    database.close()


def test_transaction_that_raises_is_undone(tmp_path: Path) -> None:
    database = Database(tmp_path / "test.sqlite", FIRST)

    def give_up() -> None:
        with database.write() as connection:
            connection.exec_driver_sql("INSERT INTO first VALUES (1)")
            raise KeyError

    with pytest.raises(KeyError):
        give_up()
    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM first").scalar_one() == 0
    database.close()


def test_reader_sees_one_state(tmp_path: Path) -> None:
    database = Database(tmp_path / "test.sqlite", FIRST)
    with database.read() as reading:
        before = reading.exec_driver_sql("SELECT count(*) FROM first").scalar_one()
        with database.write() as writing:
            writing.exec_driver_sql("INSERT INTO first VALUES (1)")
        assert reading.exec_driver_sql("SELECT count(*) FROM first").scalar_one() == before
    database.close()


def test_writer_that_waits_too_long_is_told_who_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_schema(tmp_path / "test.sqlite", FIRST)
    holder = connect(tmp_path / "test.sqlite")
    holder.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr("catalog.storage.sqlite.connect.__kwdefaults__", {"read_only": False, "timeout": 0.01})
    database = Database(tmp_path / "test.sqlite", FIRST)
    with pytest.raises(LockedError, match="held by another process"), database.write():
        pass
    holder.close()
    database.close()


def test_damaged_file_is_a_corrupt_home(tmp_path: Path) -> None:
    path = tmp_path / "test.sqlite"
    path.write_bytes(b"x" * 5000)
    with pytest.raises(CorruptHomeError):
        Database(path, FIRST)


def test_a_schema_that_is_not_text_is_a_corrupt_home(tmp_path: Path) -> None:
    path = tmp_path / "test.sqlite"
    Database(path, FIRST)
    content = path.read_bytes()
    assert b"CREATE TABLE" in content
    path.write_bytes(content.replace(b"CREATE TABLE", b"CREATE \xbaABLE"))
    with pytest.raises(CorruptHomeError, match="is damaged"):  # what SQLite says of it quotes what is no text
        Database(path, FIRST)


def test_full_database_is_a_storage_error(tmp_path: Path) -> None:
    database = Database(tmp_path / "test.sqlite", FIRST)

    def fill() -> None:
        with database.write() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count = 8")
            for _ in range(10_000):
                connection.exec_driver_sql("INSERT INTO first VALUES (zeroblob(1000))")

    with pytest.raises(StorageError):
        fill()
    with database.write() as connection:
        connection.exec_driver_sql("INSERT INTO first VALUES (1)")
    database.close()


def test_file_without_wal_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """D5: where the file system cannot share memory, the rollback journal does."""
    open_schema(tmp_path / "test.sqlite", FIRST)
    connection = connect(tmp_path / "test.sqlite")
    assert connection.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)
    connection.close()
    database = Database(tmp_path / "test.sqlite", FIRST)
    with database.write() as writing:
        writing.exec_driver_sql("INSERT INTO first VALUES (1)")
    with database.read() as reading:
        assert reading.exec_driver_sql("SELECT count(*) FROM first").scalar_one() == 1
    database.close()


def test_what_others_raise_within_passes(tmp_path: Path) -> None:
    """A pipe that breaks while a list is read is no failure of the disk."""
    database = Database(tmp_path / "test.sqlite", FIRST)
    with pytest.raises(BrokenPipeError), database.read():
        raise BrokenPipeError
    database.close()
