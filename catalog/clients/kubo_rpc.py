"""The protocol of Kubo's RPC: requests, answers in lines, and errors.

An error before the first byte is a status of 4xx or 500 with ``{"Message", "Code", "Type": "error"}`` or plain text; a later one is
a line of that form, or a trailer, which HTTP libraries hide.
Source: kubo's go-ipfs-cmds, http/; docs/reference/kubo/rpc.
"""

import itertools
import json
from collections.abc import Collection, Iterable, Iterator
from time import monotonic
from typing import Any, Final

from catalog import limits
from catalog.clients import multipart
from catalog.clients.http import Body, HttpClient
from catalog.clients.response import HttpResponse
from catalog.errors import BlockNotFoundError, SourceTimeoutError, UnavailableError

_ANSWERS: Final = (200, 400, 401, 403, 404, 405, 429, 500, 501)
_MAX_REPLY: Final = 64 * limits.MIB
_NOT_FOUND: Final = ("could not find", "not found", "blockstore: block not found")
_CLUSTER_PROXY: Final = "ipfs-cluster/"  # in `Server` of an answer that the cluster gave in place of the node
_TIMED_OUT: Final = ("context deadline exceeded", "context canceled", "Client.Timeout")


class KuboRefusalError(UnavailableError):
    """The node answered a command with an error; ``text`` is its message."""

    def __init__(self, name: str, command: str, text: str) -> None:
        super().__init__(f"the Kubo node at {name} refuses {command}", why=text)
        self.text = text


class UnknownCommandError(UnavailableError):
    """The node does not have the command, or does not allow it over RPC."""


class ClusterProxyError(UnavailableError):
    """The address is an IPFS Cluster's proxy, and the command one that the cluster takes over.

    The cluster answers for pins that the node does not have, and removes the node's own: whoever relies on them loses blocks.
    """

    def __init__(self, name: str, command: str) -> None:
        super().__init__(
            f"{name} is the proxy of an IPFS Cluster, not a Kubo node",
            why=f"the cluster takes over {command}, and does not keep on this node what is shared through it",
            hint="name the RPC address of the Kubo node itself (port 5001 by default), not that of the proxy (9095), and as the "
            "cluster its REST API (9094)",
        )


class KuboRpc:
    """Runs commands on one node."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http
        self.url = http.url
        self.name = http.name
        self.timeouts = http.timeouts

    def abort(self, threads: Collection[int] | None = None) -> None:
        """Cut the requests of the threads of these identifiers, or all."""
        self._http.abort(threads)

    def close(self) -> None:
        """Abort all requests and close the connections."""
        self._http.close()

    def ask(
        self,
        command: str,
        arguments: Iterable[str] = (),
        options: dict[str, str] | None = None,
        *,
        timeout: float,
        body: Body | None = None,
    ) -> dict[str, Any]:
        """Run a command and return the last line of its answer."""
        last: dict[str, Any] = {}
        for line in self.lines(command, arguments, options, timeout=timeout, body=body):
            last = line
        return last

    def lines(
        self,
        command: str,
        arguments: Iterable[str] = (),
        options: dict[str, str] | None = None,
        *,
        timeout: float,
        body: Body | None = None,
        first_byte: float | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Run a command and yield the lines of its answer as they arrive; raise the error that a line reports.

        Whatever the node sends, the answer ends within ``timeout`` seconds, and those that an answer may take to begin.
        """
        with self.open(command, arguments, options or {}, timeout=timeout, body=body, first_byte=first_byte) as response:
            pending = b""
            end = monotonic() + timeout + self.timeouts.first_byte
            for piece in itertools.chain(response.chunks(_MAX_REPLY, paced=False), (b"\n",)):
                if monotonic() > end:
                    raise SourceTimeoutError(
                        f"the Kubo node at {self.name} did not end {command} in time", why=f"it still answers after {timeout:g} s"
                    )
                *whole, pending = (pending + piece).split(b"\n")
                for text in whole:
                    if text.strip():
                        yield self._parse_line(command, text)

    def open(
        self,
        command: str,
        arguments: Iterable[str],
        options: dict[str, str],
        *,
        timeout: float,
        body: Body | None = None,
        first_byte: float | None = None,
    ) -> HttpResponse:
        """Run a command and return its answer, of status 200.

        ``timeout`` is passed on to Kubo, unless there is a body: Kubo would count the upload too, so only our own limit applies.
        ``first_byte`` is our limit for the beginning of the answer, if it differs.
        """
        query = (
            [("arg", argument) for argument in arguments]
            + list(options.items())
            + [("timeout", f"{max(1, round(timeout * 1000))}ms")] * (body is None)
        )
        try:
            response = self._http.open(
                "POST",
                f"/api/v0/{command}",
                query=query,
                body=body if body is not None else b"",
                content_type=multipart.CONTENT_TYPE if body is not None else None,
                answers=_ANSWERS,
                first_byte=first_byte or timeout + self.timeouts.first_byte,
            )
        except SourceTimeoutError as error:
            raise SourceTimeoutError(f"the Kubo node at {self.name} did not answer {command} in time", why=_join(error)) from error
        except UnavailableError as error:
            hint = "is the daemon running, and is this the address of its RPC (not of its gateway)?"
            raise UnavailableError(f"the Kubo node at {self.name} cannot be used", why=_join(error), hint=hint) from error
        if (response.header("Server") or "").startswith(_CLUSTER_PROXY):
            response.close()
            raise ClusterProxyError(self.name, command)
        if response.status == 200:
            return response
        with response:
            raise self._read_refusal(command, response)

    def _read_refusal(self, command: str, response: HttpResponse) -> UnavailableError:
        text = response.read_all(limits.MAX_ERROR_BODY).decode(errors="replace").strip()
        is_json = response.media_type == "application/json"
        message = str(self._parse_object(command, text.encode()).get("Message", text)) if is_json else text[:500]
        if response.status in {401, 403}:
            hint = "name a file with its token (API.Authorizations), or allow the commands that dcat needs on the node"
            return UnavailableError(f"the Kubo node at {self.name} denies access", why=f"{command}: {message}", hint=hint)
        if response.status == 405 or (response.status in {400, 404, 501} and not is_json and command == "version"):
            hint = "Kubo's RPC has port 5001 by default; 8080 is its gateway"
            return UnavailableError(f"{self.name} is not a Kubo RPC", why=f"{response.status}: {message}", hint=hint)
        if response.status == 404:
            return UnknownCommandError(
                f"the Kubo node at {self.name} has no {command}", why="it is too old, or closed to this command"
            )
        return self._refusal(command, message)

    def _refusal(self, command: str, message: str) -> UnavailableError:
        if any(text in message for text in _TIMED_OUT):
            return SourceTimeoutError(f"the Kubo node at {self.name} did not end {command} in time", why=message)
        if any(text in message for text in _NOT_FOUND):
            return BlockNotFoundError(f"the Kubo node at {self.name} does not have it", why=message)
        return KuboRefusalError(self.name, command, message)

    def _parse_line(self, command: str, text: bytes) -> dict[str, Any]:
        line = self._parse_object(command, text)
        if line.get("Type") == "error" and "Message" in line:
            raise self._refusal(command, str(line["Message"]))
        return line

    def _parse_object(self, command: str, text: bytes) -> dict[str, Any]:
        try:
            line = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise UnavailableError(f"{self.name} is not a Kubo RPC", why=f"its answer to {command} is not JSON") from error
        return line if isinstance(line, dict) else {}


def _join(error: UnavailableError) -> str:
    return f"{error.message}: {error.why}" if error.why else error.message
