"""What web servers have to be told, written beside the files: which media types the documents of a registry have.

Which documents are indexes, and not manifests, shows by a file of the same name under ``indexes``: a server can look for it.
"""

from collections.abc import Iterator
from importlib.resources import files
from typing import Final

_ROOM: Final = "catalog.hosting"
FOLDER: Final = "settings"
NAMES: Final = ("nginx.conf", "Caddyfile", "s3.sh")
_MISSING: Final = b"<!DOCTYPE html>\n<html lang=en><title>Not found</title>\n<p>This catalogue has no such file.\n"


def examples() -> Iterator[tuple[str, bytes]]:
    """Yield the files with their paths: settings of web servers, and what hosts without settings look for at the root.

    Without a page for missing files, Cloudflare Pages answers 200 and the first page in place of 404; without ``.nojekyll``,
    GitHub Pages leaves out what begins with an underscore.
    """
    for name in NAMES:
        yield f"{FOLDER}/{name}", files(_ROOM).joinpath(FOLDER, name).read_bytes()
    yield "404.html", _MISSING
    yield ".nojekyll", b""
