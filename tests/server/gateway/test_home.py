"""What a home publishes is found by the name of its catalogue, over a server of the real home."""

from datetime import timedelta
from pathlib import Path

from catalog.home.home import open_home
from catalog.intake.intake import Wanted
from catalog.ipns.record import create_record
from catalog.ipns.validity import nanoseconds
from catalog.operations.publish import publish
from catalog.own.share import share_own
from catalog.own.signing import own_name
from catalog.server.settings import ServerSettings
from catalog.server.site.opening import open_site
from catalog.sources.network import Network
from catalog.unixfs.file_reader import read_file
from tests.factory.exports import source_of
from tests.factory.images import make_image
from tests.factory.platforms import HOST
from tests.factory.tars import make_layer
from tests.factory.times import NOW
from tests.server.serving import Blocks, Records, Served, running


def test_an_archive_is_found_by_the_name_of_its_catalogue(tmp_path: Path) -> None:
    with open_home(tmp_path / "home", now=NOW) as home:
        image = make_image([make_layer({"hello": b"hello"})], platform=HOST)
        published = publish(home, "tools/web", "1.0", source_of(image), Wanted(HOST))
        share_own(home, Network())
        cid = published.release.images[HOST].archive
        with running(open_site(home, lambda: NOW), ServerSettings(port=0)) as (server, log):
            served = Served(server, Blocks(), Records(), log)
            name = own_name(home)
            assert [line.split(b"\t")[2] for line in served.ask(f"/ipns/{name}/images/tools").body.splitlines()] == [b"web"]
            path = f"/ipns/{name}/images/tools/web/1.0.{HOST.file_part}.tar.zst"
            answer = served.ask(path)
            assert answer.body == b"".join(read_file(cid, home.blocks))
            assert answer.headers["cache-control"].startswith("public, max-age=300,")
            assert answer.headers["etag"] == f'"{cid}"'
            offered = create_record(
                home.read_key(), f"/ipfs/{cid}".encode(), sequence=99, validity=nanoseconds(NOW + timedelta(days=1))
            )
            put = served.ask(f"/routing/v1/ipns/{name}", "PUT", offered.encoded, Content_Type="application/vnd.ipfs.ipns-record")
            assert put.status == 200
            later = served.ask(path)
            assert (later.body, later.headers["cache-control"]) == (answer.body, "no-cache")
