"""Verbs of other tools. The answer's hint is a command that runs as it stands; where there is none, only the reason is given."""

import os
import tarfile
from collections.abc import Callable, Sequence
from contextlib import suppress

from catalog.errors import DcatError
from catalog.lookup.locate import open_lookup
from catalog.lookup.releases import get_release
from catalog.model.reference import Reference, parse_reference
from cli.failures import UsageError
from cli.hints import to_command
from cli.surroundings import Surroundings
from cli.text import escape
from cli.verbs import FOREIGN

_LOAD = "an exported image is published: dcat publish NAME VERSION --from FILE"
_Words = Sequence[str]


def answer_foreign(verb: str, rest: _Words, accepts: Callable[[_Words], bool]) -> UsageError:
    """Return the error for a verb of another tool; ``accepts`` says whether dcat's parser takes a command line."""
    special = _SPECIAL.get(verb)
    why, words = (
        special(rest) if special else (f'"{verb}" of other tools is {" or ".join(FOREIGN[verb])} here', [FOREIGN[verb][0], *rest])
    )
    names_nothing = words == ["pull"]  # it parses, since --locked takes the place of references, and means nothing alone
    if words and (names_nothing or not accepts(words)):
        words = [words[0], "--help"] if words[0] in FOREIGN[verb] and not special else []
    return UsageError(f'dcat has no command "{escape(verb)}"', why=why, hint=to_command(words) if words else "")


def _load(rest: _Words) -> tuple[str, _Words]:
    """Publish the file under the name and version of its only tag."""
    file = next((word.partition("=")[2] or word for word in rest if not word.startswith("-") or word.startswith("--input=")), "")
    tags = _tags_of(file)
    release = _parse(tags[0]) if len(tags) == 1 else None
    return _LOAD, ["publish", release.name, release.version, "--from", file] if release else []


def _tags_of(path: str) -> list[str]:
    """Return the tags in the manifest.json of an uncompressed ``docker save``; none of any other file."""
    import json

    with suppress(OSError, tarfile.TarError, ValueError, KeyError, TypeError), tarfile.open(path, "r:") as archive:
        stream = archive.extractfile("manifest.json")
        if stream is not None:
            return [str(tag) for image in json.loads(stream.read(1 << 20)) for tag in image["RepoTags"] or ()]
    return []


def _tag(rest: _Words) -> tuple[str, _Words]:
    """Publish the source, a release or else an image of the engine, under the name and version of the target."""
    why = "a release never changes its name; the same image is published under another one"
    target = _parse(rest[1]) if len(rest) == 2 else None
    if target is None:
        return why, []
    source = ["--image", rest[0]]
    with suppress(DcatError), open_lookup(Surroundings(os.environ).home) as lookup:
        if lookup.view.own() is not None and (known := _parse(rest[0])):
            own = lookup.view.own()
            if own is not None and get_release(lookup.view, own.catalogue, known.name, known.version) is not None:
                source = ["--copy", rest[0]]
    return why, ["publish", target.name, target.version, *source]


def _run(rest: _Words) -> tuple[str, _Words]:
    image = next((word for word in rest if not word.startswith("-") and _parse(word)), "")
    return "dcat runs nothing; it pulls images into the engine", ["pull", image] if image else []


def _parse(text: str) -> Reference | None:
    """Return a reference that is a name and a version; None for any other text."""
    with suppress(DcatError):
        reference = parse_reference(text)
        if reference.name and reference.version:
            return reference
    return None


_SPECIAL: dict[str, Callable[[_Words], tuple[str, _Words]]] = {
    "add": _load,
    "build": lambda _: ("dcat builds no images; it publishes those that docker build made: dcat publish NAME VERSION", []),
    "init": lambda _: ("there is nothing to set up: the first dcat publish NAME VERSION creates the catalogue and its key", []),
    "load": _load,
    "run": _run,
    "tag": _tag,
    "version": lambda _: ("it is an option", ["--version"]),
}
