"""``dcat export --static``: write a catalogue as plain files that any web server, bucket or stick can hold."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from catalog.delivery import explain_absence, open_store
from catalog.errors import (
    AmbiguousReferenceError,
    BlockNotFoundError,
    CatalogueNotFoundError,
    CidError,
    InvalidInputError,
    UnavailableError,
    VerificationError,
)
from catalog.home.home import Home
from catalog.home.records import local_records
from catalog.hosting.archives import ArchiveWriter
from catalog.hosting.examples import examples
from catalog.hosting.folder import Folder, Pointer, open_folder
from catalog.hosting.listings import Pages, list_header_rules, list_pages, list_tags
from catalog.hosting.pruning import prune_folder
from catalog.hosting.snapshots import write_snapshot
from catalog.index.catalogue import CatalogueRow
from catalog.index.subscriptions import list_catalogues
from catalog.ipld.cid import Cid, parse_cid
from catalog.ipns.name import IpnsName, parse_ipns_name
from catalog.ipns.record import check_record
from catalog.model.release import Release
from catalog.progress import Progress, Step, silent
from catalog.snapshot.difference import diff_snapshots
from catalog.snapshot.reader import open_snapshot
from catalog.sources.network import NO_NETWORK, Network
from catalog.sources.protocol import CATALOGUE_PATH, CATALOGUE_SCHEMA, record_path
from catalog.static.layout import FORMAT, SCHEMA, STATIC_PATH
from catalog.trust.conflicts import list_conflicts
from catalog.trust.ownership import rewrite_alias

_MOST_POINTERS = 5_000  # that wait in memory for what they lead to


@dataclass(frozen=True, slots=True)
class ExportedFiles:
    """What a run did: ``releases`` were looked at, ``files`` with ``written`` bytes in all are new, ``deleted`` were not needed."""

    catalogue: str
    releases: int
    files: int
    written: int
    deleted: int = 0


def export_static(
    home: Home,
    folder: Path,
    *,
    catalogue: str = "mine",
    prune: bool = False,
    pages: Pages | None = None,
    network: Network = NO_NETWORK,
    progress: Progress = silent,
) -> ExportedFiles:
    """Write the newest signed snapshot of a catalogue, ``mine`` or that of an alias, into a folder (docs/formats/static.md).

    Only what is not there yet is written. ``prune`` deletes what no release needs any more. ``pages`` renders pages for people
    (`catalog.server.pages.plain`); without it there are none. Raise `UnavailableError` where the bytes of an image are neither
    here nor at a source, `InvalidInputError` for a folder that holds another catalogue.
    """
    row = _find(home, catalogue)
    name = parse_ipns_name(row.catalogue)
    record = local_records(home).get(name)
    if record is None:
        raise AmbiguousReferenceError(
            f'the catalogue "{row.label}" has no record here yet', why="it was never signed or synced", hint="sync first"
        )
    root = check_record(name, record).snapshot_cid
    with home.reading("export"), open_folder(folder, crash_point=home.crash_point) as files:
        last, is_complete = _last_root(files, name)
        pointers: list[Pointer] = []
        store = open_store(home, network, str(name))
        writer = ArchiveWriter(files, store)
        names: dict[str, None] = {}
        releases = left_out = 0
        contested = _contested(home, str(name))
        for release in _changed(home, root, last if is_complete else None):
            releases += 1
            if (release.name, release.version) in contested:
                left_out += 1
                progress(Step("warning", f"{release.reference} was left out: its content changed, which nobody accepted here"))
                continue
            names[release.name] = None
            progress(Step("phase", f"Writing {release.reference}"))
            try:
                pointers += writer.write_release(release)
            except UnavailableError as error:
                raise explain_absence(error, release.reference, network) from error
            except VerificationError as error:  # of a stranger's catalogue; the rest of it is of use
                left_out += 1
                progress(Step("warning", f"{release.reference} was left out: {error.message}"))
            if len(pointers) >= _MOST_POINTERS:
                files.sync()
                _write(files, pointers)
                pointers.clear()
        progress(Step("phase", "Writing the index"))
        write_snapshot(files, root, last, home.blocks)
        for path, data in examples():
            files.put(path, data)
        files.sync()
        title = open_snapshot(root, home.blocks).catalogue.title
        lists = chain(
            list_tags(home, str(name), names, files),
            list_header_rules(home, str(name), files),
            list_pages(home, str(name), title, names, pages),
        )
        _write(files, chain(pointers, lists, _pointers(name, record, root, left_out)))
        files.sync()
        deleted = prune_folder(files, root, home.blocks) if prune else 0
    return ExportedFiles(str(name), releases, files.files, files.written, deleted)


def _find(home: Home, label: str) -> CatalogueRow:
    with home.trust.read() as connection:
        label = rewrite_alias(connection, label)
    with home.index.read() as connection:
        rows = [row for row in list_catalogues(connection) if label in (row.label, row.catalogue)]
    if not rows:
        raise CatalogueNotFoundError(f'no catalogue "{label}" is shown here')
    return rows[0]


def _write(files: Folder, pointers: Iterable[Pointer]) -> None:
    for pointer in pointers:
        files.replace(pointer.path, pointer.data)


def _last_root(files: Folder, name: IpnsName) -> tuple[Cid | None, bool]:
    """Return the snapshot that the folder holds, and whether every release of it was written; None for a folder without one."""
    data = files.read(STATIC_PATH)
    if data is None:
        return None, False
    try:
        pointer = json.loads(data)
        held, root, is_complete = str(pointer["name"]), parse_cid(pointer["root"]), pointer["left_out"] == 0
    except (ValueError, KeyError, TypeError, CidError):
        return None, False
    if held != str(name):
        raise InvalidInputError(
            f"{files.path} holds another catalogue", why=f"it is that of {held}", hint="name another folder, or an empty one"
        )
    return root, is_complete


def _changed(home: Home, root: Cid, last: Cid | None) -> Iterator[Release]:
    """Yield the releases that are new or changed since snapshot ``last``, all of them where that is not here any more."""
    snapshot = open_snapshot(root, home.blocks)
    if last is not None:
        try:
            old = open_snapshot(last, home.blocks)
            changes = list(diff_snapshots(old, snapshot))
        except BlockNotFoundError:  # collected since
            changes = None
        if changes is not None:
            yield from (change.after for change in changes if change.after is not None)
            return
    yield from snapshot.read()


def _contested(home: Home, catalogue: str) -> set[tuple[str, str]]:
    """Return the releases whose content changed and was not accepted: engines, which know no catalogue, are not given them."""
    with home.trust.read() as connection:
        return {(conflict.name, conflict.version) for conflict in list_conflicts(connection, state=None, catalogue=catalogue)}


def _pointers(name: IpnsName, record: bytes, root: Cid, left_out: int) -> Iterator[Pointer]:
    """Yield what leads to the snapshot, the last one last."""
    yield Pointer(record_path(name).lstrip("/"), record)
    yield Pointer(CATALOGUE_PATH.lstrip("/"), _encode({"name": str(name), "schema": CATALOGUE_SCHEMA}))
    static = {"format": FORMAT, "left_out": left_out, "name": str(name), "root": str(root), "schema": SCHEMA}
    yield Pointer(STATIC_PATH, _encode(static))


def _encode(fields: object) -> bytes:
    return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode() + b"\n"
