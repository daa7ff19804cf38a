"""A pinning service that behaves as the specification says, and as it is told: slow, refusing, failing."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from tests.fakes.rest import Answer, Asked, ScriptedApi, scripted_api


@dataclass(slots=True)
class FakeService:
    """Its requests by ID, each with its CID and state; ``state`` is that of a new one, ``refusal`` what every request gets."""

    api: ScriptedApi
    pins: dict[str, tuple[str, str]] = field(default_factory=dict)
    state: str = "pinned"
    words: str = ""
    refusal: Answer | None = None
    made: int = 0
    loses_answers: bool = False

    @property
    def url(self) -> str:
        return f"{self.api.url}/psa"

    def held(self) -> set[str]:
        """Return the CIDs that are pinned."""
        return {cid for cid, state in self.pins.values() if state == "pinned"}

    def answer(self, asked: Asked) -> Answer:
        if self.refusal is not None:
            return self.refusal
        method, _, path = asked.what.partition(" ")
        request = path.removeprefix("/psa/pins").strip("/")
        if method == "POST" and not request:
            self.made += 1
            request = f"request-{self.made}"
            self.pins[request] = (json.loads(asked.body)["cid"], self.state)
            return (500, b"") if self.loses_answers else (202, self._status(request))
        if method == "GET" and not request:
            query = parse_qs(asked.query)
            found = [
                one
                for one, (cid, state) in self.pins.items()
                if cid in query.get("cid", [""])[0].split(",") and state in query.get("status", ["pinned"])[0].split(",")
            ]
            return 200, b'{"count":%d,"results":[%s]}' % (len(found), b",".join(map(self._status, found)))
        if request not in self.pins:
            return 404, b'{"error":{"reason":"NOT_FOUND","details":"no such request"}}'
        if method == "DELETE":
            del self.pins[request]
            return 202, b""
        return 200, self._status(request)

    def _status(self, request: str) -> bytes:
        cid, state = self.pins[request]
        info = {"status_details": self.words} if self.words else {}
        document = {"requestid": request, "status": state, "created": "2026-11-28T00:00:00Z", "pin": {"cid": cid}, "delegates": []}
        return json.dumps(document | {"info": info}).encode()


@contextmanager
def fake_service() -> Iterator[FakeService]:
    """Run a service on loopback."""
    with scripted_api() as api:
        service = FakeService(api)
        for method in ("GET", "POST", "DELETE"):
            api.answers[f"{method} /psa/pins"] = service.answer
        yield service
