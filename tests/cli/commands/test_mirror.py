"""``dcat mirror``: settings below a folder, and a server that tells what was pulled. Real engines: tests/compat/test_mirror.py."""

import json
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.cli.conftest import Dcat, read_json, run_on_terminal
from tests.fakes.served_home import served_home


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A system with every engine, of which docker has settings."""
    for folder in ("etc/containerd", "etc/docker", "etc/containers", "etc/rancher/k3s", "etc/rancher/rke2"):
        (tmp_path / "system" / folder).mkdir(parents=True)
    (tmp_path / "system/etc/docker/daemon.json").write_text('{"debug": true}\n')
    return tmp_path / "system"


def files(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in sorted(root.rglob("*")) if path.is_file()}


def test_every_engine_is_changed_and_restored(dcat: Dcat, root: Path) -> None:
    before = files(root)
    ran = dcat("mirror", "install", "--root", str(root), "--yes")
    assert ran.code == 0, ran
    assert '+{"registry-mirrors": ["http://[::ffff:127.0.0.1]:5078"], "debug": true}' in ran.err
    assert "systemctl reload docker" in ran.out
    assert "systemctl restart k3s" in ran.out
    assert "systemctl restart rke2-server" in ran.out
    after = files(root)
    hosts = tomllib.loads(after["etc/containerd/certs.d/docker.io/hosts.toml"])
    assert hosts == {"host": {"http://127.0.0.1:5078": {"capabilities": ["pull", "resolve"]}}}
    assert json.loads(after["etc/docker/daemon.json"]) == {"registry-mirrors": ["http://[::ffff:127.0.0.1]:5078"], "debug": True}
    assert after["etc/docker/daemon.json.dcat-backup"] == before["etc/docker/daemon.json"]
    assert 'location = "127.0.0.1:5078/docker.io"' in after["etc/containers/registries.conf.d/100-dcat-mirror.conf"]
    for name in ("k3s", "rke2"):
        written = yaml.safe_load(after[f"etc/rancher/{name}/registries.yaml"])
        assert written == {"mirrors": {"docker.io": {"endpoint": ["http://127.0.0.1:5078"]}}}
    again = dcat("mirror", "install", "--root", str(root))
    assert (again.code, again.out) == (0, "Nothing changed\n")
    shown = read_json(dcat("mirror", "status", "--root", str(root), "--port", "1", "--json"))
    assert shown["engines"]["docker"] == [str(root / "etc/docker/daemon.json")]  # type: ignore[index]
    assert shown["server"] == {"url": "http://127.0.0.1:1", "answers": False}
    assert (
        dcat("mirror", "install", "--root", str(root), "--port", "6000", "--registry", "ghcr.io", "containerd", "--yes").code == 0
    )
    ran = dcat("mirror", "remove", "--root", str(root), "--yes")
    assert ran.code == 0, ran
    assert files(root) == before
    assert dcat("mirror", "remove", "--root", str(root), "--yes").code == 10


def test_it_asks_and_changes_nothing_without_a_yes(dcat: Dcat, root: Path) -> None:
    before = files(root)
    ran = dcat("mirror", "install", "docker", "--root", str(root))
    assert ran.code == 2
    assert "--yes" in ran.err
    assert files(root) == before
    asked = run_on_terminal(["mirror", "install", "docker", "--root", str(root)], "n\n")
    assert "Change " in asked.out
    assert asked.code == 2
    assert files(root) == before


def test_the_machines_own_settings_need_root(dcat: Dcat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    ran = dcat("mirror", "install", "k3s", "--yes")
    assert ran.code == 41
    assert "belong to root" in ran.err
    assert not Path("/etc/rancher/k3s/registries.yaml").exists()


def test_one_file_that_is_not_understood_changes_none(dcat: Dcat, root: Path) -> None:
    (root / "etc/rancher/k3s/registries.yaml").write_text("mirrors: {docker.io: {endpoint: [a]}}\n")
    before = files(root)
    ran = dcat("mirror", "install", "--root", str(root), "--yes")
    assert ran.code == 2
    assert "registries.yaml cannot be changed" in ran.err
    assert files(root) == before


def test_the_broken_file_of_one_engine_hides_no_other_and_keeps_no_mirror(dcat: Dcat, root: Path) -> None:
    assert dcat("mirror", "install", "--root", str(root), "--yes").code == 0
    daemon = root / "etc/docker/daemon.json"
    daemon.write_text(f"{daemon.read_text()} // by hand")
    shown = dcat("mirror", "status", "--root", str(root), "--port", "1")
    assert shown.code == 0, shown
    assert "docker\tunknown" in shown.out
    assert "podman\tyes" in shown.out
    assert "daemon.json cannot be changed" in shown.err
    ran = dcat("mirror", "remove", "--root", str(root), "--yes")
    assert ran.code == 0, ran
    assert "daemon.json cannot be changed" in ran.err
    assert [name for name in files(root) if not name.startswith("etc/docker")] == []
    assert dcat("mirror", "remove", "docker", "--root", str(root), "--yes").code == 2


def test_a_file_that_is_not_understood_and_has_no_mirror_is_no_obstacle(dcat: Dcat, root: Path) -> None:
    (root / "etc/docker/daemon.json").write_text('{"registry-mirrors": null} // by hand')
    before = files(root)
    assert dcat("mirror", "install", "podman", "--root", str(root), "--yes").code == 0
    ran = dcat("mirror", "remove", "--root", str(root), "--yes")
    assert (ran.code, ran.err.count("cannot be changed")) == (0, 0), ran
    assert files(root) == before


def test_nothing_outside_of_the_system_that_is_meant_is_changed(dcat: Dcat, root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "daemon.json"
    outside.write_text("{}")
    (root / "etc/docker/daemon.json").unlink()
    (root / "etc/docker/daemon.json").symlink_to(outside)
    ran = dcat("mirror", "install", "docker", "--root", str(root), "--yes")
    assert ran.code == 2
    assert f"it leads to {outside}, out of {root}" in ran.err
    assert outside.read_text() == "{}"
    (root / "etc/containerd/config.toml").write_text(
        '[plugins."io.containerd.grpc.v1.cri".registry]\nconfig_path = "/../../certs"\n'
    )
    assert dcat("mirror", "install", "containerd", "--root", str(root), "--yes").code == 0
    assert (root / "certs/docker.io/hosts.toml").exists()
    assert dcat("mirror", "install", "docker", "--root", str(tmp_path / "missing"), "--yes").code == 2
    assert not (tmp_path / "missing").exists()


def test_a_link_that_leads_to_itself_is_refused(dcat: Dcat, root: Path) -> None:
    (root / "etc/docker/daemon.json").unlink()
    (root / "etc/docker/daemon.json").symlink_to("daemon.json")
    ran = dcat("mirror", "install", "docker", "--root", str(root), "--yes")
    assert (ran.code, "symbolic links" in ran.err) == (10, True), ran


def test_refusals(dcat: Dcat, root: Path, tmp_path: Path) -> None:
    assert dcat("mirror", "install", "rkt", "--root", str(root)).code == 2
    assert dcat("mirror", "install", "--root", str(tmp_path / "empty")).code == 2
    assert dcat("mirror", "install", "--registry", "a/b", "--root", str(root)).code == 2
    assert dcat("mirror", "remove", "--root", str(root)).code == 10


def test_containerd_is_told_where_to_look(dcat: Dcat, root: Path) -> None:
    (root / "etc/containerd/config.toml").write_text("version = 2\n")
    assert 'config_path = "/etc/containerd/certs.d"' in dcat("mirror", "install", "containerd", "--root", str(root), "--yes").out


def test_the_server_tells_what_was_pulled(stocked: Dcat, home: Path, root: Path) -> None:
    with served_home(home) as url:
        port = url.rpartition(":")[2]
        ran = stocked("mirror", "status", "--root", str(root), "--port", port)
        assert ran.code == 0, ran
        assert "no engine has asked it for anything" in ran.out
        for path, agent in (
            ("web/manifests/1.1", "docker/29.0"),
            ("library/web/manifests/1.1?ns=docker.io", "docker/29.0"),
            ("x/manifests/1", "cri-o/1.3"),
        ):
            ask(f"{url}/v2/{path}", agent)
        ran = stocked("mirror", "status", "--root", str(root), "--port", port)
        assert "2 manifests found here, 1 not here" in ran.out
        assert "docker\t127.0.0.1\t2\t0" in ran.out
        assert "x:1\tcri-o\tnot here" in ran.out
        assert "dcat mirror install" in ran.err


def ask(url: str, agent: str) -> None:
    import contextlib
    import urllib.error
    import urllib.request

    with contextlib.suppress(urllib.error.HTTPError):
        urllib.request.urlopen(urllib.request.Request(url, headers={"User-Agent": agent})).close()


@pytest.mark.parametrize("content", [b"", b"a\0b", b"\xff\xfe", b"a" * 5000])
def test_a_file_without_a_token_is_refused(dcat: Dcat, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "token").write_bytes(content)
    ran = dcat("mirror", "status", "--root", str(tmp_path), "--token-file", str(tmp_path / "token"))
    assert ran.code == 2
    assert "does not hold a token" in ran.err
