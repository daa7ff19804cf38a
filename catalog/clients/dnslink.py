"""DNSLink: resolving a domain to an IPNS name.

Of the TXT records of ``_dnslink.<domain>``, those of the form ``dnslink=/ipns/<name>`` count; one may point to a second domain. DNS
is not authenticated: its answer is a name that is shown to the user and stored once, never a record.
Source: dnslink.dev; ipfs/specs, web redirects and gateways ("DNSLink"). `dnspython` is imported on first use.
"""

import re
from collections.abc import Sequence
from typing import Final

from catalog.errors import CatalogueNotFoundError, InvalidIpnsNameError, UnavailableError
from catalog.ipns.name import IpnsName, parse_ipns_name
from catalog.limits import DNS_TIMEOUT, MAX_DNSLINKS

_DOMAIN: Final = re.compile(
    r"(?=.{4,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])", re.ASCII
)
_LINK: Final = re.compile(r"dnslink=/ipns/([^/]+)/?", re.ASCII)


def is_domain(text: str) -> bool:
    """Return whether the text has the form of a domain (ASCII, lower case, at least two parts)."""
    return _DOMAIN.fullmatch(text) is not None


def resolve_dnslink(
    domain: str, *, timeout: float = DNS_TIMEOUT, nameservers: Sequence[str] | None = None, port: int = 53
) -> IpnsName:
    """Return the IPNS name that ``domain`` points to; each look-up may take ``timeout`` seconds.

    ``nameservers`` replace those of the system. Raise `CatalogueNotFoundError` if the domain does not exist or points to no name,
    `UnavailableError` if no server answered.
    """
    seen: list[str] = []
    target = domain.lower().removesuffix(".")
    while is_domain(target) and target not in seen and len(seen) < MAX_DNSLINKS:
        seen.append(target)
        links = _links(_ask(f"_dnslink.{target}", timeout, nameservers, port))
        if not links:
            raise CatalogueNotFoundError(
                f"no catalogue at {domain}",
                why=f"no TXT record of _dnslink.{target} reads dnslink=/ipns/<name>",
                hint="ask for the catalogue's IPNS name (k51…)",
            )
        target = links[0]
        try:
            return parse_ipns_name(target)
        except InvalidIpnsNameError:
            target = target.lower().removesuffix(".")  # a domain, as it may be typed
    raise CatalogueNotFoundError(f"no catalogue at {domain}", why=f"its DNSLink leads to {target[:100]!r} and no further")


def _links(texts: Sequence[str]) -> list[str]:
    """Return what the records link to, in an order that does not depend on the server: names before domains, then by text."""
    targets = {match[1] for text in texts if (match := _LINK.fullmatch(text))}
    return sorted(targets, key=lambda target: ("." in target, target))


def _ask(question: str, timeout: float, nameservers: Sequence[str] | None, port: int) -> list[str]:
    import dns.exception
    import dns.rdatatype
    import dns.rdtypes.txtbase
    import dns.resolver

    try:
        resolver = dns.resolver.Resolver(configure=nameservers is None)
        if nameservers is not None:
            resolver.nameservers = list(nameservers)
            resolver.port = port
        answer = resolver.resolve(question, dns.rdatatype.TXT, lifetime=timeout, search=False)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except dns.exception.DNSException as error:
        raise UnavailableError(f"no answer from DNS for {question}", why=str(error)) from error
    texts = []
    for record in answer:
        if isinstance(record, dns.rdtypes.txtbase.TXTBase):
            texts.append(b"".join(record.strings).decode("utf-8", "replace"))
    return texts
