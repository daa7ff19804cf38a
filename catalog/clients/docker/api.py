"""Requests to an engine's API: addresses, versions, limits of time and size, and errors.

An engine is not trusted to end its answers or to keep them small.
"""

import json
import queue
import re
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from time import monotonic
from typing import Any
from urllib.parse import quote

from catalog.clients.docker.connection import LOST, Answer
from catalog.clients.docker.reaching import RESTART_HINT, innermost, open_connector, unreachable
from catalog.clients.docker.reply import Reply
from catalog.clients.docker.target import EngineTarget
from catalog.clients.docker.watch import Watch
from catalog.errors import EngineUnavailableError
from catalog.limits import CONNECT_TIMEOUT, ENGINE_EXPORT_FLOOR, KIB, MAX_ENGINE_EVENT, MAX_ENGINE_REPLY, MIB

_PIECE = 64 * KIB
_EXPORT_WINDOWS = 5  # periods of silence over which an export must bring its least


class EngineApi:
    """A connection to the API of one engine, in the newest version that the engine has."""

    def __init__(self, target: EngineTarget, idle_timeout: float, elsewhere: str | None = None) -> None:
        """Connect. ``elsewhere`` is the host of another engine, which the error names if nobody answers at this one."""
        self.target = target
        self.idle_timeout = idle_timeout
        self._connector = open_connector(target, elsewhere)
        try:
            self.description = self._describe()
            self.version = self._newest_version()
        except LOST as error:
            self.close()
            raise unreachable(target, error, elsewhere) from error
        except BaseException:
            self.close()
            raise

    def at_least(self, major: int, minor: int) -> bool:
        """Return whether the engine has this version of the API."""
        return self.version >= (major, minor)

    def ask(self, method: str, path: str, params: Mapping[str, str] | None = None) -> Reply:
        """Send one request and return the complete answer, of any status; raise `EngineUnavailableError`."""
        with self.open(method, path, params=params) as response:
            return self.read(response)

    def open(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        data: Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        patience: float = 0.0,
    ) -> Answer:
        """Send one request and return the answer, of any status, with its body unread. Close it.

        ``patience`` is added to the seconds of silence that are allowed until the answer begins. Raise `EngineUnavailableError`.
        """
        # Over a Unix socket the first limit also applies to each write.
        limits = (self.idle_timeout if data is not None else min(CONNECT_TIMEOUT, self.idle_timeout), self.idle_timeout + patience)
        version = ".".join(str(part) for part in self.version)
        url = f"/v{version}{quote(path, safe='/:@')}"

        def send() -> Answer:
            return self._connector.request(method, url, params=params, data=data, headers=headers, timeouts=limits)

        what = f"{method} {path}"
        with self._translated(what):
            return send() if data is not None else self._within(2 * sum(limits), send, what)

    def read(self, response: Answer) -> Reply:
        """Return the complete answer of an opened response; raise `EngineUnavailableError` if it is too large or too slow."""
        body = bytearray()
        end = monotonic() + self.idle_timeout

        def late() -> EngineUnavailableError:
            return EngineUnavailableError(
                f"the engine at {self.target.address} did not end its answer in time",
                why=f"{len(body)} bytes came in {self.idle_timeout:g} s after {_asked(response)}",
                hint=RESTART_HINT,
            )

        # The libraries read some of an answer (the end of a chunked one) in loops of their own: those end by the watch.
        with self._watched(Watch(response, self.idle_timeout + 1), late), self._translated(_asked(response)):
            for piece in response.stream(_PIECE):
                body += piece
                if len(body) > MAX_ENGINE_REPLY:
                    raise EngineUnavailableError(
                        f"the engine at {self.target.address} sent an answer that is too long", why=f"over {MAX_ENGINE_REPLY} bytes"
                    )
                if monotonic() > end:
                    raise late()
        return Reply(response.status, bytes(body))

    def get_json(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        """Return the answer to a GET; raise `EngineUnavailableError` for any other status than 200."""
        reply = self.ask("GET", path, params)
        if reply.status != 200:
            raise self.refused(reply, f"GET {path}")
        return self.json_of(reply)

    def json_of(self, reply: Reply) -> Any:
        """Return the JSON of an answer; raise `EngineUnavailableError` if it is malformed."""
        try:
            return json.loads(reply.body)
        except (ValueError, RecursionError) as error:
            raise self.malformed(str(error)) from error

    def malformed(self, why: str) -> EngineUnavailableError:
        """Return the error for an answer that is not that of an engine."""
        return EngineUnavailableError(
            f"{self.target.address} does not answer as an engine does", why=why, hint="is it the socket of Docker or podman?"
        )

    def events(self, response: Answer, limit: float) -> Iterator[dict[str, Any]]:
        """Yield the JSON objects of a stream of lines as they arrive, for ``limit`` seconds at most.

        Raise `EngineUnavailableError` for a malformed one, and for a stream that does not end.
        """
        self.limit_silence(response)
        pending = bytearray()

        def late() -> EngineUnavailableError:
            return EngineUnavailableError(
                f"the engine at {self.target.address} did not finish in time",
                why=f"it has reported of {_asked(response)} for {limit:.0f} s",
                hint="look at the engine's log and its disk",
            )

        with self._watched(Watch(response, limit), late), self._translated(_asked(response)):
            for piece in response.stream(_PIECE):
                pending += piece
                if b"\n" in piece:
                    *lines, rest = pending.split(b"\n")
                    pending = bytearray(rest)
                    for line in lines:
                        yield from self._parse_event(line)
                if len(pending) > MAX_ENGINE_EVENT:
                    raise EngineUnavailableError(
                        f"{self.target.address} sent a malformed event", why=f"a line of more than {MAX_ENGINE_EVENT} bytes"
                    )
            yield from self._parse_event(pending)

    def body(self, response: Answer) -> Iterator[bytes]:
        """Yield a streamed body in pieces as they arrive: gathering larger ones would cost as much as reading them.

        Raise `EngineUnavailableError` for one that drips. The time that the caller takes between two pieces does not count.
        """
        window = _EXPORT_WINDOWS * self.idle_timeout
        watch = Watch(response, window, least=ENGINE_EXPORT_FLOOR)

        def late() -> EngineUnavailableError:
            return EngineUnavailableError(
                f"the engine at {self.target.address} is too slow",
                why=f"{_asked(response)} brought less than {ENGINE_EXPORT_FLOOR} bytes in {window:g} s",
                hint=RESTART_HINT,
            )

        with self._watched(watch, late), self._translated(_asked(response)):
            yield from watch.count(response.stream(MIB))

    def limit_silence(self, response: Answer) -> None:
        """Allow only ``idle_timeout`` of silence from now on, since the answer has begun."""
        response.limit_silence(self.idle_timeout)

    def registry_auth(self, repository: str) -> Mapping[str, str]:
        """Return the header with the user's login for the registry of ``repository``; raise as `find_login` does."""
        from catalog.clients.docker.login import find_login  # imports docker-py

        return find_login(self.target.config_dir / "config.json", repository)

    def refused(self, reply: Reply, what: str) -> EngineUnavailableError:
        """Return the error for a status that has no more specific one."""
        return EngineUnavailableError(
            f"the engine at {self.target.address} refused {what}", why=f"status {reply.status}: {reply.message}"
        )

    def close(self) -> None:
        """Close all connections that nobody uses."""
        self._connector.close()

    def _within(self, seconds: float, send: Callable[[], Answer], what: str) -> Answer:
        """Return what ``send`` returns or raises, if it does within ``seconds``: a limit for each read does not end a drip."""
        ended: queue.SimpleQueue[Answer | BaseException] = queue.SimpleQueue()

        def run() -> None:
            try:
                ended.put(send())
            except BaseException as error:  # raised again below
                ended.put(error)

        threading.Thread(target=run, name="engine-request", daemon=True).start()
        try:
            answer = ended.get(timeout=seconds)
        except queue.Empty:
            raise EngineUnavailableError(
                f"the engine at {self.target.address} did not answer within {seconds:g} s",
                why=f"it sends its answer to {what} byte by byte",
                hint=RESTART_HINT,
            ) from None
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def _parse_event(self, line: bytes | bytearray) -> Iterator[dict[str, Any]]:
        if not line.strip():
            return
        try:
            event = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise EngineUnavailableError(f"{self.target.address} sent a malformed event", why=str(error)) from error
        if isinstance(event, dict):
            yield event

    def _stuck(self, what: str) -> EngineUnavailableError:
        return EngineUnavailableError(
            f"the engine at {self.target.address} said nothing for {self.idle_timeout:g} s",
            why=f"it was asked for {what}; an engine can hang after an interrupted load, or when its disk does not answer",
            hint=RESTART_HINT,
        )

    def _describe(self) -> Any:
        """Ask the engine for its versions, which it answers in any version of the API."""
        limits = min(CONNECT_TIMEOUT, self.idle_timeout), self.idle_timeout
        what = "GET /version"
        with self._within(2 * sum(limits), lambda: self._connector.request("GET", "/version", timeouts=limits), what) as response:
            return self.json_of(self.read(response))

    def _newest_version(self) -> tuple[int, ...]:
        text = str(self.description.get("ApiVersion")) if isinstance(self.description, dict) else ""
        if not re.fullmatch(r"[0-9]{1,3}\.[0-9]{1,3}", text, re.ASCII):
            raise self.malformed("it states no version of the API")
        return tuple(int(part) for part in text.split("."))

    @contextmanager
    def _watched(self, watch: Watch, late: Callable[[], EngineUnavailableError]) -> Generator[None]:
        """Raise ``late`` in place of the failure of a connection that the watch cut."""
        with watch:
            try:
                yield
            except EngineUnavailableError as error:
                if watch.has_cut:
                    raise late() from error
                raise

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        """Raise `EngineUnavailableError` for each way in which a connection ends: urllib3's errors pass requests in bodies."""
        try:
            yield
        except TimeoutError as error:
            raise self._stuck(what) from error
        except LOST as error:
            # A body or a write that stalls is raised as a broken connection.
            if "timed out" in str(error):
                raise self._stuck(what) from error
            raise EngineUnavailableError(
                f"the connection to the engine at {self.target.address} broke", why=innermost(error)
            ) from error


def _asked(response: Answer) -> str:
    """Return what the engine was asked for, without the version of the API and the parameters."""
    return re.sub(r" /v[0-9.]+(?=/)", " ", response.asked)
