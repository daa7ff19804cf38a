"""What of an image must not change: its config, and within one format its archive and manifest (docs/safety.md, A7 and A17)."""

from catalog.model.release import Image
from catalog.record import record


@record(frozen=True, slots=True)
class Content:
    """What a release holds for one platform, as far as it must not change. Archive and manifest are None where not known."""

    config: bytes
    format: str
    archive: bytes | None
    manifest: bytes | None

    def is_changed_to(self, other: "Content") -> bool:
        """Return whether ``other`` is another content than this one; one of another format can only differ in its config."""
        if self.config != other.config:
            return True
        if self.format != other.format or self.archive is None:
            return False
        return (self.archive, self.manifest) != (other.archive, other.manifest)


def content_of(image: Image) -> Content:
    """Return the content of an image."""
    return Content(image.config.raw, image.format, image.archive.binary, image.manifest.raw)
