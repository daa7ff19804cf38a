"""The commands on a home with releases: what they print, for people, for pipes and for programs."""

import json
import os
import re
from pathlib import Path

import pytest

from cli.verbs import VERBS
from tests.cli.conftest import Dcat, ok, read_json
from tests.factory.exports import write_image


def test_list(stocked: Dcat) -> None:
    assert [line.split("\t")[:3] for line in ok(stocked("list")).splitlines()] == [["web", "1.1", "2"]]
    assert ok(stocked("list", "-q")) == "web\n"
    assert ok(stocked("list", "web", "-q")) == "web@1.1\nweb@1.0\n"
    assert ok(stocked("list", "w*", "--platform", "linux/arm64", "-q")) == "web@1.0\n"
    assert ok(stocked("list", "--releases", "--limit", "1", "-q")) == "web@1.1\n"
    assert ok(stocked("list", "--catalogue", "mine", "-q")) == "web\n"
    names = read_json(stocked("list", "--json"))["names"]
    assert isinstance(names, list)
    assert names[0]["newest"] == "1.1"
    assert stocked("list", "wbe").code == 10
    assert "try: dcat list web\n" in stocked("list", "wbe").err
    assert stocked("list", "--catalogue", "bob").code == 10


def test_show(stocked: Dcat) -> None:
    out = ok(stocked("show", "web@1.0"))
    assert "annotation title\tA web server\n" in out
    assert "linux/arm64" in out
    assert out.count("sha256:") >= 2 * (2 + 3)
    document = read_json(stocked("show", "web@1.0", "--json", "--platform", "linux/arm64"))
    images = document["images"]
    assert isinstance(images, dict)
    assert list(images) == ["linux/arm64"]
    assert len(images["linux/arm64"]["layer_list"]) == 3
    ran = stocked("show", "web@1.1", "--platform", "linux/arm64")
    assert ran.code == 10
    assert "--platform linux/amd64" in ran.err


def test_search(stocked: Dcat) -> None:
    assert ok(stocked("search", "serv", "-q")) == "web\n"
    assert ok(stocked("search", "we", "-q")) == "web\n"
    assert "dcat list" in stocked("search", "nothing").err
    assert read_json(stocked("search", "web", "--json"))["words"] == "web"
    assert stocked("search", " ").code == 2


def test_log(stocked: Dcat) -> None:
    kinds = [line.split("\t")[1:3] for line in ok(stocked("log")).splitlines()]
    assert kinds == [["published", "web@1.1"], ["platform", "web@1.0"], ["published", "web@1.0"]]
    assert len(ok(stocked("log", "web@1.0")).splitlines()) == 2
    assert len(ok(stocked("log", "web", "--limit", "1")).splitlines()) == 1
    assert stocked("log", "nothing").code == 10


def test_diff(stocked: Dcat) -> None:
    out = ok(stocked("diff", "web@1.0", "web@1.1"))
    assert [line.split("\t")[0] for line in out.splitlines() if "sha256:" in line] == ["same", "added", "removed", "same"]
    document = read_json(stocked("diff", "web@1.0", "web@1.1", "--json"))
    assert document["same"] is False
    assert "content\tthe same" in ok(stocked("diff", "web@1.0", "web@1.0"))
    assert stocked("diff", "web@1.0", "web@1.1", "--platform", "linux/arm64").code == 10


def test_yank_and_its_undoing(stocked: Dcat) -> None:
    ran = stocked("yank", "web@1.1", "--reason", "it eats files")
    assert ran.out == "Yanked web@1.1: it eats files\n"
    assert "--undo" in ran.err
    resolved = stocked("resolve", "web@1.1")
    assert resolved.code == 0
    assert "warning: web@1.1 was yanked: it eats files" in resolved.err
    assert ok(stocked("resolve", "web", "--latest")) == ok(stocked("resolve", "web@1.0"))
    assert "yanked: it eats files" in ok(stocked("list", "web"))
    assert ok(stocked("yank", "web@1.1", "--undo")) == "web@1.1 is no longer yanked\n"
    assert ok(stocked("yank", "web@1.1", "--undo")) == "web@1.1 was not yanked\n"
    assert stocked("resolve", "web@1.1").err == ""
    assert stocked("yank", "web@1.1").code == 2
    assert stocked("yank", "web", "--reason", "x").code == 24
    assert stocked("yank", "web@2", "--reason", "x").code == 10


def test_remove_keeps_the_line_and_only_the_same_content_returns(stocked: Dcat, tmp_path: Path) -> None:
    cid = ok(stocked("resolve", "web@1.1"))
    assert ok(stocked("remove", "web@1.1")) == "Removed web@1.1\n"
    assert "already removed" in ok(stocked("remove", "web@1.1"))
    ran = stocked("resolve", "web@1.1")
    assert ran.code == 10
    assert "removed by its publisher" in ran.err
    assert ok(stocked("list", "web", "-q")) == "web@1.0\n"
    assert ok(stocked("list", "web", "--removed", "-q")) == "web@1.1\nweb@1.0\n"
    assert stocked("publish", "web", "1.1", "--from", str(tmp_path / "one.tar")).code == 23
    assert stocked("publish", "web", "1.1", "--from", str(tmp_path / "two.tar")).code == 0
    assert ok(stocked("resolve", "web@1.1")) == cid
    assert stocked("yank", "nothing@1", "--reason", "x").code == 10


def test_gc_shows_then_frees_what_a_removed_release_alone_had(stocked: Dcat) -> None:
    ok(stocked("gc", "--yes"))  # the snapshots before the newest
    assert read_json(stocked("gc", "--json"))["garbage"] == {"blocks": 0, "bytes": 0}
    ok(stocked("remove", "web@1.1"))
    shown = read_json(stocked("gc", "--json"))
    assert shown["deleted"] is False
    assert shown["garbage"] != {"blocks": 0, "bytes": 0}
    assert read_json(stocked("gc", "--json", "--yes"))["garbage"] == shown["garbage"]
    assert read_json(stocked("gc", "--json"))["garbage"] == {"blocks": 0, "bytes": 0}
    assert stocked("verify").code == 0
    assert stocked("save", "web@1.0", "-o", os.devnull).code == 0


def test_pins(stocked: Dcat) -> None:
    assert "Pinned web@1.0" in ok(stocked("pin", "web@1.0"))
    assert read_json(stocked("status", "--json"))["pins"] == 1
    assert "Unpinned web@1.0" in ok(stocked("unpin", "web@1.0"))
    assert ok(stocked("unpin", "--older-than", "90d")) == ""
    assert stocked("unpin").code == 2
    assert stocked("unpin", "--older-than", "long").code == 2


def test_save_to_a_file_and_to_a_stream(stocked: Dcat, tmp_path: Path) -> None:
    target = tmp_path / "web.tar.zst"
    assert f"Wrote {target}" in ok(stocked("save", "web@1.0", "-o", str(target)))
    assert target.read_bytes()[:4] == b"\x28\xb5\x2f\xfd"
    plain = tmp_path / "web.tar"
    assert read_json(stocked("save", "web@1.0", "--uncompressed", "-o", str(plain), "--json"))["size"] == plain.stat().st_size
    cid = ok(stocked("resolve", "web@1.0"))
    assert stocked("publish", "copy", "1", "--from", str(target)).code == 0
    assert ok(stocked("resolve", "copy@1")) == cid
    assert stocked("save", "web@1.0").code == 2


def test_pull_without_an_engine_or_into_the_store(stocked: Dcat) -> None:
    ran = stocked("pull", "web@1.0")
    assert ran.code == 52
    assert "dcat save web@1.0 -o FILE" in ran.err
    assert "Stored and checked  web@1.0" in ok(stocked("pull", "web@1.0", "--no-load"))
    assert read_json(stocked("pull", "web@1.0", "--no-load", "--dry-run", "--json"))["missing"] == 0


def test_several_pulls_are_reported_one_by_one(stocked: Dcat) -> None:
    ran = stocked("pull", "web@1.0", "web@9", "web", "web@1.1", "--no-load")
    assert ran.code == 10
    assert ran.out.count("Stored and checked") == 2
    assert ran.err.count("error[") == 2
    ran = stocked("pull", "web@1.0", "web@9", "--no-load", "--json")
    assert [json.loads(line)["type"] for line in ran.out.splitlines()] == ["result"]
    assert json.loads(ran.err.splitlines()[-1])["code"] == "release-not-found"


def test_status_and_doctor(stocked: Dcat, dcat: Dcat) -> None:
    status = read_json(stocked("status", "--json"))
    catalogues = status["catalogues"]
    assert isinstance(catalogues, list)
    assert catalogues[0]["role"] == "own"
    assert catalogues[0]["releases"] == 2
    ran = stocked("doctor")
    assert ran.code == 52  # there is no engine in this test
    assert re.search(r"^encoder\tok\t", ran.out, re.MULTILINE)
    assert re.search(r"^key\tok\t", ran.out, re.MULTILINE)
    assert stocked("doctor", "--network").code == 0


def test_an_empty_home_teaches_the_next_command(dcat: Dcat) -> None:
    for verb, taught in (("list", "dcat publish"), ("status", "dcat publish"), ("log", ""), ("gc", "Nothing"), ("verify", "")):
        ran = dcat(verb)
        assert ran.code == 0, ran
        assert taught in ran.err


@pytest.mark.parametrize(
    ("platforms", "host", "option", "expected"),
    [
        (("linux/amd64",), "x86_64", "", "linux/amd64"),
        (("linux/amd64",), "aarch64", "", None),
        (("linux/amd64",), "x86_64", "linux/arm64", None),
        (("linux/amd64",), "aarch64", "linux/amd64", "linux/amd64"),
        (("linux/amd64", "linux/arm64"), "x86_64", "", "linux/amd64"),
        (("linux/amd64", "linux/arm64"), "aarch64", "", "linux/arm64"),
        (("linux/amd64", "linux/arm64"), "aarch64", "linux/amd64", "linux/amd64"),
        (("linux/amd64", "linux/arm64"), "x86_64", "linux/arm64/v8", "linux/arm64"),
        (("linux/arm/v7",), "armv7l", "", "linux/arm/v7"),
        (("linux/arm/v7",), "armv6l", "", None),
        (("linux/arm/v7",), "x86_64", "linux/arm", "linux/arm/v7"),
        (("linux/arm/v6", "linux/arm/v7"), "armv6l", "", "linux/arm/v6"),
    ],
)
def test_the_platform_is_the_hosts_or_the_one_asked_for(
    dcat: Dcat,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    platforms: tuple[str, ...],
    host: str,
    option: str,
    expected: str | None,
) -> None:
    """safety.md C13."""
    for platform in platforms:
        file = write_image(tmp_path / "image.tar", platform=platform)
        assert dcat("publish", "web", "1.0", "--from", file).code == 0
    monkeypatch.setattr("os.uname", lambda: os.uname_result(("Linux", "host", "6", "1", host)))
    ran = dcat("resolve", "web@1.0", "--json", *(["--platform", option] if option else []))
    if expected is None:
        assert ran.code == 10
        assert json.loads(ran.err)["why"] == "it has " + ", ".join(platforms)
    else:
        assert read_json(ran)["platform"] == expected


def test_every_command_has_a_json_form_with_a_schema(stocked: Dcat, tmp_path: Path) -> None:
    told = {
        "publish": ["web", "1.1", "--from", str(tmp_path / "two.tar")],
        "resolve": ["web@1.0"],
        "pull": ["web@1.0", "--no-load"],
        "save": ["web@1.0", "-o", str(tmp_path / "x")],
        "pin": ["web@1.0"],
        "unpin": ["web@1.0"],
        "files": ["web@1.0"],
        "cat": ["web@1.0:/app/version"],
        "list": [],
        "show": ["web@1.0"],
        "search": ["web"],
        "log": [],
        "diff": ["web@1.0", "web@1.1"],
        "yank": ["web@1.1", "--reason", "x"],
        "status": [],
        "catalogues": [],
        "sync": [],
        "outdated": [],
        "trust": ["list"],
        "prefer": ["web", "mine"],
        "key": ["show"],
        "verify": [],
        "gc": [],
        "config": ["list"],
        "completion": ["show", "bash"],
        "help": ["environment"],
        "remove": ["web@1.1"],
    }
    for verb, arguments in told.items():
        read_json(stocked(verb, *arguments, "--json"))
    elsewhere = {"serve", "subscribe", "unsubscribe", "recover", "export", "import"}  # test_serve, test_following, test_bundles
    doctor = stocked("doctor", "--json")
    assert json.loads(doctor.out)["schema"] == "dcat/doctor/v1"
    assert {*told, "doctor"} >= set(VERBS) - elsewhere
