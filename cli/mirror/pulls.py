"""What engines pulled from the server on this machine, as it tells: for ``dcat mirror status``."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPConnection, HTTPException
from typing import Any

from catalog.errors import UnavailableError
from catalog.model.text import age_of, format_count, format_size
from catalog.sources.protocol import PULLS_PATH, PULLS_SCHEMA
from cli.output import Table

_TIMEOUT = 5.0
_MAX_ANSWER = 1 << 20
_MOST_SHOWN = 10


@dataclass(frozen=True, slots=True)
class PulledHere:
    """The document of the server."""

    document: dict[str, Any]

    @property
    def body(self) -> dict[str, Any]:
        return {"pulls": {key: value for key, value in self.document.items() if key != "schema"}}

    def parts(self, now: datetime) -> Sequence[str | Table]:
        """Return it in words."""
        found = self.document
        if not found["clients"]:
            return ["The server answers; no engine has asked it for anything since it started"]
        saved = f", {format_size(found['fetched'])} of it fetched, {format_size(found['saved'])} saved" if found["fetched"] else ""
        summary = (
            f"{format_count(found['hits'], 'manifest')} found here, {found['misses']} not here; "
            f"{format_size(found['delivered'])} of layers delivered{saved}"
        )
        clients = [
            (
                row["program"],
                row["address"],
                str(row["hits"]),
                str(row["misses"]),
                format_size(row["delivered"]),
                format_size(row["saved"]),
                age_of(row["last"], now),
            )
            for row in found["clients"]
        ]
        recent = [
            (row["image"], row["program"], "here" if row["status"] != 404 else "not here", age_of(row["time"], now))
            for row in found["recent"][:_MOST_SHOWN]
        ]
        numbers = frozenset({"HITS", "MISSES", "DELIVERED", "SAVED"})
        return [
            summary,
            Table(("CLIENT", "ADDRESS", "HITS", "MISSES", "DELIVERED", "SAVED", "LAST"), clients, numbers),
            Table(("LAST REQUESTS", "CLIENT", "RESULT", "WHEN"), recent),
        ]


def ask_pulls(port: int, token: str | None) -> PulledHere | None:
    """Ask the server at a port of this machine; return None where nothing answers.

    Raise `UnavailableError` where something else answers, or the token is missing.
    """
    headers = {"Accept": "application/json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    connection = HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT)
    try:
        connection.request("GET", PULLS_PATH, headers=headers)
        answer = connection.getresponse()
        content = answer.read(_MAX_ANSWER)
    except ConnectionRefusedError:
        return None
    except (OSError, HTTPException) as error:
        raise UnavailableError(f"what listens on port {port} does not answer as dcat serve does", why=str(error)) from error
    finally:
        connection.close()
    if answer.status == 401:
        raise UnavailableError(
            f"the server on port {port} asks for a token", why="it was started with one", hint="use --token-file"
        )
    try:
        document = json.loads(content)
        if answer.status != 200 or document["schema"] != PULLS_SCHEMA:
            raise ValueError(f"status {answer.status}")
    except (ValueError, KeyError, TypeError) as error:
        why = "it is another program, or another version of dcat"
        raise UnavailableError(f"what listens on port {port} does not answer as dcat serve does", why=why) from error
    return PulledHere(document)
