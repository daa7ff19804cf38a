"""Objects of Kubernetes: the images of their containers, wherever a pod's template stands in them.

Source: Kubernetes API, core/v1 PodSpec (``containers``, ``initContainers``, ``ephemeralContainers``), core/v1 ImageVolumeSource.
"""

from collections.abc import Iterator

from catalog.deployment.mention import Mention
from catalog.deployment.nodes import Mapping, Node, Scalar, get, get_text, items_of, slots_of

_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")


def is_kubernetes(documents: list[Node]) -> bool:
    """Return whether these are objects of Kubernetes."""
    return bool(documents) and all(get_text(document, "apiVersion") and get_text(document, "kind") for document in documents)


def find_in_kubernetes(documents: list[Node]) -> Iterator[Mention]:
    """Yield the images of all objects, in the order of the text; an image that several aliases name is yielded once."""
    seen: set[int] = set()
    waiting: list[tuple[Node, str]] = [(document, _label(document)) for document in reversed(documents)]
    while waiting:
        node, where = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if not isinstance(node, Mapping):
            waiting += [(item, where) for item in reversed(items_of(node))]
            continue
        if get_text(node, "kind") and get(node, "metadata") is not None:
            where = _label(node)
        yield from _find_in_spec(node, where, seen)
        waiting += [(value, where) for _, value in reversed(node.pairs)]


def _find_in_spec(node: Mapping, where: str, seen: set[int]) -> Iterator[Mention]:
    for key, value in node.pairs:
        name = key.text if isinstance(key, Scalar) else ""
        for item in items_of(value):
            if name in _CONTAINERS:
                image = get(item, "image")
            elif name == "volumes":
                image = get(get(item, "image"), "reference")
            else:
                break
            if isinstance(image, Scalar) and id(image) not in seen:
                seen.add(id(image))
                yield Mention(image.text, f"{where}, {name[:-1]} {get_text(item, 'name') or '?'}", slots_of(image))


def _label(node: Node) -> str:
    return f"{get_text(node, 'kind')} {get_text(get(node, 'metadata'), 'name')}".strip()
