"""Completion for bash, zsh and fish: small scripts that run ``dcat __complete SHELL LINE`` for candidates, one a line.

Candidates are found without Typer: verbs in `cli.verbs`, names and versions in the index by the look-up of `resolve`. Only for a
word that begins with a dash are the commands imported, which declare the options. There are no errors: what cannot be completed has
no candidates.
"""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager, suppress

from cli.surroundings import Surroundings
from cli.verbs import VERBS

TYPE_CHECKING = False  # see catalog.record
if TYPE_CHECKING:
    from collections.abc import Sequence

    from catalog.lookup.view import View

MOST_CANDIDATES = 500

BASH = """\
_dcat() {
    local line="${COMP_LINE:0:COMP_POINT}" breaks="" sign candidate
    local word="${line##*[[:space:]]}"
    for sign in @ : =; do [[ $COMP_WORDBREAKS == *"$sign"* ]] && breaks+="$sign"; done
    local prefix=""
    [[ -n $breaks ]] && prefix="${word%"${word##*["$breaks"]}"}"
    COMPREPLY=()
    while IFS= read -r candidate; do COMPREPLY+=("${candidate#"$prefix"}"); done < <(dcat __complete bash "$line" 2>/dev/null)
    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[@=.] ]] && compopt -o nospace
}
complete -o bashdefault -o default -F _dcat dcat
"""
ZSH = """\
#compdef dcat
_dcat() {
    local -a candidates open
    candidates=("${(@f)$(dcat __complete zsh "${(j: :)words[1,CURRENT]}" 2>/dev/null)}")
    candidates=(${candidates:#})
    open=(${(M)candidates:#*[@=.]})
    candidates=(${candidates:#*[@=.]})
    (( ${#open} )) && compadd -S '' -- $open
    (( ${#candidates} )) && compadd -- $candidates
    (( ${#open} + ${#candidates} )) || _files
}
if [ "$funcstack[1]" = _dcat ]; then _dcat "$@"; else compdef _dcat dcat; fi
"""
FISH = """\
complete -c dcat -f -a '(dcat __complete fish (commandline -cp | string collect) 2>/dev/null)'
complete -c dcat -n 'not dcat __complete fish (commandline -cp | string collect) 2>/dev/null | string length -q' -F
"""
SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}

# Verbs whose arguments are references, and those whose arguments are names; the shell completes all other words.
_TAKE_REFERENCES = {
    "lock",
    "files",
    "cat",
    "resolve",
    "pull",
    "save",
    "show",
    "diff",
    "yank",
    "remove",
    "pin",
    "unpin",
    "verify",
    "log",
    "export",
}
_TAKE_NAMES = {"list", "publish", "outdated", "prefer"}
_TAKE_WORDS = {
    "config": ("get", "list", "set", "unset"),
    "completion": ("install", "show"),
    "docker-plugin": ("install", "remove"),
    "mirror": ("install", "remove", "status"),
    "service": ("install", "remove", "status"),
    "key": ("export", "import", "revocation", "revoke", "show"),
    "trust": ("accept", "list", "refuse"),
    "help": (*VERBS, "environment", "exit-codes", "references", "settings"),
}
# The word after one of these options is its value: one of these words, or what the shell completes.
_VALUES: dict[str, tuple[str, ...]] = {
    "--as": ("cid", "ipfs", "config", "manifest", "image-id"),
    "--platform": ("linux/amd64", "linux/arm64", "linux/arm/v7"),
    "--progress": ("auto", "plain", "json", "none"),
    "--catalogue": ("mine",),
    "--compress": ("auto", "always", "never"),
}
_REFERENCE_OPTIONS = {"--copy", "--since"}
VALUE_OPTIONS = {
    *_VALUES,
    *_REFERENCE_OPTIONS,
    *(
        "--allowed-host",
        "--ca-file",
        "--compress",
        "--annotation",
        "--from",
        "--host",
        "--image",
        "--limit",
        "--max-size",
        "--min-age",
        "--older-than",
        "-o",
    ),
    *(
        "--every",
        "--file",
        "--fingerprint",
        "--format",
        "--name",
        "--passphrase-file",
        "--static",
        "--successor",
        "--output",
        "--port",
        "--via",
        "--reason",
        "--registry",
        "--root",
        "--search",
        "--tag",
        "--timeout",
        "--title",
        "--token-file",
    ),
}


def show_candidates(arguments: Sequence[str]) -> int:
    """Print the candidates for the last word of a line; ``arguments`` are the shell and the line."""
    if len(arguments) == 2:
        with suppress(Exception):
            sys.stdout.write("".join(candidate + "\n" for candidate in candidates(arguments[1])))
            sys.stdout.flush()
    return 0


def candidates(line: str) -> list[str]:
    """Return the completions of the last word of ``line``, which begins with ``dcat``."""
    *before, word = line.lstrip().split(" ")
    words = [typed for typed in before[1:] if typed]
    named = [typed for at, typed in enumerate(words) if not typed.startswith("-") and not (at and words[at - 1] in VALUE_OPTIONS)]
    verb = named[0] if named else ""
    if words and words[-1] in _REFERENCE_OPTIONS:
        return _references(word)
    if words and words[-1] in VALUE_OPTIONS:
        return [value for value in _VALUES.get(words[-1], ()) if value.startswith(word)]
    if word.startswith("-"):
        return [option for option in _options(words) if option.startswith(word)]
    if not verb:
        return [known for known in VERBS if known.startswith(word)]
    if verb in _TAKE_WORDS:
        return [known for known in _words_of(named) if known.startswith(word)]
    if verb in _TAKE_NAMES:
        return _names(word)
    return _references(word) if verb in _TAKE_REFERENCES else []


def _words_of(typed: Sequence[str]) -> Sequence[str]:
    """Return what may follow the words of a verb that takes fixed words."""
    if len(typed) == 1:
        return _TAKE_WORDS[typed[0]]
    if typed[0] == "completion":
        return tuple(SCRIPTS)
    if typed[0] == "mirror" and typed[1] != "status":
        return ("containerd", "docker", "podman", "k3s", "rke2")
    if typed[0] == "config" and typed[1] != "list" and len(typed) == 2:
        from cli.settings.keys import KEYS

        return tuple(KEYS)
    return ()


def _names(word: str) -> list[str]:
    from catalog.lookup.completing import complete_names

    with _open_view() as view:
        return complete_names(view, word, MOST_CANDIDATES)


def _references(word: str) -> list[str]:
    """Complete a name up to its ``@``, then its versions; both at once where only one name is left."""
    from catalog.lookup.completing import complete_names, complete_versions

    with _open_view() as view:
        sign = "@" if "@" in word else ":" if ":" in word else ""
        if sign:
            name, _, start = word.partition(sign)
            return [f"{name}{sign}{version}" for version in complete_versions(view, name, start, MOST_CANDIDATES)]
        names = complete_names(view, word, MOST_CANDIDATES)
        if len(names) != 1:
            return [name + "@" for name in names]
        return [f"{names[0]}@{version}" for version in complete_versions(view, names[0], "", MOST_CANDIDATES)] or [names[0] + "@"]


def _open_view() -> AbstractContextManager[View]:
    from catalog.lookup.opening import open_view

    return open_view(Surroundings(os.environ).home_text)


def _options(words: Sequence[str]) -> list[str]:
    from cli.app import options_of

    return options_of([word for word in words if not word.startswith("-")])
