"""``dcat verify``: hash all stored blocks, check that archives, snapshots and the home's files are complete, repair them."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from catalog.blockstores.holding import is_whole
from catalog.blockstores.leasing import refuse_others
from catalog.blockstores.moved import ReachableBlocks
from catalog.blockstores.writing import BlockWriter
from catalog.delivery import check_image, open_store
from catalog.errors import (
    BlockMismatchError,
    BlockNotFoundError,
    CodecError,
    CorruptHomeError,
    DcatError,
    UnavailableError,
)
from catalog.home.damage import DamagedFile, discard_arriving, find_damaged_files, salvage_blocks
from catalog.home.home import ARRIVING_FILE, BLOCKS_FILE, INDEX_FILE, TRUST_FILE, Home
from catalog.home.roots import Root, list_roots
from catalog.image.walk import walk
from catalog.intake.intake import ImageSource, Wanted
from catalog.ipld.block import Blockstore
from catalog.ipld.cid import Cid
from catalog.lookup.locate import open_lookup
from catalog.model.reference import parse_reference
from catalog.own.moving import check_moved
from catalog.own.repairing import (
    find_damaged_snapshots,
    find_uncanonical_snapshot,
    renew_damaged_snapshot,
    renew_uncanonical_snapshot,
    repair_snapshots,
)
from catalog.progress import Progress, Step, silent
from catalog.sources.network import NO_NETWORK, Network
from catalog.sources.store import FetchingBlockstore


@dataclass(frozen=True, slots=True)
class Damage:
    """An incomplete archive or snapshot that is kept here, and how many of its blocks are missing or rotten (at least one).

    ``catalogue`` is the IPNS name of the one that it is kept from, where that is known.
    """

    label: str
    archive: Cid
    reason: str
    blocks: int
    held_in_part: bool
    catalogue: str | None = None


@dataclass(frozen=True, slots=True)
class Verified:
    """What was checked, what was found, and what a repair restored. Without damage everything that is kept matches.

    ``files`` are those of the home that were made anew. ``moved`` blocks live in the Kubo node, ``unasked`` says why it could not
    be asked for them; blocks that it lost are damage. ``kept`` says that the snapshot, and so every archive under it, is pinned
    there. ``uncanonical`` is the root of the own snapshot if its tree of releases is
    not the one that a whole build makes; ``renewed`` says that a repair signed a canonical one.
    """

    blocks: int
    bytes: int
    archives: int
    rotten: int
    damage: tuple[Damage, ...]
    repaired: int
    files: tuple[str, ...] = ()
    moved: int = 0
    unasked: str = ""
    kept: bool = True
    uncanonical: Cid | None = None
    renewed: bool = False


def verify(
    home: Home,
    reference: str | None = None,
    *,
    network: Network = NO_NETWORK,
    repair_from: ImageSource | None = None,
    wanted: Wanted | None = None,
    repair: bool = False,
    progress: Progress = silent,
) -> Verified:
    """Read every stored block (or, with ``reference``, those of one release) and check it against its CID.

    With ``repair``, missing blocks are fetched from the sources of ``network``. An image or file given as ``repair_from`` is read
    first, and replaces every block that it holds. Rotten blocks count as missing. Blocks that moved to the Kubo node are asked for
    there. A damaged index is rebuilt, and so is the file of blocks from what can still be read of it; an own snapshot whose tree is
    not canonical is signed anew. Raise `CorruptHomeError` where a file of the home is damaged and was not repaired.
    """
    repair = repair or repair_from is not None
    files = _check_files(home, repair=repair, progress=progress)
    scope = _Scope(home, reference, progress)
    read = scope.read_blocks()
    moved = check_moved(home, network)
    found = scope.find_damage()
    left, renewed = found, False
    if repair and (found.damage or found.uncanonical or read.rotten):
        with home.lease("verify"):
            if repair_from is not None and wanted is not None:
                with BlockWriter(home.blocks) as writer:
                    repair_from.take(wanted, writer, progress)
            scope.repair(network)
            home.blocks.delete(home.blocks.missing(read.rotten))  # a block that is still rotten is of no use
        left = scope.find_damage()
        renewed = found.uncanonical is not None and left.uncanonical is None
    return Verified(
        blocks=read.blocks,
        bytes=read.size,
        archives=left.archives,
        rotten=len(read.rotten),
        damage=left.damage,
        repaired=max(0, found.blocks - left.blocks),
        files=files,
        moved=moved.blocks,
        unasked=f"{moved.failure.message}: {moved.failure.why}" if moved.failure is not None else "",
        kept=moved.kept,
        uncanonical=left.uncanonical,
        renewed=renewed,
    )


@dataclass(slots=True)
class _Read:
    """The blocks that were read: their number and size, and those that do not match their CIDs or are missing."""

    blocks: int = 0
    size: int = 0
    rotten: list[Cid] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Found:
    """The damage at one moment, among so many archives; ``uncanonical`` is an own snapshot that needs to be signed anew."""

    damage: tuple[Damage, ...]
    archives: int
    uncanonical: Cid | None

    @property
    def blocks(self) -> int:
        """The number of blocks that are missing or rotten."""
        return sum(entry.blocks for entry in self.damage)


class _Scope:
    """What is verified: everything that the home keeps, or the images of one release."""

    def __init__(self, home: Home, reference: str | None, progress: Progress) -> None:
        self._home = home
        self._reference = reference
        self._progress = progress
        self._roots = self._list_roots()

    def read_blocks(self) -> _Read:
        """Read every block and check it."""
        self._progress(Step("phase", "Reading every block" if self._reference is None else f"Reading {self._reference}"))
        store, read = self._home.blocks, _Read()
        for cid in store.cids() if self._reference is None else self._blocks_under_roots():
            try:
                read.size += len(store.get(cid))
            except (BlockMismatchError, BlockNotFoundError):
                if store.missing([cid]):
                    read.rotten.append(cid)
            read.blocks += 1
            self._progress(Step("total", "read", read.size))
        return read

    def find_damage(self) -> _Found:
        """Find archives and, unless one release is verified, snapshots that are incomplete.

        An archive that was pulled may be held in part: its engine had the other layers.
        """
        held = ReachableBlocks(self._home.blocks)
        damage = [
            Damage(root.label, root.cid, root.reason, _count_missing(held, root.cid), root.reason == "pulled", root.catalogue)
            for root in self._roots
            if not is_whole(root.cid, held)
        ]
        if self._reference is not None:
            return _Found(tuple(damage), len(self._roots), None)
        snapshots = [
            Damage(f"snapshot of {snapshot.label}", snapshot.root, "snapshot", 1, held_in_part=False, catalogue=snapshot.catalogue)
            for snapshot in find_damaged_snapshots(self._home)
        ]
        return _Found((*snapshots, *damage), len(self._roots), find_uncanonical_snapshot(self._home))

    def repair(self, network: Network) -> None:
        """Fetch what is missing; unless one release is verified, repair the snapshots too."""
        if self._reference is None:
            repair_snapshots(self._home, network, self._progress)
            self._roots = self._list_roots()  # snapshots that are complete again tell what else is kept
        stores: dict[str | None, FetchingBlockstore] = {}  # sources of other catalogues help only where no other source can
        for entry in self.find_damage().damage if network.sources else ():
            store = stores.setdefault(entry.catalogue, open_store(self._home, network, entry.catalogue))
            try:
                if entry.reason != "snapshot":
                    store.fetch_dag([entry.archive], progress=self._progress)
            except UnavailableError as error:
                self._progress(Step("warning", f"{entry.label}: {error.message}"))
        try:
            if self._reference is None:
                renew_damaged_snapshot(self._home, network, self._progress)
                renew_uncanonical_snapshot(self._home, network, self._progress)
        except DcatError as error:
            self._progress(Step("warning", f"your catalogue cannot be signed anew: {error.message}"))

    def _list_roots(self) -> list[Root]:
        if self._reference is None:
            archives = {root.cid: root for root in reversed(list_roots(self._home)) if root.reason != "snapshot"}
            return list(reversed(archives.values()))
        with open_lookup(self._home.path) as lookup:
            resolved = lookup.resolve(parse_reference(self._reference), now=self._home.now)
        release, catalogue = resolved.release, resolved.catalogue.catalogue
        for platform, image in release.images.items():
            check_image(image, platform, self._home.blocks)
        return [Root(image.archive, "named", release.reference, catalogue) for image in release.images.values()]

    def _blocks_under_roots(self) -> Iterator[Cid]:
        for root in self._roots:
            try:
                for block in walk(root.cid, self._home.blocks):
                    yield block.cid
            except (BlockNotFoundError, BlockMismatchError):
                continue


def _check_files(home: Home, *, repair: bool, progress: Progress) -> tuple[str, ...]:
    """Check the files of the home; return those that were damaged and made anew, or raise `CorruptHomeError`."""
    damaged = {found.path.name: found for found in find_damaged_files(home)}
    if not damaged:
        return ()
    if TRUST_FILE in damaged or not repair:
        raise _corrupt(next(iter(damaged.values())))
    with home.lock("own"):
        if BLOCKS_FILE in damaged:
            progress(Step("phase", "Reading what is left of the stored blocks"))
            salvage_blocks(home)
        refuse_others(home.blocks, home.now)
        if ARRIVING_FILE in damaged:
            discard_arriving(home)
        if INDEX_FILE in damaged:
            progress(Step("phase", "Rebuilding the index"))
            home.rebuild_index()
    return tuple(damaged)


def _corrupt(found: DamagedFile) -> CorruptHomeError:
    hint = "put back a copy of it" if found.path.name == TRUST_FILE else ""
    return CorruptHomeError(f"{found.path} is damaged", why=found.problem, hint=hint)


def _count_missing(store: Blockstore, archive_cid: Cid) -> int:
    try:
        return max(1, len(store.missing([block.cid for block in walk(archive_cid, store)])))
    except (BlockNotFoundError, BlockMismatchError, CodecError):
        return 1
