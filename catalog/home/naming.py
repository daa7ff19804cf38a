"""What releases are called here, by references and by engines: names of catalogues, digests that a registry of dcat serves."""

from catalog.deployment.mention import ImageName
from catalog.errors import BlockNotFoundError, CatalogueNotFoundError, ReleaseNotFoundError
from catalog.home.home import Home
from catalog.image.index import build_platform_index
from catalog.image.reader import read_archive
from catalog.ipld.cid import parse_cid
from catalog.lookup.locate import Lookup, open_lookup
from catalog.model.digest import Digest
from catalog.model.lock import LockedRelease
from catalog.model.reference import MINE


def reference_of(lookup: Lookup, catalogue: str, rest: str) -> str:
    """Return how a name or release of a catalogue is reached here; raise `CatalogueNotFoundError` where it is not followed."""
    row = lookup.view.catalogue(catalogue)
    if row is None or not (row.own or row.alias):
        raise CatalogueNotFoundError(f"the catalogue {catalogue} of {rest} is not followed here", hint="follow it first")
    return rest if row.own else f"{row.alias}/{rest}"


def locate_image_name(home: Home, image: ImageName, registry: str) -> tuple[str, str] | None:
    """Return the catalogue that an engine's name means here, and the name there; None where it is none of ours.

    Raise `ReleaseNotFoundError` for a name of the registry, or behind an alias, that no catalogue has.
    """
    if image.host not in ("", *_addresses_of(registry)):
        return None
    with open_lookup(home.path) as lookup:
        try:
            catalogue, name = lookup.locate(image.name)
        except ReleaseNotFoundError:
            alias = image.name.partition("/")[0]
            if image.host or alias == MINE or alias in dict(lookup.view.aliases()):
                raise
            return None
    return catalogue.catalogue, name


def digest_of(home: Home, release: LockedRelease) -> str:
    """Return the digest under which a registry of dcat serves these images: of the manifest, or of the index of several."""
    if len(release.images) == 1:
        (image,) = release.images.values()
        return image.manifest
    sizes = {}
    for platform, image in sorted(release.images.items()):
        try:
            view = read_archive(parse_cid(image.archive), home.blocks)
        except BlockNotFoundError as error:
            raise BlockNotFoundError(
                f"the digest of {release.reference} for all its platforms is not known",
                why=f"it needs the metadata of {platform}, which is not held here",
                hint="lock one platform, or fetch it: dcat pull --locked",
            ) from error
        sizes[platform] = (view.manifest_digest, len(view.manifest))
    return str(Digest.of(build_platform_index(sizes)))


def manifests_of(release: LockedRelease) -> set[str]:
    """Return the digests of the manifests of a locked release."""
    return {image.manifest for image in release.images.values()}


def _addresses_of(registry: str) -> tuple[str, ...]:
    """Return the ways to write the address of a registry: this machine has several."""
    host, sign, port = registry.rpartition(":")
    return (
        tuple(f"{name}{sign}{port}" for name in ("localhost", "127.0.0.1")) if host in ("localhost", "127.0.0.1") else (registry,)
    )
