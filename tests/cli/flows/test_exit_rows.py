"""One test for each row of the table of exit codes, by a command that meets it."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from catalog import operations
from catalog.home.home import open_home
from catalog.index.catalogue import CatalogueRow
from catalog.index.releases import put_releases
from catalog.index.subscriptions import show_catalogue
from catalog.model.release import Release, format_time
from catalog.trust import ownership as naming
from catalog.trust.comparison import compare_contents, note_contents
from catalog.trust.contents import accept_contents
from tests.cli.conftest import Dcat, read_json
from tests.factory.exports import write_image
from tests.factory.platforms import AMD64
from tests.factory.releases import listed_image
from tests.fakes.homes import sign_other_tree
from tests.needs import ROOT

BOB = "k51qzi5uqu5dgutdk6i1ynyzgkqngpha5xpgia3a5qqp4jsh0u4csozksxel2r"


def follow_bob(home: Path, *, expires: timedelta = timedelta(days=20)) -> None:
    """Have the home follow a catalogue with web 1.0."""
    now = datetime.now(UTC)
    with open_home(home, now=now) as opened:
        with opened.trust.write() as connection:
            naming.follow(connection, BOB, "bob", opened.time)
            naming.claim_names(connection, BOB, ["web"])
            naming.finish_first_sync(connection, BOB)
        image = listed_image("web")
        theirs = Release("web", "1.0", opened.time, {AMD64: image})
        with opened.index.write() as connection:
            row = CatalogueRow(BOB, alias="bob", sequence=3, checked=opened.time, expires=format_time(now + expires))
            show_catalogue(connection, row)
            put_releases(connection, BOB, [theirs])
        with opened.trust.write() as connection:
            accept_contents(connection, BOB, theirs, opened.time)


def expect(dcat: Dcat, arguments: list[str], code: int, kind: str) -> str:
    ran = dcat(*arguments)
    assert ran.code == code, ran
    assert f"error[{kind}]:" in ran.err
    assert "Traceback" not in ran.err
    assert ran.out == ""
    return ran.err


def test_0_done(dcat: Dcat) -> None:
    assert dcat("status").code == 0


def test_1_unexpected(dcat: Dcat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "status", lambda *_, **__: 1 / 0)
    assert "ZeroDivisionError" in expect(dcat, ["status"], 1, "unexpected")


def test_2_usage(dcat: Dcat) -> None:
    expect(dcat, ["list", "--nothing"], 2, "usage")
    expect(dcat, ["resolve", "UPPER@1"], 2, "invalid-name")


def test_10_not_found(dcat: Dcat, tmp_path: Path) -> None:
    expect(dcat, ["resolve", "web@1.0"], 10, "release-not-found")
    expect(dcat, ["publish", "web", "1.0", "--from", str(tmp_path / "absent")], 10, "not-found")


def test_12_locked_or_timed_out(dcat: Dcat, home: Path) -> None:
    assert dcat("status").code == 0
    with open_home(home, now=datetime.now(UTC)) as opened, opened.lease("test"):
        expect(dcat, ["gc", "--yes"], 12, "locked")


def test_12_timed_out(dcat: Dcat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "status", lambda *_, **__: time.sleep(60))
    assert "0.5 s" in expect(dcat, ["--timeout", "0.5", "status"], 12, "locked")
    monkeypatch.setenv("DCAT_TIMEOUT", "0.5")
    expect(dcat, ["status"], 12, "locked")
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_20_malformed_archive(dcat: Dcat, tmp_path: Path) -> None:
    (tmp_path / "bad.tar").write_bytes(b"no tar" * 1000)
    expect(dcat, ["publish", "web", "1.0", "--from", str(tmp_path / "bad.tar")], 20, "malformed-archive")


def test_20_rotten_store(dcat: Dcat, home: Path, tmp_path: Path) -> None:
    file = write_image(tmp_path / "one.tar")
    assert dcat("publish", "web", "1.0", "--from", file).code == 0
    with sqlite3.connect(home / "blocks.sqlite") as connection:
        connection.execute(
            "UPDATE payloads SET data = zeroblob(length(data)) WHERE length(data) = (SELECT max(length(data)) FROM payloads)"
        )
    connection.close()
    ran = dcat("verify")
    assert ran.code == 20
    assert "1 block rotten" in ran.err
    assert dcat("verify", "--from", file).code == 0
    assert dcat("verify").code == 0


def test_20_tree_of_another_shape(stocked: Dcat, home: Path) -> None:
    assert stocked("verify").code == 0
    with open_home(home, now=datetime.now(UTC)) as opened:
        other = sign_other_tree(opened)
    ran = stocked("verify")
    assert ran.code == 20
    assert f"the tree of your releases under {other} is not the one that they give" in ran.err
    assert "dcat verify --repair" in ran.err
    repaired = stocked("verify", "--repair")
    assert repaired.code == 0
    assert "the tree of your releases" in repaired.out
    told = read_json(stocked("verify", "--json"))
    assert (told["uncanonical"], told["renewed"]) == (None, False)


def test_22_record_expired(dcat: Dcat, home: Path) -> None:
    follow_bob(home, expires=timedelta(days=-1))
    expect(dcat, ["resolve", "bob/web", "--latest"], 22, "record-expired")
    assert dcat("resolve", "bob/web", "--latest", "--allow-stale").code == 0
    ran = dcat("resolve", "web@1.0")
    assert ran.code == 0
    assert "expired" in ran.err


def test_23_content_would_change(dcat: Dcat, tmp_path: Path) -> None:
    assert dcat("publish", "web", "1.0", "--from", write_image(tmp_path / "one.tar")).code == 0
    ran = dcat("publish", "web", "1.0", "--from", write_image(tmp_path / "two.tar", "2"))
    assert ran.code == 23
    assert "never changes" in ran.err


def test_23_content_changed_in_a_subscription(dcat: Dcat, home: Path) -> None:
    follow_bob(home)
    with open_home(home, now=datetime.now(UTC)) as opened, opened.trust.write() as connection:
        changed = listed_image("other")
        release = Release("web", "1.0", opened.time, {AMD64: changed})
        note_contents(connection, compare_contents(connection, BOB, [release], opened.time), opened.time)
    expect(dcat, ["resolve", "bob/web@1.0"], 23, "release-conflict")


def test_24_not_clear(dcat: Dcat, tmp_path: Path) -> None:
    assert dcat("publish", "web", "1.0", "--from", write_image(tmp_path / "one.tar")).code == 0
    assert "try: dcat resolve web@1.0" in expect(dcat, ["resolve", "web"], 24, "ambiguous-reference")


def test_31_no_source(dcat: Dcat, home: Path) -> None:
    follow_bob(home)
    assert "no source is configured" in expect(dcat, ["pull", "bob/web@1.0", "--no-load"], 31, "unavailable")


def test_41_not_writable(dcat: Dcat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DCAT_HOME", "/dev/null/home")
    expect(dcat, ["status"], 41, "storage")


def test_42_newer_home(dcat: Dcat, home: Path) -> None:
    assert dcat("status").code == 0
    with sqlite3.connect(home / "index.sqlite") as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'from_the_future'")
    connection.close()
    expect(dcat, ["list"], 42, "home-newer")
    expect(dcat, ["resolve", "web@1.0"], 42, "home-newer")


def test_51_tag_with_other_content(dcat: Dcat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert dcat("publish", "web", "1.0", "--from", write_image(tmp_path / "one.tar")).code == 0
    other = "sha256:" + "0" * 64
    engine = SimpleNamespace(tag_owner=lambda *_: other, config_digest=lambda *_: None, find=lambda *_: None, close=lambda: None)
    monkeypatch.setattr("cli.reach.open_engine", lambda _: engine)
    err = expect(dcat, ["pull", "web@1.0"], 51, "engine-conflict")
    assert "try: dcat pull web@1.0 --force" in err


def test_52_no_engine(dcat: Dcat) -> None:
    assert "--from FILE" in expect(dcat, ["publish", "web", "1.0"], 52, "engine-unavailable")


def test_130_interrupted(home: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "cli.main", "publish", "web", "1.0", "--from", "-"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=dict(os.environ),
    )
    assert process.stderr is not None
    assert process.stderr.readline() == "Reading standard input\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Interrupted" in err
    assert "Traceback" not in err
