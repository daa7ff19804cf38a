"""Completion for bash, zsh and fish: small scripts that ask ``dcat __complete SHELL LINE`` for candidates, one a line.

The answer comes before Typer is imported: verbs from `cli.verbs`, names and versions from the index by the look-up that `resolve`
uses. Options are the one thing that only the commands know; for a word that begins with a dash they are imported. Never an error:
what cannot be completed has no candidates.
"""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from cli.context import Surroundings
from cli.verbs import VERBS

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

# Verbs whose words are references, and those whose words are names; every other word is for the shell to complete.
_TAKE_REFERENCES = {"resolve", "pull", "save", "show", "diff", "yank", "remove", "pin", "unpin", "verify", "log", "export"}
_TAKE_NAMES = {"list", "publish", "outdated", "prefer"}
_TAKE_WORDS = {
    "config": ("get", "list", "set", "unset"),
    "completion": ("install", "show"),
    "help": (*VERBS, "environment", "exit-codes", "references", "settings"),
}
_FILE_OPTIONS = {"--from", "--output", "-o", "--repair", "--image"}


def show_candidates(arguments: Sequence[str]) -> int:
    """Print the candidates for the last word of a line (``SHELL LINE``)."""
    if len(arguments) == 2:
        with suppress(Exception):
            sys.stdout.write("".join(candidate + "\n" for candidate in candidates(arguments[1])))
    return 0


def candidates(line: str) -> list[str]:
    """Find what the last word of ``line``, which begins with ``dcat``, may become."""
    *before, word = line.lstrip().split(" ") if line.strip() else [""]
    words = [typed for typed in before[1:] if typed]
    verb = next((typed for typed in words if not typed.startswith("-")), "")
    if words and words[-1] in _FILE_OPTIONS:
        return []
    if word.startswith("-"):
        return [option for option in _options(verb) if option.startswith(word)]
    if not verb:
        return [known for known in VERBS if known.startswith(word)]
    if verb in _TAKE_WORDS:
        taken = sum(not typed.startswith("-") for typed in words)
        return [known for known in _TAKE_WORDS[verb] if known.startswith(word)] if taken == 1 else []
    if verb in _TAKE_NAMES:
        return _names(word)
    return _references(word) if verb in _TAKE_REFERENCES else []


def _names(word: str) -> list[str]:
    from catalog.index.lookup import open_lookup

    with open_lookup(Surroundings(os.environ).home) as lookup:
        return lookup.complete_names(word, MOST_CANDIDATES)


def _references(word: str) -> list[str]:
    """Complete a name up to its ``@``, then its versions; both at once where one name is left."""
    from catalog.index.lookup import open_lookup

    with open_lookup(Surroundings(os.environ).home) as lookup:
        sign = "@" if "@" in word else ":" if ":" in word else ""
        if sign:
            name, _, start = word.partition(sign)
            return [f"{name}{sign}{version}" for version in lookup.complete_versions(name, start, MOST_CANDIDATES)]
        names = lookup.complete_names(word, MOST_CANDIDATES)
        if len(names) != 1:
            return [name + "@" for name in names]
        return [f"{names[0]}@{version}" for version in lookup.complete_versions(names[0], "", MOST_CANDIDATES)] or [names[0] + "@"]


def _options(verb: str) -> list[str]:
    from cli.app import options_of

    return options_of(verb)
