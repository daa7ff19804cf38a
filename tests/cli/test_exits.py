"""Every failure ends with its exit code and three parts: what failed, why, what to try."""

import errno
import json
import os
import re
from collections.abc import Iterator

import pytest

from catalog import errors
from cli.exits import EXIT_CODES, UNEXPECTED, USAGE, exit_code, expected, report
from cli.topics import EXIT_CODES as TOPIC
from tests.cli.conftest import Dcat, run_process

CLASSES = {
    "InvalidReferenceError": 2,
    "InvalidNameError": 2,
    "InvalidVersionError": 2,
    "InvalidDigestError": 2,
    "InvalidPlatformError": 2,
    "InvalidConfigError": 2,
    "ReleaseNotFoundError": 10,
    "CatalogueNotFoundError": 10,
    "PlatformNotFoundError": 10,
    "ImageNotFoundError": 10,
    "ImageIncompleteError": 10,
    "LockedError": 12,
    "BlockMismatchError": 20,
    "CidError": 20,
    "CodecError": 20,
    "ArchiveError": 20,
    "EncoderError": 20,
    "RecordError": 20,
    "SnapshotError": 20,
    "DeltaError": 20,
    "CorruptHomeError": 20,
    "RollbackError": 21,
    "RecordExpiredError": 22,
    "ReleaseConflictError": 23,
    "AmbiguousReferenceError": 24,
    "UnavailableError": 31,
    "BlockNotFoundError": 31,
    "StorageError": 41,
    "NewerHomeError": 42,
    "EngineConflictError": 51,
    "EngineUnavailableError": 52,
}


def subclasses(cls: type[errors.DcatError]) -> Iterator[type[errors.DcatError]]:
    for subclass in cls.__subclasses__():
        if subclass.__module__ == "catalog.errors":
            yield subclass
            yield from subclasses(subclass)


@pytest.mark.parametrize(("name", "code"), CLASSES.items())
def test_each_class_has_its_exit_code(name: str, code: int) -> None:
    assert exit_code(getattr(errors, name)("x")) == code


def test_every_class_of_the_tree_is_expected_and_has_a_code_of_its_own() -> None:
    for cls in subclasses(errors.DcatError):
        assert exit_code(cls("x")) != UNEXPECTED, cls
    codes = [cls.code for cls in subclasses(errors.DcatError)]
    assert len(codes) == len(set(codes))


def test_the_topic_lists_exactly_the_codes_there_are() -> None:
    listed = {int(number) for number in re.findall(r"^ +(\d+)  ", TOPIC, re.MULTILINE)}
    assert listed == {0, 1, 130} | {code for _, code in EXIT_CODES}


def test_an_error_has_three_parts(capsys: pytest.CaptureFixture[str]) -> None:
    error = errors.ReleaseNotFoundError('no release "ngnix@1.25"', why='no name "ngnix"', nearest=["nginx@1.25"])
    assert report(error, ["resolve", "ngnix@1.25"], as_json=False, debug=False) == 10
    assert capsys.readouterr().err == (
        'error[release-not-found]: no release "ngnix@1.25"\n  why: no name "ngnix"\n  try: dcat resolve nginx@1.25\n'
    )


def test_a_hint_keeps_the_rest_of_the_command_and_quotes_for_the_shell(capsys: pytest.CaptureFixture[str]) -> None:
    error = errors.ReleaseNotFoundError('no release "wbe@1"', nearest=["web@1"])
    report(error, ["save", "wbe@1", "-o", "a b.tar"], as_json=False, debug=False)
    assert "try: dcat save web@1 -o 'a b.tar'" in capsys.readouterr().err


def test_the_errors_own_hint_goes_before_the_general_one(capsys: pytest.CaptureFixture[str]) -> None:
    report(errors.StorageError("full", hint="free 3 GB"), ["publish"], as_json=False, debug=False)
    assert "try: free 3 GB" in capsys.readouterr().err
    report(errors.StorageError("the disk is full"), ["publish"], as_json=False, debug=False)
    assert "try: dcat gc" in capsys.readouterr().err


def test_json_errors_are_one_object_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    report(errors.LockedError("held\x1b[31m", why="by 12"), ["publish"], as_json=True, debug=False)
    out, err = capsys.readouterr()
    assert out == ""
    assert json.loads(err) == {
        "schema": "dcat/error/v1",
        "type": "error",
        "code": "locked",
        "message": "held\x1b[31m",
        "why": "by 12",
        "try": "dcat status",
        "exit": 12,
    }
    assert "\x1b" not in err


def test_a_surprise_has_no_traceback_but_advice(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(RuntimeError("boom\x1b"), ["gc"], as_json=False, debug=False) == 1
    err = capsys.readouterr().err
    assert "error[unexpected]: RuntimeError: boom\\u{1b}" in err
    assert "dcat --debug gc" in err
    assert "Traceback" not in err
    try:
        raise RuntimeError("boom at http://user:canary@host")
    except RuntimeError as error:
        report(error, ["gc"], as_json=False, debug=True)
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "canary" not in err
    assert "--debug" not in err.splitlines()[-1]


@pytest.mark.parametrize(
    ("number", "code"), [(errno.ENOSPC, 41), (errno.EDQUOT, 41), (errno.EACCES, 41), (errno.EROFS, 41), (errno.ENOENT, 10)]
)
def test_what_the_system_refuses_is_expected(number: int, code: int) -> None:
    error = expected(OSError(number, "refused", "/some/file"))
    assert error is not None
    assert exit_code(error) == code
    assert "/some/file" in error.message


def test_interruption_is_130_and_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(KeyboardInterrupt(), ["pull"], as_json=False, debug=True) == 130
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["frobnicate"], "no command"),
        (["list", "--frobnicate"], "no such option"),
        (["config", "get"], "missing argument"),
        (["config", "list", "--progress", "loud"], "loud"),
        (["--timeout", "soon", "config", "list"], "soon"),
        (["--timeout", "-1", "config", "list"], "time limit"),
    ],
)
def test_usage_is_2_in_the_same_form(dcat: Dcat, arguments: list[str], part: str) -> None:
    ran = dcat(*arguments)
    assert ran.code == USAGE
    assert ran.out == ""
    assert ran.err.startswith("error[usage]: ")
    assert part in ran.err


def test_a_mistyped_verb_is_answered_with_the_nearest(dcat: Dcat) -> None:
    ran = dcat("pubish", "web", "1.0")
    assert ran.code == USAGE
    assert "  try: dcat publish web 1.0\n" in ran.err


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("export --catalogue -o x.car", "--catalogue wants ALIAS or mine"),
        ("save web@1.0 -o --uncompressed", "-o wants FILE or -"),
        ("publish web 1.0 --from --platform all", "--from wants FILE or DIR or - or ipfs://CID[/PATH]"),
        ("pull web@1.0 --tag --force", "--tag wants NAME:VERSION"),
        ("list --limit --json", "--limit wants N"),
    ],
)
def test_an_option_is_not_taken_for_the_value_of_another(dcat: Dcat, typed: str, message: str) -> None:
    ran = dcat(*typed.split())
    assert ran.code == USAGE
    assert message in ran.err


def test_a_closed_pipe_is_quiet(home: object) -> None:
    import subprocess
    import sys

    from tests.needs import ROOT

    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {sys.executable} -m cli.main help environment | true"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_full_disk_under_stdout_is_41(home: object) -> None:
    import subprocess
    import sys

    from tests.needs import ROOT

    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "cli.main", "help", "environment"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            cwd=ROOT,
        )
    assert done.returncode == 41
    assert "error[storage]" in done.stderr


def test_debug_shows_the_traceback_of_an_expected_failure(home: object) -> None:
    assert "Traceback" in run_process(["config", "get", "x", "--debug"]).err
    assert "Traceback" in run_process(["config", "get", "x"], DCAT_DEBUG="1").err
    assert "Traceback" not in run_process(["config", "get", "x"], DCAT_DEBUG="0").err


def test_a_full_disk_below_the_output_is_not_the_homes(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), ["list"], as_json=False, debug=False) == 41
    assert "try: write it where there is room" in capsys.readouterr().err


@pytest.mark.parametrize("number", [errno.ELOOP, errno.ENAMETOOLONG, errno.EFBIG, errno.ENXIO, errno.ESTALE])
def test_what_a_file_system_refuses_is_no_bug(capsys: pytest.CaptureFixture[str], number: int) -> None:
    failure = OSError(number, os.strerror(number), "/a/file")
    assert report(failure, ["save", "web"], as_json=False, debug=False) in (10, 41)
    shown = capsys.readouterr().err
    assert "/a/file" in shown
    assert os.strerror(number).lower() in shown
    assert "bug" not in shown
