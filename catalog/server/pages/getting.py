"""The lines that get a release from this very server as it runs, one group for each client.

Only lines that work are given: none that needs bytes that are not here, and none for the registry where ``/v2/`` is not answered.
"""

import re
from dataclasses import dataclass

from catalog.index.catalogue import CatalogueRow
from catalog.model.release import Image, Release
from catalog.server.pages.visit import Visit

_ALIAS = re.compile(r"[a-z][a-z0-9-]{1,30}")
_LOCAL = re.compile(r"(?:localhost|127\.\d+\.\d+\.\d+)(?::\d+)?")
_CREDENTIALS = '-u "dcat:$DCAT_TOKEN" '


@dataclass(frozen=True, slots=True)
class Client:
    """How one client gets the image: ``lines`` to be copied together, and a ``note`` on what they need or do."""

    key: str
    title: str
    lines: tuple[str, ...]
    note: str


def list_clients(visit: Visit, row: CatalogueRow, release: Release, image: Image, *, whole: bool) -> tuple[Client, ...]:
    """Return the clients that can get this image here, dcat first; ``whole`` is whether all its bytes are here."""
    if release.removed is not None:
        return ()
    found = [_dcat(visit, row, release, whole=whole)]
    if whole:
        found += _registry(visit, row, release, image) if _has_registry(visit) else _archives(visit, release, image)
        found += [_ipfs(visit, release, image), _curl(visit, release, image)]
    return tuple(found)


def _has_registry(visit: Visit) -> bool:
    """Return whether engines reach the registry by the address that was typed: they take no IPv6 address for a host."""
    return visit.registry and "//[" not in visit.server


def _dcat(visit: Visit, row: CatalogueRow, release: Release, *, whole: bool) -> Client:
    alias = _suggest_alias(visit, row)
    name = visit.server if row.own else f"{row.catalogue} --via {visit.server}"
    note = "Fetches only what is missing, by delta where that is smaller, checks every byte, and tags exactly this name."
    if not whole:
        note = "This server does not hold all bytes of it; they come from the sources of its catalogue."
    if visit.token:
        note += " The server asks for a token: add --token-file FILE to the first line."
    return Client("dcat", "dcat", (f"dcat subscribe {alias} {name}", f"dcat pull {alias}/{release.reference}"), note)


def _suggest_alias(visit: Visit, row: CatalogueRow) -> str:
    if row.alias:
        return row.alias
    host = re.sub(r":\d+$", "", visit.server.partition("//")[2]).split(".")[0].lower()
    return host if _ALIAS.fullmatch(host) and host not in ("localhost", "mine", "host") else "team"


def _registry(visit: Visit, row: CatalogueRow, release: Release, image: Image) -> list[Client]:
    host = visit.server.partition("//")[2]
    name = release.name if row.own else f"{row.label}/{release.name}"
    plain = visit.server.startswith("http:")
    local = _LOCAL.fullmatch(host) is not None
    insecure = "" if local or not plain else f' Without TLS the engine needs "insecure-registries": ["{host}"].'
    tls = " --tls-verify=false" if plain else ""
    login = f" First: docker login {host} (any user, the token as password)." if visit.token else ""
    reference = f"{host}/{name}:{release.version}"
    pinned = f"{reference}@{image.manifest}"
    service = ("services:", f"  {_service(release.name)}:", f"    image: {pinned}")
    return [
        Client("docker", "docker", (f"docker pull {reference}",), f"From the registry of this server.{insecure}{login}"),
        Client("podman", "podman", (f"podman pull{tls} {reference}",), "From the registry of this server."),
        Client("kubernetes", "Kubernetes", (f"image: {pinned}",), f"By digest: a node never runs anything else.{insecure}"),
        Client("compose", "Compose", service, f"By digest.{insecure}"),
    ]


def _archives(visit: Visit, release: Release, image: Image) -> list[Client]:
    """Return the lines of engines without a registry: they load the archive, then name it."""
    fetch, tag = f"curl -fsS {_token(visit)}{_address(visit, image)}", f"{release.name}:{release.version}"
    name = f"docker.io/library/{tag}" if "/" not in release.name else f"docker.io/{tag}"
    tagging = f"docker tag {image.config} {tag} 2>/dev/null || docker tag {image.manifest} {tag}"
    return [
        Client(
            "docker",
            "docker",
            (f"{fetch} | docker load", tagging),
            "Docker 23 or newer; before, put zstd -dc in front of docker load. The second line names what was loaded.",
        ),
        Client("podman", "podman", (f"{fetch} | podman load", f"podman tag {image.config.hex} {tag}"), ""),
        Client(
            "kubernetes",
            "containerd",
            (f"{fetch} | ctr --namespace k8s.io images import --index-name {name} -",),
            "On a node; pods then use the image without pulling it.",
        ),
    ]


def _ipfs(visit: Visit, release: Release, image: Image) -> Client:
    fetch = f"curl -fsS {_token(visit)}'{_address(visit, image)}?format=car'"
    lines = (f"{fetch} | ipfs dag import", f"ipfs cat {image.archive} > {_file(release)}")
    return Client("ipfs", "ipfs", lines, "Brings the blocks into your own node, which then serves them on.")


def _curl(visit: Visit, release: Release, image: Image) -> Client:
    line = f"curl -fsS {_token(visit)}-o {_file(release)} {_address(visit, image)}"
    return Client("curl", "curl", (line,), "An archive for docker load, on any machine.")


def _address(visit: Visit, image: Image) -> str:
    return f"{visit.server}/ipfs/{image.archive}"


def _token(visit: Visit) -> str:
    return _CREDENTIALS if visit.token else ""


def _file(release: Release) -> str:
    return f"{release.name.replace('/', '-')}-{release.version}.tar.zst"


def _service(name: str) -> str:
    return re.sub(r"[^a-z0-9-]+", "-", name.rpartition("/")[2]) or "app"
