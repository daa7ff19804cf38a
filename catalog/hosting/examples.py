"""What web servers have to be told, written beside the files: which media types the documents of a registry have.

Which documents are indexes, and not manifests, shows by a file of the same name under ``indexes``: a server can look for it.
"""

from collections.abc import Iterator
from importlib.resources import files
from typing import Final

_ROOM: Final = "catalog.hosting"
FOLDER: Final = "settings"
NAMES: Final = ("nginx.conf", "Caddyfile", "s3.sh", "_headers")


def examples() -> Iterator[tuple[str, bytes]]:
    """Yield the files with their paths."""
    for name in NAMES:
        place = name if name == "_headers" else f"{FOLDER}/{name}"
        yield place, files(_ROOM).joinpath("for_hosts", name).read_bytes()
