"""From what users type for a catalogue to its IPNS name.

An IPNS name in any form is the key of the catalogue itself. For everything else the name comes from a server, a domain or a file:
it is shown in full, kept once, and can be compared with a fingerprint.
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from catalog.clients.dnslink import is_domain, resolve_dnslink
from catalog.clients.http import HttpClient
from catalog.clients.url import normalize_url
from catalog.errors import CatalogueNotFoundError, InvalidInputError, InvalidIpnsNameError, UnavailableError, VerificationError
from catalog.ipns.name import IpnsName, parse_ipns_name

CATALOGUE_PATH = "/dcat/v1/catalogue"
_SCHEMA = "dcat/catalogue/v1"
_MAX_ANSWER = 4096

_ADDRESS = re.compile(r"(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):[0-9]{1,5}(?:/[A-Za-z0-9._~/-]{0,500})?", re.ASCII)

Kind = Literal["name", "url", "domain", "file"]


@dataclass(frozen=True, slots=True)
class Target:
    """Typed text, and its kind."""

    kind: Kind
    text: str


def parse_target(text: str) -> Target:
    """Return what ``text`` is: a name, a URL, a domain, or a file that is there; raise `InvalidInputError` for anything else."""
    bare = text.removeprefix("/ipns/").removeprefix("ipns://").removesuffix("/")
    try:
        parse_ipns_name(text)
    except InvalidIpnsNameError as error:
        if text.lower().startswith(("http://", "https://")):
            return Target("url", normalize_url(text))
        if Path(text).is_file():
            return Target("file", text)
        if is_domain(bare.lower()):
            return Target("domain", bare.lower())
        if _ADDRESS.fullmatch(text):
            raise InvalidInputError(
                f'"{text[:120]}" is not a catalogue',
                why="the URL of a server begins with http:// or https://",
                hint=f"dcat subscribe ALIAS http://{text}",
            ) from error
        raise InvalidInputError(
            f'"{text[:120]}" is not a catalogue',
            why=error.why or "it is not an IPNS name, a URL, a domain or a file",
            hint="a catalogue is an IPNS name (k51…), the URL of a server, a domain, or a bundle file",
        ) from error
    return Target("name", text)


def name_of_target(
    target: Target,
    *,
    clients: Mapping[str, HttpClient],
    bundled: Collection[str] = (),
    fingerprint: IpnsName | None = None,
) -> IpnsName:
    """Return the IPNS name that a target means.

    ``clients`` are the sources by URL, ``bundled`` the names, as text, whose records the bundle file holds. Raise
    `VerificationError` where the name is not the ``fingerprint``, `CatalogueNotFoundError` where the target has no catalogue, or
    several.
    """
    if target.kind == "name":
        name = parse_ipns_name(target.text)
    elif target.kind == "url":
        name = ask_server(clients[target.text])
    elif target.kind == "domain":
        name = resolve_dnslink(target.text)
    else:
        name = _one_of(target.text, [parse_ipns_name(text) for text in bundled], fingerprint)
    if not name.has_key:
        name.public_key  # noqa: B018  # raises for an RSA name
    if fingerprint is not None and name != fingerprint:
        raise VerificationError(
            f"{target.text} is not the catalogue {fingerprint}",
            why=f"it is {name}",
            hint="ask its owner for the name in another way",
        )
    return name


def ask_server(client: HttpClient) -> IpnsName:
    """Return the name of the own catalogue of a dcat server's home."""
    with client.open("GET", CATALOGUE_PATH, accept="application/json", answers=(200, 404)) as response:
        if response.status == 404:
            raise CatalogueNotFoundError(
                f"{client.url} has no catalogue", why="it is not a dcat server, or its home has published nothing yet"
            )
        data = response.read_all(_MAX_ANSWER)
    try:
        answer = json.loads(data)
        if answer["schema"] != _SCHEMA:
            raise ValueError("another schema")
        return parse_ipns_name(answer["name"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, InvalidIpnsNameError) as error:
        raise UnavailableError(
            f"{client.url} did not name its catalogue",
            why="the answer is not from a dcat server: another service, or the login page of a network",
        ) from error


def _one_of(file: str, names: list[IpnsName], fingerprint: IpnsName | None) -> IpnsName:
    if fingerprint is not None and fingerprint in names:
        return fingerprint
    if len(names) == 1:
        return names[0]
    if not names:
        raise CatalogueNotFoundError(f"{file} holds no catalogue", why="no record of one is in it")
    raise CatalogueNotFoundError(
        f"{file} holds {len(names)} catalogues",
        why=", ".join(str(name) for name in names[:5]),
        hint="choose one by its fingerprint",
    )
