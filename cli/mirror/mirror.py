"""What is added to the settings of engines."""

from dataclasses import dataclass

from catalog.errors import InvalidConfigError
from catalog.sources.protocol import MIRROR_HOST

MARK = "# dcat mirror"
DOCKER_HUB = "docker.io"


@dataclass(frozen=True, slots=True)
class Mirror:
    """The server that engines ask first, and the registries whose names they ask it for.

    With ``pull_only`` it is asked for digests and never for tags: what a tag means is then decided by the registry.
    """

    port: int
    registries: tuple[str, ...] = (DOCKER_HUB,)
    pull_only: bool = False

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    @property
    def docker_url(self) -> str:
        """The same server as Docker is told: it does not say which registry it means, so the address says that it asks a mirror."""
        return f"http://{MIRROR_HOST}:{self.port}"


def without_marked_lines(text: str) -> str:
    """Return a text without the lines that carry the mark."""
    return "".join(line for line in text.splitlines(keepends=True) if not line.rstrip().endswith(MARK))


def refuse(path: str, why: str, hint: str = "") -> InvalidConfigError:
    """Return the error for a file that cannot be changed safely."""
    return InvalidConfigError(f"{path} cannot be changed", why=why, hint=hint or "add the mirror by hand: docs/guides/mirrors.md")
