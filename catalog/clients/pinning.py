"""The IPFS Pinning Service API 1.0.0, as far as dcat needs it: asking for a pin, looking at it, deleting it.

A pin is never replaced: implementations exist that drop the content where a request is replaced by one of the same CID. A service
fetches the content by itself, so a node that has it must be reachable; its addresses are sent as ``origins``.
Source: ipfs.github.io/pinning-services-api-spec, and what was measured with ipfs-cluster 1.1.6.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from catalog import limits
from catalog.clients.http import HttpClient
from catalog.clients.timeouts import Timeouts
from catalog.errors import UnavailableError
from catalog.ipld.cid import Cid

PINNED: Final = "pinned"
FAILED: Final = "failed"
_STATES: Final = ("queued", "pinning", PINNED, FAILED)
_JSON: Final = "application/json"
_ANSWERS: Final = (200, 201, 202, 204, 400, 401, 402, 403, 404, 405, 409, 413, 422, 500, 501, 502, 504)
_MAX_WORDS: Final = 300
_ID: Final = re.compile(r"[A-Za-z0-9._~:@=+-]{1,1000}", re.ASCII)
_MAX_ADDRESSES: Final = 20  # of origins; the specification's limit


@dataclass(frozen=True, slots=True)
class ServicePin:
    """A pin at a service: its request's ID, its state, what the service says of it, and addresses of nodes that will fetch it."""

    request: str
    state: str
    cid: str
    words: str = ""
    delegates: tuple[str, ...] = ()


def service_timeouts(timeouts: Timeouts) -> Timeouts:
    """Return the time limits for a service: a refusal with a long Retry-After (429) ends a request."""
    return replace(timeouts, budget=min(timeouts.budget, timeouts.service))


class PinningClient:
    """A pinning service, by a client with ``basic_logins`` of the URL that stands before ``/pins``, and with `service_timeouts`.

    All methods raise `UnavailableError`, in the service's words.
    """

    def __init__(self, name: str, http: HttpClient) -> None:
        self._http = http
        self.name = name
        self.url = http.url
        self.timeouts = http.timeouts

    def add(self, cid: Cid, name: str, origins: Sequence[str]) -> ServicePin:
        """Ask for a pin of the DAG under ``cid``, which the service fetches from ``origins`` or whoever has it."""
        wish = {"cid": str(cid), "name": name, "origins": list(origins[:_MAX_ADDRESSES])}
        found = read_pin(self._ask("POST", "/pins", body=json.dumps(wish).encode()), str(cid))
        if found is None:
            raise self._nonsense("a pin")
        return found

    def look(self, request: str) -> ServicePin | None:
        """Return the state of a request; None where the service does not know it."""
        found = self._ask("GET", f"/pins/{request}", absent=True)
        return None if found is None else read_pin(found)

    def find(self, cid: Cid) -> ServicePin | None:
        """Return a pin of ``cid`` that was asked for before; None where there is none that has not failed."""
        query = {"cid": str(cid), "status": ",".join(_STATES[:3])}
        found = self._ask("GET", "/pins", query=query)
        results = found.get("results") if isinstance(found, dict) else None
        if not isinstance(results, list):
            raise self._nonsense("a list of pins")
        pins = [pin for entry in results if (pin := read_pin(entry)) is not None and pin.cid == str(cid)]
        return next((pin for pin in pins if pin.state == PINNED), next(iter(pins), None))

    def delete(self, request: str) -> None:
        """Delete a request and its pin; no error where there is none."""
        self._ask("DELETE", f"/pins/{request}", absent=True)

    def close(self) -> None:
        """Abort all requests and close the connections."""
        self._http.close()

    def _ask(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: bytes | None = None, absent: bool = False
    ) -> Any:
        """Return the JSON of an answer; None for an empty one, and with ``absent`` for a 404."""
        with self._http.open(
            method,
            path,
            query=(query or {}).items(),
            accept=_JSON,
            body=body,
            content_type=_JSON if body is not None else None,
            answers=_ANSWERS,
        ) as response:
            reply = response.read_all(limits.MAX_SERVICE_REPLY)
            if response.status == 404 and absent:
                return None
            if response.status >= 400:
                words = read_error(reply)
                hint = "it requires a token, or a different one" if response.status in {401, 403} else ""
                raise UnavailableError(
                    f"the pinning service {self.name} refuses",
                    why=f"{response.status} {response.reason}".rstrip() + (f": {words}" if words else ""),
                    hint=hint,
                )
        if not reply.strip():
            return None
        try:
            return json.loads(reply)
        except (ValueError, RecursionError) as error:
            raise self._nonsense("JSON") from error

    def _nonsense(self, wanted: str) -> UnavailableError:
        return UnavailableError(
            f"{self.url} is not a pinning service",
            why=f"its answer is not {wanted} as the Pinning Service API has it",
            hint="name the URL that stands before /pins",
        )


def read_pin(entry: object, cid: str = "") -> ServicePin | None:
    """Return the pin of a status object; None where it is none."""
    if not isinstance(entry, dict):
        return None
    request, state, pin, info = (entry.get(key) for key in ("requestid", "status", "pin", "info"))
    if not isinstance(request, str) or not _ID.fullmatch(request) or state not in _STATES:
        return None
    delegates = entry.get("delegates")
    details = info.get("status_details") if isinstance(info, dict) else ""
    found = pin.get("cid") if isinstance(pin, dict) else cid
    return ServicePin(
        request=request,
        state=str(state),
        cid=found if isinstance(found, str) else "",
        words=_one_line(details) if isinstance(details, str) else "",
        delegates=tuple(one for one in delegates[:_MAX_ADDRESSES] if isinstance(one, str)) if isinstance(delegates, list) else (),
    )


def read_error(reply: bytes) -> str:
    """Return the words of an error: ``{"error": {"reason", "details"}}``, or what stands in its place."""
    try:
        found = json.loads(reply)
    except (ValueError, RecursionError):
        return ""
    error = found.get("error") if isinstance(found, dict) else None
    if isinstance(error, dict):
        return _one_line(", ".join(str(error[key]) for key in ("reason", "details") if error.get(key)))
    return _one_line(str(error or (found.get("message") if isinstance(found, dict) else "") or ""))


def _one_line(text: str) -> str:
    return " ".join(text[:_MAX_WORDS].split())
