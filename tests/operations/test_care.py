"""Care: gc deletes what nothing keeps and no more, verify finds every damage and repairs it, doctor says what is wrong."""

import sqlite3
from collections.abc import Callable
from datetime import timedelta

import pytest

from catalog.errors import EngineUnavailableError, LockedError
from catalog.home.home import BLOCKS_FILE, Home, open_home
from catalog.image.walk import walk
from catalog.intake.intake import Wanted
from catalog.ipld.cid import cid_of
from catalog.operations.doctor import diagnose
from catalog.operations.gc import collect_garbage
from catalog.operations.pin import unpin_older
from catalog.operations.pull import pull
from catalog.operations.remove import remove
from catalog.operations.verify import verify
from catalog.sources.network import Network
from tests.factory.exports import source_of
from tests.factory.images import APP, BASE, SAMPLE, make_image
from tests.factory.platforms import HOST
from tests.factory.tars import make_layer
from tests.factory.times import NOW
from tests.operations.conftest import Publish

OTHER = make_image([BASE, make_layer({"app/other.py": b"print('other')\n" * 9999})])


def spoil(home: Home, select: str = "SELECT payload_id FROM payloads") -> int:
    """Flip the last byte of stored blocks, behind the store's back."""
    connection = sqlite3.connect(home.path / BLOCKS_FILE)
    rows = connection.execute(select).fetchall()
    for (payload_id,) in rows:
        (data,) = connection.execute("SELECT data FROM payloads WHERE payload_id = ?", (payload_id,)).fetchone()
        connection.execute("UPDATE payloads SET data = ? WHERE payload_id = ?", (data[:-1] + bytes([data[-1] ^ 1]), payload_id))
    connection.commit()
    connection.close()
    return len(rows)


def test_gc_shows_first_and_deletes_only_what_nothing_keeps(home: Home, put: Publish) -> None:
    put("web", "1.0")
    before = home.blocks.size().blocks
    put("web", "1.1", OTHER)
    assert collect_garbage(home, delete=False).blocks == 0
    remove(home, "web@1.1")
    shown = collect_garbage(home, delete=False)
    assert shown.blocks == home.blocks.size().blocks - before
    assert not shown.deleted
    swept = collect_garbage(home, delete=True)
    assert (swept.blocks, swept.bytes, swept.deleted) == (shown.blocks, shown.bytes, True)
    assert home.blocks.size().blocks == before
    assert verify(home).damage == ()
    assert sum(kept.blocks for kept in swept.kept) == before, "a block that two images share counts once"


def test_gc_keeps_what_was_pulled_until_it_is_let_go(home: Home, put: Publish) -> None:
    put("web", "1.0")
    pull(home, "web@1.0", platform=HOST, engine=None, network=Network())
    remove(home, "web@1.0")
    assert collect_garbage(home, delete=True).blocks == 0
    later = NOW + timedelta(days=91)
    with open_home(home.path, now=later) as opened:
        assert len(unpin_older(opened, timedelta(days=90)).pins) == 1
        assert collect_garbage(opened, delete=True).blocks > 0
        assert opened.blocks.size().blocks == 0


def test_gc_waits_for_no_running_command(home: Home, put: Publish) -> None:
    put("web", "1.0")
    remove(home, "web@1.0")
    with home.lease("publish other@1"), pytest.raises(LockedError, match="publish other@1 is running"):
        collect_garbage(home, delete=True)
    assert home.blocks.size().blocks > 0


def test_gc_gives_space_back(home: Home, put: Publish) -> None:
    noise = make_layer({"data": b"".join(cid_of(b"%d" % n).digest for n in range(200_000))})
    put("big", "1", make_image([noise]))
    put("small", "1", make_image([APP]))
    remove(home, "big@1")
    swept = collect_garbage(home, delete=True)
    assert swept.file_before > 6_000_000
    assert swept.file_after < 1_000_000


@pytest.mark.parametrize(
    "select", ["SELECT payload_id FROM payloads", "SELECT max(payload_id) FROM payloads", "SELECT payload_id FROM payloads LIMIT 3"]
)
def test_verify_finds_every_rotten_block_and_repairs_from_the_image(home: Home, put: Publish, select: str) -> None:
    put("web", "1.0")
    put("other", "1", OTHER)
    spoilt = spoil(home, select)
    with open_home(home.path, now=NOW) as opened:
        found = verify(opened)
        assert found.rotten == spoilt
        assert found.damage
    with open_home(home.path, now=NOW) as opened:
        verify(opened, repair_from=source_of(SAMPLE), wanted=Wanted(HOST))
        left = verify(opened, repair_from=source_of(OTHER), wanted=Wanted(HOST))
        assert (left.damage, verify(opened).rotten) == ((), 0)


def test_verify_of_one_release_reads_only_that(home: Home, put: Publish) -> None:
    put("web", "1.0")
    put("other", "1", OTHER)
    image = put("web", "1.0").release.images[HOST]
    found = verify(home, "web@1.0")
    assert (found.blocks, found.archives) == (len(list(walk(image.archive, home.blocks))), 1)


def unreachable() -> Callable[[], object]:
    raise EngineUnavailableError("no engine answers", why="nobody listens", hint="start it")


def test_doctor_before_the_first_publish_and_after(home: Home, put: Publish) -> None:
    checks = {check.subject: check for check in diagnose(home, unreachable, Network())}  # type: ignore[arg-type]
    assert (checks["key"].state, checks["engine"].state, checks["encoder"].state) == ("note", "failed", "ok")
    assert isinstance(checks["engine"].error, EngineUnavailableError)
    put("web", "1.0")
    checks = {check.subject: check for check in diagnose(home, unreachable, Network())}  # type: ignore[arg-type]
    assert [checks[subject].state for subject in ("home", "key", BLOCKS_FILE)] == ["ok", "ok", "ok"]
    home.key_path.chmod(0o644)
    checks = {check.subject: check for check in diagnose(home, unreachable, Network())}  # type: ignore[arg-type]
    assert checks["key"].state == "failed"
