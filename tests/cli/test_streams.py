"""Standard streams that were closed before the start, or are closed while dcat runs: the work is done, or a plain error tells."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Dcat, Ran
from tests.factory.exports import write_image
from tests.needs import ROOT

DCAT = f"{sys.executable} -m cli.main"


def shell(script: str) -> Ran:
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False, cwd=ROOT, errors="replace")
    assert "Traceback" not in done.stderr
    assert "Error:" not in done.stderr
    assert "Exception ignored" not in done.stderr
    return Ran(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def stocked(dcat: Dcat, tmp_path: Path) -> Dcat:
    assert dcat("publish", "web", "1.0", "--from", write_image(tmp_path / "one.tar")).code == 0
    return dcat


CLOSED = ["2>&-", ">&-", "<&-", ">&- 2>&-", "<&- >&- 2>&-"]


@pytest.mark.parametrize("closed", CLOSED)
@pytest.mark.parametrize("arguments", ["--version", "resolve web@1.0", "list", "verify", "__complete bash 'dcat li'"])
def test_a_command_does_its_work_with_closed_streams(stocked: Dcat, closed: str, arguments: str) -> None:
    ran = shell(f"{DCAT} {arguments} {closed}")
    assert ran.code == 0
    if ">&-" not in closed.replace("2>&-", ""):
        assert ran.out


@pytest.mark.parametrize("closed", CLOSED)
def test_publish_and_save_work_with_closed_streams(dcat: Dcat, tmp_path: Path, closed: str) -> None:
    image = write_image(tmp_path / "one.tar")
    assert shell(f"{DCAT} publish web 1.0 --from {image} {closed}").code == 0
    assert dcat("verify").code == 0
    assert shell(f"{DCAT} save web@1.0 -o {tmp_path}/out.tar.zst {closed}").code == 0
    assert dcat("publish", "copy", "1", "--from", str(tmp_path / "out.tar.zst")).code == 0


@pytest.mark.parametrize("closed", ["2>&-", ">&- 2>&-"])
def test_an_error_keeps_its_exit_code_with_a_closed_stderr(stocked: Dcat, closed: str) -> None:
    assert shell(f"{DCAT} resolve nothing@1 {closed}").code == 10
    assert shell(f"{DCAT} nothing {closed}").code == 2


@pytest.mark.parametrize("command", ["save web@1.0 -o -", "export web@1.0 -o -"])
def test_an_archive_is_not_written_to_a_closed_stdout(stocked: Dcat, command: str) -> None:
    ran = shell(f"{DCAT} {command} >&-")
    assert ran.code == 2
    assert "standard output is closed" in ran.err


def test_an_image_is_not_read_from_a_closed_stdin(dcat: Dcat) -> None:
    ran = shell(f"{DCAT} publish web 1.0 --from - <&-")
    assert ran.code == 2
    assert "standard input is closed" in ran.err


@pytest.mark.parametrize("command", ["save web@1.0 -o -", "save web@1.0 -o - --uncompressed", "export web@1.0 -o -"])
def test_an_archive_whose_reader_goes_ends_as_cat_does(dcat: Dcat, tmp_path: Path, command: str) -> None:
    path = tmp_path / "large.tar"
    assert dcat("publish", "web", "1.0", "--from", write_image(path, os.urandom(100).hex())).code == 0
    reading, writing = os.pipe()
    os.close(reading)  # closed from the start, so that the size of the archive does not matter
    process = subprocess.Popen(
        [sys.executable, "-m", "cli.main", *command.split(), "--progress", "none"],
        stdout=writing,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env=dict(os.environ),
    )
    os.close(writing)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (-signal.SIGPIPE, b"")
    assert dcat("gc", "--yes").code == 0  # no lease is left


def test_a_stderr_that_cannot_be_written_stops_nothing(dcat: Dcat, tmp_path: Path) -> None:
    image = write_image(tmp_path / "one.tar")
    assert shell(f"{DCAT} publish web 1.0 --from {image} 2>/dev/full").code == 0
    assert shell(f"{DCAT} resolve nothing@1 2>/dev/full").code == 10
    assert shell(f"{DCAT} publish web 1.1 --from {image} --progress plain 2> >(true)").code == 0


def test_a_closed_descriptor_is_not_reused_for_a_file(dcat: Dcat, tmp_path: Path) -> None:
    """A database at descriptor 1 or 2 would be written over by the first library that prints."""
    image = write_image(tmp_path / "one.tar")
    script = (
        "import os, sys\n"
        "from catalog import operations\n"
        "before = operations.publish\n"
        "def look(*a, **k):\n"
        "    done = before(*a, **k)\n"
        "    places = [os.readlink(f'/proc/self/fd/{n}') for n in (0, 1, 2)]\n"
        f"    open({str(tmp_path / 'seen')!r}, 'w').write(' '.join(places))\n"
        "    return done\n"
        "operations.publish = look\n"
        "from cli.main import main\n"
        f"sys.exit(main(['publish', 'web', '1.0', '--from', {image!r}]))\n"
    )
    (tmp_path / "run.py").write_text(script)
    assert shell(f"PYTHONPATH={ROOT} {sys.executable} {tmp_path}/run.py <&- >&- 2>&-").code == 0
    assert (tmp_path / "seen").read_text() == "/dev/null /dev/null /dev/null"
