"""sha256 digests of images and layers: one type each, because they are never interchangeable.

Source: OCI image-spec, descriptor.md ("Digests") and config.md ("Layer DiffID", "Layer ChainID", "ImageID").
"""

from __future__ import annotations

from catalog.errors import InvalidDigestError
from catalog.record import record

TYPE_CHECKING = False  # see catalog.record
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self


@record(frozen=True, slots=True, order=True)
class Digest:
    """A sha256 digest; ``str`` returns ``sha256:<64 hex>``. Use a subclass: it says what was digested."""

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != 32:
            raise InvalidDigestError(f"a sha256 digest has 32 bytes, not {len(self.raw)}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``sha256:<64 lower-case hex digits>``; anything else is an `InvalidDigestError`."""
        try:
            raw = bytes.fromhex(text[7:71])  # after sha256:
        except ValueError:
            raw = b""
        if len(raw) != 32 or text != f"sha256:{raw.hex()}":  # `fromhex` reads capitals and spaces as well
            raise InvalidDigestError(f'"{text[:100]}" is not a digest', why="a digest is sha256: and 64 lower-case hex digits")
        return cls(raw)

    @classmethod
    def of(cls, data: bytes) -> Self:
        """Digest ``data``."""
        import hashlib  # loads OpenSSL, which `resolve` does not need

        return cls(hashlib.sha256(data).digest())

    @property
    def hex(self) -> str:
        return self.raw.hex()

    def __str__(self) -> str:
        return f"sha256:{self.raw.hex()}"


class ConfigDigest(Digest):
    """The digest of an image config's exact bytes: the image ID that a classic engine and podman show."""

    __slots__ = ()


class ManifestDigest(Digest):
    """The digest of the canonical OCI manifest: the image ID that an engine with the containerd store shows."""

    __slots__ = ()


class DiffID(Digest):
    """The digest of an uncompressed layer tar."""

    __slots__ = ()


class ChainID(Digest):
    """The digest of a layer on top of its parents."""

    __slots__ = ()


def is_hex(text: str) -> bool:
    """Return whether a text is 64 lower-case hex digits, as of a sha256 digest."""
    return len(text) == 64 and not text.strip("0123456789abcdef")


def chain_ids(diff_ids: Iterable[DiffID]) -> list[ChainID]:
    """Return the chainID of each layer, base first (image-spec config.md, "Layer ChainID")."""
    chain: list[ChainID] = []
    for diff_id in diff_ids:
        chain.append(ChainID.of(f"{chain[-1]} {diff_id}".encode()) if chain else ChainID(diff_id.raw))
    return chain
