"""What `dcat serve` and its clients agree on: paths, media types and schemas (docs/formats/http.md).

Clients and server import the same constants, so that neither can change alone.
"""

from typing import Final

from catalog.ipld.cid import Cid
from catalog.ipns.name import IpnsName

RAW_TYPE: Final = "application/vnd.ipld.raw"
CAR_TYPE: Final = "application/vnd.ipld.car"
RECORD_TYPE: Final = "application/vnd.ipfs.ipns-record"
DELTA_TYPE: Final = "application/vnd.dcat.delta"
CID_LIST_TYPE: Final = "text/plain; charset=utf-8"

CATALOGUE_PATH: Final = "/dcat/v1/catalogue"
CATALOGUE_SCHEMA: Final = "dcat/catalogue/v1"
BLOCKS_PATH: Final = "/dcat/v1/blocks"
MIRROR_HOST: Final = "[::ffff:127.0.0.1]"
"""How `dcat mirror` writes 127.0.0.1 for Docker, which does not say otherwise that it asks a mirror."""
PULLS_PATH: Final = "/dcat/v1/pulls"
PULLS_SCHEMA: Final = "dcat/pulls/v1"
DELTA_PATH: Final = "/dcat/v1/delta/{base}/{target}"
RECORD_PATH: Final = "/routing/v1/ipns/{name}"
PROVIDERS_PATH: Final = "/routing/v1/providers/{cid}"
PEERS_PATH: Final = "/routing/v1/peers/{peer}"
GATEWAY_PATH: Final = "/ipfs/{cid}"
GATEWAY_NAME_PATH: Final = "/ipns/{name}"


def delta_path(base: Cid, target: Cid) -> str:
    """Return the path of the delta from archive ``base`` to archive ``target``."""
    return DELTA_PATH.format(base=base, target=target)


def record_path(name: IpnsName) -> str:
    """Return the path of a record at a delegated router."""
    return RECORD_PATH.format(name=name)


def gateway_path(cid: Cid) -> str:
    """Return the path of a DAG at a trustless gateway."""
    return GATEWAY_PATH.format(cid=cid)


def gateway_name_path(name: IpnsName) -> str:
    """Return the path of an IPNS name at a trustless gateway."""
    return GATEWAY_NAME_PATH.format(name=name)
