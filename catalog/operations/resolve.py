"""``dcat resolve``: the image that a reference means, without any network, by the quick look-up, which imports nothing heavy."""

from __future__ import annotations

from catalog.lookup.locate import Lookup, Resolved
from catalog.model.platform import Platform
from catalog.model.reference import Reference
from catalog.model.release import Image
from catalog.record import record
from catalog.trust.notes import ENGINE_IMAGE_ID

TYPE_CHECKING = False  # see catalog.record
if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from typing import Literal

    Form = Literal["cid", "ipfs", "config", "manifest", "image-id"]

FORMS: tuple[Form, ...] = ("cid", "ipfs", "config", "manifest", "image-id")


@record(frozen=True, slots=True)
class ResolvedImage:
    """The release and image that a reference means, and ``text``, the one line in the requested form."""

    resolved: Resolved
    platform: Platform
    image: Image
    image_id: str
    text: str


def resolve(
    lookup: Lookup,
    reference: Reference,
    *,
    now: datetime,
    platform: Platform,
    form: Form = "cid",
    latest: bool = False,
    min_age: timedelta | None = None,
    allow_stale: bool = False,
) -> ResolvedImage:
    """Resolve a reference for ``platform``; a reference by digest or CID means that image, whatever its platform.

    The form ``image-id`` is the digest that the engine showed as image ID at last contact, else the config digest. Raise what
    `Lookup.resolve` raises.
    """
    resolved = lookup.resolve(reference, now=now, platform=platform, latest=latest, min_age=min_age, allow_stale=allow_stale)
    image, chosen = resolved.image, resolved.platform
    if image is None or chosen is None:
        raise AssertionError("a platform was asked for")
    image_id = str(image.manifest if lookup.view.note(ENGINE_IMAGE_ID) == "manifest" else image.config)
    texts: dict[Form, str] = {
        "cid": str(image.archive),
        "ipfs": f"ipfs://{image.archive}",
        "config": str(image.config),
        "manifest": str(image.manifest),
        "image-id": image_id,
    }
    return ResolvedImage(resolved, chosen, image, image_id, texts[form])
