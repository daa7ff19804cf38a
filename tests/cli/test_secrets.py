"""A token or passphrase that other users of the machine can read is warned of, once, with what fixes it."""

import shlex
import subprocess
from pathlib import Path

import pytest

from tests.cli.commands.test_serve import serving
from tests.cli.conftest import Dcat

CLOSED = "http://127.0.0.1:9"


@pytest.fixture
def token(tmp_path: Path) -> Path:
    (tmp_path / "a folder").mkdir()
    path = tmp_path / "a folder" / "token"
    path.write_text("s3cret\n")
    return path


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_shared_token_of_a_source_is_warned_of_when_it_is_set_and_used(dcat: Dcat, token: Path, mode: int) -> None:
    token.chmod(mode)
    assert dcat("config", "set", "sources.team.url", CLOSED).code == 0
    ran = dcat("config", "set", "sources.team.token-file", str(token))
    assert ran.code == 0
    assert "can be read by others" in ran.err
    used = dcat("sync")
    assert used.err.count("can be read by others") == 1
    fix = used.err.partition("To fix it: ")[2].splitlines()[0]
    subprocess.run(shlex.split(fix), check=True)
    assert token.stat().st_mode & 0o777 == 0o600
    assert "can be read by others" not in dcat("sync").err
    assert "s3cret" not in ran.err + used.err


def test_a_shared_token_of_a_node_is_warned_of(dcat: Dcat, token: Path) -> None:
    token.chmod(0o644)
    assert "can be read by others" in dcat("config", "set", "kubo-token-file", str(token)).err
    assert "can be read by others" in dcat("sync").err


def test_a_shared_passphrase_is_warned_of(stocked: Dcat, token: Path, tmp_path: Path) -> None:
    token.chmod(0o644)
    ran = stocked("key", "export", "--passphrase-file", str(token), "-o", str(tmp_path / "one.key"))
    assert "holds a passphrase and can be read by others" in ran.err
    token.chmod(0o600)
    assert stocked("key", "export", "--passphrase-file", str(token), "-o", str(tmp_path / "two.key")).err.count("warning") == 0


@pytest.mark.usefixtures("home")
def test_a_shared_token_of_a_server_is_warned_of(token: Path) -> None:
    token.chmod(0o644)
    with serving("--token-file", str(token)) as (process, _):
        process.terminate()
        assert process.stderr is not None
        assert "can be read by others" in process.stderr.read()
