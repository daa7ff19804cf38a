"""Select an image of an export by tag, digest and platform, and verify it against its config.

An image counts only if its config's bytes match the digest that names them, and its layers match the config.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

from catalog.errors import (
    AmbiguousReferenceError,
    ArchiveError,
    ImageIncompleteError,
    ImageNotFoundError,
    PlatformNotFoundError,
)
from catalog.image.config import ImageConfig
from catalog.image.dag import StoredLayer
from catalog.image.listing import Candidate, Members, list_candidates
from catalog.model.digest import ConfigDigest, ManifestDigest
from catalog.model.platform import Platform

_LISTED: Final = 8  # names, layers or platforms listed in one message


@dataclass(frozen=True, slots=True)
class ExportedImage:
    """One complete image of an export: its layers (one for each diffID, in order) are stored and match the config.

    ``manifest`` is the digest of its OCI manifest, if the export has one. ``names`` are its tags in the export, which are never
    applied. ``platform`` is None if neither the config nor the export's index states one. ``may_be_converted``: the export has the
    form in which skopeo and podman write Docker images after rewriting their configs.
    """

    config: bytes
    image: ImageConfig
    layers: tuple[StoredLayer, ...]
    names: tuple[str, ...]
    may_be_converted: bool
    platform: Platform | None
    manifest: ManifestDigest | None = None

    @property
    def config_digest(self) -> ConfigDigest:
        return self.image.digest


class Export:
    """All images of one export."""

    def __init__(self, members: Members) -> None:
        self._members = members
        self._candidates, self._others, self._may_be_converted = list_candidates(members)
        self.remarks = tuple(members.remarks)

    @property
    def names(self) -> tuple[str, ...]:
        """The tags of all its images."""
        return tuple(dict.fromkeys(name for candidate in self._candidates for name in candidate.names))

    def platforms(self, reference: str | None = None) -> list[Platform]:
        """Return the platforms of the images that ``reference`` selects, sorted."""
        meant = [candidate for candidate in self._candidates if reference is None or _is_named(candidate, reference)]
        return sorted(
            {candidate.platform for candidate in meant if candidate.config is not None and candidate.platform is not None}
        )

    def absent_platforms(self, reference: str | None = None) -> list[Platform]:
        """Return the platforms that the export names for ``reference`` without holding an image for them, sorted."""
        meant = [candidate for candidate in self._candidates if reference is None or _is_named(candidate, reference)]
        absent = {candidate.platform for candidate in meant if candidate.config is None and candidate.platform is not None}
        return sorted(absent - set(self.platforms(reference)))

    def choose(
        self, reference: str | None = None, platform: Platform | None = None, *, host: Platform | None = None
    ) -> ExportedImage:
        """Return the one image that ``reference`` (a tag, a config or manifest digest; None: any) and ``platform`` select.

        ``host`` decides only among several platforms, and only if ``platform`` is None. Raise `ImageNotFoundError` (no such
        reference), `PlatformNotFoundError` (with those that exist), `AmbiguousReferenceError` (several images),
        `ImageIncompleteError` (the export lacks its config or layers, as a containerd store may write it), `ArchiveError` (config
        and layers do not match).
        """
        meant = self._candidates
        if reference is not None:
            meant = [candidate for candidate in meant if _is_named(candidate, reference)]
        if not self._candidates and self._others:
            other = self._others[0]
            raise ArchiveError(f"the export holds {other.what}, and no image that dcat can read", hint=other.hint)
        if not meant:
            what = "holds no image" if reference is None else f'holds no image "{reference[:200]}"'
            held = f"it holds {_list(self.names)}" if self.names else ""
            hint = "" if self.names else "docker save IMAGE writes an export with an image"
            raise ImageNotFoundError(f"the export {what}", why=held, hint=hint, nearest=tuple(self.names))
        return self._complete(_choose_one(meant, platform, host))

    def _complete(self, candidate: Candidate) -> ExportedImage:
        if candidate.failure is not None:
            raise candidate.failure
        if candidate.config is None or candidate.image is None:
            _refuse_incomplete(candidate, candidate.layers, self.remarks)
        image = candidate.image
        if len(candidate.layers) != len(image.diff_ids):
            raise ArchiveError(
                f"image {image.digest} does not match its layers",
                why=f"its config names {len(image.diff_ids)}, the export lists {len(candidate.layers)}",
            )
        layers = [self._members.layer(*pair) for pair in zip(candidate.layers, image.diff_ids, strict=True)]
        stored = [layer for layer in layers if layer is not None]
        if len(stored) != len(layers):
            missing = [name for name, layer in zip(candidate.layers, layers, strict=True) if layer is None]
            _refuse_incomplete(candidate, missing, self.remarks)
        for position, (layer, diff_id) in enumerate(zip(stored, image.diff_ids, strict=True), 1):
            if layer.diff_id != diff_id:
                raise ArchiveError(
                    f"layer {position} of image {image.digest} does not match its config",
                    why=f"it has diffID {layer.diff_id}, not {diff_id}",
                )
        return ExportedImage(
            candidate.config,
            image,
            tuple(stored),
            tuple(candidate.names),
            self._may_be_converted,
            candidate.platform,
            candidate.manifest,
        )


def _choose_one(meant: list[Candidate], platform: Platform | None, host: Platform | None) -> Candidate:
    """Return the only candidate of the platform; raise an error that lists the others if there are several."""
    complete = [candidate for candidate in meant if candidate.config is not None]
    platforms = sorted({candidate.platform for candidate in complete if candidate.platform})
    if platform is None and len(platforms) > 1:
        if host is None:
            raise AmbiguousReferenceError(
                "the export holds images for several platforms", hint=f"choose one of {_list(map(str, platforms))}"
            )
        platform = host
    fitting = complete or meant
    if platform is not None:
        fitting = [candidate for candidate in fitting if _fits(candidate, platform)]
    if not fitting:
        listed = platforms or sorted({candidate.platform for candidate in meant if candidate.platform})
        held = [str(entry) for entry in listed]
        raise PlatformNotFoundError(f"the export holds no image for {platform}", why=f"it holds {_list(held)}", nearest=held)
    if len(fitting) > 1 and complete:
        names = [name for candidate in fitting for name in candidate.names or [candidate.label]]
        raise AmbiguousReferenceError(
            "the export holds several images",
            why=f"they are {_list(names)}",
            hint=f"choose one of {_list(names)}",
            nearest=names,
        )
    return fitting[0]


def _fits(candidate: Candidate, platform: Platform) -> bool:
    if candidate.platform is not None:
        return candidate.platform == platform
    return candidate.image is None or candidate.image.fits(platform)


def _refuse_incomplete(candidate: Candidate, missing: Iterable[str], remarks: Sequence[str]) -> NoReturn:
    names = list(missing)
    if candidate.withheld.intersection(names):
        raise ImageIncompleteError(
            f"the export lacks parts of image {candidate.label}",
            why=f"its publisher forbids distribution of {_list(candidate.withheld.intersection(names))}",
            hint="images on such layers (Windows bases) cannot be published",
        )
    what = "its config" if candidate.config is None else ""
    if names:
        layers = f"{len(names)} of its layers ({_list(names)})"
        what = f"{what} and {layers}" if what else layers
    raise ImageIncompleteError(
        f"the export lacks parts of image {candidate.label}",
        why="; ".join((f"it does not hold {what or 'its manifest'}", *remarks)),
        hint="engines with the containerd store make such exports of images that share layers with others",
    )


def _is_named(candidate: Candidate, reference: str) -> bool:
    digests = [candidate.image.digest.hex] if candidate.image else []
    if candidate.manifest:
        digests.append(candidate.manifest.hex)
    if reference.removeprefix("sha256:") in digests:
        return True
    wanted = _familiar(reference)
    return any(_familiar(name) == wanted for name in candidate.names)


def _familiar(name: str) -> str:
    """Return a tag as docker shows it, with `latest` if it has none; podman and containerd write the long form."""
    for prefix in ("docker.io/library/", "docker.io/", "localhost/"):
        if name.startswith(prefix):
            name = name[len(prefix) :]
            break
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def _list(names: Iterable[str]) -> str:
    listed = list(dict.fromkeys(names))
    more = f" and {len(listed) - _LISTED} more" if len(listed) > _LISTED else ""
    return ", ".join(name[:160] for name in listed[:_LISTED]) + more
