"""Choosing the engine by the rules of Docker's own command, from values that the caller read from the environment.

Source: docker/cli, cli/command/cli.go (``resolveContextName``) and cli/context/store: a host that was given, else ``DOCKER_HOST``,
else ``DOCKER_CONTEXT``, else ``currentContext`` of ``config.json`` in ``DOCKER_CONFIG`` or ``~/.docker``, else the local socket.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalog.errors import EngineUnavailableError

_DEFAULT_HOST = "unix:///var/run/docker.sock"
# The sockets of engines that are not in a context: rootless Docker, Docker Desktop, podman.
_OTHER_SOCKETS = ("{run}/docker.sock", "{home}/.docker/run/docker.sock", "{run}/podman/podman.sock", "/run/podman/podman.sock")


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The PEM files of a connection over TLS; ``verify`` is false if the user disabled the check of the server."""

    ca: Path
    cert: Path
    key: Path
    verify: bool = True


@dataclass(frozen=True, slots=True)
class EngineTarget:
    """An engine's address, what chose it, and its TLS files. ``config_dir`` holds Docker's settings."""

    host: str
    origin: str
    config_dir: Path
    tls: TlsFiles | None = None

    @property
    def address(self) -> str:
        """The host without a user name and password, to be shown."""
        return re.sub(r"//[^/@]*@", "//", self.host)


def choose_target(host: str | None, environment: Mapping[str, str]) -> EngineTarget:
    """Return the engine that is meant; raise `EngineUnavailableError` for a context that does not exist or cannot be read."""
    config_dir = _config_dir(environment)
    if host := _lower_scheme(host or ""):
        return EngineTarget(host, "given", config_dir, _tls_of_environment(host, environment, config_dir))
    if host := _lower_scheme(environment.get("DOCKER_HOST", "")):
        return EngineTarget(host, "DOCKER_HOST", config_dir, _tls_of_environment(host, environment, config_dir))
    context = environment.get("DOCKER_CONTEXT") or _current_context(config_dir)
    if context and context != "default":
        return _context_target(context, config_dir)
    return EngineTarget(_DEFAULT_HOST, "default", config_dir)


def other_socket(environment: Mapping[str, str]) -> str | None:
    """Return the host of an engine at one of the other usual sockets, or None."""
    run = environment.get("XDG_RUNTIME_DIR", "/nonexistent")
    for pattern in _OTHER_SOCKETS:
        path = Path(pattern.format(run=run, home=environment.get("HOME", "/nonexistent")))
        if path.is_socket():
            return f"unix://{path}"
    return None


def _config_dir(environment: Mapping[str, str]) -> Path:
    configured = environment.get("DOCKER_CONFIG")
    return Path(configured) if configured else Path(environment.get("HOME", "/")) / ".docker"


def _tls_of_environment(host: str, environment: Mapping[str, str], config_dir: Path) -> TlsFiles | None:
    verify = bool(environment.get("DOCKER_TLS_VERIFY"))
    if host.startswith(("unix:", "ssh:", "npipe:")) or not (verify or environment.get("DOCKER_TLS")):
        return None
    folder = Path(environment.get("DOCKER_CERT_PATH") or config_dir)
    return TlsFiles(folder / "ca.pem", folder / "cert.pem", folder / "key.pem", verify)


def _current_context(config_dir: Path) -> str:
    settings = _read_json(config_dir / "config.json")
    name = settings.get("currentContext", "")
    return name if isinstance(name, str) else ""


def _context_target(name: str, config_dir: Path) -> EngineTarget:
    folder = hashlib.sha256(name.encode()).hexdigest()
    endpoint = _read_json(config_dir / "contexts" / "meta" / folder / "meta.json").get("Endpoints", {})
    endpoint = endpoint.get("docker", {}) if isinstance(endpoint, dict) else {}
    host = endpoint.get("Host") if isinstance(endpoint, dict) else None
    if not isinstance(host, str) or not host:
        raise EngineUnavailableError(
            f'Docker\'s context "{name}" does not exist, or names no engine',
            why=f"looked in {config_dir / 'contexts'}",
            hint="docker context ls lists the contexts; DOCKER_HOST takes precedence over them",
        )
    host = _lower_scheme(host)
    certs = config_dir / "contexts" / "tls" / folder / "docker"
    tls = None
    if certs.is_dir() and not host.startswith(("unix:", "ssh:", "npipe:")):
        verify = not endpoint.get("SkipTLSVerify", False)
        tls = TlsFiles(certs / "ca.pem", certs / "cert.pem", certs / "key.pem", verify)
    return EngineTarget(host, f"context {name}", config_dir, tls)


def _lower_scheme(host: str) -> str:
    """Return a host with its scheme in small letters, as the rules for each scheme are written here."""
    scheme, mark, rest = host.partition("://")
    return scheme.lower() + mark + rest if mark else host


def _read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file; an empty one if there is none, as Docker's command does."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
