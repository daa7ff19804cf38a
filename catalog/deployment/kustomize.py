"""Kustomizations: the images that they set. Source: kustomize, api/types/image.go and kustomization.go."""

from collections.abc import Iterator

from catalog.deployment.mention import Mention, Slot
from catalog.deployment.nodes import Mapping, Node, Scalar, get, get_text, items_of

_KINDS = ("Kustomization", "Component")
_QUOTES = ("'", '"')


def is_kustomization(name: str, documents: list[Node]) -> bool:
    """Return whether this is a kustomization: by its kind or, since that may be left out, by the file's name."""
    kinds = {get_text(document, "kind") for document in documents}
    if len(documents) != 1 or not isinstance(documents[0], Mapping):
        return False
    return bool(kinds & set(_KINDS)) or (kinds == {""} and name in ("kustomization.yaml", "kustomization.yml", "Kustomization"))


def find_in_kustomization(text: str, documents: list[Node]) -> Iterator[Mention]:
    """Yield each entry of ``images`` with the image that it sets."""
    for entry in items_of(get(documents[0], "images")):
        name = get_text(entry, "name")
        if name and isinstance(entry, Mapping):
            image = get_text(entry, "newName") or name
            tag, digest = get_text(entry, "newTag"), get_text(entry, "digest")
            mention = f"{image}{':' if tag else ''}{tag}{'@' if digest else ''}{digest}"
            yield Mention(mention, f"image {name}", _slots(text, entry), name)


def _slots(text: str, entry: Mapping) -> tuple[Slot, ...]:
    """Return where ``newName``, ``newTag`` and ``digest`` stand, or would stand: behind ``name``, on lines like its own."""
    found = [(key, value) for key, value in entry.pairs if isinstance(key, Scalar) and key.text == "name"]
    if not found:  # a merge key brings it
        return ()
    label, name = found[-1]
    if not isinstance(name, Scalar) or not name.is_inline:
        return ()
    slots, missing = [], ""
    if entry.is_flow:
        end, separator = name.stop + (text[name.start - 1 : name.start] in _QUOTES), ", "
    else:
        end = _end_of_line(text, name.stop)
        column = label.start - (text.rfind("\n", 0, label.start) + 1)
        separator = ("\r\n" if text[end : end + 1] == "\r" else "\n") + " " * column
    for key, template in (("newName", "{name}"), ("newTag", '"{tag}"'), ("digest", "{digest}")):
        value = get(entry, key)
        if value is None:
            missing += f"{separator}{key}: {template}"
        elif isinstance(value, Scalar) and value.is_inline:
            quoted = text[value.start - 1] in _QUOTES
            slots.append(Slot(value.start, value.stop, template.strip('"') if quoted else template))
        else:
            return ()
    return (*slots, Slot(end, end, missing)) if missing else tuple(slots)


def _end_of_line(text: str, at: int) -> int:
    """Return where the line ends that ``at`` stands in, before its line end."""
    stop = text.find("\n", at)
    stop = len(text) if stop < 0 else stop
    return stop - (text[stop - 1] == "\r")
