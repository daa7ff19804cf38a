"""What went wrong is said without numbers of the system and without names of objects in libraries."""

import re
from pathlib import Path

import pytest

from tests.cli.conftest import Dcat

_INTERNAL = re.compile(r"\[Errno|HTTPConnectionPool|HTTPSConnectionPool|object at 0x|Max retries|Adapter|Traceback|Exception\(")


@pytest.mark.parametrize(
    "typed",
    [
        "subscribe ann http://127.0.0.1:9",
        "subscribe ann https://127.0.0.1:9",
        "subscribe ann http://nothing.invalid",
        "subscribe ann nothing.invalid",
        "import nothing.car",
        "key import nothing.pem",
        "key revoke nothing",
        "serve --token-file nothing",
        "publish other 1.0 --from nothing.tar",
        "save web@1.0 -o nothing/web.tar",
        "verify --from nothing.tar",
        "subscribe ann nothing.car",
    ],
)
def test_a_failure_is_said_in_words(stocked: Dcat, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, typed: str) -> None:
    monkeypatch.chdir(tmp_path)
    ran = stocked(*typed.split())
    assert ran.code not in {0, 1}
    assert not _INTERNAL.search(ran.err), ran.err


@pytest.mark.parametrize(
    "host", ["ssh://nothing", "ftp://nothing", "fd://", "npipe:////./pipe/x", "nothing", "tcp://127.0.0.1:9", "unix:///no"]
)
def test_an_engine_that_cannot_be_reached_is_said_in_words(dcat: Dcat, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    ran = dcat("publish", "web", "1.0")
    assert ran.code == 52
    assert host.partition("?")[0] in ran.err
    assert not _INTERNAL.search(ran.err), ran.err
