"""The keys of all settings and how their values are parsed; an unknown key is an error that names the nearest."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from catalog.clients.kubo_address import SOCKET_SCHEME, parse_rpc_address
from catalog.clients.url import normalize_url
from catalog.errors import InvalidConfigError, InvalidIpnsNameError
from catalog.model.reference import nearest
from cli.text import has_secret, redact

Value = str | bool | float
AUTO = "auto"
"""The value of ``kubo`` for the node whose repository ``IPFS_PATH`` names."""

LEAST, MOST = "cluster-replicas", "cluster-max"

_MOST_REPLICAS = 1000
_EXAMPLES = {"kubo": "http://127.0.0.1:5001", "cluster": "http://127.0.0.1:9094"}  # of URLs, by the keys that take one
_SOURCE_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Key:
    """A setting: how its text is parsed, what it means, the environment variable that overrides it, and its default."""

    read: Callable[[str, str], Value]
    summary: str
    variable: str = ""
    default: Value | None = None


def read_name(key: str, text: str) -> str:
    """Return an IPNS name in its canonical form."""
    from catalog.ipns.name import parse_ipns_name

    try:
        return str(parse_ipns_name(text))
    except InvalidIpnsNameError as error:
        raise InvalidConfigError(f"{key}: not an IPNS name: {text[:120]}", why=error.why) from error


def read_url(key: str, text: str) -> str:
    """Return an http or https URL without a trailing slash; refuse one that carries a secret."""
    if not _is_http_url(text):
        example = _EXAMPLES.get(key.removeprefix("DCAT_").lower(), "http://127.0.0.1:5078")
        raise InvalidConfigError(f'{key}: "{redact(text)}" is not a valid URL', hint=f"a URL reads {example}")
    if has_secret(text):
        if key in ("URL", "--via"):  # of a command
            hint = "leave out what stands before @ and behind ? or #; for a token: --token-file FILE"
        else:
            hint = f"dcat config set {key.rsplit('.', 1)[0] + '.token-file' if '.' in key else key + '-token-file'} FILE"
        raise InvalidConfigError(
            f"{key}: {redact(text)} carries a secret or a query",
            why="settings are shown and logged; secrets belong in files of their own",
            hint=hint,
        )
    return normalize_url(text)


def _is_http_url(text: str) -> bool:
    """Whether ``text`` is an http or https URL with a host, a possible port, and no blank or control character."""
    if not text.isprintable() or " " in text:  # urlsplit would drop line breaks
        return False
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # an unclosed bracket, or a port above 65535
        return False


def read_kubo(key: str, text: str) -> str:
    """Return the URL of a Kubo node's RPC from a URL or a multiaddr; ``auto`` stays as it is."""
    if text == AUTO:
        return text
    url = parse_rpc_address(text)
    return url if url.startswith(f"{SOCKET_SCHEME}:///") else read_url(key, url)


def read_switch(key: str, text: str) -> bool:
    """Return whether ``text`` means on; on, true, yes, 1 and their opposites are understood."""
    if text.lower() in {"on", "true", "yes", "1"}:
        return True
    if text.lower() in {"off", "false", "no", "0"}:
        return False
    raise InvalidConfigError(f'{key}: "{text}" is neither on nor off')


def read_seconds(key: str, text: str) -> float:
    """Return a number of seconds above zero."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 10**7:
        raise InvalidConfigError(f'{key}: "{text}" is not a number of seconds')
    return seconds


def read_replicas(key: str, text: str) -> float:
    """Return a whole number of replicas, as a float like all numbers of settings."""
    if not (text.isascii() and text.isdecimal() and 0 < int(text[:9]) <= _MOST_REPLICAS):
        raise InvalidConfigError(
            f'{key}: "{text}" is not a number of replicas', why=f"it is a whole number from 1 to {_MOST_REPLICAS}"
        )
    return float(text)


def read_file(key: str, text: str) -> str:
    """Return the absolute path of a file that exists."""
    path = Path(text).expanduser().absolute()
    if not path.is_file():
        raise InvalidConfigError(f"{key}: file not found: {path}")
    return str(path)


KEYS: dict[str, Key] = {
    "kubo": Key(read_kubo, "RPC of the Kubo node to store and share through: a URL, a multiaddr, or auto", "DCAT_KUBO"),
    "kubo-token-file": Key(read_file, "file with the token of that RPC"),
    "cluster": Key(read_url, "REST API of the IPFS Cluster's peer whose own Kubo node is the one of kubo", "DCAT_CLUSTER"),
    "cluster-token-file": Key(read_file, "file with USER:PASSWORD, or with a token, for it"),
    "cluster-ca-file": Key(read_file, "file with the CA certificate that signed its TLS certificate"),
    LEAST: Key(read_replicas, "nodes that must keep what is shared before it is deleted here", default=2.0),
    MOST: Key(read_replicas, "nodes that keep it at most; unset, 3, or cluster-replicas where that is more", default=3.0),
    "deltas": Key(read_switch, "make a delta from the previous version when publishing", default=True),
    "offline": Key(read_switch, "never use the network", "DCAT_OFFLINE", default=False),
    "timeout": Key(read_seconds, "stop a command after so many seconds", "DCAT_TIMEOUT"),
}
SOURCE_KEYS: dict[str, Key] = {
    "url": Key(read_url, "URL of a source: a teammate's dcat serve, or any trustless gateway"),
    "token-file": Key(read_file, "file with the token for it"),
    "ca-file": Key(read_file, "file with the CA certificate that signed its TLS certificate"),
    "catalogue": Key(read_name, "the catalogue it is asked for first; for others only where no other source helps"),
}


PINNING_KEYS: dict[str, Key] = {
    "url": Key(read_url, "URL of a pinning service that is asked to keep a copy of what is shared"),
    "token-file": Key(read_file, "file with the token for it"),
    "ca-file": Key(read_file, "file with the CA certificate that signed its TLS certificate"),
}
GROUPS: dict[str, tuple[str, dict[str, Key]]] = {"sources": ("source", SOURCE_KEYS), "pinning": ("pinning service", PINNING_KEYS)}
"""The keys GROUP.NAME.KEY: what NAME is the name of, and the keys."""


def find_key(key: str) -> Key:
    """Return the declaration of a key; raise `InvalidConfigError` naming the nearest for an unknown one."""
    parts = key.split(".")
    if parts[0] in GROUPS and len(parts) == 3:
        kind, keys = GROUPS[parts[0]]
        if not _SOURCE_NAME.fullmatch(parts[1]):
            raise InvalidConfigError(
                f'"{parts[1]}" is not a valid {kind} name', why=f"a {kind}'s name is lower-case letters, digits and dashes"
            )
        if parts[2] in keys:
            return keys[parts[2]]
    elif key in KEYS:
        return KEYS[key]
    named = parts[1] if len(parts) > 1 and parts[1] else "NAME"
    known = [*KEYS, *(f"{group}.{named}.{name}" for group, (_, keys) in GROUPS.items() for name in keys)]
    near = nearest(key, known, edits=3)
    generic = [*KEYS, *(f"{group}.NAME.{name}" for group, (_, keys) in GROUPS.items() for name in keys)]
    why = f'the nearest is "{near[0]}"' if near else "the keys are " + ", ".join(generic)
    raise InvalidConfigError(f'there is no setting "{key}"', why=why, nearest=near)
