"""A home as others see it: its own catalogue, what it follows, and nothing else."""

import json
import threading
from datetime import timedelta
from pathlib import Path

from catalog.home.home import open_home
from catalog.ipld.cid import cid_of
from catalog.ipns.key import create_key
from catalog.ipns.name import parse_ipns_name
from catalog.ipns.record import create_record
from catalog.ipns.validity import nanoseconds
from catalog.trust.ownership import follow, unfollow
from tests.factory.times import NOW
from tests.server.serving import serving_home

FOLLOWED, STRANGER = create_key(), create_key()
VALUE = b"/ipfs/bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"


def test_a_home_shows_its_catalogue_its_blocks_and_the_records_it_knows(tmp_path: Path) -> None:
    block = b"a block of this home"
    with open_home(tmp_path / "home", now=NOW) as home, serving_home(home) as served:
        assert served.ask("/dcat/v1/catalogue").status == 404
        own, _ = home.create_own_catalogue()
        assert json.loads(served.ask("/dcat/v1/catalogue").body)["name"] == own

        home.blocks.put(cid_of(block), block)
        assert served.ask(f"/ipfs/{cid_of(block)}?format=raw").body == block
        assert served.ask(f"/ipfs/{cid_of(b'other')}?format=raw").status == 404

        def put(name: str, encoded: bytes) -> int:
            return served.ask(f"/routing/v1/ipns/{name}", "PUT", encoded, Content_Type="application/vnd.ipfs.ipns-record").status

        validity = nanoseconds(NOW + timedelta(days=1))
        records = {key.name: create_record(key, VALUE, sequence=1, validity=validity).encoded for key in (FOLLOWED, STRANGER)}
        assert [put(str(name), encoded) for name, encoded in records.items()] == [403, 403]
        with home.trust.write() as connection:
            follow(connection, str(FOLLOWED.name), "bob", home.time)
        assert [put(str(name), encoded) for name, encoded in records.items()] == [200, 403]
        assert served.ask(f"/routing/v1/ipns/{FOLLOWED.name}").body == records[FOLLOWED.name]
        signed = create_record(home.read_key(), VALUE, sequence=1, validity=validity)
        assert put(own, signed.encoded) == 200
        assert served.ask(f"/ipns/{parse_ipns_name(own)}?format=ipns-record").body == signed.encoded

        with home.trust.write() as connection:
            unfollow(connection, str(FOLLOWED.name))
        assert served.ask(f"/routing/v1/ipns/{FOLLOWED.name}").status == 404


def test_many_clients_at_once_read_one_home(tmp_path: Path) -> None:
    contents = [b"%d" % number * 1000 for number in range(100)]
    with open_home(tmp_path / "home", now=NOW) as home:
        for content in contents:
            home.blocks.put(cid_of(content), content)
        with serving_home(home) as served:
            wrong: list[object] = []

            def read() -> None:
                for content in contents:
                    answer = served.ask(f"/ipfs/{cid_of(content)}?format=raw")
                    if answer.body != content:
                        wrong.append(answer)

            threads = [threading.Thread(target=read) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert not wrong
