"""The address of a Kubo node's RPC: a URL, a multiaddr as in Kubo's own settings, or the content of the node's file ``api``.

Sources: kubo client/rpc/api.go (the file ``api``), docs/environment-variables.md (``IPFS_PATH``); multiformats/multiaddr.
"""

import re
from pathlib import Path
from typing import Final

from catalog.errors import InvalidConfigError

DEFAULT_RPC: Final = "http://127.0.0.1:5001"
SOCKET_SCHEME: Final = "unix"

_MAX_API_FILE = 4096
_MULTIADDR = re.compile(
    r"/(?P<kind>ip4|ip6|dns|dns4|dns6)/(?P<host>[^/\s]+)/tcp/(?P<port>[0-9]{1,5})(?P<tls>/https|/tls/http|/tls|/http)?/?", re.ASCII
)


def parse_rpc_address(text: str) -> str:
    """Return the URL of a URL or multiaddr: ``http://…``, ``https://…`` or ``unix:///path``.

    Text that does not begin with a slash is returned unchanged. Raise `InvalidConfigError` for any other multiaddr.
    """
    if not text.startswith("/"):
        return text
    if text.startswith("/unix/") and len(text) > len("/unix/"):
        return f"{SOCKET_SCHEME}://{text.removeprefix('/unix')}"
    found = _MULTIADDR.fullmatch(text)
    if found is None:
        raise InvalidConfigError(
            f'"{text[:200]}" is not the address of an RPC',
            why="a multiaddr reads /ip4/127.0.0.1/tcp/5001, /dns4/HOST/tcp/443/https or /unix/PATH",
        )
    scheme = "https" if found["tls"] in {"/https", "/tls/http", "/tls"} else "http"
    host = f"[{found['host']}]" if found["kind"] == "ip6" else found["host"]
    return f"{scheme}://{host}:{found['port']}"


def find_rpc(repository: Path) -> str:
    """Return the URL in a repository's file ``api``; Kubo's default if there is none.

    The file survives a crash of the node, so that nobody may answer there.
    """
    try:
        with (repository / "api").open(encoding="ascii") as file:
            text = file.read(_MAX_API_FILE).strip()
    except (OSError, UnicodeDecodeError):
        return DEFAULT_RPC
    return parse_rpc_address(text) if text.startswith("/") else DEFAULT_RPC
