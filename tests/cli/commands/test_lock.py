"""``dcat lock`` and ``dcat pull --locked``."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.cli.conftest import Dcat, Ran, ok
from tests.factory.exports import write_image
from tests.fakes.served_home import served_home


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the folder of the test the working directory, where dcat.lock is."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_lock_is_stable_and_holds_every_platform(stocked: Dcat, here: Path) -> None:
    assert "Locked web@1.0  linux/amd64, linux/arm64" in ok_but_closing(stocked("lock", "web@1.0"))
    content = (here / "dcat.lock").read_bytes()
    document = json.loads(content)
    (entry,) = document["releases"]
    assert document["format"] == "dcat-lock/1"
    assert list(entry["images"]) == ["linux/amd64", "linux/arm64"]
    assert entry["catalogue"].startswith("k51")
    assert entry["images"]["linux/arm64"]["archive"] == ok(stocked("resolve", "web@1.0", "--platform", "linux/arm64")).strip()
    assert content == (json.dumps(document, indent=2, sort_keys=True) + "\n").encode()
    assert "Nothing changed" in stocked("lock", "web@1.0").out
    assert (here / "dcat.lock").read_bytes() == content
    assert stocked("lock", "--check").code == 0


def ok_but_closing(ran: Ran) -> str:
    assert ran.code == 0, ran
    return ran.out


def test_releases_are_added_and_the_newest_replaced_by_an_update(stocked: Dcat, here: Path, tmp_path: Path) -> None:
    assert stocked("lock", "web@1.0", "--platform", "linux/amd64").code == 0
    assert stocked("lock", "web", "--latest").code == 0
    versions = [entry["version"] for entry in json.loads((here / "dcat.lock").read_text())["releases"]]
    assert versions == ["1.0", "1.1"]
    assert "Nothing changed" in stocked("lock", "--update").out
    assert stocked("publish", "web", "1.2", "--from", write_image(tmp_path / "three.tar", "3")).code == 0
    assert "Nothing changed" in stocked("lock", "--update", "--min-age", "3d").out
    assert "Locked web@1.2" in stocked("lock", "--update").out
    versions = [entry["version"] for entry in json.loads((here / "dcat.lock").read_text())["releases"]]
    assert versions == ["1.0", "1.2"]


def test_a_check_ends_with_what_is_wrong(stocked: Dcat, here: Path, tmp_path: Path) -> None:
    assert stocked("lock", "web@1.0", "web@1.1").code == 0
    locked = (here / "dcat.lock").read_text()
    one, two = ok(stocked("resolve", "web@1.0", "--platform", "linux/amd64")).strip(), ok(stocked("resolve", "web@1.1")).strip()
    (here / "dcat.lock").write_text(locked.replace(one, two))
    ran = stocked("lock", "--check")
    assert ran.code == 23
    assert "release-conflict" in ran.out
    assert stocked("pull", "--locked", "--no-load").code == 23
    (here / "dcat.lock").write_text(locked)
    assert stocked("remove", "web@1.1").code == 0
    assert stocked("lock", "--check").code == 10
    key = json.loads(locked)["releases"][0]["catalogue"]
    (here / "dcat.lock").write_text(locked.replace(key, "k51qzi5uqu5dgutdk6i1ynyzgkqngpha5xpgia3a5qqp4jsh0u4csozksxel2r"))
    ran = stocked("lock", "--check")
    assert ran.code == 10
    assert "is not followed here" in ran.out


def test_a_teammate_pulls_exactly_what_is_locked(stocked: Dcat, as_bob: Callable[..., Ran], here: Path, home: Path) -> None:
    assert stocked("lock", "web@1.0", "--platform", "linux/amd64").code == 0
    with served_home(home) as url:
        assert as_bob("subscribe", "ann", url).code == 0
        ran = as_bob("lock", "--check")
        assert ran.code == 31
        assert "dcat pull --no-load --locked" in ran.err
        pulled = as_bob("pull", "--locked", "--no-load", "--platform", "linux/amd64")
        assert pulled.code == 0, pulled
        assert "ann/web@1.0" in pulled.out
        assert as_bob("lock", "--check").code == 0


REFUSED: list[tuple[list[str], int]] = [
    (["lock"], 2),
    (["lock", "web@1.0", "--check"], 10),
    (["lock", "web@1.0", "--min-age", "3d"], 2),
    (["lock", "--check", "--min-age", "3d"], 10),
    (["lock", "--check", "--compose"], 2),
    (["lock", "--check", "--update"], 2),
    (["lock", "--check"], 10),
    (["lock", "--update"], 10),
    (["lock", "web"], 24),
    (["lock", "web@9"], 10),
    (["lock", "web@1.1", "--platform", "linux/arm64"], 10),
    (["lock", "web@1.0", "--file", "missing/dcat.lock"], 10),
    (["pull", "--locked"], 10),
    (["pull"], 2),
    (["pull", "web@1.0", "--locked"], 2),
    (["pull", "--locked", "--latest"], 2),
]


def test_refusals(stocked: Dcat, here: Path) -> None:
    for arguments, code in REFUSED:
        assert stocked(*arguments).code == code, arguments
        assert not (here / "dcat.lock").exists()


NOT_LOCKS = [
    b"",
    b"{}",
    b"[]",
    b"\xff",
    b'{"format": "dcat-lock/2", "releases": []}',
    b'{"format": "dcat-lock/1", "releases": [{}]}',
    b"null",
]


def test_a_file_that_is_not_a_lock_is_refused_and_left_alone(stocked: Dcat, here: Path) -> None:
    for content in NOT_LOCKS:
        (here / "dcat.lock").write_bytes(content)
        for arguments in (["lock", "--check"], ["lock", "--update"], ["lock", "web@1.0"], ["pull", "--locked", "--no-load"]):
            ran = stocked(*arguments)
            assert ran.code == 2, ran
            assert "dcat.lock" in ran.err
        assert (here / "dcat.lock").read_bytes() == content


def test_a_damaged_digest_in_a_lock_is_refused(stocked: Dcat, here: Path) -> None:
    assert stocked("lock", "web@1.1").code == 0
    locked = json.loads((here / "dcat.lock").read_text())
    for key in ("archive", "config", "manifest"):
        damaged = json.loads(json.dumps(locked))
        damaged["releases"][0]["images"]["linux/amd64"][key] += "0"
        (here / "dcat.lock").write_text(json.dumps(damaged))
        assert stocked("lock", "--check").code == 2


COMPOSE = """\
services:
  front: {image: web:1.0}   # what people see
  back:
    image: 'localhost:5078/web:1.1'
  store:
    image: postgres:16
  odd:
    image: web:${TAG}
"""


def test_a_compose_file_is_locked(stocked: Dcat, here: Path) -> None:
    (here / "compose.yaml").write_text(COMPOSE)
    ran = stocked("lock", "compose.yaml", "--compose")
    assert ran.code == 0, ran
    assert "Locked web@1.0  linux/amd64, linux/arm64" in ran.err
    assert "service store: postgres:16 is left as it is: no catalogue here has it" in ran.err
    assert "service odd: web:${TAG} is left as it is: it has a variable without a value" in ran.err
    images = {service: body["image"] for service, body in yaml.safe_load(ran.out)["services"].items()}
    assert set(images) == {"front", "back"}
    assert images["back"] == f"localhost:5078/web:1.1@{ok(stocked('resolve', 'web@1.1', '--as', 'manifest')).strip()}"
    assert re.fullmatch(r"localhost:5078/web:1\.0@sha256:[0-9a-f]{64}", images["front"])
    assert stocked("lock", "--check").code == 0
    one = yaml.safe_load(stocked("lock", "compose.yaml", "--compose", "--platform", "linux/amd64").out)["services"]
    arm = ok(stocked("resolve", "web@1.0", "--as", "manifest", "--platform", "linux/amd64")).strip()
    assert one["front"]["image"] == f"localhost:5078/web:1.0@{arm}"


def test_files_are_rewritten_in_their_place_and_again_the_same(stocked: Dcat, here: Path) -> None:
    (here / "compose.yaml").write_text(COMPOSE)
    (here / "compose.yaml").chmod(0o640)
    (here / "Dockerfile").write_text("FROM web:1.1 AS build\nFROM build\n")
    (here / "link.yaml").symlink_to("compose.yaml")
    images = yaml.safe_load(stocked("lock", "compose.yaml", "--compose").out)["services"]
    ran = stocked("lock", "link.yaml", "Dockerfile", "--in-place")
    assert "Rewrote link.yaml" in ran.out
    assert "Rewrote Dockerfile" in ran.out
    rewritten = (here / "compose.yaml").read_text()
    front, back = images["front"]["image"], images["back"]["image"]
    assert rewritten == COMPOSE.replace("web:1.0", front, 1).replace("localhost:5078/web:1.1", back)
    assert (here / "Dockerfile").read_text() == f"FROM {back} AS build\nFROM build\n"
    assert (here / "link.yaml").is_symlink()
    assert (here / "compose.yaml").stat().st_mode & 0o777 == 0o640
    again = stocked("lock", "compose.yaml", "Dockerfile", "--in-place")
    assert again.out == "Nothing changed\n"
    assert (here / "compose.yaml").read_text() == rewritten


def test_a_digest_that_is_another_one_is_a_conflict(stocked: Dcat, here: Path) -> None:
    (here / "compose.yaml").write_text(COMPOSE)
    stocked("lock", "compose.yaml", "--in-place")
    text = (here / "compose.yaml").read_text()
    digest = re.findall(r"sha256:[0-9a-f]{64}", text)[1]
    (here / "compose.yaml").write_text(text.replace(digest, "sha256:" + "0" * 64))
    ran = stocked("lock", "compose.yaml", "--in-place")
    assert ran.code == 23
    assert "compose.yaml, service back, names localhost:5078/web:1.1@sha256:000" in ran.err


def test_a_digest_alone_names_its_release(stocked: Dcat, here: Path) -> None:
    manifest = ok(stocked("resolve", "web@1.1", "--as", "manifest")).strip()
    (here / "Dockerfile").write_text(f"FROM localhost:5078/web@{manifest}\n")
    assert stocked("lock", "Dockerfile", "--in-place").code == 0
    assert (here / "Dockerfile").read_text() == f"FROM localhost:5078/web:1.1@{manifest}\n"


def test_the_newest_is_locked_where_no_version_is_named(stocked: Dcat, here: Path) -> None:
    (here / "Dockerfile").write_text("FROM web\nFROM web:latest\n")
    assert stocked("lock", "Dockerfile").code == 24
    ran = stocked("lock", "Dockerfile", "--latest", "--buildkit")
    rules = json.loads(ran.out)["rules"]
    assert [rule["selector"]["identifier"] for rule in rules] == ["docker-image://docker.io/library/web:latest"]
    assert rules[0]["updates"]["identifier"].startswith("docker-image://localhost:5078/web:1.1@sha256:")
    (entry,) = json.loads((here / "dcat.lock").read_text())["releases"]
    assert (entry["version"], entry["latest"]) == ("1.1", True)
    (here / "Dockerfile").write_text("FROM web:1.1\nFROM web\n")
    assert stocked("lock", "Dockerfile", "--latest").code == 0
    assert [entry["latest"] for entry in json.loads((here / "dcat.lock").read_text())["releases"]] == [False]


def test_names_are_those_of_the_home_and_the_registry(
    stocked: Dcat, as_bob: Callable[..., Ran], here: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A teammate reaches the release behind his alias; Ann's own lock and his are about the same catalogue."""
    with served_home(home) as url:
        assert as_bob("subscribe", "ann", url).code == 0
        (here / "compose.yaml").write_text("services: {web: {image: 'reg.example:5000/ann/web:1.1'}}\n")
        ran = as_bob("lock", "compose.yaml", "--compose", "--registry", "reg.example:5000", "--file", "bob.lock")
        image = yaml.safe_load(ran.out)["services"]["web"]["image"]
        assert image.startswith("reg.example:5000/ann/web:1.1@sha256:")
        with monkeypatch.context() as patch:
            patch.setenv("DCAT_OFFLINE", "true")
            several = as_bob("lock", "ann/web@1.0", "--kbld")
        assert several.code == 31
        assert "metadata of linux/a" in several.err
        assert as_bob("lock", "ann/web@1.0").code == 0
        assert as_bob("lock", "--check").code == 31
        assert as_bob("pull", "--no-load", "--locked", "--platform", "linux/amd64").code == 0  # of the other one the metadata
        assert as_bob("lock", "ann/web@1.0", "--kbld").code == 0
        assert as_bob("pull", "--no-load", "--locked").code == 0  # every platform that is locked
        assert as_bob("lock", "--check").code == 0
        assert as_bob("lock", "ann/web@1.0", "--kbld").code == 0
    assert stocked("lock", "web@1.1", "--file", "ann.lock", "--kbld", "-o", "images.yml").code == 0
    ours, his = (json.loads((here / name).read_text())["releases"][0] for name in ("ann.lock", "bob.lock"))
    assert {**ours, "first_seen": ""} == {**his, "first_seen": ""}
    assert 'kbld.carvel.dev/id: "web:1.1"' in (here / "images.yml").read_text()


REFUSED_FILES: list[tuple[str, list[str], int, str]] = [
    ("services: {a: {image: web:9}}", [], 10, "service a, names web:9"),
    ("services: {a: {image: localhost:5078/wbe:1.0}}", [], 10, "service a, names"),
    ("services: {a: {image: postgres:16}}", [], 10, "nothing to lock"),
    ("services: {a: {image: web}}", [], 24, "web"),
    ("a: b", [], 2, "neither a Compose file"),
    ("services: {a: {image: web:1.0}}", ["--compose", "--in-place"], 2, "exclude each other"),
    ("services: {a: {image: web:1.0}}", ["-o", "x"], 2, "-o is for"),
    ("services: {a: {image: web:1.0}}", ["--check"], 10, "there is no lock"),
    ("services: {a: {image: web:1.0}}", ["--registry", "no host"], 2, "--registry takes"),
    ("services:\n a:\n  image: |-\n   web:1.0", ["--in-place"], 2, "cannot be replaced in its place"),
]


def test_files_that_are_refused_stay_as_they_are(stocked: Dcat, here: Path) -> None:
    for text, arguments, code, why in REFUSED_FILES:
        (here / "compose.yaml").write_text(text)
        ran = stocked("lock", "compose.yaml", *arguments)
        assert ran.code == code, ran
        assert why in ran.err, ran
        assert (here / "compose.yaml").read_text() == text
        assert not (here / "dcat.lock").exists()


def test_a_file_that_is_not_there(stocked: Dcat, here: Path) -> None:
    ran = stocked("lock", "missing/compose.yaml")
    assert ran.code == 10
    assert "there is no file missing/compose.yaml" in ran.err
    assert stocked("lock", "web@1.0", "--in-place").code == 2
    assert stocked("lock", "web@1.0", "--compose").code == 2
