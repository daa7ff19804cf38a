import json

import pytest

from catalog.errors import InvalidConfigError
from cli.mirror.dockerd import add_mirror, remove_mirror
from cli.mirror.mirror import Mirror

MIRROR = Mirror(5078)
URL = "http://[::ffff:127.0.0.1]:5078"


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "{ }\n",
        '{"debug":true}',
        '{\n\t"debug": true,\n\t"log-opts": {"registry-mirrors": "x", "a": [1, "}"]}\n}\n',
        '{"registry-mirrors": []}',
        '{"registry-mirrors": ["https://mirror.example/"], "debug": true}\n',
        '{\n  "debug": true,\n  "registry-mirrors": [\n    "https://mirror.example",\n    "http://127.0.0.1:5000"\n  ]\n}',
        ' \r\n{\r\n  "a": "\\"registry-mirrors\\"",\r\n  "registry-mirrors" : [ "https://mirror.example" ]\r\n}\r\n',
    ],
)
def test_the_mirror_is_the_first_and_leaves_every_byte_else(text: str) -> None:
    added = add_mirror(text, MIRROR, "daemon.json")
    before, after = json.loads(text), json.loads(added)
    assert after == {**before, "registry-mirrors": [URL, *before.get("registry-mirrors", [])]}
    assert remove_mirror(added, text) == text
    assert add_mirror(added, MIRROR, "daemon.json") == added
    assert json.loads(remove_mirror(added, None)).get("registry-mirrors", []) == before.get("registry-mirrors", [])


def test_a_new_file() -> None:
    added = add_mirror("", MIRROR, "daemon.json")
    assert json.loads(added) == {"registry-mirrors": [URL]}
    assert remove_mirror(added, "").split() == ["{", "}"]


def test_what_somebody_added_since_stays() -> None:
    added = add_mirror('{"debug": true}', MIRROR, "daemon.json")
    edited = added.replace(f'["{URL}"]', f'["https://own.example", "{URL}", "https://two.example"]').replace("true", "false")
    assert json.loads(remove_mirror(edited, '{"debug": true}')) == {
        "registry-mirrors": ["https://own.example", "https://two.example"],
        "debug": False,
    }


@pytest.mark.parametrize(
    "text",
    [
        *("[]", "{", "null", '{"registry-mirrors": "https://a.example"}', "[" * 100_000),
        '{"registry-mirrors": [],\n"registry-mirrors": []}',
        "{'a': 1}",
    ],
)
def test_what_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(InvalidConfigError, match=r"daemon\.json cannot be changed"):
        add_mirror(text, MIRROR, "daemon.json")
