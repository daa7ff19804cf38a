"""One engine: what it holds, and the few changes that dcat makes to it."""

import base64
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Any, BinaryIO

from catalog.clients.docker import events
from catalog.clients.docker.api import EngineApi
from catalog.clients.docker.export import open_export, platform_json, read_config_digest, staging_time
from catalog.clients.docker.feeding import Feeding
from catalog.clients.docker.holdings import Holdings, check_reference, split_reference
from catalog.clients.docker.inspection import has_shape, manifests, read_tags
from catalog.clients.docker.layers import spare_of_chains
from catalog.clients.docker.target import choose_target, other_socket
from catalog.clients.docker.values import EngineImage, EngineInfo, LoadedImage, StoreKind, familiar, whole
from catalog.errors import (
    EngineConflictError,
    EngineUnavailableError,
    ImageIncompleteError,
    ImageNotFoundError,
    InvalidReferenceError,
    UnavailableError,
)
from catalog.limits import ENGINE_IDLE_TIMEOUT, ENGINE_LOAD_TIME, ENGINE_PULL_TIME
from catalog.model.digest import ConfigDigest, DiffID, ManifestDigest
from catalog.model.platform import Platform, host_platform, make_platform
from catalog.progress import Progress, silent

_VERSION = {"Version": str, "Os": str, "Arch": str, "Components": [{"Name": str}]}
_REPORTED = 8
_INFO = {"DriverStatus": [[str]], "Architecture": str, "OSType": str}


def connect(host: str | None = None, *, environment: Mapping[str, str], idle_timeout: float = ENGINE_IDLE_TIMEOUT) -> "Engine":
    """Connect to an engine: ``host`` (``unix://…``, ``tcp://…``), else the one that ``environment`` names, as for Docker's command.

    ``environment`` is a mapping with ``DOCKER_HOST``, ``DOCKER_CONTEXT``, ``DOCKER_CONFIG``, ``DOCKER_TLS_VERIFY``,
    ``DOCKER_CERT_PATH`` and ``HOME``, as far as they are set. Raise `EngineUnavailableError` if no engine answers.
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
    """A connection to one engine. Open one with `connect`; close it, or use it in a ``with`` statement.

    All methods raise `EngineUnavailableError` if the engine is gone, silent for ``idle_timeout`` seconds, or answers nonsense.
    """

    def __init__(self, api: EngineApi) -> None:
        self._api = api
        self._info = _read_info(api)
        self._holdings = Holdings(api, self._info.store)

    def info(self) -> EngineInfo:
        """Return version, kind of store, platform and address."""
        return self._info

    def find(self, reference: str, platform: Platform | None = None) -> EngineImage:
        """Return the image that a reference or an image ID names, exactly.

        Raise `ImageNotFoundError` (``nearest`` has the tags that may be meant), `PlatformNotFoundError` (``why`` lists the existing
        platforms) and `InvalidReferenceError`. An image that the engine cannot export has ``complete`` false; `require_complete`
        raises an error for it.
        """
        return self._holdings.find(reference, platform)

    def tags(self) -> dict[str, str]:
        """Return the image ID of every tag (short, ``name:version``)."""
        return {tag: str(entry["Id"]) for entry in self._holdings.entries() for tag in read_tags(entry)}

    def tag_owner(self, name: str, version: str) -> str | None:
        """Return the image ID that ``name:version`` points to, or None."""
        tag = whole(f"{name}:{version}")
        described = self._holdings.inspect(tag)
        return str(described["Id"]) if described is not None and familiar(tag) in read_tags(described) else None

    def config_digest(self, image: EngineImage) -> ConfigDigest:
        """Return the digest of the image's config, by which two images are the same or not in every engine.

        The containerd store does not show it: the export is read up to the manifest, which takes a while for a large image. Call
        this only if the image ID does not decide.
        """
        if self._info.store != "containerd" or not image.manifest:
            return ConfigDigest.parse(image.id)
        platform = image.platform if image.complete else None  # by platform the engine refuses an incomplete one
        with open_export(self._api, image.id, image.size, platform) as stream:
            return read_config_digest(stream, image.manifest)

    def incomplete(self) -> list[EngineImage]:
        """Return the images that the engine shows but cannot export, by tag; only the containerd store has such."""
        return self._holdings.incomplete()

    def save(self, image: EngineImage) -> AbstractContextManager[BinaryIO]:
        """Open the export of an image, without its tags: a tar in one of the engine's forms. Read it to its end."""
        by_platform = self._info.store == "containerd" and self._api.at_least(1, 48)
        return open_export(self._api, image.id, image.size, image.platform if by_platform else None)

    def pull(self, reference: str, platform: Platform | None = None, progress: Progress = silent) -> None:
        """Make the engine fetch ``reference`` from its registry, with the user's login from Docker's settings.

        Raise `ImageNotFoundError`, or `UnavailableError` if the registry fails.
        """
        check_reference(reference)
        repository, tag = split_reference(reference)
        params = {"fromImage": whole(repository), "tag": tag} | ({"platform": str(platform)} if platform is not None else {})
        headers = self._api.registry_auth(repository)
        with self._api.open("POST", "/images/create", params=params, headers=headers) as response:
            if response.status != 200:
                reply = self._api.read(response)
                raise events.pull_failed(reference, reply.message, absent=reply.status == 404)
            for event in self._api.events(response, ENGINE_PULL_TIME):
                if said := events.failure_of(event):
                    raise events.pull_failed(reference, said)
                events.report(event, progress)

    @property
    def pushes_platforms(self) -> bool:
        """Whether the engine can push a single platform of an image (API 1.46)."""
        return self._api.at_least(1, 46)

    def push(self, name: str, version: str, login: tuple[str, str], platform: Platform | None = None, size: int = 0) -> None:
        """Push ``name:version`` to the registry that its name begins with, with user name and password ``login``.

        ``size`` is that of the image, by which the engine is given time.
        Raise `UnavailableError` if the engine or the registry refuses.
        """
        user, password = login
        settings = json.dumps({"username": user, "password": password, "serveraddress": name.partition("/")[0]})
        headers = {"X-Registry-Auth": base64.urlsafe_b64encode(settings.encode()).decode()}
        limit = ENGINE_LOAD_TIME + 2 * staging_time(size)
        params = {"tag": version} | ({"platform": platform_json(platform)} if platform is not None else {})
        with self._api.open("POST", f"/images/{name}/push", params=params, headers=headers) as response:
            if response.status != 200:
                raise self._api.refused(self._api.read(response), f'to push "{name}:{version}"')
            for event in self._api.events(response, limit):
                if said := events.failure_of(event):
                    raise UnavailableError(f'the engine could not push "{name}:{version}"', why=said)

    def spare_layers(self, diff_ids: Sequence[DiffID], canonical: Collection[ManifestDigest] = ()) -> frozenset[DiffID]:
        """Return the layers that a load of an image with these layers may leave out, if it follows at once.

        ``canonical`` are digests of known canonical manifests: an engine with the containerd store that holds such an image whole
        holds its layers uncompressed.
        """
        if self._info.store == "classic":
            return spare_of_chains(diff_ids, self._holdings.chains())
        if self._info.store == "containerd" and canonical:
            return frozenset(diff_ids) & self._holdings.stored_plain({str(digest) for digest in canonical})
        return frozenset()

    def load(self, chunks: Iterable[bytes], size: int | None = None, progress: Progress = silent) -> LoadedImage:
        """Load a canonical archive into the engine and return the ID that it reports.

        ``chunks`` may be of any size, and are read by another thread; ``size`` is their total, by which the engine is given time.
        On an interrupt feeding stops at the end of a member of the archive, so that the engine keeps no half-written blob, or after
        a second. Raise `EngineLayerMissingError` if a layer that was left out is gone: load the archive again in full.
        """
        before = self._holdings.ids()
        loaded: list[str] = []
        failures: list[str] = []

        def listen(event: Mapping[str, Any]) -> None:
            # An engine may report without end: a few of each are enough to say what is wrong.
            loaded.extend(events.loaded_of(event)[: _REPORTED - len(loaded)])
            if (said := events.failure_of(event)) and len(failures) < _REPORTED:
                failures.append(said)
            events.report(event, progress)

        Feeding(self._api, chunks, size).run(listen)
        new = [image_id for image_id in loaded if self._info.store == "containerd" and image_id not in before]
        if not failures and self._info.store == "containerd":
            failures += [
                f"content of {image_id} not found"
                for image_id in loaded
                if not all(available for *_, available in manifests(self._holdings.inspect(image_id) or {}))
            ]
        if failures:
            self._remove(new)  # this store keeps the entry of an image that it could not unpack
            raise events.load_failed(failures[0])
        if len(loaded) != 1:
            raise EngineConflictError("the engine did not say which image it loaded", why=f"it named {', '.join(loaded) or 'none'}")
        return LoadedImage(loaded[0], before)

    def check_loaded(
        self, loaded: LoadedImage, config: ConfigDigest, manifest: ManifestDigest, diff_ids: Sequence[DiffID]
    ) -> EngineImage:
        """Return the loaded image if its ID and layers are those asked for; raise `EngineConflictError` otherwise.

        Another image is removed, unless it was there before the load.
        """
        image = self.find(loaded.id)
        if image.id not in {str(config), str(manifest)}:
            error = EngineConflictError(
                f"the engine loaded another image than {config}", why=f"its ID is {image.id}; the manifest is {manifest}"
            )
        elif image.diff_ids != tuple(diff_ids):
            error = EngineConflictError(
                f"the engine shows other layers for {image.id} than were loaded",
                why=f"{len(image.diff_ids)} layers there, {len(diff_ids)} asked for",
            )
        else:
            return image
        if loaded.before is not None and image.id not in loaded.before:
            with suppress(EngineUnavailableError):
                self._remove([image.id])
        raise error

    def tag(self, image_id: str, name: str, version: str) -> None:
        """Point ``name:version`` to the image, wherever it pointed before (see `tag_owner`).

        Raise `EngineConflictError` if it does not point there afterwards.
        """
        reply = self._api.ask("POST", f"/images/{image_id}/tag", {"repo": whole(name), "tag": version})
        if reply.status == 404:
            raise ImageNotFoundError(f"the engine has no image {image_id}", why=reply.message)
        if reply.status not in {200, 201}:
            if reply.is_refused_by_grammar:
                raise InvalidReferenceError(f'the engine refuses the tag "{name}:{version}"', why=reply.message)
            raise self._api.refused(reply, f'the tag "{name}:{version}"')
        owner = self.tag_owner(name, version)
        if owner != image_id:
            raise EngineConflictError(
                f'the engine did not set the tag "{name}:{version}"', why=f"it points to {owner or 'no image'}, not to {image_id}"
            )

    def untag(self, name: str, version: str) -> None:
        """Remove the tag, if it exists. An image without another tag is removed with it."""
        if self.tag_owner(name, version) is not None:
            self._remove([whole(f"{name}:{version}")])

    def close(self) -> None:
        """Close the connection."""
        self._api.close()

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _remove(self, references: Iterable[str]) -> None:
        for reference in references:
            reply = self._api.ask("DELETE", f"/images/{reference}", {"noprune": "1"})
            if reply.status not in {200, 404}:
                raise self._api.refused(reply, f'to remove "{reference}"')


def require_complete(image: EngineImage, reference: str) -> EngineImage:
    """Return the image if the engine can export it; raise `ImageIncompleteError` otherwise."""
    if image.complete:
        return image
    shown = ", ".join(str(diff_id) for diff_id in image.missing[:3]) + (", …" if len(image.missing) > 3 else "")
    raise ImageIncompleteError(
        f'the engine runs "{reference}" but cannot export it: {len(image.missing)} of its layers were never downloaded',
        why=f"the engine had them unpacked already for another image, so its pull left them out: {shown}",
        hint="make an archive of it from its registry with skopeo or crane and take it from that file, or remove this image and the"
        " ones that share its layers and pull it again",
    )


def _read_info(api: EngineApi) -> EngineInfo:
    version = api.description
    info = api.get_json("/info")
    if not (isinstance(version, dict) and has_shape(version, _VERSION) and isinstance(info, dict) and has_shape(info, _INFO)):
        raise api.malformed("its description of itself is malformed")
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
