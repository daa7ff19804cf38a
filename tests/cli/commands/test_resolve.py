"""``dcat resolve``."""

import json
import os
from pathlib import Path

import pytest

from tests.cli.conftest import Dcat, read_json
from tests.factory.exports import write_image


@pytest.mark.parametrize(
    ("platforms", "host", "option", "expected"),
    [
        (("linux/amd64",), "x86_64", "", "linux/amd64"),
        (("linux/amd64",), "aarch64", "", None),
        (("linux/amd64",), "x86_64", "linux/arm64", None),
        (("linux/amd64",), "aarch64", "linux/amd64", "linux/amd64"),
        (("linux/amd64", "linux/arm64"), "x86_64", "", "linux/amd64"),
        (("linux/amd64", "linux/arm64"), "aarch64", "", "linux/arm64"),
        (("linux/amd64", "linux/arm64"), "aarch64", "linux/amd64", "linux/amd64"),
        (("linux/amd64", "linux/arm64"), "x86_64", "linux/arm64/v8", "linux/arm64"),
        (("linux/arm/v7",), "armv7l", "", "linux/arm/v7"),
        (("linux/arm/v7",), "armv6l", "", None),
        (("linux/arm/v7",), "x86_64", "linux/arm", "linux/arm/v7"),
        (("linux/arm/v6", "linux/arm/v7"), "armv6l", "", "linux/arm/v6"),
    ],
)
def test_the_platform_is_the_hosts_or_the_one_asked_for(
    dcat: Dcat,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    platforms: tuple[str, ...],
    host: str,
    option: str,
    expected: str | None,
) -> None:
    """safety.md C13."""
    for platform in platforms:
        file = write_image(tmp_path / "image.tar", platform=platform)
        assert dcat("publish", "web", "1.0", "--from", file).code == 0
    monkeypatch.setattr("os.uname", lambda: os.uname_result(("Linux", "host", "6", "1", host)))
    ran = dcat("resolve", "web@1.0", "--json", *(["--platform", option] if option else []))
    if expected is None:
        assert ran.code == 10
        assert json.loads(ran.err)["why"] == "it has " + ", ".join(platforms)
    else:
        assert read_json(ran)["platform"] == expected
