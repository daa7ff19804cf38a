"""What holds for every command."""

import json
from pathlib import Path

from cli.verbs import VERBS
from tests.cli.conftest import Dcat, read_json


def test_an_empty_home_teaches_the_next_command(dcat: Dcat) -> None:
    for verb, taught in (("list", "dcat publish"), ("status", "dcat publish"), ("log", ""), ("gc", "Nothing"), ("verify", "")):
        ran = dcat(verb)
        assert ran.code == 0, ran
        assert taught in ran.err


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
        "lock": ["web@1.0", "--file", str(tmp_path / "dcat.lock")],
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
        "mirror": ["status", "--root", str(tmp_path)],
        "completion": ["show", "bash"],
        "help": ["environment"],
        "remove": ["web@1.1"],
    }
    for verb, arguments in told.items():
        read_json(stocked(verb, *arguments, "--json"))
    # test_docker_plugin, test_service, test_serve, test_following, test_bundles
    elsewhere = {"docker-plugin", "service", "serve", "subscribe", "unsubscribe", "recover", "export", "import"}
    doctor = stocked("doctor", "--json")
    assert json.loads(doctor.out)["schema"] == "dcat/doctor/v1"
    assert {*told, "doctor"} >= set(VERBS) - elsewhere
