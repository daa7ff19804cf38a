"""What people type to mean somebody's catalogue, and the name that it comes to.

An IPNS name in any form is the catalogue's key itself. Behind everything else stands somebody's word: a server's, a domain's or a
file's. What comes of it is shown whole, remembered once, and may be held against a fingerprint.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from catalog.clients.dnslink import is_domain, resolve_dnslink
from catalog.clients.http import HttpClient
from catalog.errors import CatalogueNotFoundError, InvalidInputError, InvalidIpnsNameError, UnavailableError, VerificationError
from catalog.ipns.name import IpnsName, parse_ipns_name

CATALOGUE_PATH = "/dcat/v1/catalogue"
_SCHEMA = "dcat/catalogue/v1"
_MAX_ANSWER = 4096

Kind = Literal["name", "url", "domain", "file"]


@dataclass(frozen=True, slots=True)
class Target:
    """What was typed, and what kind of thing it is."""

    kind: Kind
    text: str


def parse_target(text: str) -> Target:
    """Tell what ``text`` is: a name, a URL, a domain, or a file that is there; raise `InvalidInputError` for anything else."""
    bare = text.removeprefix("/ipns/").removeprefix("ipns://").removesuffix("/")
    try:
        parse_ipns_name(text)
    except InvalidIpnsNameError as error:
        if text.startswith(("http://", "https://")):
            return Target("url", text.rstrip("/"))
        if Path(text).is_file():
            return Target("file", text)
        if is_domain(bare.lower()):
            return Target("domain", bare.lower())
        raise InvalidInputError(
            f'"{text[:120]}" is no catalogue',
            why=error.why or "it is no IPNS name, URL, domain or file",
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
    """Give the IPNS name that a target means.

    ``clients`` are the sources by URL, ``bundled`` the names, as text, that the bundle file holds records of. Raises
    `VerificationError` where it is not the ``fingerprint``, `CatalogueNotFoundError` where there is no one catalogue behind it.
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
        name.public_key  # noqa: B018  # raises, saying what an RSA name is
    if fingerprint is not None and name != fingerprint:
        raise VerificationError(
            f"{target.text} is not the catalogue {fingerprint}",
            why=f"it is {name}",
            hint="ask its owner for the name on another way",
        )
    return name


def ask_server(client: HttpClient) -> IpnsName:
    """Ask a dcat server which catalogue is its own home's."""
    with client.open("GET", CATALOGUE_PATH, accept="application/json", answers=(200, 404)) as response:
        if response.status == 404:
            raise CatalogueNotFoundError(
                f"{client.url} names no catalogue", why="it is no dcat server, or its home has published nothing yet"
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
            why="its answer is not dcat's: another service, or a login page of a network",
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
        hint="say which one by its fingerprint",
    )
