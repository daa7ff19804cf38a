"""Connecting to an engine: the transport for its address, and what is wrong where nobody answers there."""

import socket
from typing import Any

import docker
import docker.constants
import docker.errors
import docker.tls
import docker.utils

from catalog.clients.address import explain
from catalog.clients.docker.target import EngineTarget
from catalog.errors import EngineUnavailableError

RESTART_HINT = "restart the Docker daemon (systemctl restart docker) and run the command again"
MALFORMED = (AttributeError, KeyError, TypeError, ValueError, RecursionError)  # how docker-py fails on malformed settings
_SCHEMES = ("unix://", "tcp://", "http://", "https://", "ssh://", "npipe://", "fd://")


def open_client(target: EngineTarget, idle_timeout: float, elsewhere: str | None) -> docker.APIClient:
    """Return a client of docker-py for an engine. Nothing is asked yet, but a Unix socket must answer.

    ``elsewhere`` is the host of another engine, which the error names. Raise `EngineUnavailableError`.
    """
    if "://" in target.host and not target.host.lower().startswith(_SCHEMES):
        raise EngineUnavailableError(
            f'"{target.address}" ({target.origin}) is not the address of an engine',
            why=f'its scheme "{target.host.partition(":")[0]}" is unknown',
            hint="set DOCKER_HOST to unix:///path/to/docker.sock or tcp://host:port",
        )
    if target.host.startswith("ssh:"):
        raise unreachable(target, ValueError("dcat makes no SSH connections itself"), elsewhere)
    try:
        docker.utils.parse_host(target.host)
        _knock(target.host, idle_timeout)
    except (docker.errors.DockerException, OSError, ValueError) as error:
        raise unreachable(target, error, elsewhere) from error
    try:
        return _make_client(target, idle_timeout)
    except MALFORMED as error:
        raise EngineUnavailableError(
            "Docker's settings cannot be read", why=str(error), hint="look at config.json in DOCKER_CONFIG or ~/.docker"
        ) from error
    except docker.errors.DockerException as error:
        raise unreachable(target, error, elsewhere) from error


def unreachable(target: EngineTarget, error: Exception, elsewhere: str | None) -> EngineUnavailableError:
    """Return the error for an engine that does not answer."""
    why = innermost(error)
    if "timed out" in str(error):
        hint = RESTART_HINT
    elif "Permission denied" in why:
        hint = "this user may not use the socket: be a member of the group that owns it (docker), or use a rootless engine"
    elif target.host.startswith("ssh:"):
        hint = "forward its socket (ssh -L /tmp/docker.sock:/var/run/docker.sock …) and set DOCKER_HOST to unix:///tmp/docker.sock"
    elif elsewhere:
        hint = f"another engine listens at {elsewhere}: set DOCKER_HOST to it"
    else:
        hint = "start the engine, or set DOCKER_HOST to where it listens"
    return EngineUnavailableError(f"no engine answers at {target.address} ({target.origin})", why=why, hint=hint)


def innermost(error: BaseException) -> str:
    """Return the text of the innermost exception: the libraries wrap it, with names of objects and numbers in the text."""
    seen = error
    for _ in range(10):
        inner = getattr(seen, "reason", None)
        if not isinstance(inner, BaseException):
            inner = next((entry for entry in reversed(seen.args) if isinstance(entry, BaseException)), seen.__cause__)
        if not isinstance(inner, BaseException):
            break
        seen = inner
    return explain(seen)


def _knock(host: str, timeout: float) -> None:
    """Connect to a Unix socket once: for the system's own error, and because docker-py does not close a failed connection."""
    if host.startswith("unix://"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(timeout)
            sock.connect("/" + host.removeprefix("unix://").lstrip("/"))


def _make_client(target: EngineTarget, idle_timeout: float) -> docker.APIClient:
    tls: docker.tls.TLSConfig | bool = False
    if target.tls is not None:
        files = target.tls
        tls = docker.tls.TLSConfig(client_cert=(str(files.cert), str(files.key)), ca_cert=str(files.ca), verify=files.verify)
    seconds: Any = idle_timeout  # typed as int, but passed to the socket as it is
    # The version is asked for by `_newest_version`: docker-py would do so before `trust_env` is off.
    client = docker.APIClient(base_url=target.host, tls=tls, timeout=seconds, version=docker.constants.DEFAULT_DOCKER_API_VERSION)
    client.headers["Accept-Encoding"] = "identity"
    client.trust_env = False  # proxies, passwords and authorities of the environment are not meant for an engine
    return client
