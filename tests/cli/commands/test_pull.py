"""``dcat pull``."""

import json

from tests.cli.conftest import Dcat, ok, read_json


def test_pull_without_an_engine_or_into_the_store(stocked: Dcat) -> None:
    ran = stocked("pull", "web@1.0")
    assert ran.code == 52
    assert "dcat save web@1.0 -o FILE" in ran.err
    ran = stocked("pull", "web@9")
    assert (ran.code, "release-not-found" in ran.err) == (10, True)  # what is typed is wrong, whether an engine runs or not
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


def test_the_command_that_is_suggested_means_the_same_image(stocked: Dcat) -> None:
    """What --latest chose is named, since a command without a version would be refused."""
    ran = stocked("pull", "web", "--latest", "--no-load")
    assert ran.out.startswith("Stored and checked  web@1.1  ")
    assert ran.err.endswith("To load it: dcat pull web@1.1\n")
    assert stocked("pull", "web", "--latest", "--no-load", "--dry-run").err.endswith("To pull it: dcat pull web@1.1\n")
    assert "dcat save web --latest -o FILE" in stocked("pull", "web", "--latest").err
