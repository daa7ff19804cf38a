"""Every line that a release's page offers is copied from the page and run in its real client."""

import json
import os
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.chromium import window
from tests.browser.homes import CommandHome
from tests.compat.engines import PrivateEngine, program, start_process, stop_process, wait_for
from tests.compat.kubo import KuboNode
from tests.needs import lacks

pytestmark = pytest.mark.xdist_group("engines")

CLIENTS = ["dcat", "docker", "podman", "kubernetes", "compose", "ipfs", "curl"]


@pytest.fixture(scope="module")
def lines(browser: Browser, address: str) -> dict[str, str]:
    """What the copy buttons of the page copy, by client."""
    with window(browser, address) as opened:
        opened.grant_permissions(["clipboard-read", "clipboard-write"], origin=address)
        page = opened.new_page()
        page.goto("/r/mine/shop@1.2")
        found = {}
        for label in page.locator(".tabs > label").all():
            label.click()
            page.evaluate("navigator.clipboard.writeText('')")
            page.locator(".tab:visible button.copy").click()
            found[str(label.get_attribute("for")).removeprefix("tab-")] = copied(page)
    return found


def copied(page: Page) -> str:
    """Return what a button, which copies without keeping anybody waiting, puts into the clipboard."""
    until_there = "async () => { let text = ''; while (!text) text = await navigator.clipboard.readText(); return text; }"
    return str(page.evaluate(until_there))


@pytest.fixture(scope="module")
def config(address: str) -> str:
    """The config digest of the release for linux/amd64."""
    with urlopen(f"{address}/r/mine/shop@1.2.json?platform=linux/amd64") as answer:
        return str(json.load(answer)["images"]["linux/amd64"]["config"])


def run(text: str, folder: Path, programs: Mapping[str, list[str]], variables: Mapping[str, str]) -> str:
    """Run copied lines in a shell; ``programs`` are what names on them mean."""
    folder.mkdir(exist_ok=True)
    for name, command in programs.items():
        wrapper = folder / name
        wrapper.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
        wrapper.chmod(0o755)
    environment = {
        "HOME": str(folder),
        **variables,
        "PATH": f"{folder}:{variables.get('PATH', os.environ['PATH'])}:{os.environ['PATH']}",
    }
    done = subprocess.run(["bash", "-ec", text], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{text}: {done.stderr[-2000:]}"
    return done.stdout


def test_there_is_a_line_for_every_client(lines: dict[str, str]) -> None:
    assert list(lines) == CLIENTS


def test_dcat(lines: dict[str, str], tmp_path: Path) -> None:
    home = CommandHome(tmp_path / "carol")
    home.path.mkdir()
    text = lines["dcat"].replace("dcat pull", "dcat pull --no-load --platform linux/amd64")  # there is no engine in this test
    run(text, tmp_path / "bin", {}, home.variables)
    assert "shop" in home.dcat("list")


def test_docker(lines: dict[str, str], docker29: PrivateEngine, tmp_path: Path, address: str) -> None:
    run(lines["docker"], tmp_path / "bin", {"docker": list(docker29.command)}, docker29.environment)
    assert any(f"{address.removeprefix('http://')}/shop:1.2" in tags for tags in docker29.images().values())


def test_docker_of_debian(lines: dict[str, str], docker20: PrivateEngine, tmp_path: Path, config: str) -> None:
    run(lines["docker"], tmp_path / "bin", {"docker": list(docker20.command)}, docker20.environment)
    assert config in docker20.images()


def test_podman(lines: dict[str, str], podman: PrivateEngine, tmp_path: Path, config: str) -> None:
    run(lines["podman"], tmp_path / "bin", {"podman": list(podman.command)}, podman.environment)
    assert config in podman.images()


def test_compose(lines: dict[str, str], docker29: PrivateEngine) -> None:
    """The image of the service is what Docker pulls by that reference."""
    reference = lines["compose"].partition("image: ")[2].strip()
    docker29.run("pull", reference)


def test_kubernetes(lines: dict[str, str], tmp_path: Path) -> None:
    """A node's containerd pulls the image of the pod."""
    ctr, containerd = program("ctr"), program("containerd")
    if ctr is None or containerd is None:
        lacks("docker20", "containerd is not installed (.ci/packages installs Debian's docker.io)")
    folder = tmp_path / "c"
    folder.mkdir()
    settings = folder / "config.toml"
    settings.write_text(f'version = 2\nroot = "{folder}/root"\nstate = "{folder}/state"\n[grpc]\naddress = "{folder}/s"\n')
    process = start_process([containerd, "--config", str(settings)], folder / "log", dict(os.environ))
    try:
        reference = lines["kubernetes"].removeprefix("image: ")
        command = [ctr, "--address", f"{folder}/s", "--namespace", "k8s.io"]
        asked = [*command, "version"]
        assert wait_for(lambda: subprocess.run(asked, capture_output=True, check=False).returncode == 0, process)
        content = [*command, "content", "fetch", "--plain-http", "--platform", "linux/amd64", reference]
        done = subprocess.run(content, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
    finally:
        stop_process(process)


def test_ipfs(lines: dict[str, str], kubo: KuboNode, tmp_path: Path, docker29: PrivateEngine) -> None:
    variables = {"IPFS_PATH": str(kubo.repository), "IPFS_TELEMETRY": "off"}
    run(lines["ipfs"], tmp_path / "bin", {"ipfs": [str(kubo.program)]}, variables)
    assert docker29.load((tmp_path / "bin" / "shop-1.2.tar.zst").read_bytes())


def test_curl(lines: dict[str, str], tmp_path: Path, docker29: PrivateEngine) -> None:
    run(lines["curl"], tmp_path / "bin", {}, {})
    assert docker29.load((tmp_path / "bin" / "shop-1.2.tar.zst").read_bytes())
