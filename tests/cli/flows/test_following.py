"""Two people on one machine: one publishes and serves, the other follows, over real HTTP."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Dcat, ok, read_json, run_on_terminal
from tests.factory.exports import write_image, write_save
from tests.factory.images import make_image, versioned_text
from tests.factory.platforms import AMD64
from tests.factory.tars import make_tar
from tests.fakes.certificates import make_certificates
from tests.fakes.lying_source import LyingSource
from tests.fakes.served_home import served_home
from tests.needs import ROOT


@pytest.fixture
def bob(as_bob: Dcat, tmp_path: Path) -> Iterator[str]:
    """Serve a catalogue with one release; yield the URL."""
    ok(as_bob("publish", "web", "1.0", "--from", write_image(tmp_path / "one.tar"), "--title", "A web server"))
    with served_home(tmp_path / "bob") as url:
        yield url


def test_publishing_signs_and_says_what_is_next(as_bob: Dcat, tmp_path: Path) -> None:
    ran = as_bob("publish", "web", "1.0", "--from", write_image(tmp_path / "one.tar"))
    assert "Not shared yet. Next: dcat serve --public" in ran.err
    document = read_json(as_bob("publish", "web", "1.1", "--from", write_image(tmp_path / "two.tar", "2"), "--json"))
    shared = document["shared"]
    assert isinstance(shared, dict)
    assert (shared["sequence"], shared["signed"], shared["pending"]) == (2, True, None)
    offline = as_bob("publish", "web", "1.2", "--from", write_image(tmp_path / "three.tar", "3"), "--offline")
    assert "Not shared yet. Next: dcat sync" in offline.err


def test_a_teammate_subscribes_syncs_and_pulls(bob: str, as_bob: Dcat, dcat: Dcat, tmp_path: Path) -> None:
    subscribed = dcat("subscribe", "bob", bob)
    assert "Subscribed as bob" in ok(subscribed)
    assert "Added the source bob, http://127.0.0.1" in subscribed.err
    assert ok(dcat("list", "-q")) != ""
    cid = ok(as_bob("resolve", "web@1.0"))
    assert ok(dcat("resolve", "web@1.0")) == ok(dcat("resolve", "bob/web@1.0")) == cid
    ok(as_bob("publish", "web", "2.0", "--from", write_image(tmp_path / "two.tar", "2")))
    synced = ok(dcat("sync"))
    assert "published  bob/web@2.0" in synced
    assert "Stored and checked" in ok(dcat("pull", "bob/web@2.0", "--no-load"))
    assert ok(dcat("save", "bob/web@2.0", "-o", str(tmp_path / "out.tar.zst")))
    assert "bob: nothing new" in ok(dcat("sync", "bob"))


def test_the_readme_shows_what_teammates_see(as_bob: Dcat, home: Path, tmp_path: Path) -> None:
    """Its lines are those of a terminal, apart from names, sizes and times; progress and hints are left out."""
    shown = re.search(r"    ann\$ dcat serve.*?(?=\n\n\S)", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert shown is not None
    for version in ("1.0", "1.1"):
        layers = [make_tar({"data": versioned_text(version, 300_000)}), make_tar({}), make_tar({"version": version.encode()})]
        write_save(tmp_path / f"{version}.tar", make_image(layers, AMD64))
    ok(as_bob("publish", "web", "1.0", "--from", str(tmp_path / "1.0.tar")))
    with served_home(tmp_path / "bob") as url:
        seen = run_on_terminal(["subscribe", "ann", url, "--progress", "none"]).out
        seen += run_on_terminal(["pull", "--no-load", "ann/web@1.0", "--progress", "none"]).out
        ok(as_bob("publish", "web", "1.1", "--from", str(tmp_path / "1.1.tar")))
        seen += run_on_terminal(["sync", "--progress", "none"]).out
        seen += run_on_terminal(["pull", "--no-load", "--dry-run", "ann/web@1.1", "--progress", "none"]).out
    printed = [line[4:] for line in shown[0].splitlines() if line and not re.match(r"    \w+\$ |    (Serving|Catalogue) ", line)]
    assert [line for line in printed if _masked(line) not in {_masked(line) for line in seen.splitlines()}] == []
    assert len(printed) == 7


def _masked(line: str) -> str:
    return re.sub(r"k51\w+|[0-9-]+T[0-9:]+Z|\d[\d.]* (?:B|kB|MB)\b", "…", line)


def test_json_of_what_is_followed(bob: str, dcat: Dcat) -> None:
    subscribed = read_json(dcat("subscribe", "bob", bob, "--json"))
    assert (subscribed["state"], subscribed["releases"], subscribed["sequence"]) == ("new", 1, 1)
    listed = read_json(dcat("catalogues", "--json"))["catalogues"]
    assert isinstance(listed, list)
    assert [(entry["alias"], entry["role"], entry["sequence"]) for entry in listed] == [("bob", "subscribed", 1)]
    assert listed[0]["seen"][0]["sequence"] == 1
    synced = read_json(dcat("sync", "--json"))
    assert isinstance(synced["catalogues"], list)
    assert synced["catalogues"][0]["state"] == "unchanged"
    ended = read_json(dcat("unsubscribe", "bob", "--json"))
    assert ended["alias"] == "bob"
    assert dcat("resolve", "bob/web@1.0").code == 10
    again = read_json(dcat("subscribe", "bob", str(ended["catalogue"]), "--json"))
    assert again["releases"] == 1


def test_a_name_needs_a_source(bob: str, as_bob: Dcat, dcat: Dcat) -> None:
    catalogue = read_json(as_bob("status", "--json"))["catalogues"]
    assert isinstance(catalogue, list)
    name = str(catalogue[0]["catalogue"])
    alone = dcat("subscribe", "bob", name)
    assert alone.code == 31
    assert "no source is configured" in alone.err
    assert "Subscribed as bob" in ok(dcat("subscribe", "bob", name, "--via", bob))
    assert (
        dcat("subscribe", "bob", bob, "--fingerprint", "k51qzi5uqu5dgy8qsq67hbz73jqkw87l3fgf4a91qb0d9b5173tir7n4vxk1oe").code == 20
    )


def test_an_alias_is_needed_and_must_be_free(bob: str, dcat: Dcat, tmp_path: Path) -> None:
    missing = dcat("subscribe", bob)
    assert missing.code == 24
    assert f"dcat subscribe ALIAS {bob}" in missing.err
    ok(dcat("publish", "bob/tool", "1", "--from", write_image(tmp_path / "tool.tar", "9")))
    taken = dcat("subscribe", "bob", bob)
    assert taken.code == 24
    assert "begins with it" in taken.err


def test_a_new_subscription_changes_no_reference(bob: str, dcat: Dcat, tmp_path: Path) -> None:
    ok(dcat("publish", "web", "1.0", "--from", write_image(tmp_path / "mine.tar", "7")))
    mine = ok(dcat("resolve", "web@1.0"))
    assert "Overlap" in ok(dcat("subscribe", "bob", bob))
    assert ok(dcat("resolve", "web@1.0")) == mine
    assert ok(dcat("resolve", "bob/web@1.0")) != mine


def test_a_server_that_sleeps_is_named(dcat: Dcat, as_bob: Dcat, tmp_path: Path) -> None:
    ok(as_bob("publish", "web", "1.0", "--from", write_image(tmp_path / "one.tar")))
    with served_home(tmp_path / "bob") as url:
        ok(dcat("subscribe", "bob", url))
    ran = dcat("sync")
    assert ran.code == 31
    assert url.removeprefix("http://") in ran.err
    assert ok(dcat("resolve", "bob/web@1.0"))
    assert dcat("sync", "carol").code == 10


def test_mirroring_holds_every_image(bob: str, dcat: Dcat) -> None:
    ok(dcat("subscribe", "bob", bob))
    assert "1 image held here" in ok(dcat("sync", "bob", "--mirror"))
    assert read_json(dcat("status", "--json"))["pins"] == 1


@pytest.mark.parametrize("text", ["nonsense", "k51qzi5uqu5d", "ftp://x"])
def test_what_is_no_catalogue(dcat: Dcat, text: str) -> None:
    assert dcat("subscribe", "bob", text).code == 2


def test_a_key_moves_to_a_new_home_with_all_its_releases(bob: str, as_bob: Dcat, dcat: Dcat, home: Path, tmp_path: Path) -> None:
    secret = tmp_path / "passphrase"
    secret.write_text("correct horse\n")
    file = str(tmp_path / "key.pem")
    assert as_bob("key", "export", "-o", file).code == 2
    ok(as_bob("key", "export", "-o", file, "--passphrase-file", str(secret)))
    assert as_bob("key", "export", "-o", file, "--plain").code == 41
    assert dcat("key", "import", file).code == 2
    assert dcat("recover").code == 31
    ok(dcat("key", "import", file, "--passphrase-file", str(secret)))
    assert read_json(dcat("key", "show", "--json"))["catalogue"] == read_json(as_bob("key", "show", "--json"))["catalogue"]
    ok(dcat("config", "set", "sources.old.url", bob))
    assert "Merged 1 release" in ok(dcat("recover"))
    assert ok(dcat("resolve", "web@1.0")) == ok(as_bob("resolve", "web@1.0"))


def test_a_given_up_catalogue_ends_for_everybody(bob: str, as_bob: Dcat, dcat: Dcat, tmp_path: Path) -> None:
    ok(dcat("subscribe", "bob", bob))
    file = str(tmp_path / "revocation")
    ok(as_bob("key", "revocation", "-o", file))
    assert "nothing new" in ok(dcat("sync", "bob"))
    assert as_bob("key", "revoke", file).code == 2
    assert "Revoked" in ok(as_bob("key", "revoke", file, "--yes"))
    ran = dcat("sync", "bob")
    assert ran.code == 0
    assert "revoked this catalogue" in ran.err
    assert ok(dcat("resolve", "bob/web@1.0"))
    assert as_bob("publish", "web", "2.0", "--from", write_image(tmp_path / "two.tar", "2")).code == 0
    assert dcat("subscribe", "again", bob).code in (10, 24)


def test_what_is_outdated(bob: str, as_bob: Dcat, dcat: Dcat, tmp_path: Path) -> None:
    ok(dcat("subscribe", "bob", bob))
    ok(dcat("pull", "bob/web@1.0", "--no-load"))
    assert "No newer version is known of 1 name" in ok(dcat("outdated"))
    ok(as_bob("publish", "web", "1.1", "--from", write_image(tmp_path / "two.tar", "2")))
    ok(dcat("sync"))
    assert ok(dcat("outdated", "-q")) == "web@1.1\n"
    assert ok(dcat("outdated", "--min-age", "3d", "-q")) == ""


def test_a_name_moves_when_its_user_says_so(bob: str, dcat: Dcat, tmp_path: Path) -> None:
    ok(dcat("subscribe", "bob", bob))
    mine = write_image(tmp_path / "mine.tar", "7")
    refused = dcat("publish", "web", "1.0", "--from", mine)
    assert refused.code == 24
    ok(dcat("prefer", "web", "mine"))
    ok(dcat("publish", "web", "1.0", "--from", mine))
    assert ok(dcat("resolve", "web@1.0")) != ok(dcat("resolve", "bob/web@1.0"))
    assert "belongs to the catalogue" in ok(dcat("prefer", "web", "bob"))
    assert ok(dcat("resolve", "web@1.0")) == ok(dcat("resolve", "bob/web@1.0"))
    assert dcat("prefer", "web", "nobody").code == 10


def test_nothing_waits_for_a_decision(dcat: Dcat) -> None:
    assert "Nothing waits" in ok(dcat("trust", "list"))
    assert dcat("trust", "accept", "bob").code == 10


def test_a_server_that_requires_a_token(as_bob: Dcat, dcat: Dcat, tmp_path: Path) -> None:
    ok(as_bob("publish", "web", "1.0", "--from", write_image(tmp_path / "one.tar")))
    token = tmp_path / "a token"
    token.touch(mode=0o600)
    token.write_text("s3cret-of-bob\n")
    with served_home(tmp_path / "bob", token="s3cret-of-bob") as url:
        refused = dcat("subscribe", "bob", url)
        assert refused.code == 31
        assert f"try: dcat subscribe bob {url} --token-file FILE" in refused.err
        ok(dcat("subscribe", "bob", url, "--token-file", str(token)))
        ok(dcat("sync"))
        ok(dcat("config", "unset", "sources.bob.token-file"))
        ok(dcat("subscribe", "bob", url, "--token-file", str(token)))  # adds it to the source that is there
        assert ok(dcat("config", "get", "sources.bob.token-file")).strip() == str(token)
        ok(dcat("pull", "--no-load", "bob/web@1.0"))
        typed = dcat("subscribe", "ann", url.replace("//", "//ann:s3cret-of-bob@"))
        assert typed.code == 2
        assert "s3cret" not in typed.err
        assert "for a token: --token-file FILE" in typed.err


def test_a_server_that_does_not_allow_its_name(bob: str, dcat: Dcat) -> None:
    refused = dcat("subscribe", "bob", bob.replace("127.0.0.1", "bob.localhost"))
    assert refused.code == 31
    assert "does not answer to this name" in refused.err
    assert "dcat serve --allowed-host bob.localhost" in refused.err


def test_a_server_behind_a_companys_authority(bob: str, dcat: Dcat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificates = make_certificates(tmp_path)
    with LyingSource([], upstream=bob, certificate=certificates.server) as server:
        refused = dcat("subscribe", "bob", server.url)
        assert refused.code == 31
        assert "cannot be trusted" in refused.err
        assert f"try: dcat subscribe bob {server.url} --ca-file FILE" in refused.err
        ok(dcat("subscribe", "bob", server.url, "--ca-file", str(certificates.ca)))
        ok(dcat("sync"))
        for key in ("url", "ca-file", "catalogue"):
            ok(dcat("config", "unset", f"sources.bob.{key}"))
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates.ca))
        ok(dcat("subscribe", "bob", server.url.replace("https", "HTTPS")))
        ok(dcat("subscribe", "bob", server.url, "--ca-file", str(certificates.ca)))  # adds it to the source that is there
        monkeypatch.delenv("REQUESTS_CA_BUNDLE")
        ok(dcat("sync"))
