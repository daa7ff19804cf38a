"""The wheel holds the whole program: it works from an installed copy, away from the clone."""

import os
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.factory.golden import IMAGES
from tests.needs import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("dcat_ipfs-*-py3-none-any.whl")
    return built


def test_the_wheel_holds_library_commands_and_migrations_and_no_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tracked = subprocess.run(
        ["git", "ls-files", "catalog", "cli", "migrations"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    expected = [name for name in tracked.stdout.split() if (ROOT / name).exists()]
    assert set(expected) <= set(names)
    assert {name.split("/")[0].split("-")[0] for name in names} == {"catalog", "cli", "migrations", "dcat_ipfs"}
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert any(name.endswith("share/man/man1/dcat-publish.1") for name in names)


def test_two_builders_make_the_same_wheel(tmp_path: Path) -> None:
    """Nothing of the machine goes into it: neither times and modes of files, nor folder, time zone and language."""
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    built = []
    for place, mode, moment, zone in (("one", 0o644, 1_000_000_000, "UTC"), ("a/second", 0o664, 1_700_000_000, "Pacific/Apia")):
        copy = tmp_path / place
        for name in tracked:
            if (ROOT / name).is_file():
                target = copy / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, target)
                target.chmod(mode)
                os.utime(target, (moment, moment))
        build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(copy / "built")]
        environment = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"} | {"TZ": zone}
        subprocess.run(build, cwd=copy, env=environment, check=True, capture_output=True)
        (wheel,) = (copy / "built").glob("*.whl")
        built.append(wheel.read_bytes())
    assert built[0] == built[1]


def test_an_installed_copy_does_the_main_job(wheel: Path, tmp_path: Path) -> None:
    installed = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(installed)
    # The copy stands first; this environment gives the dependencies only.
    program = (
        f"import sys; sys.path.insert(0, {str(installed)!r}); import catalog; print(catalog.__file__); "
        "from cli.main import main; main()"
    )
    environment = {**os.environ, "DCAT_HOME": str(tmp_path / "home"), "DCAT_CONFIG": str(tmp_path / "config.toml")}

    def dcat(*arguments: str) -> str:
        command = [sys.executable, "-P", "-c", program, *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        first, _, rest = done.stdout.partition("\n")
        assert first.startswith(str(installed)), f"the copy is not what ran: {first}"
        return rest

    sample = IMAGES / "sample.tar"
    dcat("publish", "sample", "1", "--from", str(sample), "--progress", "none")
    expected = "bafybeibxyxpz3pdqkbxjo2to2v5j34rnozfoayrcno5zqzoy6yqi5cae6y\n"
    assert dcat("resolve", "sample@1", "--platform", "linux/arm64") == expected


def test_no_package_takes_the_place_of_one_that_is_meant() -> None:
    """Three wheels in the wild ship a module called multiformats, and two others replace urllib3 in place."""
    owners = packages_distributions()
    assert set(owners["multiformats"]) == {"multiformats"}
    assert set(owners["urllib3"]) == {"urllib3"}
    assert "niquests" not in owners


def test_no_registry_host_and_no_path_of_a_machine_is_named() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    hosts = ["py" + "pi.org", "python" + "hosted.org", "proxy." + "golang.org", "npmjs" + ".org", "deb." + "debian.org"]
    for name in filter(None, listed.split("\0")):
        path = ROOT / name
        if not path.is_file() or "golden" in path.parts:
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        for host in hosts:
            assert host not in text, f"{name} names {host}"
        assert "/work/" + "main" not in text, f"{name} names a folder of one machine"
