"""One place in a file that names an image, and the grammar of what stands there.

Source: distribution/reference, reference.go ("Grammar") and normalize.go.
"""

import re
from dataclasses import dataclass

_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?"
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_IMAGE = re.compile(
    rf"(?:(?P<host>(?=[^/]*[.:A-Z]|localhost/){_HOST})/)?(?P<name>{_PART}(?:/{_PART})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?",
    re.ASCII,
)
_MAX_IMAGE = 1024
_DOCKER_HUB = ("docker.io", "index.docker.io", "registry-1.docker.io")


@dataclass(frozen=True, slots=True)
class ImageName:
    """An image as engines name it. ``host`` is empty for the default registry, Docker Hub; the last two may be empty."""

    host: str
    name: str
    tag: str = ""
    digest: str = ""

    @property
    def familiar(self) -> str:
        """The name as people write it: without Docker Hub's host and its ``library/``."""
        return f"{self.host}/{self.name}" if self.host else self.name

    @property
    def canonical(self) -> str:
        """The image as BuildKit writes it, with host and tag."""
        name = self.name if self.host or "/" in self.name else f"library/{self.name}"
        tag = self.tag or ("" if self.digest else "latest")
        return f"{self.host or 'docker.io'}/{name}{':' if tag else ''}{tag}{'@' if self.digest else ''}{self.digest}"


@dataclass(frozen=True, slots=True)
class Slot:
    """A place of the text that a lock changes, and what it writes there: a template with some of the fields of `LockedName`."""

    start: int
    stop: int
    template: str = "{reference}"


@dataclass(frozen=True, slots=True)
class Mention:
    """A place that names an image.

    ``text`` is the name with all variables replaced; ``slots`` are what changes where it is locked, none where the form of the text
    does not allow that. ``where`` says what it belongs to, for people; ``label`` is the service of a Compose file, or the name that
    a kustomization replaces.
    """

    text: str
    where: str
    slots: tuple[Slot, ...]
    label: str = ""


@dataclass(frozen=True, slots=True)
class LockedName:
    """What an image is called once it is locked: ``name`` with the registry's address, the tag, and the digest."""

    name: str
    tag: str
    digest: str

    @property
    def reference(self) -> str:
        return f"{self.name}:{self.tag}@{self.digest}"


def parse_image_name(text: str) -> ImageName | None:
    """Return what an image is called; None for anything else, such as a name with a variable in it."""
    match = _IMAGE.fullmatch(text) if len(text) <= _MAX_IMAGE else None
    if match is None:
        return None
    host = match["host"] or ""
    name = match["name"]
    if host in _DOCKER_HUB:
        host, name = "", name.removeprefix("library/")
    return ImageName(host, name, match["tag"] or "", match["digest"] or "")
