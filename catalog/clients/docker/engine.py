"""One engine: what it holds, and the few changes dcat makes to it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, BinaryIO

from catalog.clients.docker import events
from catalog.clients.docker.api import EngineApi, is_refused_by_grammar, message_of
from catalog.clients.docker.export import open_export, read_config_digest
from catalog.clients.docker.feeding import Feeding
from catalog.clients.docker.holdings import Holdings, check_reference, split_reference
from catalog.clients.docker.inspection import manifests, read_tags
from catalog.clients.docker.layers import spare_of_chains
from catalog.clients.docker.target import choose_target, other_socket
from catalog.clients.docker.values import EngineImage, EngineInfo, LoadedImage, StoreKind, familiar
from catalog.errors import (
    EngineConflictError,
    ImageIncompleteError,
    ImageNotFoundError,
    InvalidReferenceError,
)
from catalog.limits import ENGINE_IDLE_TIMEOUT
from catalog.model.digest import ConfigDigest, DiffID, ManifestDigest
from catalog.model.platform import Platform, host_platform, make_platform
from catalog.progress import Progress, silent


def connect(host: str | None = None, *, environment: Mapping[str, str], idle_timeout: float = ENGINE_IDLE_TIMEOUT) -> "Engine":
    """Reach an engine: ``host`` (``unix://…``, ``tcp://…``, ``ssh://…``), else what ``environment`` says, as Docker's command does.

    ``environment`` is a mapping with ``DOCKER_HOST``, ``DOCKER_CONTEXT``, ``DOCKER_CONFIG``, ``DOCKER_TLS_VERIFY``,
    ``DOCKER_CERT_PATH`` and ``HOME`` as far as they are set. Raises `EngineUnavailableError` where nobody answers.
    """
    target = choose_target(host, environment)
    elsewhere = other_socket(environment) if target.origin == "default" else None
    api = EngineApi(target, idle_timeout, elsewhere)
    try:
        return Engine(api)
    except BaseException:
        api.close()
        raise


class Engine:
    """A connection to one engine. Made by `connect`; close it, or use it in a ``with`` statement.

    All methods raise `EngineUnavailableError` where the engine is gone or says nothing for ``idle_timeout`` seconds.
    """

    def __init__(self, api: EngineApi) -> None:
        self._api = api
        self._info = _read_info(api)
        self._holdings = Holdings(api, self._info.store)

    def info(self) -> EngineInfo:
        """Tell version, kind of store, platform and address."""
        return self._info

    def find(self, reference: str, platform: Platform | None = None) -> EngineImage:
        """Give the image that a reference or an image ID names, exactly.

        Raises `ImageNotFoundError` (``nearest`` has the tags that may be meant), `PlatformNotFoundError` (``why`` lists those there
        are) and `InvalidReferenceError`. An image that the engine cannot export is given with ``complete`` false;
        `require_complete` makes an error of it.
        """
        return self._holdings.find(reference, platform)

    def tags(self) -> dict[str, str]:
        """Give the image ID of every tag (familiar, ``name:version``)."""
        return {tag: str(entry["Id"]) for entry in self._holdings.entries() for tag in read_tags(entry)}

    def tag_owner(self, name: str, version: str) -> str | None:
        """Give the image ID that ``name:version`` points to, or None."""
        tag = f"{name}:{version}"
        described = self._holdings.inspect(tag)
        return str(described["Id"]) if described is not None and familiar(tag) in read_tags(described) else None

    def config_digest(self, image: EngineImage) -> ConfigDigest:
        """Give the digest of the image's config: the one thing that says whether two images are the same in every engine.

        An engine with the containerd store shows it nowhere: its export is read up to the manifest, which is a while for a large
        image. Ask only where the image ID decides nothing.
        """
        if self._info.store != "containerd" or not image.manifest:
            return ConfigDigest.parse(image.id)
        platform = image.platform if image.complete else None  # one that lacks layers is exported without them, but not by platform
        with open_export(self._api, image.id, image.size, platform) as stream:
            return read_config_digest(stream, image.manifest)

    def incomplete(self) -> list[EngineImage]:
        """Give the images that the engine shows but cannot export, by tag; empty for stores that have no such thing."""
        return self._holdings.incomplete()

    def save(self, image: EngineImage) -> AbstractContextManager[BinaryIO]:
        """Open the export of an image, without its tags: a tar in one of the engine's forms, to be read to its end."""
        by_platform = self._info.store == "containerd" and self._api.at_least(1, 48)
        return open_export(self._api, image.id, image.size, image.platform if by_platform else None)

    def pull(self, reference: str, platform: Platform | None = None, progress: Progress = silent) -> None:
        """Have the engine fetch ``reference`` from its registry, with the user's login of Docker's settings.

        Raises `ImageNotFoundError`, or `UnavailableError` where the registry fails.
        """
        check_reference(reference)
        repository, tag = split_reference(reference)
        params = {"fromImage": repository, "tag": tag} | ({"platform": str(platform)} if platform is not None else {})
        headers = self._api.registry_auth(repository)
        with self._api.request("POST", "/images/create", params=params, headers=headers, stream=True) as response:
            if response.status_code != 200:
                raise events.pull_failed(reference, message_of(response), absent=response.status_code == 404)
            for event in self._api.events(response):
                if said := events.failure_of(event):
                    raise events.pull_failed(reference, said)
                events.tell(event, progress)

    def spare_layers(self, diff_ids: Sequence[DiffID], canonical: Collection[ManifestDigest] = ()) -> frozenset[DiffID]:
        """Give the layers that the archive of an image of these layers may leave out in a load right after.

        ``canonical`` are the digests of canonical manifests known here: an engine with the containerd store that holds such an
        image whole holds its layers uncompressed.
        """
        if self._info.store == "classic":
            return spare_of_chains(diff_ids, self._holdings.chains())
        if self._info.store == "containerd" and canonical:
            return frozenset(diff_ids) & self._holdings.stored_plain({str(digest) for digest in canonical})
        return frozenset()

    def load(self, chunks: Iterable[bytes], size: int | None = None, progress: Progress = silent) -> LoadedImage:
        """Feed a canonical archive to the engine and give the ID it prints.

        ``chunks`` may be of any size and are read in another thread; ``size`` is their sum: the engine is given time for it. On an
        interrupt feeding stops where a member of the archive ends, so that the engine keeps no half-written blob, or after a
        second. Raises `EngineLayerMissingError` where a layer that was left out is gone: send it again in full.
        """
        before = self._holdings.ids()
        loaded: list[str] = []
        failures: list[str] = []

        def listen(event: Mapping[str, Any]) -> None:
            loaded.extend(events.loaded_of(event))
            if said := events.failure_of(event):
                failures.append(said)
            events.tell(event, progress)

        Feeding(self._api, chunks, size).run(listen)
        new = [image_id for image_id in loaded if self._info.store == "containerd" and image_id not in before]
        if not failures and self._info.store == "containerd":
            failures += [
                f"content of {image_id} not found"
                for image_id in loaded
                if not all(available for *_, available in manifests(self._holdings.inspect(image_id) or {}))
            ]
        if failures:
            self._remove(new)  # this store keeps the record of an image that it could not unpack
            raise events.load_failed(failures[0])
        if len(loaded) != 1:
            raise EngineConflictError("the engine did not say which image it loaded", why=f"it named {', '.join(loaded) or 'none'}")
        return LoadedImage(loaded[0])

    def check_loaded(
        self, loaded: LoadedImage, config: ConfigDigest, manifest: ManifestDigest, diff_ids: Sequence[DiffID]
    ) -> EngineImage:
        """Give the loaded image if it is the one asked for, by ID and by layers; raise `EngineConflictError` otherwise."""
        image = self.find(loaded.id)
        if image.id not in {str(config), str(manifest)}:
            raise EngineConflictError(
                f"the engine loaded another image than {config}", why=f"it shows {image.id}; the manifest is {manifest}"
            )
        if image.diff_ids != tuple(diff_ids):
            raise EngineConflictError(
                f"the engine shows other layers for {image.id} than were loaded",
                why=f"{len(image.diff_ids)} layers there, {len(diff_ids)} asked for",
            )
        return image

    def tag(self, image_id: str, name: str, version: str) -> None:
        """Let ``name:version`` point to the image, wherever it pointed before (see `tag_owner`)."""
        response = self._api.request("POST", f"/images/{image_id}/tag", params={"repo": name, "tag": version})
        if response.status_code == 404:
            raise ImageNotFoundError(f"the engine has no image {image_id}", why=message_of(response))
        if response.status_code not in {200, 201}:
            if is_refused_by_grammar(response):
                raise InvalidReferenceError(f'the engine takes no tag "{name}:{version}"', why=message_of(response))
            raise self._api.refused(response, f'the tag "{name}:{version}"')

    def untag(self, name: str, version: str) -> None:
        """Take the tag away; where it does not exist that is fine. An image without another tag goes with it."""
        if self.tag_owner(name, version) is not None:
            self._remove([f"{name}:{version}"])

    def close(self) -> None:
        """Give up the connection."""
        self._api.close()

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _remove(self, references: Iterable[str]) -> None:
        for reference in references:
            response = self._api.request("DELETE", f"/images/{reference}", params={"noprune": "1"})
            if response.status_code not in {200, 404}:
                raise self._api.refused(response, f'to remove "{reference}"')


def require_complete(image: EngineImage, reference: str) -> EngineImage:
    """Give the image back if the engine can export it; raise `ImageIncompleteError` that says what helps."""
    if image.complete:
        return image
    shown = ", ".join(str(diff_id) for diff_id in image.missing[:3]) + (", …" if len(image.missing) > 3 else "")
    raise ImageIncompleteError(
        f'the engine runs "{reference}" but cannot export it: {len(image.missing)} of its layers were never downloaded',
        why=f"another image had them unpacked already, so the pull left them out: {shown}",
        hint="make an archive of it from its registry with skopeo or crane and take it from that file, or remove this image and the"
        " ones that share its layers and pull it again",
    )


def _read_info(api: EngineApi) -> EngineInfo:
    version = api.get_json("/version")
    info = api.get_json("/info")
    components = {component.get("Name") for component in version.get("Components") or ()}
    drivers = {tuple(entry) for entry in info.get("DriverStatus") or () if len(entry) == 2}
    store: StoreKind = "classic"
    if "Podman Engine" in components:
        store = "podman"
    elif ("driver-type", "io.containerd.snapshotter.v1") in drivers:
        store = "containerd"
    machine = str(info.get("Architecture") or version.get("Arch") or "unknown")
    system = str(info.get("OSType") or version.get("Os") or "linux")
    platform = host_platform(machine)
    return EngineInfo(
        version=str(version.get("Version", "unknown")),
        api=".".join(str(part) for part in api.version),
        store=store,
        platform=platform if system == platform.os else make_platform(system, platform.architecture, platform.variant),
        target=api.target.address,
        origin=api.target.origin,
    )
