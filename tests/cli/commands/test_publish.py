"""``dcat publish``: from every kind of source, what it says and what it refuses."""

import json
import os
import re
from pathlib import Path

import pytest

from catalog.errors import ImageNotFoundError
from catalog.ipld.cid import DAG_PB, cid_of
from tests.cli.conftest import Dcat, ok, read_json
from tests.factory.exports import write_image

CID = re.compile(r"bafybei[a-z2-7]{52}")


def test_publish_says_what_it_made(dcat: Dcat, tmp_path: Path) -> None:
    file = write_image(tmp_path / "one.tar")
    ran = dcat("publish", "team/web", "1.0", "--from", file)
    assert ran.out.startswith("Published team/web@1.0\n")
    assert CID.search(ran.out)
    assert re.search(r"created one in .* \(k51[a-z0-9]{59}, key 0600\)", ran.err)
    again = dcat("publish", "team/web", "1.0", "--from", file)
    assert again.code == 0
    assert "already published" in again.out
    assert "created" not in again.err


def test_publish_json_is_one_line_with_a_type(dcat: Dcat, tmp_path: Path) -> None:
    ran = dcat("publish", "web", "1.0", "--from", write_image(tmp_path / "one.tar"), "--json")
    document = read_json(ran)
    assert document["type"] == "result"
    assert document["created_catalogue"] is True
    assert all("type" in json.loads(line) for line in ran.err.splitlines())
    assert dcat("publish", "web", "1.0", "--from", str(tmp_path / "one.tar"), "-q").out == CID.search(ran.out)[0] + "\n"  # type: ignore[index]


def test_publish_from_standard_input(dcat: Dcat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open(write_image(tmp_path / "one.tar"), encoding="latin-1") as stream:
        monkeypatch.setattr("sys.stdin", stream)
        assert dcat("publish", "web", "1.0", "--from", "-").code == 0


def test_publish_a_copy_of_a_release(stocked: Dcat) -> None:
    cid = ok(stocked("resolve", "web@1.0"))
    assert ok(stocked("publish", "team/site", "1", "--copy", "web@1.0", "-q")) == cid
    ran = stocked("publish", "team/site", "1", "--copy", "web@1.0", "--platform", "all", "--json")
    assert read_json(ran)["added"] == ["linux/arm64"]
    assert stocked("publish", "team/site", "1", "--copy", "web@1.1").code == 23
    assert stocked("publish", "team/site", "2", "--copy", "web@9").code == 10
    assert stocked("publish", "team/site", "2", "--copy", "web@1.1", "--platform", "linux/arm64").code == 10
    assert stocked("publish", "team/site", "2", "--copy", "web@1.1", "--from", "x").code == 2
    assert stocked("save", "team/site@1", "-o", os.devnull).code == 0


def test_publish_what_was_added_to_ipfs(stocked: Dcat) -> None:
    """The archive of a release is such a file; whatever chunks a file has, the canonical archive comes out."""
    cid = ok(stocked("resolve", "web@1.0"))
    assert ok(stocked("publish", "again", "1", "--from", f"ipfs://{cid.strip()}", "-q")) == cid
    absent = cid_of(b"nobody has it", DAG_PB)
    ran = stocked("publish", "again", "2", "--from", f"ipfs://{absent}")
    assert ran.code == 31
    assert "no source is configured" in ran.err
    assert stocked("publish", "again", "2", "--from", "ipfs://nothing").code == 2


def test_a_dry_run_changes_nothing(dcat: Dcat, tmp_path: Path) -> None:
    ran = dcat("publish", "web", "1.0", "--from", write_image(tmp_path / "one.tar"), "--dry-run")
    assert ran.code == 0
    assert ran.out.startswith("Would publish web@1.0\n")
    assert dcat("list").out == ""
    assert read_json(dcat("status", "--json"))["blocks"] == 0


@pytest.mark.parametrize(
    ("arguments", "code", "part"),
    [
        (["web"], 24, "has no version"),
        (["web", "latest"], 2, "latest"),
        (["Web", "1"], 2, "not a valid name"),
        (["web", "1.0", "--annotation", "x"], 2, "KEY=VALUE"),
        (["web", "1.0", "--max-size", "big"], 2, "not a valid size"),
        (["web", "1.0", "--platform", "all", "--platform", "linux/amd64"], 2, "all"),
        (["web@1.0", "1.0"], 2, "name and version"),
        (["web", "1.0", "--pull"], 2, "exclude"),
    ],
)
def test_publish_refuses(dcat: Dcat, tmp_path: Path, arguments: list[str], code: int, part: str) -> None:
    ran = dcat("publish", *arguments, "--from", write_image(tmp_path / "one.tar"))
    assert ran.code == code
    assert part in ran.err
    assert dcat("list").out == ""


def test_where_the_engine_has_only_latest_that_is_what_to_try(dcat: Dcat, monkeypatch: pytest.MonkeyPatch) -> None:
    class Engine:
        def find(self, reference: str, platform: object = None) -> None:
            if not reference.endswith(":latest"):
                raise ImageNotFoundError(f'the engine has no image "{reference}"', nearest=("wob:1.0",))

        def close(self) -> None:
            """Nothing is open."""

    monkeypatch.setattr("cli.reach.open_engine", lambda _: Engine())
    ran = dcat("publish", "web", "1.0")
    assert ran.code == 10
    assert "  try: dcat publish web 1.0 --image web:latest\n" in ran.err
    assert dcat("publish", "web", "1.0", "--image", "wab:1.0").err.endswith("  try: dcat publish web 1.0 --image wob:1.0\n")
