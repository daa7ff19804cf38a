import tomllib
from pathlib import Path

import pytest

from catalog.errors import InvalidConfigError
from cli.mirror.containerd import add_host, config_path, hosts_directory, remove_host
from cli.mirror.mirror import Mirror

MIRROR = Mirror(5078)
URL = "http://127.0.0.1:5078"


@pytest.mark.parametrize(
    "text",
    [
        "",
        'server = "https://registry-1.docker.io"\n',
        'server = "https://registry-1.docker.io"  # ours\n\n[host."https://mirror.example"]\n  capabilities = ["pull"] # first\n',
        '[ host."https://a.example" ]\nca = """\n[host."no"]\n"""\n[host."https://b.example"]\n',
        '# only a comment\r\nserver = "https://x.example"',
        '[host]\n[host."https://a.example"]\ncapabilities = ["push"]\n',
    ],
)
def test_the_mirror_is_the_first_host_and_leaves_everything_else(text: str) -> None:
    added = add_host(text, MIRROR, "hosts.toml")
    before, after = tomllib.loads(text), tomllib.loads(added)
    assert next(iter(after["host"])) == URL
    assert after["host"].pop(URL) == {"capabilities": ["pull", "resolve"]}
    assert {**after, "host": after["host"]} == {**before, "host": before.get("host", {})}
    assert remove_host(added, text).rstrip("\n") == text.rstrip("\n")
    assert add_host(added, MIRROR, "hosts.toml") == added


def test_what_was_written_into_the_mirrors_table_goes_with_it() -> None:
    text = 'server = "https://registry.example"\n'
    added = add_host(text, MIRROR, "hosts.toml") + "  skip_verify = true\n# last\n"
    assert remove_host(added, text) == text + "# last\n"
    other = '[host."https://b.example"]\n  skip_verify = true\n'
    assert remove_host(added + other, text) == text + "# last\n" + other


def test_tags_are_the_registrys_where_that_is_wished() -> None:
    added = add_host("", Mirror(6000, pull_only=True), "hosts.toml")
    assert tomllib.loads(added) == {"host": {"http://127.0.0.1:6000": {"capabilities": ["pull"]}}}


@pytest.mark.parametrize("text", ["[host", 'host = {"https://a.example" = {}}\n', 'host."https://a.example".ca = "x"\n'])
def test_what_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(InvalidConfigError, match=r"hosts\.toml cannot be changed"):
        add_host(text, MIRROR, "hosts.toml")


@pytest.mark.parametrize(
    ("config", "found", "directory"),
    [
        (None, None, "etc/containerd/certs.d"),
        ("version = 2\n", "", "etc/containerd/certs.d"),
        ("plugins = 1\n", "", "etc/containerd/certs.d"),
        ('[plugins."io.containerd.grpc.v1.cri"]\nregistry = "x"\n', "", "etc/containerd/certs.d"),
        ('[plugins."io.containerd.grpc.v1.cri".registry]\nconfig_path = "/etc/certs.d"\n', "/etc/certs.d", "etc/certs.d"),
        ("[plugins.'io.containerd.cri.v1.images'.registry]\nconfig_path = '/a:/b'\n", "/a:/b", "a"),
        ("not toml", "", "etc/containerd/certs.d"),
    ],
)
def test_where_containerd_looks(tmp_path: Path, config: str | None, found: str | None, directory: str) -> None:
    if config is not None:
        (tmp_path / "etc/containerd").mkdir(parents=True)
        (tmp_path / "etc/containerd/config.toml").write_text(config)
    assert config_path(tmp_path) == found
    assert hosts_directory(tmp_path) == tmp_path / directory
