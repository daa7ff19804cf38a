"""dcat as a plugin of the docker command: what docker says to a plugin, and how it calls one.

Docker runs ``docker-dcat docker-cli-plugin-metadata`` to describe the plugin, ``docker-dcat [OPTIONS] dcat …`` for
``docker [OPTIONS] dcat …``, and ``docker-dcat __complete dcat …`` for its completion. Source: docker/cli, cli-plugins/metadata and
cli-plugins/plugin; spf13/cobra, completions.go (directives).
"""

import json
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from cli.completion import candidates
from cli.output import Output
from cli.surroundings import Surroundings
from cli.version import VERSION

NAME = "dcat"
MARK = "# written by dcat docker-plugin install"
_NO_SPACE, _NO_FILES = 2, 4
# Docker's own options that select the engine, with the variable that means the same; and those with a value that mean nothing here.
_VARIABLES = {
    "--context": "DOCKER_CONTEXT",
    "-c": "DOCKER_CONTEXT",
    "--host": "DOCKER_HOST",
    "-H": "DOCKER_HOST",
    "--config": "DOCKER_CONFIG",
}
_WITH_VALUE = {"--log-level", "-l", "--tlscacert", "--tlscert", "--tlskey"}


def plugin_path(surroundings: Surroundings) -> Path:
    """Return where docker looks for the plugin of a user."""
    configured = surroundings.variables.get("DOCKER_CONFIG")
    return (Path(configured) if configured else surroundings.user_home / ".docker") / "cli-plugins" / f"docker-{NAME}"


def plugin_script() -> str:
    """Return the plugin: a script that runs the dcat that wrote it, whatever is in the working directory or in PATH."""
    program = Path(sys.executable).with_name("dcat")
    command = [str(program)] if program.is_file() else [sys.executable, "-P", "-m", "cli.main"]
    return f'#!/bin/sh\n{MARK}\nexec {shlex.join(command)} __docker_plugin "$@"\n'


def answer_docker(arguments: Sequence[str]) -> list[str] | None:
    """Answer docker's own questions and return None, or return the words of the dcat command that it calls."""
    if list(arguments) == ["docker-cli-plugin-metadata"]:
        about = {
            "SchemaVersion": "0.1.0",
            "Vendor": "dcat",
            "Version": VERSION,
            "ShortDescription": "A catalogue of Docker images on IPFS",
        }
        Output().print_text(json.dumps(about))
        return None
    if arguments and arguments[0] in {"__complete", "__completeNoDesc"}:
        _complete(_without_options(arguments[1:]))
        return None
    return _without_options(arguments)


def _without_options(arguments: Sequence[str]) -> list[str]:
    """Return the words after the plugin's name; docker's options in front of it select the engine through the environment."""
    rest = iter(arguments)
    for word in rest:
        if word == NAME:
            return list(rest)
        option, sign, value = word.partition("=")
        if option in _VARIABLES or option in _WITH_VALUE:
            value = value if sign else next(rest, "")
        if option in _VARIABLES:
            os.environ[_VARIABLES[option]] = value
            if _VARIABLES[option] == "DOCKER_CONTEXT":
                os.environ.pop("DOCKER_HOST", None)  # which would stand over the context
    return []


def _complete(words: Sequence[str]) -> None:
    found = candidates(" ".join([NAME, *(words or [""])]))
    directive = 0 if not found else _NO_FILES | (_NO_SPACE if all(text.endswith(("@", "=", ".")) for text in found) else 0)
    Output().print_text("\n".join([*found, f":{directive}"]))
