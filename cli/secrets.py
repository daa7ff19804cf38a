"""Files that hold a token or a passphrase: reading them, and who else may."""

import os
from pathlib import Path

from catalog.model.text import quote
from cli.failures import UsageError
from cli.output import Output

_MAX_TOKEN_SIZE = 4096


def warn_if_shared(output: Output, path: Path, what: str) -> None:
    """Warn where a file that holds ``what`` can be read by other users of this machine.

    Only a warning: container engines mount secrets with mode 0444 into containers that have one user.
    """
    try:
        mode = os.stat(path).st_mode
    except OSError:  # whoever reads it tells
        return
    if mode & 0o077:
        output.warn(f"{path} holds {what} and can be read by others on this machine. To fix it: chmod 600 {quote(str(path))}")


def read_token(output: Output, path: Path) -> str:
    """Return the token in a file of the user; warn where others can read it, and raise `UsageError` for what is not a token."""
    warn_if_shared(output, path, "a token")
    with path.open("rb") as file:
        content = file.read(_MAX_TOKEN_SIZE + 1)
    token = content.strip()
    if not token or len(content) > _MAX_TOKEN_SIZE or not token.isascii() or not token.decode("ascii").isprintable():
        raise UsageError(
            f'"{path}" does not hold a token',
            why="a token is one line of printable ASCII",
            hint=f"(umask 077; openssl rand -hex 32 > {quote(str(path))})",
        )
    return token.decode("ascii")
