"""Files that hold a token or a passphrase: who else may read them."""

import os
from pathlib import Path

from catalog.model.text import quote
from cli.output import Output


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
