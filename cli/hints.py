"""What to try after an error: a command to copy. The library's hints speak of the domain; commands are named here."""

from collections.abc import Callable, Sequence

from catalog.errors import AmbiguousReferenceError, DcatError, PlatformNotFoundError
from catalog.model.text import quote
from cli.failures import OptionValueError

# By the error's code, made from the arguments that were typed; used before the error's own hint.
_INSTEAD: dict[str, Callable[[Sequence[str]], str]] = {
    "record-expired": lambda typed: to_command([*typed, "--allow-stale"]) if "--latest" in typed else "",
    "unavailable": lambda typed: "dcat config set sources.NAME.url URL" if {"pull", "save", "pin"} & set(typed) else "",
}

# By the error's code, where the error has no hint of its own.
COMMAND_HINTS: dict[str, str] = {
    "release-not-found": "dcat list",
    "catalogue-not-found": "dcat status",
    "image-not-found": "docker image ls",
    "image-incomplete": "dcat doctor",
    "path-not-found": "dcat files REF",
    "locked": "dcat status",
    "block-mismatch": "dcat verify",
    "block-not-found": "dcat verify",
    "home-corrupt": "dcat verify --repair",
    "encoder-mismatch": "dcat doctor",
    "engine-unavailable": "dcat doctor",
    "invalid-config": "dcat config list",
    "invalid-name": "dcat help references",
    "invalid-version": "dcat help references",
    "invalid-reference": "dcat help references",
}

_FULL = ("no space left", "disk is full", "disk is too full")


def hint_for(error: DcatError, typed: Sequence[str]) -> str:
    """Return what to try: the typed command with the likely correction, the error's own hint, or a command that shows more."""
    if isinstance(error, OptionValueError):
        return error.before + to_command([*_without_option(typed, error.option), *error.instead])
    if isinstance(error, PlatformNotFoundError) and error.nearest:
        return to_command([*_without_option(typed, "--platform"), "--platform", error.nearest[0]])
    if isinstance(error, AmbiguousReferenceError) and error.nearest and "--from" in typed and "--image" not in typed:
        return to_command([*typed, "--image", error.nearest[0]])  # one of several images in an export
    if error.nearest:
        for place, argument in enumerate(typed):
            if f'"{argument}"' in error.message:
                return to_command([*typed[:place], error.nearest[0], *typed[place + 1 :]])
    if error.code == "storage" and error.message.startswith("no space left"):
        return error.hint or "dcat gc --yes"
    if error.code == "engine-conflict" and "pull" in typed and "--force" not in typed and "has a tag" in error.message:
        return to_command([*typed, "--force"])
    if error.hint.startswith("import the key"):
        return "dcat key import FILE"
    if error.hint == "name a source that has it" or (error.code == "unavailable" and not error.hint and typed[:1] == ["recover"]):
        return "dcat config set sources.NAME.url URL"
    if error.hint.startswith("it requires a token"):
        return "dcat config set sources.NAME.token-file FILE"
    if error.code == "invalid-config" and error.message.startswith("--") and not error.hint:
        return to_command([*typed[:1], "--help"])  # an option was wrong, not a setting
    instead = _INSTEAD[error.code](typed) if error.code in _INSTEAD else ""
    if error.code == "storage" and not error.hint:
        text = f"{error.message} {error.why}".lower()  # the name of a file may be part of it
        return "dcat gc" if any(fault in text for fault in _FULL) else ""  # for a file that may not be written, gc is no help
    return instead or error.hint or COMMAND_HINTS.get(error.code, "")


def to_command(typed: Sequence[str]) -> str:
    """Return a dcat command line, quoted for a shell."""
    return " ".join(map(quote, ["dcat", *typed]))


def _without_option(typed: Sequence[str], option: str) -> list[str]:
    kept: list[str] = []
    skip = False
    for argument in typed:
        if not skip and argument != option and not argument.startswith(option + "="):
            kept.append(argument)
        skip = argument == option
    return kept
