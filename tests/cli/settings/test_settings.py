"""Settings: environment over file over default, unknown keys, values that are refused."""

import json
import re
from pathlib import Path

import pytest

from catalog.errors import InvalidConfigError
from cli.settings import Service, read_settings
from cli.settings.file import set_in_file
from tests.cli.conftest import Dcat, run_on_terminal
from tests.needs import ROOT


def test_environment_stands_over_file_over_default(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    assert read_settings(path, {}).deltas
    path.write_text('kubo = "http://127.0.0.1:5001"\ndeltas = false\n')
    settings = read_settings(path, {"DCAT_KUBO": "http://other:5001"})
    assert settings.kubo == "http://other:5001"
    assert not settings.deltas
    assert settings.by_key["kubo"].origin == "environment"
    assert settings.by_key["deltas"].place == str(path)


def test_sources_come_from_file_and_environment(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    token = tmp_path / "token"
    token.write_text("t")
    set_in_file(path, {"sources.bob.url": "http://bob:5078", "sources.bob.token-file": str(token)})
    sources = read_settings(path, {"DCAT_SOURCES": "http://a:1, http://b:2"}).sources
    assert [source.url for source in sources] == ["http://bob:5078", "http://a:1", "http://b:2"]
    assert sources[0].token_file == token


@pytest.mark.parametrize("value", ["http://user:canary@host", "http://host/?token=canary", "ftp://host", "host", "http://"])
def test_a_url_with_a_secret_or_none_at_all_is_refused_without_repeating_the_secret(dcat: Dcat, value: str) -> None:
    ran = dcat("config", "set", "kubo", value)
    assert ran.code == 2
    assert "canary" not in ran.err + ran.out


@pytest.mark.parametrize(
    "value", ["http://[::1", "http://host:99999", "http://host:0", "http://ho\nst", "http://host/a b", "http://h\tost"]
)
@pytest.mark.parametrize("key", ["kubo", "sources.bob.url"])
def test_a_url_that_cannot_be_one_is_refused(dcat: Dcat, tmp_path: Path, key: str, value: str) -> None:
    ran = dcat("config", "set", key, value)
    assert ran.code == 2
    assert "not a valid URL" in ran.err
    assert not (tmp_path / "config.toml").exists()


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("kub", "kubo"), ("delta", "deltas"), ("sources.bob.ulr", "sources.bob.url"), ("sources.bob", "sources.bob.url")],
)
def test_an_unknown_key_is_an_error_that_names_the_nearest(dcat: Dcat, typed: str, meant: str) -> None:
    ran = dcat("config", "get", typed)
    assert ran.code == 2
    assert f'no setting "{typed}"' in ran.err
    if typed != "sources.bob":
        assert f"try: dcat config get {meant}" in ran.err


def test_an_unknown_key_in_the_file_is_an_error_and_can_be_unset(dcat: Dcat, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('kubbo = "http://x"\n[gc]\nkeep = 3\n')
    ran = dcat("config", "list")
    assert ran.code == 2
    assert "dcat config unset kubbo" in ran.err
    assert dcat("config", "unset", "kubbo").code == 0
    assert dcat("config", "unset", "gc.keep").code == 0
    assert dcat("config", "list").code == 0


def test_set_get_list_unset(dcat: Dcat) -> None:
    assert dcat("config", "set", "deltas", "off").code == 0
    assert dcat("config", "get", "deltas").out == "off\n"
    assert dcat("config", "list").out == "cluster-max\t3\ncluster-replicas\t2\ndeltas\toff\noffline\toff\n"
    listed = json.loads(dcat("config", "list", "--json", "--show-origin").out)
    assert listed["schema"] == "dcat/config/v1"
    assert {"key": "deltas", "value": False, "origin": "file"}.items() <= listed["settings"][2].items()
    assert dcat("config", "unset", "deltas").code == 0
    assert dcat("config", "get", "deltas", "--show-origin").out == "deltas\ton\tdefault\n"
    assert dcat("config", "unset", "deltas").code == 2


def test_setting_kubo_says_what_becomes_public_and_asks_only_on_a_terminal(dcat: Dcat, tmp_path: Path) -> None:
    ran = dcat("config", "set", "kubo", "http://127.0.0.1:5001")
    assert ran.code == 0
    assert "public" in ran.err
    assert "--yes" in ran.err
    assert read_settings(tmp_path / "config.toml", {}).kubo == "http://127.0.0.1:5001"
    assert "[y/N]" in run_on_terminal(["config", "set", "kubo", "http://127.0.0.1:5001"], "y\n").out
    assert "public" not in dcat("config", "set", "kubo", "http://127.0.0.1:5001").err
    assert json.loads(dcat("config", "set", "kubo", "http://127.0.0.1:5002", "--json").out)["confirmed"] is False
    assert json.loads(dcat("config", "set", "kubo", "http://127.0.0.1:5002", "--json", "--yes").out)["confirmed"] is True
    assert json.loads(dcat("config", "set", "kubo", "http://127.0.0.1:5002", "--json").out)["confirmed"] is True


@pytest.mark.parametrize("content", [b"= 1", b"\xff", b'kubo = "unended', b"deltas = [1]", b"kubo = 2026-01-01"])
def test_a_file_that_is_no_settings_file_is_one_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    with pytest.raises(InvalidConfigError):
        read_settings(path, {})


def test_kubo_is_found_where_its_repository_says(dcat: Dcat, tmp_path: Path) -> None:
    (tmp_path / "ipfs").mkdir()
    (tmp_path / "ipfs" / "api").write_text("/ip4/127.0.0.1/tcp/5003")
    variables = {"IPFS_PATH": str(tmp_path / "ipfs")}
    assert dcat("config", "set", "kubo", "auto", "--yes").code == 0
    assert dcat("config", "get", "kubo").out == "auto\n"
    settings = read_settings(tmp_path / "config.toml", variables)
    assert settings.kubo == "http://127.0.0.1:5003"
    assert read_settings(tmp_path / "config.toml", {"DCAT_KUBO": "/ip4/127.0.0.1/tcp/5004"}).kubo == "http://127.0.0.1:5004"
    assert dcat("config", "set", "kubo", "/unix/run/ipfs.sock", "--yes").out == "kubo = unix:///run/ipfs.sock\n"
    assert "not the address of an RPC" in dcat("config", "set", "kubo", "/ip4/127.0.0.1/udp/5001").err


def test_settings_of_clusters_and_pinning_services(dcat: Dcat, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("ann:s3cret\n", encoding="ascii")
    token.chmod(0o600)
    assert dcat("config", "set", "cluster", "http://127.0.0.1:9094/").out == "cluster = http://127.0.0.1:9094\n"
    assert dcat("config", "set", "cluster-token-file", str(token)).code == 0
    assert dcat("config", "set", "cluster-replicas", "4").code == 0
    assert dcat("config", "set", "pinning.one.url", "https://pinning.example/psa").code == 0
    assert dcat("config", "set", "pinning.one.token-file", str(token)).code == 0
    settings = read_settings(tmp_path / "config.toml", {})
    assert settings.cluster == "http://127.0.0.1:9094"
    assert settings.file("cluster-token-file") == token
    assert settings.replicas == (4, 4)  # at most never below at least
    assert settings.services == (Service("one", "https://pinning.example/psa", token),)
    assert read_settings(tmp_path / "config.toml", {"DCAT_CLUSTER": "http://other:9094"}).cluster == "http://other:9094"


def test_most_replicas_are_not_fewer_than_the_least(dcat: Dcat, tmp_path: Path) -> None:
    """What the user chose is refused rather than raised in silence; the default follows the other number."""
    assert dcat("config", "set", "cluster-replicas", "4").code == 0
    assert read_settings(tmp_path / "config.toml", {}).replicas == (4, 4)
    refused = dcat("config", "set", "cluster-max", "3")
    assert refused.code == dcat("config", "set", "cluster-max", "none").code
    assert "cluster-max: 3 is less than cluster-replicas, which is 4" in refused.err
    assert "dcat config set cluster-replicas 3" in refused.err
    assert dcat("config", "set", "cluster-max", "4").code == 0
    assert "dcat config set cluster-max 5" in dcat("config", "set", "cluster-replicas", "5").err
    assert read_settings(tmp_path / "config.toml", {}).replicas == (4, 4)
    (tmp_path / "config.toml").write_text("cluster-replicas = 5\ncluster-max = 4\n")
    with pytest.raises(InvalidConfigError, match="cluster-max: 4 is less than cluster-replicas, which is 5"):
        _ = read_settings(tmp_path / "config.toml", {}).replicas
    assert dcat("config", "set", "cluster-replicas", "4").code == 0


@pytest.mark.parametrize(("key", "port"), [("kubo", 5001), ("cluster", 9094), ("sources.ann.url", 5078)])
def test_the_example_of_a_url_has_the_port_of_what_it_leads_to(dcat: Dcat, key: str, port: int) -> None:
    assert f":{port}" in dcat("config", "set", key, "http://[").err


def test_each_setting_that_the_guide_on_clusters_shows(dcat: Dcat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    text = (ROOT / "docs/guides/clusters.md").read_text(encoding="utf-8")
    shown = re.findall(r"^    dcat config set (\S+) (\S+)$", text, re.MULTILINE)
    assert len(shown) == 9
    for key, value in shown:
        if value.startswith("~/"):
            (tmp_path / value[2:]).touch(mode=0o600)
        ran = dcat("config", "set", key, value, *(["--yes"] if key == "kubo" else []))
        assert ran.out == f"{key} = {value.replace('~', str(tmp_path))}\n", ran
    settings = read_settings(tmp_path / "config.toml", {})
    assert settings.file("cluster-ca-file") == tmp_path / "cluster-ca.pem"
    (service,) = settings.services
    assert service == Service("one", "https://pinning.example/psa", tmp_path / "one-token", tmp_path / "one-ca.pem")


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("cluster-replicas", "0", "number of replicas"),
        ("cluster-replicas", "1.5", "number of replicas"),
        ("cluster-replicas", "²", "number of replicas"),
        ("cluster-max", "many", "number of replicas"),
        ("cluster-max", "1001", "number of replicas"),
        ("cluster", "http://ann:s3cret@host:9094", "cluster-token-file"),
        ("cluster", "9094", "not a valid URL"),
        ("pinning.one.url", "https://host/psa?token=s3cret", "pinning.one.token-file"),
        ("pinning.One.url", "https://host/psa", "not a valid pinning service name"),
        ("pinning.one.uri", "https://host/psa", "pinning.one.url"),
        ("clusters", "http://host", '"cluster"'),
    ],
)
def test_settings_that_are_refused(dcat: Dcat, key: str, value: str, words: str) -> None:
    ran = dcat("config", "set", key, value)
    assert ran.code == 2
    assert words in ran.err
    assert "s3cret" not in ran.err
