"""Requests to an engine's API: one place for addresses, versions, time limits, and what goes wrong on the way.

docker-py brings the transports (Unix sockets, TCP, TLS, SSH) and the user's logins; what is asked is written out here, since its
calls for images hide the parameters and time limits that large images need.
"""

import json
import re
import socket
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import docker
import docker.auth
import docker.constants
import docker.errors
import docker.tls
import docker.utils
import requests
import urllib3.exceptions

from catalog.clients.docker.target import EngineTarget
from catalog.errors import EngineUnavailableError, UnavailableError
from catalog.limits import CONNECT_TIMEOUT, MIB

_LOST = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)
_RESTART = "restart the Docker daemon (systemctl restart docker) and run the command again"
_MALFORMED = (AttributeError, KeyError, TypeError, ValueError, RecursionError)  # how docker-py fails on settings of another shape
_TIMEOUTS = (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError)


class EngineApi:
    """A connection to one engine's API, in the newest version that the engine has."""

    def __init__(self, target: EngineTarget, idle_timeout: float, elsewhere: str | None = None) -> None:
        """Connect; ``elsewhere`` is another engine's host, to be named where nobody answers at this one."""
        self.target = target
        self.idle_timeout = idle_timeout
        try:
            docker.utils.parse_host(target.host)
            _knock(target.host, idle_timeout)
        except (docker.errors.DockerException, OSError, ValueError) as error:
            raise _unreachable(target, str(error), elsewhere) from error
        try:
            self._client = _client(target, idle_timeout)
        except _MALFORMED as error:
            raise EngineUnavailableError(
                "Docker's settings cannot be read", why=str(error), hint="look at config.json in DOCKER_CONFIG or ~/.docker"
            ) from error
        except docker.errors.DockerException as error:
            raise _unreachable(target, str(error), elsewhere) from error
        try:
            self.version = self._newest_version()
        except _LOST as error:
            self.close()
            raise _unreachable(target, str(error), elsewhere) from error
        except BaseException:
            self.close()
            raise

    def at_least(self, major: int, minor: int) -> bool:
        """Tell whether the engine speaks this version of the API."""
        return self.version >= (major, minor)

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        data: Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        stream: bool = False,
        patience: float = 0.0,
    ) -> requests.Response:
        """Send one request. ``patience`` is added to the seconds of silence that are borne until the answer begins.

        Raises `EngineUnavailableError`; a status of any kind is the caller's to judge. With ``stream`` the caller closes the
        response.
        """
        # Over a Unix socket the first limit is also that of each write.
        limits = (self.idle_timeout if data is not None else min(CONNECT_TIMEOUT, self.idle_timeout), self.idle_timeout + patience)
        version = ".".join(str(part) for part in self.version)
        url = f"{self._client.base_url}/v{version}{quote(path, safe='/:@')}"
        with self._translated():
            return self._client.request(
                method, url, params=params, data=data, headers=headers, stream=stream, timeout=limits, allow_redirects=False
            )

    def get_json(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        """Give the answer to a GET that cannot miss; raise `EngineUnavailableError` for any other status than 200."""
        response = self.request("GET", path, params=params)
        if response.status_code != 200:
            raise self.refused(response, f"GET {path}")
        return self.json_of(response)

    def json_of(self, response: requests.Response) -> Any:
        """Give the JSON of an answer."""
        try:
            return response.json()
        except (ValueError, RecursionError) as error:
            raise EngineUnavailableError(
                f"{self.target.address} does not answer as an engine does",
                why=str(error),
                hint="is it Docker's or podman's socket?",
            ) from error

    def events(self, response: requests.Response) -> Iterator[dict[str, Any]]:
        """Give the JSON objects of a stream, as they come, one a line."""
        self.limit_silence(response)
        with self._translated():
            for line in response.iter_lines(chunk_size=None):
                if line.strip():
                    try:
                        event = json.loads(line)
                    except (ValueError, RecursionError) as error:
                        raise EngineUnavailableError(f"{self.target.address} sent a malformed event", why=str(error)) from error
                    if isinstance(event, dict):
                        yield event

    def body(self, response: requests.Response) -> Iterator[bytes]:
        """Give a streamed body as its pieces come: gathering them in larger ones costs as much again as reading them."""
        with self._translated():
            yield from response.raw.stream(MIB, decode_content=False)

    def limit_silence(self, response: requests.Response) -> None:
        """Once the answer has begun, only ``idle_timeout`` is borne, whatever the patience was before."""
        sock = getattr(response.raw.connection, "sock", None) if response.raw is not None else None
        if sock is not None:
            sock.settimeout(self.idle_timeout)

    def registry_auth(self, repository: str) -> Mapping[str, str]:
        """Give the header with the user's login for the registry of ``repository``, as ``docker pull`` sends it.

        Raises `UnavailableError` where the user's settings are malformed, or name a credential helper that does not give it.
        """
        settings = self.target.config_dir / "config.json"
        try:
            with warnings.catch_warnings(action="ignore"):  # a helper that is not installed is warned of, and then fails
                if settings.exists():
                    self._client.reload_config(str(settings))
                registry, _ = docker.auth.resolve_repository_name(repository)
                header = docker.auth.get_config_header(self._client, registry)
        except (docker.errors.DockerException, *_MALFORMED) as error:
            raise UnavailableError(
                f'the login for the registry of "{repository}" cannot be had', why=str(error), hint=f"look at {settings}"
            ) from error
        return {"X-Registry-Auth": header.decode() if isinstance(header, bytes) else header} if header else {}

    def refused(self, response: requests.Response, what: str) -> EngineUnavailableError:
        """Make an error of a status that nothing explains better."""
        return EngineUnavailableError(
            f"the engine at {self.target.address} refused {what}", why=f"status {response.status_code}: {message_of(response)}"
        )

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def _stuck(self) -> EngineUnavailableError:
        return EngineUnavailableError(
            f"the engine at {self.target.address} said nothing for {self.idle_timeout:g} s",
            why="an engine can hang after an interrupted load, or when its disk does not answer",
            hint=_RESTART,
        )

    def _newest_version(self) -> tuple[int, ...]:
        response = self._client.get(
            f"{self._client.base_url}/version", timeout=(min(CONNECT_TIMEOUT, self.idle_timeout), self.idle_timeout)
        )
        answer = self.json_of(response)
        text = str(answer.get("ApiVersion")) if isinstance(answer, dict) else ""
        if not re.fullmatch(r"[0-9]{1,3}\.[0-9]{1,3}", text, re.ASCII):
            raise EngineUnavailableError(
                f"{self.target.address} does not answer as an engine does", hint="is it Docker's or podman's socket?"
            )
        return tuple(int(part) for part in text.split("."))

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Make one error of the many ways in which a connection ends: urllib3's come through while a body is read."""
        try:
            yield
        except _TIMEOUTS as error:
            raise self._stuck() from error
        except _LOST as error:
            # A body that stalls while it is iterated over, and a write that does, come wrapped as broken connections.
            if "timed out" in str(error):
                raise self._stuck() from error
            raise EngineUnavailableError(
                f"the connection to the engine at {self.target.address} broke", why=str(error) or type(error).__name__
            ) from error


def message_of(response: requests.Response) -> str:
    """Give what the engine says about a failure."""
    try:
        message = response.json()["message"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return (response.text or response.reason or "no message").strip()[:1000]
    return str(message)


def is_refused_by_grammar(response: requests.Response) -> bool:
    """Tell whether the engine answers that a name is outside its grammar: 400, 404 or 500, as versions and podman differ."""
    message = message_of(response)
    return "invalid" in message or "lowercase" in message


def _knock(host: str, timeout: float) -> None:
    """Connect to a Unix socket once, for what the system says where that fails, and because docker-py forgets to close then."""
    if host.startswith("unix://"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(timeout)
            sock.connect("/" + host.removeprefix("unix://").lstrip("/"))


def _client(target: EngineTarget, idle_timeout: float) -> docker.APIClient:
    tls: docker.tls.TLSConfig | bool = False
    if target.tls is not None:
        files = target.tls
        tls = docker.tls.TLSConfig(client_cert=(str(files.cert), str(files.key)), ca_cert=str(files.ca), verify=files.verify)
    seconds: Any = idle_timeout  # typed as whole ones, but handed to the socket as they are
    # The version is asked for by us: docker-py would do so before the surroundings are shut out.
    client = docker.APIClient(base_url=target.host, tls=tls, timeout=seconds, version=docker.constants.DEFAULT_DOCKER_API_VERSION)
    client.trust_env = False  # neither a proxy, nor a password, nor another authority of the surroundings is meant for an engine
    return client


def _unreachable(target: EngineTarget, why: str, elsewhere: str | None) -> EngineUnavailableError:
    if "timed out" in why:
        hint = _RESTART
    elif "Permission denied" in why:
        hint = "this user may not use the socket: be a member of the group that owns it (docker), or use a rootless engine"
    elif target.host.startswith("ssh:"):
        hint = "forward its socket (ssh -L /tmp/docker.sock:/var/run/docker.sock …) and set DOCKER_HOST to unix:///tmp/docker.sock"
    elif elsewhere:
        hint = f"another engine listens at {elsewhere}: set DOCKER_HOST to it"
    else:
        hint = "start the engine, or set DOCKER_HOST to where it listens"
    return EngineUnavailableError(f"no engine answers at {target.address} ({target.origin})", why=why, hint=hint)
