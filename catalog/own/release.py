"""A release of the own catalogue as it becomes when images are added, and what the history says of that. Pure."""

from collections.abc import Mapping
from dataclasses import replace

from catalog.errors import InvalidInputError, ReleaseConflictError, SnapshotError
from catalog.index.history import Change, ChangeKind
from catalog.limits import MAX_PLATFORMS
from catalog.model.platform import Platform
from catalog.model.release import Image, Release, fit_registry
from catalog.snapshot.line import decode_line, encode_line


def add_images(
    existing: Release | None, name: str, version: str, images: Mapping[Platform, Image], annotations: Mapping[str, str], at: str
) -> tuple[Release, tuple[Platform, ...]]:
    """Return the release with ``images`` and ``annotations`` added, and the platforms that are new in it.

    Content is the config digest: another archive of the same content (in another format) replaces the one before. References to
    registries, which are provenance only, are kept as far as there is room for them. Raise
    `ReleaseConflictError` where a platform has other content already, `InvalidInputError` for what no snapshot can hold.
    """
    base = existing or Release(name, version, at)
    merged = dict(base.images)
    for platform, image in images.items():
        before = merged.get(platform)
        if before is not None and before.config != image.config:
            raise ReleaseConflictError(
                f"{name}@{version} is published with other content",
                why=f"for {platform} it is {before.config} since {base.published}, not {image.config}; a version never changes",
                hint="publish it as another version",
            )
        if before is None:
            merged[platform] = image
        else:
            registry = tuple(sorted({*before.registry, *image.registry}))
            merged[platform] = replace(before if before.format == image.format else image, registry=registry)
    if len(merged) > MAX_PLATFORMS:
        raise InvalidInputError(
            f"{name}@{version} would have {len(merged)} platforms", why=f"a release has at most {MAX_PLATFORMS}"
        )
    release = replace(
        base,
        images=fit_registry(dict(sorted(merged.items()))),
        annotations={**base.annotations, **annotations},
        removed=None,
        published=at if base.removed is not None else base.published,
    )
    _check_line(release)
    return release, tuple(sorted(platform for platform in merged if platform not in base.images))


def _check_line(release: Release) -> None:
    """Raise `InvalidInputError` for a release that no snapshot can hold, before it is promised: it is read as followers read it."""
    line = encode_line(release)
    try:
        decode_line(line[:-1])
    except SnapshotError as error:
        raise InvalidInputError(
            f"{release.reference} cannot be part of a catalogue",
            why=f"{error.message}: {error.why}" if error.why else error.message,
        ) from error


def list_additions(
    catalogue: str, before: Release | None, release: Release, added: tuple[Platform, ...], at: str, by: Mapping[str, str]
) -> list[Change]:
    """Return the changes that turned ``before`` into ``release``, as the history keeps them; ``by`` is their detail."""
    if before is None or before.removed is not None:
        kinds: list[tuple[ChangeKind, str]] = [("published", ",".join(map(str, added)))]
    elif added:
        kinds = [("platform", str(platform)) for platform in added]
    else:
        kinds = [("annotated", "")]
    return [Change(catalogue, at, kind, release.name, release.version, platform, dict(by)) for kind, platform in kinds]
