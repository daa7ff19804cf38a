"""How an error ends the process: the exit code of its class, and a message of three parts: what failed, why, what to try."""

import errno
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from catalog import errors
from catalog.storage.owners import explain_owner
from cli.failures import ReportedError as ReportedError
from cli.failures import UsageError as UsageError
from cli.hints import hint_for, to_command
from cli.output import paint
from cli.streams import write_error
from cli.text import escape_lines, redact

UNEXPECTED = 1
USAGE = 2
INTERRUPTED = 130

# The first class that matches decides, so narrower classes come first.
EXIT_CODES: tuple[tuple[type[errors.DcatError], int], ...] = (
    (errors.InvalidInputError, USAGE),
    (errors.NotFoundError, 10),
    (errors.LockedError, 12),
    (errors.VerificationError, 20),
    (errors.RollbackError, 21),
    (errors.RecordExpiredError, 22),
    (errors.ReleaseConflictError, 23),
    (errors.AmbiguousReferenceError, 24),
    (errors.UnavailableError, 31),
    (errors.StorageError, 41),
    (errors.NewerHomeError, 42),
    (errors.EngineConflictError, 51),
    (errors.EngineUnavailableError, 52),
)

_FULL = {errno.ENOSPC, errno.EDQUOT}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}
_FAILED = {
    *(errno.EIO, errno.EMFILE, errno.ENFILE, errno.EFBIG, errno.ENXIO, errno.ENODEV, errno.EBUSY, errno.ETXTBSY),
    *(errno.ESTALE, errno.EREMOTEIO),  # file systems of other machines
}
_NO_FILE = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG}


def exit_code(error: BaseException) -> int:
    """Return the process's exit code for an error."""
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    for error_class, code in EXIT_CODES:
        if isinstance(error, error_class):
            return code
    return UNEXPECTED


def expected(error: BaseException) -> errors.DcatError | None:
    """Return the `DcatError` for an error that is expected, such as a write that the system refused; None for any other."""
    if isinstance(error, errors.DcatError):
        return error
    if isinstance(error, BrokenPipeError):
        return errors.StorageError("the output is not complete", why="its reader closed the pipe")
    if isinstance(error, OSError) and error.errno in _FULL | _DENIED | _FAILED:
        place = error.filename or "the output"
        failed = "no space left for" if error.errno in _FULL else "not permitted:" if error.errno in _DENIED else "cannot access"
        why, hint = explain_owner([Path(place)]) if error.errno in _DENIED and isinstance(error.filename, str) else ("", "")
        if error.errno in _FULL and not error.filename:  # whichever disk that is, it is not known to be the home's
            hint = "write it where there is room; on the disk of the home: dcat gc --yes"
        return errors.StorageError(f"{failed} {place}", why=why or (error.strerror or str(error)).lower(), hint=hint)
    if isinstance(error, OSError) and error.filename and error.errno in _NO_FILE:
        return errors.NotFoundError(f"cannot open {error.filename}", why=(error.strerror or "").lower())
    return None


def report(error: BaseException, arguments: Sequence[str], *, as_json: bool, debug: bool) -> int:
    """Write an error to stderr, as text or as JSON, and return its exit code."""
    if debug and not isinstance(error, KeyboardInterrupt):
        import traceback

        write_error(escape_lines(redact("".join(traceback.format_exception(error)))))
    if isinstance(error, KeyboardInterrupt):
        code, message, why, hint = "interrupted", "interrupted", "", ""
        if not as_json:
            write_error("\nInterrupted. Nothing is left half done; run the same command again to continue.\n")
            return INTERRUPTED
        status = INTERRUPTED
    elif (known := expected(error)) is not None:
        code, message, why, hint = known.code, known.message, known.why, hint_for(known, arguments)
        status = exit_code(known)
    else:
        code, status = "unexpected", UNEXPECTED
        message = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        why = "this is a bug in dcat"
        hint = "report what is printed above" if debug else f"{to_command(['--debug', *arguments])}  (and report what it prints)"
    if as_json:
        body = {
            "schema": "dcat/error/v1",
            "type": "error",
            "code": code,
            "message": message,
            "why": why,
            "try": hint,
            "exit": status,
        }
        write_error(json.dumps({key: redact(value) if isinstance(value, str) else value for key, value in body.items()}) + "\n")
        return status
    lines = [f"{paint(f'error[{code}]:', '31;1', sys.stderr)} {escape_lines(redact(message))}"]
    lines += [f"  {label}: {escape_lines(redact(text))}" for label, text in (("why", why), ("try", hint)) if text]
    write_error("\n".join(lines) + "\n")
    return status
