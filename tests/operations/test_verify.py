"""``verify`` finds every damage and repairs it."""

import sqlite3

import pytest

from catalog.home.home import BLOCKS_FILE, Home, open_home
from catalog.image.walk import walk
from catalog.intake.intake import Wanted
from catalog.operations.verify import verify
from tests.factory.exports import source_of
from tests.factory.images import SAMPLE
from tests.factory.platforms import HOST
from tests.factory.times import NOW
from tests.operations.conftest import OTHER, Publish


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
