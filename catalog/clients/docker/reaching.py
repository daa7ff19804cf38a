"""Connecting to an engine: how its address is reached, and what is wrong where nobody answers there."""

from catalog.clients.address import explain
from catalog.clients.docker.connection import EngineConnector
from catalog.clients.docker.target import EngineTarget
from catalog.errors import EngineUnavailableError

RESTART_HINT = "restart the Docker daemon (systemctl restart docker) and run the command again"
_SCHEMES = ("unix://", "tcp://", "http://", "https://", "ssh://", "npipe://", "fd://")


def open_connector(target: EngineTarget, elsewhere: str | None) -> EngineConnector:
    """Return how an engine is asked; nothing is connected yet.

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
        return EngineConnector(target)
    except (OSError, ValueError) as error:
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
