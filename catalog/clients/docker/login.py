"""The user's logins for registries, as ``docker login`` keeps them: docker-py reads them, and asks credential helpers."""

import warnings
from collections.abc import Mapping
from pathlib import Path

import docker
import docker.auth
import docker.constants
import docker.errors

from catalog.errors import UnavailableError

_MALFORMED = (AttributeError, KeyError, TypeError, ValueError, RecursionError)  # how docker-py fails on malformed settings


def find_login(settings: Path, repository: str) -> Mapping[str, str]:
    """Return the header with the user's login for the registry of ``repository``, as ``docker pull`` sends it.

    Raise `UnavailableError` if the settings are malformed, or name a credential helper that fails.
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # docker-py warns of a helper that is not installed, and then fails
            client = docker.APIClient("unix:///nonexistent", version=docker.constants.DEFAULT_DOCKER_API_VERSION)  # asks nothing
            if settings.exists():
                client.reload_config(str(settings))
            registry, _ = docker.auth.resolve_repository_name(repository)
            header = docker.auth.get_config_header(client, registry)
    except (docker.errors.DockerException, *_MALFORMED) as error:
        raise UnavailableError(
            f'the login for the registry of "{repository}" cannot be read', why=str(error), hint=f"look at {settings}"
        ) from error
    return {"X-Registry-Auth": header.decode() if isinstance(header, bytes) else header} if header else {}
