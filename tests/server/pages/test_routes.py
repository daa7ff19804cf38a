"""Every page is answered, as HTML and as JSON, with tags, links to go on, and errors that say what to do."""

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest

from catalog.errors import CorruptHomeError, DcatError, LockedError, NewerHomeError, StorageError
from catalog.home.home import open_home
from catalog.index.catalogue import CatalogueRow
from catalog.index.subscriptions import put_sighting, show_catalogue
from catalog.intake.intake import Wanted
from catalog.ipld.cid import DAG_PB, RAW, cid_of
from catalog.model.platform import Platform
from catalog.model.release import format_time
from catalog.operations.publish import publish
from catalog.server.pages.views import status
from catalog.server.settings import ServerSettings
from catalog.server.site.opening import open_site
from tests.delivery.versions import VERSIONS, open_at, publisher
from tests.factory.exports import source_of
from tests.factory.images import make_image
from tests.factory.platforms import AMD64
from tests.factory.releases import publish_fake
from tests.factory.tars import make_tar
from tests.factory.times import NOW
from tests.server.pages.conftest import Pages, showing
from tests.server.serving import Served, running

PAGES = [
    "/",
    "/search?q=web",
    "/search",
    "/c/mine",
    "/c/mine?q=web",
    "/r/mine/web",
    "/r/mine/web@1.1",
    "/r/mine/web@1.1?platform=linux/arm64",
    "/r/mine/web@0.9",
    "/r/mine/web@0.8",
    "/r/mine/team/api.json",
    "/r/mine/team/api.json@2.0.json",
    "/r/mine/web@1.1/files",
    "/r/mine/web@1.1/files/etc",
    "/r/mine/web@1.1/files/etc/os-release",
    "/r/mine/web@1.1/files/usr/share/binary",
    "/r/mine/web@1.1/files?q=lib",
    "/diff/mine/web@1.0/mine/web@1.1",
    "/storage",
    "/status",
]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_small_html_under_a_strict_policy(pages: Pages, path: str) -> None:
    answer = pages.get(path)
    assert answer.status == 200, answer.body
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert len(answer.body) <= 50_000
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert answer.headers["cache-control"] == "private, no-cache"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in answer.headers
    text = answer.body.decode()
    assert " style=" not in text
    assert "<script>" not in text
    assert "canary-secret" not in text


@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_a_twin_by_its_address_and_by_accept(pages: Pages, path: str) -> None:
    head, _, query = path.partition("?")
    twin = ("/index.json" if head == "/" else f"{head}.json") + (f"?{query}" if query else "")
    by_address, by_accept = pages.get(twin), pages.get(path, accept="application/json")
    for answer in (by_address, by_accept):
        assert answer.status == 200, answer.body
        assert answer.headers["content-type"] == "application/json"
        assert json.loads(answer.body)["schema"].startswith("dcat/page-")
    assert by_address.body == by_accept.body
    assert b"canary-secret" not in by_address.body
    assert f'href="{twin.replace("&", "&amp;")}"'.encode() in pages.get(path).body


def test_the_status_page_warns_of_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "free_space", lambda path: 3_000_000)
    with open_home(tmp_path / "home", now=NOW) as home, showing(home) as shown:
        (advice,) = [one for one in json.loads(shown.get("/status.json").body)["advice"] if one["subject"] == "Disk"]
    assert "only 3.0 MB are free" in advice["text"]


def test_pages_behind_a_proxy_below_a_path(pages: Pages) -> None:
    """Every link of every page leads to the proxy, and so do the lines to copy, feeds and the next page of a list."""
    proxied = {"x_forwarded_proto": "https", "x_forwarded_prefix": "/dcat"}
    for path in ("/", "/c/mine?n=1", "/r/mine/web@1.1", "/r/mine/web@1.1/files", "/storage", "/status", "/c/nobody"):
        body = pages.get(path, **proxied).body.decode()
        links = re.findall(r'\b(?:href|src|action)="([^"]*)"', body)
        assert links
        assert all(link.startswith(("/dcat/", "#", "https://")) for link in links), links
    release = pages.get("/r/mine/web@1.1", **proxied).body.decode()
    assert f"https://127.0.0.1:{pages.port}/dcat/ipfs/" in release
    assert "docker pull" not in release  # engines look for a registry at the root of a host only
    assert pages.get("/c/mine?n=1", **proxied).headers["link"].startswith("</dcat/c/mine?")
    assert f'href="https://127.0.0.1:{pages.port}/dcat/r/mine/web.atom"' in pages.get("/r/mine/web.atom", **proxied).body.decode()
    assert pages.get("/health", accept="text/html", **proxied).headers["location"] == "/dcat/status"


def test_engines_take_no_ipv6_address_for_a_registry(pages: Pages) -> None:
    body = pages.get("/r/mine/web@1.1", host=f"[::1]:{pages.port}").body.decode()
    assert "docker pull" not in body
    assert f"curl -fsS http://[::1]:{pages.port}/ipfs/" in body


def test_a_page_seen_by_another_address_is_another_page(pages: Pages) -> None:
    first = pages.get("/r/mine/web@1.1")
    assert pages.get("/r/mine/web@1.1", if_none_match=first.headers["etag"], x_forwarded_proto="https").status == 200
    assert "X-Forwarded-Prefix" in first.headers["vary"]


def test_what_was_stopped_for_one_client_is_made_for_the_next(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that leaves cannot have others told that the files cannot be compared."""
    path = "/diff/mine/web@1.1/mine/web@1.0.json"
    with monkeypatch.context() as patch:
        patch.setattr("catalog.server.pages.views.diff.compare_files", stop)
        assert pages.get(path).status == 503
    assert json.loads(pages.get(path).body)["files"]


def stop(*_: object) -> None:
    raise LockedError("stopped")


def test_where_a_catalogue_was_seen_is_not_told(tmp_path: Path) -> None:
    """Whoever may read the pages need not know hosts of a private network."""
    with open_home(tmp_path / "home", now=NOW) as home, showing(home) as shown:
        publish_fake(home, "web", "1.0")
        own = home.own_catalogue()
        assert own is not None
        with home.index.write() as connection:
            put_sighting(connection, own, "http://build-17.corp.example:5078", 3, "2026-11-24T06:33:30Z")
            put_sighting(connection, own, "kubo", 2, "2026-11-24T06:33:30Z")
        assert {row["source"] for row in json.loads(shown.get("/status.json").body)["sightings"]} == {"source 1", "source 2"}
        assert json.loads(shown.get("/c/mine.json").body)["sources"] == {"source 1": 3, "source 2": 2}
        for path in ("/", "/status", "/c/mine", "/storage", "/metrics", "/r/mine/web", "/c/mine.atom"):
            assert b"corp.example" not in shown.get(path).body


def test_a_catalogue_expires_on_the_pages_though_nothing_changes_here(tmp_path: Path) -> None:
    moment = NOW
    with open_home(tmp_path / "home", now=NOW) as home:
        home.create_own_catalogue()
        row = CatalogueRow(
            "k51qzi5uqu5dgy8qsq67hbz73jqkw87l3fgf4a91qb0d9b5173tir7n4vxk1oe",
            alias="team",
            expires=format_time(NOW + timedelta(days=2)),
            checked=format_time(NOW),
        )
        with home.index.write() as connection:
            show_catalogue(connection, row)
        with running(open_site(home, lambda: moment), ServerSettings(port=0)) as (server, log):
            served = Served(server, None, None, log)  # type: ignore[arg-type]
            states = []
            for days in (0, 3):
                moment = NOW + timedelta(days=days)
                states.append(json.loads(served.ask("/index.json").body)["catalogues"][1]["state"])
    assert states == ["fresh", "expired"]


def test_a_browser_that_has_a_page_gets_304(pages: Pages) -> None:
    first = pages.get("/r/mine/web@1.1")
    again = pages.get("/r/mine/web@1.1", if_none_match=first.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    assert pages.get("/r/mine/web@1.0", if_none_match=first.headers["etag"]).status == 200
    assert pages.get("/r/mine/web@1.1", if_none_match=first.headers["etag"], accept="application/json").status == 200


def test_a_page_is_made_once_for_all_who_ask_for_it(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def note(template: str, *_: object, **__: object) -> str:
        made.append(template)
        return "a page"

    monkeypatch.setattr("catalog.server.pages.making.render", note)
    bodies = {pages.get("/search?q=made+once").body for _ in range(3)}
    assert (bodies, made) == ({b"a page"}, ["search.html"])
    pages.get("/search?q=made+once&n=2")
    assert made == ["search.html"] * 2


def test_a_change_of_the_home_is_shown_at_once(tmp_path: Path) -> None:
    with open_home(tmp_path / "home", now=NOW) as home, showing(home) as shown:
        before = shown.get("/")
        assert b"Nothing is published here yet" in before.body
        publish_fake(home, "web", "1.0")
        after = shown.get("/", if_none_match=before.headers["etag"])
        assert after.status == 200
        assert b"web" in after.body


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/c/nobody", 404, b"no catalogue"),
        ("/r/mine/wob", 404, b"the nearest is &#34;web&#34;"),
        ("/r/mine/web@9.9", 404, b"the newest are 1.1"),
        ("/r/mine/WEB", 400, b"is no"),
        ("/r/mine/web@1.1?platform=linux/s390x", 404, b"it has linux/amd64"),
        ("/r/mine/web@1.1/files/nothing", 404, b"no file"),
        ("/r/mine/web@1.1/other", 404, b"no page"),
        ("/cid/nothing", 400, b"is not a CID"),
        ("/cid/bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy", 404, b"no block"),
        ("/c/mine?n=0", 400, b"from 1 to 1000"),
        ("/c/mine?n=1000000000", 400, b"from 1 to 1000"),
        ("/diff/mine/web@1.0", 404, b"no page"),
        ("/r/mine/web@0.8/files", 404, b"removed"),
    ],
)
def test_an_error_is_a_page_and_a_document(pages: Pages, path: str, status: int, words: bytes) -> None:
    answer = pages.get(path)
    assert answer.status == status
    assert words.replace(b"&#34;", b"&#34;") in answer.body
    assert b'<a href="/">' in answer.body
    twin = pages.get(path, accept="application/json")
    assert twin.status == status
    assert json.loads(twin.body)["schema"] == "dcat/error/v1"


def test_an_unknown_address_is_a_page_for_browsers_a_document_for_programs_and_a_line_for_tools(pages: Pages) -> None:
    page = pages.get("/nothing<here>", accept="text/html,application/xhtml+xml,*/*;q=0.8")
    assert (page.status, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "content-security-policy" in page.headers
    assert b"there is no page &#34;/nothing&lt;here&gt;&#34;" in page.body
    assert b'action="/search"' in page.body
    assert b'<a href="/">' in page.body
    for path, accept in (("/nothing", "application/json"), ("/nothing.json", "text/html"), ("/nothing.json", "*/*")):
        twin = pages.get(path, accept=accept)
        assert (twin.status, json.loads(twin.body)["schema"]) == (404, "dcat/error/v1")
    for path in ("/nothing", "/nothing.txt"):
        line = pages.get(path, accept="*/*")
        assert (line.status, line.body, line.headers["vary"]) == (404, b"Not Found", "Accept")
    assert pages.served.ask("/nothing", "POST", b"x", accept="text/html").body == b"Not Found"
    assert json.loads(pages.get("/v2/nothing", accept="text/html").body)["errors"]
    assert b"<html" not in pages.get("/ipfs/nothing", accept="text/html").body


@pytest.mark.parametrize(
    ("error", "status"), [(StorageError, 503), (LockedError, 503), (CorruptHomeError, 500), (NewerHomeError, 500)]
)
def test_an_error_of_the_machine_is_logged_and_not_shown(
    pages: Pages, monkeypatch: pytest.MonkeyPatch, error: type[DcatError], status: int
) -> None:
    home = str(pages.home.path)

    def fail(*_: object) -> None:
        raise error(f"{home}/index cannot be used", why="/srv/secret/disk is full", hint="look at /srv/secret")

    monkeypatch.setattr("catalog.lookup.views.Views.open", fail)
    for address in ("/status?fresh", "/r/mine/web@1.1/files/etc/os-release?download"):
        for accept in ("text/html", "application/json"):
            answer = pages.get(address, accept=accept)
            assert answer.status == status
            assert home.encode() not in answer.body
            assert b"/srv/secret" not in answer.body
        assert json.loads(answer.body)["code"] == error.code
    assert any(f"{error.__name__}: {home}/index cannot be used: /srv/secret/disk is full" in line for line in pages.served.log)


def test_a_file_is_downloaded_inert_and_whole(pages: Pages) -> None:
    answer = pages.get("/r/mine/web@1.1/files/usr/lib/big.so?download=1")
    assert answer.status == 200
    assert len(answer.body) == 300_000
    assert answer.headers["content-disposition"] == 'attachment; filename="big.so"'
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_lists_go_on_by_a_link_header(pages: Pages) -> None:
    seen: list[str] = []
    path = "/r/mine/web.json?n=1"
    while path:
        answer = pages.get(path)
        seen += [row["version"] for row in json.loads(answer.body)["releases"]]
        path = answer.headers.get("link", "").partition(">")[0].removeprefix("<")
    assert seen == ["1.1", "1.0", "0.9", "0.8"]
    first = pages.get("/r/mine/web@1.1/files.json?n=1&path=etc")
    assert "link" not in first.headers or "after=" in first.headers["link"]


def test_a_search_goes_on_by_a_link_and_a_link_header(tmp_path: Path) -> None:
    """Each match once, best first, over all pages, and over those of one catalogue."""
    names = [f"web-{number:03d}" for number in range(23)]
    with open_home(tmp_path / "home", now=NOW) as home, showing(home) as shown:
        for name in names:
            publish_fake(home, name, "1.0")
        publish_fake(home, "other", "1.0")
        for first, key in (("/search.json?q=web&n=5", "hits"), ("/c/mine.json?q=web&n=5", "names")):
            whole = [row["name"] for row in json.loads(shown.get(first.replace("n=5", "n=100")).body)[key]]
            assert sorted(whole) == names
            found, pages, path = [], 0, first
            while path:
                answer = shown.get(path)
                found += [row["name"] for row in json.loads(answer.body)[key]]
                pages += 1
                path = answer.headers.get("link", "").partition(">")[0].removeprefix("<")
                assert bool(path) == bool(json.loads(answer.body)["next"])
            assert (found, pages) == (whole, 5)
        page = shown.get("/search?q=web&n=5")
        address = page.headers["link"].partition(">")[0].removeprefix("<").replace("&", "&amp;")
        assert f'<a rel="next" href="{address}">'.encode() in page.body
        assert shown.get("/search?q=web&after=mine/other").status == 404
        assert shown.get("/search?q=web&after=mine/WEB").status == 400
        assert shown.get("/search?q=web&after=nobody/web").status == 404


def test_a_page_of_many_files_stays_small_and_goes_on(tmp_path: Path) -> None:
    names = [f"directory-{number:04d}-" + "n" * (number % 90) for number in range(600)]
    with open_home(tmp_path / "home", now=NOW) as home, showing(home) as shown:
        for version, content in (("1.0", b"a"), ("1.1", b"b")):
            tar = make_tar({f"srv/{name}": content for name in names}, mtime=1_700_000_000)
            publish(home, "many", version, source_of(make_image([tar])), Wanted(AMD64))
        for first, keys in (("/r/mine/many@1.0/files/srv", names), ("/diff/mine/many@1.0/mine/many@1.1", names)):
            found: list[str] = []
            path = first
            while path:
                assert len(shown.get(path).body) <= 50_000
                twin = shown.get(path, accept="application/json")
                found += [file["path"].rpartition("/")[2] for file in json.loads(twin.body)["files"]]
                path = twin.headers["link"].split(">")[0][1:] if "link" in twin.headers else ""
            assert sorted(found) == keys
        assert len(json.loads(shown.get("/r/mine/many@1.0/files/srv.json?n=500").body)["files"]) == 500


def test_a_page_of_many_layers_packages_and_settings_stays_small_and_goes_on(tmp_path: Path) -> None:
    """Each page has at most 50 kB, and the pages together have every row once."""
    stanza = "Package: package-{0:04d}\nStatus: install ok installed\nVersion: {1}:{0}-long-version<&>\nArchitecture: amd64\n\n"
    with open_home(tmp_path / "home", now=NOW) as home, showing(home) as shown:
        for version in (1, 2):
            layers = [make_tar({f"srv/{version}-{number}": b"x"}, mtime=1_700_000_000) for number in range(60)]
            status = "".join(stanza.format(number, version) for number in range(300)).encode()
            layers.append(make_tar({"var/lib/dpkg/status": status}, mtime=1_700_000_000))
            settings = {"Labels": {f"label-{number}": f"{version}<&>" * 100 for number in range(40)}}
            history = [{"created_by": 'RUN echo "<&>" ' * 20 + str(number)} for number in range(61)]
            image = make_image(layers, settings=settings, history=history)
            publish(home, "many", f"{version}.0", source_of(image), Wanted(AMD64))
        lists = {
            "/r/mine/many@2.0": {"layer_list": 61},
            "/diff/mine/many@1.0/mine/many@2.0": {"packages": 300, "layers": 122, "config": 40, "files": 121},
        }
        for first, wanted in lists.items():
            for query in ("", "?n=90"):
                found: dict[str, list[str]] = {key: [] for key in wanted}
                path = first + query
                while path:
                    page, twin = shown.get(path), shown.get(path, accept="application/json")
                    assert len(page.body) <= 50_000
                    for key, rows in found.items():
                        rows += [json.dumps(row) for row in json.loads(twin.body)[key]]
                    has_layers = bool(json.loads(twin.body).get("layer_list", ["compared"]))
                    assert has_layers != (b"They begin on" in page.body)
                    path = twin.headers["link"].split(">")[0][1:] if "link" in twin.headers else ""
                    assert query or not path or f'rel="next" href="{path}"'.replace("&", "&amp;").encode() in page.body
                assert {key: len(set(rows)) for key, rows in found.items()} == wanted
                assert all(len(rows) == wanted[key] for key, rows in found.items())


def test_a_page_stays_small_whatever_a_publisher_writes(tmp_path: Path) -> None:
    """Texts that grow sixfold when they are escaped, in annotations, ports, volumes and commands; names, versions, platforms."""
    settings = {
        "Cmd": ["<&>" * 5_000],
        "Entrypoint": ["<&>"] * 3_000,
        "ExposedPorts": {f"{port}/tcp": {} for port in range(9_000)},
        "Volumes": {f"/<&>/{number}": {} for number in range(3_000)},
        "WorkingDir": "/" + "<&>" * 3_000,
        "User": "<&>" * 3_000,
        "StopSignal": "<&>" * 3_000,
        "Labels": {f"label-{number}": "<&>" * 100 for number in range(9)},
    }
    annotations = {"description": "- `<>` **&**\n" * 200} | {f"key-{number}": "<&>" * 40 for number in range(30)}
    image = make_image([make_tar({"a": b"b"})], settings=settings)
    platforms = [Platform("linux", "arm", f"v{number}") for number in range(16)]
    long = "/".join(["n" * 30] * 4)
    with open_home(tmp_path / "home", now=NOW) as home, showing(home) as shown:
        publish(home, "many", "1.0", source_of(image), Wanted(AMD64), annotations=annotations)
        for number in range(35):
            publish_fake(home, long, f"{number}.0-{'v' * 60}", platforms=platforms)
        found = 0
        for first in ("/r/mine/many@1.0", f"/r/mine/{long}", f"/r/mine/{long}?n=1000", f"/r/mine/{long}@1.0-{'v' * 60}"):
            path = first
            while path:
                page = shown.get(path)
                assert page.status == 200
                assert len(page.body) <= 50_000, (path, len(page.body))
                path = page.headers["link"].split(">")[0][1:] if "link" in page.headers else ""
                found += 1
        assert found >= 4
        assert len(json.loads(shown.get(f"/r/mine/{long}.json?n=1000").body)["releases"]) == 35


def test_a_delta_is_shown_beside_the_blocks_that_it_replaces(tmp_path: Path) -> None:
    publisher(tmp_path / "home", VERSIONS[:2])
    with open_at(tmp_path / "home") as home, showing(home) as shown:
        name, release = (json.loads(shown.get(path).body) for path in ("/r/mine/web.json", "/r/mine/web@1.1.json"))
        (image,) = name["releases"][0]["images"].values()
        ((base, delta),) = image["deltas"].items()
        cost = json.loads(shown.get("/diff/mine/web@1.0/mine/web@1.1.json").body)["cost"]
        assert delta["size"] < image["in_place_of"][base] <= cost["blocks"]
        assert image["in_place_of"][base] > 0.9 * cost["blocks"]
        assert [one["in_place_of"] for one in release["images"].values()] == [image["in_place_of"]]
        words = re.sub(r"<[^>]*>", "", shown.get("/r/mine/web").body.decode())
        assert re.search(r"from 1\.0: [0-9.]+ kB in place of [0-9.]+ [kM]B", words)


def test_a_name_that_ends_in_json_is_itself(pages: Pages) -> None:
    assert json.loads(pages.get("/r/mine/team/api.json.json").body)["name"] == "team/api.json"
    assert b"<html" in pages.get("/r/mine/team/api.json").body


def test_static_files_are_kept_for_ever_and_have_the_right_types(pages: Pages) -> None:
    text = pages.get("/").body.decode()
    for ending, kind in ((".css", "text/css; charset=utf-8"), (".js", "text/javascript; charset=utf-8"), (".svg", "image/svg+xml")):
        address = next(part for part in text.split('"') if part.startswith("/static/") and part.endswith(ending))
        answer = pages.get(address)
        assert (answer.status, answer.headers["content-type"]) == (200, kind)
        assert "immutable" in answer.headers["cache-control"]
    assert pages.get("/static/nothing.css").status == 404


def test_no_page_loads_anything_from_elsewhere(pages: Pages) -> None:
    for path in PAGES:
        for part in pages.get(path).body.decode().split('src="')[1:]:
            assert part.startswith("/static/")


def test_feeds_list_releases(pages: Pages) -> None:
    for path in ("/c/mine.atom", "/r/mine/web.atom"):
        answer = pages.get(path)
        assert answer.headers["content-type"] == "application/atom+xml; charset=utf-8"
        assert b"<title>web@1.1</title>" in answer.body
        assert b"web@0.8" not in answer.body
    assert pages.get("/r/mine/nothing.atom").status == 404


def test_the_description_names_every_page(pages: Pages) -> None:
    description = json.loads(pages.get("/api/openapi.json").body)
    assert description["openapi"] == "3.1.0"
    assert len(description["paths"]) == 12
    assert "ReleasePage" in description["components"]["schemas"]


def test_a_page_fetches_nothing_for_its_visitor(pages: Pages) -> None:
    """A CID that is not here, of any kind, is 404 at once (docs/safety.md, E8)."""
    for number in range(50):
        unknown = cid_of(b"block %d" % number, DAG_PB if number % 2 else RAW)
        assert pages.get(f"/cid/{unknown}").status == 404


def test_health_is_a_page_for_people_and_json_for_monitors(pages: Pages) -> None:
    assert json.loads(pages.get("/health").body)["status"] == "ok"
    answer = pages.get("/health", accept="text/html,application/xhtml+xml")
    assert (answer.status, answer.headers["location"]) == (303, "/status")


def test_a_name_shows_the_size_of_all_its_archives(pages: Pages) -> None:
    """An archive counts once, one of a removed release not at all."""
    rows = json.loads(pages.get("/c/mine.json").body)["names"]
    releases = json.loads(pages.get("/r/mine/web.json").body)["releases"]
    sizes = {image["archive"]: image["size"] for release in releases for image in release["images"].values()}
    assert next(row["total"] for row in rows if row["name"] == "web") == sum(sizes.values())
