"""The commands of Kubo's RPC that dcat needs.

A status of 200 proves nothing: later errors are in the stream, or in a trailer that HTTP libraries hide. So each command is judged
by its result: an import by the root that it names and the number of blocks that it counted, a DAG by its completeness. Each call
carries Kubo's own ``timeout``, since without one the node may wait for ever. The catalogue's key is never sent to a node.
Sources: kubo core/commands at v0.42, and what was measured with that version.
"""

import base64
import contextlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Final

from catalog import limits
from catalog.clients import multipart
from catalog.clients.http import HttpClient
from catalog.clients.kubo_rpc import KuboRefusalError, KuboRpc, UnknownCommandError
from catalog.errors import BlockNotFoundError, UnavailableError
from catalog.ipld.block import Block
from catalog.ipld.car import CarReader, encode_car
from catalog.ipld.cid import DAG_PB, RAW, Cid, cid_of
from catalog.ipld.dag_pb import PBLink, encode_node

MIN_VERSION: Final = (0, 29, 0)  # pins are found by their names
_ANNOUNCES_ROOTS: Final = (0, 41, 0)  # from here on a pin announces its root, unless more is asked for
_PIN_WAIT: Final = 300.0
_RECORD: Final = "application/vnd.ipfs.ipns-record"
_NOT_NEWER: Final = ("newer", "sequence", "older")


class KuboClient:
    """A Kubo node, by a client of its RPC (``http://127.0.0.1:5001``). All methods raise `UnavailableError`."""

    def __init__(self, http: HttpClient) -> None:
        self._rpc = KuboRpc(http)
        self.url = self._rpc.url
        self.name = self._rpc.name
        self.timeouts = self._rpc.timeouts
        self._version: str | None = None

    def version(self) -> str:
        """Return the node's version, asked for once; raise `UnavailableError` if the node is down, too old or denies access."""
        if self._version is None:
            version = self._rpc.ask("version", timeout=self.timeouts.first_byte).get("Version")
            if not isinstance(version, str):
                raise UnavailableError(f"{self.name} is not a Kubo node")
            if parse_version(version) < MIN_VERSION:
                oldest = ".".join(map(str, MIN_VERSION))
                raise UnavailableError(
                    f"the Kubo node at {self.name} is too old", why=f"it is {version}; dcat needs {oldest} or newer"
                )
            self._version = version
        return self._version

    def identity(self) -> str:
        """Return the node's peer ID."""
        return str(self._rpc.ask("id", timeout=self.timeouts.first_byte).get("ID", ""))

    def list_addresses(self) -> list[str]:
        """Return the addresses under which other nodes reach this one, each with its peer ID."""
        found = self._rpc.ask("id", timeout=self.timeouts.first_byte).get("Addresses")
        return [address for address in found if isinstance(address, str)] if isinstance(found, list) else []

    def connect_peer(self, address: str) -> None:
        """Connect the node with another one; a failure is not an error, since it may be reached by other ways."""
        with contextlib.suppress(UnavailableError):
            self._rpc.ask("swarm/connect", [address], timeout=self.timeouts.connect)

    def get_block(self, cid: Cid, *, offline: bool, timeout: float) -> bytes:
        """Return a block, unverified.

        Raise `BlockNotFoundError` if the node does not have it, `SourceTimeoutError` if the node does not find it in time.
        """
        options = {"offline": "true"} if offline else {}
        with self._rpc.open("block/get", [str(cid)], options, timeout=timeout) as response:
            return response.read_all(limits.MAX_BLOCK_SIZE)

    def has_block(self, cid: Cid) -> bool:
        """Return whether the node itself holds the block."""
        try:
            self._rpc.ask("block/stat", [str(cid)], {"offline": "true"}, timeout=self.timeouts.first_byte)
        except BlockNotFoundError:
            return False
        return True

    def remove_blocks(self, cids: Iterable[Cid]) -> None:
        """Delete blocks of the node, as far as it has them."""
        for line in self._rpc.lines("block/rm", [str(cid) for cid in cids], {"force": "true"}, timeout=60):
            if line.get("Error"):
                raise UnavailableError(f"the Kubo node at {self.name} keeps block {line.get('Hash')}", why=str(line["Error"]))

    def list_blocks(self) -> Iterator[str]:
        """Yield the CIDs of all blocks as text; Kubo gives each the codec raw."""
        for line in self._rpc.lines("refs/local", timeout=600):
            if line.get("Err"):
                raise UnavailableError(f"the Kubo node at {self.name} cannot list its blocks", why=str(line["Err"]))
            yield str(line.get("Ref", ""))

    def import_blocks(self, blocks: Iterable[Block], root: Block | None = None, *, pin_wait: float = _PIN_WAIT) -> None:
        """Import blocks in one request.

        With ``root``, which is sent last, the DAG under it is pinned when the request ends, and GC waits until then; raise
        `UnavailableError` if it was not pinned. Without ``root`` nothing is pinned. The node walks the whole DAG before it pins it,
        and searches for a missing block until ``pin_wait`` seconds after the last byte. Blocks imported before a failure stay.
        """
        self.version()
        sent = 0

        def counted() -> Iterator[Block]:
            nonlocal sent
            for block in blocks:
                sent += 1
                yield block

        def form() -> Iterator[bytes]:
            files: list[tuple[str, Iterable[bytes]]] = [("blocks.car", encode_car([], counted()))]
            if root is not None:
                files.append(("root.car", encode_car([root.cid], [root])))
            return multipart.encode_form(files)

        options = {"pin-roots": "false" if root is None else "true", "stats": "true", "offline": "true"}
        if root is not None:
            options |= self._announce_all()
        pinned, count = False, -1
        for line in self._rpc.lines("dag/import", (), options, body=form, timeout=pin_wait):
            if isinstance(line.get("Root"), dict):
                if why := line["Root"].get("PinErrorMsg"):
                    raise UnavailableError(f"the Kubo node at {self.name} took the blocks and did not pin them", why=str(why))
                pinned = pinned or root is not None
            if isinstance(line.get("Stats"), dict):
                count = int(line["Stats"].get("BlockCount", -1))
        if count != sent + (root is not None) or pinned != (root is not None):
            raise UnavailableError(f"the Kubo node at {self.name} ended an import early", why=f"it took {count} of {sent} blocks")

    def export_dag(self, root: Cid, *, offline: bool, timeout: float = 3600) -> Iterator[Block]:
        """Yield the blocks of a DAG, verified, depth first. It may end early without an error: check that the DAG is complete."""
        options = {"progress": "false"} | ({"offline": "true"} if offline else {})
        with self._rpc.open("dag/export", [str(root)], options, timeout=timeout) as response:
            response.start_reading(limits.MAX_DAG_BLOCKS * limits.MAX_BLOCK_SIZE)
            yield from CarReader(response)

    def gather_blocks(self, cids: Sequence[Cid]) -> Iterator[Block]:
        """Make the node fetch leaves from its network in one session, and yield those that arrived, verified.

        Asked for one by one, each block would cost a search. So a temporary node that links them all is imported, and the node is
        asked to list its links, which fetches them. Raise `SourceTimeoutError` when nothing more arrives for a while; the node
        keeps what arrived. If one of ``cids`` is not a leaf, all are fetched and none is yielded: an export would descend.
        """
        data = encode_node([PBLink(cid, b"", None) for cid in cids], None)
        temporary = Block(cid_of(data, DAG_PB), data)
        self.import_blocks([temporary])
        options = {"recursive": "true", "max-depth": "1", "unique": "true"}
        try:
            timeouts = self.timeouts
            for _ in self._rpc.lines(
                "refs", [str(temporary.cid)], options, timeout=timeouts.budget, first_byte=timeouts.first_byte
            ):
                pass
            if all(cid.codec == RAW for cid in cids):
                yield from (block for block in self.export_dag(temporary.cid, offline=True) if block.cid != temporary.cid)
        finally:
            with contextlib.suppress(UnavailableError):
                self.remove_blocks([temporary.cid])

    def find_pins(self, name: str) -> list[str]:
        """Return the roots of the recursive pins of exactly this name, as text."""
        self.version()
        options = {"type": "recursive", "names": "true", "stream": "true", "name": name}
        return [
            str(line["Cid"])
            for line in self._rpc.lines("pin/ls", (), options, timeout=60)
            if line.get("Name") == name and "Cid" in line
        ]

    def is_pinned(self, root: Cid) -> bool:
        """Return whether there is a recursive pin of ``root``."""
        try:
            return bool(self._rpc.ask("pin/ls", [str(root)], {"type": "recursive"}, timeout=60))
        except (KuboRefusalError, BlockNotFoundError):
            return False

    def refuse_proxy(self) -> None:
        """Raise `ClusterProxyError` where the proxy of a cluster answers in place of the node."""
        self.is_pinned(cid_of(b""))

    def read_config(self) -> dict[str, Any]:
        """Return the node's configuration, without its private key."""
        return self._rpc.ask("config/show", timeout=self.timeouts.first_byte)

    def add_pin(self, root: Cid, name: str) -> None:
        """Pin the DAG under ``root`` by a name, which replaces the one that it had."""
        self._rpc.ask("pin/add", [str(root)], {"name": name, "recursive": "true", "offline": "true"}, timeout=_PIN_WAIT)

    def update_pin(self, old: str, new: Cid, *, unpin: bool = True, timeout: float = _PIN_WAIT) -> None:
        """Move a recursive pin, or without ``unpin`` make one more; the node walks only what differs, and announces all of it."""
        options = {"unpin": "true" if unpin else "false", "offline": "true", **self._announce_all()}
        self._rpc.ask("pin/update", [old, str(new)], options, timeout=timeout)

    def set_pin(self, name: str, root: Cid) -> None:
        """Make ``root`` the only root that is pinned by ``name``.

        A pin of that name is moved (the node walks only what differs), unless ``root`` is pinned already; then it gets the name.
        """
        before = self.find_pins(name)
        if str(root) not in before:
            if before and not self.is_pinned(root):
                self.update_pin(before[0], root)
                before = before[1:]
            else:
                self.add_pin(root, name)
        for other in before:
            if other != str(root):
                self.remove_pin(other)

    def remove_pin(self, root: str) -> None:
        """Remove the recursive pin of ``root``, if there is one."""
        try:
            self._rpc.ask("pin/rm", [root], {"recursive": "true"}, timeout=60)
        except KuboRefusalError as error:
            if "not pinned" not in error.text:
                raise

    def get_record(self, name: str, *, timeout: float) -> bytes | None:
        """Return the IPNS record of a name, unvalidated; None if the node finds none."""
        try:
            return self._get_record(name, timeout)
        except BlockNotFoundError:
            return None

    def put_record(self, name: str, record: bytes, *, allow_offline: bool, timeout: float) -> None:
        """Publish an IPNS record through the node; do nothing if it knows a newer one."""

        def form() -> Iterator[bytes]:
            return multipart.encode_form([("record", [record])])

        options = {"allow-offline": "true" if allow_offline else "false"}
        try:
            try:
                self._rpc.ask("name/put", [name], options, body=form, timeout=timeout)
            except UnknownCommandError:  # before 0.40
                list(self._rpc.lines("routing/put", [f"/ipns/{name}"], options, body=form, timeout=timeout))
        except KuboRefusalError as error:
            if not any(word in error.text for word in _NOT_NEWER):
                raise

    def abort(self, threads: Collection[int] | None = None) -> None:
        """Cut the requests of the threads of these identifiers, or all."""
        self._rpc.abort(threads)

    def close(self) -> None:
        """Abort all requests and close the connections."""
        self._rpc.close()

    def _announce_all(self) -> dict[str, str]:
        """Return the option by which a node announces all blocks of what it pins, as its strategy says, not the root only."""
        return {"fast-provide-dag": "true"} if parse_version(self.version()) >= _ANNOUNCES_ROOTS else {}

    def _get_record(self, name: str, timeout: float) -> bytes | None:
        try:
            with self._rpc.open("name/get", [name], {}, timeout=timeout) as response:
                return response.read_all(limits.MAX_RECORD_SIZE)
        except UnknownCommandError:  # before 0.40
            for line in self._rpc.lines("routing/get", [f"/ipns/{name}"], timeout=timeout):
                if line.get("Type") == 5 and isinstance(line.get("Extra"), str):
                    return base64.b64decode(line["Extra"])
            return None


def parse_version(text: str) -> tuple[int, ...]:
    """Return the numbers of a version, to be compared."""
    numbers = text.partition("-")[0].split(".")
    return tuple(int(number) for number in numbers if number.isdecimal())
