"""Writing the own catalogue's next snapshot: only what changed, as long as the blocks of the last one are in the home."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from itertools import chain

from catalog.blockstores.writing import BlockWriter
from catalog.errors import BlockNotFoundError, UnavailableError
from catalog.home.home import Home
from catalog.index.releases import iterate_releases
from catalog.index.subscriptions import get_catalogue
from catalog.ipld.block import BlockSource
from catalog.ipld.cid import RAW, Cid
from catalog.ipld.dag_pb import decode_node
from catalog.model.release import Release
from catalog.snapshot.images import DagSize
from catalog.snapshot.reader import read_head
from catalog.snapshot.writer import WrittenSnapshot, update_snapshot, write_snapshot


def write_own_snapshot(
    home: Home, catalogue: str, last: Cid | None, changed: Sequence[Release], archives: BlockSource, *, previous: Cid | None = None
) -> WrittenSnapshot:
    """Write the snapshot that ``last`` becomes with the changed releases; when this returns, its blocks are durable.

    ``archives`` holds the roots of archives and deltas, whose links state the size of the DAGs. ``previous`` is the snapshot that
    the new one names as its predecessor, if that is not ``last``. Where blocks of ``last`` are missing, the whole snapshot is
    written from the index and the changes; raises `UnavailableError` where the index does not show the releases of ``last``.
    """
    with home.index.read() as connection:
        shown = get_catalogue(connection, catalogue)

    def listed() -> Iterator[Release]:
        with home.index.read() as connection:
            yield from chain(iterate_releases(connection, catalogue), changed)  # the index may not have a noted change yet

    if last is not None:
        with suppress(BlockNotFoundError), BlockWriter(home.blocks) as writer:
            return update_snapshot(
                last,
                changed,
                title=shown.title,
                published=home.time,
                previous=previous,
                dag_size=dag_sizes(archives, listed),
                source=home.blocks,
                put=writer.put_node,
            )
    if last is not None and shown.root != str(last):
        raise UnavailableError(
            "the last snapshot of your catalogue is missing in this home, and the index was rebuilt without it",
            why=f"a snapshot from this index would leave out the releases of {last}",
            hint="verify and repair this home from a source that has it",
        )
    with BlockWriter(home.blocks) as writer:
        return write_snapshot(
            listed(),
            title=shown.title,
            published=home.time,
            previous=previous or last,
            dag_size=dag_sizes(archives, listed),
            put=writer.put_node,
            extra=_extra_of(last, home.blocks),
        )


def _extra_of(last: Cid | None, blocks: BlockSource) -> Mapping[str, object]:
    """Return the keys of newer formats in the head of a snapshot of which blocks may be missing."""
    if last is not None:
        with suppress(BlockNotFoundError):
            return read_head(last, blocks).extra
    return {}


def dag_sizes(source: BlockSource, listed: Callable[[], Iterable[Release]] = tuple) -> DagSize:
    """Return a function that computes the size of a DAG from its root: the block's own size and the sizes its links state.

    Of a delta of one block that no source has it is the size that one of the releases states: a delta is optional, and a publisher
    that lost all but the key goes on without it. For an archive that no source has it raises `BlockNotFoundError`, which names the
    release.
    """

    @cache
    def by_root() -> dict[Cid, tuple[str, int | None]]:
        """Return of each archive and delta the release, and of a delta of one block its size."""
        found: dict[Cid, tuple[str, int | None]] = {}
        for release in listed():
            for image in release.images.values():
                found[image.archive] = (release.reference, None)
                for delta in image.deltas.values():
                    found[delta.cid] = (release.reference, delta.size if delta.cid.codec == RAW else None)
        return found

    def state(root: Cid, error: BlockNotFoundError) -> int:
        reference, size = by_root().get(root, ("", None))
        if size is not None:
            return size
        if not reference:
            raise error
        raise BlockNotFoundError(
            f"no source has the bytes of {reference}, which your catalogue lists",
            why=error.why or error.message,
            hint=f"add a source that has them, or take the release out of the catalogue: dcat remove {reference}",
        ) from error

    def dag_size(root: Cid) -> int:
        try:
            data = source.get(root)
        except BlockNotFoundError as error:
            return state(root, error)
        if root.codec == RAW:
            return len(data)
        return len(data) + sum(link.tsize or 0 for link in decode_node(data).links)

    return dag_size
