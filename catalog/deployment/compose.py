"""Compose files: the image of each service. Source: compose-spec, "services" (``image``, ``build``) and "fragments"."""

from collections.abc import Iterator

from catalog.deployment.mention import Mention
from catalog.deployment.nodes import Node, Scalar, get, pairs_of, slots_of


def is_compose(documents: list[Node]) -> bool:
    """Return whether this is a Compose file: it has services, and is not an object of Kubernetes."""
    return len(documents) == 1 and get(documents[0], "services") is not None and get(documents[0], "apiVersion") is None


def find_in_compose(documents: list[Node]) -> Iterator[Mention]:
    """Yield the image of each service; one that is built here has no image to lock."""
    for document in documents:
        for service, body in pairs_of(get(document, "services")):
            image = get(body, "image")
            if isinstance(image, Scalar) and get(body, "build") is None:
                yield Mention(image.text, f"service {service}", slots_of(image), service)
