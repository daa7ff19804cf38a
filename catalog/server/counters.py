"""What a server counts about itself, in the text format of Prometheus for `/metrics`."""

from collections import Counter
from collections.abc import Mapping
from threading import Lock

_HELP = {
    "requests_total": "Requests answered, by the first part of their path and their status.",
    "sent_bytes_total": "Bytes of bodies sent.",
    "refused_total": "Requests refused before a route was looked up, by reason.",
    "aborted_total": "Responses that were cut off because they could not be completed.",
    "corrupt_blocks_total": "Blocks of the own store that did not match their CID when they were read.",
    "records_taken_total": "IPNS records taken in from others.",
    "deltas_made_total": "Deltas made on request.",
    "deltas_sent_total": "Deltas sent.",
    "delta_saved_bytes_total": "Bytes that deltas saved: those of the blocks they replaced, less their own.",
    "registry_manifests_total": "Manifests that engines asked for, by program and result.",
    "registry_delivered_bytes_total": "Bytes of layers, as stored, that engines received, by program.",
    "registry_fetched_bytes_total": "Bytes that were fetched for engines (serve --fetch).",
}
_ROUTES = frozenset({"ipfs", "ipns", "routing", "dcat", "health", "metrics", "v2"})


class Counters:
    """Thread-safe counters by name and label."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._values: Counter[tuple[str, str]] = Counter()

    def add(self, name: str, amount: int = 1, labels: str = "") -> None:
        with self._lock:
            self._values[name, labels] += amount

    def count_request(self, path: str, status: int, sent: int) -> None:
        first = path[1:].split("/", 1)[0]
        self.add("requests_total", 1, f'{{route="{first if first in _ROUTES else "other"}",status="{status}"}}')
        self.add("sent_bytes_total", sent)

    def value(self, name: str) -> int:
        """Return the sum of a counter over its labels."""
        return sum(amount for (counter, _), amount in self._snapshot() if counter == name)

    def _snapshot(self) -> list[tuple[tuple[str, str], int]]:
        with self._lock:
            return list(self._values.items())

    def format(self, gauges: Mapping[str, int]) -> str:
        lines: list[str] = []
        values = self._snapshot()
        for name, text in _HELP.items():
            lines += [f"# HELP dcat_{name} {text}", f"# TYPE dcat_{name} counter"]
            found = sorted((labels, amount) for (counter, labels), amount in values if counter == name)
            lines += [f"dcat_{name}{labels} {amount}" for labels, amount in found or [("", 0)]]
        for name, amount in gauges.items():
            lines += [f"# TYPE dcat_{name} gauge", f"dcat_{name} {amount}"]
        return "\n".join(lines) + "\n"
