"""What an engine holds: finding images by name and ID, and finding out which of their layers are there."""

import dataclasses
import difflib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from time import monotonic
from typing import Any, TypeVar, cast

from catalog.clients.docker.api import EngineApi
from catalog.clients.docker.export import platform_json
from catalog.clients.docker.inspection import is_description, manifests, read_diff_ids, read_image, read_tags
from catalog.clients.docker.values import EngineImage, StoreKind, familiar, is_whole, whole
from catalog.errors import ImageNotFoundError, InvalidReferenceError, PlatformNotFoundError
from catalog.model.digest import ChainID, DiffID, chain_ids
from catalog.model.platform import Platform

# Wider than Docker's grammar, which the engine applies, but without anything that would be another path of the API, or an option.
_REFERENCE = re.compile(r"[A-Za-z0-9\[][A-Za-z0-9._:@/\[\]-]{0,511}", re.ASCII)
_IMAGE_ID = re.compile(r"(?:sha256:)?([0-9a-f]{4,64})", re.ASCII)
_NEAREST = 5
_COMPARED = 10_000  # tags that are compared with a name that does not exist
_T = TypeVar("_T")


def check_reference(reference: str) -> None:
    """Raise `InvalidReferenceError` for what cannot be a reference or an image ID."""
    parts = reference.split("/")
    if not _REFERENCE.fullmatch(reference) or any(part.strip(".") == "" for part in parts):
        raise InvalidReferenceError(
            f'"{reference[:100]}" is not an image reference', hint="a reference reads name:version, host/name:version, or sha256:…"
        )


def split_reference(reference: str) -> tuple[str, str]:
    """Return name and tag (or digest) of a reference; the tag is ``latest`` by default, as in Docker."""
    name, at, digest = reference.partition("@")
    if at:
        return name, digest
    last = reference.rpartition("/")[2]
    return (reference.rpartition(":")[0], last.partition(":")[2]) if ":" in last else (reference, "latest")


class Holdings:
    """Queries of one engine that change nothing."""

    def __init__(self, api: EngineApi, store: StoreKind) -> None:
        self._api = api
        self._store = store

    def find(self, reference: str, platform: Platform | None = None) -> EngineImage:
        """See `Engine.find`."""
        described = self._look_up(reference)
        if described is None:
            raise self._not_found(reference)
        image = read_image(described, self._store)
        if platform is not None and platform != image.platform:
            described = self._of_platform(image, described, platform) if image.platforms.get(platform) is not None else None
            if described is None:
                held = ", ".join(str(entry) for entry in sorted(image.platforms))
                raise PlatformNotFoundError(f'the engine holds no {platform} image of "{reference}"', why=f"it holds {held}")
            image = read_image(described, self._store)
        return image if image.complete else dataclasses.replace(image, missing=self._missing_layers(image))

    def inspect(self, reference: str) -> Mapping[str, Any] | None:
        """Return the description of an image, with its manifests if the engine has such; None if there is no image."""
        return self._inspect(reference, {"manifests": "1"} if self._knows_manifests else {})

    def entries(self, *, everything: bool = False) -> list[Mapping[str, Any]]:
        """Return the short descriptions of all images; with ``everything`` also the intermediate ones of older builds."""
        params = {"all": "1"} if everything else {}
        entries = self._api.get_json("/images/json", params | ({"manifests": "1"} if self._knows_manifests else {}))
        if entries is None:
            return []
        if not isinstance(entries, list) or not all(is_description(entry) for entry in entries):
            raise self._api.malformed("its list of images is malformed")
        return entries

    def ids(self) -> set[str]:
        """Return the IDs of all images."""
        return {str(entry["Id"]) for entry in self.entries(everything=True)}

    def incomplete(self) -> list[EngineImage]:
        """See `Engine.incomplete`."""
        found = []
        for entry in self._in_time(self.entries()):
            lacking = [platform for _, platform, available in manifests(entry) if not available]
            described = self.inspect(str(entry["Id"])) if lacking else None
            for platform in lacking if described is not None else ():
                of_platform = self._of_platform(read_image(described, self._store), described, platform) if described else None
                if of_platform is not None:
                    image = read_image(of_platform, self._store)
                    found.append(dataclasses.replace(image, missing=self._missing_layers(image)))
        return sorted(found, key=lambda image: (image.tags, image.id, image.platform))

    def chains(self) -> set[ChainID]:
        """Return the chainIDs of all layers of all images, with the intermediate ones of older builds."""
        return {chain_id for _, diff_ids in self._layers_of_all() for chain_id in chain_ids(diff_ids)}

    def stored_plain(self, canonical: Collection[str]) -> set[DiffID]:
        """Return the layers whose uncompressed blob is known to be stored: those of complete images with a canonical manifest."""
        layers: set[DiffID] = set()
        for entry in self._in_time(self.entries()):
            for digest, platform, available in manifests(entry):
                if available and digest in canonical and (described := self.inspect(str(entry["Id"]))) is not None:
                    of_platform = self._of_platform(read_image(described, self._store), described, platform)
                    layers.update(read_diff_ids(of_platform or {}))
        return layers

    def _look_up(self, reference: str) -> Mapping[str, Any] | None:
        """Return the description of exactly the image that ``reference`` names; None if there is none."""
        for candidate in self._candidates(reference):
            described = self.inspect(candidate)
            if described is not None and _is_named(candidate, read_image(described, self._store)):
                return described
        return None

    def _candidates(self, reference: str) -> list[str]:
        """Return what ``reference`` may stand for.

        podman finds ``quay.io/team/web:1`` too for ``team/web:1``. So a short name is asked for as the two names that it may stand
        for there: the one that a build by podman gives an image, and the one of Docker Hub.
        """
        check_reference(reference)
        if self._store != "podman" or is_whole(reference) or reference.startswith("sha256:"):
            return [reference]
        names = [f"localhost/{reference}", whole(reference)]
        return [reference, *names] if _IMAGE_ID.fullmatch(reference) else names

    @property
    def _knows_manifests(self) -> bool:
        return self._store == "containerd" and self._api.at_least(1, 48)

    def _inspect(self, reference: str, params: Mapping[str, str]) -> Mapping[str, Any] | None:
        check_reference(reference)
        reply = self._api.ask("GET", f"/images/{reference}/json", params)
        if reply.status == 200:
            described = self._api.json_of(reply)
            if not is_description(described):
                raise self._api.malformed(f'its description of "{reference}" is malformed')
            return cast(Mapping[str, Any], described)
        if reply.status == 404 or reply.is_refused_by_grammar:
            return None  # nothing outside the grammar is the name of an image
        raise self._api.refused(reply, f'to describe "{reference}"')

    def _of_platform(self, image: EngineImage, described: Mapping[str, Any], platform: Platform) -> Mapping[str, Any] | None:
        """Return the description of one platform of an index. No request of the engine returns that and the manifests."""
        if platform == image.platform:
            return described
        if not self._api.at_least(1, 49):
            return None
        chosen = self._inspect(image.id, {"platform": platform_json(platform)})
        # The ID in that description cannot be exported.
        return {**described, **chosen, "Id": described["Id"]} if chosen is not None else None

    def _layers_of_all(self) -> Iterator[tuple[str, Sequence[DiffID]]]:
        for image_id in self._in_time(sorted(self.ids())):
            described = self._inspect(image_id, {})
            if described is not None:
                yield image_id, read_diff_ids(described)

    def _in_time(self, items: Iterable[_T]) -> Iterator[_T]:
        """Yield the items as long as the engine's period of silence: a long list of images is not asked for to its end.

        Fewer layers are then known to be there, and more are sent.
        """
        end = monotonic() + self._api.idle_timeout
        for item in items:
            if monotonic() > end:
                return
            yield item

    def _missing_layers(self, image: EngineImage) -> tuple[DiffID, ...]:
        """Return the layers that were never downloaded: those that another image brought, unpacked only."""
        others = {chain for image_id, diff_ids in self._layers_of_all() if image_id != image.id for chain in chain_ids(diff_ids)}
        shared = [diff_id for diff_id, chain in zip(image.diff_ids, chain_ids(image.diff_ids), strict=True) if chain in others]
        return tuple(dict.fromkeys(shared or image.diff_ids))

    def _not_found(self, reference: str) -> ImageNotFoundError:
        tags = sorted({tag for entry in self.entries() for tag in read_tags(entry) if _REFERENCE.fullmatch(tag)})[:_COMPARED]
        name = split_reference(familiar(reference))[0]
        same_name = [tag for tag in tags if split_reference(tag)[0].rpartition("/")[2] == name.rpartition("/")[2]]
        close = difflib.get_close_matches(familiar(reference), tags, n=_NEAREST, cutoff=0.75)
        nearest = tuple(dict.fromkeys([*same_name, *close]))[:_NEAREST]
        return ImageNotFoundError(
            f'the engine at {self._api.target.address} has no image "{reference}"',
            why=f"the nearest {'is' if len(nearest) == 1 else 'are'} {', '.join(nearest)}"
            if nearest
            else "it has none with a similar name",
            nearest=nearest,
        )


def _is_named(reference: str, image: EngineImage) -> bool:
    """Return whether the reference names exactly this image, whatever else the engine found for it."""
    digits = _IMAGE_ID.fullmatch(reference)
    if digits is not None and image.id.removeprefix("sha256:").startswith(digits[1]):
        return True
    if "@" in reference:
        return True  # the engine compared the digest
    name, tag = split_reference(reference)
    return whole(f"{name}:{tag}") in {whole(entry) for entry in image.tags}
