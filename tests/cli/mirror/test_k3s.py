import pytest
import yaml

from catalog.errors import InvalidConfigError
from cli.mirror.k3s import add_endpoints, remove_endpoints
from cli.mirror.mirror import Mirror

MIRROR = Mirror(5078, ("docker.io", "ghcr.io"))
URL = "http://127.0.0.1:5078"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing yet\n",
        "configs:\n  a.example: {auth: {username: x}}",
        "mirrors:\n",
        "mirrors:\nconfigs: {}\n",
        "mirrors:   # ours\n    'other.example':\n        endpoint:\n        - https://a.example  # one\n",
        "mirrors:\n  docker.io:\n    endpoint:\n      - \"https://a.example\"\n      - b\nconfigs: {}\n",
        "mirrors:\n  docker.io:\n    endpoint:\n    # first\n    - a\n  ghcr.io:\n    rewrite:\n      'x': 'y'\n",
        "mirrors:\n  \"docker.io\":\n  ghcr.io:\n    endpoint:\n",
        "mirrors:\r\n  docker.io:\r\n    endpoint:\r\n      - a\r\n",
    ],
)  # fmt: skip
def test_the_server_is_the_first_endpoint_and_leaves_every_other_line(text: str) -> None:
    added = add_endpoints(text, MIRROR, "registries.yaml")
    before, after = yaml.safe_load(text) or {}, yaml.safe_load(added)
    wanted = {**before, "mirrors": dict(before.get("mirrors") or {})}
    for name in MIRROR.registries:
        known = wanted["mirrors"].get(name) or {}
        wanted["mirrors"][name] = {**known, "endpoint": [URL, *(known.get("endpoint") or [])]}
    assert after == wanted
    assert remove_endpoints(added, text).rstrip("\n") == text.rstrip("\n")
    assert add_endpoints(added, MIRROR, "registries.yaml") == added


@pytest.mark.parametrize(
    "text",
    [
        *(
            "mirrors: {docker.io: {endpoint: [a]}}\n",
            "mirrors:\n  docker.io: {endpoint: [a]}\n",
            "- a\n",
            "a: [",
            "a: 1\n---\nb: 2\n",
        ),
        *("mirrors:\n  docker.io:\n    endpoint: [a]\n", "mirrors: {}\n", "text\n"),
        *("mirrors:\n- a\n", "mirrors:\n  docker.io: x\n", "mirrors:\n  docker.io:\n    endpoint: 5\n"),
        *("a: 2001-99-99\n", 'a: !!int "x"\n', "a: &a [*a]\n"),
    ],
)
def test_what_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(InvalidConfigError, match=r"registries\.yaml cannot be changed"):
        add_endpoints(text, MIRROR, "registries.yaml")
