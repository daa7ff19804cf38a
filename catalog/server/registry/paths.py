"""Which paths take an upload: asked where its body is read, and before, where other bodies are."""

import re
from typing import Final

PREFIX: Final = "/v2/"
UPLOAD_PATH: Final = re.compile(r"(.+)/blobs/uploads(?:/([0-9a-f]{32})?)?", re.ASCII)
"""Behind the prefix, as sent: a name, and the upload where one is continued."""


def is_upload_path(raw_path: str) -> bool:
    """Return whether a path, as sent, is one that takes an upload."""
    return raw_path.startswith(PREFIX) and UPLOAD_PATH.fullmatch(raw_path.removeprefix(PREFIX)) is not None
