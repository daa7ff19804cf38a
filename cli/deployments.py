"""Files that deploy images, as ``dcat lock`` takes them: read, locked, compared with a lock, and written in their place."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from catalog import operations
from catalog.deployment.document import Deployment, looks_like_deployment, read_deployment, rewrite
from catalog.deployment.forms import Pinned
from catalog.deployment.mention import ImageName, LockedName, Mention, parse_image_name
from catalog.errors import DcatError, NotFoundError
from catalog.limits import MAX_DEPLOYMENT_SIZE
from catalog.model.lock import LockedRelease
from catalog.storage.files import replace_file

LockName = Callable[[ImageName], "operations.LockedImageName | None"]
CheckName = Callable[[ImageName], LockedRelease | None]
_NOT_OURS = "no catalogue here has it"


@dataclass(frozen=True, slots=True)
class LockedFile:
    """A file with the images in it that are locked, and those that are left as they are, each with the reason."""

    path: str
    deployment: Deployment
    locked: dict[Mention, "operations.LockedImageName"] = field(default_factory=dict)
    left: list[tuple[Mention, str]] = field(default_factory=list)

    @property
    def releases(self) -> list[LockedRelease]:
        return [found.release for found in self.locked.values()]

    @property
    def pinned(self) -> list[Pinned]:
        return [
            Pinned(found.image, found.locked, mention.text, mention.label, self.deployment.kind)
            for mention, found in self.locked.items()
        ]


def split_arguments(arguments: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the references and the files of a command line: what is called like a file that deploys images is one."""
    references: list[str] = []
    files: list[str] = []
    for argument in arguments:
        (files if looks_like_deployment(argument) else references).append(argument)
    return references, files


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """A file compared with a lock: the images that disagree with it, and those that are none of ours, each with the reason."""

    path: str
    deployment: Deployment
    agreeing: int
    problems: list[tuple[Mention, DcatError]]
    left: list[tuple[Mention, str]]


def lock_file(path: str, lock_name: LockName) -> LockedFile:
    """Read a file and lock the images that it names; raise an error that says where in the file it happened."""
    found = LockedFile(path, _read_file(path))
    for mention, image in _images_in(found.deployment, found.left):
        try:
            locked = lock_name(image)
        except DcatError as error:
            error.why = f"{error.why}{'; ' if error.why else ''}{path}, {mention.where}, names {mention.text}"
            raise
        if locked is None:
            found.left.append((mention, _NOT_OURS))
        else:
            found.locked[mention] = locked
    return found


def check_file(path: str, check_name: CheckName) -> CheckedFile:
    """Read a file and compare the images that it names with a lock."""
    deployment = _read_file(path)
    agreeing = 0
    problems: list[tuple[Mention, DcatError]] = []
    left: list[tuple[Mention, str]] = []
    for mention, image in _images_in(deployment, left):
        try:
            if check_name(image) is None:
                left.append((mention, _NOT_OURS))
            else:
                agreeing += 1
        except DcatError as error:
            problems.append((mention, error))
    return CheckedFile(path, deployment, agreeing, problems, left)


def _read_file(path: str) -> Deployment:
    if not Path(path).is_file():
        raise NotFoundError(f"there is no file {path}", why="what ends in .yaml or .yml, or is called Dockerfile, is a file")
    with Path(path).open("rb") as stream:
        return read_deployment(path, stream.read(MAX_DEPLOYMENT_SIZE + 1))


def _images_in(deployment: Deployment, left: list[tuple[Mention, str]]) -> Iterator[tuple[Mention, ImageName]]:
    """Yield the images that a file names; what is not the name of one is added to ``left``, with the reason."""
    for mention in deployment.mentions:
        image = parse_image_name(mention.text)
        if image is None:
            left.append((mention, "it has a variable without a value" if "$" in mention.text else "it is not the name of an image"))
        else:
            yield mention, image


def write_in_place(files: Sequence[LockedFile]) -> list[str]:
    """Rewrite the files; return the paths of those that changed. All are checked before one is written."""
    texts = {file.path: rewrite(file.path, file.deployment, _names(file)) for file in files}
    changed = []
    for file in files:
        if texts[file.path] != file.deployment.text:
            path = Path(file.path).resolve()  # where a link leads is rewritten, and the link stays
            with replace_file(path, mode=path.stat().st_mode & 0o777) as stream:
                stream.write(texts[file.path].encode())
            changed.append(file.path)
    return changed


def _names(file: LockedFile) -> dict[Mention, LockedName]:
    return {mention: found.locked for mention, found in file.locked.items()}
