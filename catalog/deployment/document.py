"""A file that deploys images: its kind, the images that it names, and the same file with them locked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from catalog.deployment.compose import find_in_compose, is_compose
from catalog.deployment.dockerfile import find_in_dockerfile
from catalog.deployment.kubernetes import find_in_kubernetes, is_kubernetes
from catalog.deployment.kustomize import find_in_kustomization, is_kustomization
from catalog.deployment.mention import LockedName, Mention
from catalog.deployment.nodes import parse_documents
from catalog.errors import InvalidInputError
from catalog.limits import MAX_DEPLOYMENT_SIZE

Kind = Literal["compose", "kubernetes", "kustomization", "dockerfile"]
_YAML_ENDINGS = (".yaml", ".yml")
_DOCKERFILES = ("dockerfile", "containerfile")


@dataclass(frozen=True, slots=True)
class Deployment:
    """The text of a file and the images that it names, in the order of the text."""

    kind: Kind
    text: str
    mentions: tuple[Mention, ...]

    def find_line(self, mention: Mention) -> int | None:
        """Return the number of the line that names an image; None where its name is written over several lines."""
        return self.text.count("\n", 0, mention.slots[0].start) + 1 if mention.slots else None


def looks_like_deployment(path: str) -> bool:
    """Return whether what a user typed is a file by its name: it ends as YAML does, or is called as Dockerfiles are."""
    name = path.rpartition("/")[2]
    return name.endswith(_YAML_ENDINGS) or name == "Kustomization" or _is_dockerfile(name)


def read_deployment(path: str, content: bytes) -> Deployment:
    """Return what a file names; raise `InvalidInputError` with the path in its message."""
    try:
        if len(content) > MAX_DEPLOYMENT_SIZE:
            raise InvalidInputError("it is too large", why=f"it has more than {MAX_DEPLOYMENT_SIZE} bytes")
        return _read(path.rpartition("/")[2], content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"{path} cannot be read", why="it is not UTF-8") from error
    except InvalidInputError as error:
        raise InvalidInputError(f"{path} cannot be read", why=f"{error.message}{': ' if error.why else ''}{error.why}") from error


def _read(name: str, text: str) -> Deployment:
    if _is_dockerfile(name):
        return Deployment("dockerfile", text, tuple(find_in_dockerfile(text)))
    documents = parse_documents(text)
    if is_kustomization(name, documents):
        return Deployment("kustomization", text, tuple(find_in_kustomization(text, documents)))
    if is_compose(documents):
        return Deployment("compose", text, tuple(find_in_compose(documents)))
    if is_kubernetes(documents):
        return Deployment("kubernetes", text, tuple(find_in_kubernetes(documents)))
    raise InvalidInputError("it is neither a Compose file, nor objects of Kubernetes, a kustomization or a Dockerfile")


def _is_dockerfile(name: str) -> bool:
    lower = name.lower()
    return lower.startswith(_DOCKERFILES) or lower.endswith(tuple(f".{ending}" for ending in _DOCKERFILES))


def rewrite(path: str, deployment: Deployment, locked: Mapping[Mention, LockedName]) -> str:
    """Return the text with the names of these mentions replaced, and no other character changed.

    Raise `InvalidInputError` where a name stands in a form that cannot be replaced in its place, and where the result would not
    be read back as it is meant.
    """
    edits: dict[tuple[int, int], str] = {}
    for mention, name in locked.items():
        if not mention.slots:
            raise InvalidInputError(
                f"{path}: the image of {mention.where} cannot be replaced in its place",
                why="it is not written in one piece on one line",
                hint="write it as one word",
            )
        for slot in mention.slots:
            text = slot.template.format(reference=name.reference, name=name.name, tag=name.tag, digest=name.digest)
            edits[slot.start, slot.stop] = text
    pieces, at = [], 0
    for (start, stop), text in sorted(edits.items()):
        pieces += [deployment.text[at:start], text]
        at = stop
    result = "".join([*pieces, deployment.text[at:]])
    wanted = [locked[mention].reference if mention in locked else mention.text for mention in deployment.mentions]
    if [mention.text for mention in _read_again(path, result)] != wanted:
        raise InvalidInputError(f"{path} cannot be rewritten", why="the result would not be read as it is meant")
    return result


def _read_again(path: str, text: str) -> tuple[Mention, ...]:
    """Return what a rewritten text names; nothing where it cannot be read, so that it is not taken for what was meant."""
    content = text.encode()
    if len(content) > MAX_DEPLOYMENT_SIZE:
        raise InvalidInputError(f"{path} cannot be rewritten", why=f"it would have more than {MAX_DEPLOYMENT_SIZE} bytes")
    try:
        return read_deployment(path, content).mentions
    except InvalidInputError:
        return ()
