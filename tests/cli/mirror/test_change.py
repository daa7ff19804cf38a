"""A file of settings is the old one or the new one after a crash at any point, and can be restored."""

import os
import signal
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from catalog.errors import StorageError
from cli.mirror.change import Change, apply_change, apply_removal, backup_of, plan_install, plan_remove
from cli.mirror.dockerd import add_mirror, remove_mirror
from cli.mirror.mirror import Mirror

BEFORE = '{\n  "debug": true\n}\n'
INSTALLED = '{\n  "registry-mirrors": ["http://[::ffff:127.0.0.1]:5078"],\n  "debug": true\n}\n'


def install(path: Path, port: int = 5078) -> Change:
    return plan_install(path, Mirror(port), add_mirror, remove_mirror)


def remove(path: Path) -> Change:
    return plan_remove(path, remove_mirror)


def kill_at(point: int, run: Callable[[Callable[[str], None]], None]) -> bool:
    """Run in a child that kills itself at its n-th crash point; return whether it came there."""
    child = os.fork()
    if not child:
        left = [point]

        def crash(label: str) -> None:
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)

        run(crash)
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("before", [BEFORE, None])
def test_kill_9_at_any_point(tmp_path: Path, before: str | None) -> None:
    point, went_on = 1, True
    while went_on:
        path = tmp_path / str(point) / "daemon.json"
        path.parent.mkdir()
        if before is not None:
            path.write_text(before)
        change = install(path)
        went_on = kill_at(point, lambda crash, change=change: apply_change(change, crash))  # type: ignore[misc]
        assert (path.read_text() if path.exists() else None) in (before, change.after)
        apply_change(install(path))  # again, to its end
        assert path.read_text() == (INSTALLED if before else change.after)
        removal = remove(path)
        kill_at(point, lambda crash, removal=removal: apply_removal(removal, crash))  # type: ignore[misc]
        assert (path.read_text() if path.exists() else None) in (before, change.after)
        apply_removal(remove(path))
        assert (path.read_text() if path.exists() else None) == before
        assert not backup_of(path).exists()
        point += 1
    assert point > 8


def test_mode_owner_and_links_stay(tmp_path: Path) -> None:
    real = tmp_path / "real.json"
    real.write_text(BEFORE)
    real.chmod(0o640)
    link = tmp_path / "daemon.json"
    link.symlink_to(real)
    apply_change(install(link))
    assert link.is_symlink()
    assert real.read_text() == INSTALLED
    assert {stat.S_IMODE(file.stat().st_mode) for file in (real, backup_of(link))} == {0o640}
    apply_removal(remove(link))
    assert (link.is_symlink(), real.read_text(), stat.S_IMODE(real.stat().st_mode)) == (True, BEFORE, 0o640)


def test_a_new_file_can_be_read_by_everybody_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        apply_change(install(tmp_path / "etc/docker/daemon.json"))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "etc/docker/daemon.json").stat().st_mode) == 0o644


def test_another_port_replaces_the_first(tmp_path: Path) -> None:
    path = tmp_path / "daemon.json"
    path.write_text(BEFORE)
    apply_change(install(path))
    assert not install(path).is_needed
    apply_change(install(path, 6000))
    assert path.read_text() == INSTALLED.replace("5078", "6000")
    assert backup_of(path).read_text() == BEFORE
    apply_removal(remove(path))
    assert path.read_text() == BEFORE


@pytest.mark.parametrize(("before", "restored"), [("", ""), ("\n\n", "\n\n"), ("{}", "{}"), ("{ }\n", "{ }\n"), (None, None)])
def test_a_file_that_held_nothing_is_not_deleted(tmp_path: Path, before: str | None, restored: str | None) -> None:
    path = tmp_path / "daemon.json"
    if before is not None:
        path.write_text(before)
    apply_change(install(path))
    apply_change(install(path, 6000))
    apply_removal(remove(path))
    assert (path.read_text() if path.exists() else None) == restored
    assert not backup_of(path).exists()


def test_what_was_edited_since_stays(tmp_path: Path) -> None:
    path = tmp_path / "daemon.json"
    path.write_text(BEFORE)
    apply_change(install(path))
    path.write_text(INSTALLED.replace("true", "false"))
    apply_removal(remove(path))
    assert path.read_text() == BEFORE.replace("true", "false")


def test_a_file_that_changes_meanwhile_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "daemon.json"
    path.write_text(BEFORE)
    change = install(path)
    path.write_text("{}")
    with pytest.raises(StorageError, match="was changed meanwhile"):
        apply_change(change)
    assert path.read_text() == "{}"


def test_a_difference_is_what_patch_takes(tmp_path: Path) -> None:
    path = tmp_path / "daemon.json"
    path.write_text(BEFORE.rstrip())
    assert install(path).diff() == (
        f"--- {path}\n+++ {path}\n@@ -1,3 +1,4 @@\n {{\n"
        '+  "registry-mirrors": ["http://[::ffff:127.0.0.1]:5078"],\n   "debug": true\n }\n\\ No newline at end of file\n'
    )
